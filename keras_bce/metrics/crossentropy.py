"""Log loss: of everything seen, of each label, and relative to the base rate."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from keras_bce import _arguments
from keras_bce._arguments import Arguments, ShowsArguments
from keras_bce._pointwise import Crossentropy, Pointwise
from keras_bce._prepare import Batch, Reading, check_label_count
from keras_bce._sums import ByLabel, Column, Given, adds
from keras_bce._typing import Array, LabelFactors, Tensor
from keras_bce._weighting import per_element, sum_over_labels, weights_or_ones
from keras_bce.metrics._means import MeanMetric, means
from keras_bce.metrics._shared import ProbabilityMetric, register
from keras_bce.metrics._uncertainty import (
    Estimate,
    Uncertain,
    estimate,
    size_with_products,
    with_products,
)

__all__ = ["BinaryCrossentropy", "NormalizedEntropy"]


@register
class BinaryCrossentropy(ShowsArguments, MeanMetric):
    """Mean binary cross-entropy over everything seen: what the loss of this name means, exactly.

        result = sum of the samples' weighted losses / sum of their weights

    A weighted metric thus averages by weight, where a loss divides by the number
    of samples; `reduction="mean_with_sample_weight"` makes the two equal.

    Args:
        name: The name of the metric.
        dtype: The dtype of the result, by default `keras.config.floatx()`. The sums are
            kept in pairs of float32, which hold about 48 bits.
        from_logits: As in `keras_bce.losses.BinaryCrossentropy`, like all the rest.
        label_smoothing: See there.
        axis: See there.
        pos_weight: See there.
        label_weights: See there.
        ignore_class: See there.
        label_names: A list of one name per label along `axis`. Then `result()` is a
            dictionary of the mean, under `name`, and each label's own mean, under
            `{name}_{label name}`. Give two such metrics of one model different names: Keras
            logs their dictionaries without a prefix, and one would hide the other. To
            monitor a label's own log, `EarlyStopping` needs `mode="min"`.
        uncertainty: Whether to keep what `standard_error()` and `interval()` need: sums of products
            of losses and weights. An update then takes longer.

    Raises:
        ValueError: as the loss does, and for as many `label_names` as there are not labels.

    >>> import keras_bce
    >>> metric = keras_bce.metrics.BinaryCrossentropy()
    >>> metric.update_state([[0, 1], [0, 0]], [[0.6, 0.4], [0.4, 0.6]])
    >>> print(f"{float(metric.result()):.4f}")
    0.8149
    >>> metric.reset_states()
    >>> metric.update_state([[0, 1], [0, 0]], [[0.6, 0.4], [0.4, 0.6]], sample_weight=[1, 0])
    >>> print(f"{float(metric.result()):.4f}")
    0.9163

    How sure is it?

    >>> metric = keras_bce.metrics.BinaryCrossentropy(uncertainty=True)
    >>> metric.update_state([0, 1, 1, 0], [0.1, 0.8, 0.6, 0.3])
    >>> low, high = metric.interval(0.95)
    >>> print(f"{float(metric.result()):.2f} in [{low:.2f}, {high:.2f}]")
    0.30 in [0.13, 0.47]

    With `compile()`:

    ```python
    model.compile("adam", loss=loss, weighted_metrics=[keras_bce.metrics.BinaryCrossentropy()])
    ```
    """

    def __init__(
        self,
        name: str = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        *,
        axis: int = -1,
        pos_weight: LabelFactors = None,
        label_weights: LabelFactors = None,
        ignore_class: float | None = None,
        label_names: Sequence[str] | None = None,
        uncertainty: bool = False,
    ) -> None:
        arguments = Arguments(
            from_logits, label_smoothing, axis, pos_weight, label_weights, ignore_class
        )
        self.label_names = _arguments.label_names(label_names)
        loss = Crossentropy(smoothing=arguments.label_smoothing or None)
        labels = len(self.label_names or ())
        super().__init__(name, dtype, arguments, loss, uncertainty, labels)

    def _updated(self, given: Given, reading: Reading) -> Tensor:
        if not self.label_names:
            return super()._updated(given, reading)
        count, shape = len(self.label_names), given.batch.predictions.shape
        check_label_count("label_names", count, shape, reading.axis)
        return _add_means_by_label(given, self._loss, reading, self.uncertainty)

    def result(self) -> Tensor | dict[str, Tensor]:
        """The mean so far, 0.0 if nothing was seen; with `label_names` a dictionary of means."""
        return super().result()

    def _result(self, sums: Tensor) -> Tensor | dict[str, Tensor]:
        mean = super()._result(sums)
        if not self.label_names:
            return mean
        columns = ops.reshape(sums[self._size_of_mean :], (-1, len(self.label_names)))
        each = ops.unstack(super()._result(columns), len(self.label_names))
        return dict(zip(self._names, [mean, *each], strict=True))

    def _estimated(self, sums: Array) -> Estimate | dict[str, Estimate]:
        mean = super()._estimated(sums[: self._size_of_mean])
        if not self.label_names:
            return mean
        columns = sums[self._size_of_mean :].reshape(-1, len(self.label_names))
        each = [super(BinaryCrossentropy, self)._estimated(column) for column in columns.T]
        return dict(zip(self._names, [mean, *each], strict=True))

    @property
    def _names(self) -> list[str]:
        """The names of the mean and of each label's."""
        return [self.name, *(f"{self.name}_{label}" for label in self.label_names or ())]

    def get_config(self) -> dict[str, Any]:
        """The arguments, from which `from_config` makes an equal object."""
        return {
            **super().get_config(),
            **self._arguments.get_config(),
            "label_names": self.label_names,
            "uncertainty": self.uncertainty,
        }


