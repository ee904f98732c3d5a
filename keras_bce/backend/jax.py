"""JAX: forward and reverse mode, jit, vmap."""

import jax
import jax.numpy as jnp
import keras
from jax.custom_derivatives import SymbolicZero


def multiply_no_nan(x, weight):
    return jnp.where(weight == 0, 0.0, x * weight)


def find_logits(y_pred):
    """Never known: JAX's arrays and tracers carry no notes, and no record of what made them."""
    return


class _MaskReader(keras.losses.Loss):
    """Reads a mask by way of what Keras's own losses do with it.

    On JAX, Keras keeps masks in a table of its own, to which it gives no public
    access; a loss of 1 comes back multiplied by the mask.
    """

    def call(self, y_true, y_pred):
        return jnp.ones(())


_read_mask = _MaskReader(name="mask_reader", reduction=None)


def find_mask(y_pred):
    if not isinstance(y_pred, jax.Array):
        return None
    mask = _read_mask(0.0, y_pred)
    return mask if mask.ndim else None


def has_float64():
    return jax.config.jax_enable_x64


def replica_count():
    return 1


def evaluate(loss, y, prediction, axis):
    def reduce(values):
        return values if axis is None else jnp.mean(values, axis)

    def value_of(y, at):
        # Elementwise, where XLA fuses it into the loop that it runs anyway.
        return reduce(jnp.where((y >= 0) & (y <= 1), at.value, jnp.nan))

    @jax.custom_jvp
    def differentiable(y, prediction):
        return value_of(y, loss(y, prediction))

    def jvp(primals, tangents):
        y, prediction = primals
        y_tangent, prediction_tangent = tangents
        at = loss(y, prediction)
        value = value_of(y, at)
        tangent = jnp.zeros_like(value)
        if not isinstance(prediction_tangent, SymbolicZero):
            tangent += reduce(at.slope * prediction_tangent)
        if not isinstance(y_tangent, SymbolicZero):
            tangent += reduce(at.label_slope * y_tangent)
        return value, jnp.where(jnp.isnan(value), jnp.nan, 1.0) * tangent

    differentiable.defjvp(jvp, symbolic_zeros=True)
    return differentiable(y, prediction)
