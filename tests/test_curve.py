"""The calibration curve, against definitions in float64 on the raw predictions."""

import keras
import numpy as np
import pytest
from scipy.stats import binom
from sklearn.isotonic import IsotonicRegression
from support.differentiation import BACKEND, tensor, tensors_are_unchecked
from support.instances import numbers

from keras_bce import metrics
from keras_bce.metrics._reliability import binomial_band

Curve = metrics.CalibrationCurve
MODES = {
    "tensorflow": {"eager": {"run_eagerly": True}, "graph": {}, "xla": {"jit_compile": True}},
    "jax": {"eager": {"run_eagerly": True}, "jit": {"jit_compile": True}},
    "torch": {"eager": {}},
    "numpy": {},
}[BACKEND]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def drawn(n, *, mean=0.0, spread=1.5, slope=1.0, shift=0.0, seed=0):
    """Labels drawn from probabilities, and predictions whose logits are off; weights."""
    generator = np.random.default_rng(seed)
    z = generator.normal(mean, spread, n)
    y = (generator.random(n) < sigmoid(z)).astype("float32")
    p = sigmoid(slope * z + shift).astype("float32")
    return y, p, generator.integers(1, 4, n).astype("float32")


DATA = {
    "calibrated": {"n": 600},
    "overconfident": {"n": 600, "slope": 2.0},
    "all near 0": {"n": 600, "mean": -6.0, "spread": 1.0, "shift": 1.0},
    "200 rows": {"n": 200, "slope": 0.7, "shift": 0.5},
}
each_data = pytest.mark.parametrize("data", DATA.values(), ids=DATA)


def result(metric):
    return numbers(metric.result())["result"]


def fed(y, p, weights=None, **arguments):
    metric = Curve(**arguments)
    metric.update_state(y, p, weights)
    return metric


def smooth_error(y, p, weights):
    """The definition: every prediction, with its mirror images; the fixed point by bisection."""
    gaps = weights * (p.astype("float64") - y) / weights.sum()
    centres = np.concatenate([sign * p + 2.0 * k for sign in (1, -1) for k in (-1, 0, 1)])
    masses = np.tile(gaps, 6)
    low, high = 1e-4, 1.0
    for _ in range(14):
        width = np.sqrt(low * high)
        # Midpoints: as many as the width needs.
        grid = (np.arange(max(200, int(4 / width))) + 0.5) / max(200, int(4 / width))
        kernel = np.exp(-0.5 * ((grid[:, None] - centres) / width) ** 2)
        error = np.abs(kernel @ masses).mean() / (width * np.sqrt(2 * np.pi))
        low, high = (width, high) if error > width else (low, width)
    return error


@each_data
def test_the_result_is_the_smooth_calibration_error(data):
    y, p, weights = drawn(**data)
    assert result(fed(y, p, weights)) == pytest.approx(smooth_error(y, p, weights), rel=0.002)


@pytest.mark.parametrize(("p", "rate"), [(0.7, 0.25), (0.001, 0.0), (1.0, 0.5)])
def test_equal_predictions_are_off_by_their_gap(p, rate):
    y = np.arange(8) < 8 * rate
    assert result(fed(y, np.full(8, p))) == pytest.approx(abs(p - rate), rel=1e-5)


def test_a_perfect_model_has_no_error():
    assert result(fed([0, 1, 1], [0.0, 1.0, 1.0])) == 0.0


def test_a_million_equal_predictions_in_one_batch_keep_their_error():
    p = np.full(2**20, 0.7, "float32")
    metric = fed(np.zeros_like(p), p)
    error = 1e-4  # A float32 sum of a million terms would be off by 0.01.
    assert result(metric) == pytest.approx(0.7, rel=error)
    assert np.nanmax(metric.curve()["mean_prediction"]) == pytest.approx(0.7, rel=error)


