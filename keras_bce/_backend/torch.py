"""torch: autograd in both modes, torch.func, torch.compile."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from keras import ops
from torch.autograd import forward_ad

from keras_bce._backend import _common
from keras_bce._backend._protocol import Axis, Limits
from keras_bce._backend._torch_gradient import with_gradient as with_gradient
from keras_bce._typing import Array, Tensor

compiled_result = _common.as_is
compiled = _common.as_is
infers_shapes = _common.never_infers_shapes
replica_count = _common.one_replica
loop, columns = _common.python_loop, _common.slice_columns
with_columns = _common.assign_columns

log, power, where = torch.log, torch.pow, torch.where
ones_like = torch.ones_like


def is_known(x: Tensor) -> bool:
    return not torch.compiler.is_compiling()


def from_host(values: Array) -> Tensor:
    # Keras's own conversion of arrays cannot be compiled.
    return ops.convert_to_tensor(torch.from_numpy(values))


def at_least(x: Tensor, low: float) -> Tensor:
    return x.clamp(min=low)


def at_most(x: Tensor, high: float) -> Tensor:
    return x.clamp(max=high)


# Where no derivative is recorded, operations are in place, which takes half the time on CPUs.


def log1m(x: Tensor) -> Tensor:
    return torch.log1p(-x) if torch.is_grad_enabled() else x.neg().log1p_()


def minus_abs(x: Tensor) -> Tensor:
    return torch.where(x >= 0, -x, x) if torch.is_grad_enabled() else x.abs().neg_()


def sigmoid_minus_abs(x: Tensor) -> Tensor:
    return minus_abs(x).sigmoid_()


def softplus_minus_abs(x: Tensor) -> Tensor:
    e = minus_abs(x).exp_()
    return e.log1p() if torch.is_grad_enabled() else e.log1p_()


def _avoids_where() -> bool:
    """Eagerly `torch.where` takes as long as forty products on CPUs; compilers vectorise it."""
    return not (torch.is_grad_enabled() or torch.compiler.is_compiling())


def step(x: Tensor) -> Tensor:
    return x.sign().mul_(0.5).add_(0.5) if _avoids_where() else (x >= 0).to(x.dtype)


def with_sign(size: Tensor, x: Tensor) -> Tensor:
    return x.sign().mul_(size) if _avoids_where() else torch.where(x >= 0, size, -size)


def multiply_no_nan(x: Tensor, weight: Tensor) -> Tensor:
    if _avoids_where():
        return (x * weight).nan_to_num_(nan=0.0, posinf=torch.inf, neginf=-torch.inf)
    return torch.where(weight == 0, 0.0, x * weight)


def divide_no_nan(x: Tensor, size: Tensor) -> Tensor:
    return x / size.masked_fill(size.logical_not(), torch.inf)


def result(x: Tensor, dtype: str) -> Tensor:
    return (x + 0.0).to(getattr(torch, dtype))


def _nan_unless(possible: Tensor, values: Tensor) -> Tensor:
    return values.masked_fill(possible.logical_not(), torch.nan)


def within(x: Tensor, limits: Limits) -> Tensor:
    low, high = limits
    return x if _all_within(x, low, high) else _nan_unless((x >= low) & (x <= high), x)


def clipped(p: Tensor, limits: Limits) -> Tensor:
    return p if _all_within(p, 0.0, 1.0) else within(p, limits).clamp(0.0, 1.0)


def _all_within(x: Tensor, low: float, high: float) -> bool:
    """Whether all elements are known to be in [low, high], without waiting for a device."""
    if x.device.type != "cpu" or x.numel() == 0 or torch.compiler.is_compiling():
        return False
    try:
        lowest, highest = torch.aminmax(x.detach())
        return low <= lowest.item() and highest.item() <= high
    except RuntimeError:  # Under `vmap` there are no values to look at.
        return False


def find_logits(y_pred: Any, even_if_costly: bool = False) -> Any:
    """From Keras's note, where it is certain that a sigmoid made this tensor as it is now.

    Keras's softmax leaves the same note, and both tensors can be changed in place. Where autograd
    recorded the sigmoid, its record tells. Where nothing is recorded, in `evaluate` say, the
    values tell; no derivative can then be wrong.
    """
    logits = getattr(y_pred, "_keras_logits", None)
    if logits is None or torch.compiler.is_compiling():
        return None
    node = y_pred.grad_fn
    if node is not None:
        made_by_sigmoid = node.name() == "SigmoidBackward0" and _node(logits) is _source(node)
        as_made = y_pred._version == 0 and logits._version == 0
        return logits if made_by_sigmoid and as_made else None
    if y_pred.requires_grad or forward_ad.unpack_dual(y_pred).tangent is not None:
        return None
    try:
        return logits.detach() if torch.equal(logits.sigmoid(), y_pred) else None
    except RuntimeError:  # Under `vmap` there are no values to look at.
        return None


def _node(x: Tensor) -> Any:
    """What stands for a tensor in autograd's record: the operation that made it, or itself."""
    return x if x.grad_fn is None else x.grad_fn


def _source(node: Any) -> Any:
    """What stands for the input of an operation that has one input."""
    source = node.next_functions[0][0]
    return getattr(source, "variable", source)


def follow(x: Tensor, like: Tensor) -> Tensor:
    """Moves a tensor to the device of another."""
    return x if x.device == like.device else x.to(like.device)


def find_notes(y_pred: Any, even_if_costly: bool = False) -> tuple[Any, Any]:
    return getattr(y_pred, "_keras_mask", None), find_logits(y_pred)


compiled_update = torch.no_grad()


def has_float64() -> bool:
    return torch.get_default_device().type != "mps"


def exact_sum(values: Tensor, axis: Axis = None) -> Tensor:
    return values.sum(axis, dtype=torch.float64)


