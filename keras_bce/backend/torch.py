"""torch: autograd in both modes, torch.func, torch.compile."""

import inspect

import torch

log, power, where = torch.log, torch.pow, torch.where


def at_least(x, low):
    return x.clamp(min=low)


def at_most(x, high):
    return x.clamp(max=high)


# Whatever can be is done in place, which on CPUs takes half the time. There `torch.where` runs
# element by element, and takes as long as forty products: it is left to what will be derived.


def log1m(x):
    return torch.log1p(-x) if torch.is_grad_enabled() else x.neg().log1p_()


def _minus_abs(x):
    return torch.where(x >= 0, -x, x) if torch.is_grad_enabled() else x.abs().neg_()


def sigmoid_minus_abs(x):
    return _minus_abs(x).sigmoid_()


def softplus_minus_abs(x):
    e = _minus_abs(x).exp_()
    return e.log1p() if torch.is_grad_enabled() else e.log1p_()


def step(x):
    return (x >= 0).to(x.dtype) if torch.is_grad_enabled() else x.sign().mul_(0.5).add_(0.5)


def with_sign(size, x):
    return torch.where(x >= 0, size, -size) if torch.is_grad_enabled() else x.sign().mul_(size)


def multiply_no_nan(x, weight):
    if torch.is_grad_enabled():
        return torch.where(weight == 0, 0.0, x * weight)
    return (x * weight).nan_to_num_(nan=0.0, posinf=torch.inf, neginf=-torch.inf)


def divide_no_nan(x, size):
    return x / size.masked_fill(size.logical_not(), torch.inf)


def find_logits(y_pred):
    return getattr(y_pred, "_keras_logits", None)


def find_mask(y_pred):
    return getattr(y_pred, "_keras_mask", None)


def at_once(function, *arguments):
    """As it is: there is nothing to gain."""
    return function(*arguments)


def has_float64():
    return torch.get_default_device().type != "mps"


def replica_count():
    return 1


def exact_sum(values, axis):
    return values.sum(axis, dtype=torch.float64)


@torch.no_grad()
def add_exactly(state, terms, *arguments):
    def tensor(term):
        if isinstance(term, float):  # Half the time that `as_tensor` takes.
            return torch.scalar_tensor(term, dtype=torch.float64, device=state.device)
        return term.to(state.device)

    total = torch.hstack([tensor(term) for term in terms(*arguments)])
    total += state.sum(0, dtype=torch.float64)
    high = total.to(state.dtype)
    # Of an infinite sum nothing is left over.
    return torch.stack([high, (total - high).to(state.dtype).nan_to_num_(nan=0.0)])


def sums(state):
    return state.sum(0)


#: Elements whose intermediate results stay in a CPU's cache, and in memory already mapped.
_BLOCK = 2**18


def evaluate(loss, y, prediction, axis):
    evaluate = _Differentiable.apply if torch.is_grad_enabled() else _value
    return evaluate(loss, y, prediction, axis)


def _value(loss, y, prediction, axis):
    def value(y, prediction):
        at = loss(y, prediction)
        if axis is None or y.shape[axis] == 1:
            value = at.value.masked_fill_(y.clamp(0.0, 1.0) != y, torch.nan)
            return value if axis is None else value.squeeze(axis)
        possible = (y.amin(axis) >= 0.0).logical_and_(y.amax(axis) <= 1.0)
        # The means of the terms, for their sum would be one more block of memory.
        value = at.sum_of(lambda term: term.mean(axis))
        return value.masked_fill_(possible.logical_not_(), torch.nan)

    return _in_blocks(value, axis, y, prediction)


def _in_blocks(function, axis, *tensors):
    """`function(*tensors)`, some rows at a time; each row is worked out on its own."""
    first = tensors[0]
    if first.numel() <= _BLOCK or first.device.type != "cpu" or axis in (0, -first.ndim):
        return function(*tensors)
    rows = max(1, _BLOCK * len(first) // first.numel())
    blocks = zip(*(tensor.split(rows) for tensor in tensors), strict=True)
    if torch.is_grad_enabled():
        return torch.cat([function(*block) for block in blocks])
    # Filled as it comes, since all blocks at once would be as much memory again; and made first,
    # or what is freed after it would go back to the system, and be asked for again.
    result = function(*(tensor[:0] for tensor in tensors))
    result = result.new_empty((len(first), *result.shape[1:]))
    for part, block in zip(result.split(rows), blocks, strict=True):
        part.copy_(function(*block))
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
        count = 1 if axis is None else prediction.shape[axis]
        upstream = (upstream if count == 1 else upstream / count) + _nan_where_nan(value)
        if axis is not None:
            upstream = upstream.unsqueeze(axis)

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
        return tangent + _nan_where_nan(value)


def _nan_where_nan(value):
    """And 0 elsewhere."""
    return value.detach().clamp(0.0, 0.0)


# `apply` asks for it at every call.
vars(_Differentiable.forward)["__signature__"] = inspect.signature(_Differentiable.forward)
