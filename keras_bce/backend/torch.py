"""torch: autograd in both modes, torch.func, torch.compile."""

import inspect

import torch
from torch.autograd import forward_ad

log, power, where = torch.log, torch.pow, torch.where
ones_like = torch.ones_like


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


def positive_zero(x):
    return x + 0.0


def nan_unless(possible, values):
    return values.masked_fill(possible.logical_not(), torch.nan)


def within(x, limits):
    low, high = limits
    return x if _all_within(x, low, high) else nan_unless((x >= low) & (x <= high), x)


def clipped(p, limits):
    return p if _all_within(p, 0.0, 1.0) else within(p, limits).clamp(0.0, 1.0)


def _all_within(x, low, high):
    """Whether all elements are known to be in [low, high], without waiting for a device."""
    if x.device.type != "cpu" or x.numel() == 0 or torch.compiler.is_compiling():
        return False
    try:
        lowest, highest = torch.aminmax(x.detach())
        return low <= lowest.item() and highest.item() <= high
    except RuntimeError:  # Under `vmap` there are no values to look at.
        return False


def find_logits(y_pred, even_if_costly=False):
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


def _node(x):
    """What stands for a tensor in autograd's record: the operation that made it, or itself."""
    return x if x.grad_fn is None else x.grad_fn


def _source(node):
    """The same of the tensor that an operation of one input was given."""
    source = node.next_functions[0][0]
    return getattr(source, "variable", source)


def follow(x, like):
    """Moves a tensor to the device of another."""
    return x if x.device == like.device else x.to(like.device)


def find_mask(y_pred):
    return getattr(y_pred, "_keras_mask", None)


def at_once(function, *arguments):
    """As it is: there is nothing to gain."""
    return function(*arguments)


def infers_shapes():
    """Never: Keras infers them from symbolic tensors."""
    return False


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


def evaluate(loss, y, prediction, pos_weight, axis, prediction_limits, label_limits):
    limits = (prediction_limits, label_limits)
    evaluate = _Differentiable.apply if torch.is_grad_enabled() else _value
    return evaluate(loss, y, prediction, pos_weight, axis, limits)


def _at(loss, y, prediction, pos_weight, limits):
    """The loss at these predictions, clipped if they have limits, NaN outside of them."""
    if limits is not None:
        prediction = clipped(prediction, limits)
    return loss(y, prediction, pos_weight=pos_weight)


def _value(loss, y, prediction, pos_weight, axis, limits):
    prediction_limits, (low, high) = limits

    def value(y, prediction, pos_weight):
        at = _at(loss, y, prediction, pos_weight, prediction_limits)
        if not _all_within(y, low, high):
            value = nan_unless((y >= low) & (y <= high), at.value)
            return value if axis is None else value.mean(axis)
        if axis is None or y.shape[axis] == 1:
            return at.value if axis is None else at.value.squeeze(axis)
        # The means of the terms, for their sum would be one more block of memory.
        return at.sum_of(lambda term: term.mean(axis))

    return _in_blocks(value, axis, y, prediction, pos_weight)


def _in_blocks(function, axis, *tensors):
    """`function(*tensors)`, some rows at a time; each row is worked out on its own.

    A tensor that is `None`, or has one row for all, is handed to each block as it is.
    """
    first = tensors[0]
    if first.numel() <= _BLOCK or first.device.type != "cpu" or axis in (0, -first.ndim):
        return function(*tensors)
    rows = max(1, _BLOCK * len(first) // first.numel())

    def block(start):
        return [
            tensor[start : start + rows]
            if tensor is not None and tensor.ndim and len(tensor) > 1
            else tensor
            for tensor in tensors
        ]

    starts = range(0, len(first), rows)
    if torch.is_grad_enabled():
        return torch.cat([function(*block(start)) for start in starts])
    # Filled as it comes, since all blocks at once would be as much memory again; and made first,
    # or what is freed after it would go back to the system, and be asked for again.
    result = function(*block(len(first)))
    result = result.new_empty((len(first), *result.shape[1:]))
    for start in starts:
        result[start : start + rows].copy_(function(*block(start)))
    return result


class _Differentiable(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(loss, y, prediction, pos_weight, axis, limits):
        return _value(loss, y, prediction, pos_weight, axis, limits)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.loss, y, prediction, pos_weight, ctx.axis, ctx.limits = inputs
        ctx.save_for_backward(y, prediction, pos_weight, output)
        ctx.save_for_forward(y, prediction, pos_weight, output)

    @staticmethod
    def backward(ctx, upstream):
        y, prediction, pos_weight, value = ctx.saved_tensors
        axis = ctx.axis
        count = 1 if axis is None else prediction.shape[axis]
        upstream = (upstream if count == 1 else upstream / count) + _nan_where_nan(value)
        if axis is not None:
            upstream = upstream.unsqueeze(axis)

        def slopes(name):
            def slope(y, prediction, upstream, pos_weight):
                at = _at(ctx.loss, y, prediction, pos_weight, ctx.limits[0])
                return upstream * getattr(at, name)

            return _in_blocks(slope, axis, y, prediction, upstream, pos_weight)

        _, wants_label_slope, wants_slope, *_ = ctx.needs_input_grad
        return (
            None,
            slopes("label_slope") if wants_label_slope else None,
            slopes("slope") if wants_slope else None,
            None,
            None,
            None,
        )

    @staticmethod
    def jvp(ctx, _, y_tangent, prediction_tangent, *__):
        y, prediction, pos_weight, value = ctx.saved_tensors
        at = _at(ctx.loss, y, prediction, pos_weight, ctx.limits[0])
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
