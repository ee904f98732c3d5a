"""What the caller passed, made ready for computing: tensors of one shape and one dtype.

Conversion comes last. The logits behind a sigmoid, masks and impossible values
are all looked for in what was passed, before anything is converted: a
conversion would lose them.
"""

from typing import NamedTuple

import numpy as np
from keras import Variable, config, ops

from keras_bce import backend, faults, origin


class Inputs(NamedTuple):
    """Aligned tensors of one floating dtype; weights and mask broadcast to them, or are None.

    `given_dtype` is the name of the dtype that the predictions came in, and that their
    gradient will leave in. `one_per_row` says that labels `(..., n)` came with predictions
    `(..., n, 1)`, which Keras averages over n.
    """

    labels: object
    predictions: object
    given_dtype: str
    from_logits: bool
    sample_weight: object
    mask: object
    one_per_row: bool


def standardize(
    y_true,
    y_pred,
    sample_weight=None,
    *,
    from_logits=False,
    axis=-1,
    ignore_class=None,
    label_weights=None,
    dtype=None,
    rank_1_is_batch=True,
):
    """Aligns, checks and converts what a loss or a metric was called with.

    Args:
        y_true: Labels, anything array-like.
        y_pred: Predictions, anything array-like.
        sample_weight: As `y_true`, or `None`.
        from_logits: Whether `y_pred` holds logits.
        axis: The axis of the labels.
        ignore_class: The label that stands for "missing".
        label_weights: A number or one per label; values of labels of weight 0 are not checked.
        dtype: The floating dtype of the result; `None` takes that of `y_pred`. The
            computation is in float32 at least.
        rank_1_is_batch: Whether a pair of rank 1 is read as N samples of one prediction
            each, rather than as the predictions of one sample.

    Returns:
        `Inputs`.
    """
    mask = backend.find_mask(y_pred)
    logits = backend.find_logits(y_pred, even_if_costly=from_logits)
    if logits is not None:
        if from_logits:
            origin.warn(
                "`from_logits=True`, but `y_pred` was made by a sigmoid, and so does not hold "
                "logits. The logits that the sigmoid was given are used. Remove the sigmoid, or "
                "pass `from_logits=False`."
            )
        y_pred, from_logits = logits, True
    y_true, y_pred = as_array(y_true, "y_true"), as_array(y_pred, "y_pred")
    _check_ranks_known(y_true=y_true, y_pred=y_pred)
    one_per_row = _one_per_row(y_true.shape, y_pred.shape, axis)
    y_true, y_pred, mask = _align(y_true, y_pred, mask, one_per_row, rank_1_is_batch)
    rank = len(y_pred.shape)
    if not -rank <= axis < rank:
        raise ValueError(
            f"`axis` must be an axis of `y_pred`. Received: axis={axis}, "
            f"y_pred.shape={tuple(y_pred.shape)}."
        )
    if sample_weight is not None:
        sample_weight = as_array(sample_weight, "sample_weight")
        _check_ranks_known(sample_weight=sample_weight)
        sample_weight = align_weight("sample_weight", sample_weight, y_pred.shape, axis)
    if mask is not None:
        mask = align_weight("mask", mask, y_pred.shape, axis)
    if isinstance(label_weights, (float, np.ndarray)):  # A tensor stays where it is.
        label_weights = along_axis("label_weights", label_weights, y_pred, axis)
    try:
        faults.check_host_values(
            y_true, y_pred, from_logits, ignore_class, (sample_weight, label_weights), mask
        )
    except ValueError:
        if not backend.infers_shapes():
            raise

    given_dtype = result_dtype(y_pred.dtype)
    dtype = computing_dtype(dtype or given_dtype)
    predictions = _to_tensor(y_pred, dtype)

    def beside(values, dtype):
        return None if values is None else backend.follow(_to_tensor(values, dtype), predictions)

    return Inputs(
        beside(y_true, dtype),
        predictions,
        given_dtype,
        from_logits,
        beside(sample_weight, dtype),
        beside(mask, "bool"),
        one_per_row,
    )


def computing_dtype(dtype):
    """float32, or float64 if that was asked for: half precision holds neither a sum nor 1 - p."""
    return "float64" if result_dtype(dtype) == "float64" else "float32"


def result_dtype(dtype):
    """The name of a floating dtype the backend has; Keras's default in the place of any other."""
    name = _name(dtype)
    name = name if "float" in name else config.floatx()
    return "float32" if name == "float64" and not backend.has_float64() else name


def cast(values, dtype):
    """Asks first, since Keras's own takes its time even where there is nothing to do."""
    return values if _name(values.dtype) == dtype else ops.cast(values, dtype)


def _name(dtype):
    return getattr(dtype, "name", str(dtype)).removeprefix("torch.")


def as_array(values, name):
    """A tensor as it is, anything else as a NumPy array."""
    if ops.is_tensor(values):
        if type(values).__name__ in ("RaggedTensor", "SparseTensor", "BCOO"):
            raise ValueError(
                f"`{name}` must be a dense tensor. Received: {name} of type "
                f"{type(values).__name__}. Make it dense first, with `to_tensor` and a "
                "`sample_weight` of 0 (or `ignore_class`) where a ragged row was padded, or "
                "with `to_dense`."
            )
        return values
    if isinstance(values, (list, tuple)) and _holds_tensor(values):
        return ops.convert_to_tensor(values)
    if isinstance(values, Variable):
        return ops.convert_to_tensor(values)
    return faults.host_array(values, name)


