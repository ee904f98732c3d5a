"""Metrics: exact, mergeable, and in agreement with the losses.

Each takes the arguments of its update from the same room as the losses do, and
keeps nothing but exact sums (see `streaming`), so that partial results can be
computed anywhere, pickled, and merged. A metric here is what it adds up, and what
it makes of the sums.
"""

import keras
import numpy as np
from keras import ops

from keras_bce import arguments, backend, inputs, streaming, weighting
from keras_bce.accumulator import exact_sum
from keras_bce.criterion import Criterion, CriterionArguments, ReadingArguments
from keras_bce.elementwise import Partial

#: Predictions whose sums a calibration error takes in float32 alone.
_BLOCK = 1024

_register = keras.saving.register_keras_serializable(package="keras_bce.metrics")


@_register
class BinaryCrossentropy(CriterionArguments, streaming.SumsMetric):
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
        name="binary_crossentropy",
        dtype=None,
        from_logits=False,
        label_smoothing=0,
        *,
        axis=-1,
        pos_weight=None,
        label_weights=None,
        ignore_class=None,
        label_names=None,
    ):
        criterion = Criterion(
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
            pos_weight=pos_weight,
            label_weights=label_weights,
            ignore_class=ignore_class,
        )
        self.label_names = arguments.label_names(label_names)
        labels = len(self.label_names or ())
        terms = _means_by_label if labels else _means
        super().__init__(name, dtype, criterion, size=2 + 2 * labels, terms=terms)
        self._direction = "down"

    def _batch(self, y_true, y_pred, sample_weight):
        batch = super()._batch(y_true, y_pred, sample_weight)
        if self.label_names:
            count, shape = len(self.label_names), batch.predictions.shape
            inputs.check_label_count("label_names", count, shape, batch.axis)
        return batch

    def result(self):
        """The mean so far, 0.0 if nothing was seen; with `label_names` a dictionary of means."""
        sums = self._sums.sums()
        if not self.label_names:
            return self._cast(weighting.divide(*ops.unstack(sums)))
        labels = len(self.label_names)
        mean = self._cast(weighting.divide(sums[0], sums[1]))
        each = self._cast(weighting.divide(sums[2 : 2 + labels], sums[2 + labels :]))
        names = [f"{self.name}_{label}" for label in self.label_names]
        return {self.name: mean, **{name: each[i] for i, name in enumerate(names)}}

    def get_config(self):
        return {
            **super().get_config(),
            **self._criterion.config,
            "label_names": self.label_names,
        }


def _means(batch):
    samples = weighting.per_sample(batch)
    if samples.weights is None:
        weight = weighting.sample_count(samples.numerators)
    else:
        weight = exact_sum(samples.weights)
    return [exact_sum(samples.numerators), weight]


def _means_by_label(batch):
    rank = len(batch.predictions.shape)
    axes = tuple(i for i in range(rank) if i != batch.axis % rank)
    columns = (weighting.per_element(batch), batch.weights_or_ones)
    return [*_means(batch), *(exact_sum(column, axes) for column in columns)]


class _ProbabilityMetric(ReadingArguments, streaming.SumsMetric):
    """A metric of labels and probabilities over all predictions, whatever their shape."""

    def __init__(self, name, dtype, from_logits, ignore_class, size, terms):
        criterion = Criterion(from_logits=from_logits, ignore_class=ignore_class)
        super().__init__(name, dtype, criterion, size, terms)

    def get_config(self):
        config = self._criterion.config
        return {
            **super().get_config(),
            "from_logits": config["from_logits"],
            "ignore_class": config["ignore_class"],
        }


@_register
class NormalizedEntropy(_ProbabilityMetric):
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
        name="normalized_entropy",
        dtype=None,
        from_logits=False,
        *,
        ignore_class=None,
    ):
        super().__init__(name, dtype, from_logits, ignore_class, size=3, terms=_entropies)
        self._direction = "down"

    def result(self):
        """The ratio so far; NaN if only one class was seen."""
        losses, positives, negatives = ops.unstack(self._sums.sums())
        total = positives + negatives
        with np.errstate(divide="ignore", invalid="ignore"):  # NumPy warns where this is NaN.
            shares = (positives / total, negatives / total)
            entropy = -(positives * ops.log(shares[0]) + negatives * ops.log(shares[1]))
            return self._cast(losses / entropy)


