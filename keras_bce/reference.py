"""Textbook losses in float64 NumPy, to check numbers by hand and to draw them.

They are written for reading, not for training: each is a line or two of mathematics, and has no
gradient. Nothing else in the package imports this module.
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
    r"""Binary cross-entropy (log loss), averaged over all elements.

    $$
    \text{loss} = -y \log p - (1 - y) \log (1 - p)
    $$

    y is the label and p the probability. $0 \log 0$ is 0, so that a prediction of 0 or 1 costs
    nothing where it is right, and infinity where it is wrong.

    Args:
        y_true: Labels in [0, 1], a list or an array.
        y_pred: Probabilities in [0, 1], of the same shape.
        per_example: Whether to return the loss of each element, an array, instead of the mean.

    Raises:
        ValueError: for shapes that differ, empty arrays, and numbers outside [0, 1].

    Examples:

    >>> from keras_bce import reference
    >>> print(f"{reference.binary_cross_entropy([0, 1], [0.5, 0.25]):.4f}")
    1.0397

    Reference: Good, 1952, "Rational Decisions", https://doi.org/10.1111/j.2517-6161.1952.tb00104.x.
    """
    y, p = _pair(y_true, y_pred, labels=(0, 1), predictions=(0, 1))
    losses = -(_x_log_y(y, p) + _x_log_y(1 - y, 1 - p))
    return losses if per_example else _mean(losses)


def clipped_binary_cross_entropy(
    y_true: ArrayLike, y_pred: ArrayLike, *, epsilon: float = _EPSILON, per_example: bool = False
) -> float | Array:
    r"""Binary cross-entropy of predictions that are clipped to [epsilon, 1 - epsilon] before.

    $$
    \text{loss} = -y \log q - (1 - y) \log (1 - q), \quad
    q = \min(\max(p, \epsilon), 1 - \epsilon)
    $$

    Args:
        y_true: Labels in [0, 1], a list or an array.
        y_pred: Probabilities in [0, 1], of the same shape.
        epsilon: The least probability.
        per_example: Whether to return the loss of each element, an array, instead of the mean.

    Raises:
        ValueError: for shapes that differ, empty arrays, and numbers outside [0, 1].

    Examples:

    >>> from keras_bce import reference
    >>> print(f"{reference.clipped_binary_cross_entropy([1], [0]):.4f}")
    16.1181
    """
    y, p = _pair(y_true, y_pred, labels=(0, 1), predictions=(0, 1))
    return binary_cross_entropy(y, np.clip(p, epsilon, 1 - epsilon), per_example=per_example)


def tf24_binary_crossentropy(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    r"""What `tf.keras` of TensorFlow 2.4 computed: one number per sample, a float32 array.

    $$
    \text{loss} = -y \log (q + \epsilon) - (1 - y) \log (1 - q + \epsilon), \quad
    q = \min(\max(p, \epsilon), 1 - \epsilon)
    $$

    $\epsilon$ is 1e-7; it is added inside each logarithm, beside the clip. The loss is averaged
    over the last axis. Use it to compare with the digits that TensorFlow 2.4 documents, not for
    anything else.

    Args:
        y_true: Labels in [0, 1], a list or an array.
        y_pred: Probabilities in [0, 1], of the same shape.

    Raises:
        ValueError: for shapes that differ, empty arrays, and numbers outside [0, 1].

    Examples:

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
    r"""Cross-entropy of distributions over classes, the last axis; mean of the rows.

    $$
    \text{loss} = -\sum_k y_k \log p_k
    $$

    Args:
        y_true: The distributions, one-hot or not, rows that sum to 1.
        y_pred: The predicted distributions, of the same shape.
        per_example: Whether to return the loss of each row, an array, instead of the mean.

    Raises:
        ValueError: as `binary_cross_entropy`, and for rows that do not sum to 1.

    Examples:

    >>> from keras_bce import reference
    >>> print(f"{reference.cross_entropy([[0, 1, 0]], [[0.25, 0.5, 0.25]]):.4f}")
    0.6931

    Reference: Good, 1952, "Rational Decisions", https://doi.org/10.1111/j.2517-6161.1952.tb00104.x.
    """
    y, p = _distributions(y_true, y_pred)
    losses = -_x_log_y(y, p).sum(-1)
    return losses if per_example else _mean(losses)


