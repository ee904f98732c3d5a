"""Exact streaming sums.

A float32 counter that is added to one by one stops at 2**24. Here each sum is
an unevaluated pair of float32, high and low: what the high part rounds off is
kept in the low one, which gives 48 bits. So it is on every backend, compiled or
not, and two states merge by adding them.
"""

import numpy as np
from keras import ops

from keras_bce import backend


class Accumulator:
    """K exact sums, in one variable of a metric, of shape (2, K): high parts and low parts.

    Args:
        metric: The metric, whose variable it is: Keras resets, saves and distributes it.
        size: K.
        dtype: float32 or float64.
        name: The name of the variable.
    """

    def __init__(self, metric, size, dtype="float32", name="sums"):
        self.variable = metric.add_variable(
            shape=(2, size), initializer="zeros", dtype=dtype, name=name
        )

    def add(self, terms, *arguments):
        """Adds the K numbers of the list `terms(*arguments)`, by way of `backend.add_exactly`.

        They come in order, as what `exact_sum` gives and as Python floats.
        """
        self.variable.assign(backend.add_exactly(self.variable.value, terms, *arguments))

    def sums(self):
        """The K sums, rounded once."""
        return backend.sums(self.variable.value)

    @property
    def state(self):
        """A NumPy array of shape (2, K)."""
        return np.array(ops.convert_to_numpy(self.variable))

    @state.setter
    def state(self, state):
        self.variable.assign(state)

    def merge(self, state):
        """Adds the state of another accumulator."""
        dtype = self.variable.dtype
        total = self.state.sum(0, dtype="float64") + np.sum(state, 0, dtype="float64")
        high = total.astype(dtype)
        with np.errstate(invalid="ignore"):  # Of an infinite sum nothing is left over.
            low = np.where(np.isfinite(high), total - high, 0.0)
        self.state = np.stack([high, low.astype(dtype)])


def exact_sum(values, axis=None):
    """The sum of a tensor over `axis`, over all if that is `None`, as a term to add."""
    return backend.exact_sum(values, axis)
