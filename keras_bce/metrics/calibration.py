"""Calibration: whether events that are given a probability of p happen at a rate of p."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_bce import _arguments
from keras_bce._backend import backend
from keras_bce._pointwise import Crossentropy, Pointwise
from keras_bce._prepare import Batch, Reading
from keras_bce._sums import Column, Given, adds
from keras_bce._typing import Array, Tensor
from keras_bce._weighting import divide, probabilities, sum_over_labels, weights_or_ones
from keras_bce.metrics._bins import binned
from keras_bce.metrics._shared import ProbabilityMetric, register
from keras_bce.metrics._uncertainty import (
    Estimate,
    Uncertain,
    estimate,
    ratio,
    size_with_products,
    with_products,
)

__all__ = ["CalibrationRatio", "ExpectedCalibrationError"]


@register
class CalibrationRatio(Uncertain, ProbabilityMetric):
    """Predicted positives over actual positives: above 1 the model is overconfident of positives.

        result = sum of weight * p / sum of weight * y_true

    The optimum is 1. `EarlyStopping` and `ModelCheckpoint` with `mode="auto"` would minimise it:
    monitor another metric.

    Args:
        name: The name of the metric.
        dtype: The dtype of the result.
        from_logits: Whether predictions are logits.
        ignore_class: The label that stands for "missing".
        uncertainty: Whether to keep what `standard_error()` and `interval()` need.

    >>> import keras_bce
    >>> metric = keras_bce.metrics.CalibrationRatio()
    >>> print(f"{float(metric([0, 1, 0, 1], [0.5, 1.0, 0.5, 1.0])):.2f}")
    1.50
    """

    def __init__(
        self,
        name: str = "calibration_ratio",
        dtype: Any = None,
        from_logits: bool = False,
        *,
        ignore_class: float | None = None,
        uncertainty: bool = False,
    ) -> None:
        self.uncertainty = bool(uncertainty)
        size = size_with_products(2) if uncertainty else 2
        super().__init__(name, dtype, from_logits, ignore_class, size)
        self._direction = "down"

    def _updated(self, given: Given, reading: Reading) -> Tensor:
        return _add_positives(given, Crossentropy(), reading, self.uncertainty)

    def result(self) -> Tensor:
        """The ratio so far; NaN while there was no positive label."""
        return super().result()

    def _result(self, sums: Tensor) -> Tensor:
        predicted, actual, *_ = ops.unstack(sums)
        with np.errstate(invalid="ignore"):  # NumPy warns where this is NaN.
            # 0 / 0 without positives, whatever was predicted.
            return self._cast(backend.where(actual == 0.0, actual, predicted) / actual)

    def _estimated(self, sums: Array) -> Estimate:
        return estimate(sums, 2, ratio)

    def get_config(self) -> dict[str, Any]:
        """The arguments, from which `from_config` makes an equal object."""
        return {**super().get_config(), "uncertainty": self.uncertainty}


def _positives(batch: Batch, _: Pointwise, reading: Reading, uncertainty: bool) -> list[Column]:
    """The sums of each sample's predicted and actual positives."""
    weights = weights_or_ones(batch)
    columns = [
        sum_over_labels(weights * values, reading) for values in probabilities(batch, reading)
    ]
    if not uncertainty:
        return columns
    return with_products(columns, sum_over_labels(weights, reading))


_add_positives = adds(_positives)


@register
class ExpectedCalibrationError(ProbabilityMetric):
    """How far predicted probabilities are from observed frequencies, over bins of equal width.

        result = sum over bins of |sum of weight * p - sum of weight * y_true| / sum of weights

    Bin k of K holds the probabilities in [k/K, (k+1)/K), the last one 1 as well.

    Args:
        name: The name of the metric.
        dtype: The dtype of the result.
        from_logits: Whether predictions are logits.
        num_bins: K, 1 or greater.
        ignore_class: The label that stands for "missing".

    Reference: Guo et al., 2017, https://arxiv.org/abs/1706.04599.

    >>> import keras_bce
    >>> metric = keras_bce.metrics.ExpectedCalibrationError(num_bins=2)
    >>> print(f"{float(metric([0, 1, 0, 1], [0.25, 0.25, 1.0, 1.0])):.3f}")
    0.375
    """

    def __init__(
        self,
        name: str = "expected_calibration_error",
        dtype: Any = None,
        from_logits: bool = False,
        *,
        num_bins: int = 15,
        ignore_class: float | None = None,
    ) -> None:
        self.num_bins = _arguments.at_least_one("num_bins", num_bins)
        super().__init__(name, dtype, from_logits, ignore_class, size=3 * self.num_bins)
        self._direction = "down"

    def _updated(self, given: Given, reading: Reading) -> Tensor:
        return _add_bins(given, Crossentropy(), reading, self.num_bins)

    def bins(self) -> dict[str, Array]:
        """What a reliability diagram shows, as NumPy arrays, one row per bin.

        Returns:
            A dictionary: `edges` (num_bins + 1), and per bin `weight` (its sum),
            `mean_prediction` and `mean_label` (NaN in an empty bin).
        """
        weight, predicted, gap = self._sums.totals.reshape(3, -1)
        count = np.where(weight == 0, np.nan, weight)
        return {
            "edges": np.linspace(0.0, 1.0, self.num_bins + 1),
            "weight": weight,
            "mean_prediction": predicted / count,
            "mean_label": (predicted - gap) / count,
        }

    def result(self) -> Tensor:
        """The error so far; 0.0 if nothing was seen."""
        return super().result()

    def _result(self, sums: Tensor) -> Tensor:
        columns = ops.reshape(sums, (3, self.num_bins))
        return self._cast(divide(ops.sum(ops.abs(columns[2])), ops.sum(columns[0])))

    def get_config(self) -> dict[str, Any]:
        """The arguments, from which `from_config` makes an equal object."""
        return {**super().get_config(), "num_bins": self.num_bins}


def _bins(batch: Batch, _: Pointwise, reading: Reading, num_bins: int) -> list[Column]:
    p, labels = probabilities(batch, reading)
    # The bin on one side or the other of the nearest edge: a product with `num_bins` alone would
    # round some probabilities of exactly k / num_bins to below k.
    dtype = keras.backend.standardize_dtype(p.dtype)
    edges = backend.from_host((np.arange(num_bins + 1) / num_bins).astype(dtype))
    nearest = ops.clip(ops.cast(ops.round(p * num_bins), "int32"), 0, num_bins)
    below = p < ops.take(edges, nearest)
    bins = nearest - ops.cast(below, "int32")
    return binned(bins, num_bins, weights_or_ones(batch), p, labels)


_add_bins = adds(_bins)
