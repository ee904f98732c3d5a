"""Recalibrations with one to three parameters, fitted by maximum likelihood."""

from collections.abc import Iterable
from typing import Any

from keras import ops

from keras_bce import _fitting
from keras_bce._backend import backend
from keras_bce._links import Logits
from keras_bce._typing import Tensor
from keras_bce.layers._shared import FittedRecalibration, register

__all__ = ["BetaCalibration", "PlattScaling", "TemperatureScaling"]

#: In the place of infinity; times a parameter it is still finite in float32.
_FAR = 1e25


@register
class TemperatureScaling(FittedRecalibration):
    """Multiplies logits by a number, so that their cross-entropy is the lowest.

        result = a z, with a > 0

    `1 / a` is the temperature. The order of predictions stays, and so does the side of 1/2 on
    which each is: it makes an over-confident model less sure (a < 1) or a timid one surer, and
    cannot move the mean where it is needed, after training with `pos_weight` say.

    Adapt it on rows that the model was not trained on, and judge the result on others again:

        layer = keras_bce.layers.TemperatureScaling()
        layer.adapt(model.predict(x_valid), y_valid)
        calibrated = keras.Sequential([model, layer])

    `keras_bce.recalibrate` does all of that. A saved model that holds the layer needs
    `import keras_bce` where it is loaded.

    Args:
        from_logits: Whether inputs are logits rather than probabilities. The logits behind
            probabilities are used where `losses.BinaryCrossentropy` would know them; elsewhere
            they are computed, between -16.1 and 15.9.
        per_label: Whether each label, an entry of the last axis, has parameters of its own.
        to_logits: Whether results are logits; by default, if inputs are.
        **kwargs: `name` and `dtype`, as of any layer. In half precision the computation is in
            float32.

    If positives all have logits of 0 or more, and negatives of 0 or less, `a` would be infinite.
    It is then fitted to Platt's smoothed targets: with n positives, a label of 1 becomes
    `(n + 1) / (n + 2)`, and a label of 0 likewise `1 / (n + 2)` with n negatives.

    Raises:
        ValueError: in `adapt`, besides what that lists, if no temperature is better than a
            probability of 1/2, as for labels that are the wrong way round.

    Reference: Guo et al., 2017, "On Calibration of Modern Neural Networks",
    https://arxiv.org/abs/1706.04599.

    >>> import numpy as np
    >>> import keras_bce
    >>> layer = keras_bce.layers.TemperatureScaling()
    >>> logits = np.array([-4.0, 4.0] * 10)
    >>> layer.adapt(logits, [0, 1] * 8 + [0, 0] * 2)  # Nine of ten are right.
    >>> print(f"{float(layer.a):.3f}, {float(layer(logits)[1]):.3f}")
    0.549, 2.197
    """

    _weight_names = ("a",)
    a: Any

    def _fitted(self, rows: _fitting.Rows) -> Iterable[Any]:
        return (_fitting.temperature(rows),)

    def _mapped(self, logits: Tensor) -> Tensor:
        return self.a * logits


@register
class PlattScaling(FittedRecalibration):
    """Maps logits by the line whose cross-entropy is the lowest.

        result = a z + b

    It moves the mean as well as the spread, which undoes most of what `pos_weight`, focal loss
    and downsampling do, and needs few rows. `a` is negative if labels are the wrong way round.

    Adapt it on rows that the model was not trained on, and judge the result on others again:

        layer = keras_bce.layers.PlattScaling()
        layer.adapt(model.predict(x_valid), y_valid)
        calibrated = keras.Sequential([model, layer])

    `keras_bce.recalibrate` does all of that. The arguments are those of `TemperatureScaling`.

    Args:
        from_logits: Whether inputs are logits rather than probabilities.
        per_label: Whether each label, an entry of the last axis, has parameters of its own.
        to_logits: Whether results are logits; by default, if inputs are.
        **kwargs: `name` and `dtype`, as of any layer.

    If a threshold separates the classes, `a` would be infinite. The line is then fitted to
    Platt's smoothed targets: with n positives, a label of 1 becomes `(n + 1) / (n + 2)`, and a
    label of 0 likewise `1 / (n + 2)` with n negatives.

    Raises:
        ValueError: in `adapt`, besides what that lists, if all predictions are equal.

    Reference: Platt, 1999, "Probabilistic Outputs for Support Vector Machines and Comparisons
    to Regularized Likelihood Methods", section 2.2, in "Advances in Large Margin Classifiers".

    >>> import numpy as np
    >>> import keras_bce
    >>> layer = keras_bce.layers.PlattScaling()
    >>> logits = np.array([-4.0, 4.0] * 10)
    >>> layer.adapt(logits, [0, 1] * 8 + [0, 0, 1, 0])  # 1 of 10 at -4, 8 of 10 at 4.
    >>> print([f"{float(z):.3f}" for z in layer(np.array([-4.0, 4.0]))])
    ['-2.197', '1.386']
    """

    _weight_names = ("a", "b")
    a: Any
    b: Any

    def _fitted(self, rows: _fitting.Rows) -> Iterable[Any]:
        return _fitting.platt(rows)

    def _mapped(self, logits: Tensor) -> Tensor:
        return ops.add(self.a * logits, self.b)


@register
class BetaCalibration(FittedRecalibration):
    """Maps logits by a curve with a slope for either end.

        result = a log s(z) - b log s(-z) + c, with a, b >= 0 and s(z) = 1 / (1 + exp(-z))

    Unlike `PlattScaling`, it can correct small and large probabilities by different amounts, and
    it never reverses their order. With a = b = 0, where no order helps, the result is the base
    rate.

    Adapt it on rows that the model was not trained on, and judge the result on others again.
    `keras_bce.recalibrate` does it for a model. The arguments are those of `TemperatureScaling`.

    Args:
        from_logits: Whether inputs are logits rather than probabilities.
        per_label: Whether each label, an entry of the last axis, has parameters of its own.
        to_logits: Whether results are logits; by default, if inputs are.
        **kwargs: `name` and `dtype`, as of any layer.

    If a threshold separates the classes, the positives above it, the curve is fitted to Platt's
    smoothed targets, as in `PlattScaling`.

    Raises:
        ValueError: in `adapt`, besides what that lists, for fewer than three different
            predictions.

    Reference: Kull et al., 2017, "Beyond sigmoids: How to obtain well-calibrated probabilities
    from binary classifiers with beta calibration", https://doi.org/10.1214/17-EJS1338SI.

    >>> import numpy as np
    >>> import keras_bce
    >>> layer = keras_bce.layers.BetaCalibration(from_logits=False)
    >>> layer.adapt(np.array([0.1, 0.5, 0.9] * 10), [0, 1, 1] * 4 + [0, 0, 1] * 5 + [1, 0, 0])
    >>> print([f"{float(p):.3f}" for p in layer(np.array([0.1, 0.5, 0.9]))])
    ['0.100', '0.400', '0.900']
    """

    _weight_names = ("a", "b", "c")
    a: Any
    b: Any
    c: Any

    def _fitted(self, rows: _fitting.Rows) -> Iterable[Any]:
        return _fitting.beta(rows)

    def _mapped(self, logits: Tensor) -> Tensor:
        link = Logits().at(logits)
        # An infinite logarithm times a parameter of 0 would be NaN.
        log_p, log_q = (backend.at_least(log, -_FAR) for log in (link.log_p, link.log_q))
        return ops.add(self.a * log_p - self.b * log_q, self.c)
