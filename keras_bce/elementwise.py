"""The loss of one prediction, and its derivatives: every formula of the package, once.

A *link* turns a prediction into the likelihood of both labels: `Logits` for a
logit `x`, `Probabilities` for a probability `p = sigmoid(x)`. A *loss* combines
those with the label. Writing `q = 1 - p`:

- `Crossentropy`: `-(pos_weight * y * log(p) + (1 - y) * log(q))`
- `FocalCrossentropy`: `(y * q + (1 - y) * p) ** gamma * Crossentropy`
- `AsymmetricCrossentropy`, with `m = max(p - clip, 0)`:
  `-(pos_weight * y * q**gamma_pos * log(p) + (1 - y) * m**gamma_neg * log(1 - m))`
- `Smoothed`: any of them on labels drawn towards 1/2

Each loss is an object made from labels and predictions of one shape and one
floating dtype, and the link between a prediction and its probability. Its
properties `value`, `slope` (the derivative with respect to the prediction) and
`label_slope` (with respect to the label) share their intermediate results, and
are themselves differentiable, so that second derivatives follow. The numbers are
written so that nothing cancels: small losses and small slopes keep their digits.
"""

import operator
from functools import cached_property, lru_cache, partial, reduce

import numpy as np

from keras_bce import backend
from keras_bce.faults import PROBABILITY_LIMITS


class Partial(partial):
    """A function or class with its arguments; equal ones can stand in for one another."""

    def __eq__(self, other):
        return type(other) is Partial and self._key == other._key

    def __hash__(self):
        return hash(self._key)

    @property
    def _key(self):
        return self.func, tuple(self.keywords.items())


class Logits:
    """A logit `x`: the probability of its less likely label, `r = sigmoid(-|x|)`, gives the rest.

    Nothing overflows, for `r` is in [0, 1/2], and nothing cancels: what differs by
    the sign of `x` is pieced together from `step`, 1 or 0, and `r` with a sign.
    """

    limits = None

    def __init__(self, x):
        self.x = x

    @cached_property
    def step(self):
        return backend.step(self.x)

    @cached_property
    def r(self):
        return backend.sigmoid_minus_abs(self.x)

    @cached_property
    def signed_r(self):
        return backend.with_sign(self.r, self.x)

    @cached_property
    def minus_log_rest(self):
        """`-log(1 - r)`."""
        return backend.softplus_minus_abs(self.x)

    @property
    def log_p(self):
        return backend.at_most(self.x, 0.0) - self.minus_log_rest

    @property
    def log_q(self):
        return backend.at_most(-self.x, 0.0) - self.minus_log_rest

    @cached_property
    def p(self):
        return self.step - self.signed_r

    @cached_property
    def q(self):
        return (1.0 - self.step) + self.signed_r

    @property
    def p_slope(self):
        return self.p * self.q

    @property
    def log_p_slope(self):
        return self.q

    @property
    def log_q_slope(self):
        return -self.p


class Probabilities:
    """A probability `p`, which both logarithms clip to what float32 can tell from 0 and 1.

    The clips are those of Keras: `log(p)` of at least `eps = keras.config.epsilon()`, and
    `log(1 - p)` of at least `1 - fl(1 - eps)`, `fl` being the rounding to float32. These
    logarithms are -16.118 and -15.942. They bound the value, but they do not cut the slope:
    a saturated prediction on the wrong side still learns. The backend makes what is outside
    `limits` NaN, and clips the rest to [0, 1].

    No slope exceeds `slope_limit`, the largest number of the dtype that it will
    be handed on in: an infinite one would turn a saturated sigmoid's zero into NaN.
    """

    limits = PROBABILITY_LIMITS

    def __init__(self, p, *, epsilon, slope_limit=np.inf):
        self.p = p
        self.smallest = 1.0 / slope_limit
        self.p_floor, self.q_floor = epsilon, _below_one(epsilon)

    @cached_property
    def q(self):
        return 1.0 - self.p

    @cached_property
    def log_p(self):
        # Clipped before the logarithm, so that no intermediate result is infinite.
        return backend.log(backend.at_least(self.p, self.p_floor))

    @cached_property
    def log_q(self):
        return backend.log1m(backend.at_most(self.p, 1.0 - self.q_floor))

    p_slope = 1.0

    @property
    def p_above_floor(self):
        return backend.at_least(self.p, max(self.p_floor, self.smallest))

    @property
    def minus_q_above_floor(self):
        return backend.at_most(self.p - 1.0, -max(self.q_floor, self.smallest))

    @property
    def log_p_slope(self):
        return 1.0 / self.p_above_floor

    @property
    def log_q_slope(self):
        return 1.0 / self.minus_q_above_floor


