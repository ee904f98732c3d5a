"""What backends share where a framework adds nothing of its own."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import fields, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
from keras import ops

from keras_bce._typing import Function, Tensor

#: Numbers that stay constants: these exponents are faster than a general power.
_COMMON = (0.0, 0.5, 1.0, 2.0, 3.0)

#: The smallest normal float32.
_TINY = float(np.finfo("float32").tiny)


@lru_cache(256)
def lifted(loss: Any) -> tuple[Any, dict[str, float]]:
    """A loss without its uncommon numbers, and these by name.

    The loss is part of the key of a compiled computation, the numbers are inputs: so an annealed
    gamma compiles nothing anew.
    """
    numbers = {
        name: number
        for name, number in _numbers(loss).items()
        if isinstance(number, float) and number not in _COMMON
    }
    return replace(loss, **dict.fromkeys(numbers)), numbers


def tensors_of(loss: Any, kind: type) -> dict[str, Tensor]:
    """The numbers of a loss that are tensors, of this type, by name."""
    return {name: number for name, number in _numbers(loss).items() if isinstance(number, kind)}


def _numbers(loss: Any) -> dict[str, Any]:
    """The arguments of a loss by name, without the tensors that it is bound to."""
    return {own.name: getattr(loss, own.name) for own in fields(loss) if own.init}


#: Keras's conversion, which puts an array on the default device.
from_host: Callable[[Any], Tensor] = ops.convert_to_tensor


def log1p_by_log(x: Tensor, log: Callable[..., Tensor], at_least: Callable[..., Tensor]) -> Tensor:
    """`log(1 + x)` for `x` in (-1, 0], exact for small `x`.

    Compiled on a CPU, it takes less time than `log1p`.
    """
    logarithm, excess = log_and_excess(x, log, at_least)
    return logarithm - excess


def log_and_excess(
    x: Tensor, log: Callable[..., Tensor], at_least: Callable[..., Tensor]
) -> tuple[Tensor, Tensor]:
    """The logarithm of the rounded `1 + x`, and by how much it exceeds `log(1 + x)`.

    That is the rounding error of `1 + x`.
    """
    whole = 1.0 + x
    # The maximum keeps a compiler from simplifying `(1 + x) - 1` to `x`.
    positive = at_least(whole, _TINY)
    return log(whole), (positive - 1.0) - x


def as_is(function: Function) -> Function:
    """Returns the function: there is nothing to compile."""
    return function


_updates: ContextVar[bool] = ContextVar("updates", default=False)


def in_update() -> bool:
    """Whether a metric's update is computed now. Nothing takes the gradient of an update."""
    return _updates.get()


def as_update(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Wraps a function: while it runs, `in_update` is true."""

    def update(*args: Any) -> Tensor:
        token = _updates.set(True)
        try:
            return function(*args)
        finally:
            _updates.reset(token)

    return update


def result_on_host(
    function: Callable[[Tensor], Any],
    on_host: Callable[[Any], Any],
    array: Callable[[Tensor], Any],
    tensor: Callable[[Any], Tensor],
) -> Callable[[Tensor], Any]:
    """A metric's result, computed by NumPy if it can be: for a few numbers that takes less time.

    Args:
        function: The result of a tensor.
        on_host: The same of an array, or `None` if only the function does it.
        array: A tensor's values, or `None` where they are not known, or on another device.
        tensor: An array as a tensor.
    """

    def call(state: Tensor) -> Any:
        values = array(state)
        result = None if values is None else on_host(values)
        return function(state) if result is None else tensor(np.asarray(result))

    return call


def result_of_columns(function: Callable[[Tensor], Any]) -> Callable[[Tensor], list[Any]]:
    """The function of each column of a matrix: there is nothing to compile."""
    return lambda x: [function(column) for column in ops.unstack(x, x.shape[1], axis=1)]


#: Always 1: only `tf.distribute` sums the losses of replicas.
one_replica: Callable[[], int] = partial(int, 1)


def never_infers_shapes() -> bool:
    """Keras infers shapes from symbolic tensors."""
    return False


def python_loop(count: int, body: Callable[[Any, Any], Any], state: Any) -> Any:
    """A loop of Python: there is nothing to compile."""
    for i in range(count):
        state = body(i, state)
    return state


def slice_columns(x: Tensor, start: int, size: int) -> Tensor:
    """A view of columns."""
    return x[..., start : start + size]


def assign_columns(x: Tensor, part: Tensor, start: int) -> Tensor:
    """Writes columns in place."""
    x[..., start : start + part.shape[-1]] = part
    return x
