"""Gradients, compilation and masks on the backend at hand, for tests."""

import keras
import numpy as np
import pytest

BACKEND = keras.config.backend()

#: NumPy's tensors are arrays, which are checked on the host: no value of theirs becomes NaN.
tensors_are_unchecked = pytest.mark.skipif(BACKEND == "numpy", reason="NumPy's are checked")
only_on_torch = pytest.mark.skipif(BACKEND != "torch", reason="torch's")
only_on_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow's")
only_on_jax = pytest.mark.skipif(BACKEND != "jax", reason="JAX's")


def needs_gradients():
    """Skips the test that runs where there are none."""
    if BACKEND == "numpy":
        pytest.skip("NumPy has no gradients")


def tensor(values, dtype="float32"):
    if dtype == "bfloat16":
        return keras.ops.cast(tensor(values), dtype)
    # Keras makes float32 of float64 on NumPy unless it is told not to.
    told = dtype if BACKEND == "numpy" else None
    return keras.ops.convert_to_tensor(np.asarray(values).astype(dtype), told)


def gradient(function, *arguments):
    """The gradients of a scalar function with respect to float tensors, as NumPy arrays."""
    needs_gradients()
    if BACKEND == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            for argument in arguments:
                tape.watch(argument)
            value = function(*arguments)
        gradients = tape.gradient(value, arguments, unconnected_gradients="zero")
    elif BACKEND == "jax":
        import jax

        gradients = jax.grad(function, argnums=tuple(range(len(arguments))))(*arguments)
    else:
        import torch

        arguments = [argument.detach().clone().requires_grad_() for argument in arguments]
        gradients = torch.autograd.grad(function(*arguments), arguments, materialize_grads=True)
    return [to_numpy(g) for g in gradients]


def slope(function, x):
    """The gradient of a scalar function as a tensor, which can be derived once more."""
    needs_gradients()
    if BACKEND == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x)
        return tape.gradient(value, x)
    if BACKEND == "jax":
        import jax

        return jax.grad(function)(x)
    import torch

    x = x if x.requires_grad else x.clone().requires_grad_()
    return torch.autograd.grad(function(x), x, create_graph=True)[0]


def needs_second_derivatives_when_compiled():
    """Skips the rest of a test on torch, whose compiler derives once only."""
    if BACKEND == "torch":
        pytest.skip("torch.compile has no second derivatives")


def to_numpy(x):
    """A tensor or a variable as an array, half precision as float32."""
    if not keras.ops.is_tensor(x):
        x = keras.ops.convert_to_tensor(x)
    if keras.backend.standardize_dtype(x.dtype) in ("float16", "bfloat16"):
        x = keras.ops.cast(x, "float32")
    return keras.ops.convert_to_numpy(x)


def number(value):
    """A tensor of one value as a Python number."""
    return to_numpy(value).item()


def masked(x, mask):
    """A tensor that carries a mask as Keras's layers give it: through a layer of its own."""

    class Masking(keras.layers.Layer):
        def compute_mask(self, inputs, previous_mask=None):
            return keras.ops.convert_to_tensor(mask)

        def call(self, inputs):
            return inputs + 0.0

    return Masking(dtype=None)(x)


def compiled(function, xla=True):
    """The function under the backend's compiler, as one graph."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=xla)
    if BACKEND == "jax":
        import jax

        return jax.jit(function)
    if BACKEND == "torch" and xla:
        import torch

        torch._dynamo.reset()  # Else what is compiled for one test counts for the next.
        return torch.compile(function, fullgraph=True, backend="eager")
    return function
