"""A metric of each part of the data."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_bce import _arguments, _faults
from keras_bce._backend import backend
from keras_bce._prepare import Batch, Reading, align_weight, as_array
from keras_bce._sums import Given
from keras_bce._typing import ArrayLike, Tensor
from keras_bce.metrics._shared import SumsMetric, register
from keras_bce.metrics._uncertainty import Uncertain

__all__ = ["Sliced"]


@register
class Sliced(Uncertain, SumsMetric):
    r"""A metric of each slice of the data: by country, by age, by day, in one pass.

    Each update is given the number of each sample's slice. The result of a slice is what the metric
    gives for the samples of this slice alone:

    $$
    \text{result}[s] = \text{metric}(\{ i : \text{slices}_i = s \})
    $$

    `result()`, `standard_error()` and `interval()` are dictionaries by slice; `of(name)` is the
    metric of one slice. With 20 slices and intervals of 95%, one will on average miss its true
    value by chance: to find slices that differ from the rest, widen the intervals,
    `interval(1 - 0.05 / 20)`, and look at a slice that stands out on new data.

    Args:
        metric: A metric of this package, but `FromLogits`. It says what is computed; what it has
            seen itself is not used.
        slice_names: A list of the slices' names. A slice's number is its place in it.
        name: The name of the metric, by default that of `metric`.

    Raises:
        ValueError: for a metric that is none of these, and for names that are not different.

    Examples:

    >>> import keras_bce
    >>> ratio = keras_bce.metrics.CalibrationRatio()
    >>> metric = keras_bce.metrics.Sliced(ratio, ["old", "new"])
    >>> metric.update_state([0, 1, 1, 0], [0.5, 0.5, 0.25, 0.25], slices=[0, 0, 1, 1])
    >>> {name: float(value) for name, value in metric.result().items()}
    {'old': 1.0, 'new': 0.5}
    >>> metric.of("new").name
    'calibration_ratio'

    `compile()` cannot take it, since `fit` and `evaluate` do not hand on slices. Update it in a
    loop of your own:

    ```python
    for x, y, region in batches:
        metric.update_state(y, model.predict_on_batch(x), slices=region)
    ```

    Reference: Dunn, 1961, "Multiple Comparisons Among Means", for the wider intervals,
    https://doi.org/10.1080/01621459.1961.10482090.
    """

    def __init__(
        self, metric: SumsMetric, slice_names: Sequence[str], name: str | None = None
    ) -> None:
        if not isinstance(metric, SumsMetric) or isinstance(metric, Sliced):
            raise ValueError(
                "`metric` must be a metric of keras_bce whose state is sums: not `FromLogits`, "
                f"`Sliced`, or one of Keras. Received: metric={metric!r}. Pass one such as "
                "`keras_bce.metrics.BinaryCrossentropy()`."
            )
        self.slice_names = _arguments.different_names("slice_names", slice_names, "slice")
        size = metric._sums.size * len(self.slice_names)
        super().__init__(name or metric.name, metric.dtype, metric._arguments, size)
        # In an object of its own, since Keras would count its variables among those of this.
        self._template = _Template(metric)
        self._results_of_sums = backend.compiled_result_of_columns(metric._result)
        if hasattr(metric, "_direction"):
            self._direction = metric._direction

    @property
    def metric(self) -> Any:
        """The metric that says what is computed."""
        return self._template.metric

    @backend.unconverted
    def update_state(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike | Sequence[ArrayLike],
        sample_weight: ArrayLike | None = None,
        *,
        slices: ArrayLike | None = None,
    ) -> None:
        """Adds a batch: tensors, NumPy arrays or lists.

        Args:
            y_true: Labels, as the metric takes them.
            y_pred: Predictions of the same shape; a pair of such, if the metric is
                `LossDifference`.
            sample_weight: `None`, a number, one weight per sample, or one per prediction.
            slices: The number of each sample's slice, an integer from 0 on, of shape `(batch,)`;
                one for each step of a sequence, `(batch, steps)`; or one number for all.

        Raises:
            ValueError: as the metric does; and for slices that are not integers, not as many as
                samples, or in a list or NumPy array out of range. In a tensor a number out of range
                makes every result NaN.
        """
        batch, reading = self.metric._prepared(y_true, y_pred, sample_weight)
        first = (batch, reading) if isinstance(batch, Batch) else (batch[0], reading[0])
        aligned = self._aligned(slices, *first)
        count = len(self.slice_names)
        if isinstance(reading, Reading):
            reading = replace(reading, slices=count)
        else:
            reading = tuple(replace(each, slices=count) for each in reading)
        sums = self._sums.variable
        sums.assign(self.metric._updated(Given(sums.value, batch, aligned), reading))

    def _aligned(self, slices: Any, batch: Batch, reading: Reading) -> Tensor:
        """The slice of each sample, as `Given` takes them."""
        if slices is None:
            raise ValueError(
                "`slices` must be given, the number of each sample's slice. Received: slices=None. "
                "`fit` and `evaluate` do not give them: update the metric in a loop of your own."
            )
        slices = as_array(slices, "slices")
        if "int" not in keras.backend.standardize_dtype(slices.dtype):
            raise ValueError(
                "`slices` must hold integers, the numbers of slices. Received: slices of dtype "
                f"{keras.backend.standardize_dtype(slices.dtype)}. Cast them."
            )
        count = len(self.slice_names)
        if isinstance(slices, np.ndarray):
            outside = (slices < 0) | (slices >= count)
            if outside.any():
                place = tuple(int(i) for i in np.argwhere(outside)[0])
                raise ValueError(
                    f"`slices` must hold numbers from 0 to {count - 1}, as many as there are "
                    f"`slice_names`. Received: {outside.sum()} of {slices.size} outside, the first "
                    f"at slices[{', '.join(map(str, place))}]={slices[place]}."
                )
        shape, axis = batch.predictions.shape, reading.axis % len(batch.predictions.shape)
        try:
            aligned = align_weight("slices", slices, shape, axis)
        except ValueError:
            aligned = None
        # What a sample is averaged over has one slice.
        whole = (axis, axis - 1) if reading.averages_rows else (axis,)
        if aligned is None or any(aligned.shape[i] != 1 for i in whole):
            raise ValueError(_faults.slice_fault(slices.shape, shape))
        tensor = ops.cast(ops.convert_to_tensor(aligned), "int32")
        return backend.follow(tensor, batch.predictions)

    def of(self, slice_name: str) -> Any:
        """The metric of one slice, with what it has seen: for `bins()` and pictures, say.

        Args:
            slice_name: One of the names that the metric was made with.

        Returns:
            A new metric of the class of `metric`.

        Raises:
            ValueError: if there is no slice of this name.
        """
        if slice_name not in self.slice_names:
            raise ValueError(
                f"`slice_name` must be one of {', '.join(map(repr, self.slice_names))}. "
                f"Received: slice_name={slice_name!r}."
            )
        metric = type(self.metric).from_config(self.metric.get_config())
        state = self._sums.state.reshape(2, -1, len(self.slice_names))
        metric._sums.variable.assign(state[:, :, self.slice_names.index(slice_name)])
        return metric

    @backend.unconverted
    def result(self) -> dict[str, Any]:
        """The results so far: a dictionary of what the metric gives, by the name of the slice."""
        totals = backend.sums(self._sums.variable.value)
        sums = ops.reshape(totals, (-1, len(self.slice_names)))
        return dict(zip(self.slice_names, self._results_of_sums(sums), strict=True))

    def _estimates(self) -> Any:
        if not isinstance(self.metric, Uncertain):
            raise ValueError(
                "`Sliced` has a standard error if its metric has one. Received: a "
                f"{type(self.metric).__name__}, which has none."
            )
        self.metric._check_uncertainty()
        columns = self._sums.totals.reshape(-1, len(self.slice_names)).T
        return dict(zip(self.slice_names, map(self.metric._estimated, columns), strict=True))

    def get_config(self) -> dict[str, Any]:
        """The arguments, from which `from_config` makes an equal object."""
        return {
            "metric": keras.saving.serialize_keras_object(self.metric),
            "slice_names": self.slice_names,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Sliced":
        """A metric with the arguments that `get_config` gave."""
        metric = keras.saving.deserialize_keras_object(config["metric"])
        return cls(**(config | {"metric": metric}))


class _Template:
    """Holds a metric."""

    def __init__(self, metric: SumsMetric) -> None:
        self.metric = metric
