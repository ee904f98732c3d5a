"""Arguments for imbalanced data, computed from the labels."""

import numpy as np

from keras_bce import _arguments, _faults, checks
from keras_bce._typing import ArrayLike

__all__ = ["balanced_pos_weight"]


def __dir__() -> list[str]:
    return sorted(__all__)


def balanced_pos_weight(
    y_true: ArrayLike, *, ignore_class: float | None = None
) -> float | list[float]:
    """The `pos_weight` with which positives and negatives weigh the same: negatives / positives.

    Args:
        y_true: Labels in [0, 1], of shape `(samples,)` or `(samples, 1)` for one label, and
            `(..., labels)` for several. A soft label of 0.25 counts as a quarter of a positive
            and three quarters of a negative.
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
    """
    checks.check_inputs(y_true, ignore_class=ignore_class)
    labels = _faults.on_host(y_true, "y_true").astype("float64")
    labels = labels.reshape(-1, 1) if labels.ndim < 2 else labels.reshape(-1, labels.shape[-1])
    present = ~_faults.missing(labels, _arguments.ignore_class(ignore_class))
    positives = np.where(present, labels, 0.0).sum(0)
    if not np.all(positives > 0):
        none = [int(i) for i in np.flatnonzero(positives == 0)]
        raise ValueError(
            "`y_true` must hold positives of every label: without any, no weight balances it. "
            f"Received: no positives in column{'s' if len(none) > 1 else ''} "
            f"{', '.join(map(str, none))} of y_true, shape {labels.shape}. Leave such a label out, "
            "or set its weight by hand."
        )
    weights = (present.sum(0) - positives) / positives
    by_label = [float(weight) for weight in weights]
    return by_label[0] if len(by_label) == 1 else by_label
