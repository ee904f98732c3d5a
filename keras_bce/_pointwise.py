"""Pointwise losses: the loss of one prediction and its derivatives, each formula once.

With `p`, the probability of the label 1, and `q = 1 - p`, as a link states them (see `_links`):

- `Crossentropy`: `-(pos_weight * y * log(p) + (1 - y) * log(q))`
- `SquaredError`: `(p - y) ** 2`
- those of `_modulated`

A loss is a frozen dataclass of its numbers, and so it can be part of the key of a compiled
computation; `losses` binds it to tensors. Its derivatives are written out, since automatic ones are
inexact or NaN where a probability saturates. They are differentiable themselves, so that second
derivatives follow.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

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

    def terms(self, overwrite: bool = False) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """What is added up to `value`, and what is subtracted from it.

        Args:
            overwrite: Whether terms may take the place of intermediate results, since nothing
                else is asked of this loss afterwards.
        """
        return (self.value,), ()

    def total(self, reduce: Callable[[Tensor], Tensor], overwrite: bool = True) -> Tensor:
        """The sum of the terms, each after a linear reduction; their sum is one more tensor."""
        (first, *added), subtracted = self.terms(overwrite)
        total = reduce(first)
        for term in added:
            total += reduce(term)
        for term in subtracted:
            total -= reduce(term)
        return total

    @property
    def possible(self) -> Tensor:
        """Whether each label and prediction is possible, bool; for backends that check them last.

        Logits are not looked at: NaN is all that is impossible, and makes `value` NaN.
        """
        possible = backend.is_within(self.y, LABEL_LIMITS)
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


@dataclass(frozen=True)
class Crossentropy(Pointwise):
    """`-(pos_weight * y * log(p) + (1 - y) * log(q))`.

    On logits both logarithms share `log(1 - r)`, `r = sigmoid(-|x|)`:

        value = against * x - both * log(1 - r)
        slope = against - both * (r if x >= 0 else -r)

    Here `against = negative if x >= 0 else -positive` is the factor of the label that
    contradicts the sign of `x`, and `both = positive + negative`. An infinite logit costs 0 on
    the right side and infinity on the wrong one.
    """

    @property
    def value(self) -> Tensor:
        return self.total(lambda term: term, overwrite=False)

    def terms(self, overwrite: bool = False) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        link = self.link
        if not isinstance(link, Logits):
            return (self._minus_negative * link.log_q,), (self.positive * link.log_p,)
        against = backend.multiply_no_nan(link.x, self._against, overwrite)
        if link.knows_r:
            return (against,), (self._times_both(backend.log1p(link.minus_r, overwrite)),)
        return (against, self._times_both(link.minus_log_rest)), ()

    @property
    def slope(self) -> Tensor:
        link = self.link
        if isinstance(link, Logits):
            return backend.with_sign(self._times_both(link.minus_r), link.x, self._against)
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
        if self.pos_weight is None:
            return backend.step_minus(self.link.x, self.y)
        step = self.link.step
        return step * self.negative - (1.0 - step) * self.positive

    def _times_both(self, x: Tensor) -> Tensor:
        """`(positive + negative) * x`, whose factor is 1 without `pos_weight`."""
        return x if self.pos_weight is None else (self.positive + self.negative) * x


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
