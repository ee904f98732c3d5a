"""The formulas of one prediction, to their extremes and a little beyond."""

import keras
import numpy as np
import pytest
from support import oracle
from support.differentiation import compiled, gradient, number, tensor, to_numpy
from support.instances import LOSSES, numbers

from keras_bce import losses, metrics

Bce = losses.BinaryCrossentropy
GAMMAS = [0.0, 0.5, 1.0, 2.0, 5.0]
EXTREME = [-100.0, -89, -60, -17, -8, -1, -1e-3, 0.0, 1e-3, 1, 8, 17, 60, 89, 100.0]


def compare(loss, true_loss, predictions, size, tolerance=1e-5, **arguments):
    """Value and slope of each prediction, with hard and soft labels, against 60 digits.

    `size(label, prediction, value)` is that of the terms of a slope.
    """
    for label in (0.0, 1.0, 0.25, 0.9):
        x = tensor(np.array(predictions)[:, None])
        y = keras.ops.full_like(x, label)
        values = to_numpy(loss(y, x))
        (slopes,) = gradient(lambda x, y=y: keras.ops.sum(loss(y, x)), x)
        given = [float(v) for v in to_numpy(x).ravel()]
        true = [float(true_loss(label, x, **arguments)) for x in given]
        true_slopes = [float(oracle.derivative(true_loss, label, x, **arguments)) for x in given]
        np.testing.assert_allclose(values, true, rtol=tolerance, atol=1e-36)
        # Relative to the size of the slope's terms: soft labels have two, which may cancel.
        scale = [
            max(abs(s), size(label, x, v)) for s, x, v in zip(true_slopes, given, true, strict=True)
        ]
        error = np.abs(slopes.ravel() - true_slopes)
        assert (error <= tolerance * np.array(scale) + 1e-36).all(), (label, slopes, true_slopes)


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("alpha", [None, 0.25])
def test_focal_equals_the_formula_everywhere(gamma, alpha):
    loss = losses.BinaryFocalCrossentropy(
        apply_class_balancing=alpha is not None,
        gamma=gamma,
        from_logits=True,
        reduction=None,
        pos_weight=2.0,
    )
    arguments = {"from_logits": True, "gamma": gamma, "alpha": alpha, "pos_weight": 2.0}
    compare(loss, oracle.focal, EXTREME, lambda y, _, value: y * (1 - y) * value, **arguments)


@pytest.mark.parametrize("gamma", GAMMAS)
def test_focal_is_finite_at_infinity(gamma):
    loss = losses.BinaryFocalCrossentropy(gamma=gamma, from_logits=True, reduction=None)
    x = tensor([[np.inf], [-np.inf], [1e38], [-1e38]])
    for label in (0.0, 1.0):
        y = keras.ops.full_like(x, label)
        right = [label == 1, label == 0] * 2
        values = to_numpy(loss(y, x))
        assert (values[right] == 0).all()
        assert (values[np.logical_not(right)] >= 1e38).all()
        (slopes,) = gradient(lambda x, y=y: keras.ops.sum(loss(y, x)), x)
        expected = np.where(right, 0.0, 1.0 - 2.0 * label)
        np.testing.assert_array_equal(slopes.ravel(), expected)


