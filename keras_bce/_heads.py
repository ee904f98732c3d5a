"""The loss of a linear head: what the caller passed -> `Head` and `Targets` -> samples -> reduce.

The logits themselves are the business of `_chunks`.
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_bce import _arguments, _faults
from keras_bce._arguments import Arguments
from keras_bce._backend import backend
from keras_bce._chunks import Head, Plan, Targets, chunk_of, present_counts, row_sums
from keras_bce._pointwise import Crossentropy
from keras_bce._prepare import (
    align_weight,
    along_axis,
    as_array,
    cast,
    computing_dtype,
    result_dtype,
    to_tensor,
)
from keras_bce._typing import Reduction, Tensor
from keras_bce._weighting import Samples, reduced_samples

#: Logits of a chunk, by default: few enough to stay in a CPU's cache.
CHUNK = 2**18

#: The rows that are assumed where their number is not known before the data comes.
_ASSUMED_ROWS = 256


@dataclass(frozen=True, eq=False)
class HeadArguments:
    """The arguments that the losses of a linear head share.

    Args:
        arguments: Those that all losses share.
        positives: Whether labels are given as the numbers of the positive ones.
        chunk_size: Labels in a chunk, or `None`.

    Raises:
        ValueError: for an argument outside of its range.
    """

    arguments: Arguments
    positives: bool = False
    chunk_size: int | None = None

    def __post_init__(self) -> None:
        size = self.chunk_size
        self.__dict__.update(
            positives=bool(self.positives),
            chunk_size=None if size is None else _arguments.at_least_one("chunk_size", size),
        )
        if self.positives and self.arguments.ignore_class is not None:
            raise ValueError(
                "`ignore_class` goes with dense labels: `positives` names those that are 1, and "
                f"all others are 0. Received: ignore_class={self.arguments.ignore_class!r}."
            )


def check_head(head: Any) -> None:
    """Raises for anything but a Dense layer whose outputs are `features @ kernel + bias`."""
    dense = keras.layers.Dense
    if not isinstance(head, dense) or type(head).call is not dense.call:
        fault = f"a {type(head).__name__}"
    elif head.activation is not keras.activations.linear:
        name = getattr(head.activation, "__name__", head.activation)
        fault = f"a Dense layer with the activation {name!r}. Remove the activation"
    elif head.activity_regularizer is not None:
        fault = "a Dense layer with an activity_regularizer, which needs all logits. Remove it"
    elif head.quantization_mode is not None:
        fault = f"a Dense layer quantized to {head.quantization_mode}, which cannot be trained"
    else:
        return
    raise ValueError(
        "The head must be a `keras.layers.Dense` without activation, which gives logits. "
        f"Received: {fault}."
    )


def head_loss(
    arguments: HeadArguments,
    y_true: Any,
    features: Any,
    kernel: Any,
    bias: Any,
    sample_weight: Any = None,
    *,
    reduction: Reduction = None,
    dtype: Any = None,
    replicas: int = 1,
) -> Tensor:
    """The loss of a batch.

    Args:
        arguments: The arguments of the loss.
        y_true: Labels (rows, labels), or the numbers of the positive ones (rows, K).
        features: (rows, width).
        kernel: (width, labels).
        bias: (labels,), or `None`.
        sample_weight: A number, or one for each row, or `None`.
        reduction: What to make of the rows' losses.
        dtype: That of the result; `None` takes the one in which it is computed.
        replicas: The number that a mean is divided by.

    Raises:
        ValueError: for shapes that do not fit, and for impossible values on the host.
    """
    mask, _ = backend.find_notes(features)
    compute = widest(features, kernel)
    features = as_array(features, "features")
    kernel = as_array(kernel, "kernel")
    bias = None if bias is None else as_array(bias, "bias")
    _check_head_shapes(features, kernel, bias)
    labels = kernel.shape[1]
    shape = (features.shape[0], labels)

    given = arguments.arguments
    label_weights, pos_weight = (
        None if factors is None else along_axis(name, factors, shape, -1)
        for name, factors in (
            ("label_weights", given.label_weights),
            ("pos_weight", given.pos_weight),
        )
    )
    if mask is not None:
        mask = _one_per_row("mask", mask, shape)
    if sample_weight is not None:
        sample_weight = as_array(sample_weight, "sample_weight")
        sample_weight = _one_per_row("sample_weight", sample_weight, shape)
    if arguments.positives:
        y_true = as_array(y_true, "positives")
        _check_positives(y_true, shape)
    else:
        y_true = _dense_labels(as_array(y_true, "y_true"), shape)
        _faults.check_host_values(
            y_true, None, True, given.ignore_class, (sample_weight, label_weights), mask
        )

    features = to_tensor(features, compute)
    kernel = to_tensor(kernel, result_dtype(kernel.dtype))
    bias = None if bias is None else to_tensor(bias, result_dtype(bias.dtype))

    def beside(values: Any, dtype: str) -> Any:
        return None if values is None else backend.follow(to_tensor(values, dtype), features)

    # In its own dtype: a chunk of it is cast at a time.
    y_true = backend.follow(ops.convert_to_tensor(y_true), features)
    head = Head(features, kernel, bias)
    targets = Targets(
        None if arguments.positives else y_true,
        y_true if arguments.positives else None,
        beside(mask, "bool"),
        beside(label_weights, compute),
        beside(pos_weight, compute),
    )
    plan = Plan(
        chunk_size(arguments.chunk_size, features.shape[0], kernel.shape),
        labels,
        given.label_smoothing or None,
        given.ignore_class,
    )
    tensors = (head, targets, beside(sample_weight, compute))
    return _reduced(
        tensors, Crossentropy(), plan, reduction, result_dtype(dtype or compute), replicas
    )


def top_columns(
    features: Any, kernel: Any, bias: Any, k: int, given_chunk_size: int | None
) -> tuple[Tensor, Tensor]:
    """The numbers of the k largest logits of each row, and these logits, largest first."""
    if given_chunk_size is not None:
        given_chunk_size = _arguments.at_least_one("chunk_size", given_chunk_size)
    features, kernel = as_array(features, "features"), as_array(kernel, "kernel")
    bias = None if bias is None else as_array(bias, "bias")
    _check_head_shapes(features, kernel, bias)
    compute = widest(features, kernel)
    head = Head(
        *(
            None if x is None else ops.stop_gradient(x)
            for x in (to_tensor(features, compute), kernel, bias)
        )
    )
    labels = kernel.shape[1]
    size = chunk_size(given_chunk_size, features.shape[0], kernel.shape)
    best: Any = None
    for start in range(0, labels, size):
        _, logits = chunk_of(head, start, min(size, labels - start))
        logits, places = ops.top_k(logits, min(k, logits.shape[1]))
        numbers = places + start
        if best is not None:
            numbers = ops.concatenate([best[0], numbers], axis=1)
            logits, places = ops.top_k(ops.concatenate([best[1], logits], axis=1), k)
            numbers = ops.take_along_axis(numbers, places, axis=1)
        best = numbers, logits
    return best


def widest(*tensors: Any) -> str:
    """float64 if one of these is, else float32: the dtype in which they are computed with."""
    return max(computing_dtype(getattr(tensor, "dtype", None)) for tensor in tensors)


def chunk_size(given: int | None, rows: int | None, kernel_shape: Any) -> int:
    """Labels in a chunk: as given, or as many as make chunks of equal size."""
    width, labels = kernel_shape
    most = max(1, CHUNK // max(rows or _ASSUMED_ROWS, width or 1)) if given is None else given
    if labels is None or labels == 0:
        return most
    most = min(most, labels)
    return most if given else -(-labels // -(-labels // most))


@backend.compiled
def _reduced(
    tensors: tuple[Head, Targets, Tensor | None],
    loss: Crossentropy,
    plan: Plan,
    reduction: Reduction,
    dtype: str,
    replicas: int,
) -> Tensor:
    head, targets, weights = tensors
    return reduced_samples(_samples(head, targets, weights, plan), reduction, dtype, replicas)


def _samples(head: Head, targets: Targets, weights: Tensor | None, plan: Plan) -> Samples:
    """The mean over each row's present labels, weighted; see `_weighting`."""
    used = targets.used
    if weights is not None:
        used = weights != 0 if used is None else used & (weights != 0)
    if used is not None:
        # A NaN in a row that is left out would enter the gradient of the kernel.
        head = head._replace(features=backend.where(used, head.features, 0.0))
    rows = targets._replace(used=used)
    if targets.positives is None:
        sums = row_sums(head, rows, plan)
    else:
        positives, possible = _read_positives(targets.positives, used, plan, head)
        sums = row_sums(head, rows._replace(positives=positives), plan)
        sums = sums * backend.where(possible, backend.ones_like(sums), np.nan)

    counted = None if targets.used is None else _each_row(targets.used, sums)
    counts = ops.cast(ops.shape(head.kernel)[1] if plan.labels is None else plan.labels, sums.dtype)
    if plan.ignore_class is not None:
        counts = present_counts(targets, plan, sums)
        counted = counts > 0 if counted is None else counted & (counts > 0)
    numerators = sums / backend.at_least(counts, 1.0)
    if weights is not None:
        weights = _each_row(weights, sums)
        numerators = numerators * weights
    if counted is not None:
        given = backend.ones_like(sums) if weights is None else weights
        weights = backend.where(counted, given, 0.0)
    return Samples(numerators, weights, counted)


