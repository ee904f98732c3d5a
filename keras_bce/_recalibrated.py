"""The parts that a recalibrated model is made of, beside those it had; saved files name them."""

from typing import Any

import keras
from keras import ops

from keras_bce._typing import Tensor

_register = keras.saving.register_keras_serializable(package="keras_bce.recalibration")


@_register
class DenseLogits(keras.layers.Layer):
    """What a `Dense` layer gives before its activation, with the weights of that layer."""

    def __init__(self, dense: keras.layers.Dense, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dense = dense
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        if not self.dense.built:
            self.dense.build(input_shape)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.dense.compute_output_shape(input_shape)

    def call(self, inputs: Tensor) -> Tensor:
        if self.dense.quantization_mode is not None:
            raise ValueError(
                "A recalibrated model cannot be quantized. Quantize the model, and recalibrate "
                "that."
            )
        logits = ops.matmul(inputs, self.dense.kernel)
        return logits if self.dense.bias is None else ops.add(logits, self.dense.bias)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dense": keras.saving.serialize_keras_object(self.dense),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "DenseLogits":
        dense = keras.saving.deserialize_keras_object(config["dense"])
        return cls(**(config | {"dense": dense}))


@_register
class Recalibrated(keras.Model):
    """A subclassed model, and the layer that recalibrates it."""

    def __init__(self, model: keras.Model, layer: keras.layers.Layer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.layer = layer
        self.built = True  # Its two parts are.

    def call(self, inputs: Any, training: bool | None = None) -> Tensor:
        # Keras hands `training` on to those that take it.
        return self.layer(self.model(inputs))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "model": keras.saving.serialize_keras_object(self.model),
            "layer": keras.saving.serialize_keras_object(self.layer),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Recalibrated":
        parts = {
            part: keras.saving.deserialize_keras_object(config[part]) for part in ("model", "layer")
        }
        return cls(**(config | parts))
