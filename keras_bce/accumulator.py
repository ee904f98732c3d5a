"""Exact streaming sums.

A float32 counter that is added to one by one stops at 2**24. Here each sum is
an unevaluated pair (high, low): adding is error-free, the rounding of the high
part is kept in the low one, which gives about 48 bits. The pairs are plain
float32 tensors, so that this holds on every backend, compiled or not, and two
states are merged by adding them.
"""

import numpy as np
from keras import ops


def two_sum(a, b):
    """The rounded sum, and its rounding error, exactly (Knuth, TAOCP 4.2.2, theorem B)."""
    total = a + b
    b_seen = total - a
    return total, (a - (total - b_seen)) + (b - b_seen)


def add(state, high, low=0.0):
    """Adds `high + low`, vectors of K numbers, to a state of shape (2, K)."""
    total, error = two_sum(state[0], high)
    rest = state[1] + (error + low)
    high = total + rest
    # The rest is far smaller than the total: what of it did not fit is exact.
    return ops.stack([high, rest - (high - total)])


class Accumulator:
    """K exact sums, in one variable of a metric.

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

    def add(self, values):
        """Adds a vector of K tensors, or a list of K scalars, numbers or tensors."""
        dtype = self.variable.dtype
        if isinstance(values, (list, tuple)):
            values = ops.stack([ops.cast(value, dtype) for value in values])
        self.variable.assign(add(ops.convert_to_tensor(self.variable), ops.cast(values, dtype)))

    def merge(self, state):
        """Adds the state of another accumulator, as `state()` gives it."""
        high, low = ops.convert_to_tensor(state, dtype=self.variable.dtype)
        self.variable.assign(add(ops.convert_to_tensor(self.variable), high, low))

    def sums(self):
        """The K sums, rounded once."""
        state = ops.convert_to_tensor(self.variable)
        return state[0] + state[1]

    @property
    def state(self):
        """High and low parts, a NumPy array of shape (2, K)."""
        return np.array(ops.convert_to_numpy(self.variable))

    @state.setter
    def state(self, state):
        self.variable.assign(state)
