"""What all metrics have in common: exact sums that are updated, merged and pickled."""

import keras
import numpy as np
from keras import ops

from keras_bce import inputs, weighting
from keras_bce.accumulator import Accumulator


class PortableMetric(keras.metrics.Metric):
    """A metric that is pickled and copied with its state, which Keras's own pickling loses."""

    def reset_states(self):
        """Forgets everything: `reset_state`, by the name that TensorFlow 2.4 documents."""
        self.reset_state()

    def __reduce__(self):
        state = [np.array(ops.convert_to_numpy(variable)) for variable in self.variables]
        return _restore, (type(self), self.get_config(), state)


def _restore(cls, config, state):
    metric = cls.from_config(config)
    for variable, value in zip(metric.variables, state, strict=True):
        variable.assign(value)
    return metric


class SumsMetric(PortableMetric):
    """A metric whose state is a vector of exact sums.

    Subclasses say how many these are, and `terms`, a function that gives what a
    batch adds to them; and they compute from them in `result`.
    """

    def __init__(self, name, dtype, criterion, size, terms):
        super().__init__(name=name, dtype=dtype)
        self._criterion = criterion
        self._terms = terms
        self._sums = Accumulator(self, size, inputs.computing_dtype(self.dtype))

    def _batch(self, y_true, y_pred, sample_weight):
        return self._criterion.batch(y_true, y_pred, sample_weight, dtype=self.dtype)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch; the arguments are those of a call of `losses.BinaryCrossentropy`."""
        self._sums.add(_selected, self._terms, self._batch(y_true, y_pred, sample_weight))

    def _cast(self, value):
        return inputs.cast(value, inputs.result_dtype(self.dtype))

    def merge_state(self, metrics):
        """Adds what other metrics have seen, as if this one had seen it as well.

        Args:
            metrics: Metrics of the same class and the same arguments, the name aside.

        Raises:
            ValueError: if one of them differs, saying in what.
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


def check_same_class(metric, other):
    """Raises if one metric cannot be merged into the other for its class."""
    if type(other) is not type(metric):
        raise ValueError(
            "`merge_state` takes metrics of the class it is called on, "
            f"{type(metric).__name__}. Received: a {type(other).__name__}."
        )


def _selected(terms, batch):
    return terms(weighting.selected(batch))
