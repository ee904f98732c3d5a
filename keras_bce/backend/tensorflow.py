"""TensorFlow: eager execution, tf.function, XLA and tf.distribute."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import tensorflow as tf

log, power = tf.math.log, tf.pow
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


def has_float64():
    return True


def replica_count():
    return tf.distribute.get_strategy().num_replicas_in_sync


def find_logits(y_pred):
    """From Keras's note on the tensor; in a graph also from the op that made it, behind casts."""
    logits = getattr(y_pred, "_keras_logits", None)
    if logits is not None or not tf.is_symbolic_tensor(y_pred):
        return logits
    op = y_pred.op
    if op.type == "Sigmoid":
        return op.inputs[0]
    if op.type in ("Cast", "Identity") and y_pred.dtype.is_floating:
        return find_logits(op.inputs[0])
    return None


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


def _signature(arguments, tensors):
    """The arguments with an `_Input` in the place of each tensor, which goes to `tensors`."""
    if isinstance(arguments, tuple):
        parts = [_signature(argument, tensors) for argument in arguments]
        return getattr(arguments, "_make", tuple)(parts)
    if not hasattr(arguments, "shape"):  # To ask `tf.is_tensor` takes long.
        return arguments
    tensor = tf.convert_to_tensor(arguments)
    tensors.append(tensor)
    # A size of 0 or 1 stays known, for there is nothing to reduce over it.
    return _Input(tuple([size if size < 2 else None for size in tensor.shape]), tensor.dtype)


@lru_cache
def _graph(function, signature):
    parts = tf.nest.flatten(signature)
    inputs = [tf.TensorSpec(x.shape, x.dtype) for x in parts if isinstance(x, _Input)]

    def graph(*tensors):
        tensors = iter(tensors)
        filled = [next(tensors) if isinstance(part, _Input) else part for part in parts]
        return function(*tf.nest.pack_sequence_as(signature, filled))

    return tf.function(graph, autograph=False).get_concrete_function(*inputs)


def evaluate(loss, y, prediction, axis):
    def value_of(y, at):
        if axis is None:
            return _value_if(_possible(y, y), at.value)
        # XLA fuses all that is done by element into one loop; a reduction would be another.
        if _in_xla():
            return tf.reduce_mean(_value_if(_possible(y, y), at.value), axis)
        # One pass over memory less than to take the mean of their sum.
        sum_of_means = at.sum_of(lambda term: tf.reduce_mean(term, axis))
        return _value_if(_all_possible(y, axis), sum_of_means)

    def value_and_gradient(y, prediction):
        at = loss(y, prediction)
        value, slope, label_slope = value_of(y, at), at.slope, at.label_slope

        def gradient(upstream):
            # NaN, too, wherever the value is: from an impossible label or prediction.
            upstream = where(tf.math.is_nan(value), value, upstream)
            if axis is not None:
                count = tf.cast(tf.shape(prediction)[axis], upstream.dtype)
                upstream = tf.expand_dims(upstream / count, axis)
            return upstream * label_slope, upstream * slope

        return value, gradient

    return tf.custom_gradient(value_and_gradient)(y, prediction)


def _possible(low, high):
    """Whether labels between these are in [0, 1]."""
    return tf.logical_and(low >= 0.0, high <= 1.0)


def _all_possible(y, axis):
    def by_both_ends():
        return _possible(tf.reduce_min(y, axis), tf.reduce_max(y, axis))

    if y.dtype != tf.float32 or _has_gpu():
        return by_both_ends()
    # Read as integers, floats from 0 to 1 keep their order, and all else is larger: one pass over
    # memory for two. -0.0 is larger as well, hence the second look.
    possible = tf.reduce_max(tf.bitcast(y, tf.uint32), axis) <= _BITS_OF_ONE
    return tf.cond(tf.reduce_all(possible), lambda: possible, by_both_ends)


_BITS_OF_ONE = np.float32(1.0).view("uint32")


@lru_cache
def _has_gpu():
    """There TensorFlow has no kernel for the largest of unsigned integers."""
    return bool(tf.config.list_physical_devices("GPU"))


def _value_if(possible, value):
    """NaN elsewhere."""
    return where(possible, value, tf.fill(tf.shape(value), tf.constant(float("nan"), value.dtype)))
