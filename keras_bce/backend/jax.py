"""JAX: forward and reverse mode, jit, vmap."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero

from keras_bce.backend import masks

log, power, where = jnp.log, jnp.power, jnp.where
ones_like = jnp.ones_like


# `jnp.maximum` halves the derivative where both sides are equal.


def at_least(x, low):
    return jnp.where(x < low, low, x)


def at_most(x, high):
    return jnp.where(x > high, high, x)


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


def positive_zero(x):
    # XLA may take `x + 0.0` for `x`; what runs eagerly is one operation.
    return x + (jnp.where(x == 0.0, 0.0, -0.0) if isinstance(x, jax.core.Tracer) else 0.0)


def nan_unless(possible, values):
    if jax.config.jax_debug_nans:
        # 0 / 0 where impossible: as a constant, NaN would be reported with any data.
        return values + 0.0 / jnp.asarray(possible, values.dtype)
    return jnp.where(possible, values, jnp.nan)


def within(x, limits):
    low, high = limits
    return nan_unless((x >= low) & (x <= high), x)


def clipped(p, limits):
    return at_least(at_most(within(p, limits), 1.0), 0.0)


def find_logits(y_pred, even_if_costly=False):
    """Never known: JAX's arrays and tracers carry no notes, and no record of what made them."""
    return


def find_mask(y_pred):
    if not isinstance(y_pred, jax.Array):
        return None
    one = jnp.ones((), "float32")
    mask = masks.read(one, y_pred)
    return None if mask is one else jnp.atleast_1d(mask)


def follow(x, like):
    """Moves an array to the device of another, if each is on a single one."""
    if isinstance(x, jax.core.Tracer) or isinstance(like, jax.core.Tracer):
        return x
    to = like.devices()
    return jax.device_put(x, next(iter(to))) if len(to) == 1 and x.devices() != to else x


def at_once(function, *arguments):
    """As it is: JAX's users compile whole steps of training."""
    return function(*arguments)


def infers_shapes():
    """Never: Keras infers them from symbolic tensors."""
    return False


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


def exact_sum(values, axis):
    """By a tree of error-free additions, as a pair (high, low), without a derivative."""
    return _exact_sum(jax.lax.stop_gradient(values), axis)


@partial(jax.jit, static_argnames="axis")
def _exact_sum(values, axis):
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


def evaluate(loss, y, prediction, pos_weight, axis, prediction_limits, label_limits):
    def reduce(values):
        return values if axis is None else jnp.mean(values, axis)

    def at(y, prediction, pos_weight):
        if prediction_limits is not None:
            prediction = clipped(prediction, prediction_limits)
        return loss(within(y, label_limits), prediction, pos_weight=pos_weight)

    @jax.custom_jvp
    def value(y, prediction, pos_weight):
        return reduce(at(y, prediction, pos_weight).value)

    def jvp(primals, tangents):
        y_tangent, prediction_tangent, _ = tangents
        at_primals = at(*primals)
        value = reduce(at_primals.value)
        tangent = jnp.zeros_like(value)
        for slope, direction in (("slope", prediction_tangent), ("label_slope", y_tangent)):
            if not isinstance(direction, SymbolicZero):
                tangent += reduce(getattr(at_primals, slope) * direction)
        # NaN wherever the value is NaN.
        return value, tangent * (1.0 + at_most(at_least(value, 0.0), 0.0))

    value.defjvp(jvp, symbolic_zeros=True)
    return value(y, prediction, None if pos_weight is None else jax.lax.stop_gradient(pos_weight))
