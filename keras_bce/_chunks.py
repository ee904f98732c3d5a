"""A linear head and its cross-entropy, some labels at a time: all logits at once never exist.

For each chunk of labels: its logits, their loss, and nothing is kept. For the gradient they are
computed again, with the slopes of `_pointwise`; the kernel's gradient is written once, the
features' is added up. Beyond inputs and gradients it takes memory of the size batch x chunk.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from keras import ops

from keras_bce._backend import backend
from keras_bce._faults import LABEL_LIMITS
from keras_bce._links import Logits, bound
from keras_bce._pointwise import Crossentropy, smoothed
from keras_bce._prepare import Batch, Reading, cast
from keras_bce._typing import Tensor
from keras_bce._weighting import exclude, per_element


class Head(NamedTuple):
    """A linear layer and what it is given; the logits are `features @ kernel + bias`.

    Attributes:
        features: (rows, width), float32 or float64, in which everything is computed.
        kernel: (width, labels), of any floating dtype.
        bias: (labels,), of any floating dtype, or `None`.
    """

    features: Tensor
    kernel: Tensor
    bias: Tensor | None


class Targets(NamedTuple):
    """What the logits are compared with; no gradient flows into it.

    Attributes:
        labels: (rows, labels), of any dtype; or `None`.
        positives: (rows, K): the numbers of the labels that are 1; others name none. Or `None`.
        used: (rows, 1): whether a row counts, bool; `None` means that all do.
        label_weights: (1, labels) or (), the factor of each label's loss, or `None`.
        pos_weight: (1, labels) or (), the factor of the positive term, or `None`.
    """

    labels: Tensor | None
    positives: Tensor | None
    used: Tensor | None
    label_weights: Tensor | None
    pos_weight: Tensor | None


class Plan(NamedTuple):
    """Numbers that are known before anything is computed.

    Attributes:
        size: Labels in a chunk.
        labels: All labels, or `None` where TensorFlow does not know their number yet.
        smoothing: The label smoothing, or `None`.
        ignore_class: The label that stands for "missing", or `None`.
    """

    size: int
    labels: int | None
    smoothing: float | None = None
    ignore_class: float | None = None


def present_counts(targets: Targets, plan: Plan, rows: Tensor) -> Tensor:
    """How many labels of each row of dense labels are present, in the dtype of `rows`."""

    def body(start: Any, size: Any, counts: Any) -> Any:
        labels = cast(backend.columns(targets.labels, start, size), rows.dtype)
        batch = exclude(Batch(labels, labels), _reading(plan))
        return (counts[0] + ops.sum(batch.weights, axis=1),)

    return _over_chunks(plan, targets.labels, body, (ops.zeros_like(rows),))[0]


def _sums(inputs: Any, constants: Any, plan: Any) -> Tensor:
    """The sum of each row's weighted losses."""
    head, targets, plan = Head(*inputs), Targets(*constants), Plan(*plan)

    def body(start: Any, size: Any, sums: Any) -> Any:
        total, excess = sums
        _, batch = _chunk(head, targets, plan, start, size)
        loss = Crossentropy(smoothing=plan.smoothing)
        added = ops.sum(per_element(batch, loss, _reading(plan)), axis=1)
        # Kahan's summation, since there may be as many chunks as labels.
        added = added - excess
        new = total + added
        return new, (new - total) - added

    zeros = ops.zeros_like(head.features[:, 0])
    return _over_chunks(plan, head.kernel, body, (zeros, zeros))[0]


def _gradients(inputs: Any, constants: Any, plan: Any, upstream: Tensor) -> Head:
    """The gradients of features, kernel and bias."""
    head, targets, plan = Head(*inputs), Targets(*constants), Plan(*plan)
    upstream = ops.expand_dims(upstream, -1)
    columns = ops.transpose(head.features)

    def body(start: Any, size: Any, slopes: Any) -> Any:
        of_features, of_kernel, *of_bias = slopes
        kernel, batch = _chunk(head, targets, plan, start, size)
        slope = _slopes(batch, plan) * upstream
        of_features = of_features + slope @ ops.transpose(kernel)
        part = cast(columns @ slope, of_kernel.dtype)
        of_kernel = backend.with_columns(of_kernel, part, start)
        if of_bias:
            part = cast(ops.sum(slope, axis=0), of_bias[0].dtype)
            of_bias = [backend.with_columns(of_bias[0], part, start)]
        return of_features, of_kernel, *of_bias

    zeros = [ops.zeros_like(x) for x in head if x is not None]
    of_features, of_kernel, *of_bias = _over_chunks(plan, head.kernel, body, tuple(zeros))
    return Head(of_features, of_kernel, of_bias[0] if of_bias else None)


#: `row_sums(head, targets, plan)`: the sum of each row's weighted losses, with its gradient.
row_sums = backend.with_gradient(_sums, _gradients)


def _over_chunks(plan: Plan, like: Tensor, body: Callable[..., Any], state: Any) -> Any:
    """The state after `state = body(start, size, state)` for each chunk of labels."""
    size = plan.size
    labels = ops.shape(like)[-1] if plan.labels is None else plan.labels
    count, rest = labels // size, labels % size
    if not (isinstance(count, int) and count == 0):
        state = backend.loop(count, lambda i, state: body(i * size, size, state), state)
    if isinstance(rest, int) and rest == 0:
        return state
    return body(labels - rest, rest, state)


def chunk_of(head: Head, start: Any, size: Any) -> tuple[Tensor, Tensor]:
    """The kernel of a chunk, and its logits, in the dtype of the features."""
    dtype = head.features.dtype
    kernel = cast(backend.columns(head.kernel, start, size), dtype)
    logits = head.features @ kernel
    if head.bias is not None:
        logits = logits + cast(backend.columns(head.bias, start, size), dtype)
    return kernel, logits


def _chunk(head: Head, targets: Targets, plan: Plan, start: Any, size: Any) -> tuple[Tensor, Batch]:
    """The kernel of a chunk, and the batch of its labels and logits after `exclude`."""
    kernel, logits = chunk_of(head, start, size)
    dtype = logits.dtype
    if targets.positives is None:
        labels = cast(backend.columns(targets.labels, start, size), dtype)
    else:
        labels = backend.marks(targets.positives - start, size, head.features)
    label_weights, pos_weight = (
        backend.columns(factors, start, size)
        if factors is not None and len(factors.shape)
        else factors
        for factors in (targets.label_weights, targets.pos_weight)
    )
    batch = Batch(labels, logits, None, targets.used, label_weights, pos_weight)
    return kernel, exclude(batch, _reading(plan))


def _reading(plan: Plan) -> Reading:
    return Reading(Logits(), ignore_class=plan.ignore_class)


def _slopes(batch: Batch, plan: Plan) -> Tensor:
    """The derivative of each weighted loss by its logit; NaN where a label is impossible."""
    labels = batch.labels
    if plan.smoothing is None:
        labels = backend.within(labels, LABEL_LIMITS)
    else:
        labels = smoothed(labels, plan.smoothing)
    link = Logits().at(batch.predictions)
    slopes = bound(Crossentropy(), y=labels, link=link, pos_weight=batch.pos_weight).slope
    for weights in (batch.label_weights, batch.weights):
        slopes = slopes if weights is None else slopes * weights
    return slopes