def _each_row(values: Tensor, rows: Tensor) -> Tensor:
    """For each row its one value, of a tensor (rows, 1) or (1, 1)."""
    return ops.broadcast_to(ops.squeeze(values, -1), ops.shape(rows))


def _read_positives(
    positives: Tensor, used: Tensor | None, plan: Plan, head: Head
) -> tuple[Tensor, Tensor]:
    """Positives as int32, and for each row whether they are possible or not used."""
    labels = ops.shape(head.kernel)[1] if plan.labels is None else plan.labels
    ordered = ops.sort(positives, axis=1)
    outside, twice = _impossible(positives, ordered, ops.cast(labels, positives.dtype))
    possible = ~(ops.any(twice, axis=1) | ops.any(outside, axis=1))
    if used is not None:
        possible = possible | ~_each_row(used, possible)
    return cast(positives, "int32"), possible


def _impossible(positives: Any, ordered: Any, labels: Any) -> tuple[Any, Any]:
    """Which positives name no label, and which of the ordered ones repeat the one before."""
    outside = (positives < -1) | (positives >= labels)
    return outside, (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)


def _check_head_shapes(features: Any, kernel: Any, bias: Any) -> None:
    if len(features.shape) != 2:
        raise ValueError(
            "`features` must have two axes, (batch, width). Received: "
            f"features.shape={tuple(features.shape)}. Reshape them: the labels of each row of "
            "features are one sample."
        )
    if len(kernel.shape) != 2 or not _agree(kernel.shape[0], features.shape[1]):
        raise ValueError(
            "`kernel` must have the shape (width, labels), the width that of `features`. Received: "
            f"kernel.shape={tuple(kernel.shape)}, features.shape={tuple(features.shape)}."
        )
    if bias is not None and (len(bias.shape) != 1 or not _agree(bias.shape[0], kernel.shape[1])):
        raise ValueError(
            "`bias` must have one entry for each label. Received: "
            f"bias.shape={tuple(bias.shape)}, kernel.shape={tuple(kernel.shape)}."
        )


