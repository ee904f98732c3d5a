"""Sample weights, masks, missing labels and reductions, against plain loops."""

import numpy as np
import pytest
from support import oracle
from support.differentiation import gradient, masked, number, tensor, to_numpy
from support.instances import batch

from keras_bce import losses, metrics

REDUCTIONS = [None, "none", "sum", "sum_over_batch_size", "mean", "mean_with_sample_weight"]
N, L = 6, 3


def case(seed=0):
    y, x = batch(seed, N, L)
    return y, x, oracle.elementwise(oracle.crossentropy, y, x, from_logits=True)


def check(given, y_true_losses, weights=None, present=None, reduction="sum_over_batch_size"):
    expected = oracle.reduced(*oracle.per_sample(y_true_losses, weights, present), reduction)
    np.testing.assert_allclose(to_numpy(given), expected, rtol=1e-6, atol=1e-9)


WEIGHTS = {
    "none": (None, None),
    "scalar": (2.5, np.full((N, L), 2.5)),
    "per sample": (np.arange(N), np.repeat(np.arange(N)[:, None], L, 1)),
    "column": (np.arange(N)[:, None], np.repeat(np.arange(N)[:, None], L, 1)),
    "row": (np.arange(L)[None], np.repeat(np.arange(L)[None], N, 0)),
    "per element": (np.arange(N * L).reshape(N, L) % 4, np.arange(N * L).reshape(N, L) % 4),
}


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("given", "weights"), WEIGHTS.values(), ids=WEIGHTS)
def test_weights(given, weights, reduction):
    y, x, elements = case()
    loss = losses.BinaryCrossentropy(from_logits=True, reduction=reduction)
    check(loss(y, x, given), elements, weights, reduction=reduction)
    if isinstance(given, np.ndarray):
        check(loss(tensor(y), tensor(x), tensor(given)), elements, weights, reduction=reduction)


@pytest.mark.parametrize(("given", "weights"), WEIGHTS.values(), ids=WEIGHTS)
def test_metric_is_the_weighted_mean(given, weights):
    y, x, elements = case()
    metric = metrics.BinaryCrossentropy(from_logits=True)
    check(metric(y, x, given), elements, weights, reduction="metric")


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("missing", [-1.0, float("nan")])
def test_missing_labels(reduction, missing):
    y, x, elements = case()
    present = np.random.default_rng(3).random((N, L)) < 0.6
    present[2] = False
    y = np.where(present, y, missing)
    x = np.where(present, x, np.nan)
    weights = np.repeat(np.arange(N)[:, None], L, 1)
    loss = losses.BinaryCrossentropy(from_logits=True, reduction=reduction, ignore_class=missing)
    check(loss(y, x), elements, present=present, reduction=reduction)
    check(loss(y, x, np.arange(N)), elements, weights, present, reduction)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2])
def test_axis(axis):
    generator = np.random.default_rng(0)
    y = (generator.random((4, 5, 3)) < 0.5).astype("float32")
    x = generator.normal(0, 2, (4, 5, 3)).astype("float32")
    elements = oracle.elementwise(oracle.crossentropy, y, x, from_logits=True)
    loss = losses.BinaryCrossentropy(from_logits=True, axis=axis, reduction=None)
    np.testing.assert_allclose(to_numpy(loss(y, x)), elements.mean(axis), rtol=1e-6)
    samples = np.moveaxis(elements, axis, -1)
    weights = np.arange(1, samples.shape[0] + 1)
    expected = samples.mean(-1) * weights[:, None]
    np.testing.assert_allclose(to_numpy(loss(y, x, weights)), expected, rtol=1e-6)
    per_label = np.arange(y.shape[axis]) + 0.5
    loss = losses.BinaryCrossentropy(True, axis=axis, reduction=None, label_weights=per_label)
    expected = (samples * per_label).mean(-1)
    np.testing.assert_allclose(to_numpy(loss(y, x)), expected, rtol=1e-6)


def test_a_sample_weight_per_sample_fits_a_sequence_of_predictions():
    generator = np.random.default_rng(0)
    for steps in (4, 7):  # As many as samples, and not.
        y = (generator.random((4, steps, 1)) < 0.5).astype("float32")
        x = generator.normal(size=(4, steps, 1)).astype("float32")
        elements = oracle.elementwise(oracle.crossentropy, y, x, from_logits=True)[..., 0]
        loss = losses.BinaryCrossentropy(from_logits=True)
        expected = (elements * np.arange(4)[:, None]).mean()
        assert float(to_numpy(loss(y, x, np.arange(4)))) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("where", ["weight", "mask", "missing"])