def exact_product(a: Tensor, b: Tensor) -> Tensor:
    return a.double() * b


def exact_segment_sum(values: Tensor, segments: Tensor, count: int) -> Tensor:
    total = torch.zeros(count, dtype=torch.float64, device=values.device)
    return total.scatter_add_(0, segments.long(), values.double())


def exact_segment_sums(columns: list[Tensor], segments: Tensor, count: int) -> Tensor:
    rows = torch.column_stack([column.double() for column in columns])
    sums = rows.new_zeros(count, rows.shape[1]).index_add_(0, segments, rows)
    return sums.T.reshape(-1)


def add_exactly(state: Tensor, added: list[Any]) -> Tensor:
    def tensor(number: Any) -> Tensor:
        if isinstance(number, float):  # Half the time that `as_tensor` takes.
            return torch.scalar_tensor(number, dtype=torch.float64, device=state.device)
        return number.to(state.device)

    total = torch.hstack([tensor(number) for number in added])
    total += state.sum(0, dtype=torch.float64)
    high = total.to(state.dtype)
    # The rest of an infinite sum is 0.
    return torch.stack([high, (total - high).to(state.dtype).nan_to_num_(nan=0.0)])


def sums(state: Tensor) -> Tensor:
    return state.sum(0)


#: Elements whose intermediate results stay in a CPU's cache, and in memory already mapped.
_BLOCK = 2**18


def differentiable(formula: Callable[..., Any]) -> Callable[..., Tensor]:
    def losses(
        loss: Any, link: Any, y: Tensor, prediction: Tensor, pos_weight: Any, axis: int | None
    ) -> Tensor:
        at_loss = partial(formula, loss, link)
        if torch.compiler.is_compiling():
            return _Compiled.apply(at_loss, y, prediction, pos_weight, axis)
        at = _At(at_loss)
        if prediction.requires_grad and torch.is_grad_enabled():
            value, _ = _Differentiable.apply(at, y, prediction, pos_weight, axis, True)
            return value
        if torch.is_grad_enabled():
            return _Differentiable.apply(at, y, prediction, pos_weight, axis, False)
        return _in_blocks(partial(_value, at, axis), axis, y, prediction, pos_weight)

    return losses


class _At:
    """A formula, and whether all values that it was evaluated at so far are known to be possible.

    Then the backward pass need not look at them again.
    """

    def __init__(self, formula: Callable[..., Any]) -> None:
        self.formula = formula
        self.all_possible = True

    def value(self, y: Tensor, prediction: Tensor, pos_weight: Any) -> Any:
        losses = self.formula(y, prediction, pos_weight)
        self.all_possible = self.all_possible and losses.y is y and losses.link.unchanged
        return losses

    def slope(self, y: Tensor, prediction: Tensor, pos_weight: Any) -> Any:
        return self.formula(
            y, prediction, pos_weight, check="done" if self.all_possible else "first"
        )


def _value(at: _At, axis: int | None, y: Tensor, prediction: Tensor, pos_weight: Any) -> Tensor:
    return _mean(at.value(y, prediction, pos_weight), y, axis)


def _value_and_slope(
    at: _At, axis: int | None, y: Tensor, prediction: Tensor, pos_weight: Any
) -> tuple[Tensor, Tensor]:
    losses = at.value(y, prediction, pos_weight)
    slope = losses.slope  # First: the value then shares its sigmoid.
    return _mean(losses, y, axis), slope


def _mean(losses: Any, y: Tensor, axis: int | None) -> Tensor:
    """The mean of losses over an axis; NaN where one of them is."""
    if losses.y is not y:  # Some labels became NaN, which `multiply_no_nan` may have lost.
        value = losses.value.masked_fill(losses.y.isnan(), torch.nan)
        return value if axis is None else value.mean(axis)
    if axis is None or y.shape[axis] == 1:
        return losses.value if axis is None else losses.value.squeeze(axis)
    return losses.total(partial(torch.mean, dim=axis))


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
        value = torch.where(losses.possible, losses.value, torch.nan)
        return value if axis is None else value.mean(axis)

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

    That slope serves a first derivative. Where derivatives of it are recorded, it is computed anew.
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
        if wants_slope and (kept_slope is None or torch.is_grad_enabled()):
            gradients[2] = _in_blocks(slope, axis, *tensors)
        elif wants_slope:
            gradients[2] = upstream * kept_slope
        return tuple(gradients)

    @staticmethod
    def jvp(ctx: Any, _: Any, y_tangent: Any, prediction_tangent: Any, *others: Any) -> Any:
        y, prediction, pos_weight, value, slope = ctx.saved_tensors
        losses = ctx.at.slope(y, prediction, pos_weight)
        tangent = torch.zeros_like(value)
        for name, direction in (("slope", prediction_tangent), ("label_slope", y_tangent)):
            if direction is not None:
                rate = getattr(losses, name) * direction
                tangent = tangent + (rate if ctx.axis is None else rate.mean(ctx.axis))
        tangent = tangent + _nan_where_nan(value)
        return tangent if slope is None else (tangent, None)


def _nan_where_nan(value: Tensor) -> Tensor:
    """NaN where the value is NaN, else 0."""
    return value.detach().clamp(0.0, 0.0)


# `apply` asks for the signature at every call.
vars(_Differentiable.forward)["__signature__"] = inspect.signature(_Differentiable.forward)


def marks(places: Tensor, size: int, like: Tensor) -> Tensor:
    inside = (places >= 0) & (places < size)
    # What is no column goes to one more, which is cut off.
    columns = torch.where(inside, places, size).long()
    return like.new_zeros((len(places), size + 1)).scatter_(1, columns, 1.0)[:, :size]
