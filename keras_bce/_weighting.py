"""From a batch to numbers: exclude -> per sample -> reduce.

Excluded entries (masked, missing, of weight 0) are replaced by a neutral pair before the loss
(the double-where trick), so that a NaN there affects neither value nor gradient. Masked samples,
and samples without a present label, leave the count of samples; those of weight 0 stay in it.
"""

import math
from typing import NamedTuple

from keras import ops

from keras_bce._backend import backend
from keras_bce._faults import LABEL_LIMITS
from keras_bce._pointwise import Pointwise, losses, smoothed
from keras_bce._prepare import Batch, Reading
from keras_bce._typing import Reduction, Tensor


class Samples(NamedTuple):
    """One number for each sample.

    Attributes:
        numerators: The mean over a sample's present labels of weight times loss.
        weights: The mean of these weights; `None` means 1.
        counted: Whether a sample counts, bool; `None` means that all do.
    """

    numerators: Tensor
    weights: Tensor | None
    counted: Tensor | None


def exclude(batch: Batch, reading: Reading) -> Batch:
    """The batch with excluded entries neutral: label and prediction 0, weight 0, not present."""
    labels, predictions, weights, present, label_weights, pos_weight = batch
    ignore_class = reading.ignore_class
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
    return Batch(labels, predictions, weights, present, label_weights, pos_weight)


def per_element(batch: Batch, loss: Pointwise, reading: Reading) -> Tensor:
    """The weighted loss of each prediction; exactly 0 for excluded entries."""
    values = _losses(batch, loss, reading, None)
    if batch.label_weights is not None:
        values = values * batch.label_weights
    return values if batch.weights is None else values * batch.weights


def per_sample(batch: Batch, loss: Pointwise, reading: Reading) -> Samples:
    """The numerator and the weight of each sample, of a batch after `exclude`."""
    if _is_uniform(batch, reading.axis):
        samples = _of_uniform_samples(batch, loss, reading)
    else:
        samples = _of_any_samples(batch, loss, reading)
    if not reading.averages_rows:
        return samples
    return Samples(*(None if part is None else ops.mean(part, axis=-1) for part in samples))


def _is_uniform(batch: Batch, axis: int) -> bool:
    """Whether all predictions of a sample have one weight, and are present or not together."""
    if batch.label_weights is not None or batch.predictions.shape[axis] == 0:
        return False
    for given in (batch.weights, batch.present):
        if given is not None and given.shape[axis] != 1:
            return False
    return True


def _of_uniform_samples(batch: Batch, loss: Pointwise, reading: Reading) -> Samples:
    means = _losses(batch, loss, reading, reading.axis)
    weights, counted = batch.weights, batch.present
    if weights is not None:
        weights = _one_each(weights, reading.axis, means)
    if counted is not None:
        counted = _one_each(counted, reading.axis, means)
    return Samples(means if weights is None else means * weights, weights, counted)


def _one_each(values: Tensor, axis: int, samples: Tensor) -> Tensor:
    """For each sample the one value that it has along `axis`."""
    return ops.broadcast_to(ops.squeeze(values, axis), ops.shape(samples))


def _of_any_samples(batch: Batch, loss: Pointwise, reading: Reading) -> Samples:
    axis, weights, present = reading.axis, batch.weights, batch.present
    values = per_element(batch, loss, reading)
    ones = backend.ones_like(values)
    count = ops.sum(ones if present is None else ones * ops.cast(present, ones.dtype), axis=axis)
    divisor = backend.at_least(count, 1.0)
    return Samples(
        ops.sum(values, axis=axis) / divisor,
        None if weights is None else ops.sum(weights_or_ones(batch), axis=axis) / divisor,
        None if present is None else count > 0,
    )


def _losses(batch: Batch, loss: Pointwise, reading: Reading, mean_over: int | None) -> Tensor:
    labels = batch.labels
    if loss.smoothing is not None:
        labels = smoothed(labels, loss.smoothing)
    return losses(loss, reading.link, labels, batch.predictions, batch.pos_weight, mean_over)


def weights_or_ones(batch: Batch) -> Tensor:
    """The weight of each prediction; 0 for excluded entries."""
    ones = backend.ones_like(batch.predictions)
    return ones if batch.weights is None else ones * batch.weights


def sum_over_labels(values: Tensor, reading: Reading) -> Tensor:
    """One number for each sample, the sum of those of its predictions."""
    sums = ops.sum(values, axis=reading.axis)
    return ops.sum(sums, axis=-1) if reading.averages_rows else sums


def probabilities(batch: Batch, reading: Reading) -> tuple[Tensor, Tensor]:
    """The probability that each prediction states, and the labels; NaN where impossible."""
    return reading.link.checked(batch.predictions).p, backend.within(batch.labels, LABEL_LIMITS)


@backend.compiled
def reduced(
    batch: Batch,
    loss: Pointwise,
    reading: Reading,
    reduction: Reduction,
    dtype: str,
    replicas: int,
) -> Tensor:
    """One number from a batch, or with the reduction `None` (or `"none"`) one for each sample."""
    samples = per_sample(exclude(batch, reading), loss, reading)
    return reduced_samples(samples, reduction, dtype, replicas)


def reduced_samples(samples: Samples, reduction: Reduction, dtype: str, replicas: int) -> Tensor:
    """One number from samples, or with the reduction `None` (or `"none"`) one for each."""
    value = _reduce(samples, reduction)
    return backend.result(value / replicas if replicas > 1 else value, dtype)


def _reduce(samples: Samples, reduction: Reduction) -> Tensor:
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
        size = size if isinstance(size, float) else ops.cast(size, total.dtype)
    return divide(total, size)


def sample_count(numerators: Tensor) -> float | Tensor:
    """How many samples there are: a float if the shape is known, else an integer tensor."""
    count = 1
    for size in numerators.shape:
        if not isinstance(size, int):  # `None`, or one of JAX's symbols.
            return ops.size(numerators)
        count *= size
    return float(count)


def divide(total: Tensor, size: float | Tensor) -> Tensor:
    """`total / size`, and 0 where the size is 0, in value and in gradient."""
    if isinstance(size, float):
        return total / size if size else total
    return backend.divide_no_nan(total, size)
