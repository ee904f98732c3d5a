"""JAX: forward and reverse mode, jit, vmap."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero

from keras_bce._backend import _common, _jax_sums
from keras_bce._backend._masks import read as read_mask
from keras_bce._backend._protocol import Limits
from keras_bce._typing import Tensor

exact_sum, exact_product = _jax_sums.exact_sum, _jax_sums.exact_product
exact_segment_sum = _jax_sums.exact_segment_sum
exact_segment_sums = _jax_sums.exact_segment_sums
add_exactly, sums = _jax_sums.add_exactly, _jax_sums.sums
unconverted = _common.as_is
infers_shapes = _common.never_infers_shapes
replica_count = _common.one_replica
from_host = _common.from_host


def is_known(x: Tensor) -> bool:
    return not isinstance(x, jax.core.Tracer)


# JAX's primitives, which are traced in a tenth of the time that functions of `jax.numpy` take.
log, power = jax.lax.log, jnp.power
ones_like = jnp.ones_like


def where(condition: Tensor, x: Any, y: Any) -> Tensor:
    like = y if isinstance(x, (int, float)) else x
    x, y = (
        jax.lax.full_like(like, value) if isinstance(value, (int, float)) else value
        for value in (x, y)
    )
    if condition.shape == x.shape == y.shape and x.dtype == y.dtype:
        return jax.lax.select(condition, x, y)
    return jnp.where(condition, x, y)


def between(x: Tensor, low: float, high: float) -> Tensor:
    """`x`, limited to [low, high]. Its derivative at the limits is 1; that of `jnp.clip` is not."""
    # An update needs no derivative, and without a rule for it JAX traces faster.
    return (_limited if _common.in_update() else _derived)(x, low, high)


def _limited(x: Tensor, low: float, high: float) -> Tensor:
    if high == math.inf:
        return jax.lax.max(x, np.array(low, x.dtype))
    if low == -math.inf:
        return jax.lax.min(x, np.array(high, x.dtype))
    return jax.lax.clamp(np.array(low, x.dtype), x, np.array(high, x.dtype))


_derived = jax.custom_jvp(_limited, nondiff_argnums=(1, 2))


@_derived.defjvp
def _(low: float, high: float, primals: Any, tangents: Any) -> tuple[Tensor, Tensor]:
    (x,), (direction,) = primals, tangents
    return between(x, low, high), where((x < low) | (x > high), 0.0, direction)


def at_least(x: Tensor, low: float) -> Tensor:
    return between(x, low, math.inf)


def at_most(x: Tensor, high: float) -> Tensor:
    return between(x, -math.inf, high)


def is_within(x: Tensor, limits: Limits) -> Tensor:
    return between(x, *limits) == x


def multiply_no_nan(x: Tensor, weight: Tensor, overwrite: bool = False) -> Tensor:
    return where(weight == 0, 0.0, x * weight)


def log1p(x: Tensor, overwrite: bool = False) -> Tensor:
    if _avoids_log1p() and not _is_small(x):
        return _common.log1p_by_log(x, log, at_least)
    return jax.lax.log1p(x)


def _avoids_log1p() -> bool:
    """Whether to compute `log1p` by `log`: faster on CPUs; elsewhere `log` may be inexact."""
    return jax.default_backend() == "cpu"


def _is_small(x: Tensor) -> bool:
    """Whether there are at most 1024 numbers.

    JAX computes up to 1000 operations on the calling thread. More go to another thread, which costs
    time.
    """
    return all(isinstance(size, int) for size in x.shape) and math.prod(x.shape) <= 2**10


def minus_abs(x: Tensor) -> Tensor:
    return where(x >= 0, -x, x)


def minus_sigmoid_minus_abs(x: Tensor) -> Tensor:
    return -jax.lax.logistic(minus_abs(x))


def softplus_minus_abs(x: Tensor) -> Tensor:
    # Value and slope share the sigmoid; the exponential they would not.
    minus_r = minus_sigmoid_minus_abs(x)
    if not _avoids_log1p():
        return -jax.lax.log1p(minus_r)
    # Also for few logits: with `log1p` a training step compiles 50 ms longer. The difference this
    # way round saves a negation: an update of 32 logits has 994 operations, see `_is_small`.
    logarithm, excess = _common.log_and_excess(minus_r, log, at_least)
    return excess - logarithm


def step_minus(x: Tensor, y: Tensor | None = None) -> Tensor:
    step = (x >= 0).astype(x.dtype)
    return step if y is None else step - y


def with_sign(size: Tensor, x: Tensor, plus: Tensor | None = None) -> Tensor:
    signed = where(x >= 0, size, -size)
    return signed if plus is None else plus + signed


def divide_no_nan(x: Tensor, size: Tensor) -> Tensor:
    empty = size == 0
    return where(empty, 0.0, x) / where(empty, 1.0, size)


def result(x: Tensor, dtype: str) -> Tensor:
    # XLA may simplify `x + 0.0` to `x`.
    return (x + where(x == 0.0, jnp.zeros_like(x), -0.0)).astype(dtype)


def _nan_unless(possible: Tensor, values: Tensor) -> Tensor:
    if jax.config.jax_disable_jit:
        # 0 / 0 where impossible: `jax_debug_nans` would report a constant with any data.
        return values + 0.0 / jnp.asarray(possible, values.dtype)
    return where(possible, values, math.nan)


def within(x: Tensor, limits: Limits) -> Tensor:
    return _nan_unless(is_within(x, limits), x)


def clipped(p: Tensor, limits: Limits) -> Tensor:
    return between(within(p, limits), 0.0, 1.0)


def find_logits(y_pred: Any, even_if_costly: bool = False) -> Any:
    """Never known: JAX's arrays and tracers carry no notes, and no record of what made them."""
    return None


