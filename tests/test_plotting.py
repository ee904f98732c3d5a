"""What the pictures show is what the metrics and losses say."""

import numpy as np
import pytest
from support.differentiation import BACKEND, tensor

from keras_bce import losses, metrics, plotting


@pytest.fixture(autouse=True)
def plt():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


def test_a_reliability_diagram_shows_the_bins(plt):
    metric = metrics.ExpectedCalibrationError(num_bins=4)
    metric.update_state([0, 1, 1, 1], [0.1, 0.2, 1.0, 0.9])
    ax = plotting.reliability_diagram(metric, label="model")
    line = ax.lines[1]
    np.testing.assert_allclose(line.get_xdata(), [0.15, 0.95], rtol=1e-6)
    np.testing.assert_allclose(line.get_ydata(), [0.5, 1.0], rtol=1e-6)
    (text,) = ax.get_legend().get_texts()
    assert text.get_text() == f"model, calibration error {float(metric.result()):.3f}"
    _, drawn = plt.subplots()
    assert plotting.reliability_diagram(metric, ax=drawn) is drawn


def test_the_points_of_a_reliability_diagram_grow_with_the_weight_of_their_bins():
    metric = metrics.ExpectedCalibrationError(num_bins=4)
    weight = np.array([1.0, 2.0, 6.0])
    metric.update_state([0, 1, 1], [0.1, 0.3, 0.9], sample_weight=weight)
    (points,) = plotting.reliability_diagram(metric).collections
    areas = points.get_sizes()
    np.testing.assert_allclose(points.get_offsets(), [[0.1, 0], [0.3, 1], [0.9, 1]], rtol=1e-6)
    growth = np.diff(areas) / np.diff(weight)
    assert growth[0] == pytest.approx(growth[1])
    assert growth[0] > 0
    # In proportion, but for what keeps a point of almost no weight visible.
    assert areas == pytest.approx(areas[2] * weight / weight[2], abs=0.05 * areas[2])


def test_the_axes_of_a_reliability_diagram_say_what_they_show():
    metric = metrics.ExpectedCalibrationError()
    metric.update_state([0, 1], [0.1, 0.9])
    ax = plotting.reliability_diagram(metric)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted probability", "observed frequency")


def test_a_reliability_diagram_needs_data():
    with pytest.raises(ValueError, match="Received: a metric without any"):
        plotting.reliability_diagram(metrics.ExpectedCalibrationError())


def fed(p, y, weights=None):
    metric = metrics.CalibrationCurve()
    metric.update_state(y, p, weights)
    return metric


@pytest.fixture
def curve():
    p = np.random.default_rng(0).random(300)
    return fed(p, np.random.default_rng(1).random(300) < p**2)


def test_a_diagram_of_a_curve_shows_its_bins_and_their_bands(curve):
    ax = plotting.reliability_diagram(curve, num_bins=10, level=0.8, label="model")
    bins = curve.curve(10, level=0.8)
    line = ax.lines[1]
    np.testing.assert_array_equal(line.get_xdata(), bins["mean_prediction"])
    np.testing.assert_array_equal(line.get_ydata(), bins["mean_label"])
    _, band = ax.collections
    corners = {tuple(corner) for corner in band.get_paths()[0].vertices}
    for bound in ("low", "high"):
        assert {*zip(bins["mean_prediction"], bins[bound], strict=True)} <= corners
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    error = f"{float(curve.result()):#.3g}"
    assert texts == [f"model, smooth ECE {error}", "80% of samples, if calibrated"]


def test_a_diagram_of_a_curve_has_a_histogram_of_the_predictions_below(curve):
    ax = plotting.reliability_diagram(curve)
    (below,) = ax.child_axes
    (outline,) = below.patches
    density, edges, _ = outline.get_data()
    assert len(density) == 40
    assert density @ np.diff(edges) == pytest.approx(1.0)
    np.testing.assert_allclose(density, 40 * curve.curve(40, "uniform")["weight"] / 300)
    assert below.get_xlim() == ax.get_xlim()


def test_a_second_model_is_drawn_over_the_first_in_its_own_colour(curve):
    rare = fed(np.full(50, 0.01), np.zeros(50))
    ax = plotting.reliability_diagram(curve, label="a")
    assert plotting.reliability_diagram(rare, ax=ax, label="b", colour="green") is ax
    (below,) = ax.child_axes
    assert [patch.get_edgecolor()[:3] for patch in below.patches][1] == (0, 128 / 255, 0)
    # One entry for each model, and one that says what the bands are.
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert [text[:2] for text in texts] == ["a,", "b,", "95"]
    assert below.get_xlim() == ax.get_xlim() == ax.get_ylim()
    assert ax.get_xlim()[1] >= 1


