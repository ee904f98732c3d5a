"""TensorFlow: eager execution, tf.function, XLA and tf.distribute."""

from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import tensorflow as tf

log, power = tf.math.log, tf.pow
ones_like = tf.ones_like
at_least, at_most = tf.maximum, tf.minimum
multiply_no_nan, divide_no_nan = tf.math.multiply_no_nan, tf.math.divide_no_nan


def where(condition, x, y):
    if tf.is_tensor(x) and tf.is_tensor(y):
        # `tf.where` allows for broadcasting, and takes twice as long.
        return tf.raw_ops.Select(condition=condition, x=x, y=y)
    return tf.where(condition, x, y)


def _in_xla():
    """Whether what is traced now will be compiled by XLA."""
    return tf.__internal__.get_enclosing_xla_context() is not None


def log1m(x):
    if not _in_xla():
        return tf.math.log1p(-x)
    # As exact, and faster there: the logarithm of the rest, and of what that rounded off.
    rest = 1.0 - x
    # The floor spares XLA the thought that `1 - (1 - x)` is `x`.
    positive = tf.maximum(rest, np.finfo("float32").tiny)
    return tf.math.log(rest) + ((1.0 - positive) - x)


def _exp_minus_abs(x):
    # `abs` has no slope at 0; this has that of negative numbers, and `step` counts 0 as one.
    return tf.exp(-tf.nn.leaky_relu(x, -1.0))


def sigmoid_minus_abs(x):
    if _in_xla():
        return _sigmoid_minus_abs(x)
    # On CPUs `tf.sigmoid` is off by up to four epsilons.
    e = _exp_minus_abs(x)
    return e / (1.0 + e)


@tf.custom_gradient
def _sigmoid_minus_abs(x):
    def gradient(upstream):
        # Derived step by step it would be infinity times 0 for large logits.
        r = _sigmoid_minus_abs(x)
        return with_sign(upstream * r * (r - 1.0), x)

    return 1.0 / (1.0 + tf.exp(tf.abs(x))), gradient


def softplus_minus_abs(x):
    # XLA computes what both need once; for TensorFlow it is one pass over memory more.
    return -log1m(_sigmoid_minus_abs(x)) if _in_xla() else tf.math.log1p(_exp_minus_abs(x))


def step(x):
    return tf.cast(x > 0.0, x.dtype)


def with_sign(size, x):
    # One pass over memory, where a comparison, a negation and a selection are three.
    return tf.raw_ops.LeakyReluGrad(gradients=size, features=x, alpha=-1.0)


def find_mask(y_pred):
    return getattr(y_pred, "_keras_mask", None)


def infers_shapes():
    """Never: Keras infers them from symbolic tensors."""
    return False


def has_float64():
    return True


def replica_count():
    return tf.distribute.get_strategy().num_replicas_in_sync


def find_logits(y_pred, even_if_costly=False):
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


def follow(x, like):
    """As it is: TensorFlow moves what an operation needs."""
    return x


def exact_sum(values, axis):
    return tf.reduce_sum(tf.cast(values, tf.float64), axis)


def add_exactly(state, terms, *arguments):
    return at_once(_added, state, terms, *arguments)


def _added(state, terms, *arguments):
    # A Python float would first become a float32 one.
    terms = terms(*arguments)
    terms = [tf.constant(t, tf.float64) if isinstance(t, float) else t for t in terms]
    added = tf.concat([tf.reshape(tf.cast(term, tf.float64), [-1]) for term in terms], 0)
    total = added + tf.reduce_sum(tf.cast(state, tf.float64), 0)
    high = tf.cast(total, state.dtype)
    low = tf.cast(total - tf.cast(high, tf.float64), state.dtype)
    # Of an infinite sum nothing is left over.
    return tf.stack([high, tf.where(tf.math.is_finite(high), low, 0.0)])


def sums(state):
    return tf.reduce_sum(state, 0)


def at_once(function, *arguments):
    """Eagerly not op by op, but as a graph, which reuses its memory, kept for its next call."""
    if not tf.executing_eagerly():
        # AutoGraph would look for Python control flow: there is none that depends on a tensor.
        return tf.autograph.experimental.do_not_convert(function)(*arguments)
    tensors = []
    signature = _signature(arguments, tensors)
    return _graph(function, signature)(*tensors)


@dataclass(frozen=True)
class _Input:
    """What a graph knows of a tensor that it is given."""

    shape: tuple
    dtype: object


#: Exponents for which TensorFlow's graphs have something faster than `tf.pow`, if constant.
_CONSTANTS = (0.0, 0.5, 1.0, 2.0, 3.0)


