"""What a loss, its function and its metric have in common.

A `Criterion` holds the arguments that all three take, and turns labels and
predictions into one numerator and one weight per sample. A loss reduces those, a
metric accumulates them: with the same arguments they cannot disagree.
"""

import numpy as np
from keras import config

from keras_bce import checks, inputs, weighting
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
        **arguments: The arguments of `loss` alone, checked already.
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
        **arguments,
    ):
        self.from_logits = bool(from_logits)
        self.label_smoothing = checks.label_smoothing_argument(label_smoothing)
        self.axis = checks.axis_argument(axis)
        self.pos_weight = checks.weights_argument("pos_weight", pos_weight)
        self.label_weights = checks.weights_argument("label_weights", label_weights)
        self.ignore_class = checks.ignore_class_argument(ignore_class)
        self.loss = Partial(loss, **arguments)
        if self.label_smoothing:
            self.loss = Partial(Smoothed, loss=loss, smoothing=self.label_smoothing, **arguments)

    @property
    def config(self):
        """The arguments that every loss has, by their public names."""
        return {
            "from_logits": self.from_logits,
            "label_smoothing": self.label_smoothing,
            "axis": self.axis,
            "pos_weight": _plain(self.pos_weight),
            "label_weights": _plain(self.label_weights),
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
            **reading,
        )

        def along_axis(name):
            return weighting.along_axis(name, getattr(self, name), given.predictions, self.axis)

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
        )


def _link(given):
    if given.from_logits:
        return Logits
    arguments = {"epsilon": config.epsilon()}
    if given.given_dtype == "float16":
        arguments["slope_limit"] = float(np.finfo("float16").max)
    return Partial(Probabilities, **arguments)


def _plain(weights):
    return weights.tolist() if isinstance(weights, np.ndarray) else weights
