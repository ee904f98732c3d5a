"""What the caller passed, made ready: a `Batch` of aligned tensors, and the `Reading` of it.

Conversion comes last: the logits behind a sigmoid, masks and impossible values are looked for in
what was passed, since a conversion would lose them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from keras import Variable, config, ops

from keras_bce import _faults, _origin
from keras_bce._arguments import Arguments, Factors
from keras_bce._backend import backend
from keras_bce._links import Link, Logits, Probabilities
from keras_bce._typing import Tensor

_SPARSE = ("RaggedTensor", "SparseTensor", "BCOO")


class Batch(NamedTuple):
    """Tensors of one floating dtype; all broadcast to the predictions.

    Attributes:
        labels: The labels, in the shape of the predictions.
        predictions: Logits or probabilities, of rank 1 at least.
        weights: Weights of the predictions; `None` means 1.
        present: Whether each prediction counts, bool; `None` means that all do.
        label_weights: The factor of each label's loss; `None` means 1.
        pos_weight: The factor of the positive term; `None` means 1.
    """

    labels: Tensor
    predictions: Tensor
    weights: Tensor | None = None
    present: Tensor | None = None
    label_weights: Tensor | None = None
    pos_weight: Tensor | None = None


@dataclass(frozen=True)
class Reading:
    """How a batch is read. Hashable: with the loss, it is the key of a compiled computation.

    Attributes:
        link: What predictions are: logits or probabilities.
        axis: The axis of the labels.
        ignore_class: The label that stands for "missing", or `None`.
        averages_rows: Whether samples are averaged over their last axis as well.
        slices: The number of slices that samples are divided into, or `None`.
    """

    link: Link
    axis: int = -1
    ignore_class: float | None = None
    averages_rows: bool = False
    slices: int | None = None


def prepare(
    arguments: Arguments,
    y_true: Any,
    y_pred: Any,
    sample_weight: Any = None,
    *,
    dtype: str | None = None,
    rank_1_is_batch: bool = True,
) -> tuple[Batch, Reading]:
    """Aligns, checks and converts what a loss or a metric was called with.

    Args:
        arguments: The arguments of the loss or metric.
        y_true: Labels, anything array-like.
        y_pred: Predictions, anything array-like.
        sample_weight: Anything array-like, or `None`.
        dtype: The floating dtype of the result; `None` takes that of `y_pred`. The computation
            is in float32 at least.
        rank_1_is_batch: Whether a pair of rank 1 is N samples of one prediction each, rather
            than the predictions of one sample.

    Raises:
        ValueError: for shapes that do not fit, and for impossible values on the host.
    """
    axis, from_logits = arguments.axis, arguments.from_logits
    mask, logits = backend.find_notes(y_pred, even_if_costly=from_logits)
    if logits is not None:
        if from_logits:
            warn_of_sigmoid()
        y_pred, from_logits = logits, True
    y_true, y_pred = as_array(y_true, "y_true"), as_array(y_pred, "y_pred")
    y_true, y_pred, mask, one_per_row = _align(y_true, y_pred, mask, axis, rank_1_is_batch)
    shape = y_pred.shape
    if not -len(shape) <= axis < len(shape):
        raise ValueError(
            f"`axis` must be an axis of `y_pred`. Received: axis={axis}, "
            f"y_pred.shape={tuple(shape)}."
        )
    if sample_weight is not None:
        sample_weight = as_array(sample_weight, "sample_weight")
        sample_weight = align_weight("sample_weight", sample_weight, shape, axis)
    if mask is not None:
        mask = align_weight("mask", mask, shape, axis)
    label_weights, pos_weight = arguments.label_weights, arguments.pos_weight
    if label_weights is not None:
        label_weights = along_axis("label_weights", label_weights, shape, axis)
    if pos_weight is not None:
        pos_weight = along_axis("pos_weight", pos_weight, shape, axis)
    if isinstance(y_true, np.ndarray) or isinstance(y_pred, np.ndarray):
        weights = (sample_weight, label_weights)
        _check_host_values(arguments, y_true, y_pred, from_logits, weights, mask)

    given_dtype = result_dtype(y_pred.dtype)
    dtype = computing_dtype(dtype or given_dtype)
    predictions = to_tensor(y_pred, dtype)
    device = getattr(predictions, "device", None)
    given = []
    for values in (y_true, sample_weight, mask, label_weights, pos_weight):
        tensor = values
        if values is not None:
            tensor = to_tensor(values, "bool" if values is mask else dtype)
            if getattr(tensor, "device", None) != device:
                tensor = backend.follow(tensor, predictions)
        given.append(tensor)
    labels, *others = given
    batch = Batch(labels, predictions, *others)
    # Where nothing can be left out, a pair (..., n) and (..., n, 1) is averaged as Keras does;
    # else the mean is over what is present.
    averages_rows = one_per_row and arguments.ignore_class is None and mask is None
    link = _link(from_logits, given_dtype)
    return batch, Reading(link, axis, arguments.ignore_class, averages_rows)


def warn_of_sigmoid() -> None:
    """Says that what is taken for logits is the result of a sigmoid."""
    _origin.warn(
        "`from_logits=True`, but `y_pred` was made by a sigmoid, and so does not hold logits. "
        "The logits that the sigmoid was given are used. Remove the sigmoid, or pass "
        "`from_logits=False`."
    )


def _link(from_logits: bool, given_dtype: str) -> Link:
    if from_logits:
        return Logits()
    if given_dtype == "float16":
        return Probabilities(config.epsilon(), slope_limit=float(np.finfo("float16").max))
    return Probabilities(config.epsilon())


def computing_dtype(dtype: Any) -> str:
    """float32, or float64 if that was asked for: half precision holds neither a sum nor 1 - p."""
    return "float64" if result_dtype(dtype) == "float64" else "float32"


def result_dtype(dtype: Any) -> str:
    """The name of a floating dtype the backend has; Keras's default in the place of any other."""
    name = _name(dtype)
    name = name if "float" in name else config.floatx()
    return "float32" if name == "float64" and not backend.has_float64() else name


