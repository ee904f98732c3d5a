"""Which of two models is better, and whether the difference is real."""

import warnings
from typing import Any

import keras
from keras import ops

from keras_bce._data import Batches, Progress, Verbose, check_verbose
from keras_bce._loss import PointwiseLoss
from keras_bce._typing import Tensor
from keras_bce.metrics import LossDifference

__all__ = ["compare"]


def __dir__() -> list[str]:
    return sorted(__all__)


def compare(
    model_a: Any,
    model_b: Any,
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    loss: PointwiseLoss | None = None,
    from_logits: bool = False,
    batch_size: int | None = None,
    verbose: Verbose = "auto",
) -> LossDifference:
    r"""Runs two models over the same data, in one pass, and compares their losses.

    $$
    d = \frac{\sum_i (n_i^a - n_i^b)}{\sum_i v_i}
    $$

    where $n_i^a$ and $n_i^b$ are the weighted losses of sample $i$ under `model_a` and `model_b`,
    and $v_i$ is its weight. The standard error comes from the differences, as in a paired t-test.

    Args:
        model_a: A Keras model with one output.
        model_b: Another one, with the same inputs.
        x: As in `fit`: inputs, or a `tf.data.Dataset`, `keras.utils.PyDataset`, torch `DataLoader`
            or generator that gives labels as well.
        y: Labels beside arrays of inputs.
        sample_weight: Weights beside arrays of inputs.
        loss: A loss for labels and predictions, such as `losses.BinaryFocalCrossentropy`; by
            default binary cross-entropy.
        from_logits: Whether the models give logits; a `loss` says that itself. The logits of a
            sigmoid are used where they are known (TensorFlow, torch).
        batch_size: Rows of a batch of arrays, 32 by default.
        verbose: 1 shows a progress bar, 0 does not, and `"auto"` does after a second.

    Returns:
        A `metrics.LossDifference` that has seen the data. Its `result()` is $d$: below 0 `model_a`
        is better. If `interval()` does not contain 0, the difference is significant at 5%. It can
        be merged with those of other parts of the data. It is NaN where labels or predictions are
        impossible: `keras_bce.check_inputs` says which.

    Raises:
        ValueError: for what is not a model, and for data without labels.

    The unit is the sample. Rows of one user, or neighbours in time, are not independent: then the
    interval is too narrow. Compare on data that neither model was trained or chosen on.

    >>> import keras
    >>> import numpy as np
    >>> import keras_bce
    >>> def constant(p):
    ...     inputs = keras.Input((1,))
    ...     return keras.Model(inputs, keras.ops.full_like(inputs, p))
    >>> x, y = np.zeros((100, 1)), np.arange(100) % 10 == 0
    >>> difference = keras_bce.compare(constant(0.1), constant(0.2), x, y, verbose=0)
    >>> low, high = difference.interval()
    >>> print(f"{float(difference.result()):.4f} in [{low:.4f}, {high:.4f}]")
    -0.0367 in [-0.0846, 0.0112]

    With models that give logits:

    ```python
    difference = keras_bce.compare(model_a, model_b, x_test, y_test, from_logits=True)
    print(difference.result(), difference.interval(0.95))
    ```
    """
    for name, model in {"model_a": model_a, "model_b": model_b}.items():
        if not isinstance(model, keras.Model):
            raise ValueError(f"`{name}` must be a Keras model. Received: {name}={model!r}.")
    check_verbose(verbose)
    difference = LossDifference(loss, from_logits=from_logits)
    length = Batches(x, y, sample_weight, batch_size=batch_size).length
    both = _Both(model_a, model_b, difference)
    both.compile()
    arguments: dict[str, Any] = {"y": y, "sample_weight": sample_weight, "batch_size": batch_size}
    with Progress(length, verbose) as bar, warnings.catch_warnings():
        # Keras expects a generator without an end.
        warnings.filterwarnings("ignore", "Your input ran out of data")
        both.evaluate(x, **arguments, verbose=0, callbacks=[bar])
    return difference


class _Both(keras.Model):
    """Two models side by side, which Keras compiles and evaluates as one."""

    def __init__(self, model_a: Any, model_b: Any, difference: LossDifference) -> None:
        super().__init__(name="comparison")
        self.model_a, self.model_b = model_a, model_b
        self.difference = difference
        # Keras would run it once to see what it builds; without weights of its own it is built
        # when the models are.
        self.built = model_a.built and model_b.built

    def call(self, inputs: Any, training: bool = False) -> tuple[Tensor, Tensor]:
        """The predictions of both."""
        a, b = (model(inputs, training=training) for model in (self.model_a, self.model_b))
        return a, b

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = False,
    ) -> Tensor:
        """Nothing: the difference is all that is wanted."""
        return ops.zeros(())

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Adds a batch to the difference."""
        if y is None:
            raise ValueError(
                "`compare` needs labels. Received: y=None. Pass `compare(model_a, model_b, x, y)`, "
                "or batches `(x, y)`."
            )
        self.difference.update_state(y, y_pred, sample_weight)
        return {"difference": self.difference.result()}
