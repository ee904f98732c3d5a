"""Who is timed: ours, Keras's pair, and what else a user of each backend would pick."""

import importlib.util

import keras
import numpy as np

import keras_bce

BACKEND = keras.config.backend()


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


def modes():
    """By name, what compiles a function, and what makes one that gives a gradient as well."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        def with_gradient(loss):
            def function(y, x):
                with tf.GradientTape() as tape:
                    tape.watch(x)
                    value = loss(y, x)
                return value, tape.gradient(value, x)

            return function

        def compiled(xla):
            return lambda function: tf.function(function, jit_compile=xla, autograph=False)

        return {
            "eager": (lambda function: function, with_gradient),
            "graph": (compiled(False), with_gradient),
            "XLA": (compiled(True), with_gradient),
        }
    if BACKEND == "jax":
        import jax

        def finished(function):
            function = jax.jit(function)
            return lambda y, x: jax.block_until_ready(function(y, x))

        return {"jit": (finished, lambda loss: jax.value_and_grad(loss, argnums=1))}

    def backward(loss):
        def function(y, x):
            x = x.detach().requires_grad_()
            loss(y, x).backward()
            return x.grad

        return function

    return {"eager": (lambda function: function, backward)}


def loss_cases(shape, from_logits, only=None):
    """Every way to run a loss: its mode, what is run, and a function for each contender."""
    y, x = data(shape, from_logits)
    for mode, (compiled, with_gradient) in modes().items():
        for what, wrap in (("loss + gradient", with_gradient), ("loss", lambda loss: loss)):
            if only not in (None, what):
                continue
            functions = {name: compiled(wrap(loss)) for name, loss in losses(from_logits).items()}
            # Reads both and writes as much as a gradient: what memory alone costs.
            functions["memory"] = compiled(lambda y, x: y + x)
            yield mode, what, {name: lambda f=f: f(y, x) for name, f in functions.items()}


def metric_case(shape, from_logits):
    """The update and result of a metric; on JAX compiled, state in and out, as its trainer does."""
    y, x = data(shape, from_logits)
    functions = {}
    for name, library in {"ours": keras_bce.metrics, "keras": keras.metrics}.items():
        metric = library.BinaryCrossentropy(from_logits=from_logits)
        update = _stateless_update if BACKEND == "jax" else _update
        functions[name] = update(metric, y, x)
    if not from_logits and importlib.util.find_spec("sklearn"):
        from sklearn.metrics import log_loss

        labels, p = (keras.ops.convert_to_numpy(a).ravel() for a in (y, x))
        functions["sklearn log_loss"] = lambda: log_loss(labels, p)
    return next(iter(modes())), "metric", functions


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
        return metric.result()

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
        state, result = jax.block_until_ready(step(state, y, x))
        return result

    return update
