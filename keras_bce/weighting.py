"""Sample weights, masks and missing labels, down to one numerator and one weight per sample.

The rule, for sample i with present labels P_i, weights w and losses l:

    numerator n_i = sum over P_i of w_ij * l_ij / |P_i|
    weight    v_i = sum over P_i of w_ij / |P_i|

What is left out (masked, missing, of weight zero) is *selected* out: its label
and prediction are replaced before anything is computed from them, so that a NaN
there changes neither value nor gradient. Masked samples, and samples without a
present label, leave the count of samples; those of weight zero stay in it.
"""

import math
from typing import NamedTuple

import numpy as np
from keras import ops

from keras_bce import backend
from keras_bce.inputs import standardize


class Elements(NamedTuple):
    """One batch, prediction by prediction. `None` for weights means 1, for present means all."""

    labels: object
    predictions: object
    given_dtype: str
    from_logits: bool
    weights: object
    present: object
    label_weights: object
    axis: int

    @property
    def weights_or_ones(self):
        """What each prediction counts: its weight, and 0 where it is left out."""
        if self.weights is None:
            return ops.ones_like(self.predictions)
        return self.weights


class Samples(NamedTuple):
    """One batch, sample by sample. `None` for weights means 1, for counted means all."""

    numerators: object
    weights: object
    counted: object


def elements(
    y_true,
    y_pred,
    sample_weight=None,
    *,
    from_logits,
    axis,
    ignore_class=None,
    label_weights=None,
    dtype=None,
    rank_1_is_batch=True,
):
    """The predictions of a batch, with what is left out replaced by a harmless pair."""
    inputs = standardize(
        y_true,
        y_pred,
        sample_weight,
        from_logits=from_logits,
        axis=axis,
        ignore_class=ignore_class,
        dtype=dtype,
        rank_1_is_batch=rank_1_is_batch,
    )
    labels, predictions, given_dtype, from_logits, weights, present = inputs
    label_weights = along_axis("label_weights", label_weights, predictions, axis)
    if isinstance(label_weights, np.ndarray):
        label_weights = ops.convert_to_tensor(label_weights, dtype=predictions.dtype)
    if ignore_class is not None:
        given = ~ops.isnan(labels) if math.isnan(ignore_class) else labels != ignore_class
        present = given if present is None else present & given
    used = present
    for weight in (weights, label_weights):
        if weight is not None and not isinstance(weight, float):
            used = weight != 0 if used is None else used & (weight != 0)
    if used is not None:
        used = ops.broadcast_to(used, ops.shape(predictions))
        labels = backend.where(used, labels, 0.0)
        predictions = backend.where(used, predictions, 0.0)
    if present is not None:
        present = ops.broadcast_to(present, ops.shape(predictions))
        weights = ops.cast(present, predictions.dtype) if weights is None else weights
    if weights is not None:
        weights = ops.broadcast_to(weights, ops.shape(predictions))
        if present is not None:
            weights = backend.where(present, weights, 0.0)
    return Elements(
        labels, predictions, given_dtype, from_logits, weights, present, label_weights, axis
    )


def per_sample(batch, loss, differentiable=True):
    """The numerator and the weight of each sample in `batch`, which are `Elements`."""
    weights, present, axis = batch.weights, batch.present, batch.axis
    if weights is None and batch.label_weights is None and batch.predictions.shape[axis] != 0:
        numerators = backend.evaluate(loss, batch.labels, batch.predictions, axis, differentiable)
        return Samples(numerators, None, None)
    losses = per_element(batch, loss, differentiable)
    ones = ops.ones_like(losses) if present is None else ops.cast(present, losses.dtype)
    count = ops.sum(ones, axis=axis)
    divisor = backend.at_least(count, 1.0)
    return Samples(
        ops.sum(losses, axis=axis) / divisor,
        None if weights is None else ops.sum(weights, axis=axis) / divisor,
        None if present is None else count > 0,
    )


def per_element(batch, loss, differentiable=True):
    """The weighted loss of each prediction in `batch`; exactly 0 for what is left out."""
    losses = backend.evaluate(loss, batch.labels, batch.predictions, None, differentiable)
    if batch.label_weights is not None:
        losses = losses * batch.label_weights
    return losses if batch.weights is None else losses * batch.weights


def reduce(samples, reduction):
    """One number from a batch of samples, or with `None` (or `"none"`) one for each of them."""
    numerators, weights, counted = samples
    if reduction in (None, "none"):
        return numerators
    total = ops.sum(numerators)
    if reduction == "sum":
        return total
    if reduction == "mean_with_sample_weight" and weights is not None:
        size = ops.sum(weights)
    elif counted is not None:
        size = ops.sum(ops.cast(counted, total.dtype))
    else:
        size = sample_count(numerators)
    mean = divide(total, size)
    replicas = backend.replica_count()
    return mean / replicas if replicas > 1 else mean


def probabilities(batch):
    """The probability that each prediction states, NaN if it or its label is impossible."""
    p = ops.sigmoid(batch.predictions) if batch.from_logits else batch.predictions
    possible = (batch.labels >= 0) & (batch.labels <= 1) & (p >= 0) & (p <= 1)
    return backend.where(possible, p, math.nan)


def sample_count(numerators):
    """How many samples there are: a Python number where the shape is known, else a tensor."""
    shape = tuple(numerators.shape)
    if all(isinstance(size, int) for size in shape):  # Not `None`, nor one of JAX's symbols.
        return float(math.prod(shape))
    return ops.cast(ops.size(numerators), numerators.dtype)


def divide(total, size):
    """`total / size`, and 0 where the size is 0, in value and in gradient."""
    if isinstance(size, float):
        return total / size if size else total
    return backend.divide_no_nan(total, size)


def along_axis(name, weights, predictions, axis):
    """An array of one number per label, shaped to broadcast to predictions; all else as it is."""
    if not isinstance(weights, np.ndarray):
        return weights
    shape = tuple(predictions.shape)
    check_label_count(name, weights, shape, axis)
    aligned = [1] * len(shape)
    aligned[axis] = len(weights)
    return np.reshape(weights, aligned)


def check_label_count(name, values, shape, axis):
    """Raises if there is not one of `values` for each label in predictions of this shape."""
    if shape[axis] not in (None, len(values)):
        raise ValueError(
            f"`{name}` must have one entry per label, as many as `y_pred` has along axis {axis}. "
            f"Received: {len(values)} entries, y_pred.shape={tuple(shape)}."
        )
