"""Many labels, and many pairs: seconds and memory of a loss and its gradients.

    KERAS_BACKEND=jax python benchmarks/heads.py CONTENDER SIZE

measures one contender in this process; `python benchmarks/run.py heads pairwise` measures all, each
in a process of its own, since what was freed once is not taken from the system again. Memory is
all that data, parameters, their gradients and the computation take at most.
"""

import gc
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from contenders import BACKEND, TRAINING, finished, modes, value_and_gradient
from keras import ops
from memory import kilobytes, reset_peak
from timing import output

import keras_bce

ROWS, WIDTH, POSITIVES = 256, 64, 20
LABELS = (10**3, 10**4, 10**5, 10**6)
PAIRS = 8192
#: Bytes a logit that a dense contender may need; with less memory free it is skipped.
DENSE_BYTES = 48


def with_positives(y, features, kernel, bias):
    losses = keras_bce.losses.linear_binary_crossentropy(None, features, kernel, bias, positives=y)
    return ops.mean(losses)


def with_dense_labels(y, features, kernel, bias):
    return ops.mean(keras_bce.losses.linear_binary_crossentropy(y, features, kernel, bias))


def keras_dense(y, features, kernel, bias):
    logits = ops.matmul(features, kernel) + bias
    return keras.losses.BinaryCrossentropy(from_logits=True)(y, logits)


def torch_dense(y, features, kernel, bias):
    import torch

    logits = torch.nn.functional.linear(features, kernel.T, bias)
    return torch.nn.functional.binary_cross_entropy_with_logits(logits, y)


def products(_, features, kernel, bias):
    """The matrix products of the forward and the backward pass, without the loss between them."""
    logits = ops.matmul(features, kernel)
    return ops.matmul(logits, ops.transpose(kernel)), ops.matmul(ops.transpose(features), logits)


def pairs_in_chunks(_, a, b):
    return ops.mean(keras_bce.losses.pairwise_sigmoid_crossentropy(a, b, 10.0, -10.0))


def pairs_at_once(y, a, b):
    """With the logits of all pairs in memory."""
    logits = 10.0 * ops.matmul(a, ops.transpose(b)) - 10.0
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    return loss(y, logits) * ops.cast(ops.shape(a)[0], "float32")


OURS = {"positives": with_positives, "dense labels": with_dense_labels}
DENSE = {"keras": keras_dense, **({"torch": torch_dense} if BACKEND == "torch" else {})}
OF_PAIRS = {"in chunks": pairs_in_chunks, "at once": pairs_at_once}


def head_data(name, labels, rows=ROWS):
    """Labels, of which 20 in each row are 1, features, kernel and bias."""
    generator = np.random.default_rng(0)
    features = generator.standard_normal((rows, WIDTH), "float32")
    kernel = 0.1 * generator.standard_normal((WIDTH, labels), "float32")
    places = np.stack([generator.choice(labels, POSITIVES, replace=False) for _ in range(rows)])
    if name in ("positives", "floor"):
        y = places.astype("int32")
    else:
        y = np.zeros((rows, labels), "float32")
        np.put_along_axis(y, places, 1.0, 1)
    return y, features, kernel, np.full(labels, -3.0, "float32")


def pair_data(name, rows):
    """Embeddings of length 1, and for the dense way the identity matrix as labels."""
    generator = np.random.default_rng(0)
    a, b = generator.standard_normal((2, rows, WIDTH), "float32")
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    return np.eye(rows if name == "at once" else 1, dtype="float32"), a, b


def measure(name, size):
    """MiB and seconds of one contender; of "floor", the least that a dense head could take."""
    mode = TRAINING[BACKEND]
    if name in OF_PAIRS:
        made, small, run = pair_data, (100,), value_and_gradient(mode, OF_PAIRS[name], 2)
    else:
        made, small = head_data, (100, 8)
        losses = OURS | DENSE
        run = (
            modes()[mode](products)
            if name == "floor"
            else value_and_gradient(mode, losses[name], 3)
        )
    # Allocations that happen once do not count.
    finished(run(*map(ops.convert_to_tensor, made(name, *small))))
    gc.collect()
    before = kilobytes("VmRSS")
    given = tuple(map(ops.convert_to_tensor, made(name, size)))
    gc.collect()
    reset_peak()
    result = finished(run(*given))
    mebibytes = (kilobytes("VmHWM") - before) / 1024
    del result
    if name == "floor":  # The kernel, its gradient, and float32 labels.
        mebibytes = (ROWS * size + 2 * WIDTH * size) * 4 / 2**20
    return mebibytes, least_seconds(lambda: finished(run(*given)))


def least_seconds(function):
    """The least of seven runs, or of three long ones: other processes may slow down a run."""
    took = []
    while len(took) < (7 if min(took, default=0) < 1 else 3):
        start = time.perf_counter()
        function()
        took.append(time.perf_counter() - start)
    return min(took)


def measured(name, size):
    """MiB and seconds of one contender, measured in a process of its own."""
    found = output([sys.executable, __file__, name, str(size)])
    return tuple(map(float, found.split(",")))


def heads(_):
    """Loss and gradients of a linear head: 256 rows of width 64, 20 positive labels each.

    The floor is the three matrix products; in memory the kernel, its gradient and dense labels.
    """
    for labels in LABELS:
        needs = ROWS * labels * DENSE_BYTES / 1024
        fits = needs < kilobytes("MemAvailable", "/proc/meminfo")
        others = {name: measured(name, labels) for name in (*(DENSE if fits else ()), "floor")}
        for name in OURS:
            yield row(f"{labels:,} labels", name, measured(name, labels), others)


def pairwise(_):
    """The loss of 8192 pairs of width 64 and its gradients, in chunks and at once."""
    others = {"at once": measured("at once", PAIRS)}
    yield row(f"{PAIRS:,} pairs", "in chunks", measured("in chunks", PAIRS), others)


def row(case, mode, ours, others):
    return {
        "case": case,
        "mode": mode,
        "ratios": {name: value[1] / ours[1] for name, value in others.items()},
        "seconds": ours[1],
        "mebibytes": {"ours": ours[0]} | {name: value[0] for name, value in others.items()},
    }


if __name__ == "__main__":
    mebibytes, least = measure(sys.argv[1], int(sys.argv[2]))
    print(f"{mebibytes:.1f}, {least:.4g}")
