"""Each metric against its formula in float64, and streams longer than float32 can count."""

import copy
import pickle

import keras
import numpy as np
import oracle
import pytest
from differentiation import BACKEND, compiled, tensor, to_numpy
from instances import batch, numbers

from keras_bce import metrics
from keras_bce._backend import backend
from keras_bce._sums import ExactSums


def case(samples=500, labels=2, from_logits=True):
    y, x = batch(2, samples, labels)
    p = 1 / (1 + np.exp(-x.astype("float64")))
    weights = np.random.default_rng(1).integers(0, 4, samples).astype("float64")
    return y, (x if from_logits else p.astype("float32")), p, weights


@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_normalized_entropy(from_logits, weighted):
    y, given, p, weights = case(from_logits=from_logits)
    w = np.repeat(weights[:, None], 2, 1) if weighted else np.ones_like(y)
    mean = (w * y).sum() / w.sum()
    entropy = -mean * np.log(mean) - (1 - mean) * np.log(1 - mean)
    bce = (w * -(y * np.log(p) + (1 - y) * np.log(1 - p))).sum() / w.sum()
    metric = metrics.NormalizedEntropy(from_logits=from_logits)
    result = numbers(metric(y, given, weights if weighted else None))
    assert result["result"] == pytest.approx(bce / entropy, rel=1e-6)


@pytest.mark.parametrize("from_logits", [True, False])
def test_calibration_ratio(from_logits):
    y, given, p, weights = case(from_logits=from_logits)
    metric = metrics.CalibrationRatio(from_logits=from_logits)
    expected = (weights[:, None] * p).sum() / (weights[:, None] * y).sum()
    assert numbers(metric(y, given, weights))["result"] == pytest.approx(expected, rel=1e-6)


def calibration_error(y, p, weights, num_bins):
    bins = np.minimum((p * num_bins).astype(int), num_bins - 1)
    gaps = [abs((weights * (p - y))[bins == k].sum()) for k in range(num_bins)]
    return sum(gaps) / weights.sum()


@pytest.mark.parametrize("num_bins", [1, 7, 15])
@pytest.mark.parametrize("samples", [50, 5000])
def test_expected_calibration_error(num_bins, samples):
    y, given, p, weights = case(samples)
    metric = metrics.ExpectedCalibrationError(from_logits=True, num_bins=num_bins)
    expected = calibration_error(y, p, np.repeat(weights[:, None], 2, 1), num_bins)
    assert numbers(metric(y, given, weights))["result"] == pytest.approx(expected, rel=2e-6)


def test_a_million_equal_predictions_in_one_batch_keep_their_calibration_error():
    p = np.full(2**20, 0.7, "float32")
    metric = metrics.ExpectedCalibrationError()
    metric.update_state(np.zeros_like(p), p)
    mean = float(p[0])
    # What a float32 sum of 1024 terms may lose; one of a million terms is wrong in its 2nd digit.
    error = 1024 * 2.0**-24
    assert numbers(metric.result())["result"] == pytest.approx(mean, rel=error)
    assert np.nanmax(metric.bins()["mean_prediction"]) == pytest.approx(mean, rel=error)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_expected_calibration_error_is_that_of_torchmetrics():
    torch = pytest.importorskip("torch")
    classification = pytest.importorskip("torchmetrics.classification")
    y, given, _, _ = case(3000, from_logits=False)
    theirs = classification.BinaryCalibrationError(n_bins=15, norm="l1")
    expected = theirs(torch.tensor(given.ravel()), torch.tensor(y.ravel().astype(int)))
    ours = metrics.ExpectedCalibrationError(num_bins=15)(y, given)
    assert numbers(ours)["result"] == pytest.approx(float(expected), rel=1e-5)


def test_bins_are_what_a_reliability_diagram_needs():
    metric = metrics.ExpectedCalibrationError(num_bins=4)
    metric.update_state([0, 1, 1, 0], [0.1, 0.2, 1.0, 0.3], sample_weight=[1, 3, 2, 0])
    bins = metric.bins()
    assert bins["edges"].tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert bins["weight"].tolist() == [4, 0, 0, 2]
    np.testing.assert_allclose(bins["mean_prediction"], [0.175, np.nan, np.nan, 1.0], rtol=1e-6)
    np.testing.assert_allclose(bins["mean_label"], [0.75, np.nan, np.nan, 1.0], rtol=1e-6)


