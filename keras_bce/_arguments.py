"""The arguments of losses and metrics: validated once, where an object is made."""

import math
import numbers
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import keras
import numpy as np
from keras import ops

from keras_bce import _faults
from keras_bce._backend import backend
from keras_bce._typing import Array, HasShape, LabelFactors, Reduction

#: Validated `pos_weight` or `label_weights`: a float, a float64 array, a variable or a tensor.
Factors = float | Array | HasShape | None


@dataclass(frozen=True, eq=False)
class Arguments:
    """The six arguments that losses, their functions and their metrics share.

    Args:
        from_logits: Whether predictions are logits rather than probabilities.
        label_smoothing: A number in [0, 1].
        axis: The axis of the labels, over which a sample's loss is averaged.
        pos_weight: The factor of the positive term, a number or one per label.
        label_weights: The factor of a label's loss, a number or one per label.
        ignore_class: The label that stands for "missing": a number, NaN, or `None`.

    Raises:
        ValueError: for an argument outside of its range.
    """

    from_logits: bool = False
    label_smoothing: float = 0.0
    axis: int = -1
    pos_weight: Any = None
    label_weights: Any = None
    ignore_class: float | None = None

    def __post_init__(self) -> None:
        self.__dict__.update(
            from_logits=bool(self.from_logits),
            label_smoothing=fraction("label_smoothing", self.label_smoothing),
            axis=axis(self.axis),
            pos_weight=label_factors("pos_weight", self.pos_weight),
            label_weights=label_factors("label_weights", self.label_weights),
            ignore_class=ignore_class(self.ignore_class),
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments by name, as numbers and lists."""
        return {
            **self.__dict__,
            "pos_weight": plain_factors(self.pos_weight),
            "label_weights": plain_factors(self.label_weights),
        }


class ShowsReading:
    """Shows how an object reads labels and predictions, as attributes, as Keras's classes do."""

    _arguments: Arguments

    @property
    def from_logits(self) -> bool:
        """Whether predictions are logits."""
        return self._arguments.from_logits

    @property
    def ignore_class(self) -> float | None:
        """The label that stands for "missing"."""
        return self._arguments.ignore_class


class ShowsArguments(ShowsReading):
    """Shows all arguments of an object."""

    @property
    def label_smoothing(self) -> float:
        """How far labels are drawn towards 1/2."""
        return self._arguments.label_smoothing

    @property
    def axis(self) -> int:
        """The axis of the labels."""
        return self._arguments.axis

    @property
    def pos_weight(self) -> Factors:
        """The factor of the positive term."""
        return self._arguments.pos_weight

    @property
    def label_weights(self) -> Factors:
        """The factor of each label's loss."""
        return self._arguments.label_weights


#: `None` and the strings of `Reduction`.
_REDUCTIONS = (*get_args(get_args(Reduction)[0]), None)


def number(name: str, value: Any, low: float, high: float, rule: str) -> float:
    """A float in [low, high]; the error states the range as `rule`."""
    is_number = isinstance(value, (numbers.Real, np.number, np.bool_))
    if not is_number or not low <= float(value) <= high:
        raise ValueError(f"`{name}` must be {rule}. Received: {name}={value!r}.")
    return float(value)


def fraction(name: str, value: Any) -> float:
    """A float in [0, 1]."""
    return number(name, value, 0.0, 1.0, "a number in [0, 1]")


def exponent(name: str, value: Any) -> float:
    """A float, 0 or greater."""
    return number(name, value, 0.0, np.finfo("float64").max, "a number, 0 or greater")


def level(value: Any) -> float:
    """A float in (0, 1)."""
    least = math.ulp(0.0)
    return number("level", value, least, math.nextafter(1.0, 0.0), "a number in (0, 1)")


def clip(value: Any) -> float:
    """A float in [0, 1)."""
    below_one = math.nextafter(1.0, 0.0)
    return number("clip", value, 0.0, below_one, "a number in [0, 1)")


def ignore_class(value: Any) -> float | None:
    """A finite float, NaN, or `None`."""
    if value is None:
        return None
    if isinstance(value, (float, np.floating)) and math.isnan(value):
        return math.nan  # Always this object, since two NaN are unequal.
    largest = np.finfo("float64").max
    return number("ignore_class", value, -largest, largest, "None, a finite number, or NaN")


def reduction(value: Any) -> Reduction:
    """One of the reductions."""
    valid: Reduction = choice("reduction", value, _REDUCTIONS)
    return valid


def choice(name: str, value: Any, choices: tuple[Any, ...]) -> Any:
    """One of the choices."""
    if value not in choices:
        raise ValueError(
            f"`{name}` must be one of {', '.join(map(repr, choices))}. Received: {name}={value!r}."
        )
    return value


def axis(value: Any) -> int:
    """An integer."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ValueError(
            f"`axis` must be an integer, the axis of the labels. Received: axis={value!r}."
        )
    return int(value)


def label_factors(name: str, values: LabelFactors) -> Factors:
    """`pos_weight` or `label_weights`: a number, or one per label.

    Returns:
        `None`, a float, a float64 array, or the `keras.Variable` or tensor that was given, which
        is read at each call. Values that cannot be read yet, in a function that is being
        compiled, are not checked.
    """
    if values is None:
        return None
    live: Any = values if isinstance(values, keras.Variable) or ops.is_tensor(values) else None
    if live is not None:
        if len(live.shape) > 1 or 0 in live.shape:
            raise ValueError(_factors_fault(name, values))
        tensor = ops.convert_to_tensor(live)
        if backend.is_known(tensor):
            _check_factors(name, values, _faults.on_host(tensor, name).ravel().tolist())
        return live
    if isinstance(values, (list, tuple)) and all(isinstance(v, (int, float)) for v in values):
        # Checked without NumPy, which `torch.compile` would have to trace.
        factors = [float(value) for value in values]
        _check_factors(name, values, factors)
        return np.array(factors)
    array = _faults.host_array(values, name).astype("float64")
    if array.ndim > 1:
        raise ValueError(_factors_fault(name, values))
    _check_factors(name, values, array.ravel().tolist())
    return array if array.ndim else float(array)


def _check_factors(name: str, values: Any, factors: Sequence[float]) -> None:
    if not (factors and all(0.0 <= factor < math.inf for factor in factors)):
        raise ValueError(_factors_fault(name, values))


def _factors_fault(name: str, values: Any) -> str:
    return (
        f"`{name}` must be a number or a list of one number per label, each finite and 0 or "
        f"greater. Received: {name}={values!r}."
    )


def plain_factors(values: Factors) -> float | list[float] | None:
    """Validated factors as numbers, for a config; a variable gives its current values."""
    if values is None or isinstance(values, float):
        return values
    if not isinstance(values, np.ndarray):
        values = _faults.on_host(ops.convert_to_tensor(values), "values").astype("float64")
    numbers: float | list[float] = values.tolist()
    return numbers


def rates(
    name: str, values: Any, *, below: float = 1.0, up_to: float | None = None
) -> float | list[float] | None:
    """`None`, a float, or a list of floats, one per label, in (0, `below`) or (0, `up_to`]."""
    if values is None:
        return None
    array = _faults.on_host(values, name).astype("float64")
    possible = (array > 0) & (array < below if up_to is None else array <= up_to)
    if array.ndim > 1 or array.size == 0 or not possible.all():
        limits = f"(0, {below:g})" if up_to is None else f"(0, {up_to:g}]"
        raise ValueError(
            f"`{name}` must be a number in {limits}, or a list of one per label. "
            f"Received: {name}={values!r}."
        )
    numbers: float | list[float] = array.tolist()
    return numbers


def label_names(values: Any) -> list[str] | None:
    """A list of different strings, or `None`."""
    if values is None:
        return None
    return different_names("label_names", [values] if isinstance(values, str) else values, "label")


def different_names(name: str, values: Any, of: str) -> list[str]:
    """A list of different strings, not empty; the error says what each of them names."""
    is_list = isinstance(values, Iterable) and not isinstance(values, str)
    names = list(values) if is_list else []
    if not all(isinstance(each, str) for each in names) or not 0 < len(names) == len({*names}):
        raise ValueError(
            f"`{name}` must be a list of different strings, one per {of}. "
            f"Received: {name}={values!r}."
        )
    return names


def at_least_one(name: str, value: Any) -> int:
    """An integer, 1 or greater."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(f"`{name}` must be an integer, 1 or greater. Received: {name}={value!r}.")
    return int(value)
