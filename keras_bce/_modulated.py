"""Losses that count less where a prediction is right already: focal and asymmetric.

- `FocalCrossentropy`: `(y * q + (1 - y) * p) ** gamma * Crossentropy`
- `AsymmetricCrossentropy`, with `m = max(p - clip, 0)`:
  `-(pos_weight * y * q**gamma_pos * log(p) + (1 - y) * m**gamma_neg * log(1 - m))`

The notation is that of `_pointwise`.
"""

import math
from dataclasses import dataclass

import numpy as np
from keras import ops

from keras_bce._backend import backend
from keras_bce._caching import computed_once
from keras_bce._links import Link, Logits, bound
from keras_bce._pointwise import Crossentropy, Pointwise
from keras_bce._typing import Tensor

#: The smallest normal float32, in the place of 0: a power of 0 has no slope.
_TINY = float(np.finfo("float32").tiny)

#: Below it powers and quotients are computed another way, since `1 / t**2` may overflow.
_SMALL = 1e-12


def _is_zero(number: float | Tensor) -> bool:
    """Whether a number is known to be 0: not a tensor."""
    return isinstance(number, float) and number == 0.0


class _Modulated:
    """`t ** gamma * loss`: a loss reduced where `t`, the probability of an error, is small.

    The slope, `t**gamma * (loss' + gamma * t' * loss / t)`, is finite for every gamma >= 0, since
    the loss vanishes as fast as `t` does.

    Args:
        link: The link of the predictions.
        t: The probability; where it is small, it is that of the less likely label.
        gamma: The exponent.
        loss: A loss.
        weight: The limit of `loss / t` as `t` approaches 0.
    """

    def __init__(
        self,
        link: Link,
        t: Tensor,
        gamma: float | Tensor,
        loss: Tensor,
        weight: float | Tensor = 1.0,
    ) -> None:
        self.link = link
        self.t = backend.at_least(t, _TINY)
        self.gamma = gamma
        self.loss = loss
        self.weight = weight

    @computed_once
    def factor(self) -> Tensor:
        """`t ** gamma`, without an overflow in its derivatives, which hold `t ** (gamma - 2)`."""
        gamma = self.gamma
        if _is_zero(gamma):
            return 1.0
        never_overflows = isinstance(gamma, float) and (gamma >= 2.0 or gamma == 1.0)
        if never_overflows or not isinstance(self.link, Logits):
            return backend.power(self.t, gamma)
        small = self._is_small
        power = backend.power(backend.where(small, 1.0, self.t), gamma)
        log_t = backend.at_most(self.link.log_r, math.log(_SMALL))
        return backend.where(small, ops.exp(gamma * log_t), power)

    @computed_once
    def value(self) -> Tensor:
        return self.factor * self.loss

    @computed_once
    def _is_small(self) -> Tensor:
        return self.t < _SMALL

    @computed_once
    def _loss_per_t(self) -> Tensor:
        """`loss / t`, or its limit where `t` is small.

        Where the loss is infinite, `t` is constant: the bound keeps the product of slopes 0.
        """
        small = self._is_small
        # Replaced before and after the division, so that no derivative of it is NaN.
        loss = backend.where(small, 0.0, backend.at_most(self.loss, 1e30))
        ratio = loss / backend.where(small, 1.0, self.t)
        return backend.where(small, self.weight, ratio)

    def slope(self, t_slope: Tensor, loss_slope: Tensor) -> Tensor:
        """The derivative of `value`, from those of `t` and the loss."""
        if _is_zero(self.gamma):
            return loss_slope
        return self.factor * (loss_slope + self.gamma * t_slope * self._loss_per_t)


