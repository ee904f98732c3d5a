"""What a loss, its function and its metric have in common.

A `Criterion` holds the arguments that all three take, and turns labels and
predictions into one numerator and one weight per sample. A loss reduces those, a
metric accumulates them: with the same arguments they cannot disagree.
"""

import keras
import numpy as np

from keras_bce import arguments, inputs, weighting
from keras_bce.elementwise import Crossentropy, Logits, Partial, Probabilities, Smoothed


class Criterion:
    """An elementwise loss, and how its predictions are read, weighted and averaged.

    Args:
        loss: A class of `elementwise`.
        from_logits: Whether predictions are logits rather than probabilities.
        label_smoothing: A number in [0, 1].
        axis: The axis of the labels, over which a sample's loss is averaged.
        pos_weight: A number, or one per label: the factor of the positive term.
        label_weights: A number, or one per label: the factor of a label's loss.
        ignore_class: The label that stands for "missing": a number, NaN, or `None`.
        **own: The arguments of `loss` alone, checked already.
    """

    def __init__(
        self,
        loss=Crossentropy,
        *,
        from_logits=False,
        label_smoothing=0.0,
        axis=-1,
        pos_weight=None,
        label_weights=None,
        ignore_class=None,
        **own,
    ):
        self.from_logits = bool(from_logits)
        self.label_smoothing = arguments.fraction("label_smoothing", label_smoothing)
        self.axis = arguments.axis(axis)
        self.pos_weight = arguments.label_factors("pos_weight", pos_weight)
        self.label_weights = arguments.label_factors("label_weights", label_weights)
        self.ignore_class = arguments.ignore_class(ignore_class)
        self.loss = Partial(loss, **own)
        if self.label_smoothing:
            self.loss = Partial(Smoothed, loss=loss, smoothing=self.label_smoothing, **own)

    @property
    def config(self):
        """The arguments that every loss has, by their public names."""
        return {
            "from_logits": self.from_logits,
            "label_smoothing": self.label_smoothing,
            "axis": self.axis,
            "pos_weight": arguments.plain_factors(self.pos_weight),
            "label_weights": arguments.plain_factors(self.label_weights),
            "ignore_class": self.ignore_class,
        }

    def batch(self, y_true, y_pred, sample_weight=None, **reading):
        """What a loss or a metric was called with, as a `weighting.Batch`."""
        given = inputs.standardize(
            y_true,
            y_pred,
            sample_weight,
            from_logits=self.from_logits,
            axis=self.axis,
            ignore_class=self.ignore_class,
            label_weights=self.label_weights,
            **reading,
        )

        def along_axis(name):
            return inputs.along_axis(name, getattr(self, name), given.predictions, self.axis)

        return weighting.Batch(
            labels=given.labels,
            predictions=given.predictions,
            weights=given.sample_weight,
            present=given.mask,
            label_weights=along_axis("label_weights"),
            pos_weight=along_axis("pos_weight"),
            ignore_class=self.ignore_class,
            axis=self.axis,
            loss=self.loss,
            link=_link(given),
            # Where nothing can be left out, a pair (..., n) and (..., n, 1) is averaged as Keras
            # does; else the mean is over what is valid.
            averages_rows=given.one_per_row and self.ignore_class is None and given.mask is None,
        )


def _link(given):
    if given.from_logits:
        return Logits
    own = {"epsilon": keras.config.epsilon()}
    if given.given_dtype == "float16":
        own["slope_limit"] = float(np.finfo("float16").max)
    return Partial(Probabilities, **own)


class ReadingArguments:
    """How an object's criterion reads predictions and labels, as Keras's classes show it."""

    @property
    def from_logits(self):
        return self._criterion.from_logits

    @property
    def ignore_class(self):
        return self._criterion.ignore_class


class CriterionArguments(ReadingArguments):
    """All arguments of an object's criterion, as Keras's classes show them."""

    @property
    def label_smoothing(self):
        return self._criterion.label_smoothing

    @property
    def axis(self):
        return self._criterion.axis

    @property
    def pos_weight(self):
        return self._criterion.pos_weight

    @property
    def label_weights(self):
        return self._criterion.label_weights
