"""Times the losses and metrics against Keras's own, interleaved in one process.

    KERAS_BACKEND=tensorflow python benchmarks/run.py [--pairs 11] [--quick]

Prints a table of ratios, Keras's time over ours: above 1, ours is faster.
"""

import argparse
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from timing import ratios

import keras_bce

BACKEND = keras.config.backend()
LARGE, SMALL = (40_000, 100), (32, 1)


def data(shape, from_logits):
    """Labels and predictions, logits up to about 16, as tensors."""
    generator = np.random.default_rng(0)
    y = (generator.random(shape) < 0.5).astype("float32")
    x = generator.normal(0, 4, shape).astype("float32")
    x = x if from_logits else 1 / (1 + np.exp(-x))
    return keras.ops.convert_to_tensor(y), keras.ops.convert_to_tensor(x)


def tensorflow_modes():
    import tensorflow as tf

    def with_gradient(loss):
        def function(y, x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = loss(y, x)
            return value, tape.gradient(value, x)

        return function

    def compiled(xla):
        return lambda function: tf.function(lambda y, x: function(y, x), jit_compile=xla)

    yield "eager", lambda function: function, with_gradient
    yield "graph", compiled(False), with_gradient
    yield "XLA", compiled(True), with_gradient


def jax_modes():
    import jax

    def finished(function):
        function = jax.jit(function)
        return lambda y, x: jax.block_until_ready(function(y, x))

    def with_gradient(loss):
        both = jax.value_and_grad(lambda x, y: loss(y, x))
        return lambda y, x: both(x, y)

    yield "jit", finished, with_gradient


def torch_modes():
    def with_gradient(loss):
        def function(y, x):
            x = x.detach().requires_grad_()
            loss(y, x).backward()
            return x.grad

        return function

    yield "eager", lambda function: function, with_gradient


def loss_cases(shape, from_logits):
    """Name, and a function for each library, of every way to run a loss."""
    y, x = data(shape, from_logits)
    libraries = {"keras": keras.losses, "ours": keras_bce.losses}
    losses = {k: v.BinaryCrossentropy(from_logits=from_logits) for k, v in libraries.items()}
    for mode, compiled, with_gradient in globals()[f"{BACKEND}_modes"]():
        for name, wrap in (("loss", lambda loss: loss), ("loss + gradient", with_gradient)):
            functions = {k: compiled(wrap(loss)) for k, loss in losses.items()}
            yield f"{mode}, {name}", {k: lambda f=f: f(y, x) for k, f in functions.items()}


def metric_cases(shape, from_logits):
    """The update and result of a metric; on JAX compiled, as its trainer has it."""
    y, x = data(shape, from_logits)
    libraries = {"keras": keras.metrics, "ours": keras_bce.metrics}
    functions = {}
    for name, library in libraries.items():
        metric = library.BinaryCrossentropy(from_logits=from_logits)
        if BACKEND == "jax":
            import jax

            def step(y, x, metric=metric, state=metric.stateless_reset_state()):  # noqa: B008
                return metric.stateless_result(metric.stateless_update_state(state, y, x))

            step = jax.jit(step)
            functions[name] = lambda step=step: jax.block_until_ready(step(y, x))
        else:

            def update(metric=metric):
                metric.update_state(y, x)
                return metric.result()

            functions[name] = update
    yield "metric update + result", functions


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=11, help="interleaved rounds, 11 by default")
    parser.add_argument("--quick", action="store_true", help="the small batch alone")
    arguments = parser.parse_args()
    print(f"Keras {keras.__version__} on {BACKEND}: its time over ours\n")
    print("| shape | predictions | what | ratio | Keras, ms |\n| --- | --- | --- | ---: | ---: |")
    for shape in (SMALL,) if arguments.quick else (LARGE, SMALL):
        for from_logits in (True, False):
            for cases in (loss_cases, metric_cases):
                for name, functions in cases(shape, from_logits):
                    print(f"\r{shape} {name} ...", end="", file=sys.stderr, flush=True)
                    result = ratios(functions, pairs=arguments.pairs)
                    print("\r" + " " * 60 + "\r", end="", file=sys.stderr, flush=True)
                    kind = "logits" if from_logits else "probabilities"
                    size = "x".join(map(str, shape))
                    seconds = result["seconds"] * 1e3
                    print(
                        f"| {size} | {kind} | {name} | {result['ours']:.2f} | {seconds:.3f} |",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