def _means_by_label(
    batch: Batch, loss: Pointwise, reading: Reading, uncertainty: bool
) -> list[Column]:
    """The columns of the mean, and the same of each label's."""
    weights = weights_or_ones(batch)
    by_label = [per_element(batch, loss, reading), weights]
    if uncertainty:
        by_label = with_products(by_label, weights)
    return [
        *means(batch, loss, reading, uncertainty),
        *(ByLabel(column, reading.axis) for column in by_label),
    ]


_add_means_by_label = adds(_means_by_label)


@register
class NormalizedEntropy(Uncertain, ProbabilityMetric):
    """Cross-entropy relative to that of always predicting the mean label; 1 is no better.

        result = mean of binary_crossentropy / entropy of the mean label

    Both means are over all predictions seen, by weight. Below 1 the predictions
    tell more than the base rate does, whatever that is; NaN while the labels seen
    are all 0 or all 1.

    Args:
        name: The name of the metric.
        dtype: The dtype of the result.
        from_logits: Whether predictions are logits.
        ignore_class: The label that stands for "missing".
        uncertainty: Whether to keep what `standard_error()` and `interval()` need.

    Reference: He et al., 2014, "Practical Lessons from Predicting Clicks on Ads at
    Facebook", section 3, https://doi.org/10.1145/2648584.2648589.

    >>> import keras_bce
    >>> metric = keras_bce.metrics.NormalizedEntropy()
    >>> print(f"{float(metric([0, 1, 0, 0], [0.25, 0.25, 0.25, 0.25])):.3f}")
    1.000
    """

    def __init__(
        self,
        name: str = "normalized_entropy",
        dtype: Any = None,
        from_logits: bool = False,
        *,
        ignore_class: float | None = None,
        uncertainty: bool = False,
    ) -> None:
        self.uncertainty = bool(uncertainty)
        size = size_with_products(3) if uncertainty else 3
        super().__init__(name, dtype, from_logits, ignore_class, size)
        self._direction = "down"

    def _updated(self, given: Given, reading: Reading) -> Tensor:
        return _add_entropies(given, Crossentropy(), reading, self.uncertainty)

    def result(self) -> Tensor:
        """The ratio so far; NaN if only one class was seen."""
        return super().result()

    def _result(self, sums: Tensor) -> Tensor:
        losses, positives, negatives, *_ = ops.unstack(sums)
        total = positives + negatives
        with np.errstate(divide="ignore", invalid="ignore"):  # NumPy warns where this is NaN.
            shares = (positives / total, negatives / total)
            entropy = -(positives * ops.log(shares[0]) + negatives * ops.log(shares[1]))
            return self._cast(losses / entropy)

    def _estimated(self, sums: Array) -> Estimate:
        return estimate(sums, 3, _relative_entropy)

    def get_config(self) -> dict[str, Any]:
        """The arguments, from which `from_config` makes an equal object."""
        return {**super().get_config(), "uncertainty": self.uncertainty}


def _relative_entropy(sums: Array) -> tuple[float, Array]:
    """The result in float64, and its derivatives by the sums."""
    losses, counts = sums[0], sums[1:]
    logs = np.log(counts / counts.sum())
    entropy = -(counts * logs).sum()
    value = losses / entropy
    return value, np.array([1.0, *(value * logs)]) / entropy


def _entropies(batch: Batch, loss: Pointwise, reading: Reading, uncertainty: bool) -> list[Column]:
    """The sums of each sample's weighted losses, of its positives and of its negatives."""
    weights, labels = weights_or_ones(batch), batch.labels
    values = (per_element(batch, loss, reading), weights * labels, weights * (1.0 - labels))
    columns = [sum_over_labels(value, reading) for value in values]
    return with_products(columns, columns[1] + columns[2]) if uncertainty else columns


_add_entropies = adds(_entropies)
