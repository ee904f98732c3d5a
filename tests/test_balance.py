"""`balanced_pos_weight` and `base_rate`: what they count, and what they refuse."""

import pytest
from support.differentiation import tensor
from support.instances import batch

import keras_bce
from keras_bce import losses


def test_balanced_pos_weight_makes_both_classes_weigh_the_same():
    y, _ = batch(1, 100, 3)
    y[10:30, 1] = -1
    weights = keras_bce.balanced_pos_weight(y, ignore_class=-1)
    for j, weight in enumerate(weights):
        assert weight * (y[:, j] == 1).sum() == pytest.approx((y[:, j] == 0).sum())
    assert keras_bce.balanced_pos_weight(tensor([[0.0], [0.0], [1.0]])) == 2.0
    assert keras_bce.balanced_pos_weight([0, 0.5]) == 3.0
    losses.BinaryCrossentropy(pos_weight=weights)


def test_balanced_pos_weight_needs_positives():
    with pytest.raises(ValueError, match=r"no positives in columns 0, 2 of y_true"):
        keras_bce.balanced_pos_weight([[0, 1, 0], [0, 0, 0]])
    with pytest.raises(ValueError, match=r"labels in \[0, 1\]"):
        keras_bce.balanced_pos_weight([0, 2])


def test_the_base_rate_is_the_mean_of_the_labels_that_are_present():
    y, _ = batch(1, 100, 3)
    y[10:30, 1] = -1
    rates = keras_bce.base_rate(y, ignore_class=-1)
    assert rates == pytest.approx([y[:, 0].mean(), y[y[:, 1] >= 0, 1].mean(), y[:, 2].mean()])
    assert keras_bce.base_rate(tensor([[0.0], [0.0], [1.0]])) == pytest.approx(1 / 3)
    assert keras_bce.base_rate([0, 0.5]) == 0.25
    assert keras_bce.base_rate([0, 0]) == 0.0


def test_a_base_rate_needs_labels():
    with pytest.raises(ValueError, match=r"no labels in column 1 of y_true, shape \(2, 2\)"):
        keras_bce.base_rate([[0, -1], [1, -1]], ignore_class=-1)
    with pytest.raises(ValueError, match="no labels in column 0"):
        keras_bce.base_rate([])
    with pytest.raises(ValueError, match=r"labels in \[0, 1\]"):
        keras_bce.base_rate([0, 2])