def _signature(arguments, tensors):
    """The arguments with an `_Input` in the place of each tensor, which goes to `tensors`.

    So do the numbers of a loss: an annealed gamma needs no new graph at each step.
    """
    if isinstance(arguments, tuple):
        parts = [_signature(argument, tensors) for argument in arguments]
        return getattr(arguments, "_make", tuple)(parts)
    if isinstance(arguments, partial):
        numbers = _numbers(arguments)
        tensors += numbers.values()
        inputs = {name: _Input((), tf.float64) for name in numbers}
        return type(arguments)(arguments.func, **(arguments.keywords | inputs))
    if not hasattr(arguments, "shape"):  # To ask `tf.is_tensor` takes long.
        return arguments
    tensor = tf.convert_to_tensor(arguments)
    tensors.append(tensor)
    # A size of 0 or 1 stays known, for there is nothing to reduce over it.
    return _Input(tuple([size if size < 2 else None for size in tensor.shape]), tensor.dtype)


def _numbers(loss):
    """The arguments of a loss that a graph takes as inputs."""
    names = getattr(loss.func, "numbers", ())
    names += getattr(loss.keywords.get("loss"), "numbers", ())
    return {
        name: tf.constant(value, tf.float64)
        for name, value in loss.keywords.items()
        if name in names and value is not None and value not in _CONSTANTS
    }


def _filled(signature, tensors, dtype):
    """The arguments again, with tensors in the place of each `_Input`."""
    if isinstance(signature, tuple):
        parts = [_filled(part, tensors, dtype) for part in signature]
        return getattr(signature, "_make", tuple)(parts)
    if isinstance(signature, partial):
        inputs = {
            name: tf.cast(next(tensors), dtype)
            for name, value in signature.keywords.items()
            if isinstance(value, _Input)
        }
        return type(signature)(signature.func, **(signature.keywords | inputs))
    return next(tensors) if isinstance(signature, _Input) else signature


def _inputs(signature):
    """Each `_Input` of a signature, in order."""
    if isinstance(signature, partial):
        signature = tuple(signature.keywords.values())
    if isinstance(signature, tuple):
        return [found for part in signature for found in _inputs(part)]
    return [signature] if isinstance(signature, _Input) else []


@lru_cache
def _graph(function, signature):
    inputs = [tf.TensorSpec(x.shape, x.dtype) for x in _inputs(signature)]
    dtype = inputs[0].dtype

    def graph(*tensors):
        return function(*_filled(signature, iter(tensors), dtype))

    return tf.function(graph, autograph=False).get_concrete_function(*inputs)


def positive_zero(x):
    # TensorFlow takes `x + 0.0` for `x`.
    zero = tf.zeros_like(x)
    return x + where(x == 0.0, zero, -zero)


def nan_unless(possible, values):
    if _in_xla():
        nan = tf.constant(float("nan"), values.dtype)
        return where(possible, values, tf.fill(tf.shape(values), nan))
    # 0 / 0 where impossible: a NaN constant would fail `tf.debugging.enable_check_numerics`, which
    # XLA does not have, with any data.
    return values + 0.0 / tf.cast(possible, values.dtype)


def within(x, limits):
    low, high = limits
    return _unless_all_within(x, high, lambda: nan_unless(tf.logical_and(x >= low, x <= high), x))


def clipped(p, limits):
    low, high = limits

    def mended():
        possible = nan_unless(tf.logical_and(p >= low, p <= high), p)
        return tf.clip_by_value(possible, 0.0, 1.0)

    return _unless_all_within(p, 1.0, mended)


def _unless_all_within(x, high, mended):
    """`x` if one pass over memory shows that all of it is in [0, high], else `mended()`.

    Read as unsigned integers, floats from 0 on keep their order, and all negative ones and NaN
    are larger. So is -0.0, which is left to `mended`. XLA fuses `mended` into the loop that reads
    `x` anyway, and on GPUs TensorFlow has no kernel for the largest of unsigned integers.
    """
    if _in_xla() or x.dtype != tf.float32 or _has_gpu():
        return mended()
    largest = tf.reduce_max(tf.bitcast(x, tf.uint32))
    return tf.cond(largest <= np.float32(high).view("uint32"), lambda: x, mended)


@lru_cache
def _has_gpu():
    return bool(tf.config.list_physical_devices("GPU"))


def evaluate(loss, y, prediction, pos_weight, axis, prediction_limits, label_limits):
    def value_and_gradient(y, prediction):
        if prediction_limits is not None:
            prediction = clipped(prediction, prediction_limits)
        at = loss(within(y, label_limits), prediction, pos_weight=pos_weight)
        if axis is None:
            value = at.value
        elif _in_xla():
            # XLA fuses all that is done by element into one loop; a reduction would be another.
            value = tf.reduce_mean(at.value, axis)
        else:
            # One pass over memory less than to take the mean of their sum.
            value = at.sum_of(lambda term: tf.reduce_mean(term, axis))
        slope, label_slope = at.slope, at.label_slope

        def gradient(upstream):
            # NaN wherever the value is NaN.
            upstream = where(tf.math.is_nan(value), value, upstream)
            if axis is not None:
                count = tf.cast(tf.shape(prediction)[axis], upstream.dtype)
                upstream = tf.expand_dims(upstream / count, axis)
            return upstream * label_slope, upstream * slope

        return value, gradient

    return tf.custom_gradient(value_and_gradient)(y, prediction)
