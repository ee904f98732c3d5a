"""How sure a number is: standard errors from exact sums of squares and products.

The unit is the sample. A metric is a function of the sums of some columns, numbers of each sample,
which a common factor of all sums does not change: `m = sum n / sum v`, say. With `x_i` the columns
of sample i, and `a` the derivatives of the metric by the sums, the delta method gives

    standard error ** 2 = N / (N - 1) * sum of (a . x_i) ** 2

where N is the number of samples of a weight above 0. For a mean this is
`N / (N - 1) * sum (n_i - m v_i) ** 2 / (sum v_i) ** 2`. The sum is `a' M a`, with M the sums of the
products of columns. It cancels where losses are nearly equal: so the products are exact.
"""

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any, NamedTuple, TypeVar

import numpy as np
from keras import ops

from keras_bce import _arguments
from keras_bce._backend import backend
from keras_bce._sums import Column, ExactSums
from keras_bce._typing import Array

#: From the sums of columns in float64: a metric, and its derivatives by them.
Derive = Callable[[Array], tuple[float, Array]]

_Given = TypeVar("_Given")


class Estimate(NamedTuple):
    """A number, and how sure it is."""

    value: float
    standard_error: float

    def interval(self, level: float) -> tuple[float, float]:
        """The bounds between which the number is at this level of confidence."""
        reach = -NormalDist().inv_cdf((1.0 - level) / 2) * self.standard_error
        return self.value - reach, self.value + reach


class Uncertain:
    """A metric that can say how sure its result is, if its sums were made for it.

    Attributes:
        uncertainty: Whether they were.
    """

    uncertainty: bool
    _sums: ExactSums

    def standard_error(self) -> Any:
        r"""The standard error of the result: how far it varies from data set to data set.

        For a weighted mean $m = \sum_i n_i / \sum_i v_i$, where $n_i$ is the weighted loss of
        sample i and $v_i$ its weight:

        $$
        \text{standard error}^2 =
        \frac{N}{N - 1} \cdot \frac{\sum_i (n_i - m v_i)^2}{(\sum_i v_i)^2}
        $$

        N is the number of samples with a weight above 0. Unweighted, this is the standard deviation
        of the samples' losses over $\sqrt{N}$. `NormalizedEntropy` and `CalibrationRatio` use the
        delta method on the sums of each sample.

        The unit is the sample: a row's labels belong together. Samples count as independent; of
        several rows of one user, say, the standard error is too small.

        Returns:
            A float in the unit of the result, or a dictionary of floats where the result is one. It
            is NaN for fewer than two samples, and where the result is infinite or NaN.

        Raises:
            ValueError: if the metric was made without `uncertainty=True`, where it has that.

        Reference: Cochran, 1977, "Sampling Techniques", chapter 6.
        """
        return each(self._estimates(), lambda estimate: estimate.standard_error)

    def interval(self, level: float = 0.95) -> Any:
        r"""A confidence interval of the result, by the normal approximation.

        $$
        \text{result} \, \pm \, z \cdot \text{standard error}
        $$

        z is the normal quantile of `(1 + level) / 2`, 1.96 for a level of 0.95. The interval is for
        one look at data that were set aside. If you look after every batch and stop at a result,
        use a sequential test instead.

        A normal interval needs many samples, and many positives. `benchmarks/coverage.py` draws
        2,000 data sets of 400 rows; intervals of 95% held the true value in this share of them. At
        a base rate of 0.02, which is 8 positives per data set, those of a loss are too narrow.

        | base rate | weights | log loss | loss difference | Brier | norm. entropy | calibration |
        | ---: | --- | ---: | ---: | ---: | ---: | ---: |
        | 0.5 | plain | 95.5% | 93.8% | 95.5% | 95.3% | 95.0% |
        | 0.5 | heavy-tailed | 94.7% | 93.3% | 94.7% | 94.8% | 94.7% |
        | 0.08 | plain | 94.2% | 95.2% | 94.7% | 95.2% | 95.2% |
        | 0.08 | heavy-tailed | 92.7% | 95.3% | 93.0% | 94.1% | 95.2% |
        | 0.02 | plain | 89.8% | 95.5% | 92.3% | 90.8% | 92.8% |
        | 0.02 | heavy-tailed | 86.2% | 96.4% | 87.7% | 89.4% | 92.6% |

        Args:
            level: The share of such intervals that hold the true value, in (0, 1).

        Returns:
            A pair of floats `(low, high)`, or a dictionary of pairs where the result is one;
            `(nan, nan)` where the standard error is NaN.

        Raises:
            ValueError: for a level outside of (0, 1), and as `standard_error` does.
        """
        level = _arguments.level(level)
        return each(self._estimates(), lambda estimate: estimate.interval(level))

    def _estimates(self) -> Any:
        """An `Estimate`, or a dictionary of some."""
        self._check_uncertainty()
        return self._estimated(self._sums.totals)

    def _check_uncertainty(self) -> None:
        if not self.uncertainty:
            raise ValueError(
                "A standard error needs sums that this metric was made without. Received: "
                f"uncertainty=False. Make it with `{type(self).__name__}(uncertainty=True)`."
            )

    def _estimated(self, sums: Array) -> Any:
        """The same, from the sums in float64."""
        raise NotImplementedError


def each(estimates: Any, function: Callable[[Estimate], Any]) -> Any:
    """A function of an estimate, or of each one in a dictionary."""
    if isinstance(estimates, dict):
        return {name: each(estimate, function) for name, estimate in estimates.items()}
    return function(estimates)


def with_products(columns: list[Column], weights: Column) -> list[Column]:
    """Columns, and what `estimate` reads beside them: their products, and the count of samples.

    Args:
        columns: Numbers of each sample; 1.0 if they are all 1.
        weights: The weight of each sample. Those above 0 are counted.
    """
    pairs = [(a, b) for i, a in enumerate(columns) for b in columns[i:]]
    is_number = isinstance(weights, float)
    count = weights if is_number else ops.cast(weights > 0, weights.dtype)
    return [*columns, *(_product(*pair) for pair in pairs), count]


def _product(a: Column, b: Column) -> Column:
    if isinstance(a, float):
        return b
    return a if isinstance(b, float) else backend.exact_product(a, b)


def size_with_products(columns: int) -> int:
    """How many sums columns, their products and the number of samples have."""
    return columns + columns * (columns + 1) // 2 + 1


def estimate(sums: Array, columns: int, derive: Derive) -> Estimate:
    """A number and its standard error, from the sums of columns, of products, and the count."""
    first, second, count = sums[:columns], sums[columns:-1], sums[-1]
    with np.errstate(all="ignore"):
        value, slopes = derive(first)
        moments = np.zeros((columns, columns))
        upper = np.triu_indices(columns)
        moments[upper] = second
        moments.T[upper] = second
        variance = slopes @ moments @ slopes * count / (count - 1.0)
    # What is too small for its square to be seen would look sure.
    is_lost = ((np.diag(moments) == 0) & (first != 0)).any()
    if count < 2 or is_lost or not np.isfinite([value, variance]).all():
        return Estimate(float(value), math.nan)
    return Estimate(float(value), math.sqrt(max(variance, 0.0)))


def ratio(sums: Array) -> tuple[float, Array]:
    """The first sum over the second, and its derivatives."""
    value = sums[0] / sums[1]
    return value, np.array([1.0, -value]) / sums[1]
