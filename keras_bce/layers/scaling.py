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
    r"""Multiplies logits by a fitted number, which makes predictions less or more confident.

    $$
    \text{result} = a z, \quad a > 0
    $$

    z is the logit of the input; $1 / a$ is the temperature. `adapt` finds the `a` with the lowest
    cross-entropy. It makes an over-confident model less confident (a < 1), or the opposite. Each
    prediction stays on its side of 1/2, so it cannot undo `pos_weight`, focal loss or downsampling,
    which move the mean: use `PlattScaling`, or `PriorCorrection`.

    Called with floats of any shape `(batch, ..., labels)`; the result has the same shape and the
    layer's compute dtype. Before `adapt` a call raises `ValueError`, or gives NaN where it is
    compiled.

    Args:
        from_logits: Whether inputs are logits rather than probabilities. The logits behind
            probabilities are used where `losses.BinaryCrossentropy` would know them; elsewhere they
            are computed, between -16.1 and 15.9.
        per_label: Whether each label, an entry of the last axis, has parameters of its own.
        to_logits: Whether results are logits; by default, if inputs are.
        **kwargs: `name` and `dtype`, as of any layer. Half precision is computed in float32.

    If positives all have logits of 0 or more, and negatives of 0 or less, `a` would be infinite. It
    is then fitted to Platt's smoothed targets: a label of 1 becomes $(n_1 + 1) / (n_1 + 2)$ and a
    label of 0 becomes $1 / (n_0 + 2)$, with $n_1$ positives and $n_0$ negatives.

    Raises:
        ValueError: in `adapt`, besides what that lists, if no temperature is better than a
            probability of 1/2, as for labels that are the wrong way round.

    Examples:

    >>> import numpy as np
    >>> import keras_bce
    >>> layer = keras_bce.layers.TemperatureScaling()
    >>> logits = np.array([-4.0, 4.0] * 10)
    >>> layer.adapt(logits, [0, 1] * 8 + [0, 0] * 2)  # Nine of ten are right.
    >>> print(f"{float(layer.a):.3f}, {float(layer(logits)[1]):.3f}")
    0.549, 2.197

    Adapt it on rows that the model was not trained on, and judge the result on others again:

    ```python
    layer = keras_bce.layers.TemperatureScaling()
    layer.adapt(model.predict(x_valid), y_valid)
    calibrated = keras.Sequential([model, layer])
    ```

    `keras_bce.recalibrate(model, x_valid, y_valid, method="temperature")` does the same. A program
    that loads a saved model with the layer must `import keras_bce` first.

    Reference: Guo et al., 2017, "On Calibration of Modern Neural Networks",
    https://arxiv.org/abs/1706.04599.
    """

    _weight_names = ("a",)
    a: Any

    def _fitted(self, rows: _fitting.Rows) -> Iterable[Any]:
        return (_fitting.temperature(rows),)

    def _mapped(self, logits: Tensor) -> Tensor:
        return self.a * logits


