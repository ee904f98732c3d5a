"""Exact streaming sums.

A float32 counter that is added to one by one stops at 2**24. Here each sum is
an unevaluated pair of float32: adding is error-free, what the high part rounds
off is kept in the low one. So it is on every backend, compiled or not, and two
states merge by adding them.
"""

import numpy as np
from keras import ops

from keras_bce import backend, exact


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

    def add(self, *terms):
        """Adds K numbers, in order: pairs of tensors of rank 0 or 1, and counts as they are."""
        high, low = zip(*map(self._pair, terms), strict=True)
        self._add(*(ops.concatenate([ops.reshape(x, (-1,)) for x in part]) for part in (high, low)))

    def merge(self, state):
        """Adds the state of another accumulator."""
        self._add(*ops.convert_to_tensor(state, dtype=self.variable.dtype))

    def _add(self, high, low):
        state = ops.convert_to_tensor(self.variable)
        self.variable.assign(ops.stack(exact.add((state[0], state[1]), (high, low))))

    def _pair(self, term):
        dtype = self.variable.dtype
        if isinstance(term, tuple):
            return term
        if not isinstance(term, float):  # A count that only the running graph knows.
            return term, ops.zeros_like(term)
        high = float(np.asarray(term, dtype))
        return ops.convert_to_tensor(high, dtype), ops.convert_to_tensor(term - high, dtype)

    def sums(self):
        """The K sums, rounded once."""
        state = ops.convert_to_tensor(self.variable)
        return state[0] + state[1]

    @property
    def state(self):
        """A NumPy array of shape (2, K)."""
        return np.array(ops.convert_to_numpy(self.variable))

    @state.setter
    def state(self, state):
        self.variable.assign(state)


def exact_sum(values, axis=None):
    """The sum of a tensor over `axis`, over all if that is `None`, as a term to add."""
    return backend.exact_sum(values, axis)
