"""TensorFlow's graphs: computations that are cached as graphs, and what is traced now."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import tensorflow as tf

from keras_bce._backend import _common
from keras_bce._typing import Tensor

#: By graph, whether XLA will compile it.
_xla_graphs: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()


def in_xla() -> bool:
    """Whether what is traced now will be compiled by XLA.

    TensorFlow does not say so in public, but what it does differs: its losses of version 1 check
    the shape of weights only where XLA will not compile them.
    """
    if tf.executing_eagerly():
        return False
    graph = tf.compat.v1.get_default_graph()
    if graph not in _xla_graphs:
        _xla_graphs[graph] = _takes_any_weights()
    return _xla_graphs[graph]


def _takes_any_weights() -> bool:
    """Whether `tf.compat.v1.losses` accepts weights whose rank is not that of the losses."""
    loss, weights_of_another_rank = np.zeros(1, "float32"), np.zeros((1, 1), "float32")
    try:
        tf.compat.v1.losses.compute_weighted_loss(
            loss, weights_of_another_rank, loss_collection=None, reduction="none"
        )
    except ValueError:
        return False
    return True


def know_not_in_xla() -> None:
    """Saves a branch, which has a graph of its own, from finding out what is known already."""
    _xla_graphs[tf.compat.v1.get_default_graph()] = False


def compiled(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Eagerly one graph, which reuses its memory, cached; in a graph a part of that graph."""
    # AutoGraph would look for Python control flow: none depends on a tensor.
    in_graph = tf.autograph.experimental.do_not_convert(function)

    def call(tensors: Any, loss: Any, *static: Any) -> Tensor:
        if not tf.executing_eagerly():
            return in_graph(tensors, loss, *static)
        key, numbers = _common.lifted(loss)
        given: list[Tensor] = []
        specs = _specs(tensors, given)
        given += [tf.constant(number, tf.float64) for number in numbers.values()]
        return _graph(function, specs, key, tuple(numbers), static)(*given)

    return call


def compiled_update(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return compiled(_common.as_update(function))


@dataclass(frozen=True)
class _Spec:
    """What a graph knows of a tensor that it is given."""

    shape: tuple[int | None, ...]
    dtype: Any


def _specs(tensors: Any, given: list[Tensor]) -> Any:
    """The nested tuple with a `_Spec` in the place of each tensor, which goes to `given`."""
    if tensors is None:
        return None
    if isinstance(tensors, tuple):
        return getattr(tensors, "_make", tuple)([_specs(part, given) for part in tensors])
    tensor = tf.convert_to_tensor(tensors)
    given.append(tensor)
    # A size of 0 or 1 stays known, for there is nothing to reduce over it.
    return _Spec(tuple([size if size < 2 else None for size in tensor.shape]), tensor.dtype)


def _filled(specs: Any, given: Iterator[Tensor]) -> Any:
    """The nested tuple again, with a tensor in the place of each `_Spec`."""
    if isinstance(specs, tuple):
        return getattr(specs, "_make", tuple)([_filled(part, given) for part in specs])
    return next(given) if isinstance(specs, _Spec) else specs


@lru_cache
def _graph(
    function: Callable[..., Tensor], specs: Any, loss: Any, names: tuple[str, ...], static: Any
) -> Any:
    inputs = [x for x in tf.nest.flatten(specs) if x is not None]
    dtype = inputs[0].dtype

    def graph(*given: Tensor) -> Tensor:
        tensors, numbers = given[: len(inputs)], given[len(inputs) :]
        lowered = {
            name: tf.cast(number, dtype) for name, number in zip(names, numbers, strict=True)
        }
        return function(_filled(specs, iter(tensors)), replace(loss, **lowered), *static)

    signature = [tf.TensorSpec(x.shape, x.dtype) for x in inputs]
    signature += [tf.TensorSpec((), tf.float64) for _ in names]
    return tf.function(graph, autograph=False).get_concrete_function(*signature)
