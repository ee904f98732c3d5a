"""Log loss: of everything seen, of each label, and relative to the base rate."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from keras_bce import _arguments
from keras_bce._arguments import Arguments, ShowsArguments
from keras_bce._backend import backend
from keras_bce._pointwise import Crossentropy, Pointwise
from keras_bce._prepare import Batch, Reading, check_label_count
from keras_bce._sums import adds
from keras_bce._typing import LabelFactors, Tensor
from keras_bce._weighting import divide, per_element, per_sample, sample_count, weights_or_ones
from keras_bce.metrics._shared import ProbabilityMetric, SumsMetric, register

__all__ = ["BinaryCrossentropy", "NormalizedEntropy"]


@register
class BinaryCrossentropy(ShowsArguments, SumsMetric):
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
    ) -> None:
        arguments = Arguments(
            from_logits, label_smoothing, axis, pos_weight, label_weights, ignore_class
        )
        self.label_names = _arguments.label_names(label_names)
        super().__init__(name, dtype, arguments, size=2 + 2 * len(self.label_names or ()))
        self._loss = Crossentropy(smoothing=arguments.label_smoothing or None)
        self._direction = "down"

    def _updated(self, state: Tensor, batch: Batch, reading: Reading) -> Tensor:
        if not self.label_names:
            return _add_means((state, batch), self._loss, reading)
        count, shape = len(self.label_names), batch.predictions.shape
        check_label_count("label_names", count, shape, reading.axis)
        return _add_means_by_label((state, batch), self._loss, reading)

    def result(self) -> Tensor | dict[str, Tensor]:
        """The mean so far, 0.0 if nothing was seen; with `label_names` a dictionary of means."""
        sums = self._sums.values()
        if not self.label_names:
            return self._cast(divide(*ops.unstack(sums)))
        labels = len(self.label_names)
        mean = self._cast(divide(sums[0], sums[1]))
        each = self._cast(divide(sums[2 : 2 + labels], sums[2 + labels :]))
        names = [f"{self.name}_{label}" for label in self.label_names]
        return {self.name: mean, **{name: each[i] for i, name in enumerate(names)}}

    def get_config(self) -> dict[str, Any]:
        """The arguments, from which `from_config` makes an equal object."""
        return {
            **super().get_config(),
            **self._arguments.get_config(),
            "label_names": self.label_names,
        }


def _means(batch: Batch, loss: Pointwise, reading: Reading) -> list[Any]:
    """The sum of the samples' weighted losses, and that of their weights."""
    samples = per_sample(batch, loss, reading)
    if samples.weights is None:
        weight = sample_count(samples.numerators)
    else:
        weight = backend.exact_sum(samples.weights)
    return [backend.exact_sum(samples.numerators), weight]


def _means_by_label(batch: Batch, loss: Pointwise, reading: Reading) -> list[Any]:
    """The same, and the two sums of each label."""
    rank = len(batch.predictions.shape)
    axes = tuple(i for i in range(rank) if i != reading.axis % rank)
    columns = (per_element(batch, loss, reading), weights_or_ones(batch))
    return [
        *_means(batch, loss, reading),
        *(backend.exact_sum(column, axes) for column in columns),
    ]


_add_means = adds(_means)
_add_means_by_label = adds(_means_by_label)


@register
class NormalizedEntropy(ProbabilityMetric):
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
    ) -> None:
        super().__init__(name, dtype, from_logits, ignore_class, size=3)
        self._direction = "down"

    def _updated(self, state: Tensor, batch: Batch, reading: Reading) -> Tensor:
        return _add_entropies((state, batch), Crossentropy(), reading)

    def result(self) -> Tensor:
        """The ratio so far; NaN if only one class was seen."""
        losses, positives, negatives = ops.unstack(self._sums.values())
        total = positives + negatives
        with np.errstate(divide="ignore", invalid="ignore"):  # NumPy warns where this is NaN.
            shares = (positives / total, negatives / total)
            entropy = -(positives * ops.log(shares[0]) + negatives * ops.log(shares[1]))
            return self._cast(losses / entropy)


def _entropies(batch: Batch, loss: Pointwise, reading: Reading) -> list[Any]:
    """The sums of the weighted losses, of the positives and of the negatives."""
    weights, labels = weights_or_ones(batch), batch.labels
    columns = (per_element(batch, loss, reading), weights * labels, weights * (1.0 - labels))
    return [backend.exact_sum(column) for column in columns]


_add_entropies = adds(_entropies)
