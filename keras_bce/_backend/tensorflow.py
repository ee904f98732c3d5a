"""TensorFlow: eager execution, tf.function, XLA and tf.distribute."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_bce._backend import _common, _tensorflow_graphs
from keras_bce._backend._protocol import Axis, Limits
from keras_bce._backend._tensorflow_graphs import in_xla, know_not_in_xla
from keras_bce._typing import Tensor

compiled, compiled_update = _tensorflow_graphs.compiled, _tensorflow_graphs.compiled_update
unconverted = tf.autograph.experimental.do_not_convert
compiled_result_of_columns = _common.result_of_columns
infers_shapes = _common.never_infers_shapes
from_host = _common.from_host


def compiled_result(
    function: Callable[[Tensor], Any], on_host: Callable[[Any], Any]
) -> Callable[[Tensor], Any]:
    return _common.result_on_host(function, on_host, _array, tf.constant)


def _array(x: Tensor) -> Any:
    """The values of a tensor on the CPU, or `None`."""
    # `numpy()` of a variable would copy it first, which takes 3 ms the first time.
    return tf.convert_to_tensor(x).numpy() if is_known(x) and "CPU" in x.device else None


def is_known(x: Tensor) -> bool:
    return tf.executing_eagerly()


log, power = tf.math.log, tf.pow
ones_like = tf.ones_like
at_least, at_most = tf.maximum, tf.minimum
divide_no_nan = tf.math.divide_no_nan


def where(condition: Tensor, x: Any, y: Any) -> Tensor:
    if tf.is_tensor(x) and tf.is_tensor(y):
        # `tf.where` allows for broadcasting, and takes twice as long.
        return tf.raw_ops.Select(condition=condition, x=x, y=y)
    # Of two arguments TensorFlow converts the first one first, and a number to float32.
    return tf.where(condition, tf.cast(x, y.dtype) if tf.is_tensor(y) else x, y)


def multiply_no_nan(x: Tensor, weight: Tensor, overwrite: bool = False) -> Tensor:
    return tf.math.multiply_no_nan(x, weight)


def between(x: Tensor, low: float, high: float) -> Tensor:
    return tf.clip_by_value(x, low, high)


def is_within(x: Tensor, limits: Limits) -> Tensor:
    if in_xla():
        return between(x, *limits) == x
    low, high = limits
    return tf.logical_and(x >= low, x <= high)


def log1p(x: Tensor, overwrite: bool = False) -> Tensor:
    if not in_xla() or _has_gpu():
        return tf.math.log1p(x)
    return _common.log1p_by_log(x, log, at_least)


def minus_abs(x: Tensor) -> Tensor:
    # At 0, `abs` has the slope 0. This has the slope of negative numbers, as `step_minus` does.
    # A product rather than a negation: TensorFlow fuses chains of unary operations, and splits
    # what it has fused over threads even if it is small.
    return tf.nn.leaky_relu(x, -1.0) * -1.0


def minus_sigmoid_minus_abs(x: Tensor) -> Tensor:
    if in_xla():
        return -tf.sigmoid(minus_abs(x))
    # On CPUs `tf.sigmoid` is off by up to four epsilons.
    e = tf.exp(minus_abs(x))
    return e / (-1.0 - e)


def softplus_minus_abs(x: Tensor) -> Tensor:
    # XLA computes once what both need; for TensorFlow it is one pass over memory more.
    return -log1p(minus_sigmoid_minus_abs(x)) if in_xla() else tf.math.log1p(tf.exp(minus_abs(x)))


def step_minus(x: Tensor, y: Tensor | None = None) -> Tensor:
    step = tf.cast(x > 0.0, x.dtype)
    return step if y is None else step - y


def with_sign(size: Tensor, x: Tensor, plus: Tensor | None = None) -> Tensor:
    # One pass over memory, where a comparison, a negation and a selection are three.
    signed = tf.raw_ops.LeakyReluGrad(gradients=size, features=x, alpha=-1.0)
    return signed if plus is None else plus + signed


def find_notes(y_pred: Any, even_if_costly: bool = False) -> tuple[Any, Any]:
    return getattr(y_pred, "_keras_mask", None), find_logits(y_pred, even_if_costly)


def has_float64() -> bool:
    return True


def replica_count() -> int:
    return tf.distribute.get_strategy().num_replicas_in_sync


def find_logits(y_pred: Any, even_if_costly: bool = False) -> Any:
    """In a graph from the operation that made the tensor, behind casts as well.

    Eagerly only a comparison can tell, since Keras's softmax leaves the same note on its result
    as its sigmoid does. It would cost a training step time: it is made only if asked for.
    """
    if not tf.is_tensor(y_pred):
        return None
    if not tf.is_symbolic_tensor(y_pred):
        logits = getattr(y_pred, "_keras_logits", None) if even_if_costly else None
        if logits is None or not tf.reduce_all(tf.sigmoid(logits) == y_pred):
            return None
        return logits
    op = y_pred.op
    if op.type == "Sigmoid":
        return op.inputs[0]
    if op.type in ("Cast", "Identity") and y_pred.dtype.is_floating:
        return find_logits(op.inputs[0])
    return None


def follow(x: Tensor, like: Tensor) -> Tensor:
    """As it is: TensorFlow copies tensors between devices by itself."""
    return x


def exact_sum(values: Tensor, axis: Axis = None) -> Tensor:
    return tf.reduce_sum(tf.cast(values, tf.float64), axis)


def exact_product(a: Tensor, b: Tensor) -> Tensor:
    return tf.cast(a, tf.float64) * tf.cast(b, tf.float64)


def exact_segment_sum(values: Tensor, segments: Tensor, count: int) -> Tensor:
    values = tf.cast(values, tf.float64)
    if in_xla() or _has_gpu():
        return tf.math.unsorted_segment_sum(values, segments, count)
    # On CPUs nine times as fast.
    return tf.raw_ops.Bincount(arr=segments, size=count, weights=values)


def exact_segment_sums(columns: list[Tensor], segments: Tensor, count: int) -> Tensor:
    exact = [tf.cast(column, tf.float64) for column in columns]
    rows = [tf.expand_dims(x, 1) if len(x.shape) == 1 else x for x in exact]
    sums = tf.math.unsorted_segment_sum(tf.concat(rows, 1), segments, count)
    return tf.reshape(tf.transpose(sums), [-1])


def add_exactly(state: Tensor, added: list[Any]) -> Tensor:
    # The first use of each kind of operation takes TensorFlow 1 to 3 ms. Most of these kinds are
    # used by the loss, too.
    exact = [
        # `tf.cast` would make a float32 number of a Python float first.
        tf.constant(x, tf.float64) if isinstance(x, float) else tf.cast(x, tf.float64)
        for x in added
    ]
    if all(x.shape.rank == 0 for x in exact):
        total = tf.stack(exact)
    else:
        total = tf.concat([tf.reshape(x, [-1]) for x in exact], 0)
    total += tf.reduce_sum(tf.cast(state, tf.float64), 0)
    high = tf.cast(total, state.dtype)
    low = tf.cast(total - tf.cast(high, tf.float64), state.dtype)
    # The rest of an infinite sum is 0.
    is_finite = is_within(high, (high.dtype.min, high.dtype.max))
    return tf.stack([high, where(is_finite, low, tf.zeros_like(low))])


def sums(state: Tensor) -> Tensor:
    return tf.reduce_sum(state, 0)


def result(x: Tensor, dtype: str) -> Tensor:
    # TensorFlow may simplify `x + 0.0` to `x`.
    zero = tf.zeros_like(x)
    return tf.cast(x + where(x == 0.0, zero, -zero), dtype)


def _nan_unless(possible: Tensor, values: Tensor) -> Tensor:
    if in_xla():
        nan = tf.constant(float("nan"), values.dtype)
        return where(possible, values, tf.fill(tf.shape(values), nan))
    # 0 / 0 where impossible: a NaN constant would fail `tf.debugging.enable_check_numerics`, which
    # XLA does not have, with any data.
    return values + 0.0 / tf.cast(possible, values.dtype)


def within(x: Tensor, limits: Limits) -> Tensor:
    return _unless_all_within(x, limits[1], lambda: _nan_unless(is_within(x, limits), x))


def clipped(p: Tensor, limits: Limits) -> Tensor:
    def mended() -> Tensor:
        # Last, since XLA may clip NaN to 0.
        return _nan_unless(is_within(p, limits), between(p, 0.0, 1.0))

    return _unless_all_within(p, 1.0, mended)


def _unless_all_within(x: Tensor, high: float, mended: Callable[[], Tensor]) -> Tensor:
    """`x` if one pass over memory shows that all of it is in [0, high], else `mended()`.

    Read as unsigned integers, floats from 0 on keep their order, and all negative ones and NaN
    are larger. So is -0.0, which is left to `mended`. XLA fuses `mended` into the loop that reads
    `x` anyway, on GPUs TensorFlow has no kernel for the largest of unsigned integers, and for a
    small batch a branch takes more time to trace and to optimize than it saves in a hundred steps.
    """
    if in_xla() or x.dtype != tf.float32 or _has_gpu() or _seems_small(x):
        return mended()

    def otherwise() -> Tensor:
        know_not_in_xla()
        return mended()

    largest = tf.reduce_max(tf.bitcast(x, tf.uint32))
    return tf.cond(largest <= np.float32(high).view("uint32"), lambda: x, otherwise)


def _seems_small(x: Tensor) -> bool:
    """Whether there are at most 2**14 numbers, where an unknown size counts as 256."""
    return math.prod(256 if size is None else size for size in x.shape) <= 2**14


@lru_cache
def _has_gpu() -> bool:
    return bool(tf.config.list_physical_devices("GPU"))


#: The attribute of predictions in a graph that holds their last loss.
_KEPT = "_keras_bce_kept"


class _Kept(NamedTuple):
    """A loss that a metric of the same predictions in the same graph need not compute again.

    Attributes:
        what: The graph, the loss and what it was computed of.
        value: The loss of each sample, or each prediction.
        alive: Tensors whose `id` must stay theirs.
    """

    what: Any
    value: Tensor
    alive: Any


def differentiable(formula: Callable[..., Any]) -> Callable[..., Tensor]:
    def losses(
        loss: Any, link: Any, y: Tensor, prediction: Tensor, pos_weight: Any, axis: int | None
    ) -> Tensor:
        def averaged(term: Tensor) -> Tensor:
            return term if axis is None else tf.reduce_mean(term, axis)

        def evaluated(y: Tensor, prediction: Tensor, pos_weight: Any) -> tuple[Any, Tensor]:
            """The formula, and the mean of its values."""
            if not in_xla():
                at = formula(loss, link, y, prediction, pos_weight)
                return at, at.total(averaged)
            # XLA fuses all elementwise operations into one loop, in which one selection costs less
            # than two; a reduction is another loop.
            at = formula(loss, link, y, prediction, pos_weight, "last")
            return at, averaged(_nan_unless(at.possible, at.value))

        def value_and_gradient(y: Tensor, prediction: Tensor, pos_weight: Any = None) -> Any:
            at, value = evaluated(y, prediction, pos_weight)
            slope, label_slope = at.slope, at.label_slope

            def gradient(upstream: Tensor) -> Any:
                # NaN wherever the value is NaN.
                upstream = where(value == value, upstream, value)
                if axis is not None:
                    count = prediction.shape[axis]
                    if count is None:
                        count = tf.cast(tf.shape(prediction)[axis], upstream.dtype)
                    upstream = tf.expand_dims(upstream / count, axis)
                return upstream * label_slope, upstream * slope, *[None for _ in weights]

            return value, gradient

        if tf.executing_eagerly():
            what = None
        else:
            what = (tf.compat.v1.get_default_graph(), loss, link, axis, id(y), id(pos_weight))
        if _common.in_update():
            kept = getattr(prediction, _KEPT, None)
            if kept is not None and kept.what == what:
                return kept.value
            return evaluated(y, prediction, pos_weight)[1]
        # An argument rather than part of the closure, since it may come from a variable.
        weights = [] if pos_weight is None else [pos_weight]
        value = tf.custom_gradient(value_and_gradient)(y, prediction, *weights)
        if what is not None:
            setattr(prediction, _KEPT, _Kept(what, value, (y, pos_weight)))
        return value

    return losses


def loop(count: Any, body: Callable[[Any, Any], Any], state: Any) -> Any:
    def step(i: Tensor, *state: Tensor) -> Any:
        new = body(i, state)
        for before, after in zip(state, new, strict=True):
            after.set_shape(before.shape)
        return i + 1, *new

    # One iteration at a time: several would take as much memory each.
    return tf.while_loop(
        lambda i, *_: i < count,
        step,
        (0, *state),
        parallel_iterations=1,
        maximum_iterations=count,
    )[1:]


def columns(x: Tensor, start: Any, size: Any) -> Tensor:
    # XLA takes a size of -1 for one that it does not know.
    *rest, _ = keras.ops.shape(x)
    return tf.slice(x, [*(0 for _ in rest), start], [*rest, size])


def with_columns(x: Tensor, part: Tensor, start: Any) -> Tensor:
    rest = x.shape.rank - 1
    begin = [0] * rest + [start]
    if in_xla():
        return keras.ops.slice_update(x, begin, part)
    # In place, where nothing else reads `x`.
    every_row = (1 << rest) - 1
    return tf.raw_ops.TensorStridedSliceUpdate(
        input=x,
        begin=begin,
        end=[0] * rest + [start + tf.shape(part)[-1]],
        strides=[1] * (rest + 1),
        value=part,
        begin_mask=every_row,
        end_mask=every_row,
    )


def marks(places: Tensor, size: Any, like: Tensor) -> Tensor:
    rows = tf.shape(places)[0]
    inside = tf.logical_and(places >= 0, places < size)
    first = tf.expand_dims(tf.range(rows) * size, -1)
    # What is no column goes to a place after the last row, which is cut off.
    flat = tf.where(inside, first + places, rows * size)
    flat = tf.reshape(flat, [-1, 1])
    marked = tf.scatter_nd(flat, tf.ones_like(flat[:, 0], like.dtype), [rows * size + 1])
    return tf.minimum(tf.reshape(marked[:-1], [rows, size]), 1.0)


def with_gradient(
    value: Callable[..., Tensor], gradient: Callable[..., Any]
) -> Callable[..., Tensor]:
    def function(inputs: Any, constants: Any, plan: Any) -> Tensor:
        def value_and_gradient(*given: Tensor) -> Any:
            left = iter(given)
            filled = [None if x is None else next(left) for x in inputs]

            def upstream_gradient(upstream: Tensor) -> list[Tensor]:
                return [
                    slope
                    for slope in gradient(filled, constants, plan, upstream)
                    if slope is not None
                ]

            return value(filled, constants, plan), upstream_gradient

        return tf.custom_gradient(value_and_gradient)(*[x for x in inputs if x is not None])

    return function