@pytest.mark.parametrize("clip", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("gammas", [(0.0, 4.0), (1.0, 2.0), (0.5, 0.5), (0.0, 0.0)])
def test_asymmetric_equals_the_formula(gammas, clip):
    arguments = {"gamma_pos": gammas[0], "gamma_neg": gammas[1], "clip": clip, "pos_weight": 3.0}
    logits = [x for x in EXTREME if abs(x) <= 60 or not any(gammas)]
    probabilities = [1e-6, 0.04, 0.31, 0.5, 0.51, 0.97, 1 - 1e-6]
    for from_logits, predictions in ((True, logits), (False, probabilities)):
        arguments["from_logits"] = from_logits

        def size(y, x, _):
            """The loss is linear in the label."""
            slopes = [oracle.derivative(oracle.asymmetric, k, x, **arguments) for k in (0.0, 1.0)]
            return float(abs(slopes[0]) * (1 - y) + abs(slopes[1]) * y)

        loss = losses.AsymmetricBinaryCrossentropy(reduction=None, **arguments)
        compare(loss, oracle.asymmetric, predictions, size, **arguments)


@pytest.mark.parametrize("mode", ["eager", "compiled"])
@pytest.mark.parametrize("label", [-0.5, -0.05, 1.05, 1.5])
@pytest.mark.parametrize("kind", LOSSES)
def test_labels_that_overshoot_enter_the_formula(kind, label, mode):
    cls, own = LOSSES[kind][0], {"focal": {"gamma": 1.5}, "asymmetric": {"gamma_neg": 2.0}}
    formula = {
        "bce": oracle.crossentropy,
        "focal": oracle.focal,
        "asymmetric": oracle.asymmetric,
    }[kind]
    loss = cls(from_logits=True, **own.get(kind, {}))
    x = np.array([[-3.0], [0.5], [2.0]], "float32")
    y = np.full_like(x, label)
    expected = oracle.elementwise(formula, y, x, from_logits=True, **own.get(kind, {})).mean()
    call = compiled(loss) if mode == "compiled" else loss
    for given in (call(tensor(y), tensor(x)), loss(y, x)):
        assert number(given) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("axis_size", [1, 3])
@pytest.mark.parametrize("mode", ["eager", "compiled"])
def test_probabilities_that_pass_0_or_1_by_rounding_count_as_0_or_1(mode, axis_size):
    for given, exact in ((1.0000001, 1.0), (1.01, 1.0), (-1e-7, 0.0), (-0.01, 0.0)):
        for loss in (
            Bce(),
            losses.BinaryFocalCrossentropy(),
            losses.AsymmetricBinaryCrossentropy(),
        ):
            for label in (0.0, 1.0, 0.25):
                y, p = np.full((2, axis_size), label), np.full((2, axis_size), given)
                call = compiled(loss) if mode == "compiled" else loss
                value = number(call(tensor(y), tensor(p)))
                assert value == pytest.approx(number(loss(y, np.full_like(p, exact))), rel=1e-6)
        for cls in (metrics.CalibrationRatio, metrics.ExpectedCalibrationError):
            y = np.array([0.0, 1.0])
            result = numbers(cls()(tensor(y), tensor([given, 0.5])))
            assert result == pytest.approx(numbers(cls()(y, [exact, 0.5])), rel=1e-6)


@pytest.mark.parametrize("reduction", ["mean", "sum", None])
def test_a_perfect_prediction_costs_0_and_not_minus_0(reduction):
    for y, p in (([[1.0]], [[1.0]]), ([[0.0]], [[0.0]]), ([[1.0, 0.0]], [[1.0, 0.0]])):
        assert not np.signbit(to_numpy(Bce(reduction=reduction)(y, p))).any()
        for function in (losses.binary_crossentropy, losses.asymmetric_binary_crossentropy):
            assert not np.signbit(to_numpy(function(y, p))).any()
        assert not np.signbit(number(metrics.BinaryCrossentropy()(y, p)))


def test_the_epsilon_of_keras_moves_the_ceilings():
    before = keras.config.epsilon()
    try:
        keras.config.set_epsilon(1e-3)
        assert to_numpy(Bce()([[1]], [[0.0]])).item() == pytest.approx(np.log(1e3), rel=1e-6)
        assert to_numpy(Bce()([[0]], [[1.0]])).item() == pytest.approx(np.log(1e3), rel=1e-4)
        keras.config.set_epsilon(1e-12)  # Which float32 cannot take off 1.
        assert to_numpy(Bce()([[0]], [[1.0]])).item() == pytest.approx(24 * np.log(2), rel=1e-6)
        assert to_numpy(Bce()([[1]], [[0.0]])).item() == pytest.approx(12 * np.log(10), rel=1e-6)
    finally:
        keras.config.set_epsilon(before)
