"""Arguments for imbalanced data, computed from the labels."""

import numpy as np

from keras_bce import _arguments, _faults, checks
from keras_bce._typing import Array, ArrayLike

__all__ = ["balanced_pos_weight", "base_rate"]


def __dir__() -> list[str]:
    return sorted(__all__)


def balanced_pos_weight(
    y_true: ArrayLike, *, ignore_class: float | None = None
) -> float | list[float]:
    r"""The `pos_weight` with which positives and negatives weigh the same.

    $$
    w_+ = \frac{\sum_i (1 - y_i)}{\sum_i y_i}
    $$

    where the sums are over the labels $y_i$ that are present, of each label by itself.

    Args:
        y_true: Labels in [0, 1], of shape `(samples,)` or `(samples, 1)` for one label, and
            `(..., labels)` for several. A soft label of 0.25 counts as a quarter of a positive and
            three quarters of a negative.
        ignore_class: The label that stands for "missing": a number or NaN.

    Returns:
        A float for one label, a list of one float per label for several.

    Raises:
        ValueError: if a label has no positives, and for impossible labels.

    >>> import keras_bce
    >>> keras_bce.balanced_pos_weight([0, 0, 0, 1])
    3.0
    >>> keras_bce.balanced_pos_weight([[0, 1], [1, 1], [0, 0], [0, -1]], ignore_class=-1)
    [3.0, 0.5]

    With `compile()`:

    ```python
    weight = keras_bce.balanced_pos_weight(y_train)
    loss = keras_bce.losses.BinaryCrossentropy(from_logits=True, pos_weight=weight)
    model.compile("adam", loss=loss)
    ```

    The model's probabilities are then too high: `layers.PriorCorrection` with the
    same `pos_weight` undoes that.
    """
    positives, present = _counts(y_true, ignore_class)
    if not np.all(positives > 0):
        raise ValueError(
            "`y_true` must hold positives of every label: without any, no weight balances it. "
            f"Received: no positives in {_columns(positives == 0)} of y_true, shape "
            f"{np.shape(y_true)}. Leave such a label out, or set its weight by hand."
        )
    return _by_label((present - positives) / positives)


def base_rate(y_true: ArrayLike, *, ignore_class: float | None = None) -> float | list[float]:
    r"""The share of positives: the mean of the labels that are present.

    $$
    r = \frac{1}{n} \sum_i y_i
    $$

    where $y_i$ are the $n$ labels that are present, of each label by itself. A model that predicts
    $r$ for everything has the loss that a useful one must beat.

    Args:
        y_true: Labels in [0, 1], of shape `(samples,)` or `(samples, 1)` for one label, and
            `(..., labels)` for several.
        ignore_class: The label that stands for "missing": a number or NaN.

    Returns:
        A float for one label, a list of one float per label for several.

    Raises:
        ValueError: if all labels of a column are missing, and for impossible labels.

    >>> import keras_bce
    >>> keras_bce.base_rate([0, 0, 0, 1])
    0.25
    >>> keras_bce.base_rate([[0, 1], [1, 1], [0, 0], [0, -1]], ignore_class=-1)
    [0.25, 0.6666666666666666]

    In a model that starts there:

    ```python
    rate = keras_bce.base_rate(y_train)
    keras.layers.Dense(1, bias_initializer=keras_bce.initializers.LogOdds(rate))
    ```
    """
    positives, present = _counts(y_true, ignore_class)
    if not np.all(present > 0):
        raise ValueError(
            "`y_true` must hold labels of every column: without any, it has no base rate. "
            f"Received: no labels in {_columns(present == 0)} of y_true, shape "
            f"{np.shape(y_true)}. Leave such a column out."
        )
    return _by_label(positives / present)


def _counts(y_true: ArrayLike, ignore_class: float | None) -> tuple[Array, Array]:
    """The positives and the labels that are present, of each label."""
    checks.check_inputs(y_true, ignore_class=ignore_class)
    labels = _faults.on_host(y_true, "y_true").astype("float64")
    labels = labels.reshape(-1, 1) if labels.ndim < 2 else labels.reshape(-1, labels.shape[-1])
    present = ~_faults.missing(labels, _arguments.ignore_class(ignore_class))
    return np.where(present, labels, 0.0).sum(0), present.sum(0)


def _columns(lacking: Array) -> str:
    """The columns in which something is lacking, in words."""
    numbers = [str(i) for i in np.flatnonzero(lacking)]
    return f"column{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}"


def _by_label(values: Array) -> float | list[float]:
    by_label: list[float] = values.tolist()
    return by_label[0] if len(by_label) == 1 else by_label