def _entropies(batch):
    weights, labels = batch.weights_or_ones, batch.labels
    columns = (weighting.per_element(batch), weights * labels, weights * (1.0 - labels))
    return [exact_sum(column) for column in columns]


@_register
class CalibrationRatio(_ProbabilityMetric):
    """Predicted positives over actual positives: above 1 the model is overconfident of positives.

        result = sum of weight * p / sum of weight * y_true

    Its best value is 1. `EarlyStopping` and `ModelCheckpoint`, which know no such
    thing, take it for one to be lowered: monitor another.

    Args:
        name: The name of the metric.
        dtype: The dtype of the result.
        from_logits: Whether predictions are logits.
        ignore_class: The label that stands for "missing".

    >>> import keras_bce
    >>> metric = keras_bce.metrics.CalibrationRatio()
    >>> print(f"{float(metric([0, 1, 0, 1], [0.5, 1.0, 0.5, 1.0])):.2f}")
    1.50
    """

    def __init__(
        self,
        name="calibration_ratio",
        dtype=None,
        from_logits=False,
        *,
        ignore_class=None,
    ):
        super().__init__(name, dtype, from_logits, ignore_class, size=2, terms=_positives)
        self._direction = "down"

    def result(self):
        """The ratio so far; NaN while there was no positive label."""
        predicted, actual = ops.unstack(self._sums.sums())
        with np.errstate(invalid="ignore"):  # NumPy warns where this is NaN.
            # 0 / 0 without positives, whatever was predicted.
            return self._cast(backend.where(actual == 0.0, actual, predicted) / actual)


def _positives(batch):
    weights = batch.weights_or_ones
    columns = (weights * values for values in weighting.probabilities(batch))
    return [exact_sum(column) for column in columns]


@_register
class ExpectedCalibrationError(_ProbabilityMetric):
    """How far predicted probabilities are from observed frequencies, over bins of equal width.

        result = sum over bins of |sum of weight * p - sum of weight * y_true| / sum of weights

    Bin k of K holds the probabilities in [k/K, (k+1)/K), the last one 1 as well.

    Args:
        name: The name of the metric.
        dtype: The dtype of the result.
        from_logits: Whether predictions are logits.
        num_bins: K, 1 or greater.
        ignore_class: The label that stands for "missing".

    Reference: Guo et al., 2017, https://arxiv.org/abs/1706.04599.

    >>> import keras_bce
    >>> metric = keras_bce.metrics.ExpectedCalibrationError(num_bins=2)
    >>> print(f"{float(metric([0, 1, 0, 1], [0.25, 0.25, 1.0, 1.0])):.3f}")
    0.375
    """

    def __init__(
        self,
        name="expected_calibration_error",
        dtype=None,
        from_logits=False,
        *,
        num_bins=15,
        ignore_class=None,
    ):
        self.num_bins = arguments.num_bins(num_bins)
        terms = Partial(_bins, num_bins=self.num_bins)
        super().__init__(name, dtype, from_logits, ignore_class, 3 * self.num_bins, terms)
        self._direction = "down"

    def bins(self):
        """What a reliability diagram shows, as NumPy arrays, one row per bin.

        Returns:
            A dictionary: `edges` (num_bins + 1), and per bin `weight` (its sum),
            `mean_prediction` and `mean_label` (NaN in an empty bin).
        """
        weight, predicted, gap = self._sums.state.astype("float64").sum(0).reshape(3, -1)
        count = np.where(weight == 0, np.nan, weight)
        return {
            "edges": np.linspace(0.0, 1.0, self.num_bins + 1),
            "weight": weight,
            "mean_prediction": predicted / count,
            "mean_label": (predicted - gap) / count,
        }

    def result(self):
        """The error so far; 0.0 if nothing was seen."""
        columns = ops.reshape(self._sums.sums(), (3, self.num_bins))
        return self._cast(weighting.divide(ops.sum(ops.abs(columns[2])), ops.sum(columns[0])))

    def get_config(self):
        return {**super().get_config(), "num_bins": self.num_bins}


