"""Links: how a prediction states the probability of its label, for logits and probabilities.

A link is a hashable description, which `at`, `checked` and `clipped` bind to predictions. Writing
`p` for the probability of the label 1 and `q = 1 - p`, a bound link has

- `p` and `q`, `log_p` and `log_q`, and `logit`, which is `log_p - log_q`;
- their slopes, the derivatives by the prediction: `p_slope` (that of `q` is `-p_slope`),
  `log_p_slope` and `log_q_slope`;
- `error(y)`, the probability that the label is not `y`: `y * q + (1 - y) * p`.

They share intermediate results, are differentiable themselves, and are written without
cancellation, so that small probabilities keep their digits.
"""

from dataclasses import Field, dataclass, field
from typing import Any, TypeAlias, TypeVar

import numpy as np

from keras_bce._backend import backend
from keras_bce._caching import computed_once, remembered
from keras_bce._faults import PROBABILITY_LIMITS
from keras_bce._typing import Tensor

_Formula = TypeVar("_Formula")


def bound(formula: _Formula, **tensors: Any) -> _Formula:
    """A copy of a formula, a frozen dataclass, that holds the tensors it is evaluated at."""
    copy: Any = object.__new__(type(formula))
    # Not by its `__dict__`, nor by `fields`: `torch.compile` of torch 2.11 knows neither.
    fields: dict[str, Field[Any]] = type(formula).__dataclass_fields__  # type: ignore[attr-defined]
    for name, own in fields.items():
        if own.init:
            object.__setattr__(copy, name, getattr(formula, name))
    for name, tensor in tensors.items():
        object.__setattr__(copy, name, tensor)
    return copy


@dataclass(frozen=True)
class Logits:
    """Predictions are logits `x`, with `p = sigmoid(x)`.

    Everything follows from `r = sigmoid(-|x|)`, the probability of the less likely label. It is
    in [0, 1/2], so that nothing overflows. `p` and `q` are `r` and `1 - r`, in the order that
    the sign of `x` decides.
    """

    x: Tensor = field(init=False, repr=False, compare=False)

    def at(self, x: Tensor) -> "Logits":
        """The link of these logits."""
        return bound(self, x=x)

    #: Of logits only NaN is impossible, and makes everything NaN.
    checked = clipped = at

    unchanged = True

    @computed_once
    def step(self) -> Tensor:
        """1 where `x > 0`, 0 where `x < 0`."""
        return backend.step_minus(self.x)

    @computed_once
    def minus_r(self) -> Tensor:
        return backend.minus_sigmoid_minus_abs(self.x)

    @computed_once
    def _signed(self) -> Tensor:
        """`-r` where `x > 0`, `r` where `x < 0`."""
        return backend.with_sign(self.minus_r, self.x)

    @property
    def knows_r(self) -> bool:
        """Whether `minus_r` is computed already."""
        return "minus_r" in self.__dict__

    @computed_once
    def minus_log_rest(self) -> Tensor:
        """`-log(1 - r)`."""
        return -backend.log1p(self.minus_r) if self.knows_r else backend.softplus_minus_abs(self.x)

    @property
    def logit(self) -> Tensor:
        return self.x

    @property
    def log_r(self) -> Tensor:
        return backend.minus_abs(self.x) - self.minus_log_rest

    @property
    def log_p(self) -> Tensor:
        return backend.at_most(self.x, 0.0) - self.minus_log_rest

    @property
    def log_q(self) -> Tensor:
        return backend.at_most(-self.x, 0.0) - self.minus_log_rest

    @computed_once
    def p(self) -> Tensor:
        return self.step + self._signed

    @computed_once
    def q(self) -> Tensor:
        return (1.0 - self.step) - self._signed

    def error(self, y: Tensor) -> Tensor:
        # 1 where the label contradicts the sign of x, which makes its error 1 - r; else 0, and r.
        contradicts = backend.with_sign(backend.step_minus(self.x, y), self.x)
        return contradicts + (2.0 * contradicts - 1.0) * self.minus_r

    @property
    def p_slope(self) -> Tensor:
        return self.p * self.q

    @property
    def log_p_slope(self) -> Tensor:
        return self.q

    @property
    def log_q_slope(self) -> Tensor:
        return -self.p