@lru_cache
def _below_one(epsilon):
    """How far below 1 float32 puts `1 - epsilon`: by its smallest step there, if by none."""
    return float(max(1.0 - np.float32(1.0 - epsilon), 2.0**-24))


def _is_zero(number):
    """Whether an argument is 0; one that is a tensor, in TensorFlow's graphs, is not."""
    return isinstance(number, float) and number == 0.0


class _Loss:
    """The sum of `terms`, none of them negative, less that of `minus_terms`, none positive."""

    minus_terms = ()
    #: The arguments, all floats, that a compiled graph may take as inputs.
    numbers: tuple[str, ...] = ()

    @cached_property
    def value(self):
        return self.sum_of(lambda term: term)

    def sum_of(self, reduced):
        """Of the terms after a linear function: that of the value."""
        total = reduce(operator.add, map(reduced, self.terms))
        return reduce(operator.sub, map(reduced, self.minus_terms), total)


class Crossentropy(_Loss):
    """`-(pos_weight * y * log(p) + (1 - y) * log(q))`.

    On logits the two logarithms share `log(1 - r)`, `r = sigmoid(-|x|)`:

        value = against * x - (positive + negative) * log(1 - r)
        slope = against - (positive + negative) * (r if x >= 0 else -r)

    where `positive = pos_weight * y`, `negative = 1 - y`, and `against` is what
    speaks against the prediction's side: `negative if x >= 0 else -positive`. An
    infinite logit on the right side costs nothing, on the wrong side infinitely much.
    """

    def __init__(self, y, prediction, *, link, pos_weight=None):
        self.link = link(prediction)
        self.from_logits = link is Logits
        self.y = y
        self.pos_weight = pos_weight
        self.positive = y if pos_weight is None else y * pos_weight

    @property
    def negative(self):
        # Not kept: cheap to compute, and large to hold.
        return 1.0 - self.y

    @property
    def _minus_negative(self):
        # With this sign value and slope can share it, in what is compiled for both.
        return self.y - 1.0

    @cached_property
    def _against(self):
        step = self.link.step
        if self.pos_weight is None:
            return step - self.y
        return step * self.negative - (1.0 - step) * self.positive

    def _times_both(self, factor):
        """`(positive + negative) * factor`; the sum is 1 where no class weighs more."""
        return factor if self.pos_weight is None else (self.positive + self.negative) * factor

    @cached_property
    def terms(self):
        link = self.link
        if self.from_logits:
            against = backend.multiply_no_nan(link.x, self._against)
            return against, self._times_both(link.minus_log_rest)
        return (self._minus_negative * link.log_q,)

    @property
    def minus_terms(self):
        return () if self.from_logits else (self.positive * self.link.log_p,)

    @cached_property
    def slope(self):
        link = self.link
        if self.from_logits:
            return self._against - self._times_both(link.signed_r)
        negative = self._minus_negative / link.minus_q_above_floor
        return negative - self.positive / link.p_above_floor

    @property
    def label_slope(self):
        link = self.link
        if self.pos_weight is not None:
            return link.log_q - self.pos_weight * link.log_p
        return -link.x if self.from_logits else link.log_q - link.log_p


class Smoothed(_Loss):
    """Any loss, on labels drawn towards 1/2: `y * (1 - smoothing) + smoothing / 2`."""

    numbers = ("smoothing",)

    def __init__(self, y, prediction, *, loss, smoothing, **arguments):
        self.keep = 1.0 - smoothing
        self.at = loss(y * self.keep + 0.5 * smoothing, prediction, **arguments)

    @property
    def terms(self):
        return self.at.terms

    @property
    def minus_terms(self):
        return self.at.minus_terms

    @property
    def slope(self):
        return self.at.slope

    @property
    def label_slope(self):
        return self.at.label_slope * self.keep


class _Modulated:
    """`t ** gamma * loss`: a loss turned down where `t`, the chance of being wrong, is small.

    Its slope, `t**gamma * (loss' + gamma * t' * loss / t)`, is finite for every
    gamma >= 0, since the loss vanishes as fast as `t` does: `loss / t` tends to `weight`.
    """

    def __init__(self, t, gamma, loss, weight=1.0):
        # The smallest normal float32 stands for zero: a power of zero has no slope.
        self.t = backend.at_least(t, float(np.finfo("float32").tiny))
        self.gamma = gamma
        self.loss = loss
        self.weight = weight
        self.factor = 1.0 if _is_zero(gamma) else backend.power(self.t, gamma)

    @cached_property
    def value(self):
        return self.factor * self.loss

    @cached_property
    def _loss_per_t(self):
        """`loss / t`, and its limit `weight` where `t` is so small that `1 / t**2` overflows.

        An infinite loss goes with a `t` that no longer moves: the bound keeps their product 0.
        """
        small = self.t < 1e-12
        # Selected before and after the division, so that no derivative of it is NaN.
        loss = backend.where(small, 0.0, backend.at_most(self.loss, 1e30))
        ratio = loss / backend.where(small, 1.0, self.t)
        return backend.where(small, self.weight, ratio)

    def slope(self, t_slope, loss_slope):
        if _is_zero(self.gamma):
            return loss_slope
        return self.factor * (loss_slope + self.gamma * t_slope * self._loss_per_t)


