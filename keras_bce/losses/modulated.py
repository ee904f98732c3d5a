"""Losses that count less where a prediction is right already: focal and asymmetric."""

from typing import Any

from keras_bce import _arguments
from keras_bce._arguments import Arguments
from keras_bce._loss import PointwiseLoss
from keras_bce._modulated import AsymmetricCrossentropy, FocalCrossentropy
from keras_bce._pointwise import Crossentropy, Pointwise
from keras_bce._typing import ArrayLike, LabelFactors, Reduction, Tensor
from keras_bce.losses._shared import register


@register
class BinaryFocalCrossentropy(PointwiseLoss):
    r"""Focal loss: cross-entropy that counts less where a prediction is right already.

    For a label $y$ and a prediction $p$:

    $$
    \ell = -w \, \alpha_t \, (1 - p_t)^{\gamma}
    \, [\, w_+ \, y \, \log(p) + (1 - y) \log(1 - p) \,]
    $$

    where $p_t = y p + (1 - y)(1 - p)$ is the probability of what is true,
    $\alpha_t = \alpha y + (1 - \alpha)(1 - y)$ with `apply_class_balancing` and 1 without, and $p$,
    $w$ and $w_+$ are those of `BinaryCrossentropy`, as are the reductions, the call's arguments and
    their shapes, and what happens to impossible values. From logits it is exact, with a finite
    gradient, for every logit and every $\gamma$.

    The probabilities of a model that is trained with it are not calibrated: see
    `keras_bce.recalibrate`.

    Args:
        apply_class_balancing: Whether to weigh the classes by `alpha`.
        alpha: The weight of positives, in [0, 1]; negatives get `1 - alpha`.
        gamma: The exponent, 0 or greater; 0 gives cross-entropy.
        from_logits: Whether `y_pred` holds logits rather than probabilities.
        label_smoothing: A number s in [0, 1]: labels become `y * (1 - s) + s / 2`.
        axis: The axis of the labels.
        reduction: How the samples' losses make one number; `None` gives one loss per sample.
        name: The name of the loss.
        dtype: The dtype of the result, by default `keras.config.floatx()`.
        pos_weight: The factor of the positive term, a number or one per label.
        label_weights: The factor of each label's loss, a number or one per label.
        ignore_class: The label that stands for "missing": a number, or NaN.

    Raises:
        ValueError: for an argument outside its range, shapes that do not fit, and impossible values
            on the host.

    Examples:

    >>> import keras_bce
    >>> focal = keras_bce.losses.BinaryFocalCrossentropy(gamma=2.0, reduction=None)
    >>> loss = focal([[0, 1], [0, 0]], [[0.6, 0.4], [0.4, 0.6]])
    >>> print([f"{float(sample):.3f}" for sample in loss])
    ['0.330', '0.206']

    With `compile()`:

    ```python
    model.compile("adam", loss=keras_bce.losses.BinaryFocalCrossentropy(from_logits=True))
    ```

    Reference: Lin et al., 2017, "Focal Loss for Dense Object Detection",
    https://arxiv.org/abs/1708.02002.
    """

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "binary_focal_crossentropy",
        dtype: Any = None,
        *,
        pos_weight: LabelFactors = None,
        label_weights: LabelFactors = None,
        ignore_class: float | None = None,
    ) -> None:
        self.apply_class_balancing = bool(apply_class_balancing)
        self.alpha = _arguments.fraction("alpha", alpha)
        self.gamma = _arguments.exponent("gamma", gamma)
        arguments = Arguments(
            from_logits, label_smoothing, axis, pos_weight, label_weights, ignore_class
        )
        loss = FocalCrossentropy(
            self.gamma,
            self.alpha if self.apply_class_balancing else None,
            smoothing=arguments.label_smoothing or None,
        )
        super().__init__(loss, arguments, reduction, name, dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments, from which `from_config` makes an equal object."""
        return {
            **super().get_config(),
            "apply_class_balancing": self.apply_class_balancing,
            "alpha": self.alpha,
            "gamma": self.gamma,
        }


@register
class AsymmetricBinaryCrossentropy(PointwiseLoss):
    r"""Asymmetric loss for multi-label data, in which nearly all labels are negative.

    For a label $y$ and a prediction $p$:

    $$
    \ell = -w \, [\, w_+ \, y \, (1 - p)^{\gamma_+} \log(p)
    + (1 - y) \, m^{\gamma_-} \log(1 - m) \,]
    $$

    where $m = \max(p - c, 0)$, $\gamma_+$, $\gamma_-$ and $c$ are `gamma_pos`, `gamma_neg` and
    `clip`, and $p$, $w$ and $w_+$ are those of `BinaryCrossentropy`, as are the reductions, the
    call's arguments and their shapes, and what happens to impossible values.

    A negative with a probability below `clip` costs nothing. With both exponents and the clip 0 it
    is cross-entropy. The probabilities of a model that is trained with it are not calibrated; see
    `keras_bce.recalibrate`.

    Args:
        gamma_pos: The exponent of positives, 0 or greater.
        gamma_neg: The exponent of negatives, 0 or greater.
        clip: What is subtracted from the probability of negatives, in [0, 1).
        from_logits: Whether `y_pred` holds logits rather than probabilities.
        label_smoothing: A number s in [0, 1]: labels become `y * (1 - s) + s / 2`.
        axis: The axis of the labels.
        reduction: How the samples' losses make one number; `None` gives one loss per sample.
        name: The name of the loss.
        dtype: The dtype of the result, by default `keras.config.floatx()`.
        pos_weight: The factor of the positive term, a number or one per label.
        label_weights: The factor of each label's loss, a number or one per label.
        ignore_class: The label that stands for "missing": a number, or NaN.

    Raises:
        ValueError: for an argument outside its range, shapes that do not fit, and impossible values
            on the host.

    Examples:

    >>> import keras_bce
    >>> asymmetric = keras_bce.losses.AsymmetricBinaryCrossentropy(gamma_neg=2.0, reduction=None)
    >>> loss = asymmetric([[0], [1], [0]], [[0.04], [0.3], [0.9]])
    >>> print([f"{float(sample):.3f}" for sample in loss])
    ['0.000', '1.204', '1.371']

    With `compile()`:

    ```python
    model.compile("adam", loss=keras_bce.losses.AsymmetricBinaryCrossentropy(from_logits=True))
    ```

    Reference: Ben-Baruch et al., 2020, "Asymmetric Loss For Multi-Label Classification",
    https://arxiv.org/abs/2009.14119.
    """

    def __init__(
        self,
        gamma_pos: float = 0.0,
        gamma_neg: float = 4.0,
        clip: float = 0.05,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "asymmetric_binary_crossentropy",
        dtype: Any = None,
        *,
        pos_weight: LabelFactors = None,
        label_weights: LabelFactors = None,
        ignore_class: float | None = None,
    ) -> None:
        self.gamma_pos = _arguments.exponent("gamma_pos", gamma_pos)
        self.gamma_neg = _arguments.exponent("gamma_neg", gamma_neg)
        self.clip = _arguments.clip(clip)
        arguments = Arguments(
            from_logits, label_smoothing, axis, pos_weight, label_weights, ignore_class
        )
        smoothing = arguments.label_smoothing or None
        loss: Pointwise = Crossentropy(smoothing=smoothing)
        # With all three 0 it is cross-entropy, to the last digit.
        if self.gamma_pos or self.gamma_neg or self.clip:
            loss = AsymmetricCrossentropy(
                self.gamma_pos, self.gamma_neg, self.clip, smoothing=smoothing
            )
        super().__init__(loss, arguments, reduction, name, dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments, from which `from_config` makes an equal object."""
        return {
            **super().get_config(),
            "gamma_pos": self.gamma_pos,
            "gamma_neg": self.gamma_neg,
            "clip": self.clip,
        }


@register
def binary_focal_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
    *,
    pos_weight: LabelFactors = None,
    label_weights: LabelFactors = None,
    ignore_class: float | None = None,
) -> Tensor:
    r"""The focal loss of each sample: the mean over `axis`, unweighted.

    $$
    \ell_i = -\frac{1}{|P_i|} \sum_{j \in P_i} w_j \, \alpha_t \, (1 - p_t)^{\gamma}
    \, [\, w_+ \, y \, \log(p) + (1 - y) \log(1 - p) \,]
    $$

    where $P_i$ are the labels of sample $i$ that are not missing, and all else is as in
    `BinaryFocalCrossentropy`.

    Args:
        y_true: Labels in [0, 1], `(batch, ..., labels)`.
        y_pred: Predictions of the same shape. A pair of shape `(n,)` is one sample of n labels.
        apply_class_balancing: Whether to weigh the classes by `alpha`.
        alpha: The weight of positives, in [0, 1]; negatives get `1 - alpha`.
        gamma: The exponent, 0 or greater; 0 gives cross-entropy.
        from_logits: Whether `y_pred` holds logits rather than probabilities.
        label_smoothing: A number s in [0, 1]: labels become `y * (1 - s) + s / 2`.
        axis: The axis of the labels.
        pos_weight: The factor of the positive term, a number or one per label.
        label_weights: The factor of each label's loss, a number or one per label.
        ignore_class: The label that stands for "missing": a number, or NaN.

    Returns:
        A tensor of the shape of `y_pred` without `axis`. Its dtype is that of `y_pred`, or
        `keras.config.floatx()` if that is not floating.

    Raises:
        ValueError: as `BinaryFocalCrossentropy` does.

    >>> import keras_bce
    >>> loss = keras_bce.losses.binary_focal_crossentropy([[0, 1]], [[0.6, 0.4]])
    >>> print(f"{float(loss[0]):.3f}")
    0.330

    In a loss of one's own, whose exponent is not the default:

    ```python
    def loss(y_true, y_pred):
        return keras_bce.losses.binary_focal_crossentropy(
            y_true, y_pred, gamma=1.0, from_logits=True
        )

    model.compile("adam", loss=loss)
    ```
    """
    loss = BinaryFocalCrossentropy(
        apply_class_balancing,
        alpha,
        gamma,
        from_logits,
        label_smoothing,
        axis,
        reduction=None,
        pos_weight=pos_weight,
        label_weights=label_weights,
        ignore_class=ignore_class,
    )
    return loss.each_sample(y_true, y_pred)


