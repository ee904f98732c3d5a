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
    r"""Predicted positives over actual positives; above 1, probabilities are too high on average.

    $$
    \text{result} = \frac{\sum_i w_i \, p_i}{\sum_i w_i \, y_i}
    $$

    The sums are over all predictions whose label is not missing: p is the predicted probability, y
    the label (`y_true`) and w its weight (`sample_weight`).

    The optimum is 1. `EarlyStopping` and `ModelCheckpoint` with `mode="auto"` would minimise the
    ratio: monitor another metric. A ratio of 1 does not say that each probability is right, since
    errors of both signs cancel: for that use `CalibrationCurve`.

    Args:
        name: The name of the metric.
        dtype: The dtype of the result, by default `keras.config.floatx()`.
        from_logits: Whether `y_pred` holds logits rather than probabilities.
        ignore_class: The label that stands for "missing": a number or NaN.
        uncertainty: Whether to keep what `standard_error()` and `interval()` need.

    Raises:
        ValueError: for an `ignore_class` that is neither a number nor NaN.

    Examples:

    >>> import keras_bce
    >>> metric = keras_bce.metrics.CalibrationRatio()
    >>> print(f"{float(metric([0, 1, 0, 1], [0.5, 1.0, 0.5, 1.0])):.2f}")
    1.50

    With `compile()`:

    ```python
    model.compile(
        "adam",
        loss=keras_bce.losses.BinaryCrossentropy(from_logits=True),
        metrics=[keras_bce.metrics.CalibrationRatio(from_logits=True)],
    )
    ```

    Reference: He et al., 2014, "Practical Lessons from Predicting Clicks on Ads at Facebook",
    section 3, https://doi.org/10.1145/2648584.2648589.
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
        """The ratio so far, a scalar tensor of the metric's dtype; NaN without a positive label."""
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
    r"""How far predicted probabilities are from observed frequencies, over bins of equal width.

    $$
    \text{result} = \frac{1}{\sum_i w_i} \sum_{k=0}^{K-1}
    \left| \sum_{i \in B_k} w_i (p_i - y_i) \right|
    $$

    The sums are over all predictions whose label is not missing: p is the predicted probability, y
    the label (`y_true`) and w its weight (`sample_weight`). Bin $B_k$ of the K = `num_bins` holds
    the probabilities in [k/K, (k+1)/K), the last one 1 as well.

    The result depends on the number of bins. If positives are rare, nearly all predictions share
    the first bin, and their errors cancel in it: use `CalibrationCurve`, which needs no such
    choice. There is no `standard_error()`.

    Args:
        name: The name of the metric.
        dtype: The dtype of the result, by default `keras.config.floatx()`.
        from_logits: Whether `y_pred` holds logits rather than probabilities.
        num_bins: K, 1 or greater.
        ignore_class: The label that stands for "missing": a number or NaN.

    Raises:
        ValueError: for arguments outside of their ranges.

    Examples:

    >>> import keras_bce
    >>> metric = keras_bce.metrics.ExpectedCalibrationError(num_bins=2)
    >>> print(f"{float(metric([0, 1, 0, 1], [0.25, 0.25, 1.0, 1.0])):.3f}")
    0.375

    With `compile()`:

    ```python
    model.compile(
        "adam",
        loss=keras_bce.losses.BinaryCrossentropy(from_logits=True),
        metrics=[keras_bce.metrics.ExpectedCalibrationError(from_logits=True)],
    )
    ```

    Reference: Guo et al., 2017, "On Calibration of Modern Neural Networks",
    https://arxiv.org/abs/1706.04599.
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
        """What `plotting.reliability_diagram` draws.

        Returns:
            A dictionary of float64 NumPy arrays. `edges` has num_bins + 1 probabilities; `weight`,
            the sum of weights, and `mean_prediction` and `mean_label`, weighted means, have one
            entry per bin. The means are NaN in an empty bin.
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
        """The error so far, a scalar tensor of the metric's dtype; 0.0 if nothing was seen."""
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