@pytest.mark.parametrize("from_logits", [True, False])
def test_label_names_give_each_label_its_own_mean(from_logits):
    y, given, _, weights = case(from_logits=from_logits)
    y[5, 0] = -1
    metric = metrics.BinaryCrossentropy(
        "bce", from_logits=from_logits, ignore_class=-1, label_names=["cat", "dog"]
    )
    labels = np.maximum(y, 0)
    elements = oracle.elementwise(oracle.crossentropy, labels, given, from_logits=from_logits)
    w = np.where(y == -1, 0, weights[:, None])
    n, v, counted = oracle.per_sample(elements, np.repeat(weights[:, None], 2, 1), y != -1)
    each = (elements * w).sum(0) / w.sum(0)
    expected = {"bce": oracle.reduced(n, v, counted, "metric"), "bce_cat": each[0]}
    assert numbers(metric(y, given, weights)) == pytest.approx(
        expected | {"bce_dog": each[1]}, rel=1e-6
    )


def test_unfed_metrics():
    zero = [metrics.BinaryCrossentropy(), metrics.ExpectedCalibrationError()]
    for metric in zero:
        assert numbers(metric.result()) == {"result": 0.0}
    assert numbers(metrics.BinaryCrossentropy(label_names=["a"]).result()) == {
        "binary_crossentropy": 0.0,
        "binary_crossentropy_a": 0.0,
    }
    for metric in (metrics.NormalizedEntropy(), metrics.CalibrationRatio()):
        assert np.isnan(numbers(metric.result())["result"])
    one_class = metrics.NormalizedEntropy()([1, 1], [0.5, 0.5])
    assert np.isnan(numbers(one_class)["result"])


def test_from_logits_wraps_any_metric():
    y, x = batch(0, 100, 1)
    wrapped = metrics.FromLogits(keras.metrics.AUC(), name="auc_of_logits")
    plain = keras.metrics.AUC()
    p = 1 / (1 + np.exp(-x))
    assert numbers(wrapped(y, x)) == pytest.approx(numbers(plain(y, p)), rel=1e-6)
    assert wrapped.name == "auc_of_logits"
    assert wrapped.variables
    revived = metrics.FromLogits.from_config(wrapped.get_config())
    assert revived.get_config() == wrapped.get_config()
    assert numbers(revived(y, x)) == numbers(wrapped.result())
    wrapped.reset_states()
    with np.errstate(invalid="ignore"):  # NumPy warns of what Keras does with no data.
        assert numbers(wrapped.result()) == {"result": 0.0}
    for copied in (pickle.loads(pickle.dumps(revived)), copy.deepcopy(revived)):
        assert numbers(copied.result()) == numbers(revived.result()) != {"result": 0.0}
    with pytest.raises(ValueError, match="Received: a AUC, which has no `merge_state`"):
        revived.merge_state([revived])
    first, second = (metrics.FromLogits(metrics.NormalizedEntropy()) for _ in range(2))
    first.update_state(y[:50], x[:50])
    second.update_state(y[50:], x[50:])
    first.merge_state([second])
    whole = metrics.NormalizedEntropy(from_logits=True)(y, x)
    assert numbers(first.result()) == pytest.approx(numbers(whole), rel=1e-6)


def test_masks_reach_every_metric():
    from test_weighting import masked

    y, x = batch(0, 6, 3)
    mask = np.arange(6) % 3 != 1
    for cls in (
        metrics.NormalizedEntropy,
        metrics.CalibrationRatio,
        metrics.ExpectedCalibrationError,
    ):
        given = numbers(cls(from_logits=True)(y, masked(tensor(x), mask)))
        kept = numbers(cls(from_logits=True)(y[mask], x[mask]))
        assert given == pytest.approx(kept, rel=1e-6)


