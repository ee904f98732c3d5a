"""What all losses have in common: symbolic tensors, subclasses, new formulas."""

from dataclasses import dataclass

import keras
import numpy as np
import pytest
from support.differentiation import number, only_on_torch, tensor, to_numpy
from support.instances import FUNCTIONS, LOSSES, batch

from keras_bce import losses
from keras_bce._arguments import Arguments
from keras_bce._loss import PointwiseLoss
from keras_bce._pointwise import Pointwise

Bce = losses.BinaryCrossentropy


@pytest.mark.parametrize("kind", LOSSES)
def test_losses_of_symbolic_tensors_are_symbolic(kind):
    y, x = keras.Input((4,)), keras.Input((4,))
    cls, function = LOSSES[kind][0], FUNCTIONS[kind]
    assert cls()(y, x).shape == ()
    assert cls(reduction=None)(y, x).shape == (None,)
    assert function(y, x).shape == (None,)
    weighted = cls(reduction=None, from_logits=True)(y, x, keras.Input(()))
    model = keras.Model([y, x], function(y, x, from_logits=True))
    labels, logits = batch(0, 5, 4)
    given = model.predict([labels, logits], verbose=0)
    expected = to_numpy(function(labels, logits, from_logits=True))
    np.testing.assert_allclose(given, expected, rtol=1e-6)
    assert weighted.shape == (None,)
    with pytest.raises(ValueError, match="must have the same shape"):
        function(y, keras.Input((3,)))


def test_a_subclass_with_a_call_of_its_own_is_obeyed():
    class Absolute(Bce):
        def call(self, y_true, y_pred):
            return keras.ops.mean(keras.ops.abs(y_true - y_pred), -1)

    class Doubled(Bce):
        def call(self, y_true, y_pred):
            return 2.0 * super().call(y_true, y_pred)

    y, p, weights = tensor([[1.0], [0.0]]), tensor([[0.5], [0.25]]), tensor([2.0, 1.0])
    assert number(Absolute()(y, p, weights)) == pytest.approx((2 * 0.5 + 0.25) / 2)
    assert number(Absolute(reduction="sum")(y, p)) == pytest.approx(0.75)
    assert number(Doubled()(y, p, weights)) == pytest.approx(2 * number(Bce()(y, p, weights)))


@only_on_torch
def test_a_loss_that_returns_its_input_leaves_it_as_it_is():
    import torch

    @dataclass(frozen=True)
    class Echo(Pointwise):
        slope, label_slope = 1.0, 0.0

        @property
        def value(self):
            return self.link.x

    y, x = tensor([[2.0], [0.0]]), tensor([[1.0], [1.0]])
    echo = PointwiseLoss(Echo(), Arguments(from_logits=True), None, "echo", None)
    with torch.no_grad():
        value = echo(y, x)
    assert np.isnan(to_numpy(value)).tolist() == [True, False]
    # `evaluate` changes what it gets in place.
    value.fill_(7.0)
    assert to_numpy(x).ravel().tolist() == [1.0, 1.0]
