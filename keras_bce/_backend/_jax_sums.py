"""JAX: sums with more digits than float32 has, as pairs of floats."""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from keras_bce._backend._protocol import Axis
from keras_bce._typing import Tensor

# `+` and `-` for tensors of equal shape, which JAX traces ten times as fast.
_add, _subtract = jax.lax.add, jax.lax.sub


def _two_sum(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The rounded sum, and its rounding error, exactly (Knuth, TAOCP 4.2.2, theorem B).

    Not in float64, which JAX has only if it is enabled.
    """
    total = _add(a, b)
    b_seen = _subtract(total, a)
    return total, _add(_subtract(a, _subtract(total, b_seen)), _subtract(b, b_seen))


def _add_pairs(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    total, error = _two_sum(a[0], b[0])
    return total, _add(_add(a[1], b[1]), error)


#: Terms that are added one by one: in one loop together with what makes them, where a small
#: batch is done on the spot. Each halving is a loop of its own, of many terms at a time.
_FEW = 128


@partial(jax.jit, static_argnames="axis", inline=True)
def exact_sum(values: Any, axis: Axis = None) -> tuple[Tensor, Tensor]:
    """By a tree of error-free additions, as a pair (high, low), for `add_exactly`.

    Where the high part is not finite, the low one means nothing.
    """
    values, rest = _as_pair(values)
    given = range(values.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    axes = {i % values.ndim for i in given}
    kept = [i for i in range(values.ndim) if i not in axes]
    count, shape = math.prod(values.shape[i] for i in axes), [values.shape[i] for i in kept]
    halvings = max(math.ceil(count / _FEW) - 1, 0).bit_length()
    # As many terms along the first axis as can be halved so often: zeros change no sum.
    padding = -count % 2**halvings

    def rows(x: Tensor) -> Tensor:
        x = jnp.moveaxis(x, kept, range(-len(kept), 0)).reshape([count, *shape])
        return jnp.pad(x, [(0, padding)] + [(0, 0)] * len(kept)) if padding else x

    high, low = rows(values), rows(rest)
    for _ in range(halvings):
        first, second = (
            [jax.lax.slice_in_dim(x, start, start + len(x) // 2) for x in (high, low)]
            for start in (0, len(high) // 2)
        )
        high, low = _add_pairs(first, second)
    zero = np.zeros((), high.dtype)
    return jax.lax.reduce((high, low), (zero, zero), _add_pairs, (0,))


def exact_product(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """As a pair (high, low), from products of halves, which float32 holds without rounding.

    Dekker's way of splitting takes sums that a compiler may simplify; a mask of bits it cannot.
    """
    (a_high, a_low), (b_high, b_low) = _halves(a), _halves(b)
    product = a_high * b_high
    rest = a_high * b_low + a_low * b_high + a_low * b_low
    high = product + rest
    return high, rest - (high - product)


def _halves(x: Tensor) -> tuple[Tensor, Tensor]:
    """The upper half of the digits of float32 or float64, and the lower half."""
    bits, lowest = ("int64", 27) if x.dtype == "float64" else ("int32", 12)
    kept = jax.lax.bitcast_convert_type(x, bits) & np.array(-(2**lowest), bits)
    high = jax.lax.bitcast_convert_type(kept, x.dtype)
    return high, x - high


def _as_pair(values: Any) -> tuple[Tensor, Tensor]:
    return values if isinstance(values, tuple) else (values, jnp.zeros_like(values))


def exact_segment_sum(values: Tensor, segments: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """In blocks, so that no float32 sum grows long; these are added up exactly."""
    size = len(values)
    # Longer where there would be both more than 2**20 sums and more than half as many as values.
    length = max(1024, min(2 * count, size * count // 2**20))
    blocks = jnp.arange(size, dtype="int32") // length
    parts = (size // length + 1) * count
    sums = jax.ops.segment_sum(values, blocks * count + segments, parts)
    return exact_sum(sums.reshape(-1, count), 0)


def exact_segment_sums(columns: list[Any], segments: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Sorted by segment, where each row adds those before it: 1 of them, then 2, 4, and so on.

    The last row of a segment then holds its sum. A scatter would add in float32.
    """
    pairs = [_as_pair(column) for column in columns]
    high, low = (jnp.column_stack(part) for part in zip(*pairs, strict=True))
    order = jnp.argsort(segments)
    segments, rows = segments[order], jnp.arange(len(segments))

    def add(step: Tensor, sums: Any) -> tuple[Tensor, Tensor]:
        before = rows - (1 << step)
        together = ((before >= 0) & (segments[before] == segments))[:, None]
        totals = _add_pairs([part[before] for part in sums], sums)
        high, low = (jnp.where(together, *pair) for pair in zip(totals, sums, strict=True))
        return high, low

    steps = max(len(segments) - 1, 0).bit_length()
    high, low = jax.lax.fori_loop(0, steps, add, (high[order], low[order]))
    numbers = jnp.arange(count)
    last = jnp.searchsorted(segments, numbers, side="right") - 1
    empty = (last < jnp.searchsorted(segments, numbers))[:, None]

    def of_each(sums: Tensor) -> Tensor:
        # A row of zeros, that of -1, where there is nothing to take.
        zeros = jnp.zeros((1, sums.shape[1]), sums.dtype)
        return jnp.where(empty, 0.0, jnp.concatenate([sums, zeros])[last]).T.reshape(-1)

    return of_each(high), of_each(low)


def add_exactly(state: Tensor, added: list[Any]) -> Tensor:
    pairs = [_pair(number, state.dtype) for number in added]
    high, low = (_joined(part) for part in zip(*pairs, strict=True))
    total, error = _two_sum(state[0], high)
    rest = _if_finite(total, state[1] + low + error)
    high = total + rest
    # The rest is far smaller than the total: what of it did not fit is exact.
    return jnp.stack([high, _if_finite(high, rest - (high - total))])


def _if_finite(high: Tensor, low: Tensor) -> Tensor:
    """The low part; 0 for an infinite sum."""
    return jax.lax.select(jax.lax.is_finite(high), low, jnp.zeros_like(low))


def _joined(parts: Any) -> Tensor:
    """The numbers in one vector."""
    if any(x.shape for x in parts):
        return jnp.concatenate([jnp.ravel(x) for x in parts])
    # By selections: XLA compiles them and what follows into one loop, concatenations into three.
    places = np.arange(len(parts))
    joined = jax.lax.broadcast(parts[0], places.shape)
    for place, part in enumerate(parts[1:], 1):
        joined = jax.lax.select(places == place, jax.lax.broadcast(part, places.shape), joined)
    return joined


def sums(state: Tensor) -> Tensor:
    return state.sum(0)


def _pair(number: Any, dtype: Any) -> tuple[Tensor, Tensor]:
    if isinstance(number, tuple):
        return number
    high = np.asarray(number, dtype)
    return high, np.asarray(number - float(high), dtype)
