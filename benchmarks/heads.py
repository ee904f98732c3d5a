"""A linear head of many labels: seconds and memory of a loss and its gradients.

    KERAS_BACKEND=jax python benchmarks/heads.py CONTENDER LABELS

measures one contender in this process; `python benchmarks/run.py heads` measures all of them, each
in a process of its own, since what was freed once is not taken from the system again. Memory is
all that data, parameters, their gradients and the computation take at most.
"""

import gc
import os
import pathlib
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import ops
from memory import kilobytes

import keras_bce

BACKEND = keras.config.backend()
ROWS, WIDTH, POSITIVES = 256, 64, 20
SIZES = (10**3, 10**4, 10**5, 10**6)
#: Bytes a logit that a dense contender may need; with less memory free it is skipped.
DENSE_BYTES = 48


def ours(y, features, kernel, bias):
    return ops.mean(keras_bce.losses.linear_binary_crossentropy(y, features, kernel, bias))


def ours_positives(y, features, kernel, bias):
    losses = keras_bce.losses.linear_binary_crossentropy(None, features, kernel, bias, positives=y)
    return ops.mean(losses)


def keras_dense(y, features, kernel, bias):
    logits = ops.matmul(features, kernel) + bias
    return keras.losses.BinaryCrossentropy(from_logits=True)(y, logits)


def torch_dense(y, features, kernel, bias):
    import torch

    logits = torch.nn.functional.linear(features, kernel.T, bias)
    return torch.nn.functional.binary_cross_entropy_with_logits(logits, y)


OURS = {"positives": ours_positives, "dense labels": ours}
LOSSES = {
    **OURS,
    "keras": keras_dense,
    **({"torch": torch_dense} if BACKEND == "torch" else {}),
}


def data(positives, labels, rows=ROWS):
    """Labels, of which 20 in each row are 1, features, kernel and bias."""
    generator = np.random.default_rng(0)
    features = generator.standard_normal((rows, WIDTH), "float32")
    kernel = 0.1 * generator.standard_normal((WIDTH, labels), "float32")
    places = np.stack([generator.choice(labels, POSITIVES, replace=False) for _ in range(rows)])
    if positives:
        y = places.astype("int32")
    else:
        y = np.zeros((rows, labels), "float32")
        np.put_along_axis(y, places, 1.0, 1)
    given = (y, features, kernel, np.full(labels, -3.0, "float32"))
    return tuple(map(ops.convert_to_tensor, given))


def step(loss):
    """A function that gives the loss and the gradients of features, kernel and bias."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        @tf.function(autograph=False)
        def run(y, *inputs):
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                value = loss(y, *inputs)
            return value, tape.gradient(value, inputs)

        return run
    if BACKEND == "jax":
        import jax

        compiled = jax.jit(jax.value_and_grad(loss, argnums=(1, 2, 3)))
        return lambda *given: jax.block_until_ready(compiled(*given))

    def run(y, *inputs):
        inputs = [x.detach().requires_grad_() for x in inputs]
        value = loss(y, *inputs)
        value.backward()
        return value.detach(), [x.grad for x in inputs]

    return run


def products(_, features, kernel, bias):
    """The matrix products of the forward and the backward pass, without the loss between them."""
    logits = ops.matmul(features, kernel)
    return ops.matmul(logits, ops.transpose(kernel)), ops.matmul(ops.transpose(features), logits)


def seconds(run, given, repeat=7):
    def once():
        start = time.perf_counter()
        result = run(*given)
        float(ops.convert_to_numpy(ops.ravel(result[0])[0]))
        return time.perf_counter() - start

    once()
    return min(once() for _ in range(repeat))  # The least, since other processes may slow a run.


def measure(name, labels):
    """MiB and seconds of one contender."""
    if name == "floor":
        given = data(True, labels)
        if BACKEND == "tensorflow":
            import tensorflow as tf

            run = tf.function(products, autograph=False)
        elif BACKEND == "jax":
            import jax

            run = jax.jit(products)
        else:
            run = products
        return (ROWS * labels + 2 * WIDTH * labels) * 4 / 2**20, seconds(run, given)
    run, positives = step(LOSSES[name]), name == "positives"
    run(*data(positives, 100, 8))  # Allocations that happen once do not count.
    gc.collect()
    before = kilobytes("VmRSS")
    given = data(positives, labels)
    gc.collect()
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # Resets the peak.
    result = run(*given)
    mebibytes = (kilobytes("VmHWM") - before) / 1024
    del result
    return mebibytes, seconds(run, given)


def heads(_):
    """Loss and gradients of a linear head: 256 rows of width 64, 20 positive labels each.

    The floor is the three matrix products; in memory the kernel, its gradient and dense labels.
    """
    for labels in SIZES:
        found = {}
        for name in [*LOSSES, "floor"]:
            needs = ROWS * labels * DENSE_BYTES / 1024
            if name in ("keras", "torch") and needs > kilobytes("MemAvailable", "/proc/meminfo"):
                continue
            command = [sys.executable, __file__, name, str(labels)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found[name] = tuple(map(float, done.stdout.split(",")))
        for ours in OURS:
            mebibytes, seconds = found[ours]
            others = {name: value for name, value in found.items() if name not in OURS}
            yield {
                "case": f"{labels:,} labels",
                "mode": ours,
                "ratios": {name: value[1] / seconds for name, value in others.items()},
                "seconds": seconds,
                "mebibytes": {"ours": mebibytes} | {name: v[0] for name, v in others.items()},
            }


if __name__ == "__main__":
    mebibytes, least = measure(sys.argv[1], int(sys.argv[2]))
    print(f"{mebibytes:.1f}, {least:.4g}")
