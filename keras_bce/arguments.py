"""Validates the arguments of losses and metrics, once, where an object is made."""

import contextlib
import math
import numbers

import keras
import numpy as np
from keras import ops

from keras_bce import faults

REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


def number(name, value, low, high, rule):
    """A float in [low, high]; `rule` says so in words."""
    is_number = isinstance(value, (numbers.Real, np.number, np.bool_))
    if not is_number or not low <= float(value) <= high:
        raise ValueError(f"`{name}` must be {rule}. Received: {name}={value!r}.")
    return float(value)


def fraction(name, value):
    return number(name, value, 0.0, 1.0, "a number in [0, 1]")


def exponent(name, value):
    return number(name, value, 0.0, np.finfo("float64").max, "a number, 0 or greater")


def clip(value):
    below_one = math.nextafter(1.0, 0.0)
    return number("clip", value, 0.0, below_one, "a number in [0, 1)")


def ignore_class(value):
    if value is None:
        return None
    if isinstance(value, (float, np.floating)) and math.isnan(value):
        return math.nan  # One NaN for all: another would count as another argument.
    largest = np.finfo("float64").max
    return number("ignore_class", value, -largest, largest, "None, a finite number, or NaN")


def reduction(value):
    if value not in REDUCTIONS:
        raise ValueError(
            f"`reduction` must be one of {', '.join(map(repr, REDUCTIONS))}. "
            f"Received: reduction={value!r}."
        )
    return value


def axis(value):
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ValueError(
            f"`axis` must be an integer, the axis of the labels. Received: axis={value!r}."
        )
    return int(value)


def label_factors(name, values):
    """`pos_weight` or `label_weights`: a number, or one per label.

    Returns:
        `None`, a float, a float64 array, or the `keras.Variable` or tensor that was given, which
        is read at each call. Values that cannot be read yet, in a function that is being
        compiled, are not checked.
    """
    if values is None:
        return None
    is_live = isinstance(values, keras.Variable) or ops.is_tensor(values)
    if is_live:
        array = None
        with contextlib.suppress(TypeError, NotImplementedError):  # Not readable while compiling.
            array = faults.on_host(ops.convert_to_tensor(values), name).astype("float64")
        if array is None:
            array = np.ones(tuple(size or 1 for size in values.shape))
    else:
        array = faults.host_array(values, name).astype("float64")
    if array.ndim > 1 or array.size == 0 or not np.all((array >= 0) & np.isfinite(array)):
        raise ValueError(
            f"`{name}` must be a number or a list of one number per label, each finite and 0 or "
            f"greater. Received: {name}={values!r}."
        )
    if is_live:
        return values
    return array if array.ndim else float(array)


def plain_factors(values):
    """The same as numbers, for a config: those of a variable or tensor as they are now."""
    if values is None or isinstance(values, float):
        return values
    if not isinstance(values, np.ndarray):
        values = faults.on_host(ops.convert_to_tensor(values), "values").astype("float64")
    return values.tolist()


def label_names(values):
    if values is None:
        return None
    names = [values] if isinstance(values, str) else list(values)
    if not names or len({*names}) != len(names) or not all(isinstance(n, str) for n in names):
        raise ValueError(
            "`label_names` must be a list of different strings, one per label. "
            f"Received: label_names={values!r}."
        )
    return names


def num_bins(value):
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(
            f"`num_bins` must be an integer, 1 or greater. Received: num_bins={value!r}."
        )
    return int(value)