def hinge(y_true: ArrayLike, y_pred: ArrayLike, *, per_example: bool = False) -> float | Array:
    r"""Hinge loss of labels -1 and 1, averaged over all elements.

    $$
    \text{loss} = \max(0, 1 - y z)
    $$

    y is the label and z the score, any number.

    Args:
        y_true: Labels, -1 or 1, a list or an array. For labels 0 and 1 pass `2 * y_true - 1`.
        y_pred: Scores, of the same shape.
        per_example: Whether to return the loss of each element, an array, instead of the mean.

    Raises:
        ValueError: for shapes that differ, empty arrays, NaN, and other labels.

    Examples:

    >>> from keras_bce import reference
    >>> reference.hinge([-1, 1], [0.5, 2.0])
    0.75

    Reference: Cortes and Vapnik, 1995, "Support-Vector Networks",
    https://doi.org/10.1007/BF00994018.
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
    r"""Huber loss, squared for small errors and linear for large ones, averaged over all elements.

    $$
    \text{loss} = d^2 / 2 \text{ where } |d| \le \delta, \text{ else } \delta (|d| - \delta / 2)
    $$

    d is `y_true - y_pred` and $\delta$ is `delta`.

    Args:
        y_true: Numbers, a list or an array.
        y_pred: Predictions, of the same shape.
        delta: Where the loss becomes linear, greater than 0.
        per_example: Whether to return the loss of each element, an array, instead of the mean.

    Raises:
        ValueError: for shapes that differ, empty arrays, NaN, and a `delta` that is not positive.

    Examples:

    >>> from keras_bce import reference
    >>> reference.huber([0, 0], [1.0, 3.0])
    1.5

    Reference: Huber, 1964, "Robust Estimation of a Location Parameter",
    https://doi.org/10.1214/aoms/1177703732.
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
    r"""Kullback-Leibler divergence of distributions over classes, the last axis; mean of the rows.

    $$
    \text{loss} = \sum_k y_k \log \frac{y_k}{p_k}
    $$

    It is `cross_entropy` minus the entropy of `y_true`: 0 where both distributions are equal.

    Args:
        y_true: The distributions, one-hot or not, rows that sum to 1.
        y_pred: The predicted distributions, of the same shape.
        per_example: Whether to return the loss of each row, an array, instead of the mean.

    Raises:
        ValueError: as `binary_cross_entropy`, and for rows that do not sum to 1.

    Examples:

    >>> from keras_bce import reference
    >>> print(f"{reference.kl_divergence([[0.5, 0.5]], [[0.25, 0.75]]):.4f}")
    0.1438

    Reference: Kullback and Leibler, 1951, "On Information and Sufficiency",
    https://doi.org/10.1214/aoms/1177729694.
    """
    y, p = _distributions(y_true, y_pred)
    losses = (_x_log_y(y, y) - _x_log_y(y, p)).sum(-1)
    return losses if per_example else _mean(losses)


def l1(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    r"""Absolute error, summed over all elements.

    $$
    \text{loss} = \sum_i |y_i - \hat{y}_i|
    $$

    y is `y_true`, $\hat{y}$ is `y_pred`.

    Args:
        y_true: Numbers, a list or an array.
        y_pred: Predictions, of the same shape.

    Raises:
        ValueError: for shapes that differ, empty arrays, and NaN.

    Examples:

    >>> from keras_bce import reference
    >>> reference.l1([0, 1], [1.0, 3.0])
    3.0
    """
    y, prediction = _pair(y_true, y_pred)
    return float(np.abs(y - prediction).sum())


def l2(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    r"""Squared error, summed over all elements.

    $$
    \text{loss} = \sum_i (y_i - \hat{y}_i)^2
    $$

    y is `y_true`, $\hat{y}$ is `y_pred`.

    Args:
        y_true: Numbers, a list or an array.
        y_pred: Predictions, of the same shape.

    Raises:
        ValueError: for shapes that differ, empty arrays, and NaN.

    Examples:

    >>> from keras_bce import reference
    >>> reference.l2([0, 1], [1.0, 3.0])
    5.0
    """
    y, prediction = _pair(y_true, y_pred)
    return float(((y - prediction) ** 2).sum())


def mse(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    r"""Squared error, averaged over all elements.

    $$
    \text{loss} = \frac{1}{n} \sum_{i=1}^n (y_i - \hat{y}_i)^2
    $$

    y is `y_true`, $\hat{y}$ is `y_pred`, and n the number of elements.

    Args:
        y_true: Numbers, a list or an array.
        y_pred: Predictions, of the same shape.

    Raises:
        ValueError: for shapes that differ, empty arrays, and NaN.

    Examples:

    >>> from keras_bce import reference
    >>> reference.mse([0, 1], [1.0, 3.0])
    2.5
    """
    y, prediction = _pair(y_true, y_pred)
    return _mean((y - prediction) ** 2)


def mse_derivative(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    r"""The derivative of `mse` with respect to each prediction, a float64 array.

    $$
    \frac{\partial \, \text{mse}}{\partial \hat{y}_i} = \frac{2}{n} (\hat{y}_i - y_i)
    $$

    y is `y_true`, $\hat{y}$ is `y_pred`, and n the number of elements.

    Args:
        y_true: Numbers, a list or an array.
        y_pred: Predictions, of the same shape.

    Raises:
        ValueError: for shapes that differ, empty arrays, and NaN.

    Examples:

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
