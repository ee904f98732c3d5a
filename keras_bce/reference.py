"""Textbook losses in float64 NumPy, to check numbers by hand and to draw them.

Written for reading, not for training: one line of mathematics each, no
gradients. Nothing in the package imports this module. Every function takes
`y_true, y_pred` of one shape, lists or arrays, and says what it averages or
sums over.
"""

import numpy as np

_EPSILON = 1e-7


def binary_cross_entropy(y_true, y_pred, *, per_example=False):
    """`-(y_true * log(y_pred) + (1 - y_true) * log(1 - y_pred))`, averaged over all elements.

    With `per_example=True` nothing is averaged. `0 * log(0)` is 0, so that a
    prediction of 0 or 1 costs nothing where it is right, and infinity where it is wrong.

    Raises:
        ValueError: for unequal shapes, and for labels or predictions outside [0, 1].

    >>> from keras_bce import reference
    >>> print(f"{reference.binary_cross_entropy([0, 1], [0.5, 0.25]):.4f}")
    1.0397
    """
    y_true, y_pred = _pair(y_true, y_pred, labels=(0, 1), predictions=(0, 1))
    losses = -(_x_log_y(y_true, y_pred) + _x_log_y(1 - y_true, 1 - y_pred))
    return losses if per_example else _mean(losses)


def clipped_binary_cross_entropy(y_true, y_pred, *, epsilon=_EPSILON, per_example=False):
    """`binary_cross_entropy` of predictions clipped to [epsilon, 1 - epsilon]; its mean.

    >>> from keras_bce import reference
    >>> print(f"{reference.clipped_binary_cross_entropy([1], [0]):.4f}")
    16.1181
    """
    y_true, y_pred = _pair(y_true, y_pred, labels=(0, 1), predictions=(0, 1))
    y_pred = np.clip(y_pred, epsilon, 1 - epsilon)
    return binary_cross_entropy(y_true, y_pred, per_example=per_example)


def tf24_binary_crossentropy(y_true, y_pred):
    """What `tf.keras` of TensorFlow 2.4 computed: float32, epsilon inside each logarithm.

    Predictions are clipped to [1e-7, 1 - 1e-7] as well. The mean over the last axis: one
    number per sample.

    >>> from keras_bce import reference
    >>> reference.tf24_binary_crossentropy([[0, 1]], [[0.6, 0.4]])
    array([0.9162905], dtype=float32)
    """
    y_true, y_pred = _pair(y_true, y_pred, labels=(0, 1), predictions=(0, 1))
    y_true, y_pred = y_true.astype("float32"), y_pred.astype("float32")
    one, epsilon = np.float32(1), np.float32(_EPSILON)
    y_pred = np.clip(y_pred, epsilon, one - epsilon)
    log_likelihood = y_true * np.log(y_pred + epsilon)
    log_likelihood += (one - y_true) * np.log(one - y_pred + epsilon)
    return np.mean(-log_likelihood, axis=-1, dtype="float32")


def cross_entropy(y_true, y_pred, *, per_example=False):
    """`-sum(y_true * log(y_pred))` over the last axis, of M classes; averaged over the rest.

    `y_true` is one-hot, or a distribution; the rows of both must sum to 1.

    >>> from keras_bce import reference
    >>> print(f"{reference.cross_entropy([[0, 1, 0]], [[0.25, 0.5, 0.25]]):.4f}")
    0.6931
    """
    y_true, y_pred = _distributions(y_true, y_pred)
    losses = -_x_log_y(y_true, y_pred).sum(-1)
    return losses if per_example else _mean(losses)


def hinge(y_true, y_pred, *, per_example=False):
    """`max(0, 1 - y_true * y_pred)` for labels -1 and 1 and any scores, averaged over all elements.

    >>> from keras_bce import reference
    >>> reference.hinge([-1, 1], [0.5, 2.0])
    0.75
    """
    y_true, y_pred = _pair(y_true, y_pred)
    if not np.all(np.abs(y_true) == 1):
        raise ValueError(
            f"`y_true` must hold -1 and 1. Received: y_true={y_true.tolist()!r:.60}. "
            "For labels 0 and 1 pass `2 * y_true - 1`."
        )
    losses = np.maximum(0, 1 - y_true * y_pred)
    return losses if per_example else _mean(losses)


