"""The textbook, slowly and exactly: what the tests compare with. Never imports the package.

Losses of one prediction in mpmath, 60 digits; the weighting of a batch in plain
Python loops over float64.
"""

import math

import mpmath
import numpy as np

mpmath.mp.dps = 60

EPSILON = 1e-7
#: The ceilings that Keras's clip puts on both logarithms: of 1e-7, and of 1 - fl(1 - 1e-7).
P_FLOOR = mpmath.mpf(EPSILON)
Q_FLOOR = mpmath.mpf(1) - mpmath.mpf(float(np.float32(1 - EPSILON)))


def sigmoid(x):
    return 1 / (1 + mpmath.exp(-mpmath.mpf(x)))


def likelihoods(prediction, from_logits):
    """p, 1 - p and their logarithms."""
    if from_logits:
        x = mpmath.mpf(prediction)
        p, q = sigmoid(x), sigmoid(-x)
        return p, q, mpmath.log(p), mpmath.log(q)
    p = min(max(mpmath.mpf(prediction), mpmath.mpf(0)), mpmath.mpf(1))
    q = 1 - p
    log_p = mpmath.log(max(p, P_FLOOR))
    log_q = mpmath.log(max(q, Q_FLOOR))
    return p, q, log_p, log_q


def crossentropy(y, prediction, *, from_logits=False, pos_weight=1.0):
    y = mpmath.mpf(y)
    _, _, log_p, log_q = likelihoods(prediction, from_logits)
    return -(mpmath.mpf(pos_weight) * y * log_p + (1 - y) * log_q)


def crossentropy_slope(y, prediction, *, from_logits=False, pos_weight=1.0, limit=mpmath.inf):
    """d/dx for logits; d/dp without the cut of the clip for probabilities.

    There, neither 1/p nor 1/(1-p) exceeds `limit`.
    """
    y = mpmath.mpf(y)
    p, q, _, _ = likelihoods(prediction, from_logits)
    if from_logits:
        return (1 - y) * p - mpmath.mpf(pos_weight) * y * q
    p, q = max(p, P_FLOOR, 1 / mpmath.mpf(limit)), max(q, Q_FLOOR, 1 / mpmath.mpf(limit))
    return (1 - y) / q - mpmath.mpf(pos_weight) * y / p


def slope_size(y, prediction, *, from_logits=False):
    """What the error of a slope is measured against: the sum of its terms' sizes."""
    y = mpmath.mpf(y)
    p, q, _, _ = likelihoods(prediction, from_logits)
    if from_logits:
        return (1 - y) * p + y * q
    return (1 - y) / max(q, Q_FLOOR) + y / max(p, P_FLOOR)


def focal(y, prediction, *, from_logits=False, pos_weight=1.0, gamma=2.0, alpha=None):
    y = mpmath.mpf(y)
    p, q, _, _ = likelihoods(prediction, from_logits)
    wrong = max(y * q + (1 - y) * p, mpmath.mpf(0))  # Labels may overshoot [0, 1].
    factor = wrong**gamma if gamma else 1
    balance = 1 if alpha is None else alpha * y + (1 - alpha) * (1 - y)
    plain = crossentropy(y, prediction, from_logits=from_logits, pos_weight=pos_weight)
    return balance * factor * plain


def asymmetric(
    y, prediction, *, from_logits=False, pos_weight=1.0, gamma_pos=0.0, gamma_neg=4.0, clip=0.05
):
    y = mpmath.mpf(y)
    p, q, log_p, log_q = likelihoods(prediction, from_logits)
    m = max(p - mpmath.mpf(clip), mpmath.mpf(0))
    log_rest = mpmath.log(1 - m) if clip else log_q
    positive = (q**gamma_pos if gamma_pos else 1) * -log_p
    negative = (m**gamma_neg if gamma_neg else 1) * -log_rest
    return mpmath.mpf(pos_weight) * y * positive + (1 - y) * negative


def derivative(loss, y, prediction, **arguments):
    """By a central difference that 60 digits can afford."""
    h = mpmath.mpf(10) ** -20
    x = mpmath.mpf(prediction)
    return (loss(y, x + h, **arguments) - loss(y, x - h, **arguments)) / (2 * h)


def smoothed(y, smoothing):
    return y * (1 - smoothing) + smoothing / 2


def per_sample(losses, weights=None, present=None):
    """Numerator and weight of each row of (N, L) losses, and whether it counts."""
    numerators, sample_weights, counted = [], [], []
    for i, row in enumerate(losses):
        columns = [j for j in range(len(row)) if present is None or present[i][j]]
        size = max(len(columns), 1)
        weight = [1.0 if weights is None else float(weights[i][j]) for j in columns]
        terms = [w * float(row[j]) for w, j in zip(weight, columns, strict=True) if w != 0]
        numerators.append(math.fsum(terms) / size)
        sample_weights.append(math.fsum(weight) / size)
        counted.append(bool(columns))
    return np.array(numerators), np.array(sample_weights), np.array(counted)


def reduced(numerators, weights, counted, reduction):
    """One number of a batch; "metric" is the weighted mean."""
    if reduction in (None, "none"):
        return numerators
    total = math.fsum(numerators)
    if reduction == "sum":
        return total
    if reduction in ("mean_with_sample_weight", "metric"):
        size = math.fsum(weights[counted])
    else:
        size = int(counted.sum())
    return total / size if size else 0.0


def elementwise(loss, labels, predictions, **arguments):
    """`loss` of each pair, as float64."""
    flat = zip(np.ravel(labels), np.ravel(predictions), strict=True)
    values = [float(loss(float(y), float(x), **arguments)) for y, x in flat]
    return np.reshape(values, np.shape(labels))
