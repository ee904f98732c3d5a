"""Exact sums, and metrics of streams longer than float32 can count."""

import keras
import numpy as np
import pytest
from support import oracle
from support.differentiation import BACKEND, compiled, tensor, to_numpy
from support.instances import numbers

from keras_bce import metrics
from keras_bce._backend import backend
from keras_bce._sums import ExactSums


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


@pytest.mark.parametrize("xla", [False, True], ids=["compiled", "xla"])
@pytest.mark.parametrize("count", [1, 3, 2000])
@pytest.mark.parametrize("size", [0, 1, 10_000])
def test_sums_of_segments_are_exact(size, count, xla):
    generator = np.random.default_rng(0)
    values = np.exp(generator.normal(0, 4, size)).astype("float32")
    segments = generator.integers(0, count, size)
    metric = Sums(count)

    def add(values, segments):
        added = backend.exact_segment_sum(values, segments, count)
        return metric.stateless_update_state(metric.stateless_reset_state(), added)[0]

    state = to_numpy(compiled(add, xla)(tensor(values), tensor(segments, "int32")))
    expected = np.bincount(segments, values, count)
    # JAX adds up to 1024 of so few terms in float32.
    tolerance = 1e-5 if BACKEND == "jax" else 1e-12
    np.testing.assert_allclose(state.astype("float64").sum(0), expected, rtol=tolerance)


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


def test_an_infinite_loss_makes_the_mean_infinite_and_stays():
    metric = metrics.BinaryCrossentropy(from_logits=True)
    for x in (np.inf, 0.0, np.inf):
        metric.update_state(tensor([[0.0]]), tensor([[x]]))
    assert numbers(metric.result()) == {"result": np.inf}
    metric.merge_state([metric])
    assert numbers(metric.result()) == {"result": np.inf}


def test_a_sum_past_the_largest_float_is_infinite():
    """Of two numbers, each is too small to change the largest float; their sum is not."""
    metric = metrics.BinaryCrossentropy(from_logits=True)
    largest = np.finfo("float32").max
    digit = largest - np.nextafter(largest, np.float32(0.0))
    for x in (largest, 0.3 * digit, 0.3 * digit):
        metric.update_state(tensor([[0.0]]), tensor([[x]]))
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
