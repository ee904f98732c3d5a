"""What all metrics have in common: exact sums that are updated, merged and pickled."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_bce._arguments import Arguments, ShowsReading
from keras_bce._backend import backend
from keras_bce._prepare import cast, computing_dtype, prepare, result_dtype
from keras_bce._sums import ExactSums, Given
from keras_bce._typing import Array, ArrayLike, Tensor

register = keras.saving.register_keras_serializable(package="keras_bce.metrics")


class PortableMetric(keras.metrics.Metric):
    """A metric that is pickled and copied with its state, which Keras's own pickling loses."""

    def reset_states(self) -> None:
        """Forgets everything: `reset_state`, by the name that TensorFlow 2.4 documents."""
        self.reset_state()

    def __reduce__(self) -> tuple[Any, ...]:
        state = [np.array(ops.convert_to_numpy(variable)) for variable in self.variables]
        return type(self).from_config, (self.get_config(),), state

    def __setstate__(self, state: list[Any]) -> None:
        for variable, value in zip(self.variables, state, strict=True):
            variable.assign(value)


class SumsMetric(ShowsReading, PortableMetric):
    """A metric whose state is a vector of exact sums: prepare -> exclude -> measure -> add.

    Subclasses say how many sums there are, what a batch adds to them (`_updated`), and what
    result they have (`_result`). `Sliced` asks them the same for the sums of each slice.
    """

    def __init__(self, name: str, dtype: Any, arguments: Arguments, size: int) -> None:
        super().__init__(name=name, dtype=dtype)
        self._arguments = arguments
        self._sums = ExactSums(self, size, computing_dtype(self.dtype))
        self._result_of_state = backend.compiled_result(
            lambda state: self._result(backend.sums(state)), self._result_on_host
        )

    @backend.unconverted
    def update_state(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Adds a batch: tensors, NumPy arrays or lists.

        Args:
            y_true: Labels in [0, 1], numbers or booleans of shape `(batch, ..., labels)`.
                `(batch,)` goes with `(batch, 1)` either way.
            y_pred: Predictions of the same shape: logits or probabilities, as `from_logits` says.
            sample_weight: `None`, a number, one weight per sample (of any lower rank, aligned from
                the left), or one per prediction.

        Raises:
            ValueError: for shapes that do not fit, and for impossible values in lists and NumPy
                arrays, as in `losses.BinaryCrossentropy`. In tensors they make the result NaN until
                the metric is reset.
        """
        self._add(y_true, y_pred, sample_weight)

    @backend.unconverted
    def result(self) -> Any:
        """The result so far, a scalar tensor of the metric's dtype; 0.0 if nothing was seen."""
        return self._result_of_state(self._sums.variable.value)

    def reset_state(self) -> None:
        """Forgets everything."""
        self._sums.reset()

    def _add(self, y_true: Any, y_pred: Any, sample_weight: Any) -> None:
        batch, reading = self._prepared(y_true, y_pred, sample_weight)
        sums = self._sums.variable
        sums.assign(self._updated(Given(sums.value, batch), reading))

    def _prepared(self, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Any, Any]:
        """A batch, and the reading of it."""
        return prepare(self._arguments, y_true, y_pred, sample_weight, dtype=self.dtype)

    def _updated(self, given: Given, reading: Any) -> Tensor:
        """The state with what the batch adds to it."""
        raise NotImplementedError

    def _result(self, sums: Tensor) -> Any:
        """The result of sums, of which there are as many as `size` says."""
        raise NotImplementedError

    def _result_on_host(self, state: Array) -> Array | None:
        """The result of a state on the host; `None` if only tensors give it."""
        return None

    def _cast(self, value: Tensor) -> Tensor:
        return cast(value, result_dtype(self.dtype))

    def merge_state(self, metrics: Iterable["SumsMetric"]) -> None:
        """Adds what other metrics have seen, as if this one had seen it as well.

        Args:
            metrics: Metrics of the same class and the same arguments, the name aside. They do not
                change.

        Raises:
            ValueError: if one of them differs, saying in what.

        >>> import keras_bce
        >>> first, second = keras_bce.metrics.BrierScore(), keras_bce.metrics.BrierScore()
        >>> first.update_state([1], [0.5])
        >>> second.update_state([0], [1.0])
        >>> first.merge_state([second])
        >>> print(f"{float(first.result()):.3f}")  # (0.25 + 1) / 2
        0.625
        """
        metrics = list(metrics)
        for metric in metrics:
            check_same_class(self, metric)
            ours, theirs = self.get_config(), metric.get_config()
            # By repr, to which NaN equals NaN.
            differing = [k for k in ours if k != "name" and repr(ours[k]) != repr(theirs[k])]
            if differing:
                raise ValueError(
                    "`merge_state` takes metrics with the arguments of the one it is called on. "
                    "Received: "
                    + ", ".join(f"{k}={theirs[k]!r} where this has {ours[k]!r}" for k in differing)
                    + "."
                )
        for metric in metrics:
            self._sums.merge(metric._sums.state)


class ProbabilityMetric(SumsMetric):
    """A metric of labels and probabilities over all predictions, whatever their shape."""

    def __init__(
        self, name: str, dtype: Any, from_logits: bool, ignore_class: float | None, size: int
    ) -> None:
        arguments = Arguments(from_logits=from_logits, ignore_class=ignore_class)
        super().__init__(name, dtype, arguments, size)

    def get_config(self) -> dict[str, Any]:
        """The arguments, from which `from_config` makes an equal object."""
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "ignore_class": self.ignore_class,
        }


def check_same_class(metric: keras.metrics.Metric, other: Any) -> None:
    """Raises if one metric cannot be merged into the other for its class."""
    if type(other) is not type(metric):
        raise ValueError(
            "`merge_state` takes metrics of the class it is called on, "
            f"{type(metric).__name__}. Received: a {type(other).__name__}."
        )
