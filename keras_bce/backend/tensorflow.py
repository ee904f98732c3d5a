"""TensorFlow: eager execution, tf.function, XLA and tf.distribute."""

from functools import lru_cache
from typing import NamedTuple

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


def log1p(x):
    if not _in_xla():
        return tf.math.log1p(x)
    # As exact, and faster there: the logarithm of the sum, and of what that rounded off.
    total = 1.0 + x
    # The floor spares a division by 0, and XLA the thought that `1 + x - 1` is `x`.
    positive = tf.maximum(total, np.finfo("float32").tiny)
    return tf.math.log(total) + (x - (positive - 1.0)) / positive


def _minus_abs(x):
    # `abs` has no slope at 0; this has that of negative numbers, and `step` counts 0 as one.
    return -tf.nn.leaky_relu(x, -1.0)


def sigmoid_minus_abs(x):
    # On CPUs `tf.sigmoid` is off by up to four epsilons.
    e = tf.exp(_minus_abs(x))
    return e / (1.0 + e)


def softplus_minus_abs(x):
    return log1p(tf.exp(_minus_abs(x)))


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


class _Sum(NamedTuple):
    """A sum still to be made, together with its addition."""

    values: object
    axis: object


exact_sum = _Sum


def add_exactly(state, terms):
    # A Python float would first become a float32 one.
    terms = [tf.constant(t, tf.float64) if isinstance(t, float) else t for t in terms]
    sums = [term if isinstance(term, _Sum) else _Sum(term, None) for term in terms]
    adder = _adder(tuple(term.axis for term in sums))
    return _as_graph(adder, tf.convert_to_tensor(state), *(term.values for term in sums))


@lru_cache
def _adder(axes):
    def add(state, *values):
        terms = [
            tf.reduce_sum(tf.cast(x, tf.float64), axis)
            for x, axis in zip(values, axes, strict=True)
        ]
        added = tf.concat([tf.reshape(term, [-1]) for term in terms], 0)
        total = added + tf.reduce_sum(tf.cast(state, tf.float64), 0)
        high = tf.cast(total, state.dtype)
        low = tf.cast(total - tf.cast(high, tf.float64), state.dtype)
        # Of an infinite sum nothing is left over.
        return tf.stack([high, tf.where(tf.math.is_finite(high), low, 0.0)])

    return add


def sums(state):
    return tf.reduce_sum(tf.convert_to_tensor(state), 0)


def evaluate(loss, y, prediction, axis, differentiable=True):
    # Weights are inputs of the graph, which else would be traced anew for every other weight.
    loss, constants = loss.split()
    kernel = _kernel(loss, tuple(constants), axis, differentiable)
    return _as_graph(kernel, y, prediction, *(c.tensor(y.dtype) for c in constants.values()))


def _as_graph(function, *tensors):
    """`function(*tensors)`; eagerly not op by op, but as a graph, which reuses its memory."""
    if tf.executing_eagerly():
        # A size of 1 stays known, for there is nothing to reduce over it.
        shapes = (tuple(1 if size == 1 else None for size in x.shape) for x in tensors)
        function = _traced(function, *zip(shapes, (x.dtype for x in tensors), strict=True))
    return function(*tensors)


@lru_cache
def _traced(function, *signature):
    tensors = [tf.TensorSpec(shape, dtype) for shape, dtype in signature]
    return tf.function(function, autograph=False).get_concrete_function(*tensors)


@lru_cache
def _kernel(loss, names, axis, differentiable):
    def value_and_gradient(y, prediction, *constants):
        at = loss(y, prediction, **dict(zip(names, constants, strict=True)))
        # XLA fuses all that is done by element into one loop; a reduction would be another.
        in_xla = _in_xla()
        value = at.value
        if in_xla or axis is None:
            value = _nan_if_impossible(y, y, value)
        if axis is not None:
            value = tf.reduce_mean(value, axis)
        if not in_xla and axis is not None:
            value = _nan_if_impossible(tf.reduce_min(y, axis), tf.reduce_max(y, axis), value)
        slope, label_slope = at.slope, at.label_slope

        def gradient(upstream):
            # NaN, too, wherever the value is: from an impossible label or prediction.
            upstream = where(tf.math.is_nan(value), value, upstream)
            if axis is not None:
                count = tf.cast(tf.shape(prediction)[axis], upstream.dtype)
                upstream = tf.expand_dims(upstream / count, axis)
            return upstream * label_slope, upstream * slope, *(None for _ in constants)

        return value, gradient

    def value(*tensors):
        return value_and_gradient(*tensors)[0]

    kernel = tf.custom_gradient(value_and_gradient) if differentiable else value
    # AutoGraph would look for Python control flow: there is none that depends on a tensor.
    return tf.autograph.experimental.do_not_convert(kernel)


def _nan_if_impossible(low, high, value):
    """The value of labels between `low` and `high`, which must be in [0, 1]."""
    possible = tf.logical_and(low >= 0.0, high <= 1.0)
    return where(possible, value, tf.fill(tf.shape(value), tf.constant(float("nan"), value.dtype)))
