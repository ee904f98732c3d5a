"""The loss of many labels, from the features that a linear head is given."""

from typing import Any

import keras
from keras import ops

from keras_bce._arguments import Arguments
from keras_bce._heads import HeadArguments, check_head, head_loss
from keras_bce._loss import BatchLoss
from keras_bce._prepare import result_dtype
from keras_bce._typing import ArrayLike, LabelFactors, Reduction, Tensor
from keras_bce.losses._shared import register


@register
class LinearBinaryCrossentropy(BatchLoss):
    r"""Binary cross-entropy of a head with many labels, without its logits in memory.

    $$
    \ell_i = -\frac{1}{|P_i|} \sum_{j \in P_i} w_j \, [\, w_+ \, y_{ij} \log \sigma(z_{ij})
    + (1 - y_{ij}) \log \sigma(-z_{ij}) \,], \quad z_i = x_i K + b
    $$

    where $x_i$ are the features of sample $i$, `y_pred`, $K$ and $b$ are the kernel and bias of
    `head`, $\sigma$ is the sigmoid, $P_i$ are the labels that are not missing, $w_+$ is
    `pos_weight` and $w_j$ are `label_weights`. The result is that of
    `BinaryCrossentropy(from_logits=True)` on the logits $z_i$, but the logits of all labels never
    exist at once: the loss and its gradient are computed for one chunk of labels after another.
    Beyond labels, kernel and the kernel's gradient it takes memory of the size batch x chunk. With
    few labels, use a model that puts out logits, and `BinaryCrossentropy`.

    Args:
        head: A built `keras.layers.Dense` without activation.
        positives: Whether `y_true` holds, instead of labels, the numbers of the labels that are 1.
            Then memory does not grow with batch x labels at all.
        label_smoothing: A number s in [0, 1]: labels become `y * (1 - s) + s / 2`.
        reduction: As in `BinaryCrossentropy`.
        name: The name of the loss.
        dtype: The dtype of the result, by default `keras.config.floatx()`. Features and kernel in
            half precision are multiplied, and their products added up, in float32.
        pos_weight: The factor of the positive term, a number or one per label.
        label_weights: The factor of each label's loss, a number or one per label.
        ignore_class: The label that stands for "missing": a number, or NaN. For dense labels only.
        chunk_size: Labels in a chunk. By default as many as make 2**18 logits, which stay in a
            CPU's cache. The result does not depend on it but for rounding.

    Call arguments:
        y_true: Labels `(batch, labels)`, of any dtype: `uint8` takes a quarter of float32. With
            `positives`, integers `(batch, K)`, padded with -1.
        y_pred: Features `(batch, width)`.
        sample_weight: `None`, a number, or one weight per sample.

    Gradients flow into features, kernel, bias and `sample_weight`, not into labels. For second
    derivatives everything is kept, as dense layers do it. Each chunk of labels is checked as in
    `BinaryCrossentropy`. A positive that is out of range or stands twice in a row raises
    `ValueError` in a list or a NumPy array; in a tensor it makes the loss of its sample NaN.

    The configuration holds the head's, without its weights.

    Raises:
        ValueError: for a head that is not a plain Dense layer, an argument outside its range,
            shapes that do not fit, and impossible values on the host.

    Examples:

    >>> import keras, keras_bce
    >>> head = keras.layers.Dense(1000, kernel_initializer="zeros", bias_initializer="zeros")
    >>> head.build((None, 2))
    >>> loss = keras_bce.losses.LinearBinaryCrossentropy(head, positives=True)
    >>> value = loss([[3, 998], [7, -1]], [[0.5, 1.0], [2.0, 0.0]])
    >>> print(f"{keras.ops.convert_to_numpy(value):.4f}")
    0.6931

    With `compile()`: `keras_bce.split_head` makes a model that puts out the features, and trains
    the head with all else. The model that was split shares the weights, predicts, and is what one
    saves.

    ```python
    model = keras.Sequential([keras.Input((300,)), keras.layers.Dense(64, "relu"),
                              keras.layers.Dense(1_000_000)])
    trainer = keras_bce.split_head(model)
    trainer.compile("adam", loss=keras_bce.losses.LinearBinaryCrossentropy(trainer.head))
    trainer.fit(x, y)
    labels, logits = keras_bce.top_labels(model, x, k=5)
    ```
    """

    def __init__(
        self,
        head: keras.layers.Dense,
        *,
        positives: bool = False,
        label_smoothing: float = 0.0,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "linear_binary_crossentropy",
        dtype: Any = None,
        pos_weight: LabelFactors = None,
        label_weights: LabelFactors = None,
        ignore_class: float | None = None,
        chunk_size: int | None = None,
    ) -> None:
        check_head(head)
        arguments = Arguments(True, label_smoothing, -1, pos_weight, label_weights, ignore_class)
        super().__init__(arguments, reduction, name, dtype)
        self._head_arguments = HeadArguments(arguments, positives, chunk_size)
        self.head = head

    @property
    def positives(self) -> bool:
        """Whether labels are given as the numbers of the positive ones."""
        return self._head_arguments.positives

    @property
    def chunk_size(self) -> int | None:
        """Labels in a chunk, or `None` for the default."""
        return self._head_arguments.chunk_size

    def _reduced(
        self, y_true: Any, y_pred: Any, sample_weight: Any, reduction: Reduction, replicas: int
    ) -> Tensor:
        head = self.head
        if not head.built:
            raise ValueError(
                "The head must be built, so that it has weights. Received: head="
                f"{head.name!r}, which is not. Call the model, or `head.build((None, width))`."
            )
        return head_loss(
            self._head_arguments,
            y_true,
            y_pred,
            ops.convert_to_tensor(head.kernel),
            None if head.bias is None else ops.convert_to_tensor(head.bias),
            sample_weight,
            reduction=reduction,
            dtype=result_dtype(self.dtype),
            replicas=replicas,
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments; the head as its configuration, without weights."""
        config = super().get_config()
        del config["from_logits"], config["axis"]
        return {
            **config,
            "head": keras.saving.serialize_keras_object(self.head),
            "positives": self.positives,
            "chunk_size": self.chunk_size,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "LinearBinaryCrossentropy":
        """A loss with these arguments, and a head that has no weights yet."""
        head = keras.saving.deserialize_keras_object(config["head"])
        return cls(**(config | {"head": head}))


@register
def linear_binary_crossentropy(
    y_true: ArrayLike | None,
    features: ArrayLike,
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    positives: ArrayLike | None = None,
    label_smoothing: float = 0.0,
    pos_weight: LabelFactors = None,
    label_weights: LabelFactors = None,
    ignore_class: float | None = None,
    chunk_size: int | None = None,
) -> Tensor:
    r"""The binary cross-entropy of each sample from the features of a linear head, chunk by chunk.

    $$
    \ell_i = -\frac{1}{|P_i|} \sum_{j \in P_i} w_j \, [\, w_+ \, y_{ij} \log \sigma(z_{ij})
    + (1 - y_{ij}) \log \sigma(-z_{ij}) \,], \quad z_i = x_i K + b
    $$

    where $x_i$ are the `features` of sample $i$, $K$ is the `kernel`, $b$ the `bias`, $\sigma$ the
    sigmoid, $P_i$ are the labels that are not missing, $w_+$ is `pos_weight` and $w_j$ are
    `label_weights`. The logits of all labels never exist at once. `LinearBinaryCrossentropy` does
    the same for a model's last layer, in `compile()`, and says what happens to impossible values.

    Args:
        y_true: Labels in [0, 1], `(batch, labels)`, or `None` if there are `positives`.
        features: `(batch, width)`.
        kernel: `(width, labels)`.
        bias: `(labels,)`, or `None`.
        positives: The numbers of the labels that are 1, integers `(batch, K)`, padded with -1.
        label_smoothing: A number s in [0, 1]: labels become `y * (1 - s) + s / 2`.
        pos_weight: The factor of the positive term, a number or one per label.
        label_weights: The factor of each label's loss, a number or one per label.
        ignore_class: The label that stands for "missing": a number, or NaN. For dense labels only.
        chunk_size: Labels in a chunk, by default as many as make 2**18 logits.

    Returns:
        A tensor `(batch,)`: the mean over each sample's labels, in float32, or in float64 if
        features or kernel are.

    Raises:
        ValueError: for an argument outside its range, shapes that do not fit, and impossible values
            on the host; with both or neither of `y_true` and `positives`.

    >>> import keras_bce
    >>> loss = keras_bce.losses.linear_binary_crossentropy(
    ...     [[0, 1, 0], [1, 0, 0]], [[1.0], [-2.0]], kernel=[[-1.0, 2.0, 0.0]]
    ... )
    >>> print([f"{float(sample):.3f}" for sample in loss])
    ['0.378', '0.279']

    In a loss whose kernel is that of another layer, here of an embedding of the labels, which the
    class cannot do. The model puts out features:

    ```python
    def loss(y_true, y_pred):
        kernel = keras.ops.transpose(embedding.embeddings)
        return keras_bce.losses.linear_binary_crossentropy(y_true, y_pred, kernel)

    model.compile("adam", loss=loss)
    ```
    """
    if (y_true is None) == (positives is None):
        both = "neither" if positives is None else "both"
        raise ValueError(
            "Either `y_true` or `positives` must be given, and `None` for the other one. "
            f"Received: {both}."
        )
    arguments = HeadArguments(
        Arguments(True, label_smoothing, -1, pos_weight, label_weights, ignore_class),
        positives is not None,
        chunk_size,
    )
    y_true = y_true if positives is None else positives
    return head_loss(arguments, y_true, features, kernel, bias)