def cast(values: Tensor, dtype: str) -> Tensor:
    """Skips Keras's `cast` where the dtype is right: its dispatch dominates small batches."""
    return values if _name(values.dtype) == dtype else ops.cast(values, dtype)


def to_tensor(values: Any, dtype: str) -> Tensor:
    """A tensor of this dtype."""
    if isinstance(values, np.ndarray):
        return backend.from_host(values.astype(dtype))
    return cast(values, dtype)


def _name(dtype: Any) -> str:
    if isinstance(dtype, np.dtype):
        return _name_in_numpy(dtype)
    name: str = getattr(dtype, "name", None) or str(dtype)
    return name.removeprefix("torch.")


@lru_cache
def _name_in_numpy(dtype: np.dtype[Any]) -> str:
    """Cached: NumPy makes the name anew each time."""
    return dtype.name


def as_array(values: Any, name: str) -> Any:
    """A tensor as it is, anything else as a NumPy array."""
    if ops.is_tensor(values):
        if type(values).__name__ in _SPARSE:
            raise ValueError(
                f"`{name}` must be a dense tensor. Received: {name} of type "
                f"{type(values).__name__}. Make it dense first, with `to_tensor` and a "
                "`sample_weight` of 0 (or `ignore_class`) where a ragged row was padded, or "
                "with `tf.sparse.to_dense` or `.todense()`."
            )
        if getattr(values.shape, "rank", 0) is None:
            raise ValueError(
                f"`{name}` must have a known rank. Received: {name}.shape={values.shape}. Give a "
                "`tf.data.Dataset.from_generator` an `output_signature`, or set the shape with "
                f"`tf.ensure_shape({name}, [None, 1])`."
            )
        return values
    if isinstance(values, Variable) or _faults.holds_tensor(values):
        return ops.convert_to_tensor(values)
    return _faults.host_array(values, name)


def _check_host_values(
    arguments: Arguments,
    y_true: Any,
    y_pred: Any,
    from_logits: bool,
    weights: tuple[Any, Any],
    mask: Any,
) -> None:
    try:
        _faults.check_host_values(
            y_true, y_pred, from_logits, arguments.ignore_class, weights, mask
        )
    except ValueError:
        if not backend.infers_shapes():
            raise


