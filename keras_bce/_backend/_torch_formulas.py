"""torch: a formula with its derivatives, for autograd in both modes, torch.func, torch.compile."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from keras_bce._backend import _common
from keras_bce._backend._torch_kept import KeptLosses
from keras_bce._typing import Tensor

#: Elements whose intermediate results stay in a CPU's cache, and in memory already mapped.
_BLOCK = 2**19

_kept = KeptLosses()


def differentiable(formula: Callable[..., Any]) -> Callable[..., Tensor]:
    def losses(
        loss: Any, link: Any, y: Tensor, prediction: Tensor, pos_weight: Any, axis: int | None
    ) -> Tensor:
        at_loss = partial(formula, loss, link)
        if torch.compiler.is_compiling():
            return _Compiled.apply(at_loss, y, prediction, pos_weight, axis)
        what = (loss, link, axis)
        tensors = (prediction, y) if pos_weight is None else (prediction, y, pos_weight)
        in_update = _common.in_update()
        kept = _kept.find(what, tensors) if in_update else None
        if kept is not None:
            return kept
        at = _At(at_loss, prediction.device.type)
        if not torch.is_grad_enabled():
            value = _in_blocks(partial(_value, at, axis), axis, y, prediction, pos_weight)
        else:
            keeps_slope = prediction.requires_grad
            result = _Differentiable.apply(at, y, prediction, pos_weight, axis, keeps_slope)
            value = result[0] if keeps_slope else result
        if not in_update:
            _kept.keep(value, what, tensors)
        return value

    return losses


class _At:
    """A formula, and whether all values that it was evaluated at so far are known to be possible.

    Then the backward pass need not look at them again.

    Args:
        formula: The formula.
        device: The type of the device. A CPU looks at the values. Others would have to be waited
            for; a selection of the result is the least that they can do. On "meta", where Keras
            infers shapes, there are no values.
    """

    def __init__(self, formula: Callable[..., Any], device: str) -> None:
        self.formula = formula
        self.check = {"cpu": "first", "meta": "done"}.get(device, "last")
        self.all_possible = self.check != "last"

    def value(self, y: Tensor, prediction: Tensor, pos_weight: Any) -> Any:
        losses = self.formula(y, prediction, pos_weight, check=self.check)
        if self.check == "first":
            self.all_possible = self.all_possible and losses.y is y and losses.link.unchanged
        return losses

    def mean(self, losses: Any, y: Tensor, axis: int | None) -> Tensor:
        """The mean of losses over an axis; NaN where one of them is. Overwrites what it may."""
        if self.check == "last":
            value = _nan_unless_possible(losses)
        elif losses.y is not y:  # Some labels became NaN, which `multiply_no_nan` may have lost.
            value = losses.value.masked_fill(losses.y.isnan(), torch.nan)
        else:
            value = losses.total(lambda term: term)
        return _mean(value, axis)

    def slope(self, y: Tensor, prediction: Tensor, pos_weight: Any) -> Any:
        return self.formula(
            y, prediction, pos_weight, check="done" if self.all_possible else "first"
        )


def _value(at: _At, axis: int | None, y: Tensor, prediction: Tensor, pos_weight: Any) -> Tensor:
    return at.mean(at.value(y, prediction, pos_weight), y, axis)


def _value_and_slope(
    at: _At, axis: int | None, y: Tensor, prediction: Tensor, pos_weight: Any
) -> tuple[Tensor, Tensor]:
    losses = at.value(y, prediction, pos_weight)
    slope = losses.slope  # First: the value then shares its sigmoid.
    return at.mean(losses, y, axis), slope


def _mean(x: Tensor, axis: int | None) -> Tensor:
    if axis is None:
        return x
    return x.squeeze(axis) if x.shape[axis] == 1 else x.mean(axis)


def _nan_unless_possible(losses: Any) -> Tensor:
    return torch.where(losses.possible, losses.value, torch.nan)


def _in_blocks(function: Callable[..., Any], axis: int | None, *tensors: Any) -> Any:
    """`function(*tensors)`, some rows at a time; each row's results depend on that row alone.

    The function gives a tensor or several. A tensor that is `None`, or has one row for all, is
    handed to each block as it is.
    """
    first = tensors[0]
    if first.numel() <= _BLOCK or first.device.type != "cpu" or axis in (0, -first.ndim):
        return function(*tensors)
    rows = max(1, _BLOCK * len(first) // first.numel())

    def block(start: int) -> list[Any]:
        return [
            tensor[start : start + rows]
            if tensor is not None and tensor.ndim and len(tensor) > 1
            else tensor
            for tensor in tensors
        ]

    starts = range(0, len(first), rows)
    if torch.is_grad_enabled():
        return torch.cat([function(*block(start)) for start in starts])
    # Filled block by block, since all blocks at once would take as much memory again. They are
    # made first: memory that is freed after it would return to the system, and be requested again.
    shapes = function(*block(len(first)))
    single = isinstance(shapes, torch.Tensor)
    results = [x.new_empty((len(first), *x.shape[1:])) for x in ([shapes] if single else shapes)]
    for start in starts:
        parts = function(*block(start))
        for result, part in zip(results, [parts] if single else parts, strict=True):
            result[start : start + rows].copy_(part)
    return results[0] if single else tuple(results)


class _Compiled(torch.autograd.Function):
    """What a compiler fuses: the check for impossible values is a selection of the result."""

    @staticmethod
    def forward(
        formula: Any, y: Tensor, prediction: Tensor, pos_weight: Any, axis: int | None
    ) -> Tensor:
        losses = formula(y, prediction, pos_weight, check="last")
        return _mean(_nan_unless_possible(losses), axis)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        ctx.formula, y, prediction, pos_weight, ctx.axis = inputs
        ctx.save_for_backward(y, prediction, pos_weight, output)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        y, prediction, pos_weight, value = ctx.saved_tensors
        upstream = _each(upstream + _nan_where_nan(value), prediction, ctx.axis)
        losses = ctx.formula(y, prediction, pos_weight, check="last")
        _, wants_label_slope, wants_slope, *_ = ctx.needs_input_grad
        return (
            None,
            upstream * losses.label_slope if wants_label_slope else None,
            upstream * losses.slope if wants_slope else None,
            None,
            None,
        )


def _each(upstream: Tensor, prediction: Tensor, axis: int | None) -> Tensor:
    """The derivative by each prediction's loss, from that by each mean over `axis`."""
    if axis is None:
        return upstream
    count = prediction.shape[axis]
    return (upstream if count == 1 else upstream / count).unsqueeze(axis)


