"""Cross-entropy of labels and predictions."""

from typing import Any

from keras_bce._arguments import Arguments
from keras_bce._loss import PointwiseLoss
from keras_bce._pointwise import Crossentropy
from keras_bce._typing import ArrayLike, LabelFactors, Reduction, Tensor
from keras_bce.losses._shared import register


@register
class BinaryCrossentropy(PointwiseLoss):
    r"""Binary cross-entropy (log loss) between labels and predictions.

    For a label $y$ and a prediction $p$:

    $$
    \ell = -w \, [\, w_+ \, y \, \log(p) + (1 - y) \log(1 - p) \,]
    $$

    where $y$ is `y_true`, $p$ is `y_pred` or, if `from_logits`, `sigmoid(y_pred)`, $w_+$ is
    `pos_weight` and $w$ is the label's entry of `label_weights`. Both weights are 1 by default.

    A sample's loss $n_i$ is the mean over its labels that are not missing, each loss times its
    `sample_weight`; $v_i$ is the mean of these weights. $N$ is the number of samples, without those
    that are masked or have no label:

    | `reduction` | result |
    | --- | --- |
    | `"sum_over_batch_size"`, `"mean"` | $\sum_i n_i / N$ |
    | `"sum"` | $\sum_i n_i$ |
    | `"mean_with_sample_weight"` | $\sum_i n_i / \sum_i v_i$ |
    | `None`, `"none"` | $n_i$, one per sample |

    Args:
        from_logits: Whether `y_pred` holds logits, any real numbers, rather than probabilities in
            [0, 1]. Logits are more exact, and recommended. See the last table for probabilities
            that a sigmoid made.
        label_smoothing: A number s in [0, 1]: labels become `y * (1 - s) + s / 2`.
        axis: The axis of the labels.
        reduction: See the table above.
        name: The name of the loss.
        dtype: The dtype of the result, by default `keras.config.floatx()`. Half precision is
            computed in float32, and rounded at the end.
        pos_weight: The factor of the positive term, a number, or a list of one per label. See
            `keras_bce.balanced_pos_weight`. A `keras.Variable` or a tensor is read at each call; on
            JAX a compiled step sees the variables that its model tracks
            (`model.pos_weight = variable`). No gradient flows into it.
        label_weights: The factor of each label's loss, a number, or a list of one per label.
            Neither factor enters a denominator.
        ignore_class: The label that stands for "missing": a number, or NaN. Such predictions are
            left out of the mean.

    Call arguments:
        y_true: Labels in [0, 1], `(batch, ..., labels)`, of any real dtype or `bool`. `(batch,)`
            goes with predictions `(batch, 1)` and the other way round. A pair of shape `(batch,)`
            is one label per sample.
        y_pred: Predictions of the same shape. Both may be tensors, NumPy arrays or lists.
        sample_weight: `None`, a number, one weight per sample (any lower rank, aligned from the
            left), or one per prediction.

    Labels may leave [0, 1] by up to 0.5 (noise, interpolation): they enter the formula as they are.
    Probabilities may leave it by up to 0.01 (rounding), and count as 0 or 1. Anything else, if it
    is not weighted 0, masked or missing, raises `ValueError` in a list or a NumPy array. In a
    tensor, which is never copied to the host to look, it makes the loss of its sample NaN. When
    `fit` prints `loss: nan`, call `keras_bce.check_inputs` with the data that `fit` was given: it
    says what is wrong and where.

    With `from_logits=False`, the logits behind a sigmoid are used where it is certain that the
    sigmoid made this very tensor, as it is now. Elsewhere the probabilities count as given, and a
    sigmoid that saturates stops learning:

    | backend | `activation="sigmoid"` | `ops.sigmoid` | either, behind a cast |
    | --- | --- | --- | --- |
    | TensorFlow, graph and XLA (`fit`) | logits | logits | logits |
    | TensorFlow, eager | probabilities | probabilities | probabilities |
    | torch, eager | logits | probabilities | probabilities |
    | torch, `torch.compile`, `vmap`, forward mode | probabilities | probabilities | probabilities |
    | JAX, NumPy | probabilities | probabilities | probabilities |

    A program that calls `keras.saving.load_model` must `import keras_bce` first.

    Raises:
        ValueError: for an argument outside its range, shapes that do not fit, and impossible values
            on the host.

    Examples:

    >>> import keras_bce
    >>> y_true = [[0, 1], [0, 0]]
    >>> y_pred = [[-18.6, 0.51], [2.94, -12.8]]
    >>> bce = keras_bce.losses.BinaryCrossentropy(from_logits=True)
    >>> print(f"{float(bce(y_true, y_pred)):.3f}")
    0.865
    >>> print(f"{float(bce(y_true, y_pred, sample_weight=[0.8, 0.2])):.4f}")
    0.2436

    A positive that is missed costs three times as much, and the second row's last label is not
    known:

    >>> bce = keras_bce.losses.BinaryCrossentropy(
    ...     from_logits=True, pos_weight=3.0, ignore_class=-1
    ... )
    >>> print(f"{float(bce([[0, 1], [0, -1]], y_pred)):.3f}")
    1.848

    With `compile()`:

    ```python
    model.compile("adam", loss=keras_bce.losses.BinaryCrossentropy(from_logits=True))
    ```

    Reference: Good, 1952, "Rational Decisions",
    [doi:10.1111/j.2517-6161.1952.tb00104.x](https://doi.org/10.1111/j.2517-6161.1952.tb00104.x).
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
    r"""The binary cross-entropy of each sample: the mean over `axis`, unweighted.

    $$
    \ell_i = -\frac{1}{|P_i|} \sum_{j \in P_i} w_j \, [\, w_+ \, y_{ij} \, \log(p_{ij})
    + (1 - y_{ij}) \log(1 - p_{ij}) \,]
    $$

    where $P_i$ are the labels of sample $i$ that are not missing, and all else is as in
    `BinaryCrossentropy`, which also says what happens to impossible values.

    Args:
        y_true: Labels in [0, 1], `(batch, ..., labels)`.
        y_pred: Predictions of the same shape. As in Keras, and unlike in the class, a pair of shape
            `(n,)` is one sample of n labels.
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
        ValueError: for an argument outside its range, shapes that do not fit, and impossible values
            on the host.

    >>> import keras_bce
    >>> loss = keras_bce.losses.binary_crossentropy([[0, 1], [0, 0]], [[0.6, 0.4], [0.4, 0.6]])
    >>> print([f"{float(sample):.3f}" for sample in loss])
    ['0.916', '0.714']

    In a loss of one's own, here with a penalty on large logits:

    ```python
    def loss(y_true, y_pred):
        bce = keras_bce.losses.binary_crossentropy(y_true, y_pred, from_logits=True)
        return bce + 1e-3 * keras.ops.mean(keras.ops.square(y_pred), axis=-1)

    model.compile("adam", loss=loss)
    ```
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