def test_a_wrapped_metric_sees_the_mask_that_it_would_see_without():
    from test_weighting import masked

    y, x = batch(0, 6, 3)
    mask = np.arange(6) % 3 != 1
    wrapped = metrics.FromLogits(keras.metrics.MeanSquaredError())
    given = numbers(wrapped(y, masked(tensor(x), mask)))
    p = masked(keras.ops.sigmoid(tensor(x)), mask)
    assert given == pytest.approx(numbers(keras.metrics.MeanSquaredError()(y, p)), rel=1e-6)


def test_a_wrapped_metric_is_handed_the_mask_itself():
    from test_weighting import masked

    class Recorder(keras.metrics.Mean):
        def update_state(self, y_true, y_pred, sample_weight=None):
            self.seen.append(to_numpy(backend.find_notes(y_pred)[0]))

    y, x = batch(0, 6, 3)
    mask = np.arange(6) % 3 != 1
    recorder = Recorder()
    recorder.seen = []
    metrics.FromLogits(recorder).update_state(y, masked(tensor(x), mask))
    (seen,) = recorder.seen
    np.testing.assert_array_equal(np.ravel(seen).astype(bool), mask)


def test_known_logits_reach_every_metric():
    if BACKEND != "torch":
        pytest.skip(f"{BACKEND} does not know logits eagerly")
    y, x = batch(0, 50, 1)
    x = x * 20  # Far beyond where a sigmoid saturates.
    p = keras.activations.sigmoid(tensor(x))
    for cls in (metrics.BinaryCrossentropy, metrics.NormalizedEntropy, metrics.CalibrationRatio):
        assert numbers(cls()(y, p)) == numbers(cls(from_logits=True)(y, x))
    wrapped = metrics.FromLogits(keras.metrics.MeanSquaredError())
    assert numbers(wrapped(y, p)) == numbers(keras.metrics.MeanSquaredError()(y, p))


class Sums(keras.metrics.Metric):
    """Exact sums alone."""

    def __init__(self, size):
        super().__init__(name="sums")
        self.sums = ExactSums(self, size, "float32")

    def update_state(self, *added):
        state = self.sums.variable
        state.assign(backend.add_exactly(state.value, [*added]))


def exact(metric):
    """All the digits of the state: high parts and low parts in float64."""
    (state,) = metric.variables
    return keras.ops.convert_to_numpy(state).astype("float64").sum(0)


@pytest.mark.parametrize("xla", [None, False, True], ids=["eager", "compiled", "xla"])
def test_sums_are_exact_where_float32_would_stop(xla):
    metric = Sums(2)
    small = 2.0**-20

    def step(state, row):
        return metric.stateless_update_state(state, backend.exact_sum(row[None], 0))

    metric.update_state(2.0**27, 1.0)
    state = [tensor(metric.sums.state)]
    step = step if xla is None else compiled(step, xla)
    for _ in range(100):
        state = step(state, tensor([1.0, small]))
    total = to_numpy(state[0]).astype("float64").sum(0)
    np.testing.assert_array_equal(total, [2.0**27 + 100, 1 + 100 * small])


def test_random_sums_in_any_order_lose_nothing_of_48_bits():
    generator = np.random.default_rng(0)
    terms = np.exp(generator.normal(0, 8, 2000)).astype("float32")
    metric = Sums(1)

    for term in terms:
        metric.update_state(backend.exact_sum(tensor([term])))
    assert exact(metric) == pytest.approx(terms.astype("float64").sum(), rel=2.0**-44)


@pytest.mark.parametrize("axis", [None, (0, 1), (0, 2), (-1, 1)])
@pytest.mark.parametrize("shape", [(0, 3, 2), (1, 1, 1), (513, 3, 5)])
def test_sums_of_a_batch_are_exact(axis, shape):
    values = np.exp(np.random.default_rng(0).normal(0, 4, shape)).astype("float32")
    expected = values.astype("float64").sum(axis)
    metric = Sums(expected.size)
    metric.update_state(backend.exact_sum(tensor(values), axis))
    np.testing.assert_allclose(exact(metric), expected.ravel(), rtol=1e-12)


@pytest.mark.skipif(BACKEND != "torch", reason="elsewhere a variable keeps no graph")
def test_a_metric_keeps_no_graph():
    metric = metrics.BinaryCrossentropy(from_logits=True)
    metric.update_state(tensor([1.0]), tensor([0.5]).requires_grad_())
    assert not metric.result().requires_grad


