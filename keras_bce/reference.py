"""Textbook losses in float64 NumPy, to check numbers by hand and to draw them.

They are written for reading, not for training: each is a line or two of mathematics, and has no
gradient. Nothing else in the package imports this module. Every function takes `y_true` and
`y_pred`, lists or arrays of one shape, and says what it averages or sums over.
"""

import numpy as np

from keras_bce._typing import Array, ArrayLike

__all__ = [
    "binary_cross_entropy",
    "clipped_binary_cross_entropy",
    "cross_entropy",
    "hinge",
    "huber",
    "kl_divergence",
    "l1",
    "l2",
    "mse",
    "mse_derivative",
    "tf24_binary_crossentropy",
]


def __dir__() -> list[str]:
    return sorted(__all__)


_EPSILON = 1e-7


def binary_cross_entropy(
    y_true: ArrayLike, y_pred: ArrayLike, *, per_example: bool = False
) -> float | Array:
    """`-(y_true * log(y_pred) + (1 - y_true) * log(1 - y_pred))`, averaged over all elements.

    `0 * log(0)` is 0, so that a prediction of 0 or 1 costs nothing where it is right, and
    infinity where it is wrong.

    Args:
        y_true: Labels in [0, 1].
        y_pred: Probabilities in [0, 1].
        per_example: Whether to return the loss of each element, an array, instead of their mean.

    Raises:
        ValueError: for unequal shapes, and for labels or predictions outside [0, 1].

    >>> from keras_bce import reference
    >>> print(f"{reference.binary_cross_entropy([0, 1], [0.5, 0.25]):.4f}")
    1.0397
    """
    y, p = _pair(y_true, y_pred, labels=(0, 1), predictions=(0, 1))
    losses = -(_x_log_y(y, p) + _x_log_y(1 - y, 1 - p))
    return losses if per_example else _mean(losses)


def clipped_binary_cross_entropy(
    y_true: ArrayLike, y_pred: ArrayLike, *, epsilon: float = _EPSILON, per_example: bool = False
) -> float | Array:
    """`binary_cross_entropy` of predictions that are clipped to [epsilon, 1 - epsilon] before.

    >>> from keras_bce import reference
    >>> print(f"{reference.clipped_binary_cross_entropy([1], [0]):.4f}")
    16.1181
    """
    y, p = _pair(y_true, y_pred, labels=(0, 1), predictions=(0, 1))
    return binary_cross_entropy(y, np.clip(p, epsilon, 1 - epsilon), per_example=per_example)


