"""Models with many labels: trained without their last layer's logits, and asked for the best."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_bce import _arguments
from keras_bce._data import Batches, Progress, Verbose, check_verbose, readable
from keras_bce._heads import check_head, top_columns
from keras_bce._typing import Array, Tensor

__all__ = ["split_head", "top_labels"]


def __dir__() -> list[str]:
    return sorted(__all__)


def split_head(model: keras.Model) -> keras.Model:
    """A model that shares all layers, but puts out the features that the last one is given.

    The last layer, the head, is the attribute `.head` of the result.
    `losses.LinearBinaryCrossentropy` trains its weights with all others, without the logits of all
    labels in memory.

    Args:
        model: A `Sequential` or functional model with one output, made by a `Dense` layer without
            activation.

    Returns:
        A `keras.Model`, not compiled, that puts out features `(batch, width)`.

    Raises:
        ValueError: for any other model.

    >>> import keras, keras_bce
    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, "relu"),
    ...                           keras.layers.Dense(1000)])
    >>> trainer = keras_bce.split_head(model)
    >>> trainer.output_shape, trainer.head.units
    ((None, 4), 1000)

    With `compile()` and `fit()`:

    ```python
    trainer = keras_bce.split_head(model)
    trainer.compile("adam", loss=keras_bce.losses.LinearBinaryCrossentropy(trainer.head))
    trainer.fit(x, y)
    model.save("model.keras")
    ```

    `model` has the trained weights: it predicts, and is saved. The trainer saves weights only
    (`ModelCheckpoint(save_weights_only=True)`). `trainer.evaluate` gives the loss; for what needs
    predictions see `keras_bce.top_labels`.
    """
    return _Trainer(model)


class _Trainer(keras.Model):
    """A model that ends before the head, and tracks it."""

    # Not a functional model itself: in Keras 3.10 that tracks no attributes.
    def __init__(self, model: keras.Model) -> None:
        head = _head_of(model)
        super().__init__(name=f"{model.name}_trainer")
        # `Sequential.input` is that of the model's use in another one, if any.
        inputs = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
        self.body = keras.Model(inputs, head.input)
        self.head = head
        self.built = True  # Its two parts are.

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Tensor:
        return self.body(inputs, training=training, mask=mask)

    @property
    def output_shape(self) -> Any:
        """The shape of the features."""
        return self.body.output_shape

    def get_config(self) -> dict[str, Any]:
        """Raises: the model that was split is what can be saved."""
        raise ValueError(
            f"A model made by `split_head` saves weights only. Received: {self.name!r}. Save the "
            "model that was split, which shares the weights; in a `ModelCheckpoint` pass "
            "`save_weights_only=True`."
        )


def _head_of(model: Any) -> Any:
    """The layer that makes the output of a model, if it is a head."""
    outputs = getattr(model, "outputs", None)
    if not isinstance(model, keras.Model) or outputs is None or len(outputs) != 1:
        received = f"{len(outputs)} outputs" if outputs else f"a {type(model).__name__}"
        raise ValueError(
            "`model` must be a Sequential or functional model with one output, whose shapes are "
            f"known. Received: {received}. Give a Sequential model a `keras.Input`."
        )
    for layer in model.layers:
        if getattr(layer, "output", None) is outputs[0]:
            check_head(layer)
            return layer
    raise ValueError(
        "The output of `model` must be made by one of its own layers, a `keras.layers.Dense`. "
        f"Received: {model.name!r}, whose last layer is {model.layers[-1].name!r}."
    )


def top_labels(
    model: keras.Model,
    x: Any,
    k: int,
    *,
    chunk_size: int | None = None,
    batch_size: int | None = None,
    verbose: Verbose = "auto",
) -> tuple[Array, Array]:
    """The k most likely labels of each sample, without the logits of all labels in memory.

    Args:
        model: A model that `split_head` takes, or the trainer that it gave.
        x: What `predict` takes: arrays, or batches (a `tf.data.Dataset`, `PyDataset`, `DataLoader`
            or iterable), of which only the inputs are read.
        k: The number of labels.
        chunk_size: Labels in a chunk, as in `losses.LinearBinaryCrossentropy`.
        batch_size: Rows of a batch that is cut from arrays, 32 by default.
        verbose: 1 shows a progress bar, 0 does not, and `"auto"` does after a second.

    Returns:
        The numbers of the labels and their logits, NumPy arrays `(samples, k)`, the most likely
        label first. `1 / (1 + exp(-logits))` are their probabilities.

    Raises:
        ValueError: for a model that `split_head` refuses, and a k that is not from 1 to the number
            of labels.

    >>> import keras, keras_bce, numpy as np
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1000)])
    >>> model.set_weights([np.linspace(-1, 1, 1000)[None], np.zeros(1000)])
    >>> labels, logits = keras_bce.top_labels(model, np.array([[2.0], [-1.0]]), k=2, verbose=0)
    >>> labels.tolist()
    [[999, 998], [0, 1]]

    After training:

    ```python
    trainer.fit(x_train, y_train)
    labels, logits = keras_bce.top_labels(trainer, x_test, k=5)
    ```
    """
    check_verbose(verbose)
    trainer = model if isinstance(model, _Trainer) else split_head(model)
    head = trainer.head
    k = _arguments.at_least_one("k", k)
    if k > head.units:
        raise ValueError(
            f"`k` must be at most the number of labels, {head.units}. Received: k={k}."
        )
    batches = Batches(x, batch_size=batch_size)
    found = [(np.zeros((0, k), "int32"), np.zeros((0, k), "float32"))]
    with Progress(batches.length, verbose) as bar:
        for count, (inputs, _, _) in enumerate(batches, 1):
            features = trainer.predict_on_batch(keras.tree.map_structure(readable, inputs))
            top = top_columns(features, head.kernel, head.bias, k, chunk_size)
            found.append(tuple(map(ops.convert_to_numpy, top)))
            bar.update(count)
    labels, logits = zip(*found, strict=True)
    return np.concatenate(labels), np.concatenate(logits)
