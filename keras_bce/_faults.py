"""Which values and shapes are impossible, and the wording of the errors that say so.

Labels may leave [0, 1] by up to 0.5 (label noise, overshoot of an interpolation):
the losses are linear in them. Probabilities may leave it by up to 0.01 (rounding),
and count as the nearer of 0 and 1.
"""

import contextlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras import KerasTensor, ops

from keras_bce._typing import Array

Limits = tuple[float, float]

LABEL_LIMITS: Limits = (-0.5, 1.5)
PROBABILITY_LIMITS: Limits = (-0.01, 1.01)
LOGIT_LIMITS: Limits = (-math.inf, math.inf)


def check_host_values(
    y_true: Any,
    y_pred: Any,
    from_logits: bool,
    ignore_class: float | None,
    weights: Sequence[Any],
    mask: Any,
) -> None:
    """Raises for impossible values among those of `y_true` and `y_pred` that are NumPy arrays.

    The shapes are aligned already. What one of the `weights`, where it is 0, or a mask leaves out
    is not checked. Where one of them is a tensor, which would have to be copied to the host,
    nothing is.
    """
    if not all(given is None or isinstance(given, np.ndarray) for given in (*weights, mask)):
        return
    left_out: Any = np.False_
    for weight in weights:
        if weight is not None:
            left_out = left_out | (weight == 0)
    if mask is not None:
        left_out = left_out | ~mask.astype(bool)
    faults: list[str] = []
    if isinstance(y_true, np.ndarray):
        left_out = left_out | missing(y_true, ignore_class)
        faults += label_faults(y_true, left_out)
    elif ignore_class is not None:
        return
    if isinstance(y_pred, np.ndarray):
        faults += prediction_faults(y_pred, from_logits, left_out)
    if faults:
        raise ValueError("\n".join(faults))


def label_faults(y_true: Array, left_out: Any = np.False_) -> list[str]:
    """What is wrong with an array of labels, a list of sentences."""
    rule = "`y_true` must hold labels in [0, 1]."
    return _out_of_range(y_true, left_out, rule, _label_advice, LABEL_LIMITS)


def prediction_faults(y_pred: Array, from_logits: bool, left_out: Any = np.False_) -> list[str]:
    """What is wrong with an array of predictions, a list of sentences."""
    if from_logits:
        rule, limits = "`y_pred` must hold logits, not NaN.", LOGIT_LIMITS
    else:
        rule, limits = "`y_pred` must hold probabilities in [0, 1].", PROBABILITY_LIMITS
    return _out_of_range(y_pred, left_out, rule, _prediction_advice, limits)


def shape_fault(y_true_shape: Any, y_pred_shape: Any) -> str:
    """That labels and predictions differ in shape."""
    return (
        "`y_true` and `y_pred` must have the same shape, or differ by a last axis of size 1. "
        f"Received: y_true.shape={tuple(y_true_shape)}, y_pred.shape={tuple(y_pred_shape)}. "
        "Reshape one of them; nothing is broadcast."
    )


def weight_fault(name: str, weight_shape: Any, shape: Any) -> str:
    """That a weight does not fit predictions of this shape."""
    return (
        f"`{name}` must be a scalar, have one value per sample (aligned with `y_pred` from the "
        "left, the batch first), or have the rank of `y_pred` and broadcast to it. "
        f"Received: {name}.shape={tuple(weight_shape)}, y_pred.shape={tuple(shape)}."
    )


def slice_fault(slices_shape: Any, shape: Any) -> str:
    """That the numbers of slices do not fit predictions of this shape."""
    return (
        "`slices` must have one number per sample (aligned with `y_pred` from the left, the batch "
        f"first), or be a scalar. Received: slices.shape={tuple(slices_shape)}, "
        f"y_pred.shape={tuple(shape)}."
    )


def _out_of_range(
    values: Array,
    left_out: Any,
    rule: str,
    advice: Callable[[Array], str],
    limits: Limits,
) -> list[str]:
    low, high = limits
    if values.size == 0 or (values.min() >= low and values.max() <= high):
        return []  # The common case, in two passes without a temporary.
    wrong = ~((values >= low) & (values <= high)) & ~np.broadcast_to(left_out, values.shape)
    count = int(wrong.sum())
    if not count:
        return []
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    place = ", ".join(str(i) for i in index)
    if np.isnan(values[wrong]).any():
        kind = "NaN" if limits == LOGIT_LIMITS else "outside or NaN"
    else:
        kind = "outside"
    name = rule.split("`")[1]
    return [
        f"{rule} Received: {count} of {values.size} {kind}, the first at "
        f"{name}[{place}]={values[index]}. {advice(values[wrong])}"
    ]


def _label_advice(wrong: Array) -> str:
    if np.isnan(wrong).any():
        return "If NaN stands for a missing label, pass `ignore_class=float('nan')`."
    if np.all(wrong == -1):
        return (
            "If the labels are -1 and 1, pass `(y_true + 1) / 2`; if -1 stands for a "
            "missing label, pass `ignore_class=-1`."
        )
    if wrong.min() >= 0 and wrong.max() == 255:
        return "If the labels are 0 to 255, as in an image, pass `y_true / 255`."
    if not np.all(wrong == np.round(wrong)):
        return (
            "Label noise and interpolation may leave [0, 1] by up to 0.5. Rescale larger "
            "targets to [0, 1], or clip them."
        )
    return "Labels of several classes need one column per class, of 0 and 1."


def _prediction_advice(wrong: Array) -> str:
    if np.isnan(wrong).any():
        return "The model itself gives NaN: look at its inputs, or lower the learning rate."
    return "If the model has no sigmoid, its outputs are logits: pass `from_logits=True`."


def missing(y_true: Array, ignore_class: float | None) -> Array:
    """Where an array of labels says that the label is missing."""
    if ignore_class is None:
        return np.zeros(y_true.shape, dtype=bool)
    is_missing: Array = np.isnan(y_true) if math.isnan(ignore_class) else y_true == ignore_class
    return is_missing


def on_host(values: Any, name: str) -> Array:
    """A tensor, a list of tensors or anything array-like as a NumPy array of real numbers."""
    if ops.is_tensor(values) or holds_tensor(values):
        values = ops.convert_to_numpy(ops.cast(ops.convert_to_tensor(values), "float32"))
    return host_array(values, name)


def holds_tensor(values: Any) -> bool:
    """Whether this is a list, or a list of lists, of tensors."""
    is_list = isinstance(values, (list, tuple))
    while isinstance(values, (list, tuple)) and values:
        values = values[0]
    return is_list and bool(ops.is_tensor(values))


def host_array(values: Any, name: str) -> Array:
    """Anything array-like as a NumPy array of real numbers."""
    if isinstance(values, KerasTensor):
        raise ValueError(
            f"`{name}` must hold values. Received: {name}={values!r}, which is symbolic. A metric "
            "belongs into `model.compile(metrics=[...])`; a loss takes symbolic tensors."
        )
    if hasattr(values, "toarray") and not hasattr(values, "__array__"):
        raise ValueError(
            f"`{name}` must be dense. Received: {name} of type {type(values).__name__}. Make it "
            f"dense with `{name}.toarray()`."
        )
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
