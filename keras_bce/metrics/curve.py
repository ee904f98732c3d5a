"""Calibration at any resolution, from sums over fine bins."""

from typing import Any

import numpy as np
from keras import ops

from keras_bce import _arguments
from keras_bce._backend import backend
from keras_bce._pointwise import Crossentropy, Pointwise
from keras_bce._prepare import Batch, Reading
from keras_bce._sums import Column, Given, adds
from keras_bce._typing import Array, Tensor
from keras_bce._weighting import per_element, probabilities, sum_over_labels, weights_or_ones
from keras_bce.metrics import _reliability
from keras_bce.metrics._bins import binned
from keras_bce.metrics._shared import ProbabilityMetric, register
from keras_bce.metrics._smooth import smooth_error

__all__ = ["CalibrationCurve"]

#: How many sums over all predictions there are, before those of the fine bins.
_TOTALS = 4

#: Logits beyond it share a bin: probabilities below 1.1e-7.
_LARGEST_LOGIT = 16.0


@register
class CalibrationCurve(ProbabilityMetric):
    r"""Calibration without a choice of bins: a smooth error, binned errors, their parts, a curve.

    $$
    \text{result} = e(s) \text{ at the } s \text{ where } e(s) = s, \quad
    e(s) = \frac{1}{\sum_i w_i} \int_0^1 \left| \sum_i w_i (p_i - y_i) K_s(t, p_i) \right| dt
    $$

    The sums are over all predictions whose label is not missing: p is the predicted probability, y
    the label (`y_true`) and w its weight (`sample_weight`). $K_s(t, p)$ is the density at t of a
    Gaussian of mean p and standard deviation s, reflected at 0 and 1.

    The result, the smooth calibration error, is 0 for a calibrated model and many samples; a few
    samples alone give more, as for every calibration error. Judge a model on data that it was not
    fitted on. If positives are rare, all probabilities are near 0 and differ little in absolute
    terms: read `decomposition` or `CalibrationRatio` as well. There is no `standard_error()`.

    The metric keeps sums over fine bins, so that `error`, `decomposition`, `curve` and
    `plotting.reliability_diagram` can be asked for later, of merged metrics as well.

    Args:
        name: The name of the metric.
        dtype: The dtype of the result, by default `keras.config.floatx()`.
        from_logits: Whether `y_pred` holds logits rather than probabilities.
        num_bins: The number of fine bins, 1 or greater. Half of them are spread evenly over
            probabilities, half over logits, so that predictions of 0.0001 and of 0.0002 are told
            apart. Predictions count as the mean of their bin.
        ignore_class: The label that stands for "missing": a number or NaN.

    Raises:
        ValueError: for arguments outside of their ranges.

    Examples:

    >>> import keras_bce
    >>> metric = keras_bce.metrics.CalibrationCurve()
    >>> labels, predictions = [0, 1, 0, 1], [0.25, 0.25, 1.0, 1.0]
    >>> print(f"{float(metric(labels, predictions)):.3f}")
    0.286
    >>> print(f"{metric.error(num_bins=2, binning='uniform'):.3f}")
    0.375
    >>> {name: round(part, 3) for name, part in metric.decomposition("brier").items()}
    {'score': 0.406, 'uncertainty': 0.25, 'discrimination': 0.0, 'miscalibration': 0.156}

    With `compile()`:

    ```python
    curve = keras_bce.metrics.CalibrationCurve(from_logits=True)
    loss = keras_bce.losses.BinaryCrossentropy(from_logits=True)
    model.compile("adam", loss=loss, metrics=[curve])
    model.evaluate(x_test, y_test)
    curve.decomposition()
    ```

    Reference: Blasiok and Nakkiran, 2023, "Smooth ECE", https://arxiv.org/abs/2309.12236.
    """

    def __init__(
        self,
        name: str = "calibration_curve",
        dtype: Any = None,
        from_logits: bool = False,
        *,
        num_bins: int = 4096,
        ignore_class: float | None = None,
    ) -> None:
        self.num_bins = _arguments.at_least_one("num_bins", num_bins)
        super().__init__(name, dtype, from_logits, ignore_class, size=_TOTALS + 3 * self.num_bins)
        self._direction = "down"

    def _updated(self, given: Given, reading: Reading) -> Tensor:
        return _add_fine_bins(given, Crossentropy(), reading, self.num_bins)

    def result(self) -> Tensor:
        """The smooth calibration error so far, a scalar tensor of the metric's dtype.

        It is 0.0 if nothing was seen. A width below 1/2048 is not looked for: the result is then
        `e(1/2048)`.
        """
        return super().result()

    def _result(self, sums: Tensor) -> Tensor:
        columns = ops.reshape(sums[_TOTALS:], (3, self.num_bins))
        return self._cast(smooth_error(tuple(ops.unstack(columns, 3)), Crossentropy()))

    def error(
        self, num_bins: int = 15, binning: str = "uniform", norm: int = 1, debiased: bool = False
    ) -> float:
        r"""The binned calibration error, with norm 1 or 2.

        $$
        \text{error}_1 = \sum_k h_k \left| \bar{p}_k - \bar{y}_k \right|, \quad
        \text{error}_2 = \sqrt{\sum_k h_k (\bar{p}_k - \bar{y}_k)^2}
        $$

        $h_k$ is the share of bin k in the weight of all predictions, $\bar{p}_k$ the mean
        probability and $\bar{y}_k$ the mean label in it.

        Args:
            num_bins: The number of bins. A fine bin falls into one of them as a whole.
            binning: `"uniform"`, bins of equal width, as in `ExpectedCalibrationError`, or
                `"quantile"`, of equal weight.
            norm: 1 or 2.
            debiased: With norm 2, whether to subtract the sampling noise
                $\bar{y}_k (1 - \bar{y}_k) / (n_k - 1)$ from each bin's square, so that few
                predictions per bin do not look like miscalibration. $n_k$ is the number of
                predictions, or the effective one of weighted predictions. Bins with $n_k \le 1$
                count as 0, and so does a negative sum.

        Returns:
            The error, a float in [0, 1]; NaN if nothing was seen, or something impossible.

        Raises:
            ValueError: for an argument outside of its range, and for `debiased` with norm 1.

        Reference: Kumar et al., 2019, "Verified Uncertainty Calibration",
        https://arxiv.org/abs/1909.10155.
        """
        num_bins = _arguments.at_least_one("num_bins", num_bins)
        binning = _arguments.choice("binning", binning, _BINNINGS)
        norm = _arguments.choice("norm", norm, (1, 2))
        if debiased and norm == 1:
            raise ValueError(
                "`debiased` must be False with `norm=1`: the sampling noise of a gap's size cannot "
                "be subtracted, that of its square can. Received: debiased=True, norm=1. Pass "
                "`norm=2`."
            )
        seen = self._seen()
        if seen is None:
            return np.nan
        fine, totals = seen
        _, bins = _reliability.group(fine, num_bins, binning)
        counts = bins.weight * totals["count_per_weight"]
        return _reliability.calibration_error(bins, counts, norm, debiased)

    def decomposition(self, score: str = "log_loss") -> dict[str, float]:
        r"""The mean score, and what it is made of.

        $$
        \text{score} = \text{uncertainty} - \text{discrimination} + \text{miscalibration}
        $$

        Uncertainty is the score of always predicting the mean label. Discrimination is how much the
        best monotone recalibration of the predictions, by isotonic regression, improves on that.
        Miscalibration is how much that recalibration would improve the predictions. All are over
        all predictions seen, by weight.

        Args:
            score: `"log_loss"`, in nats, which is infinite for an infinite logit on the wrong side,
                or `"brier"`, the squared difference of p and `y_true`. Both are summed exactly.

        Returns:
            A dictionary of the floats `score`, `uncertainty`, `discrimination` and
            `miscalibration`. All are NaN if nothing was seen, or something impossible. With labels
            of one class uncertainty and discrimination are 0, to rounding.

        Raises:
            ValueError: for another score.

        Reference: Dimitriadis et al., 2021, "Stable reliability diagrams for probabilistic
        classifiers", https://doi.org/10.1073/pnas.2016191118.
        """
        score = _arguments.choice("score", score, ("log_loss", "brier"))
        seen = self._seen()
        if seen is None:
            return dict.fromkeys(_PARTS, np.nan)
        fine, totals = seen
        if score == "log_loss":
            spread, of_labels = _reliability.entropy, 0.0
        else:  # That of soft labels is not their mean's.
            spread, of_labels = _reliability.variance, totals["label_variance"]
        pools, total = _reliability.isotonic(fine), fine.weight.sum()
        uncertainty = spread(fine.actual.sum() / total) - of_labels
        recalibrated = pools.weight @ spread(pools.mean_label) / total - of_labels
        parts = (
            totals[score],
            uncertainty,
            uncertainty - recalibrated,
            totals[score] - recalibrated,
        )
        return dict(zip(_PARTS, map(float, parts), strict=True))

    def curve(
        self, num_bins: int = 15, binning: str = "quantile", level: float = 0.95
    ) -> dict[str, Array]:
        """The points of a reliability diagram, with a consistency band.

        The band of a bin holds the share `level` of the mean labels that a calibrated model would
        get: its bounds are the binomial quantiles of `(1 - level) / 2` and `(1 + level) / 2`, over
        the count. The probability is the bin's mean prediction; the count is its number of
        predictions, or the effective one of weighted predictions. Broecker and Smith draw labels
        instead, which gives the same where the predictions of a bin are close to each other, and a
        little less elsewhere.

        Args:
            num_bins: The number of bins.
            binning: `"uniform"` or `"quantile"`, as in `error`.
            level: A number in (0, 1).

        Returns:
            A dictionary of float64 NumPy arrays with one entry per bin. `weight` is the sum of
            weights; `mean_prediction`, `mean_label`, and the bounds of the band, `low` and `high`,
            are NaN in an empty bin. If nothing was seen, or something impossible, all bins are
            empty.

        Raises:
            ValueError: for an argument outside of its range.

        Reference: Broecker and Smith, 2007, "Increasing the Reliability of Reliability Diagrams",
        https://doi.org/10.1175/WAF993.1.
        """
        num_bins = _arguments.at_least_one("num_bins", num_bins)
        binning = _arguments.choice("binning", binning, _BINNINGS)
        level = _arguments.level(level)
        seen = self._seen()
        columns = np.full((5, num_bins), np.nan)
        columns[0] = 0.0
        if seen is not None:
            fine, totals = seen
            filled, bins = _reliability.group(fine, num_bins, binning)
            counts = bins.weight * totals["count_per_weight"]
            band = _reliability.binomial_band(counts, bins.mean_prediction, level)
            columns[:, filled] = bins.weight, bins.mean_prediction, bins.mean_label, *band
        names = ("weight", "mean_prediction", "mean_label", "low", "high")
        return dict(zip(names, columns, strict=True))

    def _seen(self) -> tuple[_reliability.Bins, dict[str, float]] | None:
        """The fine bins that are not empty, and means over all predictions.

        `None` if nothing was seen, or something impossible.
        """
        sums = self._sums.totals
        weight, predicted, gap = sums[_TOTALS:].reshape(3, -1)
        filled = weight > 0
        if not filled.any() or np.isnan(sums).any():
            return None
        # By rounding, or with labels beyond [0, 1], the mean label may leave [0, 1].
        actual = np.clip(predicted - gap, 0.0, weight)
        log_loss, brier, label_variance, squared_weight = sums[:_TOTALS] / weight.sum()
        return _reliability.Bins(weight[filled], predicted[filled], actual[filled]), {
            "log_loss": log_loss,
            "brier": brier,
            "label_variance": label_variance,
            "count_per_weight": 1.0 / squared_weight,
        }

    def get_config(self) -> dict[str, Any]:
        """The arguments, from which `from_config` makes an equal object."""
        return {**super().get_config(), "num_bins": self.num_bins}


_BINNINGS = ("uniform", "quantile")
_PARTS = ("score", "uncertainty", "discrimination", "miscalibration")


def _fine_bins(batch: Batch, loss: Pointwise, reading: Reading, num_bins: int) -> list[Column]:
    """Of each sample the log loss, the squared error, the variance of soft labels, and squared
    weights, all but the last by weight; then what each prediction adds to its fine bin.
    """
    p, labels = probabilities(batch, reading)
    weights = weights_or_ones(batch)
    logit = reading.link.checked(batch.predictions).logit
    logit = backend.at_least(backend.at_most(logit, _LARGEST_LOGIT), -_LARGEST_LOGIT)
    place = 0.5 * p + (0.25 / _LARGEST_LOGIT) * logit + 0.25
    by_prediction = (
        per_element(batch, loss, reading),
        weights * ops.square(p - labels),
        weights * labels * (1.0 - labels),
        ops.square(weights),
    )
    totals = [sum_over_labels(values, reading) for values in by_prediction]
    return [*totals, *binned(ops.cast(place * num_bins, "int32"), num_bins, weights, p, labels)]


_add_fine_bins = adds(_fine_bins)
