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
    r"""Maps logits by a fitted curve that is non-decreasing and piecewise linear.

    $$
    \text{result} = \log \frac{g(z)}{1 - g(z)}
    $$

    z is the logit of the input. g is the increasing function with the least
    $\sum_i w_i (g(z_i) - y_i)^2$ over the rows that `adapt` is given, with logits z, labels y and
    weights w. Between these logits g is interpolated, beyond them it is constant. It corrects
    whatever an increasing curve can. Do not use it with fewer than about a thousand rows, nor where
    the order of predictions matters: it makes many of them equal.

    Called with floats of any shape `(batch, ..., labels)`; the result has the same shape and the
    layer's compute dtype. Before `adapt` a call raises `ValueError`, or gives NaN where it is
    compiled.

    Args:
        from_logits: Whether inputs are logits rather than probabilities. Probabilities become
            logits as in `TemperatureScaling`.
        per_label: Whether each label, an entry of the last axis, has a curve of its own.
        to_logits: Whether results are logits; by default, if inputs are.
        **kwargs: `name` and `dtype`, as of any layer. Half precision is computed in float32.

    The result is finite everywhere: where the n lowest rows hold no positive, half a one is added,
    so that g is `0.5 / (n + 1)` rather than 0, but no more than on the step above; likewise at the
    other end. The gradient is that of the pieces: 0 on a step, and beyond the ends.

    The curve is kept in 1024 knots; where the regression has more, they are thinned out, which
    moves no probability by more than 0.004.

    Raises:
        ValueError: in `adapt`, for what that lists.

    Examples:

    >>> import numpy as np
    >>> import keras_bce
    >>> layer = keras_bce.layers.IsotonicCalibration(from_logits=False)
    >>> labels = [0, 1, 0] * 6 + [0, 0, 1] * 3 + [1, 1, 1]
    >>> layer.adapt(np.array([0.1, 0.6, 0.8] * 10), labels)
    >>> print([f"{float(p):.3f}" for p in layer(np.array([0.1, 0.6, 0.8]))])
    ['0.100', '0.550', '0.550']

    Adapt it on rows that the model was not trained on, and judge the result on others again:

    ```python
    layer = keras_bce.layers.IsotonicCalibration()
    layer.adapt(model.predict(x_valid), y_valid)
    calibrated = keras.Sequential([model, layer])
    ```

    `keras_bce.recalibrate(model, x_valid, y_valid, method="isotonic")` does the same.

    Reference: Zadrozny and Elkan, 2002, "Transforming classifier scores into accurate multiclass
    probability estimates", https://doi.org/10.1145/775047.775151.
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
