"""Exact streaming sums.

A float32 counter that is incremented one by one stops at 2**24. Here each sum is an unevaluated
pair of floats, high and low: the low part holds what the high one rounds off, 48 bits together.
It works on every backend, compiled or not, and two states merge by addition.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_bce._backend import backend
from keras_bce._pointwise import Pointwise
from keras_bce._prepare import Batch, Reading
from keras_bce._typing import Array, Tensor
from keras_bce._weighting import exclude

#: `update((state, batch), loss, reading, *static)`: the state with what a batch adds to it.
Update = Callable[..., Tensor]


class ExactSums:
    """K exact sums in one variable of a metric, of shape (2, K): high parts and low parts.

    Args:
        metric: The metric that owns the variable: Keras resets, saves and distributes it.
        size: K.
        dtype: float32 or float64.
    """

    def __init__(self, metric: keras.metrics.Metric, size: int, dtype: str) -> None:
        self.variable = metric.add_variable(
            shape=(2, size), initializer="zeros", dtype=dtype, name="sums"
        )

    def values(self) -> Tensor:
        """The K sums, rounded once."""
        return backend.sums(self.variable.value)

    @property
    def state(self) -> Array:
        """An array of shape (2, K)."""
        return np.array(ops.convert_to_numpy(self.variable))

    def merge(self, state: Array) -> None:
        """Adds the state of other sums."""
        dtype = self.variable.dtype
        total = self.state.sum(0, dtype="float64") + np.sum(state, 0, dtype="float64")
        high = total.astype(dtype)
        with np.errstate(invalid="ignore"):  # The rest of an infinite sum is 0.
            low = np.where(np.isfinite(high), total - high, 0.0)
        self.variable.assign(np.stack([high, low.astype(dtype)]))


def adds(measure: Callable[..., list[Any]]) -> Update:
    """Makes an update of exact sums from a measure of a batch: exclude -> measure -> add.

    Args:
        measure: `measure(batch, loss, reading, *static)` gives what is added to each sum, in
            order: exact sums (`backend.exact_sum`) and numbers.
    """

    @backend.compiled_update
    def update(
        tensors: tuple[Tensor, Batch], loss: Pointwise, reading: Reading, *static: Any
    ) -> Tensor:
        state, batch = tensors
        return backend.add_exactly(state, measure(exclude(batch, reading), loss, reading, *static))

    return update
