"""What all losses have in common."""

import inspect

import keras

from keras_bce._backend import backend
from keras_bce._typing import Function

_register = keras.saving.register_keras_serializable(package="keras_bce.losses")


def register(loss: Function) -> Function:
    """Registers a class or a function under the name that saved models hold."""
    registered: Function = _register(
        backend.unconverted(loss) if inspect.isfunction(loss) else loss
    )
    return registered
