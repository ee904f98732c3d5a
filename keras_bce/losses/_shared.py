"""What all losses have in common."""

import keras

#: Registers a class or a function under the name that saved models hold.
register = keras.saving.register_keras_serializable(package="keras_bce.losses")
