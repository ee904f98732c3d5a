"""NumPy: values only. Keras's NumPy backend has no gradients, and no `fit`."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np

from keras_bce._backend import _common
from keras_bce._backend._masks import read as read_mask
from keras_bce._backend._protocol import Axis, Limits
from keras_bce._typing import Array, Tensor

unconverted = _common.as_is
compiled_result = partial(_common.result_on_host, array=_common.as_is, tensor=_common.as_is)
compiled_result_of_columns = _common.result_of_columns
replica_count = _common.one_replica
loop, columns, with_columns = (
    _common.python_loop,
    _common.slice_columns,
    _common.assign_columns,
)

log = np.log
ones_like = np.ones_like
at_least, at_most, between = np.maximum, np.minimum, np.clip


def from_host(values: Array) -> Tensor:
    # Keras would make float32 of float64.
    return values


def is_known(x: Tensor) -> bool:
    return True


def where(condition: Tensor, x: Any, y: Any) -> Tensor:
    # `np.where` alone makes float64 of a Python number.
    dtype = np.result_type(*(value if np.isscalar(value) else value.dtype for value in (x, y)))
    return np.where(condition, x, y).astype(dtype)


def power(x: Tensor, y: Any) -> Tensor:
    return np.power(x, y)


def log1p(x: Tensor, overwrite: bool = False) -> Tensor:
    return np.log1p(x)


def minus_abs(x: Tensor) -> Tensor:
    return -np.abs(x)


def minus_sigmoid_minus_abs(x: Tensor) -> Tensor:
    return -1.0 / (1.0 + np.exp(np.abs(x)))


def softplus_minus_abs(x: Tensor) -> Tensor:
    return np.log1p(np.exp(-np.abs(x)))


def step_minus(x: Tensor, y: Tensor | None = None) -> Tensor:
    step = (x >= 0).astype(x.dtype)
    return step if y is None else step - y


def with_sign(size: Tensor, x: Tensor, plus: Tensor | None = None) -> Tensor:
    signed = np.where(x >= 0, size, -size)
    return signed if plus is None else plus + signed


def multiply_no_nan(x: Tensor, weight: Tensor, overwrite: bool = False) -> Tensor:
    return np.where(weight == 0, 0.0, x * weight).astype(x.dtype)


def divide_no_nan(x: Tensor, size: Tensor) -> Tensor:
    return np.where(size == 0, 0.0, x) / np.where(size == 0, 1.0, size).astype(x.dtype)


def result(x: Tensor, dtype: str) -> Tensor:
    return np.asarray(x + 0.0).astype(dtype)[()]


def is_within(x: Tensor, limits: Limits) -> Tensor:
    low, high = limits
    return (x >= low) & (x <= high)


def within(x: Tensor, limits: Limits) -> Tensor:
    return np.where(is_within(x, limits), x, np.nan).astype(x.dtype)


def clipped(p: Tensor, limits: Limits) -> Tensor:
    return between(within(p, limits), 0.0, 1.0)


def differentiable(formula: Callable[..., Any]) -> Callable[..., Tensor]:
    """Gives values only, without derivatives."""

    def losses(
        loss: Any, link: Any, y: Tensor, prediction: Tensor, pos_weight: Any, axis: int | None
    ) -> Tensor:
        value = formula(loss, link, y, prediction, pos_weight).value
        return value if axis is None else np.mean(value, axis, dtype=value.dtype)

    return losses


def with_gradient(
    value: Callable[..., Tensor], gradient: Callable[..., Any]
) -> Callable[..., Tensor]:
    """Gives values only."""
    return value


def marks(places: Tensor, size: int, like: Tensor) -> Tensor:
    marked = np.zeros((len(places), size), like.dtype)
    rows, k = np.nonzero((places >= 0) & (places < size))
    marked[rows, places[rows, k]] = 1.0
    return marked


def compiled(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """As it is, without NumPy's warnings: NaN and infinity are results here."""

    def quiet(*arguments: Any) -> Tensor:
        with np.errstate(all="ignore"):
            return function(*arguments)

    return quiet


compiled_update = compiled


def find_logits(y_pred: Any, even_if_costly: bool = False) -> Any:
    """Never known: NumPy's arrays carry no notes, and no record of what made them."""
    return


def find_notes(y_pred: Any, even_if_costly: bool = False) -> tuple[Any, Any]:
    if not isinstance(y_pred, np.ndarray):
        return None, None
    mask = read_mask(np.ones((), "float32"), y_pred)
    # A scalar 1 is no mask, or one of shape (1,) that leaves nothing out.
    return (None if mask.ndim == 0 and mask else np.atleast_1d(mask)), None


def follow(x: Tensor, like: Tensor) -> Tensor:
    """As it is: there is one device."""
    return x


def infers_shapes() -> bool:
    """Whether Keras runs this on uninitialised arrays, only to see the shape of the result.

    It does so within a `StatelessScope`, where it refuses new variables.
    """
    try:
        keras.Variable(0.0)
    except ValueError:
        return True
    return False


def has_float64() -> bool:
    return True


def exact_sum(values: Tensor, axis: Axis = None) -> Tensor:
    return np.sum(values, axis, dtype="float64")


def exact_product(a: Tensor, b: Tensor) -> Tensor:
    return np.multiply(a, b, dtype="float64")


def exact_segment_sum(values: Tensor, segments: Tensor, count: int) -> Tensor:
    return np.bincount(segments, values, count)


def exact_segment_sums(columns: list[Tensor], segments: Tensor, count: int) -> Tensor:
    rows = np.column_stack(columns)
    return np.concatenate([np.bincount(segments, column, count) for column in rows.T])


def add_exactly(state: Tensor, added: list[Any]) -> Tensor:
    total = np.hstack([np.ravel(np.asarray(number, "float64")) for number in added])
    total = total + np.sum(state, 0, dtype="float64")
    high = total.astype(state.dtype)
    low = np.where(np.isfinite(high), total - high, 0.0)  # The rest of an infinite sum is 0.
    return np.stack([high, low.astype(state.dtype)])


def sums(state: Tensor) -> Tensor:
    return np.sum(state, 0)
