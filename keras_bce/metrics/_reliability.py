"""What sums over fine bins tell of calibration, in float64 NumPy on the host."""

import math
from typing import Any, NamedTuple

import numpy as np

from keras_bce._typing import Array


class Bins(NamedTuple):
    """Sums over bins, in ascending order of the predictions.

    Attributes:
        weight: Sums of weights, greater than 0.
        predicted: Sums of weighted probabilities.
        actual: Sums of weighted labels.
    """

    weight: Array
    predicted: Array
    actual: Array

    @property
    def mean_prediction(self) -> Array:
        return self.predicted / self.weight

    @property
    def mean_label(self) -> Array:
        return self.actual / self.weight


def group(bins: Bins, num_bins: int, binning: str) -> tuple[Array, Bins]:
    """Fewer, wider bins: which of them are not empty, and the sums over these.

    Args:
        bins: Fine bins, each of which falls into one of the wider bins as a whole.
        num_bins: How many bins to make.
        binning: `"uniform"`: bins of equal width. `"quantile"`: of equal weight, as far as
            predictions that are equal allow.
    """
    if binning == "uniform":
        # As a metric of so many bins places float32 probabilities.
        edges = (np.arange(1, num_bins) / num_bins).astype("float32")
        index = np.searchsorted(edges, bins.mean_prediction.astype("float32"), "right")
    else:
        middle = np.cumsum(bins.weight) - bins.weight / 2
        index = np.floor(num_bins * middle / bins.weight.sum()).astype(int)
    filled = np.bincount(index, minlength=num_bins) > 0
    return filled, Bins(*(np.bincount(index, column, num_bins)[filled] for column in bins))


def calibration_error(bins: Bins, counts: Array, norm: int, debiased: bool) -> float:
    """The mean gap of the bins (norm 1), or the root of their mean squared gap (norm 2).

    Args:
        bins: The bins.
        counts: The number of predictions in each.
        norm: 1 or 2.
        debiased: Whether what a calibrated model's mean squared gap would be is subtracted. A
            bin of a single prediction then tells nothing, and counts as 0.
    """
    share = bins.weight / bins.weight.sum()
    gap = bins.mean_prediction - bins.mean_label
    if norm == 1:
        return float(share @ np.abs(gap))
    square = gap**2
    if debiased:
        more_than_one = counts > 1
        noise = bins.mean_label * (1 - bins.mean_label) / np.where(more_than_one, counts - 1, 1)
        square = np.where(more_than_one, square - noise, 0.0)
    return math.sqrt(np.maximum(share @ square, 0.0))


def isotonic(bins: Bins) -> Bins:
    """The bins, merged where the mean label would fall: isotonic regression.

    By the pool adjacent violators algorithm (Barlow et al., 1972).
    """
    pools: list[list[float]] = []
    for weight, predicted, actual in zip(*bins, strict=True):
        pool = [weight, predicted, actual]
        while pools and pools[-1][2] * pool[0] >= pool[2] * pools[-1][0]:
            pool = [a + b for a, b in zip(pools.pop(), pool, strict=True)]
        pools.append(pool)
    return Bins(*np.array(pools).T)


def entropy(p: Any) -> Any:
    """`-p * log(p) - (1 - p) * log(1 - p)`, 0 at 0 and 1."""
    p, q = np.asarray(p), 1 - np.asarray(p)
    return -(p * np.log(np.where(p == 0, 1, p)) + q * np.log(np.where(q == 0, 1, q)))


def variance(p: Any) -> Any:
    """`p * (1 - p)`."""
    return p * (1 - p)


def binomial_band(counts: Array, p: Array, level: float) -> tuple[Array, Array]:
    """Between which frequencies `level` of all binomial samples lie, for each count and p.

    The quantiles of `(1 - level) / 2` and `(1 + level) / 2`, divided by the count.
    """
    counts = np.maximum(np.round(counts), 1)
    bounds = [_binomial_bounds(n, share, level) for n, share in zip(counts, p, strict=True)]
    low, high = np.array(bounds).reshape(-1, 2).T
    return low / counts, high / counts


def _binomial_bounds(n: float, p: float, level: float) -> tuple[float, float]:
    if not 0 < p < 1:
        return n * p, n * p  # NaN for NaN.
    # The probabilities within ten standard deviations, from the ratio of each to the one before.
    reach = 10 * math.sqrt(n * p * (1 - p)) + 30
    k = np.arange(max(math.floor(n * p - reach), 0), min(math.ceil(n * p + reach), n) + 1)
    logs = np.cumsum(np.log((n - k[:-1]) / (k[:-1] + 1)) + math.log(p) - math.log1p(-p))
    logs = np.concatenate([[0.0], logs])
    total = np.cumsum(np.exp(logs - logs.max()))
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    low, high = k[np.searchsorted(total / total[-1], tails)]
    return low, high