def test_what_is_left_out_changes_neither_value_nor_gradient(where):
    y, x, _ = case()
    out = np.zeros((N, L), bool)
    out[1] = out[3, 0] = True
    weights = np.where(out, 0.0, 1.0).astype("float32")

    def gradients(labels, predictions):
        def function(predictions):
            if where == "mask":
                predictions = masked(predictions, ~out)
            loss = losses.BinaryCrossentropy(
                from_logits=True, ignore_class=-7 if where == "missing" else None
            )
            return loss(tensor(labels), predictions, weights if where == "weight" else None)

        predictions = tensor(predictions)
        return to_numpy(function(predictions)), gradient(function, predictions)[0]

    clean = np.where(out, -7, y) if where == "missing" else y
    value, slope = gradients(clean, x)
    assert (slope[out] == 0).all()
    for junk in (np.nan, np.inf, -np.inf):
        ruined = np.where(out, junk, clean) if where != "missing" else clean
        again, slope_again = gradients(ruined, np.where(out, junk, x))
        assert again == value
        np.testing.assert_array_equal(slope_again, slope)


@pytest.mark.parametrize("label_weights", [[1.0, 0.0, 2.0], 0.0])
def test_a_label_of_weight_zero_is_left_out(label_weights):
    y, x, elements = case()
    out = np.broadcast_to(np.equal(label_weights, 0), L)
    loss = losses.BinaryCrossentropy(from_logits=True, label_weights=label_weights)
    expected = (elements * label_weights).mean()
    for junk in (np.nan, np.inf):
        y[:, out] = x[:, out] = junk
        assert float(to_numpy(loss(tensor(y), tensor(x)))) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_masks(reduction):
    y, x, elements = case()
    mask = np.arange(N) % 3 != 1
    present = np.repeat(mask[:, None], L, 1)
    weights = np.repeat(np.arange(N)[:, None], L, 1)
    loss = losses.BinaryCrossentropy(from_logits=True, reduction=reduction)
    check(loss(y, masked(tensor(x), mask)), elements, None, present, reduction)
    check(loss(y, masked(tensor(x), mask), np.arange(N)), elements, weights, present, reduction)
    if reduction == "mean_with_sample_weight":
        metric = metrics.BinaryCrossentropy(from_logits=True)
        check(
            metric(y, masked(tensor(x), mask), np.arange(N)), elements, weights, present, "metric"
        )


@pytest.mark.parametrize("reduction", ["sum", "sum_over_batch_size", "mean_with_sample_weight"])
@pytest.mark.parametrize("shape", [(0, L), (N, 0)], ids=["no samples", "no labels"])
def test_an_empty_batch_costs_nothing(shape, reduction):
    empty = np.zeros(shape, "float32")
    loss = losses.BinaryCrossentropy(from_logits=True, reduction=reduction, ignore_class=-1)
    for value in (
        losses.BinaryCrossentropy(from_logits=True, reduction=reduction)(empty, empty),
        loss(empty, empty, np.zeros(shape[:1])),
        loss(np.full((N, L), -1.0), np.ones((N, L))),
    ):
        assert tuple(value.shape) == ()
        assert float(to_numpy(value)) == 0.0
    each = losses.BinaryCrossentropy(reduction=None)(empty, empty)
    np.testing.assert_array_equal(to_numpy(each), np.zeros(shape[:1]))
    metric = metrics.BinaryCrossentropy(from_logits=True)
    assert float(to_numpy(metric(empty, empty))) == 0.0


def test_a_weight_of_zero_stays_in_the_count_and_a_mask_does_not():
    loss = losses.BinaryCrossentropy()
    assert float(to_numpy(loss([1, 1], [0.5, 0.5], [1, 0]))) == pytest.approx(np.log(2) / 2)
    y_pred = masked(tensor([0.5, 0.5]), np.array([True, False]))
    assert float(to_numpy(loss([1, 1], y_pred))) == pytest.approx(np.log(2))


def test_a_sample_that_is_wholly_missing_changes_nothing():
    y, x, _ = case()
    for reduction in REDUCTIONS[2:]:
        loss = losses.BinaryCrossentropy(from_logits=True, ignore_class=-1, reduction=reduction)
        more = loss(np.vstack([y, -np.ones((1, L))]), np.vstack([x, np.ones((1, L))]))
        assert float(to_numpy(more)) == pytest.approx(float(to_numpy(loss(y, x))), rel=1e-6)


@pytest.mark.parametrize("cls", [losses.BinaryCrossentropy, metrics.BinaryCrossentropy])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_mask_goes_along_when_predictions_lose_a_last_axis_of_1(cls, rank):
    y, x, elements = case()
    mask = {1: np.arange(N) % 3 != 1, 2: np.arange(N * L).reshape(N, L) % 4 != 1}
    mask[3] = mask[2][..., None]
    present = np.broadcast_to(mask[rank].reshape(N, -1), (N, L))
    given = cls(from_logits=True, axis=1)(y, masked(tensor(x[..., None]), mask[rank]))
    reduction = "metric" if cls is metrics.BinaryCrossentropy else "sum_over_batch_size"
    weights = np.ones((N, L))
    check(given, elements, weights, present, reduction)


def test_a_mask_of_a_batch_of_one_is_obeyed():
    loss = losses.BinaryCrossentropy()
    y, p = tensor([[1.0]]), tensor([[0.5]])
    assert number(loss(y, masked(p, np.array([False])))) == 0.0
    assert number(loss(y, masked(p, np.array([True])))) == pytest.approx(np.log(2))
