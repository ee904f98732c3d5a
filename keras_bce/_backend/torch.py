"""torch: autograd in both modes, torch.func, torch.compile."""

from collections.abc import Callable
from typing import Any

import torch
from keras import ops
from torch.autograd import forward_ad

from keras_bce._backend import _common, _torch_formulas
from keras_bce._backend._protocol import Axis, Limits
from keras_bce._backend._torch_formulas import add, times
from keras_bce._backend._torch_gradient import with_gradient as with_gradient
from keras_bce._typing import Array, Tensor

unconverted = _common.as_is
compiled_result_of_columns = _common.result_of_columns
compiled = _common.as_is
differentiable = _torch_formulas.differentiable
infers_shapes = _common.never_infers_shapes
replica_count = _common.one_replica
loop, columns = _common.python_loop, _common.slice_columns
with_columns = _common.assign_columns

log, power, where = torch.log, torch.pow, torch.where
ones_like = torch.ones_like


def is_known(x: Tensor) -> bool:
    # On the device "meta", where Keras infers shapes, a tensor has no values.
    return not torch.compiler.is_compiling() and x.device.type != "meta"


def _array(x: Tensor) -> Any:
    """The values of a tensor on the CPU, or `None`."""
    if not is_known(x) or x.device.type != "cpu":
        return None
    try:
        return x.numpy(force=True)
    except RuntimeError:  # Under `vmap`, a tensor has no values.
        return None


def compiled_result(
    function: Callable[[Tensor], Any], on_host: Callable[[Any], Any]
) -> Callable[[Tensor], Any]:
    return _common.result_on_host(function, on_host, _array, torch.from_numpy)


def from_host(values: Array) -> Tensor:
    # Keras's own conversion of arrays cannot be compiled.
    return ops.convert_to_tensor(torch.from_numpy(values))


def at_least(x: Tensor, low: float) -> Tensor:
    return x.clamp(min=low)


def at_most(x: Tensor, high: float) -> Tensor:
    return x.clamp(max=high)


def between(x: Tensor, low: float, high: float) -> Tensor:
    return x.clamp(low, high)


def is_within(x: Tensor, limits: Limits) -> Tensor:
    return between(x.detach(), *limits) == x


# Where no derivative is recorded, operations are in place, which takes half the time on CPUs, and
# `torch.where`, which takes as long as forty products there, is avoided. A compiler records none,
# and vectorises `torch.where`.


def _recorded() -> bool:
    return torch.is_grad_enabled() and not torch.compiler.is_compiling()


def _avoids_where() -> bool:
    return not (torch.is_grad_enabled() or torch.compiler.is_compiling())


def log1p(x: Tensor, overwrite: bool = False) -> Tensor:
    if torch.compiler.is_compiling() and x.device.type == "cpu":
        return _common.log1p_by_log(x, log, at_least)
    return x.log1p_() if overwrite and not _recorded() else x.log1p()


def minus_abs(x: Tensor) -> Tensor:
    return torch.where(x >= 0, -x, x) if _recorded() else x.abs().neg_()


def minus_sigmoid_minus_abs(x: Tensor) -> Tensor:
    r = minus_abs(x).sigmoid_()
    return -r if _recorded() else r.neg_()


def softplus_minus_abs(x: Tensor) -> Tensor:
    e = minus_abs(x).exp_()
    return e.log1p() if _recorded() else e.log1p_()


def step_minus(x: Tensor, y: Tensor | None = None) -> Tensor:
    step = x.sign().mul_(0.5).add_(0.5) if _avoids_where() else (x >= 0).to(x.dtype)
    if y is None:
        return step
    return add(step, y, -1) if _avoids_where() else step - y


def with_sign(size: Tensor, x: Tensor, plus: Tensor | None = None) -> Tensor:
    signed = times(x.sign(), size) if _avoids_where() else torch.where(x >= 0, size, -size)
    if plus is None:
        return signed
    return add(signed, plus) if _avoids_where() else signed + plus


def multiply_no_nan(x: Tensor, weight: Tensor, overwrite: bool = False) -> Tensor:
    if not _avoids_where():
        return torch.where(weight == 0, 0.0, x * weight)
    product = weight.mul_(x) if overwrite else x * weight
    return product.nan_to_num_(nan=0.0, posinf=torch.inf, neginf=-torch.inf)


def divide_no_nan(x: Tensor, size: Tensor) -> Tensor:
    return x / size.masked_fill(size.logical_not(), torch.inf)


def result(x: Tensor, dtype: str) -> Tensor:
    return (x + 0.0).to(getattr(torch, dtype))


def _nan_unless(possible: Tensor, values: Tensor) -> Tensor:
    return values.masked_fill(possible.logical_not(), torch.nan)


def within(x: Tensor, limits: Limits) -> Tensor:
    low, high = limits
    return x if _all_within(x, low, high) else _nan_unless(is_within(x, limits), x)


def clipped(p: Tensor, limits: Limits) -> Tensor:
    return p if _all_within(p, 0.0, 1.0) else between(within(p, limits), 0.0, 1.0)


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
        if not torch.equal(logits.sigmoid(), y_pred):
            return None
        return logits.detach() if logits.requires_grad else logits
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


def compiled_update(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    eager = _common.as_update(function)

    @torch.no_grad()
    def update(*args: Any) -> Tensor:
        # `torch.compile` cannot trace a context variable.
        return function(*args) if torch.compiler.is_compiling() else eager(*args)

    return update


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


def marks(places: Tensor, size: int, like: Tensor) -> Tensor:
    inside = (places >= 0) & (places < size)
    # What is no column goes to one more, which is cut off.
    columns = torch.where(inside, places, size).long()
    return like.new_zeros((len(places), size + 1)).scatter_(1, columns, 1.0)[:, :size]
