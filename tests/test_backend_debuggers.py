"""Debuggers for NaN pass what is valid, and report what is not."""

import numpy as np
import pytest
from support.differentiation import gradient, number, only_on_jax, only_on_tensorflow, tensor

from keras_bce import losses, metrics
from keras_bce._backend import backend

Bce = losses.BinaryCrossentropy
VALID = {
    "probabilities": (Bce(), [[1.0, 0.0, 1.0]], [[0.0, 1.0, 0.5]]),
    "logits": (Bce(True), [[1.0, 0.0, 1.0]], [[0.0, 100.0, 0.5]]),
    "missing": (Bce(ignore_class=-1), [[1.0, -1.0, 1.0]], [[1.0, 1.0, 0.5]]),
    "focal": (losses.BinaryFocalCrossentropy(), [[1.0, 0.0, 1.0]], [[1.0, 0.0, 0.5]]),
    "asymmetric": (losses.AsymmetricBinaryCrossentropy(), [[1.0, 0.0]], [[0.01, 1.0]]),
    "metric": (metrics.BinaryCrossentropy(), [[1.0, 0.0]], [[0.0, 0.0]]),
}


@only_on_tensorflow
@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize("kind", VALID)
def test_check_numerics_passes_valid_data_and_reports_invalid(kind, graph):
    import tensorflow as tf

    call, y, p = VALID[kind]
    function = tf.function(lambda y, p: call(y, p)) if graph and kind != "metric" else call
    # A graph of an eager call that was traced before would not be checked.
    backend._tensorflow_graphs._graph.cache_clear()
    tf.debugging.enable_check_numerics()
    try:
        assert np.isfinite(number(function(tensor(y), tensor(p))))
        with pytest.raises(tf.errors.InvalidArgumentError, match="NaN"):
            function(tensor(y) + 7.0, tensor(p))
    finally:
        tf.debugging.disable_check_numerics()
        backend._tensorflow_graphs._graph.cache_clear()


@only_on_jax
@pytest.mark.parametrize("without_jit", [False, True])
@pytest.mark.parametrize("kind", VALID)
def test_debug_nans_passes_valid_data_and_reports_invalid(kind, without_jit):
    import jax

    call, y, p = VALID[kind]
    with jax.debug_nans(True), jax.disable_jit(without_jit):
        assert np.isfinite(number(call(tensor(y), tensor(p))))
        if kind != "metric":
            (given,) = gradient(lambda p: call(tensor(y), p), tensor(p))
            assert np.isfinite(given).all()
        with pytest.raises(FloatingPointError, match="nan"):
            call(tensor(y) + 7.0, tensor(p))
