"""TensorFlow: eager execution, tf.function, XLA and tf.distribute."""

import tensorflow as tf

log, log1p, power, sigmoid = tf.math.log, tf.math.log1p, tf.pow, tf.sigmoid
at_least, at_most = tf.maximum, tf.minimum
multiply_no_nan = tf.math.multiply_no_nan


def where(condition, x, y):
    if tf.is_tensor(x) and tf.is_tensor(y):
        # `tf.where` allows for broadcasting, and takes twice as long.
        return tf.raw_ops.Select(condition=condition, x=x, y=y)
    return tf.where(condition, x, y)


def minus_abs(x):
    return tf.minimum(-x, x)  # At 0, where `abs` has no slope, this has that of `-x`.


def step(x):
    return tf.cast(x >= 0.0, x.dtype)


def with_sign(size, x):
    return where(x >= 0.0, size, -size)


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


def add_exactly(state, terms):
    # A Python float would first become a float32 one.
    terms = [tf.constant(t, tf.float64) if isinstance(t, float) else t for t in terms]
    terms = [tf.cast(term, tf.float64) for term in terms]
    if all(term.shape.rank == 0 for term in terms):
        added = tf.stack(terms)
    else:
        added = tf.concat([tf.reshape(term, [-1]) for term in terms], 0)
    total = added + tf.reduce_sum(tf.cast(state, tf.float64), 0)
    high = tf.cast(total, state.dtype)
    low = tf.cast(total - tf.cast(high, tf.float64), state.dtype)
    # Of an infinite sum nothing is left over.
    return tf.stack([high, tf.where(tf.math.is_finite(high), low, 0.0)])


# AutoGraph would look for Python control flow to convert: there is none that depends on a tensor.
@tf.autograph.experimental.do_not_convert
def evaluate(loss, y, prediction, axis, differentiable=True):
    if not differentiable:
        return _value_and_gradient(y, prediction, loss, axis)[0]
    if tf.executing_eagerly():
        return _differentiable(y, prediction, loss=loss, axis=axis)
    # A graph's custom gradient takes no keywords.
    return tf.custom_gradient(lambda y, x: _value_and_gradient(y, x, loss, axis))(y, prediction)


def _value_and_gradient(y, prediction, loss, axis):
    at = loss(y, prediction)
    value = at.value
    if axis is not None:
        value = tf.reduce_mean(value, axis)
    value = value * _nan_where_impossible(y, value, axis)

    def gradient(upstream):
        # NaN, too, wherever the value is: from an impossible label or prediction.
        upstream = where(tf.math.is_nan(value), value, upstream)
        if axis is not None:
            count = prediction.shape[axis] or tf.cast(tf.shape(prediction)[axis], upstream.dtype)
            upstream = tf.expand_dims(upstream / count, axis)
        return upstream * at.label_slope, upstream * at.slope

    return value, gradient


_differentiable = tf.custom_gradient(_value_and_gradient)


def _nan_where_impossible(y, value, axis):
    """1, or NaN where a label is outside [0, 1]: by extremes, which cost no elementwise pass."""
    low, high = (y, y) if axis is None else (tf.reduce_min(y, axis), tf.reduce_max(y, axis))
    possible = tf.logical_and(low >= 0.0, high <= 1.0)
    return tf.where(possible, tf.ones_like(value), float("nan"))
