"""What the pictures show is what the metrics and losses say."""

import numpy as np
import pytest

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
