"""Standard errors and intervals against float64 and the jackknife; and where there are none."""

import pickle

import keras
import numpy as np
import pytest
from support.differentiation import compiled, masked, tensor
from support.instances import batch, numbers

from keras_bce import losses, metrics


def log_losses(y, x):
    """The loss of each logit in float64."""
    y, x = (np.asarray(a, "float64") for a in (y, x))
    return np.maximum(x, 0) - x * y + np.log1p(np.exp(-np.abs(x)))


def standard_error(n, v):
    """The formula, of the losses and weights of samples, after their mean was taken off."""
    n, v = (np.asarray(a, "float64") for a in (n, v))
    count = (v > 0).sum()
    residuals = n - n.sum() / v.sum() * v
    return np.sqrt(count / (count - 1) * (residuals**2).sum()) / v.sum()


def sure(**arguments):
    return metrics.BinaryCrossentropy(from_logits=True, uncertainty=True, **arguments)


WEIGHTS = {
    "unweighted": None,
    "weighted": np.random.default_rng(3).uniform(0.1, 5, 400),
    "zeros": np.random.default_rng(4).integers(0, 3, 400).astype("float64"),
}


@pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS)
@pytest.mark.parametrize("parts", [1, 7])
def test_the_standard_error_of_a_mean_is_that_of_float64(weights, parts):
    y, x = batch(1, 400, 3)
    v = np.ones(400) if weights is None else weights
    workers = []
    for rows in np.array_split(np.arange(400), parts):
        workers.append(sure())
        workers[-1].update_state(y[rows], x[rows], None if weights is None else weights[rows])
    first, *others = pickle.loads(pickle.dumps(workers))
    first.merge_state(others)
    n = v * log_losses(y, x).mean(-1)
    expected = standard_error(n, v)
    assert first.standard_error() == pytest.approx(expected, rel=2e-5)
    if weights is None:
        assert expected == pytest.approx(n.std(ddof=1) / np.sqrt(400), rel=1e-12)
    low, high = first.interval(0.9)
    assert (low + high) / 2 == pytest.approx(n.sum() / v.sum(), rel=1e-6)
    assert (high - low) / 2 == pytest.approx(1.6448536 * expected, rel=2e-5)


def test_each_label_has_its_own_standard_error():
    y, x = batch(1, 300, 3)
    y[::7, 1] = y[5] = -1
    v = np.random.default_rng(3).uniform(0.5, 2, 300)
    metric = sure(name="bce", ignore_class=-1, label_names=["a", "b", "c"])
    metric.update_state(y, x, v)
    w = v[:, None] * (y != -1)
    n = w * log_losses(np.maximum(y, 0), x)
    present = np.maximum((y != -1).sum(-1), 1)
    expected = {f"bce_{name}": standard_error(n[:, i], w[:, i]) for i, name in enumerate("abc")}
    expected["bce"] = standard_error(n.sum(-1) / present, w.sum(-1) / present)
    assert metric.standard_error() == pytest.approx(expected, rel=2e-5)
    for name, value in numbers(metric.result()).items():
        low, high = metric.interval()[name]
        assert (low + high) / 2 == pytest.approx(value, rel=1e-6)
        assert high - low == pytest.approx(2 * 1.959964 * expected[name], rel=2e-5)


@pytest.mark.parametrize("xla", [None, False, True], ids=["eager", "compiled", "xla"])
@pytest.mark.parametrize("weighted", [False, True])
def test_nearly_equal_losses_do_not_cancel(weighted, xla):
    count = 2**17
    generator = np.random.default_rng(0)
    # Two values: what rounding does to their squares does not average out.
    x = generator.choice([-2e-4, 2e-4], (count, 1)).astype("float32")
    y = np.ones_like(x)
    v = generator.integers(1, 4, count).astype("float32") if weighted else np.ones(count, "float32")
    metric = sure()

    def update(state, y, x, v):
        return metric.stateless_update_state(state, y, x, v)

    update = update if xla is None else compiled(update, xla)
    state = [tensor(keras.ops.convert_to_numpy(metric.variables[0]))]
    for rows in np.split(np.arange(count), 4):
        state = update(state, *(tensor(a[rows]) for a in (y, x, v)))
    metric.variables[0].assign(state[0])
    n = v.astype("float64") * log_losses(y, x)[:, 0]
    if not weighted:
        assert n.std() / n.mean() == pytest.approx(1.44e-4, rel=0.01)
    assert metric.standard_error() == pytest.approx(standard_error(n, v), rel=5e-3)


