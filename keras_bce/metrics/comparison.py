"""Two models on the same samples."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras

from keras_bce._arguments import Arguments
from keras_bce._backend import backend
from keras_bce._loss import PointwiseLoss
from keras_bce._pointwise import Crossentropy, Pointwise
from keras_bce._prepare import Batch, Reading, prepare
from keras_bce._sums import Column, Given, adds
from keras_bce._typing import ArrayLike, Tensor
from keras_bce._weighting import per_sample
from keras_bce.metrics._means import MeanMetric, checked_loss, columns_of
from keras_bce.metrics._shared import register

__all__ = ["LossDifference"]


@register
class LossDifference(MeanMetric):
    r"""The mean loss of one model minus that of another, on the same samples, with an interval.

    $$
    \text{result} = \frac{\sum_i (n_i^a - n_i^b)}{\sum_i v_i}
    $$

    $n_i^a$ and $n_i^b$ are the weighted losses of sample i with the predictions of models a and b,
    and $v_i$ is its weight. Below 0 model a is better. The unit is that of the loss: nats, for
    cross-entropy.

    This is the paired comparison: what is hard for both models cancels in each sample's difference,
    so that the interval is often far narrower than those of the two means suggest. For equal
    weights its standard error is that of `scipy.stats.ttest_rel`. For models that were judged on
    different samples compare the intervals of their losses instead.

    Args:
        loss: A loss of `keras_bce.losses`, by default binary cross-entropy. Its reduction is not
            used.
        name: The name of the metric.
        dtype: The dtype of the result, by default `keras.config.floatx()`.
        from_logits: Whether predictions are logits; a `loss` says that itself.

    Raises:
        ValueError: if `loss` is none of this package, and for `from_logits` beside a loss.

    Examples:

    >>> import keras_bce
    >>> metric = keras_bce.metrics.LossDifference()
    >>> p_a, p_b = [0.2, 0.7, 0.8, 0.4], [0.3, 0.6, 0.8, 0.5]
    >>> metric.update_state([0, 1, 1, 0], (p_a, p_b))
    >>> print(f"{float(metric.result()):.4f}")
    -0.1175
    >>> low, high = metric.interval()
    >>> print(f"{low:.4f} {high:.4f}")
    -0.1967 -0.0383

    `compile()` takes metrics of one model. `keras_bce.compare` runs two models over a data set:

    ```python
    difference = keras_bce.compare(model_a, model_b, x_test, y_test, from_logits=True)
    ```

    Reference: Diebold and Mariano, 1995, "Comparing Predictive Accuracy",
    https://doi.org/10.1080/07350015.1995.10524599.
    """

    def __init__(
        self,
        loss: PointwiseLoss | None = None,
        name: str = "loss_difference",
        dtype: Any = None,
        *,
        from_logits: bool = False,
    ) -> None:
        self.loss = None if loss is None else checked_loss(loss)
        if loss is None:
            super().__init__(name, dtype, Arguments(from_logits=from_logits), Crossentropy())
        elif from_logits and not loss.from_logits:
            raise ValueError(
                "`from_logits` belongs to the loss, if there is one. Received: from_logits="
                f"{from_logits!r} beside a loss with from_logits=False. Set it there."
            )
        else:
            super().__init__(name, dtype, loss._arguments, loss._loss)

    @backend.unconverted
    def update_state(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike | Sequence[ArrayLike],
        sample_weight: ArrayLike | None = None,
    ) -> None:
        """Adds a batch: tensors, NumPy arrays or lists.

        Args:
            y_true: Labels of both models, of shape `(batch, ..., labels)`.
            y_pred: A pair, the predictions of model a and of model b, each of the shape of
                `y_true`.
            sample_weight: Weights for both models: `None`, a number, one per sample, or one per
                prediction.

        Raises:
            ValueError: if `y_pred` is no pair, and as other metrics of this package.
        """
        self._add(y_true, y_pred, sample_weight)

    def _prepared(self, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Any, Any]:
        if not isinstance(y_pred, (tuple, list)) or len(y_pred) != 2:
            kind = type(y_pred).__name__
            kind += f" of {len(y_pred)}" if isinstance(y_pred, (tuple, list)) else ""
            raise ValueError(
                "`y_pred` must be a pair of predictions, those of the two models. Received: a "
                f"{kind}. Pass `(y_pred_a, y_pred_b)`."
            )
        batches, readings = zip(
            *(
                prepare(self._arguments, y_true, each, sample_weight, dtype=self.dtype)
                for each in y_pred
            ),
            strict=True,
        )
        masks = [batch.present for batch in batches if batch.present is not None]
        if masks:  # A sample that one model leaves out is no pair.
            present = masks[0] & masks[-1]
            batches = tuple(batch._replace(present=present) for batch in batches)
            readings = tuple(replace(reading, averages_rows=False) for reading in readings)
        return batches, readings

    def _updated(self, given: Given, reading: tuple[Reading, Reading]) -> Tensor:
        return _add_differences(given, self._loss, reading)

    def get_config(self) -> dict[str, Any]:
        """The arguments, from which `from_config` makes an equal object."""
        loss = None if self.loss is None else keras.saving.serialize_keras_object(self.loss)
        return {**super().get_config(), "loss": loss, "from_logits": self.from_logits}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "LossDifference":
        """A metric with the arguments that `get_config` gave."""
        loss = keras.saving.deserialize_keras_object(config["loss"])
        return cls(**(config | {"loss": loss}))


def _differences(
    batches: tuple[Batch, Batch], loss: Pointwise, readings: tuple[Reading, Reading]
) -> list[Column]:
    """The differences of samples' losses, their weights, and the products of these."""
    a, b = (
        per_sample(batch, loss, reading) for batch, reading in zip(batches, readings, strict=True)
    )
    return columns_of(a._replace(numerators=a.numerators - b.numerators))


_add_differences = adds(_differences)