def _check_ranks_known(**tensors):
    for name, tensor in tensors.items():
        if getattr(tensor.shape, "rank", 0) is None:
            raise ValueError(
                f"`{name}` must have a known rank. Received: {name}.shape={tensor.shape}. Give a "
                "`tf.data.Dataset.from_generator` an `output_signature`, or set the shape with "
                f"`tf.ensure_shape({name}, [None, 1])`."
            )


def _holds_tensor(values):
    while isinstance(values, (list, tuple)) and values:
        values = values[0]
    return ops.is_tensor(values)


def _to_tensor(values, dtype):
    if isinstance(values, np.ndarray):
        return ops.convert_to_tensor(values.astype(dtype), dtype=dtype)
    return cast(values, dtype)


def _one_per_row(true_shape, pred_shape, axis):
    """Whether labels (batch, ..., n) come with predictions (batch, ..., n, 1) over the last axis.

    Then each prediction has one label. Keras squeezes the predictions instead, so that n becomes
    the axis of the labels: without missing labels and masks the mean is the same.
    """
    rank = len(pred_shape)
    ranks_fit = len(true_shape) == rank - 1 >= 2
    return ranks_fit and pred_shape[-1] == 1 and axis in (-1, rank - 1)


def _align(y_true, y_pred, mask, one_per_row, rank_1_is_batch):
    """Labels and predictions (and their mask) in one shape, of rank 2 or more for classes."""
    true_shape, pred_shape = y_true.shape, y_pred.shape
    true_rank, pred_rank = len(true_shape), len(pred_shape)
    if true_rank == 0 or pred_rank == 0:
        raise ValueError(
            "`y_true` and `y_pred` must have at least one axis, the batch. Received: "
            f"y_true.shape={tuple(y_true.shape)}, y_pred.shape={tuple(y_pred.shape)}. "
            "Put a single prediction into a list."
        )
    if one_per_row:
        y_true = _expand(y_true, -1)
    elif true_rank == pred_rank + 1 and y_true.shape[-1] == 1:
        if pred_rank == 1:
            y_pred = _expand(y_pred, -1)
        else:
            y_true = _squeeze(y_true)
    elif pred_rank == true_rank + 1 and y_pred.shape[-1] == 1:
        if true_rank == 1:
            y_true = _expand(y_true, -1)
        else:
            y_pred = _squeeze(y_pred)
            if mask is not None and len(mask.shape) == pred_rank:
                mask = _squeeze(mask)
    elif true_rank == pred_rank == 1 and rank_1_is_batch:
        y_true, y_pred = _expand(y_true, -1), _expand(y_pred, -1)
    if not _equal(y_true.shape, y_pred.shape):
        raise ValueError(faults.shape_fault(true_shape, pred_shape))
    return y_true, y_pred, mask


def align_weight(name, weight, shape, axis):
    """A weight that broadcasts to `shape`: by samples, from the left, if its rank is lower."""
    rank, weight_rank = len(shape), len(weight.shape)
    aligned = weight
    if weight_rank == 0:
        for _ in range(rank):
            aligned = _expand(aligned, 0)
    elif weight_rank < rank:
        if not _equal(weight.shape[:1], (*_without(shape, axis),)[:1]):
            raise ValueError(faults.weight_fault(name, weight.shape, shape))
        for _ in range(rank - 1 - weight_rank):
            aligned = _expand(aligned, -1)
        aligned = _expand(aligned, axis)
    if len(aligned.shape) != rank or not _equal(aligned.shape, shape, or_one=True):
        raise ValueError(faults.weight_fault(name, weight.shape, shape))
    return aligned


def along_axis(name, factors, predictions, axis):
    """One number, or one per label, broadcast to the predictions: an array, a tensor or `None`."""
    if factors is None:
        return None
    shape, dtype = predictions.shape, computing_dtype(predictions.dtype)
    if isinstance(factors, (float, np.ndarray)):
        factors, reshape = np.asarray(factors, dtype), np.reshape
    else:  # A variable or a tensor, read now.
        factors, reshape = ops.cast(ops.convert_to_tensor(factors), dtype), ops.reshape
    if factors.ndim:
        check_label_count(name, factors.shape[0], shape, axis)
        aligned = [1] * len(shape)
        aligned[axis] = factors.shape[0]
        factors = reshape(factors, aligned)
    return factors


def check_label_count(name, count, shape, axis):
    """Raises if there is not one entry for each label in predictions of this shape."""
    if shape[axis] not in (None, count):
        raise ValueError(
            f"`{name}` must have one entry per label, as many as `y_pred` has along axis {axis}. "
            f"Received: {count} entries, y_pred.shape={tuple(shape)}."
        )


def _without(shape, axis):
    shape = list(shape)
    del shape[axis]
    return shape


def _equal(left, right, or_one=False):
    """Whether shapes agree, as far as they are known; `or_one` lets 1 on the left fit anything."""
    return len(left) == len(right) and all(
        a is None or b is None or a == b or (or_one and a == 1)
        for a, b in zip(left, right, strict=True)
    )


def _expand(x, axis):
    return np.expand_dims(x, axis) if isinstance(x, np.ndarray) else ops.expand_dims(x, axis)


def _squeeze(x):
    return np.squeeze(x, -1) if isinstance(x, np.ndarray) else ops.squeeze(x, -1)
