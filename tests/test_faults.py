"""Impossible labels and predictions: an error on the host, NaN in a tensor."""

import keras
import numpy as np
import pytest
from support.differentiation import (
    compiled,
    gradient,
    number,
    tensor,
    tensors_are_unchecked,
    to_numpy,
)
from support.instances import batch

import keras_bce
from keras_bce import losses

Bce = losses.BinaryCrossentropy
NAN = float("nan")


@pytest.mark.parametrize(
    ("label", "advice"),
    [
        (255, "pass `y_true / 255`"),
        (-1, "pass `ignore_class=-1`"),
        (2, "one column per class"),
        (1.7, "may leave [0, 1] by up to 0.5"),
    ],
)
def test_labels_that_are_something_else_are_refused_with_advice(label, advice):
    with pytest.raises(ValueError, match="labels in") as error:
        Bce()([[label]], [[0.5]])
    assert advice in str(error.value)
    assert number(Bce()([[1.03]], [[0.5]])) == pytest.approx(np.log(2))


@tensors_are_unchecked
def test_no_value_on_the_host_is_blamed_where_it_does_not_count():
    p = [[0.5], [7.0]]
    assert to_numpy(Bce()([[1], [9]], p, [1, 0])).item() == pytest.approx(np.log(2) / 2)
    assert to_numpy(Bce(ignore_class=9)([[1], [9]], p)).item() == pytest.approx(np.log(2))
    # Weights in a tensor are not looked at: they may excuse anything.
    assert to_numpy(Bce()([[1], [9]], p, tensor([1, 0]))).item() == pytest.approx(np.log(2) / 2)
    assert np.isnan(to_numpy(Bce()([[1], [9]], p, tensor([1, 1]))))


def test_values_of_a_label_without_weight_are_not_checked():
    loss = Bce(True, label_weights=[1.0, 0.0])
    for convert in (np.asarray, tensor):
        y, x = convert([[1.0, np.nan]]), convert([[0.0, np.nan]])
        assert number(loss(y, x)) == pytest.approx(np.log(2) / 2, rel=1e-6)


@tensors_are_unchecked
@pytest.mark.parametrize("mode", ["eager", "compiled"])
@pytest.mark.parametrize("shape", [(4, 1), (4, 3)])
def test_probabilities_beyond_rounding_are_nan(shape, mode):
    p = np.full(shape, 0.5)
    for wrong in (1.0102, -0.0102, np.inf, np.nan):
        p[1, 0] = wrong
        loss = Bce(reduction=None)
        value = to_numpy(
            (compiled(loss) if mode == "compiled" else loss)(tensor(np.zeros(shape)), tensor(p))
        )
        assert np.isnan(value).tolist() == [False, True, False, False]


@tensors_are_unchecked
@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize("bad", ["label", "low label", "NaN label", "prediction"])
def test_impossible_values_in_tensors_make_their_sample_nan_and_its_gradient(bad, from_logits):
    y, p = np.array([[1.0, 0.0], [0.0, 1.0]]), np.full((2, 2), 0.5)
    values = {"label": 1.7, "low label": -0.6, "NaN label": NAN}
    if bad == "prediction":
        p[1, 0] = NAN if from_logits else 1.5
    else:
        y[1, 0] = values[bad]
    loss = Bce(from_logits=from_logits, reduction=None)
    value = to_numpy(loss(tensor(y), tensor(p)))
    assert np.isnan(value).tolist() == [False, True]
    (slope,) = gradient(lambda p: keras.ops.sum(loss(tensor(y), p)), tensor(p))
    assert np.isfinite(slope[0]).all()
    assert np.isnan(slope[1]).all()
    with pytest.raises(ValueError, match=r"\[1, 0\]"):
        keras_bce.check_inputs(tensor(y), tensor(p), from_logits=from_logits)


@tensors_are_unchecked
@pytest.mark.parametrize(
    "function",
    [
        losses.binary_crossentropy,
        losses.binary_focal_crossentropy,
        losses.asymmetric_binary_crossentropy,
    ],
)
@pytest.mark.parametrize("p", [-np.inf, -0.25, 1.5, np.inf, NAN])
@pytest.mark.parametrize("y", [0.0, 0.5, 1.0])
def test_no_label_hides_an_impossible_probability(function, p, y):
    assert np.isnan(to_numpy(function(tensor([[y]]), tensor([[p]]))))


@tensors_are_unchecked
def test_smoothing_does_not_hide_an_impossible_label():
    assert np.isnan(to_numpy(Bce(label_smoothing=0.5)(tensor([[1.7]]), tensor([[0.5]]))))


@tensors_are_unchecked
@pytest.mark.parametrize("xla", [None, False, True])
@pytest.mark.parametrize("from_logits", [True, False], ids=["logits", "probabilities"])
@pytest.mark.parametrize("label", [-0.5001, 1.5001, -np.inf, np.nan])
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_an_impossible_label_is_nan_in_its_sample_alone(zero, label, from_logits, xla):
    y, x = batch(0, 6, 3, from_logits=from_logits)
    y[:, 0] = zero
    y[2, 1] = label
    loss = losses.BinaryCrossentropy(from_logits=from_logits, reduction=None)
    f = loss if xla is None else compiled(loss, xla)
    hit = np.arange(6) == 2
    np.testing.assert_array_equal(np.isnan(to_numpy(f(tensor(y), tensor(x)))), hit)
    _, slopes = gradient(lambda y, x: keras.ops.sum(f(y, x)), tensor(y), tensor(x))
    np.testing.assert_array_equal(np.isnan(slopes), np.repeat(hit[:, None], 3, axis=1))


@tensors_are_unchecked
@pytest.mark.parametrize("mode", ["eager", "compiled"])
@pytest.mark.parametrize("from_logits", [True, False], ids=["logits", "probabilities"])
def test_a_large_batch_is_checked_as_a_small_one_is(from_logits, mode):
    y, x = batch(0, 300, 100, from_logits=from_logits)
    y[10, 3], y[20, 99], y[30, 0] = 1.3, 1.6, -0.4
    x[40, 7], x[50, 8] = (np.inf, np.nan) if from_logits else (1.005, 1.02)
    loss = Bce(from_logits=from_logits, reduction=None)

    def both(y, x):
        f = compiled(loss) if mode == "compiled" else loss
        value = to_numpy(f(tensor(y), tensor(x)))
        return value, *gradient(lambda x: keras.ops.sum(f(tensor(y), x)), tensor(x))

    some = np.arange(0, 300, 10)
    for whole, part in zip(both(y, x), both(y[some], x[some]), strict=True):
        np.testing.assert_allclose(whole[some], part, rtol=1e-6, atol=1e-9)
        assert np.isnan(whole).any(axis=tuple(range(1, whole.ndim))).nonzero()[0].tolist() == [
            20,
            50,
        ]
