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
    r"""The mean of any loss of this package over all samples seen, by weight.

    $$
    \text{result} = \frac{\sum_i n_i}{\sum_i v_i}
    $$

    $n_i$ is the weighted loss of sample i and $v_i$ its weight, as in `BinaryCrossentropy`. The
    loss that `fit` shows is a mean of batch means instead, which counts batches, not weights. For
    cross-entropy use `BinaryCrossentropy`.

    Args:
        loss: A loss of `keras_bce.losses`, with its arguments. Its reduction is not used.
        name: The name of the metric, by default that of the loss.
        dtype: The dtype of the result, by default `keras.config.floatx()`.

    Raises:
        ValueError: if `loss` is none of this package.

    Examples:

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

    With `compile()`:

    ```python
    loss = keras_bce.losses.BinaryFocalCrossentropy(from_logits=True)
    model.compile("adam", loss=loss, weighted_metrics=[keras_bce.metrics.MeanLoss(loss)])
    ```
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
    r"""The mean squared difference of probabilities and labels.

    $$
    \text{result} = \frac{\sum_i n_i}{\sum_i v_i}, \quad
    n_i = \frac{1}{|P_i|} \sum_{j \in P_i} w_{ij} (p_{ij} - y_{ij})^2
    $$

    For sample i, $P_i$ are the labels that are not missing, $w_{ij}$ is the weight of one
    (`sample_weight`), and $v_i$ the mean of these weights; p is the predicted probability and y the
    label (`y_true`).

    Like log loss it is least, in expectation, where probabilities are right. A prediction costs 1
    at most, so that a few confident errors weigh less than in log loss. If positives are rare,
    small probabilities hardly differ in it: use log loss, or `NormalizedEntropy`.

    Args:
        name: The name of the metric.
        dtype: The dtype of the result, by default `keras.config.floatx()`.
        from_logits: Whether `y_pred` holds logits rather than probabilities.
        ignore_class: The label that stands for "missing": a number or NaN.

    Raises:
        ValueError: for an `ignore_class` that is neither a number nor NaN.

    Examples:

    >>> import keras_bce
    >>> metric = keras_bce.metrics.BrierScore()
    >>> print(f"{float(metric([0, 1, 1, 0], [0.5, 1.0, 0.5, 0.0])):.3f}")
    0.125

    With `compile()`:

    ```python
    model.compile(
        "adam",
        loss=keras_bce.losses.BinaryCrossentropy(from_logits=True),
        metrics=[keras_bce.metrics.BrierScore(from_logits=True)],
    )
    ```

    Reference: Brier, 1950, "Verification of Forecasts Expressed in Terms of Probability", Monthly
    Weather Review 78.
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
