"""Calibration: whether events that are given a probability of p happen at a rate of p."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_bce import _arguments
from keras_bce._backend import backend
from keras_bce._pointwise import Crossentropy, Pointwise
from keras_bce._prepare import Batch, Reading
from keras_bce._sums import adds
from keras_bce._typing import Array, Tensor
from keras_bce._weighting import divide, probabilities, weights_or_ones
from keras_bce.metrics._shared import ProbabilityMetric, register

__all__ = ["CalibrationRatio", "ExpectedCalibrationError"]

#: Predictions whose sums a calibration error takes in float32 alone.
_BLOCK = 1024


@register
class CalibrationRatio(ProbabilityMetric):
    """Predicted positives over actual positives: above 1 the model is overconfident of positives.

        result = sum of weight * p / sum of weight * y_true

    The optimum is 1. `EarlyStopping` and `ModelCheckpoint` with `mode="auto"` would minimise it:
    monitor another metric.

    Args:
        name: The name of the metric.
        dtype: The dtype of the result.
        from_logits: Whether predictions are logits.
        ignore_class: The label that stands for "missing".

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
    ) -> None:
        super().__init__(name, dtype, from_logits, ignore_class, size=2)
        self._direction = "down"

    def _updated(self, state: Tensor, batch: Batch, reading: Reading) -> Tensor:
        return _add_positives((state, batch), Crossentropy(), reading)

    def result(self) -> Tensor:
        """The ratio so far; NaN while there was no positive label."""
        predicted, actual = ops.unstack(self._sums.values())
        with np.errstate(invalid="ignore"):  # NumPy warns where this is NaN.
            # 0 / 0 without positives, whatever was predicted.
            return self._cast(backend.where(actual == 0.0, actual, predicted) / actual)


def _positives(batch: Batch, _: Pointwise, reading: Reading) -> list[Any]:
    """The sums of the predicted and of the actual positives."""
    weights = weights_or_ones(batch)
    return [backend.exact_sum(weights * values) for values in probabilities(batch, reading)]


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

    def _updated(self, state: Tensor, batch: Batch, reading: Reading) -> Tensor:
        return _add_bins((state, batch), Crossentropy(), reading, self.num_bins)

    def bins(self) -> dict[str, Array]:
        """What a reliability diagram shows, as NumPy arrays, one row per bin.

        Returns:
            A dictionary: `edges` (num_bins + 1), and per bin `weight` (its sum),
            `mean_prediction` and `mean_label` (NaN in an empty bin).
        """
        weight, predicted, gap = self._sums.state.astype("float64").sum(0).reshape(3, -1)
        count = np.where(weight == 0, np.nan, weight)
        return {
            "edges": np.linspace(0.0, 1.0, self.num_bins + 1),
            "weight": weight,
            "mean_prediction": predicted / count,
            "mean_label": (predicted - gap) / count,
        }

    def result(self) -> Tensor:
        """The error so far; 0.0 if nothing was seen."""
        columns = ops.reshape(self._sums.values(), (3, self.num_bins))
        return self._cast(divide(ops.sum(ops.abs(columns[2])), ops.sum(columns[0])))

    def get_config(self) -> dict[str, Any]:
        """The arguments, from which `from_config` makes an equal object."""
        return {**super().get_config(), "num_bins": self.num_bins}


def _bins(batch: Batch, _: Pointwise, reading: Reading, num_bins: int) -> list[Any]:
    """Of each bin: the sum of weights, of weighted probabilities, and of weighted gaps.

    Gaps, `p - y`, rather than labels: the difference of two long sums would lose its digits.
    """
    p, labels = probabilities(batch, reading)
    # The bin on one side or the other of the nearest edge: a product with `num_bins` alone would
    # round some probabilities of exactly k / num_bins to below k.
    dtype = keras.backend.standardize_dtype(p.dtype)
    edges = ops.convert_to_tensor(np.arange(num_bins + 1) / num_bins, dtype)
    # A NaN has no bin; its product with any weight makes the one it falls into NaN.
    nearest = ops.clip(ops.cast(ops.round(p * num_bins), "int32"), 0, num_bins)
    below = p < ops.take(edges, nearest)
    bins = ops.clip(nearest - ops.cast(below, "int32"), 0, num_bins - 1)
    # Bins of one block of predictions at a time, so that no float32 sum grows long.
    blocks = ops.arange(ops.size(bins), dtype="int32") // _BLOCK
    segments = blocks * num_bins + ops.reshape(bins, (-1,))
    count = (ops.size(bins) // _BLOCK + 1) * num_bins
    weights = weights_or_ones(batch)
    columns = []
    for column in (weights, weights * p, weights * (p - labels)):
        sums = ops.segment_sum(ops.reshape(column, (-1,)), segments, num_segments=count)
        columns.append(backend.exact_sum(ops.reshape(sums, (-1, num_bins)), 0))
    return columns


_add_bins = adds(_bins)
