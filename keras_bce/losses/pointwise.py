"""Losses of labels and predictions.

What the classes and functions share is described once, at `BinaryCrossentropy` and
`binary_crossentropy`.
"""

from typing import Any

from keras_bce import _arguments
from keras_bce._arguments import Arguments
from keras_bce._loss import PointwiseLoss
from keras_bce._modulated import AsymmetricCrossentropy, FocalCrossentropy
from keras_bce._pointwise import Crossentropy, Pointwise
from keras_bce._typing import ArrayLike, LabelFactors, Reduction, Tensor
from keras_bce.losses._shared import register


@register
class BinaryCrossentropy(PointwiseLoss):
    """Binary cross-entropy (log loss) between labels and predictions.

    For each prediction, with `p = sigmoid(y_pred)` if `from_logits` else `y_pred`:

        loss = -(pos_weight * y_true * log(p) + (1 - y_true) * log(1 - p)) * label_weight

    A sample's loss is the mean over its labels that are not missing. The
    reduction makes one number of the batch: `"sum"` adds the samples' weighted
    losses; `"sum_over_batch_size"` and `"mean"` divide that sum by the number of
    samples; `"mean_with_sample_weight"` divides it by the sum of their weights;
    `None` or `"none"` returns one loss per sample.

    Args:
        from_logits: Whether `y_pred` holds logits, any real numbers, rather than
            probabilities in [0, 1]. Logits are more exact, and recommended. The logits of
            a sigmoid are used all the same where they are known: see the table below.
        label_smoothing: A number s in [0, 1]: labels become `y * (1 - s) + s / 2`.
        axis: The axis of the labels.
        reduction: See above.
        name: The name of the loss.
        dtype: The dtype of the result, by default `keras.config.floatx()`. Half precision
            is computed in float32, and rounded at the end.
        pos_weight: The factor of the positive term, a number, or a list of one per label.
            See `keras_bce.balanced_pos_weight`. A `keras.Variable` or a tensor is read at
            each call; on JAX a compiled step sees the variables that its model tracks
            (`model.pos_weight = variable`). No gradient flows into it.
        label_weights: The factor of each label's loss, a number, or a list of one per
            label. Neither factor enters a denominator.
        ignore_class: The label that stands for "missing": a number, or NaN. Such
            predictions are left out; a sample without any label left is not counted.

    Called with `y_true`, `y_pred` and `sample_weight`, which may be tensors, NumPy
    arrays or lists:

    - `y_true`: labels in [0, 1], `(batch, ..., labels)`; `(batch,)` goes with
      `(batch, 1)` either way, and a pair of shape `(batch,)` is one label per sample;
    - `y_pred`: predictions of the same shape;
    - `sample_weight`: `None`, a number, one weight per sample (any lower rank, aligned
      from the left), or one per prediction.

    Logits are used where it is certain that a sigmoid made this very tensor, as it is now.
    Elsewhere the probabilities count as given, and a sigmoid that saturates stops learning:

    | backend | `activation="sigmoid"` | `ops.sigmoid` | either, behind a cast |
    | --- | --- | --- | --- |
    | TensorFlow, graph and XLA (`fit`) | logits | logits | logits |
    | TensorFlow, eager | probabilities | probabilities | probabilities |
    | torch, eager | logits | probabilities | probabilities |
    | torch, `torch.compile`, `vmap`, forward mode | probabilities | probabilities | probabilities |
    | JAX, NumPy | probabilities | probabilities | probabilities |

    Labels may leave [0, 1] by up to 0.5 (noise, interpolation): they enter the formula as they
    are. Probabilities may leave it by up to 0.01 (rounding), and count as 0 or 1. Anything
    else, if it is not weighted 0, masked or missing, raises `ValueError` in a list or a NumPy
    array. In a tensor, which is never copied to the host to look, it makes the loss of its
    sample NaN. When `fit` prints `loss: nan`, call `keras_bce.check_inputs` with the data that
    `fit` was given: it says what is wrong and where.

    A program that calls `keras.saving.load_model` must `import keras_bce` first.

    Raises:
        ValueError: for an argument outside its range, shapes that do not fit, and
            impossible values on the host.

    Examples:

    >>> import keras_bce
    >>> y_true = [[0, 1], [0, 0]]
    >>> y_pred = [[-18.6, 0.51], [2.94, -12.8]]
    >>> bce = keras_bce.losses.BinaryCrossentropy(from_logits=True)
    >>> print(f"{float(bce(y_true, y_pred)):.3f}")
    0.865
    >>> print(f"{float(bce(y_true, y_pred, sample_weight=[0.8, 0.2])):.4f}")
    0.2436

    A positive that is missed costs three times as much, and the second row's last
    label is not known:

    >>> bce = keras_bce.losses.BinaryCrossentropy(
    ...     from_logits=True, pos_weight=3.0, ignore_class=-1
    ... )
    >>> print(f"{float(bce([[0, 1], [0, -1]], y_pred)):.3f}")
    1.848

    With `compile()`:

    ```python
    model.compile("adam", loss=keras_bce.losses.BinaryCrossentropy(from_logits=True))
    ```
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "binary_crossentropy",
        dtype: Any = None,
        *,
        pos_weight: LabelFactors = None,
        label_weights: LabelFactors = None,
        ignore_class: float | None = None,
    ) -> None:
        arguments = Arguments(
            from_logits, label_smoothing, axis, pos_weight, label_weights, ignore_class
        )
        loss = Crossentropy(smoothing=arguments.label_smoothing or None)
        super().__init__(loss, arguments, reduction, name, dtype)


@register
class BinaryFocalCrossentropy(PointwiseLoss):
    """Focal loss: cross-entropy that counts less where a prediction is right already.

    With `p` and everything else as in `BinaryCrossentropy`:

        p_t = y_true * p + (1 - y_true) * (1 - p)
        loss = (1 - p_t) ** gamma * binary_crossentropy

    `apply_class_balancing` multiplies it by `alpha * y_true + (1 - alpha) * (1 - y_true)`.
    From logits it is exact, with a finite gradient, for every logit and every gamma.

    Args:
        apply_class_balancing: Whether to weigh the classes by `alpha`.
        alpha: The weight of positives, in [0, 1]; negatives get `1 - alpha`.
        gamma: The focusing exponent, 0 or greater; 0 gives cross-entropy.
        from_logits: As in `BinaryCrossentropy`, like all the rest.
        label_smoothing: See there.
        axis: See there.
        reduction: See there.
        name: The name of the loss.
        dtype: See there.
        pos_weight: See there.
        label_weights: See there.
        ignore_class: See there.

    Reference: Lin et al., 2017, https://arxiv.org/abs/1708.02002.

    >>> import keras_bce
    >>> focal = keras_bce.losses.BinaryFocalCrossentropy(gamma=2.0, reduction=None)
    >>> loss = focal([[0, 1], [0, 0]], [[0.6, 0.4], [0.4, 0.6]])
    >>> print([f"{float(sample):.3f}" for sample in loss])
    ['0.330', '0.206']
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
    """Asymmetric loss for multi-label data, in which nearly all labels are negative.

    With `p` and everything else as in `BinaryCrossentropy`, and `m = max(p - clip, 0)`:

        loss = -(y_true * (1 - p) ** gamma_pos * log(p)
                 + (1 - y_true) * m ** gamma_neg * log(1 - m))

    Negatives below a probability of `clip` cost nothing. With both exponents and
    the clip 0 it is cross-entropy.

    Args:
        gamma_pos: The focusing exponent of positives, 0 or greater.
        gamma_neg: The focusing exponent of negatives, 0 or greater.
        clip: What is taken off the probability of negatives, in [0, 1).
        from_logits: As in `BinaryCrossentropy`, like all the rest.
        label_smoothing: See there.
        axis: See there.
        reduction: See there.
        name: The name of the loss.
        dtype: See there.
        pos_weight: See there.
        label_weights: See there.
        ignore_class: See there.

    Reference: Ben-Baruch et al., 2020, https://arxiv.org/abs/2009.14119.

    >>> import keras_bce
    >>> asymmetric = keras_bce.losses.AsymmetricBinaryCrossentropy(gamma_neg=2.0, reduction=None)
    >>> loss = asymmetric([[0], [1], [0]], [[0.04], [0.3], [0.9]])
    >>> print([f"{float(sample):.3f}" for sample in loss])
    ['0.000', '1.204', '1.371']
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
def binary_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
    *,
    pos_weight: LabelFactors = None,
    label_weights: LabelFactors = None,
    ignore_class: float | None = None,
) -> Tensor:
    """The binary cross-entropy of each sample: the mean over `axis`, unweighted.

    The arguments are those of `BinaryCrossentropy`, with one difference, as in
    Keras: a pair of shape `(n,)` is one sample of n labels.

    Returns:
        A tensor of the shape of `y_pred` without `axis`, of the dtype of `y_pred`.

    >>> import keras_bce
    >>> loss = keras_bce.losses.binary_crossentropy([[0, 1], [0, 0]], [[0.6, 0.4], [0.4, 0.6]])
    >>> print([f"{float(sample):.3f}" for sample in loss])
    ['0.916', '0.714']
    """
    loss = BinaryCrossentropy(
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
    """The focal loss of each sample; see `BinaryFocalCrossentropy` and `binary_crossentropy`.

    >>> import keras_bce
    >>> loss = keras_bce.losses.binary_focal_crossentropy([[0, 1]], [[0.6, 0.4]])
    >>> print(f"{float(loss[0]):.3f}")
    0.330
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
    """The asymmetric loss of each sample; see `AsymmetricBinaryCrossentropy`.

    >>> import keras_bce
    >>> loss = keras_bce.losses.asymmetric_binary_crossentropy([[0, 1]], [[0.6, 0.4]])
    >>> print(f"{float(loss[0]):.3f}")
    0.495
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
