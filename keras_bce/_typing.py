"""The types that annotations name."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

#: A tensor of the backend, which type checkers do not tell apart.
Tensor: TypeAlias = Any


class HasShape(Protocol):
    """What tensors and variables of every backend have in common."""

    @property
    def shape(self) -> Any: ...

    @property
    def dtype(self) -> Any: ...


#: Tensors of the backend, variables, arrays, numbers, and nested lists of numbers.
ArrayLike: TypeAlias = npt.ArrayLike | HasShape

Array: TypeAlias = npt.NDArray[Any]

#: A factor for all labels, or one for each: a number, a list, an array, a tensor or a variable.
LabelFactors: TypeAlias = float | Sequence[float] | npt.NDArray[np.floating[Any]] | HasShape | None

Reduction: TypeAlias = (
    Literal["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none"] | None
)

#: A function that a decorator gives back with its own signature.
Function = TypeVar("Function", bound=Callable[..., Any])