def jackknife(n, statistic):
    """The standard error of a statistic of columns, by leaving out each row."""
    count = len(n)
    rest = np.array([statistic(n.sum(0) - row) for row in n])
    return np.sqrt((count - 1) / count * ((rest - rest.mean()) ** 2).sum())


def normalized_entropy(sums):
    losses, positives, negatives = sums
    total = positives + negatives
    entropy = -(positives * np.log(positives / total) + negatives * np.log(negatives / total))
    return losses / entropy


JACKKNIFED = {
    "normalized_entropy": (
        metrics.NormalizedEntropy,
        lambda w, y, x: [w * log_losses(y, x), w * y, w * (1 - y)],
        normalized_entropy,
    ),
    "calibration_ratio": (
        metrics.CalibrationRatio,
        lambda w, y, x: [w / (1 + np.exp(-x)), w * y],
        lambda sums: sums[0] / sums[1],
    ),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("cls", "columns", "statistic"), JACKKNIFED.values(), ids=JACKKNIFED)
def test_the_delta_method_agrees_with_the_jackknife(cls, columns, statistic, weighted):
    y, x = batch(2, 800, 2)
    y[::9, 1] = -1
    v = np.random.default_rng(5).uniform(0.5, 1.5, 800) if weighted else np.ones(800)
    metric = cls(from_logits=True, ignore_class=-1, uncertainty=True)
    metric.update_state(y, x, v if weighted else None)
    w = v[:, None] * (y != -1)
    each = [np.sum(a, -1) for a in columns(w, np.maximum(y, 0), x.astype("float64"))]
    expected = jackknife(np.stack(each, 1), statistic)
    assert metric.standard_error() == pytest.approx(expected, rel=1e-2)
    low, high = metric.interval()
    assert (low + high) / 2 == pytest.approx(numbers(metric.result())["result"], rel=1e-6)


def test_masked_samples_do_not_count():
    y, x = batch(3, 60, 2)
    mask = np.arange(60) % 3 != 1
    metric, kept = sure(), sure()
    metric.update_state(y, masked(tensor(x), mask))
    kept.update_state(y[mask], x[mask])
    assert metric.standard_error() == pytest.approx(kept.standard_error(), rel=1e-6)


SURE = [
    sure,
    lambda: sure(label_names=["a"]),
    lambda: metrics.NormalizedEntropy(from_logits=True, uncertainty=True),
    lambda: metrics.CalibrationRatio(from_logits=True, uncertainty=True),
    lambda: metrics.MeanLoss(losses.BinaryFocalCrossentropy(from_logits=True)),
    lambda: metrics.BrierScore(from_logits=True),
]
BOUNDED = (metrics.CalibrationRatio, metrics.BrierScore)
UNSURE = {
    "nothing": ([], []),
    "one sample": ([1.0], [0.5]),
    "one sample of weight above 0": ([1.0, 0.0], [0.5, 0.5], [1.0, 0.0]),
    "an infinite loss": ([0.0, 1.0, 0.0], [np.inf, 0.5, -0.5]),
    "weights too small to be squared": ([0.0, 1.0, 0.0], [1.0, 0.5, -0.5], [1e-30] * 3),
}


@pytest.mark.parametrize("make", SURE)
@pytest.mark.parametrize("given", UNSURE.values(), ids=UNSURE)
def test_what_cannot_be_known_is_never_a_finite_interval(make, given):
    metric = make()
    if np.isinf(given[1]).any() and type(metric) in BOUNDED:
        pytest.skip("has no infinite value")
    metric.update_state(*(tensor(np.reshape(a, (-1, 1)).astype("float32")) for a in given))
    error, interval = metric.standard_error(), metric.interval()
    for bounds in interval.values() if isinstance(interval, dict) else [interval]:
        assert np.isnan(bounds).all()
    assert np.isnan(list(error.values()) if isinstance(error, dict) else error).all()


def test_half_precision_does_not_round_an_interval():
    y, x = batch(1, 400, 3)
    half, full = sure(dtype="float16"), sure()
    for metric in (half, full):
        metric.update_state(y, x)
    assert half.interval() == full.interval()
