"""torch: autograd in both modes, torch.func, torch.compile."""

import torch

exp, log, log1p, power, where = torch.exp, torch.log, torch.log1p, torch.pow, torch.where


def at_least(x, low):
    return x.clamp(min=low)


def at_most(x, high):
    return x.clamp(max=high)


def multiply_no_nan(x, weight):
    return torch.where(weight == 0, 0.0, x * weight)


def find_logits(y_pred):
    return getattr(y_pred, "_keras_logits", None)


def find_mask(y_pred):
    return getattr(y_pred, "_keras_mask", None)


def has_float64():
    return torch.get_default_device().type != "mps"


def replica_count():
    return 1


def exact_sum(values, axis):
    """By way of float64."""
    values = values.detach()
    total = values.sum(axis, dtype=torch.float64)
    high = total.to(values.dtype)
    return high, (total - high).to(values.dtype)


def evaluate(loss, y, prediction, axis):
    if torch.is_grad_enabled():
        return _Differentiable.apply(loss, y, prediction, axis)
    return _value(loss(y, prediction), y, axis)


def _value(at, y, axis):
    if axis is None:
        return torch.where((y >= 0) & (y <= 1), at.value, torch.nan)
    possible = (y.amin(axis) >= 0) & (y.amax(axis) <= 1)
    return torch.where(possible, at.value.mean(axis), torch.nan)


class _Differentiable(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(loss, y, prediction, axis):
        return _value(loss(y, prediction), y, axis)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.loss, y, prediction, ctx.axis = inputs
        ctx.save_for_backward(y, prediction, output)
        ctx.save_for_forward(y, prediction, output)

    @staticmethod
    def backward(ctx, upstream):
        y, prediction, value = ctx.saved_tensors
        at = ctx.loss(y, prediction)
        upstream = torch.where(value.isnan(), torch.nan, upstream)
        if ctx.axis is not None:
            upstream = (upstream / prediction.shape[ctx.axis]).unsqueeze(ctx.axis)
        return (
            None,
            upstream * at.label_slope if ctx.needs_input_grad[1] else None,
            upstream * at.slope if ctx.needs_input_grad[2] else None,
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
