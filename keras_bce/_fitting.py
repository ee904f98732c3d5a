"""Fits the recalibration maps, on the host in float64, with SciPy.

A map is fitted to the rows of one label: logits, labels in [0, 1], and weights of mean 1. Where
the cross-entropy has no finite optimum, since the logits separate the labels, Platt's smoothed
targets take the place of the labels; so no parameter is ever infinite.
"""

import itertools
from typing import Any, NamedTuple

import numpy as np

from keras_bce._typing import Array

#: The fewest rows that a map is fitted to.
MIN_ROWS = 10


class Rows(NamedTuple):
    """The rows of one label, float64 arrays of one shape `(rows,)`."""

    logits: Array
    labels: Array
    weights: Array

    @property
    def counts(self) -> tuple[float, float]:
        """The positives and the negatives, by weight."""
        return float(self.weights @ self.labels), float(self.weights @ (1.0 - self.labels))

    def ranges(self) -> tuple[float, float, float, float]:
        """The least and greatest logit of the positives, then those of the negatives."""
        positives = self.logits[self.labels > 0]
        negatives = self.logits[self.labels < 1]
        return positives.min(), positives.max(), negatives.min(), negatives.max()

    def smoothed(self) -> "Rows":
        """With Platt's targets: `(n + 1) / (n + 2)` and `1 / (n + 2)`, n that class's count."""
        high, low = ((n + 1) / (n + 2) for n in self.counts)
        return self._replace(labels=self.labels * high + (1.0 - self.labels) * (1.0 - low))


def usable(logits: Array, labels: Array, weights: Array, place: str = "") -> Rows:
    """The rows that have a weight, if a map can be fitted to them.

    Args:
        logits: Shape `(rows,)`, as the others.
        labels: Labels, which count as 0 or 1 where they are beyond.
        weights: Weights, 0 or greater.
        place: Where these rows are in what the caller passed, for errors.

    Raises:
        ValueError: for too few rows, for rows of one class, and for infinite logits.
    """
    used = weights > 0
    logits, labels, weights = logits[used], np.clip(labels[used], 0.0, 1.0), weights[used]
    if len(logits) < MIN_ROWS:
        raise ValueError(
            f"Recalibration needs {MIN_ROWS} rows or more that have a label and a weight. "
            f"Received: {len(logits)}{place}. Adapt on more rows, which the model was not "
            "trained on."
        )
    for name, none in (("positives", labels.max() == 0), ("negatives", labels.min() == 1)):
        if none:
            raise ValueError(
                f"Recalibration needs rows of both classes. Received: {len(logits)} rows, no "
                f"{name}{place}. Adapt on more rows, or leave such a label out."
            )
    infinite = int(np.isinf(logits).sum())
    if infinite:
        raise ValueError(
            f"`y_pred` must hold finite logits. Received: {infinite} of {len(logits)} "
            f"infinite{place}. Clip them, or give such rows a weight of 0."
        )
    return Rows(logits, labels, weights / weights.mean())


def temperature(rows: Rows) -> float:
    """The `a > 0` of `a z`."""
    # The slope of the loss at 0 has the sign of the optimum.
    if rows.weights @ (rows.logits * (rows.labels - 0.5)) <= 0:
        raise ValueError(
            "A temperature needs logits that are higher for positives than for negatives. "
            "Received: logits for which no temperature beats a probability of 1/2. Look for "
            "labels that are the wrong way round, or use `PlattScaling`, which also shifts."
        )
    low_positive, _, _, high_negative = rows.ranges()
    if low_positive >= 0 >= high_negative:
        rows = rows.smoothed()
    (a,) = _logistic(rows.logits[:, None], rows)
    return float(a)


def platt(rows: Rows) -> Array:
    """The `a, b` of `a z + b`."""
    _check_distinct(rows, 2)
    low_positive, high_positive, low_negative, high_negative = rows.ranges()
    if low_positive >= high_negative or low_negative >= high_positive:
        rows = rows.smoothed()
    return _logistic(np.stack([rows.logits, np.ones_like(rows.logits)], 1), rows)


def beta(rows: Rows) -> Array:
    """The `a, b >= 0` and `c` of `a log s(z) - b log s(-z) + c`."""
    _check_distinct(rows, 3)
    low_positive, _, _, high_negative = rows.ranges()
    if low_positive >= high_negative:
        rows = rows.smoothed()
    z = rows.logits
    columns = [-np.logaddexp(0.0, -z), np.logaddexp(0.0, z), np.ones_like(z)]
    return _logistic(np.stack(columns, 1), rows, not_negative=2)


