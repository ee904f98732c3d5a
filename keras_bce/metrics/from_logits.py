"""Keras's own metrics on models that give logits."""

from collections.abc import Iterable
from typing import Any

import keras

from keras_bce._backend import backend
from keras_bce._prepare import as_array, computing_dtype
from keras_bce._typing import ArrayLike
from keras_bce.metrics._shared import PortableMetric, check_same_class, register

__all__ = ["FromLogits"]


@register
class FromLogits(PortableMetric):
    r"""Any Keras metric that wants probabilities, fed with logits.

    $$
    \text{result} = \text{metric}(y, p), \quad p = \frac{1}{1 + e^{-z}}
    $$

    y are the labels (`y_true`) and z the logits (`y_pred`). Use it for Keras's metrics on a model
    that gives logits: `metrics=["accuracy"]` alone would compare logits with 0.5. Metrics of this
    package take `from_logits=True` themselves. Keras's know no missing labels: give such a label
    any value in [0, 1], and the weight 0.

    Args:
        metric: A Keras metric, or what `keras.metrics.get` makes one from. `"accuracy"` means
            `keras.metrics.BinaryAccuracy()`.
        name: The name, by default that of the metric.

    Raises:
        ValueError: for what is not a metric, and for a metric that takes logits itself.

    Examples:

    >>> import keras, keras_bce
    >>> metric = keras_bce.metrics.FromLogits(keras.metrics.BinaryAccuracy())
    >>> print(f"{float(metric([0, 1, 1], [-0.2, 0.2, 3.0])):.1f}")
    1.0

    With `compile()`:

    ```python
    model.compile(
        "adam",
        loss=keras_bce.losses.BinaryCrossentropy(from_logits=True),
        metrics=[keras_bce.metrics.FromLogits(keras.metrics.AUC(), name="auc")],
    )
    ```
    """

    def __init__(self, metric: Any, name: str | None = None) -> None:
        if isinstance(metric, str) and metric in ("accuracy", "acc"):
            # What `compile` makes of these names for one logit; `keras.metrics.get` would give
            # the share of predictions that equal their labels.
            metric = keras.metrics.BinaryAccuracy(name=metric)
        metric = keras.metrics.get(metric)
        if not isinstance(metric, keras.metrics.Metric):
            raise ValueError(
                "`metric` must be a Keras metric, an object rather than a function. "
                f"Received: metric={metric!r}. Pass the metric's class instance, as in "
                "`FromLogits(keras.metrics.BinaryAccuracy())`."
            )
        if isinstance(metric, FromLogits) or metric.get_config().get("from_logits"):
            raise ValueError(
                "`metric` must want probabilities: a metric that takes logits would get the "
                f"sigmoid of a sigmoid. Received: metric={metric!r}, which takes logits. Use it "
                "without `FromLogits`, or set its `from_logits=False`."
            )
        super().__init__(name=name or metric.name, dtype=metric.dtype)
        self.metric = metric
        if hasattr(metric, "_direction"):  # Else `EarlyStopping` asks for a `mode`.
            self._direction = metric._direction
        # A layer, since layers hand masks on.
        self._sigmoid = keras.layers.Activation("sigmoid", dtype=computing_dtype(self.dtype))

    @backend.unconverted
    def update_state(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Adds a batch to the metric: tensors, NumPy arrays or lists.

        Args:
            y_true: Labels, as the metric takes them.
            y_pred: Logits, of which the metric gets the sigmoid. What is known to be the result of
                a sigmoid is handed on as it is.
            sample_weight: Weights, as the metric takes them.
        """
        if backend.find_logits(y_pred, even_if_costly=True) is None:
            y_pred = self._sigmoid(as_array(y_pred, "y_pred"))
        self.metric.update_state(y_true, y_pred, sample_weight=sample_weight)

    def result(self) -> Any:
        """What the metric's own `result()` gives."""
        return self.metric.result()

    def reset_state(self) -> None:
        """Resets the metric."""
        self.metric.reset_state()

    def merge_state(self, metrics: Iterable["FromLogits"]) -> None:
        """Adds what other metrics have seen, if the metrics inside can be merged.

        Args:
            metrics: `FromLogits` of the same metric.

        Raises:
            ValueError: if the metric inside has no `merge_state`, as most of Keras's, or they
                differ.
        """
        metrics = list(metrics)
        for other in metrics:
            check_same_class(self, other)
        if not hasattr(self.metric, "merge_state"):
            raise ValueError(
                "`merge_state` needs a wrapped metric that can be merged. Received: a "
                f"{type(self.metric).__name__}, which has no `merge_state`."
            )
        self.metric.merge_state([other.metric for other in metrics])

    def get_config(self) -> dict[str, Any]:
        """The arguments, from which `from_config` makes an equal object."""
        return {"name": self.name, "metric": keras.saving.serialize_keras_object(self.metric)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "FromLogits":
        """A metric with the arguments that `get_config` gave."""
        metric = keras.saving.deserialize_keras_object(config["metric"])
        return cls(metric, name=config["name"])
