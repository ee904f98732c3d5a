"""Losses of symbolic tensors: nodes of a functional model."""

import keras


def any_symbolic(*values):
    return any(isinstance(value, keras.KerasTensor) for value in values)


def _zeros(x, size):
    """Zeros like a symbolic tensor, `size` in the place of what is not known; else `x`."""
    if not isinstance(x, keras.KerasTensor):
        return x
    return keras.ops.zeros([size if n is None else n for n in x.shape], x.dtype)


@keras.saving.register_keras_serializable(package="keras_bce.losses")
class SymbolicLoss(keras.Operation):
    """A loss as a node of a functional model: what a loss makes of symbolic tensors.

    Args:
        loss: A loss of `losses`.
        as_function: Whether to compute what the loss's function does, one loss per sample.
        name: The name of the operation.
    """

    def __init__(self, loss, as_function=False, name=None):
        super().__init__(name=name)
        self.loss = loss
        self.as_function = as_function

    def call(self, y_true, y_pred, sample_weight=None):
        if self.as_function:
            return self.loss.each_sample(y_true, y_pred)
        return self.loss(y_true, y_pred, sample_weight)

    def compute_output_spec(self, y_true, y_pred, sample_weight=None):
        # Computed for two sizes of what is not known yet: where the shapes differ, it is neither.
        # Zeros are valid labels, probabilities and logits.
        given = (y_true, y_pred, sample_weight)
        small, large = (self.call(*(_zeros(x, size) for x in given)) for size in (2, 3))
        shape = [a if a == b else None for a, b in zip(small.shape, large.shape, strict=True)]
        return keras.KerasTensor(shape, keras.backend.standardize_dtype(small.dtype))

    def get_config(self):
        return {
            "loss": keras.saving.serialize_keras_object(self.loss),
            "as_function": self.as_function,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config):
        loss = keras.saving.deserialize_keras_object(config["loss"])
        return cls(**(config | {"loss": loss}))
