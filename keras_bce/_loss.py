"""A loss as Keras sees it, and as a node of a functional model."""

from typing import Any

import keras

from keras_bce import _arguments
from keras_bce._arguments import Arguments, ShowsArguments
from keras_bce._backend import backend
from keras_bce._pointwise import Pointwise
from keras_bce._prepare import prepare, result_dtype
from keras_bce._typing import ArrayLike, Reduction, Tensor
from keras_bce._weighting import reduced


class BatchLoss(ShowsArguments, keras.losses.Loss):
    """What all losses have in common; a subclass reads and reduces a batch."""

    def __init__(self, arguments: Arguments, reduction: Reduction, name: str, dtype: Any) -> None:
        reduction = _arguments.reduction(reduction)
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self._arguments = arguments

    @backend.unconverted
    def __call__(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Tensor:
        """The reduced loss of a batch."""
        if type(self).call is not BatchLoss.call:
            # A subclass has its own loss of each sample: Keras weights and reduces it.
            return super().__call__(y_true, y_pred, sample_weight)
        if _any_symbolic(y_true, y_pred, sample_weight):
            return SymbolicLoss(self)(y_true, y_pred, sample_weight)
        # Keras's own `__call__` would convert `y_pred` first, and so lose what is known of it.
        is_mean = self.reduction not in (None, "none", "sum")
        replicas = backend.replica_count() if is_mean else 1
        return self._reduced(y_true, y_pred, sample_weight, self.reduction, replicas)

    @backend.unconverted
    def call(self, y_true: ArrayLike, y_pred: ArrayLike) -> Tensor:
        """The loss of each sample, unweighted and unreduced."""
        return self._reduced(y_true, y_pred, None, None, 1)

    def _reduced(
        self, y_true: Any, y_pred: Any, sample_weight: Any, reduction: Reduction, replicas: int
    ) -> Tensor:
        """The loss of a batch, in the dtype of the loss."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The arguments, from which `from_config` makes an equal object."""
        return {**super().get_config(), "dtype": self.dtype, **self._arguments.get_config()}


class PointwiseLoss(BatchLoss):
    """A pointwise loss as a loss of Keras: prepare -> exclude -> per sample -> reduce -> cast."""

    def __init__(
        self,
        loss: Pointwise,
        arguments: Arguments,
        reduction: Reduction,
        name: str,
        dtype: Any,
    ) -> None:
        super().__init__(arguments, reduction, name, dtype)
        self._loss = loss

    @backend.unconverted
    def each_sample(self, y_true: ArrayLike, y_pred: ArrayLike) -> Tensor:
        """One loss per sample, unweighted, in the dtype of `y_pred`: what its function gives.

        A pair of shape `(n,)` is one sample of n labels, where a call of the loss reads n samples.
        """
        if _any_symbolic(y_true, y_pred):
            return SymbolicLoss(self, as_function=True)(y_true, y_pred)
        dtype = result_dtype(getattr(y_pred, "dtype", None))
        batch, reading = prepare(
            self._arguments, y_true, y_pred, dtype=dtype, rank_1_is_batch=False
        )
        return reduced(batch, self._loss, reading, None, dtype, 1)

    def _reduced(
        self, y_true: Any, y_pred: Any, sample_weight: Any, reduction: Reduction, replicas: int
    ) -> Tensor:
        batch, reading = prepare(self._arguments, y_true, y_pred, sample_weight, dtype=self.dtype)
        return reduced(batch, self._loss, reading, reduction, result_dtype(self.dtype), replicas)


@keras.saving.register_keras_serializable(package="keras_bce.losses")
class SymbolicLoss(keras.Operation):
    """A loss of symbolic tensors: a node of a functional model.

    Args:
        loss: A loss of `losses`.
        as_function: Whether to compute what the loss's function does, one loss per sample.
        name: The name of the operation.
    """

    def __init__(self, loss: Any, as_function: bool = False, name: str | None = None) -> None:
        super().__init__(name=name)
        self.loss = loss
        self.as_function = as_function

    def call(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        if self.as_function:
            return self.loss.each_sample(y_true, y_pred)
        return self.loss(y_true, y_pred, sample_weight)

    def compute_output_spec(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        # Computed for two sizes of each unknown axis: where the shapes differ, the axis is unknown.
        # Zeros are valid labels, probabilities and logits.
        given = (y_true, y_pred, sample_weight)
        small, large = (self.call(*(_zeros(x, size) for x in given)) for size in (2, 3))
        shape = [a if a == b else None for a, b in zip(small.shape, large.shape, strict=True)]
        return keras.KerasTensor(shape, keras.backend.standardize_dtype(small.dtype))

    def get_config(self) -> dict[str, Any]:
        """The arguments, from which `from_config` makes an equal object."""
        return {
            "loss": keras.saving.serialize_keras_object(self.loss),
            "as_function": self.as_function,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "SymbolicLoss":
        loss = keras.saving.deserialize_keras_object(config["loss"])
        return cls(**(config | {"loss": loss}))


def _zeros(x: Any, size: int) -> Any:
    """Zeros like a symbolic tensor, with `size` for each unknown axis; anything else as it is."""
    if not isinstance(x, keras.KerasTensor):
        return x
    return keras.ops.zeros([size if n is None else n for n in x.shape], x.dtype)


def _any_symbolic(*values: Any) -> bool:
    return any(map(keras.backend.is_keras_tensor, values))