class _Differentiable(torch.autograd.Function):
    """A loss whose slope by the predictions, if `keeps_slope`, is computed along with its value.

    That slope serves a first derivative, and becomes it in its own place. A second backward pass
    computes it anew, as does one whose own derivatives are recorded.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(
        at: Any,
        y: Tensor,
        prediction: Tensor,
        pos_weight: Any,
        axis: int | None,
        keeps_slope: bool,
    ) -> Any:
        function = partial(_value_and_slope if keeps_slope else _value, at, axis)
        return _in_blocks(function, axis, y, prediction, pos_weight)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.at, y, prediction, pos_weight, ctx.axis, keeps_slope = inputs
        value, slope = output if keeps_slope else (output, None)
        if keeps_slope:
            ctx.mark_non_differentiable(slope)
            ctx.set_materialize_grads(False)
        ctx.save_for_backward(y, prediction, pos_weight, value, slope)
        ctx.unused = [slope is not None]
        ctx.save_for_forward(y, prediction, pos_weight, value, slope)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor, *of_slope: Any) -> Any:
        y, prediction, pos_weight, value, kept_slope = ctx.saved_tensors
        axis = ctx.axis
        upstream = _each(upstream + _nan_where_nan(value), prediction, axis)

        def slope(y: Tensor, prediction: Tensor, upstream: Tensor, pos_weight: Any) -> Tensor:
            return upstream * ctx.at.slope(y, prediction, pos_weight).slope

        def label_slope(y: Tensor, prediction: Tensor, upstream: Tensor, pos_weight: Any) -> Tensor:
            return upstream * ctx.at.slope(y, prediction, pos_weight).label_slope

        tensors = (y, prediction, upstream, pos_weight)
        gradients: list[Any] = [None] * 6
        _, wants_label_slope, wants_slope, *_ = ctx.needs_input_grad
        if wants_label_slope:
            gradients[1] = _in_blocks(label_slope, axis, *tensors)
        if wants_slope and not torch.is_grad_enabled() and ctx.unused and ctx.unused.pop():
            # `.data`: autograd raises an error for a saved tensor that it sees changing.
            gradients[2] = times(kept_slope.data, upstream)
        elif wants_slope:
            gradients[2] = _in_blocks(slope, axis, *tensors)
        return tuple(gradients)

    @staticmethod
    def jvp(ctx: Any, _: Any, y_tangent: Any, prediction_tangent: Any, *others: Any) -> Any:
        y, prediction, pos_weight, value, slope = ctx.saved_tensors
        losses = ctx.at.slope(y, prediction, pos_weight)
        tangent = torch.zeros_like(value)
        for name, direction in (("slope", prediction_tangent), ("label_slope", y_tangent)):
            if direction is not None:
                rate = getattr(losses, name) * direction
                tangent = tangent + _mean(rate, ctx.axis)
        tangent = tangent + _nan_where_nan(value)
        return tangent if slope is None else (tangent, None)


def times(x: Tensor, y: Tensor) -> Tensor:
    """`x * y`, computed in place of `x` if possible."""
    try:
        return x.mul_(y)
    except RuntimeError:  # Under a `vmap` of `y` alone, the result is larger than `x`.
        return x * y


def add(x: Tensor, y: Tensor, factor: int = 1) -> Tensor:
    """`x + factor * y`, computed in place of `x` if possible."""
    try:
        return x.add_(y, alpha=factor)
    except RuntimeError:  # As in `times`.
        return x.add(y, alpha=factor)


def _nan_where_nan(value: Tensor) -> Tensor:
    """NaN where the value is NaN, else 0."""
    return value.detach().clamp(0.0, 0.0)


# `apply` asks for the signature at every call.
vars(_Differentiable.forward)["__signature__"] = inspect.signature(_Differentiable.forward)