def _bins(batch, num_bins):
    probabilities, labels = weighting.probabilities(batch)
    # The bin on one side or the other of the nearest edge: a product with `num_bins` alone would
    # round some probabilities of exactly k / num_bins to below k.
    dtype = keras.backend.standardize_dtype(probabilities.dtype)
    edges = ops.convert_to_tensor(np.arange(num_bins + 1) / num_bins, dtype)
    # A NaN has no bin; its product with any weight makes the one it falls into NaN.
    nearest = ops.clip(ops.cast(ops.round(probabilities * num_bins), "int32"), 0, num_bins)
    below = probabilities < ops.take(edges, nearest)
    bins = ops.clip(nearest - ops.cast(below, "int32"), 0, num_bins - 1)
    # Bins of one block of predictions at a time, so that no float32 sum grows long.
    blocks = ops.arange(ops.size(bins), dtype="int32") // _BLOCK
    segments = blocks * num_bins + ops.reshape(bins, (-1,))
    count = (ops.size(bins) // _BLOCK + 1) * num_bins
    weights = batch.weights_or_ones
    terms = []
    # Gaps rather than labels: the difference of two long sums would have lost its digits.
    gaps = probabilities - labels
    for column in (weights, weights * probabilities, weights * gaps):
        sums = ops.segment_sum(ops.reshape(column, (-1,)), segments, num_segments=count)
        terms.append(exact_sum(ops.reshape(sums, (-1, num_bins)), 0))
    return terms


@_register
class FromLogits(streaming.PortableMetric):
    """Any Keras metric that wants probabilities, fed with logits.

    `compile(metrics=["accuracy"])` on a model that gives logits compares logits
    with 0.5. This hands on `sigmoid(y_pred)`; everything else is the metric's.

    Args:
        metric: A metric, or what `keras.metrics.get` makes one from.
        name: The name, by default that of the metric.

    >>> import keras, keras_bce
    >>> metric = keras_bce.metrics.FromLogits(keras.metrics.BinaryAccuracy())
    >>> print(f"{float(metric([0, 1, 1], [-0.2, 0.2, 3.0])):.1f}")
    1.0
    """

    def __init__(self, metric, name=None):
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
        self._direction = getattr(metric, "_direction", None)
        # A layer, since layers hand masks on.
        self._sigmoid = keras.layers.Activation("sigmoid", dtype=inputs.computing_dtype(self.dtype))

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch to the metric, the sigmoid of its logits; what has one already as it is."""
        if backend.find_logits(y_pred, even_if_costly=True) is None:
            y_pred = self._sigmoid(inputs.as_array(y_pred, "y_pred"))
        self.metric.update_state(y_true, y_pred, sample_weight=sample_weight)

    def result(self):
        """The metric's result."""
        return self.metric.result()

    def reset_state(self):
        """Resets the metric."""
        self.metric.reset_state()

    def merge_state(self, metrics):
        """Adds what other metrics have seen, if the wrapped metrics can be merged.

        Raises:
            ValueError: if they cannot, or differ.
        """
        metrics = list(metrics)
        for other in metrics:
            streaming.check_same_class(self, other)
        if not hasattr(self.metric, "merge_state"):
            raise ValueError(
                "`merge_state` needs a wrapped metric that can be merged. Received: a "
                f"{type(self.metric).__name__}, which has no `merge_state`."
            )
        self.metric.merge_state([other.metric for other in metrics])

    def get_config(self):
        return {"name": self.name, "metric": keras.saving.serialize_keras_object(self.metric)}

    @classmethod
    def from_config(cls, config):
        metric = keras.saving.deserialize_keras_object(config["metric"])
        return cls(metric, name=config["name"])
