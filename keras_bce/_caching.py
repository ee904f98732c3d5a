"""Caches that `torch.compile` can trace; it breaks at, or warns of, those of `functools`."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class computed_once:  # noqa: N801
    """A property that is computed once for each object, like `functools.cached_property`."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        value = instance.__dict__[self.name] = self.function(instance)
        return value


def remembered(function: Callable[[Any], _Result]) -> Callable[[Hashable], _Result]:
    """A function of one argument that remembers its results, like `functools.cache`."""
    results: dict[Hashable, _Result] = {}

    def call(argument: Hashable) -> _Result:
        if argument not in results:
            results[argument] = function(argument)
        return results[argument]

    return call
