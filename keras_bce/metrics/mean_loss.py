"""Any loss of this package as a metric."""

from typing import Any

import keras

from keras_bce._arguments import Arguments
from keras_bce._loss import PointwiseLoss
from keras_bce._pointwise import SquaredError
from keras_bce.metrics._means import MeanMetric, checked_loss
from keras_bce.metrics._shared import register

__all__ = ["BrierScore", "MeanLoss"]


@register
class MeanLoss(MeanMetric):
    """The mean of a loss over everything seen, exactly: focal, asymmetric, or any of this package.

        result = sum of the samples' weighted losses / sum of their weights

    For cross-entropy that is `BinaryCrossentropy`. Averages of batch losses, such as `fit` shows,
    weigh the batches, not the samples.

    Args:
        loss: A loss of `keras_bce.losses`, with its arguments. Its reduction is not used.
        name: The name of the metric, by default that of the loss.
        dtype: The dtype of the result.

    Raises:
        ValueError: if `loss` is none of this package.

    >>> import keras_bce
    >>> loss = keras_bce.losses.BinaryFocalCrossentropy()
    >>> metric = keras_bce.metrics.MeanLoss(loss)
    >>> metric.update_state([0, 1], [0.5, 0.5], sample_weight=[1, 0.5])
    >>> metric.update_state([1], [1.0])
    >>> print(f"{float(metric.result()):.4f}")
    0.1040
    >>> low, high = metric.interval()
    >>> print(f"{low:.4f} {high:.4f}")
    -0.0205 0.2285
    """

    def __init__(self, loss: PointwiseLoss, name: str | None = None, dtype: Any = None) -> None:
        self.loss = checked_loss(loss)
        super().__init__(name or loss.name, dtype, loss._arguments, loss._loss)

    def get_config(self) -> dict[str, Any]:
        """The arguments, from which `from_config` makes an equal object."""
        return {**super().get_config(), "loss": keras.saving.serialize_keras_object(self.loss)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "MeanLoss":
        """A metric with the arguments that `get_config` gave."""
        loss = keras.saving.deserialize_keras_object(config["loss"])
        return cls(**(config | {"loss": loss}))


@register
class BrierScore(MeanMetric):
    """The mean squared difference of probabilities and labels (Brier, 1950).

        result = sum of weight * mean over labels of (p - y_true)**2 / sum of weights

    Like log loss it is least where probabilities are right. It forgives sure mistakes: none costs
    more than 1.

    Args:
        name: The name of the metric.
        dtype: The dtype of the result.
        from_logits: Whether predictions are logits.
        ignore_class: The label that stands for "missing".

    >>> import keras_bce
    >>> metric = keras_bce.metrics.BrierScore()
    >>> print(f"{float(metric([0, 1, 1, 0], [0.5, 1.0, 0.5, 0.0])):.3f}")
    0.125
    """

    def __init__(
        self,
        name: str = "brier_score",
        dtype: Any = None,
        from_logits: bool = False,
        *,
        ignore_class: float | None = None,
    ) -> None:
        arguments = Arguments(from_logits=from_logits, ignore_class=ignore_class)
        super().__init__(name, dtype, arguments, SquaredError())

    def get_config(self) -> dict[str, Any]:
        """The arguments, from which `from_config` makes an equal object."""
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "ignore_class": self.ignore_class,
        }