def tf24_binary_crossentropy(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """What `tf.keras` of TensorFlow 2.4 computed, in float32: one number per sample.

    It clips predictions to [1e-7, 1 - 1e-7], adds 1e-7 inside each logarithm as well, and
    averages over the last axis.

    >>> from keras_bce import reference
    >>> reference.tf24_binary_crossentropy([[0, 1]], [[0.6, 0.4]])
    array([0.9162905], dtype=float32)
    """
    y, p = _pair(y_true, y_pred, labels=(0, 1), predictions=(0, 1))
    y, p = y.astype("float32"), p.astype("float32")
    one, epsilon = np.float32(1), np.float32(_EPSILON)
    p = np.clip(p, epsilon, one - epsilon)
    log_likelihood = y * np.log(p + epsilon)
    log_likelihood += (one - y) * np.log(one - p + epsilon)
    losses: Array = np.mean(-log_likelihood, axis=-1, dtype="float32")
    return losses


def cross_entropy(
    y_true: ArrayLike, y_pred: ArrayLike, *, per_example: bool = False
) -> float | Array:
    """`-sum(y_true * log(y_pred))` over the last axis, that of the classes; the mean of the rest.

    Each row of `y_true`, one-hot or a distribution, and each row of `y_pred` must sum to 1.

    >>> from keras_bce import reference
    >>> print(f"{reference.cross_entropy([[0, 1, 0]], [[0.25, 0.5, 0.25]]):.4f}")
    0.6931
    """
    y, p = _distributions(y_true, y_pred)
    losses = -_x_log_y(y, p).sum(-1)
    return losses if per_example else _mean(losses)


def hinge(y_true: ArrayLike, y_pred: ArrayLike, *, per_example: bool = False) -> float | Array:
    """`max(0, 1 - y_true * y_pred)` for labels -1 and 1 and any scores, averaged over all elements.

    >>> from keras_bce import reference
    >>> reference.hinge([-1, 1], [0.5, 2.0])
    0.75
    """
    y, score = _pair(y_true, y_pred)
    if not np.all(np.abs(y) == 1):
        raise ValueError(
            f"`y_true` must hold -1 and 1. Received: y_true={y.tolist()!r:.60}. "
            "For labels 0 and 1 pass `2 * y_true - 1`."
        )
    losses = np.maximum(0, 1 - y * score)
    return losses if per_example else _mean(losses)


def huber(
    y_true: ArrayLike, y_pred: ArrayLike, *, delta: float = 1.0, per_example: bool = False
) -> float | Array:
    """`d**2 / 2` where `|d| <= delta`, else `delta * (|d| - delta / 2)`; the mean of all elements.

    `d` is `y_true - y_pred`.

    >>> from keras_bce import reference
    >>> reference.huber([0, 0], [1.0, 3.0])
    1.5
    """
    if not delta > 0:
        raise ValueError(f"`delta` must be greater than 0. Received: delta={delta!r}.")
    y, prediction = _pair(y_true, y_pred)
    distance = np.abs(y - prediction)
    losses = np.where(distance <= delta, distance**2 / 2, delta * (distance - delta / 2))
    return losses if per_example else _mean(losses)


def kl_divergence(
    y_true: ArrayLike, y_pred: ArrayLike, *, per_example: bool = False
) -> float | Array:
    """`sum(y_true * log(y_true / y_pred))` over the last axis, that of the classes; then the mean.

    Each row of `y_true` and of `y_pred` must sum to 1.

    >>> from keras_bce import reference
    >>> print(f"{reference.kl_divergence([[0.5, 0.5]], [[0.25, 0.75]]):.4f}")
    0.1438
    """
    y, p = _distributions(y_true, y_pred)
    losses = (_x_log_y(y, y) - _x_log_y(y, p)).sum(-1)
    return losses if per_example else _mean(losses)


def l1(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """`|y_true - y_pred|`, summed over all elements.

    >>> from keras_bce import reference
    >>> reference.l1([0, 1], [1.0, 3.0])
    3.0
    """
    y, prediction = _pair(y_true, y_pred)
    return float(np.abs(y - prediction).sum())


def l2(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """`(y_true - y_pred)**2`, summed over all elements.

    >>> from keras_bce import reference
    >>> reference.l2([0, 1], [1.0, 3.0])
    5.0
    """
    y, prediction = _pair(y_true, y_pred)
    return float(((y - prediction) ** 2).sum())


def mse(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """`(y_true - y_pred)**2`, averaged over all elements.

    >>> from keras_bce import reference
    >>> reference.mse([0, 1], [1.0, 3.0])
    2.5
    """
    y, prediction = _pair(y_true, y_pred)
    return _mean((y - prediction) ** 2)


def mse_derivative(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """The derivative of `mse` with respect to each prediction: `2 * (y_pred - y_true) / n`.

    `n` is the number of elements.

    >>> from keras_bce import reference
    >>> reference.mse_derivative([0, 1], [1.0, 3.0])
    array([1., 2.])
    """
    y, prediction = _pair(y_true, y_pred)
    return 2 * (prediction - y) / y.size


_ANY_NUMBER = (-np.inf, np.inf)


def _pair(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    labels: tuple[float, float] = _ANY_NUMBER,
    predictions: tuple[float, float] = _ANY_NUMBER,
) -> tuple[Array, Array]:
    """Both as float64 arrays of one shape, with values between the limits."""
    y, p = np.asarray(y_true, "float64"), np.asarray(y_pred, "float64")
    if y.shape != p.shape or y.size == 0:
        raise ValueError(
            "`y_true` and `y_pred` must have the same shape, and not be empty. Received: "
            f"y_true.shape={y.shape}, y_pred.shape={p.shape}."
        )
    for name, values, (low, high) in (("y_true", y, labels), ("y_pred", p, predictions)):
        wrong = values[~((values >= low) & (values <= high))]
        if wrong.size:
            allowed = f"in [{low}, {high}]" if np.isfinite(high) else "numbers, not NaN"
            raise ValueError(
                f"`{name}` must be {allowed}. Received: {wrong.size} of {values.size} that are "
                f"not, the first {name}={wrong[0]}."
            )
    return y, p


def _distributions(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
    """Both as arrays whose rows are probabilities that sum to 1."""
    y, p = _pair(y_true, y_pred, labels=(0, 1), predictions=(0, 1))
    for name, values in (("y_true", y), ("y_pred", p)):
        sums = np.atleast_1d(values.sum(-1)).ravel()
        wrong = sums[np.abs(sums - 1) > 1e-6]
        if wrong.size:
            raise ValueError(
                f"`{name}` must sum to 1 over its last axis. Received: a sum of {wrong[0]}. "
                f"Divide by `{name}.sum(-1, keepdims=True)`."
            )
    return y, p


def _x_log_y(x: Array, y: Array) -> Array:
    """`x * log(y)`, and 0 where `x` is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(x == 0, 0.0, x * np.log(y))


def _mean(losses: Array) -> float:
    return float(losses.mean())