def isotonic(rows: Rows, size: int) -> Array:
    """The knots of a monotone map from logits to probabilities.

    Between two knots the map is linear, beyond them it is constant. A lowest block of n rows
    without positives counts as having half a positive among n + 1 (the estimator of Krichevsky
    and Trofimov), but no more than the block above it; the highest one likewise.

    Returns:
        Shape `(3, size)`: logits, probabilities, and 1 minus these. The last knot is repeated.
    """
    z, inverse = np.unique(rows.logits, return_inverse=True)
    weight = np.bincount(inverse, rows.weights)
    positive = np.bincount(inverse, rows.weights * rows.labels)
    negative = np.bincount(inverse, rows.weights * (1.0 - rows.labels))
    blocks = _optimize().isotonic_regression(positive / weight, weights=weight).blocks
    starts = blocks[:-1]
    of_block = np.add.reduceat(weight, starts)
    p, q = (np.add.reduceat(sums, starts) / of_block for sums in (positive, negative))
    if p[0] == 0:
        p[0] = min(0.5 / (of_block[0] + 1.0), p[1])
        q[0] = 1.0 - p[0]
    if q[-1] == 0:
        q[-1] = min(0.5 / (of_block[-1] + 1.0), q[-2])
        p[-1] = 1.0 - q[-1]
    # A block is flat from its first logit to its last.
    ends = np.unique(np.concatenate([starts, blocks[1:] - 1]))
    block = np.searchsorted(starts, ends, side="right") - 1
    knots = np.stack([z[ends], p[block], q[block]])
    share = np.cumsum(weight)[ends] / weight.sum()
    kept = _kept((share + knots[1]) / (share[-1] + knots[1, -1]), size)
    return np.pad(knots[:, kept], ((0, 0), (0, size - len(kept))), mode="edge")


def _kept(position: Array, size: int) -> Array:
    """The indices of at most `size` knots, by their increasing positions in [0, 1].

    Of each of `size / 2` intervals the first and the last are kept, so that the map moves by less
    than an interval where knots are left out.
    """
    if len(position) <= size:
        return np.arange(len(position))
    interval = np.minimum((position * (size // 2)).astype(int), size // 2 - 1)
    changes = np.flatnonzero(np.diff(interval))
    return np.unique(np.concatenate([[0], changes, changes + 1, [len(position) - 1]]))


def _check_distinct(rows: Rows, least: int) -> None:
    count = len(np.unique(rows.logits))
    if count < least:
        raise ValueError(
            f"Fitting {least} parameters needs {least} different predictions or more. Received: "
            f"{count}. Use a method with fewer parameters, or look at why the predictions are "
            "equal."
        )


def _logistic(features: Array, rows: Rows, not_negative: int = 0) -> Array:
    """The coefficients with the least weighted cross-entropy of `features @ coefficients`.

    Args:
        features: Shape `(rows, k)`, of rank k.
        rows: The rows; their logits are not used.
        not_negative: How many coefficients, the first ones, must be 0 or greater.
    """
    k = features.shape[1]
    best = np.zeros(k)
    least = np.inf
    # The optimum lies where some of the bounded coefficients are 0 and the others are free.
    for zeros in itertools.product((False, True), repeat=not_negative):
        free = ~np.array([*zeros, *[False] * (k - not_negative)])
        coefficients, loss = np.zeros(k), np.inf
        coefficients[free], loss = _newton(features[:, free], rows)
        if np.all(coefficients[:not_negative] >= 0):
            if not any(zeros):  # Nothing is lower than the optimum without bounds.
                return coefficients
            if loss < least:
                best, least = coefficients, loss
    return best


def _newton(features: Array, rows: Rows) -> tuple[Array, float]:
    """The coefficients without bounds, and the loss there."""
    share = rows.weights / rows.weights.sum()
    # Orthonormal features, so that the curvature is the same in all directions.
    _, mix = np.linalg.qr(np.sqrt(share)[:, None] * features)
    features = np.linalg.solve(mix.T, features.T).T

    def loss_and_slope(x: Array) -> tuple[float, Array]:
        margin = features @ x
        loss = share @ (np.logaddexp(0.0, margin) - rows.labels * margin)
        return float(loss), features.T @ (share * (_sigmoid(margin) - rows.labels))

    def curvature(x: Array) -> Array:
        p = _sigmoid(features @ x)
        hessian: Array = features.T @ (features * (share * p * (1.0 - p))[:, None])
        return hessian

    found = _optimize().minimize(
        loss_and_slope,
        np.zeros(features.shape[1]),
        jac=True,
        hess=curvature,
        method="trust-exact",
        options={"gtol": 1e-10, "maxiter": 200},
    )
    return np.linalg.solve(mix, found.x), float(found.fun)


def _sigmoid(x: Array) -> Array:
    p: Array = np.exp(-np.logaddexp(0.0, -x))
    return p


def _optimize() -> Any:
    try:
        from scipy import optimize
    except ImportError as error:
        raise ImportError(
            "Recalibration layers are fitted with SciPy 1.12 or later, which is not installed. "
            'Install the extra: `pip install "keras_bce[calibration]"`.'
        ) from error
    return optimize
