"""NumPy: values only. Keras's NumPy backend has no gradients, and no `fit`."""

import math

import keras
import numpy as np

from keras_bce.backend import masks

log = np.log
ones_like = np.ones_like
at_least, at_most = np.maximum, np.minimum


def where(condition, x, y):
    # `np.where` alone makes float64 of a Python number.
    dtype = np.result_type(*(value if np.isscalar(value) else value.dtype for value in (x, y)))
    return np.where(condition, x, y).astype(dtype)


def power(x, y):
    return np.power(x, y)


def log1m(x):
    return np.log1p(-x)


def sigmoid_minus_abs(x):
    return 1.0 / (1.0 + np.exp(np.minimum(np.abs(x), _largest_exponent(x))))


def softplus_minus_abs(x):
    return np.log1p(np.exp(-np.abs(x)))


def _largest_exponent(x):
    """Above it `exp` overflows, with a warning."""
    return math.floor(math.log(float(np.finfo(x.dtype).max)))


def step(x):
    return (x >= 0).astype(x.dtype)


def with_sign(size, x):
    return np.where(x >= 0, size, -size)


def multiply_no_nan(x, weight):
    with np.errstate(invalid="ignore"):
        return np.where(weight == 0, 0.0, x * weight).astype(x.dtype)


def divide_no_nan(x, size):
    return np.where(size == 0, 0.0, x) / np.where(size == 0, 1.0, size).astype(x.dtype)


def positive_zero(x):
    return x + 0.0


def nan_unless(possible, values):
    return np.where(possible, values, np.nan).astype(values.dtype)


def within(x, limits):
    low, high = limits
    return nan_unless((x >= low) & (x <= high), x)


def clipped(p, limits):
    return np.clip(within(p, limits), 0.0, 1.0)


def evaluate(loss, y, prediction, pos_weight, axis, prediction_limits, label_limits):
    if prediction_limits is not None:
        prediction = clipped(prediction, prediction_limits)
    value = loss(within(y, label_limits), prediction, pos_weight=pos_weight).value
    return value if axis is None else np.mean(value, axis, dtype=value.dtype)


def find_logits(y_pred, even_if_costly=False):
    """Never known: NumPy's arrays carry no notes, and no record of what made them."""
    return


def find_mask(y_pred):
    if not isinstance(y_pred, np.ndarray):
        return None
    mask = masks.read(np.ones((), "float32"), y_pred)
    # A scalar 1 is no mask, or one of shape (1,) that leaves nothing out.
    return None if mask.ndim == 0 and mask else np.atleast_1d(mask)


def follow(x, like):
    """As it is: there is one device."""
    return x


def infers_shapes():
    """Whether Keras runs this on uninitialised arrays, only to see the shape of the result.

    It does so within a `StatelessScope`, where it refuses new variables.
    """
    try:
        keras.Variable(0.0)
    except ValueError:
        return True
    return False


def at_once(function, *arguments):
    """As it is, without NumPy's warnings: NaN and infinity are results here."""
    with np.errstate(all="ignore"):
        return function(*arguments)


def has_float64():
    return True


def replica_count():
    return 1


def exact_sum(values, axis):
    return np.sum(values, axis, dtype="float64")


def add_exactly(state, terms, *arguments):
    added = np.hstack([np.ravel(np.asarray(term, "float64")) for term in terms(*arguments)])
    total = added + np.sum(state, 0, dtype="float64")
    high = total.astype(state.dtype)
    with np.errstate(invalid="ignore"):  # Of an infinite sum nothing is left over.
        low = np.where(np.isfinite(high), total - high, 0.0)
    return np.stack([high, low.astype(state.dtype)])


def sums(state):
    return np.sum(state, 0)