def test_batches_merged_in_any_split_give_the_same():
    y, p, weights = drawn(3000, slope=2.0)
    single = fed(y, p, weights)
    parts = [fed(y[i::7], p[i::7], weights[i::7]) for i in range(7)]
    parts[0].merge_state(parts[1:])
    assert result(parts[0]) == pytest.approx(result(single), rel=1e-6)
    assert parts[0].error(binning="quantile") == pytest.approx(single.error(binning="quantile"))
    assert parts[0].decomposition() == pytest.approx(single.decomposition(), rel=1e-6)


def test_logits_and_their_probabilities_fall_into_the_same_bins():
    x = np.linspace(-13, 8, 300, dtype="float32")
    y = np.zeros_like(x)
    from_logits = fed(y, x, from_logits=True, num_bins=64).curve(num_bins=30)
    from_probabilities = fed(y, sigmoid(x), num_bins=64).curve(num_bins=30)
    for name, column in from_logits.items():
        np.testing.assert_allclose(column, from_probabilities[name], rtol=1e-4, err_msg=name)


# --- Binned errors


def binned(y, p, weights, num_bins, norm):
    bins = np.minimum((p * num_bins).astype(int), num_bins - 1)
    shares, gaps = [], []
    for k in np.unique(bins):
        inside = bins == k
        shares.append(weights[inside].sum() / weights.sum())
        gaps.append(np.average((p - y)[inside], weights=weights[inside]))
    return (np.array(shares) @ np.abs(gaps) ** norm) ** (1 / norm)


@pytest.mark.parametrize("norm", [1, 2])
@pytest.mark.parametrize("num_bins", [1, 4, 15])
def test_the_error_over_uniform_bins(num_bins, norm):
    y, p, weights = drawn(20_000, slope=2.0)
    error = fed(y, p, weights).error(num_bins, norm=norm)
    # A fine bin at an edge falls to one side.
    assert error == pytest.approx(binned(y, p, weights, num_bins, norm), rel=0.005)


def test_predictions_on_edges_fall_where_the_expected_calibration_error_puts_them():
    y, p, weights = drawn(500)
    p = np.round(p, 1).astype("float32")
    theirs = metrics.ExpectedCalibrationError(num_bins=10)
    theirs.update_state(y, p, weights)
    assert fed(y, p, weights).error(10) == pytest.approx(result(theirs), rel=1e-6)


def test_quantile_bins_have_equal_weight():
    y, p, weights = drawn(5000, mean=-8.0, spread=0.7)
    bins = fed(y, p, weights).curve(10, "quantile")
    assert bins["weight"] == pytest.approx(weights.sum() / 10, rel=0.15)
    order = np.argsort(p)
    tenth = np.floor(10 * (np.cumsum(weights[order]) - weights[order] / 2) / weights.sum())
    means = [
        np.average(p[order][tenth == k], weights=weights[order][tenth == k]) for k in range(10)
    ]
    np.testing.assert_allclose(bins["mean_prediction"], means, rtol=0.03)


def test_equal_predictions_are_not_divided_between_quantile_bins():
    bins = fed([0] * 8, [0.2] * 3 + [0.6] * 5).curve(2)
    assert bins["weight"].tolist() == [3, 5]


def test_rare_positives_are_told_apart():
    p = np.repeat([1e-4, 2e-4], 5000).astype("float32")
    y = np.zeros(10_000, "float32")
    y[[1, 5001, 5002]] = 1
    bins = fed(y, p).curve(2)
    # What a float32 sum of 1024 terms may lose, on JAX.
    np.testing.assert_allclose(bins["mean_prediction"], [1e-4, 2e-4], rtol=1024 * 2.0**-24)
    np.testing.assert_allclose(bins["mean_label"], [1 / 5000, 2 / 5000], rtol=1024 * 2.0**-24)