@dataclass(frozen=True)
class Probabilities:
    """Predictions are probabilities `p`.

    The logarithms are bounded as Keras's are: `log_p` by `log(epsilon)`, -16.118, and `log_q` by
    `log(1 - float32(1 - epsilon))`, -15.942. The bounds do not cut the slopes, so that a
    saturated prediction on the wrong side still learns. `checked` makes a probability outside of
    `PROBABILITY_LIMITS` NaN; between these limits and [0, 1] it counts as 0 or 1.

    Args:
        epsilon: That of `keras.config.epsilon()`.
        slope_limit: The largest number of the dtype in which gradients leave. No slope exceeds
            it, for an infinite one times the zero slope of a saturated sigmoid would be NaN.
    """

    epsilon: float
    slope_limit: float = np.inf
    given: Tensor = field(init=False, repr=False, compare=False)
    p: Tensor = field(init=False, repr=False, compare=False)

    def at(self, p: Tensor) -> "Probabilities":
        """The link of probabilities in [0, 1]."""
        return bound(self, given=p, p=p)

    def checked(self, p: Tensor) -> "Probabilities":
        """The link of any numbers: NaN for impossible probabilities."""
        return bound(self, given=p, p=backend.clipped(p, PROBABILITY_LIMITS))

    def clipped(self, p: Tensor) -> "Probabilities":
        """The link of any numbers, clipped to [0, 1]; `possible` says which ones were possible."""
        return bound(self, given=p, p=backend.between(p, 0.0, 1.0))

    @property
    def possible(self) -> Tensor:
        """Whether each given number is a possible probability, bool."""
        return backend.is_within(self.given, PROBABILITY_LIMITS)

    @property
    def unchanged(self) -> bool:
        """Whether the given numbers were in [0, 1] as far as that is known."""
        return self.p is self.given

    @computed_once
    def q(self) -> Tensor:
        return 1.0 - self.p

    @computed_once
    def log_p(self) -> Tensor:
        # Bounded before the logarithm, so that no intermediate result is infinite.
        return backend.log(backend.at_least(self.p, self.epsilon))

    @computed_once
    def log_q(self) -> Tensor:
        bounded = backend.at_least(-self.p, _below_one(self.epsilon) - 1.0)
        return backend.log1p(bounded, overwrite=True)

    @property
    def logit(self) -> Tensor:
        return self.log_p - self.log_q

    def error(self, y: Tensor) -> Tensor:
        # `y - 1` rather than `1 - y`: cross-entropy needs it too, and a compiler computes it once.
        return y * self.q - (y - 1.0) * self.p

    @property
    def p_slope(self) -> float:
        return 1.0

    @property
    def log_p_slope(self) -> Tensor:
        return 1.0 / self.p_above_floor

    @property
    def log_q_slope(self) -> Tensor:
        return 1.0 / self.minus_q_above_floor

    @property
    def p_above_floor(self) -> Tensor:
        """`p`, at least the number whose reciprocal is the largest slope."""
        return backend.at_least(self.p, max(self.epsilon, 1.0 / self.slope_limit))

    @property
    def minus_q_above_floor(self) -> Tensor:
        """`-q`, at most the number whose reciprocal is the steepest slope."""
        floor = max(_below_one(self.epsilon), 1.0 / self.slope_limit)
        return backend.at_most(self.p - 1.0, -floor)


Link: TypeAlias = Logits | Probabilities


@remembered
def _below_one(epsilon: float) -> float:
    """`1 - float32(1 - epsilon)`, at least 2**-24."""
    return max(float(1.0 - np.float32(1.0 - epsilon)), 2.0**-24)


def log_odds(p: Any) -> Any:
    """The logits of probabilities in (0, 1), on the host: numbers and lists of them."""
    return np.log(p) - np.log1p(np.negative(p))
