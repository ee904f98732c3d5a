"""JAX: forward and reverse mode, jit, vmap."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax.custom_derivatives import SymbolicZero

log, power, where = jnp.log, jnp.power, jnp.where
at_least, at_most = jnp.maximum, jnp.minimum


def multiply_no_nan(x, weight):
    return jnp.where(weight == 0, 0.0, x * weight)


def log1m(x):
    return jnp.log1p(-x)


def _minus_abs(x):
    return jnp.where(x >= 0, -x, x)


def sigmoid_minus_abs(x):
    return jax.nn.sigmoid(_minus_abs(x))


def softplus_minus_abs(x):
    # Value and slope share the sigmoid; the exponential they would not.
    return -log1m(sigmoid_minus_abs(x))


def step(x):
    return jnp.where(x >= 0, 1.0, 0.0).astype(x.dtype)


def with_sign(size, x):
    return jnp.where(x >= 0, size, -size)


def divide_no_nan(x, size):
    empty = size == 0
    return jnp.where(empty, 0.0, x) / jnp.where(empty, 1.0, size)


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


def at_once(function, *arguments):
    """As it is: JAX's users compile whole steps of training."""
    return function(*arguments)


def has_float64():
    return jax.config.jax_enable_x64


def replica_count():
    return 1


def two_sum(a, b):
    """The rounded sum, and its rounding error, exactly (Knuth, TAOCP 4.2.2, theorem B).

    So, and not by way of float64, which JAX has only if it is set up to.
    """
    total = a + b
    b_seen = total - a
    return total, (a - (total - b_seen)) + (b - b_seen)


def _add_pairs(a, b):
    total, error = two_sum(a[0], b[0])
    return total, a[1] + b[1] + error


#: Terms that are added one by one: in one loop together with what makes them, where a small
#: batch is done on the spot. Each halving is a loop of its own, of many terms at a time.
_FEW = 32


@partial(jax.jit, static_argnames="axis")
def exact_sum(values, axis):
    """By a tree of error-free additions, as a pair (high, low)."""
    axes = range(values.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    axes = {axis % values.ndim for axis in axes}
    kept = [i for i in range(values.ndim) if i not in axes]
    count, shape = math.prod(values.shape[i] for i in axes), [values.shape[i] for i in kept]
    halvings = max(math.ceil(count / _FEW) - 1, 0).bit_length()
    # As many terms along the first axis as can be halved so often: zeros change no sum.
    padding = -count % 2**halvings
    high = jnp.moveaxis(values, kept, range(-len(kept), 0)).reshape([count, *shape])
    high = jnp.pad(high, [(0, padding)] + [(0, 0)] * len(kept))
    low = jnp.zeros_like(high)
    for _ in range(halvings):
        half = len(high) // 2
        high, low = _add_pairs((high[:half], low[:half]), (high[half:], low[half:]))
    zero = np.zeros((), high.dtype)
    high, low = jax.lax.reduce((high, low), (zero, zero), _add_pairs, (0,))
    return high, _if_finite(high, low)


def add_exactly(state, terms, *arguments):
    pairs = [_pair(term, state.dtype) for term in terms(*arguments)]
    high, low = (jnp.concatenate([jnp.ravel(x) for x in part]) for part in zip(*pairs, strict=True))
    total, error = two_sum(state[0], high)
    rest = _if_finite(total, state[1] + low + error)
    high = total + rest
    # The rest is far smaller than the total: what of it did not fit is exact.
    return jnp.stack([high, _if_finite(high, rest - (high - total))])


def sums(state):
    return state.sum(0)


def _if_finite(high, low):
    """Of an infinite sum nothing is left over."""
    return jnp.where(jnp.isfinite(high), low, 0.0)


def _pair(term, dtype):
    if isinstance(term, tuple):
        return term
    high = np.asarray(term, dtype)
    return high, np.asarray(term - float(high), dtype)


def evaluate(loss, y, prediction, axis):
    def reduce(values):
        return values if axis is None else jnp.mean(values, axis)

    def value_of(y, at):
        # Elementwise, where XLA fuses it into the loop that it runs anyway.
        return reduce(jnp.where(jnp.clip(y, 0.0, 1.0) == y, at.value, jnp.nan))

    @jax.custom_jvp
    def value(y, prediction):
        return value_of(y, loss(y, prediction))

    def jvp(primals, tangents):
        y, prediction = primals
        y_tangent, prediction_tangent = tangents
        at = loss(y, prediction)
        value = value_of(y, at)
        tangent = jnp.zeros_like(value)
        for slope, direction in (("slope", prediction_tangent), ("label_slope", y_tangent)):
            if not isinstance(direction, SymbolicZero):
                tangent += reduce(getattr(at, slope) * direction)
        return value, jnp.where(jnp.isnan(value), jnp.nan, 1.0) * tangent

    value.defjvp(jvp, symbolic_zeros=True)
    return value(y, prediction)