@register
class PlattScaling(FittedRecalibration):
    r"""Maps logits by a fitted line, which moves the mean as well as the spread.

    $$
    \text{result} = a z + b
    $$

    z is the logit of the input. `adapt` finds the `a` and `b` with the lowest cross-entropy. That
    undoes most of what `pos_weight`, focal loss and downsampling do, and needs few rows. `a` is
    negative if labels are the wrong way round. Where small and large probabilities need different
    corrections, use `BetaCalibration`.

    Called with floats of any shape `(batch, ..., labels)`; the result has the same shape and the
    layer's compute dtype. Before `adapt` a call raises `ValueError`, or gives NaN where it is
    compiled.

    Args:
        from_logits: Whether inputs are logits rather than probabilities. Probabilities become
            logits as in `TemperatureScaling`.
        per_label: Whether each label, an entry of the last axis, has parameters of its own.
        to_logits: Whether results are logits; by default, if inputs are.
        **kwargs: `name` and `dtype`, as of any layer. Half precision is computed in float32.

    If a threshold separates the classes, `a` would be infinite. The line is then fitted to Platt's
    smoothed targets: a label of 1 becomes $(n_1 + 1) / (n_1 + 2)$ and a label of 0 becomes
    $1 / (n_0 + 2)$, with $n_1$ positives and $n_0$ negatives.

    Raises:
        ValueError: in `adapt`, besides what that lists, if all predictions are equal.

    Examples:

    >>> import numpy as np
    >>> import keras_bce
    >>> layer = keras_bce.layers.PlattScaling()
    >>> logits = np.array([-4.0, 4.0] * 10)
    >>> layer.adapt(logits, [0, 1] * 8 + [0, 0, 1, 0])  # 1 of 10 at -4, 8 of 10 at 4.
    >>> print([f"{float(z):.3f}" for z in layer(np.array([-4.0, 4.0]))])
    ['-2.197', '1.386']

    Adapt it on rows that the model was not trained on, and judge the result on others again:

    ```python
    layer = keras_bce.layers.PlattScaling()
    layer.adapt(model.predict(x_valid), y_valid)
    calibrated = keras.Sequential([model, layer])
    ```

    `keras_bce.recalibrate(model, x_valid, y_valid, method="platt")` does the same.

    Reference: Platt, 1999, "Probabilistic Outputs for Support Vector Machines and Comparisons to
    Regularized Likelihood Methods", section 2.2, in "Advances in Large Margin Classifiers".
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
    r"""Maps logits by a fitted curve with a slope for either end.

    $$
    \text{result} = a \log p - b \log (1 - p) + c, \quad p = \frac{1}{1 + e^{-z}}, \quad a, b \ge 0
    $$

    z is the logit of the input. `adapt` finds the `a`, `b` and `c` with the lowest cross-entropy.
    Unlike `PlattScaling` it can correct small and large probabilities by different amounts, and it
    never reverses their order; with a = b the two are the same. If no increasing curve helps, a = b
    = 0, and the result is the base rate.

    Called with floats of any shape `(batch, ..., labels)`; the result has the same shape and the
    layer's compute dtype. Before `adapt` a call raises `ValueError`, or gives NaN where it is
    compiled.

    Args:
        from_logits: Whether inputs are logits rather than probabilities. Probabilities become
            logits as in `TemperatureScaling`.
        per_label: Whether each label, an entry of the last axis, has parameters of its own.
        to_logits: Whether results are logits; by default, if inputs are.
        **kwargs: `name` and `dtype`, as of any layer. Half precision is computed in float32.

    If a threshold separates the classes, the positives above it, the curve is fitted to Platt's
    smoothed targets, as in `PlattScaling`.

    Raises:
        ValueError: in `adapt`, besides what that lists, for fewer than three different predictions.

    Examples:

    >>> import numpy as np
    >>> import keras_bce
    >>> layer = keras_bce.layers.BetaCalibration(from_logits=False)
    >>> labels = [0, 1, 1] * 4 + [0, 0, 1] * 5 + [1, 0, 0]
    >>> layer.adapt(np.array([0.1, 0.5, 0.9] * 10), labels)
    >>> print([f"{float(p):.3f}" for p in layer(np.array([0.1, 0.5, 0.9]))])
    ['0.100', '0.400', '0.900']

    Adapt it on rows that the model was not trained on, and judge the result on others again:

    ```python
    layer = keras_bce.layers.BetaCalibration()
    layer.adapt(model.predict(x_valid), y_valid)
    calibrated = keras.Sequential([model, layer])
    ```

    `keras_bce.recalibrate(model, x_valid, y_valid, method="beta")` does the same.

    Reference: Kull et al., 2017, "Beyond sigmoids: How to obtain well-calibrated probabilities from
    binary classifiers with beta calibration", https://doi.org/10.1214/17-EJS1338SI.
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
