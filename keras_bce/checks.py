"""What callers may pass, and the wording of every error.

Three kinds of check: arguments, once, where an object is made; values on the
host, lists and NumPy arrays, where looking costs no synchronisation; and
`check_inputs`, which looks at everything, because the caller asked for it.
"""

import contextlib
import math
import numbers

import numpy as np
from keras import ops

REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


def check_inputs(y_true, y_pred=None, *, from_logits=False, ignore_class=None):
    """Raises a `ValueError` that names everything wrong with labels and predictions.

    The losses and metrics check lists and NumPy arrays by themselves. Tensors
    they never copy to the host: an impossible value in one makes the loss of its
    sample NaN. When a loss is NaN, call this on the data.

    Args:
        y_true: Labels in [0, 1], of any shape: a tensor, array or list.
        y_pred: Predictions of the same shape, or `(N, 1)` for labels `(N,)`, or the
            other way round. `None` checks the labels alone.
        from_logits: Whether `y_pred` holds logits, of which only NaN is impossible,
            rather than probabilities in [0, 1].
        ignore_class: The label that stands for "missing": a number or NaN. Neither a
            missing label nor its prediction is checked.

    Raises:
        ValueError: for each fault, what is wrong, how often, the first place and
            value, and what has likely happened.

    >>> import keras_bce
    >>> keras_bce.check_inputs([0, 1, 1], [0.1, 0.9, 0.6])
    >>> keras_bce.check_inputs([0, 1, 255], [0.1, 0.9, 0.6])
    Traceback (most recent call last):
    ...
    ValueError: `y_true` must hold labels in [0, 1]. Received: 1 of 3 outside, ...
    """
    ignore_class = ignore_class_argument(ignore_class)
    y_true = on_host(y_true, "y_true")
    left_out = missing(y_true, ignore_class)
    faults = label_faults(y_true, left_out)
    if y_pred is not None:
        y_pred = on_host(y_pred, "y_pred")
        shorter, longer = sorted((y_true.shape, y_pred.shape), key=len)
        if longer not in (shorter, (*shorter, 1)):
            faults.append(shape_fault(y_true.shape, y_pred.shape))
            left_out = np.False_
        else:
            left_out = left_out.reshape(y_pred.shape)
        faults += prediction_faults(y_pred, from_logits, left_out)
    if faults:
        raise ValueError("\n".join(faults))


def check_host_values(y_true, y_pred, from_logits, ignore_class, sample_weight, mask):
    """Raises for impossible values among those of `y_true` and `y_pred` that are NumPy arrays.

    All shapes are aligned already. What weights or a mask leave out is not
    looked at; where those are tensors, they can excuse any value, so that
    nothing is checked here, and NaN is left to tell.
    """
    if not all(given is None or isinstance(given, np.ndarray) for given in (sample_weight, mask)):
        return
    left_out = np.False_
    if sample_weight is not None:
        left_out = left_out | (sample_weight == 0)
    if mask is not None:
        left_out = left_out | ~mask.astype(bool)
    faults = []
    if isinstance(y_true, np.ndarray):
        left_out = left_out | missing(y_true, ignore_class)
        faults += label_faults(y_true, left_out)
    elif ignore_class is not None:
        return
    if isinstance(y_pred, np.ndarray):
        faults += prediction_faults(y_pred, from_logits, left_out)
    if faults:
        raise ValueError("\n".join(faults))


def label_faults(y_true, left_out=np.False_):
    """What is wrong with an array of labels, a list of sentences."""
    return _out_of_range(
        y_true, left_out, "`y_true` must hold labels in [0, 1].", _label_advice, (0.0, 1.0)
    )


def prediction_faults(y_pred, from_logits, left_out=np.False_):
    """What is wrong with an array of predictions, a list of sentences."""
    if from_logits:
        rule, allowed = "`y_pred` must hold logits, not NaN.", (-math.inf, math.inf)
    else:
        rule, allowed = "`y_pred` must hold probabilities in [0, 1].", (0.0, 1.0)
    return _out_of_range(y_pred, left_out, rule, _prediction_advice, allowed)


def shape_fault(y_true_shape, y_pred_shape):
    return (
        "`y_true` and `y_pred` must have the same shape, or differ by a last axis of size 1. "
        f"Received: y_true.shape={tuple(y_true_shape)}, y_pred.shape={tuple(y_pred_shape)}. "
        "Reshape one of them; nothing is broadcast."
    )


def weight_fault(name, weight_shape, shape):
    return (
        f"`{name}` must be a scalar, have one value per sample (aligned with `y_pred` from the "
        "left, the batch first), or have the rank of `y_pred` and broadcast to it. "
        f"Received: {name}.shape={tuple(weight_shape)}, y_pred.shape={tuple(shape)}."
    )


