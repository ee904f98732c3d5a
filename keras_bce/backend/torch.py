"""torch: autograd in both modes, torch.func, torch.compile."""

import inspect

import torch

log, log1p, power, where = torch.log, torch.log1p, torch.pow, torch.where
sigmoid = torch.sigmoid


def softplus(x):
    # On CPUs torch's sigmoid takes less time than its exponential.
    return -torch.log1p(-torch.sigmoid(x))


def at_least(x, low):
    return x.clamp(min=low)


def at_most(x, high):
    return x.clamp(max=high)


# On CPUs `torch.where` runs element by element, and takes as long as forty products: these
# four do with products, in place, which however must not be derived once more.


def minus_abs(x):
    return torch.where(x >= 0, -x, x) if torch.is_grad_enabled() else x.abs().neg_()


def step(x):
    return (x >= 0).to(x.dtype) if torch.is_grad_enabled() else x.sign().mul_(0.5).add_(0.5)


def with_sign(size, x):
    return torch.where(x >= 0, size, -size) if torch.is_grad_enabled() else x.sign().mul_(size)


def multiply_no_nan(x, weight):
    if torch.is_grad_enabled():
        return torch.where(weight == 0, 0.0, x * weight)
    return (x * weight).nan_to_num_(nan=0.0, posinf=torch.inf, neginf=-torch.inf)


def divide_no_nan(x, size):
    empty = size == 0
    return x.masked_fill(empty, 0.0) / size.masked_fill(empty, 1.0)


def find_logits(y_pred):
    return getattr(y_pred, "_keras_logits", None)


def find_mask(y_pred):
    return getattr(y_pred, "_keras_mask", None)


def has_float64():
    return torch.get_default_device().type != "mps"


def replica_count():
    return 1


def exact_sum(values, axis):
    return values.detach().sum(axis, dtype=torch.float64)


def add_exactly(state, terms):
    terms = [torch.as_tensor(t, dtype=torch.float64, device=state.device) for t in terms]
    total = torch.cat([term.reshape(-1) for term in terms])
    total += state.sum(0, dtype=torch.float64)
    high = total.to(state.dtype)
    # Of an infinite sum nothing is left over.
    return torch.stack([high, (total - high).to(state.dtype).nan_to_num_(nan=0.0)])


def sums(state):
    return state.sum(0)


#: Elements whose intermediate results stay in a CPU's cache, and in memory already mapped.
_BLOCK = 2**19


def evaluate(loss, y, prediction, axis, differentiable=True):
    if differentiable and torch.is_grad_enabled():
        return _Differentiable.apply(loss, y, prediction, axis)
    with torch.no_grad():
        return _value(loss, y, prediction, axis)


def _value(loss, y, prediction, axis):
    def value(y, prediction):
        at = loss(y, prediction)
        if axis is None:
            return torch.where((y >= 0) & (y <= 1), at.value, torch.nan)
        possible = (y.amin(axis) >= 0) & (y.amax(axis) <= 1)
        return torch.where(possible, at.value.mean(axis), torch.nan)

    return _in_blocks(value, axis, y, prediction)


def _in_blocks(function, axis, *tensors):
    """`function(*tensors)`, some rows at a time; each row is worked out on its own."""
    first = tensors[0]
    rows = max(1, _BLOCK * len(first) // max(first.numel(), 1))
    if first.device.type != "cpu" or len(first) <= rows or axis in (0, -first.ndim):
        return function(*tensors)
    blocks = zip(*(tensor.split(rows) for tensor in tensors), strict=True)
    if torch.is_grad_enabled():
        return torch.cat([function(*block) for block in blocks])
    result = None  # Filled as it comes: all blocks at once would be as much memory again.
    for start, block in zip(range(0, len(first), rows), blocks, strict=True):
        part = function(*block)
        if result is None:
            result = part.new_empty((len(first), *part.shape[1:]))
        result[start : start + rows] = part
    return result


class _Differentiable(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(loss, y, prediction, axis):
        return _value(loss, y, prediction, axis)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.loss, y, prediction, ctx.axis = inputs
        ctx.save_for_backward(y, prediction, output)
        ctx.save_for_forward(y, prediction, output)

    @staticmethod
    def backward(ctx, upstream):
        y, prediction, value = ctx.saved_tensors
        axis = ctx.axis
        upstream = torch.where(value.isnan(), torch.nan, upstream)
        if axis is not None:
            upstream = (upstream / prediction.shape[axis]).unsqueeze(axis)

        def slopes(name):
            def slope(y, prediction, upstream):
                return upstream * getattr(ctx.loss(y, prediction), name)

            return _in_blocks(slope, axis, y, prediction, upstream)

        _, wants_label_slope, wants_slope, _ = ctx.needs_input_grad
        return (
            None,
            slopes("label_slope") if wants_label_slope else None,
            slopes("slope") if wants_slope else None,
            None,
        )

    @staticmethod
    def jvp(ctx, _, y_tangent, prediction_tangent, __):
        y, prediction, value = ctx.saved_tensors
        at = ctx.loss(y, prediction)
        tangent = torch.zeros_like(value)
        for slope, direction in (("slope", prediction_tangent), ("label_slope", y_tangent)):
            if direction is not None:
                rate = getattr(at, slope) * direction
                tangent = tangent + (rate if ctx.axis is None else rate.mean(ctx.axis))
        return torch.where(value.isnan(), torch.nan, tangent)


# `apply` asks for it at every call.
vars(_Differentiable.forward)["__signature__"] = inspect.signature(_Differentiable.forward)
