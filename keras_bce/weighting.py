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
from functools import partial
from typing import NamedTuple

import keras
from keras import ops

from keras_bce import backend
from keras_bce.faults import LABEL_LIMITS


class Batch(NamedTuple):
    """One batch, prediction by prediction, and the loss that is to be computed from it.

    `None` for weights means 1, for present means all. Both broadcast to the
    predictions, and so do label_weights and pos_weight, tensors, arrays or `None`. Of
    `elementwise` are the loss, with the arguments that only it has, and its link.
    `averages_rows` asks for samples that are averaged over their last axis.
    """

    labels: object
    predictions: object
    weights: object
    present: object
    label_weights: object
    pos_weight: object
    ignore_class: float | None
    axis: int
    loss: object
    link: object
    averages_rows: bool = False

    @property
    def weights_or_ones(self):
        """What each prediction counts: its weight, and 0 where it is left out."""
        ones = backend.ones_like(self.predictions)
        return ones if self.weights is None else ones * self.weights


class Samples(NamedTuple):
    """One batch, sample by sample. `None` for weights means 1, for counted means all."""

    numerators: object
    weights: object
    counted: object


def selected(batch):
    """The batch with what is left out replaced by a harmless pair, and its weight by 0."""
    labels, predictions, weights, present, label_weights, pos_weight, ignore_class, *_ = batch
    # Arrays become tensors here, inside of what is compiled.
    label_weights = _beside(predictions, label_weights)
    pos_weight = _beside(predictions, pos_weight)
    if ignore_class is not None:
        given = ~ops.isnan(labels) if math.isnan(ignore_class) else labels != ignore_class
        present = given if present is None else present & given
    used = present
    for weight in (weights, label_weights):
        if weight is not None:
            used = weight != 0 if used is None else used & (weight != 0)
    if used is not None:
        labels = backend.where(used, labels, 0.0)
        predictions = backend.where(used, predictions, 0.0)
    if present is not None:
        given = ops.cast(present, predictions.dtype) if weights is None else weights
        weights = backend.where(present, given, 0.0)
    return batch._replace(
        labels=labels,
        predictions=predictions,
        weights=weights,
        present=present,
        label_weights=label_weights,
        pos_weight=pos_weight,
    )


def _beside(predictions, factors):
    """An array as a tensor of the dtype and on the device of the predictions."""
    if factors is None:
        return None
    dtype = keras.backend.standardize_dtype(predictions.dtype)
    return backend.follow(ops.convert_to_tensor(factors, dtype), predictions)


def per_sample(batch):
    """The numerator and the weight of each sample in a batch that was selected."""
    samples = _per_sample(batch)
    if not batch.averages_rows:
        return samples
    return Samples(*(None if part is None else ops.mean(part, axis=-1) for part in samples))


def _per_sample(batch):
    predictions, weights, present, axis = (
        batch.predictions,
        batch.weights,
        batch.present,
        batch.axis,
    )
    if batch.label_weights is None and predictions.shape[axis] != 0 and _alike(batch):
        means = _losses(batch, axis)
        weights, counted = (_one_each(values, axis, means) for values in (weights, present))
        return Samples(means if weights is None else means * weights, weights, counted)
    losses = per_element(batch)
    ones = backend.ones_like(losses)
    count = ops.sum(ones if present is None else ones * ops.cast(present, ones.dtype), axis=axis)
    divisor = backend.at_least(count, 1.0)
    return Samples(
        ops.sum(losses, axis=axis) / divisor,
        None if weights is None else ops.sum(batch.weights_or_ones, axis=axis) / divisor,
        None if present is None else count > 0,
    )


def _alike(batch):
    """Whether all predictions of a sample have one weight, or are left out together."""
    given = [values for values in (batch.weights, batch.present) if values is not None]
    return all(values.shape[batch.axis] == 1 for values in given)


def _one_each(values, axis, samples):
    if values is None:
        return None
    return ops.broadcast_to(ops.squeeze(values, axis), ops.shape(samples))


def per_element(batch):
    """The weighted loss of each prediction; exactly 0 for what is left out."""
    losses = _losses(batch, None)
    if batch.label_weights is not None:
        losses = losses * batch.label_weights
    return losses if batch.weights is None else losses * batch.weights


def _losses(batch, axis):
    loss = partial(batch.loss, link=batch.link)
    limits = (prediction_limits(batch), LABEL_LIMITS)
    return backend.evaluate(loss, batch.labels, batch.predictions, batch.pos_weight, axis, *limits)


def prediction_limits(batch):
    """The limits of valid predictions; `None` for logits, of which only NaN is impossible."""
    return getattr(batch.link, "func", batch.link).limits


def reduced(batch, reduction):
    """One number from a batch, or with the reduction `None` (or `"none"`) one for each sample."""
    value = backend.at_once(_reduced, batch, reduction)
    replicas = 1 if reduction in (None, "none", "sum") else backend.replica_count()
    return value / replicas if replicas > 1 else value


def _reduced(batch, reduction):
    # A perfect prediction costs 0.0, not -0.0.
    return backend.positive_zero(_total(batch, reduction))


def _total(batch, reduction):
    numerators, weights, counted = per_sample(selected(batch))
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
        size = size if isinstance(size, float) else ops.cast(size, total.dtype)
    return divide(total, size)


def probabilities(batch):
    """The probability that each prediction states, and the labels; NaN where impossible."""
    labels, predictions = backend.within(batch.labels, LABEL_LIMITS), batch.predictions
    limits = prediction_limits(batch)
    if limits is not None:
        predictions = backend.clipped(predictions, limits)
    return batch.link(predictions).p, labels


def sample_count(numerators):
    """How many samples there are: a Python float if the shape is known, else an integer tensor."""
    shape = tuple(numerators.shape)
    if all(isinstance(size, int) for size in shape):  # Not `None`, nor one of JAX's symbols.
        return float(math.prod(shape))
    return ops.size(numerators)


def divide(total, size):
    """`total / size`, and 0 where the size is 0, in value and in gradient."""
    if isinstance(size, float):
        return total / size if size else total
    return backend.divide_no_nan(total, size)