def _align(
    y_true: Any, y_pred: Any, mask: Any, axis: int, rank_1_is_batch: bool
) -> tuple[Any, Any, Any, bool]:
    """Labels, predictions and their mask in one shape; and whether there is one label per row.

    That is so where labels (batch, ..., n) come with predictions (batch, ..., n, 1) over the last
    axis. Keras squeezes the predictions there, so that n becomes the axis of the labels; without
    missing labels and masks the mean is the same.
    """
    true_shape, pred_shape = y_true.shape, y_pred.shape
    true_rank, pred_rank = len(true_shape), len(pred_shape)
    if true_rank == 0 or pred_rank == 0:
        raise ValueError(
            "`y_true` and `y_pred` must have at least one axis, the batch. Received: "
            f"y_true.shape={tuple(y_true.shape)}, y_pred.shape={tuple(y_pred.shape)}. "
            "Put a single prediction into a list."
        )
    one_per_row = (
        true_rank == pred_rank - 1 >= 2 and pred_shape[-1] == 1 and axis in (-1, pred_rank - 1)
    )
    if one_per_row:
        y_true = _expand(y_true, -1)
    elif true_rank == pred_rank + 1 and true_shape[-1] == 1:
        if pred_rank == 1:
            y_pred = _expand(y_pred, -1)
        else:
            y_true = _squeeze(y_true)
    elif pred_rank == true_rank + 1 and pred_shape[-1] == 1:
        if true_rank == 1:
            y_true = _expand(y_true, -1)
        else:
            y_pred = _squeeze(y_pred)
            if mask is not None and len(mask.shape) == pred_rank:
                mask = _squeeze(mask)
    elif true_rank == pred_rank == 1 and rank_1_is_batch:
        y_true, y_pred = _expand(y_true, -1), _expand(y_pred, -1)
    if not _fits(y_true.shape, y_pred.shape):
        raise ValueError(_faults.shape_fault(true_shape, pred_shape))
    return y_true, y_pred, mask, one_per_row


def align_weight(name: str, weight: Any, shape: Any, axis: int) -> Any:
    """A weight that broadcasts to `shape`: by samples, from the left, if its rank is lower."""
    rank, weight_rank = len(shape), len(weight.shape)
    aligned = weight
    if weight_rank == 0:
        for _ in range(rank):
            aligned = _expand(aligned, 0)
    elif weight_rank < rank:
        samples = shape[0] if axis % rank else shape[1]  # Axis 0 may be that of the labels.
        if weight.shape[0] != samples and None not in (weight.shape[0], samples):
            raise ValueError(_faults.weight_fault(name, weight.shape, shape))
        for _ in range(rank - 1 - weight_rank):
            aligned = _expand(aligned, -1)
        aligned = _expand(aligned, axis)
    if len(aligned.shape) != rank or not _fits(aligned.shape, shape, or_one=True):
        raise ValueError(_faults.weight_fault(name, weight.shape, shape))
    return aligned


def along_axis(name: str, factors: Factors, shape: Any, axis: int) -> Any:
    """One number, or one per label, broadcast to the predictions: an array or a tensor."""
    if isinstance(factors, (float, np.ndarray)):
        aligned = np.asarray(factors)
    else:  # A variable or a tensor, read now.
        aligned = ops.convert_to_tensor(factors)
    if aligned.ndim:
        count = aligned.shape[0]
        check_label_count(name, count, shape, axis)
        broadcast = [1] * len(shape)
        broadcast[axis] = count
        aligned = (
            aligned.reshape(broadcast)
            if isinstance(aligned, np.ndarray)
            else ops.reshape(aligned, broadcast)
        )
    return aligned


def check_label_count(name: str, count: int, shape: Any, axis: int) -> None:
    """Raises if there is not one entry for each label in predictions of this shape."""
    if shape[axis] not in (None, count):
        raise ValueError(
            f"`{name}` must have one entry per label, as many as `y_pred` has along axis {axis}. "
            f"Received: {count} entries, y_pred.shape={tuple(shape)}."
        )


def _fits(left: Sequence[Any], right: Sequence[Any], or_one: bool = False) -> bool:
    """Whether shapes agree, as far as they are known; `or_one` lets 1 on the left fit anything."""
    if len(left) != len(right):
        return False
    for a, b in zip(left, right, strict=True):
        if not (a is None or b is None or a == b or (or_one and a == 1)):
            return False
    return True


def _expand(x: Any, axis: int) -> Any:
    return np.expand_dims(x, axis) if isinstance(x, np.ndarray) else ops.expand_dims(x, axis)


def _squeeze(x: Any) -> Any:
    return np.squeeze(x, -1) if isinstance(x, np.ndarray) else ops.squeeze(x, -1)
