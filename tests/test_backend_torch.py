"""torch: what a device does on which values cannot be looked at without waiting."""

import keras
import numpy as np
import pytest
from support.differentiation import gradient, only_on_torch, tensor, to_numpy
from support.instances import batch

from keras_bce import losses

LOSSES = {
    "bce": losses.BinaryCrossentropy,
    "weighted": lambda **arguments: losses.BinaryCrossentropy(pos_weight=2.0, **arguments),
    "focal": losses.BinaryFocalCrossentropy,
    "asymmetric": losses.AsymmetricBinaryCrossentropy,
}


@pytest.fixture
def on_a_device(monkeypatch):
    """Makes the formulas treat the CPU as they do a device."""
    from keras_bce._backend import _torch_formulas

    at = _torch_formulas._At
    monkeypatch.setattr(_torch_formulas, "_At", lambda formula, _: at(formula, "a device"))


def values_and_slopes(loss, y, x):
    values = to_numpy(loss(tensor(y), tensor(x)))
    _, slopes = gradient(lambda y, x: keras.ops.sum(loss(y, x)), tensor(y), tensor(x))
    return values, slopes


@only_on_torch
@pytest.mark.parametrize("from_logits", [True, False], ids=["logits", "probabilities"])
@pytest.mark.parametrize("name", LOSSES)
def test_a_device_gives_what_the_cpu_gives(name, from_logits, request):
    y, x = batch(0, 6, 3, from_logits=from_logits)
    y[2, 1], y[3, 0] = 1.6, 1.3
    x[4, 2] = np.nan if from_logits else 1.02
    x[5, 0] = np.inf if from_logits else 1.005
    loss = LOSSES[name](from_logits=from_logits, reduction=None)
    expected = values_and_slopes(loss, y, x)
    request.getfixturevalue("on_a_device")
    for found, of_cpu in zip(values_and_slopes(loss, y, x), expected, strict=True):
        np.testing.assert_allclose(found, of_cpu, rtol=1e-6, atol=1e-7)
        np.testing.assert_array_equal(
            np.isnan(found).any(-1) if found.ndim > 1 else np.isnan(found), [0, 0, 1, 0, 1, 0]
        )
