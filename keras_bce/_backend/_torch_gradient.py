"""torch: a gradient that is computed anew, eagerly and compiled."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from keras_bce._typing import Tensor


def with_gradient(
    value: Callable[..., Tensor], gradient: Callable[..., Any]
) -> Callable[..., Tensor]:
    opaque = _opaque(value, gradient)

    def function(inputs: Any, constants: Any, plan: Any) -> Tensor:
        if torch.compiler.is_compiling():
            numbers = [0.0 if number is None else float(number) for number in plan]
            return opaque(*inputs, constants, numbers, [number is not None for number in plan])
        if torch.is_grad_enabled():
            return _WithGradient.apply(value, gradient, plan, constants, *inputs)
        return value(inputs, constants, plan)

    return function


def _opaque(value: Callable[..., Tensor], gradient: Callable[..., Any]) -> Callable[..., Tensor]:
    """The function as one operation for `torch.compile`, which would unroll its loop."""
    schema = "(Tensor a, Tensor b, Tensor? c, Tensor?[] constants, float[] numbers, bool[] given"

    def plan_of(numbers: list[float], given: list[bool]) -> list[Any]:
        numbers = [int(number) if number.is_integer() else number for number in numbers]
        return [number if known else None for number, known in zip(numbers, given, strict=True)]

    def name(function: Callable[..., Any]) -> str:
        return f"keras_bce::{function.__name__.strip('_')}"

    @partial(torch.library.custom_op, name(value), mutates_args=(), schema=f"{schema}) -> Tensor")
    def values(a: Tensor, b: Tensor, c: Any, constants: Any, numbers: Any, given: Any) -> Tensor:
        return value((a, b, c), constants, plan_of(numbers, given))

    @partial(
        torch.library.custom_op,
        name(gradient),
        mutates_args=(),
        schema=f"{schema}, Tensor upstream) -> Tensor[]",
    )
    def slopes(
        a: Tensor, b: Tensor, c: Any, constants: Any, numbers: Any, given: Any, upstream: Tensor
    ) -> list[Tensor]:
        found = gradient((a, b, c), constants, plan_of(numbers, given), upstream)
        return [slope for slope in found if slope is not None]

    @values.register_fake
    def _(a: Tensor, *_: Any) -> Tensor:
        return a.new_empty(a.shape[:1])

    @slopes.register_fake
    def _(a: Tensor, b: Tensor, c: Any, *_: Any) -> list[Tensor]:
        return [torch.empty_like(x) for x in (a, b, c) if x is not None]

    def keep(ctx: Any, inputs: Any, output: Tensor) -> None:
        *tensors, constants, ctx.numbers, ctx.given = inputs
        ctx.save_for_backward(*tensors, *constants)

    def backward(ctx: Any, upstream: Tensor) -> Any:
        a, b, c, *constants = ctx.saved_tensors
        of_a, of_b, *of_c = slopes(a, b, c, constants, ctx.numbers, ctx.given, upstream)
        return of_a, of_b, of_c[0] if of_c else None, None, None, None

    values.register_autograd(backward, setup_context=keep)
    return values


class _WithGradient(torch.autograd.Function):
    @staticmethod
    def forward(value: Any, gradient: Any, plan: Any, constants: Any, *inputs: Any) -> Tensor:
        return value(inputs, constants, plan)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        _, ctx.gradient, ctx.plan, ctx.constants, *tensors = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        inputs = ctx.saved_tensors
        return None, None, None, None, *ctx.gradient(inputs, ctx.constants, ctx.plan, upstream)
