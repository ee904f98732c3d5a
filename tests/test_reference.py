"""The textbook definitions against values derived by hand, and their errors."""

import math
import re

import numpy as np
import pytest
from support.differentiation import to_numpy

from keras_bce import losses, reference

HAND = {
    "bce": (reference.binary_cross_entropy([1, 0], [0.5, 0.75]), 1.5 * math.log(2)),
    "bce, right for sure": (reference.binary_cross_entropy([1, 0], [1, 0]), 0.0),
    "bce, wrong for sure": (reference.binary_cross_entropy([1], [0]), math.inf),
    "clipped": (
        reference.clipped_binary_cross_entropy([1, 0], [0, 1]),
        -(math.log(1e-7) + math.log(1 - (1 - 1e-7))) / 2,
    ),
    "three classes": (
        reference.cross_entropy([[1, 0, 0], [0, 0, 1]], [[0.5, 0.25, 0.25], [0, 0, 1]]),
        math.log(2) / 2,
    ),
    "hinge": (reference.hinge([1, -1, 1], [2, 2, 0.5]), 3.5 / 3),
    "huber": (reference.huber([0, 0, 0], [1, 2, -4], delta=2), (0.5 + 2 + 6) / 3),
    "kl": (reference.kl_divergence([[0.5, 0.5]], [[0.125, 0.875]]), 0.5 * math.log(16 / 7)),
    "kl of itself": (reference.kl_divergence([[0.3, 0.7]], [[0.3, 0.7]]), 0.0),
    "l1": (reference.l1([1, 2], [3, -1]), 5.0),
    "l2": (reference.l2([1, 2], [3, -1]), 13.0),
    "mse": (reference.mse([1, 2], [3, -1]), 6.5),
}


@pytest.mark.parametrize(("value", "expected"), HAND.values(), ids=HAND)
def test_by_hand(value, expected):
    assert value == pytest.approx(expected, rel=1e-15)


def test_each_example_alone():
    each = reference.binary_cross_entropy([1, 0], [0.5, 0.75], per_example=True)
    assert each == pytest.approx([math.log(2), math.log(4)], rel=1e-15)
    assert reference.cross_entropy([[1, 0]], [[0.5, 0.5]], per_example=True).shape == (1,)


def test_the_derivative_of_the_mean_square_is_its_difference_quotient():
    y, p, h = np.array([1.0, 2.0]), np.array([3.0, -1.0]), 1e-6
    for i in range(2):
        step = np.eye(2)[i] * h
        quotient = (reference.mse(y, p + step) - reference.mse(y, p - step)) / (2 * h)
        assert reference.mse_derivative(y, p)[i] == pytest.approx(quotient, rel=1e-8)


def test_it_agrees_with_the_losses():
    generator = np.random.default_rng(0)
    y, p = generator.random((2, 50))
    assert to_numpy(losses.BinaryCrossentropy()(y, p)).item() == pytest.approx(
        reference.binary_cross_entropy(y, p), rel=1e-6
    )


ERRORS = {
    "shapes": (
        lambda: reference.mse([1], [1, 2]),
        "`y_true` and `y_pred` must have the same shape, and not be empty. Received: "
        "y_true.shape=(1,), y_pred.shape=(2,).",
    ),
    "labels": (
        lambda: reference.binary_cross_entropy([2, 1], [0.5, 0.5]),
        "`y_true` must be in [0, 1]. Received: 1 of 2 that are not, the first y_true=2.0.",
    ),
    "NaN": (
        lambda: reference.l1([1], [math.nan]),
        "`y_pred` must be numbers, not NaN. Received: 1 of 1 that are not, the first y_pred=nan.",
    ),
    "hinge": (
        lambda: reference.hinge([0, 1], [1, 1]),
        "`y_true` must hold -1 and 1. Received: y_true=[0.0, 1.0]. For labels 0 and 1 pass "
        "`2 * y_true - 1`.",
    ),
    "delta": (
        lambda: reference.huber([1], [1], delta=0),
        "`delta` must be greater than 0. Received: delta=0.",
    ),
    "distribution": (
        lambda: reference.cross_entropy([[0, 1]], [[0.5, 0.75]]),
        "`y_pred` must sum to 1 over its last axis. Received: a sum of 1.25. Divide by "
        "`y_pred.sum(-1, keepdims=True)`.",
    ),
}


@pytest.mark.parametrize(("cause", "message"), ERRORS.values(), ids=ERRORS)
def test_errors(cause, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        cause()
