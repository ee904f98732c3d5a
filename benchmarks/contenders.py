"""Who is timed: ours, Keras's pair, and what else a user of each backend would pick."""

import importlib.util

import keras
import numpy as np

import keras_bce

BACKEND = keras.config.backend()


def finished(result):
    """Waits for the device that computes a result, and returns the result."""
    if BACKEND == "jax":
        import jax

        return jax.block_until_ready(result)
    if BACKEND == "torch":
        import torch

        if torch.cuda.is_available():
            torch.cuda.synchronize()
    return result


def data(shape, from_logits):
    """Labels and predictions, logits up to about 16, as tensors."""
    generator = np.random.default_rng(0)
    y = (generator.random(shape, dtype="float32") < 0.5).astype("float32")
    x = generator.standard_normal(shape, dtype="float32")
    x *= 4
    if not from_logits:
        x = 1 / (1 + np.exp(-x))
    return keras.ops.convert_to_tensor(y), keras.ops.convert_to_tensor(x)


def losses(from_logits):
    """By name, functions of labels and predictions; ours is the first."""
    arguments = {"from_logits": from_logits}
    found = {
        "ours": keras_bce.losses.BinaryCrossentropy(**arguments),
        "keras": keras.losses.BinaryCrossentropy(**arguments),
    }
    if BACKEND == "tensorflow" and from_logits:
        import tensorflow as tf

        def sigmoid_cross_entropy(y, x):
            return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(y, x))

        found["tf.nn"] = sigmoid_cross_entropy
    if BACKEND == "jax" and from_logits and importlib.util.find_spec("optax"):
        import optax

        found["optax"] = lambda y, x: optax.sigmoid_binary_cross_entropy(x, y).mean()
    if BACKEND == "torch":
        import torch

        name = "BCEWithLogitsLoss" if from_logits else "BCELoss"
        loss = getattr(torch.nn, name)()
        found[f"torch.nn.{name}"] = lambda y, x: loss(x, y)
    return found


def focal(from_logits):
    """The focal loss, ours and Keras's."""
    return {
        name: library.losses.BinaryFocalCrossentropy(from_logits=from_logits)
        for name, library in (("ours", keras_bce), ("keras", keras))
    }


def as_it_is(function):
    return function


def modes():
    """The compilers of the backend, by name; the first one, "eager", compiles nothing."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        def compiled(xla):
            return lambda function: tf.function(function, jit_compile=xla, autograph=False)

        return {"eager": as_it_is, "graph": compiled(False), "XLA": compiled(True)}
    if BACKEND == "jax":
        import jax

        return {"eager": as_it_is, "jit": jax.jit}
    import torch

    return {"eager": as_it_is, "compiled": torch.compile}


def forget_compiled():
    """Empties the cache of `torch.compile`: when it is full, functions run uncompiled."""
    if BACKEND == "torch":
        import torch

        torch.compiler.reset()


#: How a model is trained by default; torch's is not compiled.
TRAINING = {"tensorflow": "graph", "jax": "jit", "torch": "eager"}


def value_and_gradient(mode, loss, inputs=1):
    """A function that gives a loss and its derivatives.

    On torch the backward pass is compiled with the loss, but called after it, as is usual.

    Args:
        mode: Of `modes()`.
        loss: A function of labels, and of what it is derived by.
        inputs: How many the latter are.
    """
    compiled = modes()[mode]
    if BACKEND == "tensorflow":
        import tensorflow as tf

        def function(y, *given):
            with tf.GradientTape() as tape:
                tape.watch(given)
                value = loss(y, *given)
            return value, tape.gradient(value, given)

        return compiled(function)
    if BACKEND == "jax":
        import jax

        return compiled(jax.value_and_grad(loss, argnums=tuple(range(1, inputs + 1))))
    loss = compiled(loss)

    def backward(y, *given):
        given = [x.detach().requires_grad_() for x in given]
        value = loss(y, *given)
        value.backward()
        return value, [x.grad for x in given]

    return backward


def gradient_alone(mode, loss):
    """A function that gives the derivatives of a loss, but not the loss itself."""
    both = value_and_gradient("eager", loss)
    return modes()[mode](lambda *given: both(*given)[1])


def loss_cases(shape, from_logits, mode, only=None):
    """What is run in this mode, by name: a function for each contender."""
    y, x = data(shape, from_logits)
    compiled = modes()[mode]
    found = losses(from_logits)
    for what in ("loss + gradient", "gradient alone", "loss", "focal loss"):
        if only not in (None, what):
            continue
        if what == "loss + gradient":
            functions = {name: value_and_gradient(mode, loss) for name, loss in found.items()}
        elif what == "gradient alone":
            if mode == "eager" or BACKEND == "torch":
                continue  # These compute the loss in any case.
            functions = {name: gradient_alone(mode, loss) for name, loss in found.items()}
        elif what == "loss":
            functions = {name: compiled(loss) for name, loss in found.items()}
        else:
            functions = {name: compiled(loss) for name, loss in focal(from_logits).items()}
        # The memory floor: reads both tensors, and writes as much as a gradient.
        functions["memory"] = compiled(lambda y, x: y + x)
        yield what, {name: lambda f=f: finished(f(y, x)) for name, f in functions.items()}


def metric_case(shape, from_logits, mode):
    """The update and result of a metric; on JAX compiled, state in and out, as its trainer does."""
    y, x = data(shape, from_logits)
    functions = {}
    for name, library in {"ours": keras_bce.metrics, "keras": keras.metrics}.items():
        metric = library.BinaryCrossentropy(from_logits=from_logits)
        functions[name] = (_update if mode == "eager" else _stateless_update)(metric, y, x)
    if mode == "eager" and not from_logits and importlib.util.find_spec("sklearn"):
        from sklearn.metrics import log_loss

        labels, p = (keras.ops.convert_to_numpy(a).ravel() for a in (y, x))
        functions["sklearn log_loss"] = lambda: log_loss(labels, p)
    return "metric update + result", functions


def uncertainty_case(metric, shape):
    """The update of a metric of logits without what a standard error needs, and with it."""
    y, x = data(shape, True)
    update = _stateless_update if BACKEND == "jax" else _update
    return {
        name: update(metric(from_logits=True, uncertainty=sure), y, x)
        for name, sure in (("without", False), ("with", True))
    }


def _update(metric, y, x):
    def update():
        metric.update_state(y, x)
        return finished(metric.result())

    return update


def _stateless_update(metric, y, x):
    import jax

    @jax.jit
    def step(state, y, x):
        state = metric.stateless_update_state(state, y, x)
        return state, metric.stateless_result(state)

    state = metric.stateless_reset_state()

    def update():
        nonlocal state
        state, result = finished(step(state, y, x))
        return result

    return update