def test_a_count_past_float32_is_kept():
    metric = Sums(1)
    metric.update_state(2.0**24 + 1)
    assert exact(metric) == 2.0**24 + 1


def test_a_batch_past_float32_is_counted():
    metric = metrics.BinaryCrossentropy(from_logits=True)
    zeros = tensor(np.zeros(2**24 + 1, "float32"))
    metric.update_state(zeros, zeros)
    total, count = exact(metric)
    assert count == 2**24 + 1
    assert total == pytest.approx(count * np.log(2), rel=1e-7)


def test_300_samples_still_count_after_2_to_the_27():
    metric = metrics.BinaryCrossentropy(from_logits=True)
    metric.variables[0].assign([[2.0**27 * 0.25, 2.0**27], [0.0, 0.0]])
    for _ in range(300):
        metric.update_state([[0.0]], [[10_000.0]])
    expected = (2**27 * 0.25 + 300 * 10_000) / (2**27 + 300)
    assert numbers(metric.result())["result"] == pytest.approx(expected, rel=1.5e-7)


def test_a_stream_of_a_billion_samples_keeps_its_digits():
    """A thousand updates, each of a million samples by weight, on a tenth of the data."""
    generator = np.random.default_rng(0)
    x = generator.normal(0, 3, (1000, 1)).astype("float32")
    y = (generator.random((1000, 1)) < 0.3).astype("float32")
    losses = oracle.elementwise(oracle.crossentropy, y, x, from_logits=True)[:, 0]
    metric = metrics.BinaryCrossentropy(from_logits=True)
    total = size = 0.0
    y, x = tensor(y), tensor(x)
    for _ in range(1000):
        weights = generator.integers(1, 2000, 1000).astype("float32")
        metric.update_state(y, x, tensor(weights))
        total += (weights.astype("float64") * losses).sum()
        size += weights.sum(dtype="float64")
    assert size > 0.99e9
    assert numbers(metric.result())["result"] == pytest.approx(total / size, rel=1e-7)


def test_the_state_is_small():
    for metric in (metrics.BinaryCrossentropy(), metrics.NormalizedEntropy()):
        assert sum(np.prod(v.shape) * 4 for v in metric.variables) <= 32


def test_an_infinite_loss_makes_the_mean_infinite_and_stays():
    metric = metrics.BinaryCrossentropy(from_logits=True)
    for x in (np.inf, 0.0, np.inf):
        metric.update_state(tensor([[0.0]]), tensor([[x]]))
    assert numbers(metric.result()) == {"result": np.inf}
    metric.merge_state([metric])
    assert numbers(metric.result()) == {"result": np.inf}


EACH = [
    metrics.BinaryCrossentropy,
    metrics.NormalizedEntropy,
    metrics.CalibrationRatio,
    metrics.ExpectedCalibrationError,
]


@pytest.mark.parametrize("cls", EACH)
def test_a_merged_metric_still_knows_what_is_too_small_for_float32_beside_the_rest(cls):
    """A weight of 2**24 on both sides of the merge is taken back: what is left are six samples."""
    light = [0, 1, 1], [0.125, 0.75, 0.25]
    merged, other = cls(), cls()
    for metric in (merged, other):
        metric.update_state([1], [0.25], sample_weight=[2.0**24])
        metric.update_state(*light)
    merged.merge_state([other])
    merged.update_state([1], [0.25], sample_weight=[-(2.0**25)])
    assert numbers(merged.result()) == pytest.approx(numbers(cls()(*light)), rel=1e-5)


def test_300_metrics_of_one_sample_still_count_when_merged_into_one_of_2_to_the_24():
    total = metrics.BinaryCrossentropy(from_logits=True)
    total.update_state([[0.0]], [[0.0]], sample_weight=[2.0**24])
    for _ in range(300):
        one = metrics.BinaryCrossentropy(from_logits=True)
        one.update_state([[0.0]], [[1000.0]])
        total.merge_state([one])
    expected = (2**24 * np.log(2) + 300 * 1000) / (2**24 + 300)
    assert numbers(total.result())["result"] == pytest.approx(expected, rel=1.5e-7)