def test_the_debiased_error_subtracts_the_noise_of_each_bin():
    p = np.repeat([0.25, 0.75], [10, 6]).astype("float32")
    y = np.r_[[1] * 5, [0] * 5, [1] * 5, [0]]
    noise = 10 / 16 * 0.5 * 0.5 / 9 + 6 / 16 * (5 / 6) * (1 / 6) / 5
    square = 10 / 16 * 0.25**2 + 6 / 16 * (0.75 - 5 / 6) ** 2
    plain, debiased = (fed(y, p).error(2, norm=2, debiased=flag) for flag in (False, True))
    assert plain == pytest.approx(np.sqrt(square), rel=1e-6)
    assert debiased == pytest.approx(np.sqrt(square - noise), rel=1e-6)
    # Weights that are all 3 are as many predictions.
    assert fed(y, p, np.full(16, 3.0)).error(2, norm=2, debiased=True) == pytest.approx(debiased)


def test_few_predictions_of_a_calibrated_model_look_miscalibrated_unless_debiased():
    plain, debiased = [], []
    for seed in range(40):
        y, p, _ = drawn(300, seed=seed)
        metric = fed(y, p)
        plain.append(metric.error(15, "quantile", 2))
        debiased.append(metric.error(15, "quantile", 2, debiased=True))
    assert np.square(plain).mean() > 5 * np.square(debiased).mean()


def test_a_bin_of_one_prediction_adds_no_debiased_error():
    assert fed([0], [0.9]).error(norm=2, debiased=True) == 0.0


# --- Decomposition


def log_loss(y, p):
    with np.errstate(divide="ignore", invalid="ignore"):
        return -(np.where(y == 0, 0, y * np.log(p)) + np.where(y == 1, 0, (1 - y) * np.log1p(-p)))


SCORES = {"log_loss": log_loss, "brier": lambda y, p: (y - p) ** 2}
PARTS = ("score", "uncertainty", "discrimination", "miscalibration")


def decomposed(y, p, weights, score):
    """Isotonic regression on the raw predictions."""
    y, p = y.astype("float64"), p.astype("float64")
    recalibrated = IsotonicRegression(y_min=0, y_max=1).fit(p, y, weights).predict(p)
    constant = np.full_like(p, np.average(y, weights=weights))
    s, r, c = (
        np.average(SCORES[score](y, q), weights=weights) for q in (p, recalibrated, constant)
    )
    return dict(zip(PARTS, (s, c, c - r, s - r), strict=True))


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize(
    "data",
    [
        DATA["200 rows"],
        DATA["overconfident"],
        DATA["calibrated"],
        {"n": 20_000, "slope": 2.0},
        {"n": 50_000, "mean": -6.0, "spread": 1.5, "shift": 1.0},
    ],
    ids=["200 rows", "overconfident", "calibrated", "20,000 overconfident", "50,000 near 0"],
)
def test_the_parts_of_a_score_are_those_of_exact_isotonic_regression(data, score):
    y, p, weights = drawn(**data)
    parts = fed(y, p, weights).decomposition(score)
    assert tuple(parts) == PARTS
    assert parts == pytest.approx(decomposed(y, p, weights, score), rel=0.02)
    total = parts["uncertainty"] - parts["discrimination"] + parts["miscalibration"]
    assert total == pytest.approx(parts["score"], abs=1e-15)


@pytest.mark.parametrize("score", SCORES)
def test_soft_labels_are_decomposed_as_well(score):
    _, p, weights = drawn(300)
    y = np.random.default_rng(1).integers(0, 5, 300) / 4
    parts = fed(y, p, weights).decomposition(score)
    assert parts == pytest.approx(decomposed(y, p, weights, score), rel=0.02)


def test_the_log_loss_is_that_of_the_metric():
    y, p, weights = drawn(500, slope=2.0)
    metric = metrics.BinaryCrossentropy()
    metric.update_state(y, p, weights)
    assert fed(y, p, weights).decomposition()["score"] == pytest.approx(result(metric), rel=1e-6)


