"""Recalibration by isotonic regression."""

from collections.abc import Iterable
from typing import Any

from keras import ops

from keras_bce import _fitting
from keras_bce._backend import backend
from keras_bce._typing import Tensor
from keras_bce.layers._shared import FittedRecalibration, register

__all__ = ["IsotonicCalibration"]

#: The most knots of a label. The map is off by at most `4 / KNOTS` where it has more.
KNOTS = 1024


@register
class IsotonicCalibration(FittedRecalibration):
    """Maps logits by a monotone curve of any form, made of straight pieces.

        result = log(p / (1 - p)), p the isotonic regression of the labels at the logit z

    p is the increasing function that is nearest to the labels, interpolated between the logits
    it was fitted to, and constant beyond them. It corrects whatever a monotone curve can, but
    needs more rows than the other recalibrations, about a thousand, and makes many predictions
    equal: the order of those that fall onto one step is lost.

    Adapt it on rows that the model was not trained on, and judge the result on others again.
    `keras_bce.recalibrate` does it for a model. The arguments are those of `TemperatureScaling`.

    Args:
        from_logits: Whether inputs are logits rather than probabilities.
        per_label: Whether each label, an entry of the last axis, has a curve of its own.
        to_logits: Whether results are logits; by default, if inputs are.
        **kwargs: `name` and `dtype`, as of any layer.

    The result is finite everywhere: where the n lowest rows hold no positive, half a one is added,
    so that p is `0.5 / (n + 1)` rather than 0, but no more than on the step above; likewise at the
    other end.
    The gradient is that of the pieces: 0 on a step, and beyond the ends.

    The curve is kept in 1024 knots; where the regression has more, they are thinned out, which
    moves no probability by more than 0.004.

    Reference: Zadrozny & Elkan, 2002, "Transforming classifier scores into accurate multiclass
    probability estimates", https://doi.org/10.1145/775047.775151.

    >>> import numpy as np
    >>> import keras_bce
    >>> layer = keras_bce.layers.IsotonicCalibration(from_logits=False)
    >>> layer.adapt(np.array([0.1, 0.6, 0.8] * 10), [0, 1, 0] * 6 + [0, 0, 1] * 3 + [1, 1, 1])
    >>> print([f"{float(p):.3f}" for p in layer(np.array([0.1, 0.6, 0.8]))])
    ['0.100', '0.550', '0.550']
    """

    _weight_names = ("knots",)
    _weight_shape = (3, KNOTS)
    knots: Any

    def _fitted(self, rows: _fitting.Rows) -> Iterable[Any]:
        return (_fitting.isotonic(rows, KNOTS),)

    def _mapped(self, logits: Tensor) -> Tensor:
        labels = self.knots.shape[2] if self.per_label else 1
        # The knots of label j are at j, j + labels, j + 2 labels and so on.
        at, p, q = ops.unstack(ops.reshape(self.knots, (3, -1)), 3)
        column = ops.arange(labels, dtype="int32")
        first, last = at[:labels], at[-labels:]
        z = ops.where(logits < first, first, logits)
        z = ops.where(z > last, last, z)
        # Binary search: the last knot that is not above z. NaN stays at the first one.
        below = ops.zeros_like(z, dtype="int32") + column
        step = KNOTS // 2
        while step:
            probe = below + step * labels
            below = ops.where(ops.take(at, probe) <= z, probe, below)
            step //= 2
        above = ops.minimum(below + labels, (KNOTS - 1) * labels + column)
        start = ops.take(at, below)
        part = backend.divide_no_nan(z - start, ops.take(at, above) - start)

        def between(table: Tensor) -> Tensor:
            low = ops.take(table, below)
            return low + part * (ops.take(table, above) - low)

        return backend.log(between(p)) - backend.log(between(q))
