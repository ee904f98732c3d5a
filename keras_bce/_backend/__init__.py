"""The one room that imports TensorFlow, JAX, torch, or only NumPy.

`backend` is that of the backend that Keras runs on when the package is imported.
"""

import keras

from keras_bce._backend._protocol import Backend


def _load(name: str) -> Backend:
    if name == "tensorflow":
        from keras_bce._backend import tensorflow

        return tensorflow
    if name == "jax":
        from keras_bce._backend import jax

        return jax
    if name == "torch":
        from keras_bce._backend import torch

        return torch
    if name == "numpy":
        from keras_bce._backend import numpy

        return numpy
    raise ImportError(
        "keras_bce runs on the TensorFlow, JAX, torch and NumPy backends of Keras. "
        f"Received: backend={name!r}. "
        "Set the environment variable KERAS_BACKEND to one of them."
    )


backend: Backend = _load(keras.config.backend())