def _dense_labels(y_true: Any, shape: tuple[Any, Any]) -> Any:
    """Labels of the shape (rows, labels); (rows,) goes with a single label."""
    if len(y_true.shape) == 1 and shape[1] == 1:
        y_true = y_true[:, None]
    if len(y_true.shape) != 2 or not all(map(_agree, y_true.shape, shape)):
        raise ValueError(
            "`y_true` must have the shape (batch, labels), as many labels as the kernel has "
            f"columns. Received: y_true.shape={tuple(y_true.shape)}, {shape[1]} labels, a batch of "
            f"{shape[0]}. The numbers of the positive labels are given as `positives`."
        )
    return y_true


def _one_per_row(name: str, weight: Any, shape: tuple[Any, Any]) -> Any:
    """A weight of the shape (rows, 1) or (1, 1)."""
    if len(weight.shape) == 2 and weight.shape[1] != 1:
        raise ValueError(
            f"`{name}` must be a number, or have one value per sample. "
            f"Received: {name}.shape={tuple(weight.shape)}. For weights of labels there is "
            "`label_weights`, and `ignore_class` leaves single labels out."
        )
    return align_weight(name, weight, shape, -1)


def _check_positives(positives: Any, shape: tuple[Any, Any]) -> None:
    """Raises for positives of a wrong shape or dtype, and for impossible ones on the host."""
    rule = "`positives` must hold the numbers of each row's positive labels, padded with -1"
    if len(positives.shape) != 2 or not _agree(positives.shape[0], shape[0]):
        raise ValueError(
            f"{rule}: integers of the shape (batch, K). Received: "
            f"positives.shape={tuple(positives.shape)}, a batch of {shape[0]}."
        )
    dtype = keras.backend.standardize_dtype(positives.dtype)
    if "int" not in dtype:
        raise ValueError(
            f"{rule}: integers. Received: positives of dtype {dtype}. Labels of 0 and 1 are given "
            "as `y_true`."
        )
    if isinstance(positives, np.ndarray):
        ordered = np.sort(positives, axis=1)
        outside, twice = _impossible(positives, ordered, shape[1])
        if outside.any():
            row, column = np.argwhere(outside)[0]
            raise ValueError(
                f"{rule}: each from 0 to {shape[1] - 1}. Received: {outside.sum()} outside, the "
                f"first at positives[{row}, {column}]={positives[row, column]}."
            )
        if twice.any():
            row, column = np.argwhere(twice)[0]
            raise ValueError(
                f"{rule}: each once. Received: {ordered[row, column]} more than once in row {row}."
            )


def _agree(a: int | None, b: int | None) -> bool:
    """Whether two sizes agree, as far as they are known."""
    return a is None or b is None or a == b