def find_notes(y_pred: Any, even_if_costly: bool = False) -> tuple[Any, Any]:
    if not isinstance(y_pred, jax.Array):
        return None, None
    one = jnp.ones((), "float32")
    mask = read_mask(one, y_pred)
    return (None if mask is one else jnp.atleast_1d(mask)), None


def follow(x: Tensor, like: Tensor) -> Tensor:
    """Moves an array to the device of another, if each is on a single one."""
    if isinstance(x, jax.core.Tracer) or isinstance(like, jax.core.Tracer):
        return x
    to = like.devices()
    return jax.device_put(x, next(iter(to))) if len(to) == 1 and x.devices() != to else x


def compiled(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """One cached `jit`, which is transparent to JAX's transformations and inside of a `jit`."""

    @partial(jax.jit, static_argnames=("loss", "static"))
    def computation(tensors: Any, numbers: Any, loss: Any, static: Any) -> Tensor:
        return function(tensors, replace(loss, **numbers), *static)

    def call(tensors: Any, loss: Any, *static: Any) -> Tensor:
        key, numbers = _common.lifted(loss)
        return computation(tensors, numbers, loss=key, static=static)

    return call


def compiled_update(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    update = compiled(_common.as_update(function))

    def call(tensors: Any, loss: Any, *static: Any) -> Tensor:
        return update(jax.lax.stop_gradient(tensors), loss, *static)

    return call


def _jit_in_order(function: Callable[..., Any]) -> Callable[..., Any]:
    """One `jit`, in which a dictionary keeps its order: `jit` alone would sort it by name."""
    names: list[str] = []

    @jax.jit
    def values(*given: Any) -> Any:
        result = function(*given)
        if not isinstance(result, dict):
            return result
        names[:] = result
        return list(result.values())

    def call(*given: Any) -> Any:
        result = values(*given)
        return dict(zip(names, result, strict=True)) if names else result

    return call


def compiled_result(
    function: Callable[[Tensor], Any], on_host: Callable[[Any], Any]
) -> Callable[[Tensor], Any]:
    of_tensor = _jit_in_order(function)
    is_first = True

    def call(state: Tensor) -> Any:
        nonlocal is_first
        if is_first and _is_on_one_cpu(state):
            # Once: from the second call on, the compiled function is faster.
            is_first = False
            result = on_host(np.asarray(state))
            if result is not None:
                return jax.device_put(result)
        return of_tensor(state)

    return call


def _is_on_one_cpu(x: Tensor) -> bool:
    return is_known(x) and [device.platform for device in x.devices()] == ["cpu"]


def compiled_result_of_columns(
    function: Callable[[Tensor], Any],
) -> Callable[[Tensor], list[Any]]:
    # The number of the column is an input: `ops.unstack` would compile once for each.
    of_column = _jit_in_order(lambda x, i: function(x[:, i]))
    return lambda x: [of_column(x, i) for i in range(x.shape[1])]


def has_float64() -> bool:
    return jax.config.jax_enable_x64


def _is_faster_flat(y: Tensor, prediction: Tensor, pos_weight: Any) -> bool:
    """Whether a loop over all predictions is faster than one over the labels of each sample.

    XLA does not vectorise the logarithms of short rows on CPUs, unless they fill whole vectors.
    """
    *rows, labels = prediction.shape
    if not rows or not isinstance(labels, int) or y.shape != prediction.shape:
        return False
    return pos_weight is None and 1 < labels < 64 and labels % 16 > 0


def differentiable(formula: Callable[..., Any]) -> Callable[..., Tensor]:
    def losses(
        loss: Any, link: Any, y: Tensor, prediction: Tensor, pos_weight: Any, axis: int | None
    ) -> Tensor:
        shape = prediction.shape
        flat = _is_faster_flat(y, prediction, pos_weight)
        each_alone = axis is None or shape[axis] == 1

        def flattened(x: Tensor) -> Tensor:
            return jnp.ravel(x) if flat else x

        def averaged(x: Tensor) -> Tensor:
            x = jnp.reshape(x, shape) if flat else x
            return x if axis is None else jnp.mean(x, axis)

        def at(y: Tensor, prediction: Tensor, constants: Any) -> tuple[Any, Tensor]:
            numbers, pos_weight = constants
            if flat:
                y, prediction = jax.lax.optimization_barrier((jnp.ravel(y), jnp.ravel(prediction)))
            losses = formula(replace(loss, **numbers), link, y, prediction, pos_weight, "last")
            # A selection last: with one earlier, or none, XLA splits the loop another way on CPUs,
            # where exponentials and logarithms are then not vectorised.
            return losses, averaged(_nan_unless(losses.possible, losses.value))

        # Tracers have to be arguments, not parts of a closure.
        constants = jax.lax.stop_gradient((_common.tensors_of(loss, jax.Array), pos_weight))
        if _common.in_update():  # Nothing takes its derivative.
            return at(y, prediction, constants)[1]

        @jax.custom_jvp
        def value(y: Tensor, prediction: Tensor, constants: Any) -> Tensor:
            return at(y, prediction, constants)[1]

        def jvp(primals: Any, tangents: Any) -> tuple[Tensor, Tensor]:
            y_tangent, prediction_tangent, _ = tangents
            losses, value = at(*primals)
            tangent = jnp.zeros_like(value)
            for name, direction in (("slope", prediction_tangent), ("label_slope", y_tangent)):
                if not isinstance(direction, SymbolicZero):
                    slope = getattr(losses, name)
                    if each_alone:
                        # By the checks. By the value, as below, XLA would compute the loss again.
                        slope = _nan_unless(losses.possible, slope)
                    tangent += averaged(slope * flattened(direction))
            if each_alone:
                return value, tangent
            # NaN wherever the value is NaN. `==` rather than arithmetic on the value, which XLA
            # would fuse with the sum and with the slopes: that takes four times as long.
            return value, tangent * _nan_unless(value == value, jnp.ones_like(value))

        value.defjvp(jvp, symbolic_zeros=True)
        return value(y, prediction, constants)

    return losses


def loop(count: Any, body: Callable[[Any, Any], Any], state: Any) -> Any:
    return jax.lax.fori_loop(0, count, body, state)


def columns(x: Tensor, start: Any, size: Any) -> Tensor:
    return jax.lax.dynamic_slice_in_dim(x, start, size, -1)


def with_columns(x: Tensor, part: Tensor, start: Any) -> Tensor:
    return jax.lax.dynamic_update_slice_in_dim(x, part, start, -1)


def marks(places: Tensor, size: Any, like: Tensor) -> Tensor:
    rows = jnp.arange(len(places))[:, None]
    # A negative place would count from the end.
    columns = jnp.where(places < 0, size, places)
    return jnp.zeros((len(places), size), like.dtype).at[rows, columns].set(1.0, mode="drop")


def with_gradient(
    value: Callable[..., Tensor], gradient: Callable[..., Any]
) -> Callable[..., Tensor]:
    @partial(jax.custom_vjp, nondiff_argnums=(2,))
    def function(inputs: Any, constants: Any, plan: Any) -> Tensor:
        return value(inputs, constants, plan)

    def forward(inputs: Any, constants: Any, plan: Any) -> tuple[Tensor, Any]:
        return value(inputs, constants, plan), (inputs, constants)

    def backward(plan: Any, kept: Any, upstream: Tensor) -> tuple[Any, None]:
        inputs, constants = kept
        return gradient(inputs, constants, plan, upstream), None

    function.defvjp(forward, backward)
    return function
