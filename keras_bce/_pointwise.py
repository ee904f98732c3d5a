"""Pointwise losses: the loss of one prediction and its derivatives, each formula once.

With `p`, the probability of the label 1, and `q = 1 - p`, as a link states them (see `_links`):

- `Crossentropy`: `-(pos_weight * y * log(p) + (1 - y) * log(q))`
- `FocalCrossentropy`: `(y * q + (1 - y) * p) ** gamma * Crossentropy`
- `AsymmetricCrossentropy`, with `m = max(p - clip, 0)`:
  `-(pos_weight * y * q**gamma_pos * log(p) + (1 - y) * m**gamma_neg * log(1 - m))`
- `SquaredError`: `(p - y) ** 2`

A loss is a frozen dataclass of its numbers, and so it can be part of the key of a compiled
computation; `losses` binds it to tensors. Its derivatives are written out, since automatic ones are
inexact or NaN where a probability saturates. They are differentiable themselves, so that second
derivatives follow.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from keras import ops

from keras_bce._backend import backend
from keras_bce._caching import computed_once
from keras_bce._faults import LABEL_LIMITS
from keras_bce._links import Link, Logits, bound
from keras_bce._typing import Tensor


@dataclass(frozen=True)
class Pointwise:
    """What every pointwise loss has. A new one gives `value`, `slope` and `label_slope`.

    Float fields are its numbers: where a computation is compiled, those may be scalar tensors.

    Attributes:
        smoothing: The label smoothing, in [0, 1], or `None`.
        y: Labels, after smoothing.
        link: The predictions' link, bound to them.
        pos_weight: The factor of the positive term, broadcast to the labels, or `None`.
    """

    smoothing: float | None = field(default=None, kw_only=True)
    y: Tensor = field(init=False, repr=False, compare=False)
    link: Link = field(init=False, repr=False, compare=False)
    pos_weight: Tensor | None = field(init=False, repr=False, compare=False)

    @property
    def value(self) -> Tensor:
        """The loss of each prediction."""
        raise NotImplementedError

    @property
    def slope(self) -> Tensor:
        """The derivative of `value` by the prediction."""
        raise NotImplementedError

    @property
    def label_slope(self) -> Tensor:
        """The derivative of `value` by the label `y`."""
        raise NotImplementedError

    @property
    def terms(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """What is added up to `value`, and what is subtracted from it.

        A backend may reduce these one by one; their sum would be one more tensor.
        """
        return (self.value,), ()

    def total(self, reduce: Callable[[Tensor], Tensor]) -> Tensor:
        """The sum of the terms, each after a linear reduction."""
        (first, *added), subtracted = self.terms
        total = reduce(first)
        for term in added:
            total = total + reduce(term)
        for term in subtracted:
            total = total - reduce(term)
        return total

    @property
    def possible(self) -> Tensor:
        """Whether each label and prediction is possible, bool; for backends that check them last.

        Logits are not looked at: NaN is all that is impossible, and makes `value` NaN.
        """
        low, high = LABEL_LIMITS
        possible = (self.y >= low) & (self.y <= high)
        return possible if isinstance(self.link, Logits) else possible & self.link.possible

    @computed_once
    def positive(self) -> Tensor:
        """The factor of the positive term, `pos_weight * y`."""
        return self.y if self.pos_weight is None else self.y * self.pos_weight

    @property
    def negative(self) -> Tensor:
        """The factor of the negative term, `1 - y`; not kept, since it is cheap to compute."""
        return 1.0 - self.y


@backend.differentiable
def losses(
    loss: Pointwise,
    link: Link,
    y: Tensor,
    prediction: Tensor,
    pos_weight: Tensor | None,
    check: Literal["first", "last", "done"] = "first",
) -> Pointwise:
    """The loss at each prediction; NaN where a label or a prediction is impossible.

    Args:
        loss: A loss that is not bound.
        link: A link that is not bound.
        y: Labels, after smoothing.
        prediction: Predictions, logits or probabilities.
        pos_weight: The factor of the positive term, or `None`.
        check: When impossible values become NaN: `"first"`, before anything is computed;
            `"last"`, by the caller, where the result's `possible` is false; `"done"`, never,
            since they are known to be possible, and probabilities to be in [0, 1].
    """
    if check == "first":
        y, link = backend.within(y, LABEL_LIMITS), link.checked(prediction)
    elif check == "last":
        link = link.clipped(prediction)
    else:
        link = link.at(prediction)
    return bound(loss, y=y, link=link, pos_weight=pos_weight)


def smoothed(y: Tensor, smoothing: float | Tensor) -> Tensor:
    """Labels drawn towards 1/2: `y * (1 - smoothing) + smoothing / 2`; NaN if impossible."""
    return backend.within(y, LABEL_LIMITS) * (1.0 - smoothing) + 0.5 * smoothing


def is_zero(number: float | Tensor) -> bool:
    """Whether a number is known to be 0: not a tensor."""
    return isinstance(number, float) and number == 0.0


@dataclass(frozen=True)
class Crossentropy(Pointwise):
    """`-(pos_weight * y * log(p) + (1 - y) * log(q))`.

    On logits both logarithms share `log(1 - r)`, `r = sigmoid(-|x|)`:

        value = against * x - (positive + negative) * log(1 - r)
        slope = against - (positive + negative) * (r if x >= 0 else -r)

    Here `against = negative if x >= 0 else -positive` is the factor of the label that
    contradicts the sign of `x`. An infinite logit costs 0 on the right side and infinity on the
    wrong one.
    """

    @property
    def value(self) -> Tensor:
        return self.total(lambda term: term)

    @property
    def terms(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        link = self.link
        if isinstance(link, Logits):
            against = backend.multiply_no_nan(link.x, self._against)
            rest = link.minus_log_rest
            return (against, rest if self.pos_weight is None else self._both * rest), ()
        return (self._minus_negative * link.log_q,), (self.positive * link.log_p,)

    @property
    def slope(self) -> Tensor:
        link = self.link
        if isinstance(link, Logits):
            r = link.signed_r
            return self._against - (r if self.pos_weight is None else self._both * r)
        negative = self._minus_negative / link.minus_q_above_floor
        return negative - self.positive / link.p_above_floor

    @property
    def label_slope(self) -> Tensor:
        link = self.link
        if self.pos_weight is not None:
            return link.log_q - self.pos_weight * link.log_p
        return -link.x if isinstance(link, Logits) else link.log_q - link.log_p

    @property
    def _minus_negative(self) -> Tensor:
        # With this sign, value and slope share it where both are compiled together.
        return self.y - 1.0

    @computed_once
    def _against(self) -> Tensor:
        """The factor of the label that contradicts the sign of a logit."""
        assert isinstance(self.link, Logits)
        step = backend.step(self.link.x)
        if self.pos_weight is None:
            return step - self.y
        return step * self.negative - (1.0 - step) * self.positive

    @property
    def _both(self) -> Tensor:
        """`positive + negative`, which is 1 without `pos_weight`."""
        return self.positive + self.negative


#: The smallest normal float32, in the place of 0: a power of 0 has no slope.
_TINY = float(np.finfo("float32").tiny)

#: Below it powers and quotients are computed another way, since `1 / t**2` may overflow.
_SMALL = 1e-12


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
        if is_zero(gamma):
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
        if is_zero(self.gamma):
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
        return self._modulated.value * self._balance

    @property
    def slope(self) -> Tensor:
        t_slope = (1.0 - 2.0 * self.y) * self.link.p_slope
        return self._balance * self._modulated.slope(t_slope, self._crossentropy.slope)

    @property
    def label_slope(self) -> Tensor:
        link = self.link
        slope = self._modulated.slope(link.q - link.p, self._crossentropy.label_slope)
        if self.alpha is None:
            return slope
        return self._balance * slope + (2.0 * self.alpha - 1.0) * self._modulated.value

    @computed_once
    def _crossentropy(self) -> Crossentropy:
        return bound(Crossentropy(), y=self.y, link=self.link, pos_weight=self.pos_weight)

    @computed_once
    def _modulated(self) -> _Modulated:
        link = self.link
        t = self.y * link.q + self.negative * link.p
        # Where t is small the label is 0 or 1, and the loss is that label's weight times t.
        weight = self.positive + self.negative
        return _Modulated(link, t, self.gamma, self._crossentropy.value, weight)

    @property
    def _balance(self) -> float | Tensor:
        if self.alpha is None:
            return 1.0
        return self.y * (2.0 * self.alpha - 1.0) + (1.0 - self.alpha)


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
        if is_zero(self.clip):
            return link.p, link.log_q
        m = backend.at_least(link.p - self.clip, 0.0)
        # Computed from whichever of p and q loses fewer digits.
        log_rest = backend.where(
            link.p > 0.5,
            backend.log(backend.at_most(link.q + self.clip, 1.0)),
            backend.log1m(backend.at_most(m, 0.5)),
        )
        return m, log_rest

    @property
    def _shifted_slopes(self) -> tuple[Tensor, Tensor]:
        link = self.link
        if is_zero(self.clip):
            return link.p_slope, link.log_q_slope
        m_slope = link.p_slope * ops.cast(link.p > self.clip, link.p.dtype)
        return m_slope, -m_slope / backend.at_most(link.q + self.clip, 1.0)


@dataclass(frozen=True)
class SquaredError(Pointwise):
    """`(p - y) ** 2`, the Brier score; it knows no `pos_weight`."""

    @property
    def value(self) -> Tensor:
        return self._error**2

    @property
    def slope(self) -> Tensor:
        return 2.0 * self._error * self.link.p_slope

    @property
    def label_slope(self) -> Tensor:
        return -2.0 * self._error

    @computed_once
    def _error(self) -> Tensor:
        """`p - y`, without cancellation where the label is 0 or 1."""
        return self.negative * self.link.p - self.y * self.link.q