def _out_of_range(values, left_out, rule, advice, allowed):
    low, high = allowed
    if values.size == 0 or (values.min() >= low and values.max() <= high):
        return []  # The common case, in two passes without a temporary.
    wrong = ~((values >= low) & (values <= high)) & ~np.broadcast_to(left_out, values.shape)
    count = int(wrong.sum())
    if not count:
        return []
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    place = ", ".join(str(i) for i in index)
    if np.isnan(values[wrong]).any():
        kind = "outside or NaN" if (low, high) == (0.0, 1.0) else "NaN"
    else:
        kind = "outside"
    name = rule.split("`")[1]
    return [
        f"{rule} Received: {count} of {values.size} {kind}, the first at "
        f"{name}[{place}]={values[index]}. {advice(values[wrong])}"
    ]


def _label_advice(wrong):
    if np.isnan(wrong).any():
        return "If NaN stands for a missing label, pass `ignore_class=float('nan')`."
    if np.all(wrong == -1):
        return (
            "If the labels are -1 and 1, pass `(y_true + 1) / 2`; if -1 stands for a "
            "missing label, pass `ignore_class=-1`."
        )
    if wrong.min() >= 0 and wrong.max() == 255:
        return "If the labels are 0 to 255, as in an image, pass `y_true / 255`."
    return "Labels of several classes need one column per class, of 0 and 1."


def _prediction_advice(wrong):
    if np.isnan(wrong).any():
        return "The model itself gives NaN: look at its inputs, or lower the learning rate."
    return "If the model has no sigmoid, its outputs are logits: pass `from_logits=True`."


def missing(y_true, ignore_class):
    if ignore_class is None:
        return np.zeros(y_true.shape, dtype=bool)
    return np.isnan(y_true) if math.isnan(ignore_class) else y_true == ignore_class


def on_host(values, name):
    if ops.is_tensor(values):
        values = ops.convert_to_numpy(ops.cast(values, "float32"))
    return host_array(values, name)


def host_array(values, name):
    """Anything array-like as a NumPy array of real numbers."""
    try:
        array = np.asarray(values)
    except ValueError:  # Rows of unequal length.
        array = np.array(str(values))
    if array.dtype.kind == "O":
        with contextlib.suppress(TypeError, ValueError):
            # None, as pandas has it for missing numbers, becomes NaN.
            array = array.astype("float64")
    if array.dtype.kind not in "biufV" or (array.dtype.kind == "V" and array.dtype.names):
        raise ValueError(
            f"`{name}` must hold real numbers, in rows of equal length. "
            f"Received: {name} of type {type(values).__name__}, dtype {array.dtype}."
        )
    return array


def label_smoothing_argument(label_smoothing):
    return _number("label_smoothing", label_smoothing, lambda s: 0 <= s <= 1, "a number in [0, 1]")


def gamma_argument(name, gamma):
    return _number(name, gamma, lambda g: 0 <= g < math.inf, "a number, 0 or greater")


def fraction_argument(name, value):
    return _number(name, value, lambda v: 0 <= v < 1, "a number in [0, 1)")


def ignore_class_argument(ignore_class):
    if ignore_class is None:
        return None
    number = _number(
        "ignore_class", ignore_class, lambda c: not math.isinf(c), "None, a finite number, or NaN"
    )
    # One NaN for all: another would count as another argument.
    return math.nan if math.isnan(number) else number


def reduction_argument(reduction):
    if reduction not in REDUCTIONS:
        raise ValueError(
            f"`reduction` must be one of {', '.join(map(repr, REDUCTIONS))}. "
            f"Received: reduction={reduction!r}."
        )
    return reduction


def axis_argument(axis):
    if isinstance(axis, bool) or not isinstance(axis, numbers.Integral):
        raise ValueError(
            f"`axis` must be an integer, the axis of the labels. Received: axis={axis!r}."
        )
    return int(axis)


def weights_argument(name, weights):
    """A number, or an array of one per label."""
    if weights is None:
        return None
    array = on_host(weights, name).astype("float64")
    if array.ndim > 1 or array.size == 0 or not np.all((array >= 0) & np.isfinite(array)):
        raise ValueError(
            f"`{name}` must be a number or a list of one number per label, each finite and 0 or "
            f"greater. Received: {name}={weights!r}."
        )
    return array if array.ndim else float(array)


def label_names_argument(label_names):
    if label_names is None:
        return None
    names = [label_names] if isinstance(label_names, str) else list(label_names)
    if not names or len({*names}) != len(names) or not all(isinstance(n, str) for n in names):
        raise ValueError(
            "`label_names` must be a list of different strings, one per label. "
            f"Received: label_names={label_names!r}."
        )
    return names


def num_bins_argument(num_bins):
    if isinstance(num_bins, bool) or not isinstance(num_bins, numbers.Integral) or num_bins < 1:
        raise ValueError(
            f"`num_bins` must be an integer, 1 or greater. Received: num_bins={num_bins!r}."
        )
    return int(num_bins)


def _number(name, value, allowed, rule):
    is_number = isinstance(value, (numbers.Real, np.number, np.bool_))
    if not is_number or not allowed(float(value)):
        raise ValueError(f"`{name}` must be {rule}. Received: {name}={value!r}.")
    return float(value)