@pytest.mark.parametrize("first", ["rare", "wide"])
def test_axes_end_where_rare_positives_do_unless_another_model_goes_on(first, curve):
    p = np.random.default_rng(0).random(20_000) / 1000
    rare = fed(p, np.random.default_rng(1).random(20_000) < p)
    ax = plotting.reliability_diagram(rare)
    assert 0.001 < ax.get_xlim()[1] < 0.004
    assert np.count_nonzero(ax.child_axes[0].patches[0].get_data().values) > 10
    models = [rare, curve] if first == "rare" else [curve, rare]
    ax = plotting.reliability_diagram(models[0])
    plotting.reliability_diagram(models[1], ax=ax)
    assert 1 <= ax.get_xlim()[1] < 1.1


def test_equal_predictions_are_a_point_with_a_band(plt):
    ax = plotting.reliability_diagram(fed(np.full(100, 0.7), np.arange(100) < 50))
    _, band = ax.collections
    (left, low), (right, high) = (f(band.get_paths()[0].vertices, 0) for f in (np.min, np.max))
    assert 0.55 < low < 0.65 < 0.75 < high < 0.85
    assert 0.65 < left < 0.7 < right < 0.75


def test_a_curve_without_data_or_with_impossible_data_is_not_drawn():
    with pytest.raises(ValueError, match="Received: a metric without any"):
        plotting.reliability_diagram(metrics.CalibrationCurve())
    if BACKEND == "numpy":  # Where arrays are checked before.
        return
    for metric in (metrics.CalibrationCurve(), metrics.ExpectedCalibrationError()):
        metric.update_state(tensor([0.0, 1.0]), tensor([0.5, np.nan]))
        with pytest.raises(ValueError, match="Received: a metric whose result is NaN"):
            plotting.reliability_diagram(metric)


def test_loss_curves_show_each_loss():
    curves = {
        "log loss": losses.BinaryCrossentropy(reduction=None),
        "focal": losses.BinaryFocalCrossentropy(reduction=None),
    }
    p = np.array([0.25, 0.5])
    ax = plotting.loss_curves(curves, p)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), -np.log(p), rtol=1e-6)
    np.testing.assert_allclose(ax.lines[1].get_ydata(), -((1 - p) ** 2) * np.log(p), rtol=1e-6)
    assert ax.lines[0].get_linestyle() != ax.lines[1].get_linestyle()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(curves)


def test_intervals_show_each_slice_and_each_model(plt):
    sliced = metrics.Sliced(metrics.BrierScore(), ["north", "south", "empty"])
    p = np.array([0.1, 0.4, 0.9, 0.3, 0.6, 0.8])
    sliced.update_state([0, 1, 1, 0, 1, 0], p, slices=[0, 0, 0, 1, 1, 1])
    ax = plotting.intervals({"old": sliced, "new": sliced.of("south"), "told": (0.5, (0.4, 0.7))})
    names = ["old, north", "old, south", "old, empty", "new", "told"]
    assert [label.get_text() for label in ax.get_yticklabels()] == names
    lines, points = ax.collections
    low, high = sliced.interval()["north"]
    np.testing.assert_allclose(lines.get_segments()[0], [[low, 0], [high, 0]])
    np.testing.assert_allclose(lines.get_segments()[-1], [[0.4, 4], [0.7, 4]])
    result = sliced.result()
    expected = [float(result["north"]), float(result["south"]), np.nan, float(result["south"]), 0.5]
    offsets = np.ma.filled(points.get_offsets(), np.nan)
    np.testing.assert_allclose(offsets[:, 0], expected, rtol=1e-6)
    assert len({tuple(colour) for colour in points.get_facecolors()}) == 3
    # The first row is on top.
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    _, drawn = plt.subplots()
    assert plotting.intervals(sliced, ax=drawn) is drawn
    assert [label.get_text() for label in drawn.get_yticklabels()] == sliced.slice_names


def test_intervals_need_something_to_draw():
    with pytest.raises(ValueError, match="Received: an empty mapping"):
        plotting.intervals({})


def test_the_style_is_one_of_matplotlib(plt, curve):
    with plt.style.context(plotting.STYLE):
        figure, ax = plt.subplots()
        assert figure.get_figwidth() == 7.2
        (line,) = ax.plot([0, 1])
        assert line.get_color() == plotting.COLOURS[0]
        plotting.reliability_diagram(curve)
        metric = metrics.BrierScore()
        metric.update_state([0, 1, 1], [0.1, 0.4, 0.9])
        ax = plotting.intervals(metric)
        assert not any(line.get_visible() for line in ax.get_ygridlines())
        assert all(line.get_visible() for line in ax.get_xgridlines())