class FocalCrossentropy(_Loss):
    """`(y * q + (1 - y) * p) ** gamma * Crossentropy`, class-balanced by `alpha` if that is given.

    The balance is `alpha * y + (1 - alpha) * (1 - y)`. Lin et al., 2017,
    https://arxiv.org/abs/1708.02002.
    """

    numbers = ("gamma", "alpha")

    def __init__(self, y, prediction, *, link, pos_weight=None, gamma=2.0, alpha=None):
        self.crossentropy = Crossentropy(y, prediction, link=link, pos_weight=pos_weight)
        self.link = link = self.crossentropy.link
        self.y = y
        t = y * link.q + self.crossentropy.negative * link.p
        # Where t is small the label is 0 or 1, and the loss is that label's weight times t.
        weight = self.crossentropy.positive + self.crossentropy.negative
        self.modulated = _Modulated(t, gamma, self.crossentropy.value, weight)
        self.alpha = alpha
        self.balance = 1.0 if alpha is None else y * (2.0 * alpha - 1.0) + (1.0 - alpha)

    @cached_property
    def terms(self):
        return (self.modulated.value * self.balance,)

    @cached_property
    def slope(self):
        t_slope = (1.0 - 2.0 * self.y) * self.link.p_slope
        return self.balance * self.modulated.slope(t_slope, self.crossentropy.slope)

    @property
    def label_slope(self):
        link = self.link
        slope = self.modulated.slope(link.q - link.p, self.crossentropy.label_slope)
        if self.alpha is None:
            return slope
        return self.balance * slope + (2.0 * self.alpha - 1.0) * self.modulated.value


class AsymmetricCrossentropy(_Loss):
    """A focusing exponent for each class, and negatives forgiven below a probability of `clip`.

    Ben-Baruch et al., 2020, https://arxiv.org/abs/2009.14119. Their `p` shifted
    down for negatives is `m = max(p - clip, 0)`.
    """

    numbers = ("gamma_pos", "gamma_neg", "clip")

    def __init__(
        self,
        y,
        prediction,
        *,
        link,
        pos_weight=None,
        gamma_pos=0.0,
        gamma_neg=4.0,
        clip=0.05,
    ):
        self.from_logits = link is Logits
        self.link = link = link(prediction)
        self.pos_weight = pos_weight
        self.positive = y if pos_weight is None else y * pos_weight
        self.negative = 1.0 - y
        if not _is_zero(clip):
            m = backend.at_least(link.p - clip, 0.0)
            # From the side on which the shift cancels least.
            log_rest = backend.where(
                link.p > 0.5,
                backend.log(backend.at_most(link.q + clip, 1.0)),
                backend.log1m(backend.at_most(m, 0.5)),
            )
            self.m_slope = backend.where(link.p > clip, link.p_slope, 0.0)
            self.log_rest_slope = -self.m_slope / backend.at_most(link.q + clip, 1.0)
        else:
            m, log_rest = link.p, link.log_q
            self.m_slope, self.log_rest_slope = link.p_slope, link.log_q_slope
        self.if_positive = _Modulated(link.q, gamma_pos, -link.log_p)
        self.if_negative = _Modulated(m, gamma_neg, -log_rest)

    @cached_property
    def terms(self):
        positive = self.positive * self.if_positive.value
        negative = self.negative * self.if_negative.value
        if self.from_logits:  # What does not apply may be infinite; a probability's is not.
            positive = backend.where(self.positive == 0, 0.0, positive)
            negative = backend.where(self.negative == 0, 0.0, negative)
        return positive, negative

    @cached_property
    def slope(self):
        link = self.link
        if_positive = self.if_positive.slope(-link.p_slope, -link.log_p_slope)
        if_negative = self.if_negative.slope(self.m_slope, -self.log_rest_slope)
        return self.positive * if_positive + self.negative * if_negative

    @property
    def label_slope(self):
        positive = self.if_positive.value
        if self.pos_weight is not None:
            positive = positive * self.pos_weight
        return positive - self.if_negative.value