def test_an_infinite_log_loss_is_miscalibration():
    metric = fed([0, 1, 0, 1], [-np.inf, np.inf, np.inf, 0.0], from_logits=True)
    parts = metric.decomposition()
    assert parts["score"] == parts["miscalibration"] == np.inf
    assert parts["uncertainty"] == pytest.approx(np.log(2))
    assert metric.decomposition("brier")["score"] == pytest.approx((1 + 0.25) / 4)
    assert 0 < result(metric) < 1


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("score", SCORES)
def test_labels_of_one_class_leave_miscalibration_alone(label, score):
    y, p = np.full(50, label), drawn(50)[1]
    parts = fed(y, p).decomposition(score)
    expected = dict(zip(PARTS, (SCORES[score](y, p).mean(), 0, 0), strict=False))
    expected["miscalibration"] = expected["score"]
    # The difference of p and y is rounded to float32.
    assert parts == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert result(fed(y, p)) == pytest.approx(np.abs(p - label).mean(), rel=0.01)


# --- Bands


def test_the_band_is_that_of_a_binomial_variable():
    counts, p = (v.ravel() for v in np.meshgrid([1, 7, 200, 10**6], [1e-6, 1e-3, 0.3, 0.5, 0.999]))
    for level in (0.5, 0.95, 0.999):
        low, high = binomial_band(counts, p, level)
        exact = binom.interval(level, counts, p)
        np.testing.assert_allclose((low * counts, high * counts), exact, rtol=1e-12)


def test_a_calibrated_model_is_within_its_bands_and_another_is_not():
    y, p, _ = drawn(30_000)
    share = {}
    for name, predictions in (("calibrated", p), ("overconfident", p**2)):
        bins = fed(y, predictions).curve(50, level=0.9)
        share[name] = np.mean(
            (bins["low"] <= bins["mean_label"]) & (bins["mean_label"] <= bins["high"])
        )
    assert share["calibrated"] == pytest.approx(0.9, abs=0.1)
    assert share["overconfident"] < 0.3


def test_empty_bins_have_no_means():
    bins = fed([0, 1, 1], [0.1, 0.2, 0.9], [1, 3, 0]).curve(4, "uniform")
    assert bins["weight"].tolist() == [4, 0, 0, 0]
    for name in ("mean_prediction", "mean_label", "low", "high"):
        assert np.isnan(bins[name]).tolist() == [False, True, True, True]
    assert bins["mean_prediction"][0] == pytest.approx(0.175)
    assert bins["mean_label"][0] == pytest.approx(0.75)


# --- Nothing plausible from nothing or from NaN


def every_number(metric):
    return [
        metric.error(),
        metric.error(binning="quantile", norm=2, debiased=True),
        *metric.decomposition().values(),
        *metric.decomposition("brier").values(),
    ]


def test_what_has_seen_nothing_gives_nothing():
    for metric in (Curve(), fed([0, 1], [0.1, 0.2], [0, 0])):
        assert result(metric) == 0.0
        assert np.isnan(every_number(metric)).all()
        assert (metric.curve(3)["weight"] == 0).all()
        assert np.isnan(metric.curve(3)["mean_label"]).all()


@tensors_are_unchecked
@pytest.mark.parametrize(("y", "p"), [(0.0, np.nan), (0.0, 1.5), (3.0, 0.5), (np.nan, 0.5)])
def test_an_impossible_value_makes_every_number_nan(y, p):
    metric = fed(tensor([0.0, 1.0, y]), tensor([0.1, 0.2, p]))
    assert np.isnan(result(metric))
    assert np.isnan(every_number(metric)).all()


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_fit_logs_it_in_every_mode_of_running(mode):
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(64, 3)).astype("float32"), generator.integers(0, 2, (64, 2))
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("sgd", loss="mse", metrics=[Curve(from_logits=True)], **mode)
    logs = model.fit(x, y, validation_data=(x, y), batch_size=16, verbose=0).history
    assert logs["calibration_curve"][0] > 0
    alone = fed(y, model.predict(x, verbose=0), from_logits=True)
    assert logs["val_calibration_curve"][0] == pytest.approx(result(alone), rel=1e-5)
