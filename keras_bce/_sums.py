"""Exact streaming sums.

A float32 counter that is incremented one by one stops at 2**24. Here each sum is an unevaluated
pair of floats, high and low: the low part holds what the high one rounds off, 48 bits together.
It works on every backend, compiled or not, and two states merge by addition.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import keras
import numpy as np
from keras import ops

from keras_bce._backend import backend
from keras_bce._pointwise import Pointwise
from keras_bce._prepare import Batch, Reading
from keras_bce._typing import Array, Tensor
from keras_bce._weighting import exclude, sample_count


class Given(NamedTuple):
    """What an update of exact sums is given: tensors only.

    Attributes:
        state: The sums so far, of shape (2, K): high parts and low parts. Of S slices (2, K * S),
            the sums of all slices one after the other.
        batch: What was seen, a `Batch`; a tuple of batches, of models that are compared.
        slices: The slice of each sample, int32, with an axis of size 1 in the place of that of the
            labels; `None` if everything is one slice.
    """

    state: Tensor
    batch: Any
    slices: Tensor | None = None


class ByLabel(NamedTuple):
    """Numbers of predictions, or exact products of such, with one sum for each label."""

    values: Any
    axis: int


class Binned(NamedTuple):
    """Numbers of predictions, with one sum for each bin.

    Attributes:
        values: One for each prediction.
        bins: The bin of each prediction, int32, of the same shape.
        size: The number of bins.
    """

    values: Tensor
    bins: Tensor
    size: int


#: What a measure gives for one sum, or for several: a number for each sample as a tensor or an
#: exact product, or the float 1.0; a `ByLabel`; or a `Binned`.
Column: TypeAlias = Any

#: `update(given, loss, reading, *static)`: the state with what the batch adds to it.
Update = Callable[..., Tensor]


class ExactSums:
    """K exact sums in one variable of a metric, of shape (2, K): high parts and low parts.

    Args:
        metric: The metric that owns the variable: Keras resets, saves and distributes it.
        size: K.
        dtype: float32 or float64.
    """

    def __init__(self, metric: keras.metrics.Metric, size: int, dtype: str) -> None:
        self.size = size
        self.variable = metric.add_variable(
            # Of NumPy: JAX would compile zeros.
            shape=(2, size),
            initializer=np.zeros,
            dtype=dtype,
            name="sums",
        )

    def reset(self) -> None:
        """Forgets everything."""
        self.variable.assign(np.zeros(self.variable.shape, self.variable.dtype))

    @property
    def state(self) -> Array:
        """An array of shape (2, K)."""
        return np.array(ops.convert_to_numpy(self.variable))

    @property
    def totals(self) -> Array:
        """The K sums with all their digits, in float64."""
        totals: Array = self.state.astype("float64").sum(0)
        return totals

    def merge(self, state: Array) -> None:
        """Adds the state of other sums."""
        dtype = self.variable.dtype
        total = self.totals + np.sum(state, 0, dtype="float64")
        high = total.astype(dtype)
        with np.errstate(invalid="ignore"):  # The rest of an infinite sum is 0.
            low = np.where(np.isfinite(high), total - high, 0.0)
        self.variable.assign(np.stack([high, low.astype(dtype)]))


def adds(measure: Callable[..., list[Column]]) -> Update:
    """Makes an update of exact sums from a measure of a batch: exclude -> measure -> add.

    Args:
        measure: `measure(batch, loss, reading, *static)` gives the columns of a batch, of which
            excluded entries have weight 0: what each sample, or each prediction, adds to the
            sums, in their order. They are added up here, over everything or over each slice. With
            several batches, `batch` and `reading` are tuples.
    """

    @backend.compiled_update
    def update(given: Given, loss: Pointwise, reading: Any, *static: Any) -> Tensor:
        state, batch, slices = given
        if isinstance(batch, Batch):
            batch = exclude(batch, reading)
        else:
            batch = tuple(exclude(*pair) for pair in zip(batch, reading, strict=True))
        columns = measure(batch, loss, reading, *static)
        if slices is None:
            return backend.add_exactly(state, [_sum(column, columns[0]) for column in columns])
        by_slice = _BySlice(slices, reading if isinstance(reading, Reading) else reading[0])
        return backend.add_exactly(state, by_slice.sums(columns)) + by_slice.nan_if_outside

    return update


def _sum(column: Column, first: Tensor) -> Any:
    """What a column adds to its sums, for `add_exactly`."""
    if isinstance(column, float):
        return sample_count(first)
    if isinstance(column, ByLabel):
        rank = len(_tensor(column.values).shape)
        axes = tuple(i for i in range(rank) if i != column.axis % rank)
        return backend.exact_sum(column.values, axes)
    if isinstance(column, Binned):
        values, bins = (ops.reshape(x, (-1,)) for x in (column.values, column.bins))
        return backend.exact_segment_sum(values, bins, column.size)
    return backend.exact_sum(column)


class _BySlice:
    """Sums over each slice; a sum of all slices comes before the next sum."""

    def __init__(self, slices: Tensor, reading: Reading) -> None:
        self._axis = reading.axis
        self._count = reading.slices or 0
        self._slices = ops.clip(slices, 0, self._count - 1)
        #: A NaN if a number was not in the range, else 0.
        numbers = backend.within(ops.cast(slices, "float32"), (0, self._count - 1))
        self.nan_if_outside = 0.0 * ops.sum(numbers)

    def sums(self, columns: list[Column]) -> list[Any]:
        """What columns add to their sums, for `add_exactly`."""
        added = []
        for group in _grouped(columns):
            if isinstance(group[0], Binned):
                added += [self._of_bins(column) for column in group]
            elif isinstance(group[0], ByLabel):
                added.append(self._of_labels(group))
            else:
                added.append(self._of_samples(group, columns[0]))
        return added

    def _of_samples(self, columns: list[Column], first: Tensor) -> Any:
        given = [backend.ones_like(first) if isinstance(x, float) else x for x in columns]
        rows = [_mapped(lambda x: ops.reshape(x, (-1,)), column) for column in given]
        return backend.exact_segment_sums(rows, self._of_each(first), self._count)

    def _of_labels(self, columns: list[ByLabel]) -> Any:
        def rows(values: Tensor) -> Tensor:
            values = ops.moveaxis(values, self._axis, -1)
            return ops.reshape(values, (-1, ops.shape(values)[-1]))

        given = [_mapped(rows, column.values) for column in columns]
        sample = ops.take(_tensor(columns[0].values), 0, self._axis)
        return backend.exact_segment_sums(given, self._of_each(sample), self._count)

    def _of_bins(self, column: Binned) -> Any:
        cells = column.bins * self._count + self._slices
        values, cells = (ops.reshape(x, (-1,)) for x in (column.values, cells))
        return backend.exact_segment_sum(values, cells, column.size * self._count)

    def _of_each(self, samples: Tensor) -> Tensor:
        """The slice of each of these samples, of rank 1."""
        slices = ops.squeeze(self._slices, self._axis)
        if len(slices.shape) > len(samples.shape):  # Samples are averaged over their last axis.
            slices = ops.squeeze(slices, -1)
        return ops.reshape(ops.broadcast_to(slices, ops.shape(samples)), (-1,))


def _grouped(columns: list[Column]) -> list[list[Column]]:
    """Neighbouring columns that are added up in the same way, by slice."""
    groups: list[list[Column]] = []
    kind_before: Any = None
    for column in columns:
        kind = type(column) if isinstance(column, (ByLabel, Binned)) else object
        if kind is not kind_before:
            groups.append([])
        groups[-1].append(column)
        kind_before = kind
    return groups


def _mapped(function: Callable[[Tensor], Tensor], values: Any) -> Any:
    """A function of a tensor, or of each part of an exact product."""
    return keras.tree.map_structure(function, values)


def _tensor(values: Any) -> Tensor:
    """A tensor, or one of the shape of an exact product."""
    return values[0] if isinstance(values, tuple) else values