@register
def asymmetric_binary_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    gamma_pos: float = 0.0,
    gamma_neg: float = 4.0,
    clip: float = 0.05,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
    *,
    pos_weight: LabelFactors = None,
    label_weights: LabelFactors = None,
    ignore_class: float | None = None,
) -> Tensor:
    r"""The asymmetric loss of each sample: the mean over `axis`, unweighted.

    $$
    \ell_i = -\frac{1}{|P_i|} \sum_{j \in P_i} w_j \, [\, w_+ \, y \, (1 - p)^{\gamma_+} \log(p)
    + (1 - y) \, m^{\gamma_-} \log(1 - m) \,]
    $$

    where $P_i$ are the labels of sample $i$ that are not missing, $m = \max(p - c, 0)$, and all
    else is as in `AsymmetricBinaryCrossentropy`.

    Args:
        y_true: Labels in [0, 1], `(batch, ..., labels)`.
        y_pred: Predictions of the same shape. A pair of shape `(n,)` is one sample of n labels.
        gamma_pos: The exponent of positives, 0 or greater.
        gamma_neg: The exponent of negatives, 0 or greater.
        clip: What is subtracted from the probability of negatives, in [0, 1).
        from_logits: Whether `y_pred` holds logits rather than probabilities.
        label_smoothing: A number s in [0, 1]: labels become `y * (1 - s) + s / 2`.
        axis: The axis of the labels.
        pos_weight: The factor of the positive term, a number or one per label.
        label_weights: The factor of each label's loss, a number or one per label.
        ignore_class: The label that stands for "missing": a number, or NaN.

    Returns:
        A tensor of the shape of `y_pred` without `axis`. Its dtype is that of `y_pred`, or
        `keras.config.floatx()` if that is not floating.

    Raises:
        ValueError: as `AsymmetricBinaryCrossentropy` does.

    >>> import keras_bce
    >>> loss = keras_bce.losses.asymmetric_binary_crossentropy([[0, 1]], [[0.6, 0.4]])
    >>> print(f"{float(loss[0]):.3f}")
    0.495

    In a loss of one's own, which lowers the easy negatives only:

    ```python
    def loss(y_true, y_pred):
        return keras_bce.losses.asymmetric_binary_crossentropy(
            y_true, y_pred, gamma_neg=2.0, clip=0.0, from_logits=True
        )

    model.compile("adam", loss=loss)
    ```
    """
    loss = AsymmetricBinaryCrossentropy(
        gamma_pos,
        gamma_neg,
        clip,
        from_logits,
        label_smoothing,
        axis,
        reduction=None,
        pos_weight=pos_weight,
        label_weights=label_weights,
        ignore_class=ignore_class,
    )
    return loss.each_sample(y_true, y_pred)