@dataclass(frozen=True)
class FocalCrossentropy(Pointwise):
    """`(y * q + (1 - y) * p) ** gamma * Crossentropy`, times the class balance if `alpha` is given.

    The balance is `alpha * y + (1 - alpha) * (1 - y)`. Lin et al., 2017,
    https://arxiv.org/abs/1708.02002.
    """

    gamma: float = 2.0
    alpha: float | None = None

    @property
    def value(self) -> Tensor:
        return self._balanced(self._modulated.value)

    @property
    def slope(self) -> Tensor:
        t_slope = (1.0 - 2.0 * self.y) * self.link.p_slope
        return self._balanced(self._modulated.slope(t_slope, self._crossentropy.slope))

    @property
    def label_slope(self) -> Tensor:
        link = self.link
        slope = self._modulated.slope(link.q - link.p, self._crossentropy.label_slope)
        if self.alpha is None:
            return slope
        return self._balanced(slope) + (2.0 * self.alpha - 1.0) * self._modulated.value

    @computed_once
    def _crossentropy(self) -> Crossentropy:
        return bound(Crossentropy(), y=self.y, link=self.link, pos_weight=self.pos_weight)

    @computed_once
    def _modulated(self) -> _Modulated:
        t = self.link.error(self.y)
        # Where t is small the label is 0 or 1, and the loss is that label's weight times t.
        weight = self.positive + self.negative
        return _Modulated(self.link, t, self.gamma, self._crossentropy.value, weight)

    def _balanced(self, x: Tensor) -> Tensor:
        """`x` times the factor of the class, if `alpha` is given."""
        if self.alpha is None:
            return x
        return x * (self.y * (2.0 * self.alpha - 1.0) + (1.0 - self.alpha))


@dataclass(frozen=True)
class AsymmetricCrossentropy(Pointwise):
    """A focusing exponent for each class; negatives below a probability of `clip` cost nothing.

    Ben-Baruch et al., 2020, https://arxiv.org/abs/2009.14119. Their `p`, shifted down for
    negatives, is `m = max(p - clip, 0)`.
    """

    gamma_pos: float = 0.0
    gamma_neg: float = 4.0
    clip: float = 0.05

    @property
    def value(self) -> Tensor:
        positive = self.positive * self._if_positive.value
        negative = self.negative * self._if_negative.value
        if isinstance(self.link, Logits):  # Of these, the one with the factor 0 may be infinite.
            positive = backend.where(self.positive == 0, 0.0, positive)
            negative = backend.where(self.negative == 0, 0.0, negative)
        return positive + negative

    @property
    def slope(self) -> Tensor:
        link = self.link
        if_positive = self._if_positive.slope(-link.p_slope, -link.log_p_slope)
        m_slope, log_rest_slope = self._shifted_slopes
        if_negative = self._if_negative.slope(m_slope, -log_rest_slope)
        return self.positive * if_positive + self.negative * if_negative

    @property
    def label_slope(self) -> Tensor:
        positive = self._if_positive.value
        if self.pos_weight is not None:
            positive = positive * self.pos_weight
        return positive - self._if_negative.value

    @computed_once
    def _if_positive(self) -> _Modulated:
        link = self.link
        return _Modulated(link, link.q, self.gamma_pos, -link.log_p)

    @computed_once
    def _if_negative(self) -> _Modulated:
        m, log_rest = self._shifted
        return _Modulated(self.link, m, self.gamma_neg, -log_rest)

    @property
    def _shifted(self) -> tuple[Tensor, Tensor]:
        """`m` and `log(1 - m)`."""
        link = self.link
        if _is_zero(self.clip):
            return link.p, link.log_q
        m = backend.at_least(link.p - self.clip, 0.0)
        # Computed from whichever of p and q loses fewer digits.
        log_rest = backend.where(
            link.p > 0.5,
            backend.log(backend.at_most(link.q + self.clip, 1.0)),
            backend.log1p(-backend.at_most(m, 0.5), overwrite=True),
        )
        return m, log_rest

    @property
    def _shifted_slopes(self) -> tuple[Tensor, Tensor]:
        link = self.link
        if _is_zero(self.clip):
            return link.p_slope, link.log_q_slope
        m_slope = link.p_slope * ops.cast(link.p > self.clip, link.p.dtype)
        return m_slope, -m_slope / backend.at_most(link.q + self.clip, 1.0)
