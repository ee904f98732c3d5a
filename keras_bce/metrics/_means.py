"""Weighted means over samples, and how sure they are."""

from typing import Any

import numpy as np
from keras import ops

from keras_bce._arguments import Arguments
from keras_bce._loss import PointwiseLoss
from keras_bce._pointwise import Pointwise
from keras_bce._prepare import Batch, Reading, result_dtype
from keras_bce._sums import Column, Given, adds
from keras_bce._typing import Array, Tensor
from keras_bce._weighting import Samples, divide, per_sample
from keras_bce.metrics._shared import SumsMetric
from keras_bce.metrics._uncertainty import (
    Uncertain,
    estimate,
    ratio,
    size_with_products,
    with_products,
)


class MeanMetric(Uncertain, SumsMetric):
    """The sum of the samples' weighted losses over the sum of their weights.

    Args:
        name: The name of the metric.
        dtype: The dtype of the result.
        arguments: How labels and predictions are read.
        loss: The loss of one prediction.
        uncertainty: Whether to keep what a standard error needs.
        labels: The number of labels that have a mean of their own.
    """

    def __init__(
        self,
        name: str,
        dtype: Any,
        arguments: Arguments,
        loss: Pointwise,
        uncertainty: bool = True,
        labels: int = 0,
    ) -> None:
        self.uncertainty = bool(uncertainty)
        self._size_of_mean = size_with_products(2) if uncertainty else 2
        super().__init__(name, dtype, arguments, size=self._size_of_mean * (1 + labels))
        self._loss = loss
        self._direction = "down"

    def _updated(self, given: Given, reading: Any) -> Tensor:
        return _add_means(given, self._loss, reading, self.uncertainty)

    def _result(self, sums: Tensor) -> Any:
        total, weight, *_ = ops.unstack(sums)  # On TensorFlow much faster than indices.
        return self._cast(divide(total, weight))

    def _result_on_host(self, state: Array) -> Array | None:
        if self._sums.size != self._size_of_mean or result_dtype(self.dtype) != state.dtype:
            return None
        with np.errstate(all="ignore"):  # Tensors give no warning either.
            total, weight, *_ = state.sum(0)
            return np.divide(total, weight) if weight else np.zeros_like(total)

    def _estimated(self, sums: Array) -> Any:
        return estimate(sums, 2, ratio)


def checked_loss(loss: Any) -> PointwiseLoss:
    """A loss whose formula is one of this package."""
    is_ours = isinstance(loss, PointwiseLoss)
    if not is_ours or type(loss).call is not PointwiseLoss.call:
        kind = f"a {type(loss).__name__} with a `call` of its own" if is_ours else repr(loss)
        raise ValueError(
            "`loss` must be a loss of keras_bce, an object whose formula is known. Received: "
            f"loss={kind}. Pass one such as `keras_bce.losses.BinaryFocalCrossentropy()`."
        )
    return loss


def means(batch: Batch, loss: Pointwise, reading: Reading, uncertainty: bool) -> list[Column]:
    """The losses and the weights of samples, and with `uncertainty` their products."""
    return columns_of(per_sample(batch, loss, reading), uncertainty)


def columns_of(samples: Samples, uncertainty: bool = True) -> list[Column]:
    """The numerators and the weights, and with `uncertainty` what a standard error needs."""
    weights = 1.0 if samples.weights is None else samples.weights
    columns = [samples.numerators, weights]
    return with_products(columns, weights) if uncertainty else columns


_add_means = adds(means)