def huber(y_true, y_pred, *, delta=1.0, per_example=False):
    """`d**2 / 2` where `|d| <= delta`, else `delta * (|d| - delta / 2)`; the mean of all elements.

    `d = y_true - y_pred`.

    >>> from keras_bce import reference
    >>> reference.huber([0, 0], [1.0, 3.0])
    1.5
    """
    if not delta > 0:
        raise ValueError(f"`delta` must be greater than 0. Received: delta={delta!r}.")
    y_true, y_pred = _pair(y_true, y_pred)
    distance = np.abs(y_true - y_pred)
    losses = np.where(distance <= delta, distance**2 / 2, delta * (distance - delta / 2))
    return losses if per_example else _mean(losses)


def kl_divergence(y_true, y_pred, *, per_example=False):
    """`sum(y_true * log(y_true / y_pred))` over the last axis, of M classes; the mean of the rest.

    >>> from keras_bce import reference
    >>> print(f"{reference.kl_divergence([[0.5, 0.5]], [[0.25, 0.75]]):.4f}")
    0.1438
    """
    y_true, y_pred = _distributions(y_true, y_pred)
    losses = (_x_log_y(y_true, y_true) - _x_log_y(y_true, y_pred)).sum(-1)
    return losses if per_example else _mean(losses)


def l1(y_true, y_pred):
    """`|y_true - y_pred|`, summed over all elements.

    >>> from keras_bce import reference
    >>> reference.l1([0, 1], [1.0, 3.0])
    3.0
    """
    y_true, y_pred = _pair(y_true, y_pred)
    return float(np.abs(y_true - y_pred).sum())


def l2(y_true, y_pred):
    """`(y_true - y_pred)**2`, summed over all elements.

    >>> from keras_bce import reference
    >>> reference.l2([0, 1], [1.0, 3.0])
    5.0
    """
    y_true, y_pred = _pair(y_true, y_pred)
    return float(((y_true - y_pred) ** 2).sum())


def mse(y_true, y_pred):
    """`(y_true - y_pred)**2`, averaged over all elements.

    >>> from keras_bce import reference
    >>> reference.mse([0, 1], [1.0, 3.0])
    2.5
    """
    y_true, y_pred = _pair(y_true, y_pred)
    return _mean((y_true - y_pred) ** 2)


def mse_derivative(y_true, y_pred):
    """The derivative of `mse` with respect to each prediction: `2 * (y_pred - y_true) / n`.

    >>> from keras_bce import reference
    >>> reference.mse_derivative([0, 1], [1.0, 3.0])
    array([1., 2.])
    """
    y_true, y_pred = _pair(y_true, y_pred)
    return 2 * (y_pred - y_true) / y_true.size


def _pair(y_true, y_pred, labels=(-np.inf, np.inf), predictions=(-np.inf, np.inf)):
    y_true, y_pred = np.asarray(y_true, "float64"), np.asarray(y_pred, "float64")
    if y_true.shape != y_pred.shape or y_true.size == 0:
        raise ValueError(
            "`y_true` and `y_pred` must have the same shape, and not be empty. Received: "
            f"y_true.shape={y_true.shape}, y_pred.shape={y_pred.shape}."
        )
    for name, values, (low, high) in (("y_true", y_true, labels), ("y_pred", y_pred, predictions)):
        wrong = values[~((values >= low) & (values <= high))]
        if wrong.size:
            allowed = f"in [{low}, {high}]" if np.isfinite(high) else "numbers, not NaN"
            raise ValueError(
                f"`{name}` must be {allowed}. Received: {wrong.size} of {values.size} that are "
                f"not, the first {name}={wrong[0]}."
            )
    return y_true, y_pred


def _distributions(y_true, y_pred):
    y_true, y_pred = _pair(y_true, y_pred, labels=(0, 1), predictions=(0, 1))
    for name, values in (("y_true", y_true), ("y_pred", y_pred)):
        sums = np.atleast_1d(values.sum(-1)).ravel()
        wrong = sums[np.abs(sums - 1) > 1e-6]
        if wrong.size:
            raise ValueError(
                f"`{name}` must sum to 1 over its last axis. Received: a sum of {wrong[0]}. "
                f"Divide by `{name}.sum(-1, keepdims=True)`."
            )
    return y_true, y_pred


def _x_log_y(x, y):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(x == 0, 0.0, x * np.log(y))


def _mean(losses):
    return float(losses.mean())
