"""The loss of pairs: two batches of embeddings, each row of one belonging to that of the other."""

from typing import Any

from keras import ops

from keras_bce._arguments import Arguments
from keras_bce._heads import HeadArguments, head_loss, widest
from keras_bce._prepare import as_array, to_tensor
from keras_bce._typing import ArrayLike, Tensor
from keras_bce.losses._shared import register


@register
def pairwise_sigmoid_crossentropy(
    a: ArrayLike,
    b: ArrayLike,
    scale: ArrayLike,
    bias: ArrayLike,
    *,
    chunk_size: int | None = None,
) -> Tensor:
    r"""The sigmoid loss of pairs (SigLIP): row i of `a` belongs to row i of `b`, and to no other.

    $$
    \ell_i = -\log \sigma(z_{ii}) - \sum_{j \ne i} \log \sigma(-z_{ij}),
    \quad z_{ij} = \text{scale} \cdot a_i^{\top} b_j + \text{bias}
    $$

    where $\sigma$ is the sigmoid. The mean over the rows is the loss of the paper. The logits $z$
    of all pairs never exist at once, only those of all rows of `a` and a chunk of `b`. Where
    several rows of `b` belong to a row of `a`, use `linear_binary_crossentropy` with `positives`.

    Args:
        a: Embeddings `(batch, width)`, in the paper of length 1.
        b: Embeddings of the same shape.
        scale: A number, in the paper the exponential of a trained one that starts at log(10).
        bias: A number, in the paper trained, from -10 on.
        chunk_size: Rows of `b` in a chunk; see `LinearBinaryCrossentropy`.

    Returns:
        A tensor `(batch,)`, in float32, or in float64 if `a` or `b` is. Gradients flow into all
        four.

    Raises:
        ValueError: for shapes that do not fit.

    >>> import keras_bce
    >>> a, b = [[1.0, 0.0], [0.0, 1.0]], [[0.6, 0.8], [0.0, 1.0]]
    >>> loss = keras_bce.losses.pairwise_sigmoid_crossentropy(a, b, scale=10.0, bias=-5.0)
    >>> print([f"{float(row):.3f}" for row in loss])
    ['0.320', '3.055']

    A training step of one's own, here in torch:

    ```python
    log_scale, bias = keras.Variable(math.log(10.0)), keras.Variable(-10.0)

    def step(images, texts):
        loss = keras_bce.losses.pairwise_sigmoid_crossentropy(
            image_encoder(images), text_encoder(texts), keras.ops.exp(log_scale), bias
        ).mean()
        loss.backward()
        optimizer.apply([v.value.grad for v in variables], variables)
        return loss
    ```

    Reference: Zhai et al., 2023, "Sigmoid Loss for Language Image Pre-Training",
    https://arxiv.org/abs/2303.15343.
    """
    dtype = widest(a, b)
    left, right = as_array(a, "a"), as_array(b, "b")
    if len(left.shape) != 2 or len(right.shape) != 2 or not _same(left.shape, right.shape):
        raise ValueError(
            "`a` and `b` must have the same shape, (batch, width). Received: "
            f"a.shape={tuple(left.shape)}, b.shape={tuple(right.shape)}."
        )
    features = to_tensor(left, dtype) * _scalar("scale", scale, dtype)
    size = ops.shape(features)[0]
    # Row i of `b` is column i of a kernel, and the only positive label of row i of `a`.
    mean = head_loss(
        HeadArguments(Arguments(True), positives=True, chunk_size=chunk_size),
        ops.expand_dims(ops.arange(size, dtype="int32"), -1),
        features,
        ops.transpose(to_tensor(right, dtype)),
        ops.broadcast_to(_scalar("bias", bias, dtype), (size,)),
    )
    return mean * ops.cast(size, dtype)


def _scalar(name: str, value: Any, dtype: str) -> Tensor:
    value = as_array(value, name)
    if len(value.shape):
        raise ValueError(f"`{name}` must be a number. Received: {name}.shape={tuple(value.shape)}.")
    return to_tensor(value, dtype)


def _same(left: Any, right: Any) -> bool:
    """Whether two shapes agree, as far as they are known."""
    return all(a == b or None in (a, b) for a, b in zip(left, right, strict=True))
