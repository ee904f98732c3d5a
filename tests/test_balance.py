"""`balanced_pos_weight`: both classes weigh the same, or it says why they cannot."""

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
