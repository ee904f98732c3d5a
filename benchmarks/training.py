"""Training with Keras's pair and with ours: the first step in a fresh process, and whole epochs.

    KERAS_BACKEND=jax python benchmarks/training.py ours small logits

prints what the first step of `fit` takes, as JSON.
"""

import gc
import json
import sys
import time

import keras
import numpy as np

import keras_bce

LIBRARIES = {"ours": keras_bce, "keras": keras}

#: Inputs, hidden units, labels, rows of a batch, batches of an epoch.
SIZES = {"small": (20, 64, 1, 32, 100), "wide": (64, 0, 2000, 256, 10)}


class Counted(keras.layers.Layer):
    """An identity layer that counts its calls: compiled, there is one for each trace."""

    runs = 0

    def call(self, inputs):
        Counted.runs += 1
        return inputs


def made(library, size, predictions, **compile_arguments):
    """A compiled model with the loss and the metric of a library, and its data."""
    inputs, hidden, labels, rows, batches = SIZES[size]
    generator = np.random.default_rng(0)
    x = generator.normal(size=(rows * batches, inputs)).astype("float32")
    y = (generator.random((rows * batches, labels)) < 0.5).astype("float32")
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(hidden, "relu")] if hidden else []
    activation = None if predictions == "logits" else "sigmoid"
    model = keras.Sequential(
        [keras.Input((inputs,)), Counted(), *layers, keras.layers.Dense(labels, activation)]
    )
    arguments = {"from_logits": predictions == "logits"}
    start = time.perf_counter()
    model.compile(
        "sgd",
        loss=library.losses.BinaryCrossentropy(**arguments),
        metrics=[library.metrics.BinaryCrossentropy(**arguments)],
        **compile_arguments,
    )
    return model, x, y, start


def first_step(name, size, predictions):
    """Seconds from `compile()` to the end of the first step of `fit`, and what was compiled."""
    counts = _count_compilations()
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).predict(np.ones((4, 3)), verbose=0)
    gc.collect()
    gc.freeze()  # Otherwise a garbage collection may fall into one of the times only.
    model, x, y, start = made(LIBRARIES[name], size, predictions)
    rows = SIZES[size][3]
    before, Counted.runs = dict(counts), 0
    model.fit(x[:rows], y[:rows], batch_size=rows, epochs=1, verbose=0)
    took = {"seconds": time.perf_counter() - start, "runs of the model's Python": Counted.runs}
    return took | {key: counts[key] - before.get(key, 0) for key in counts}


def _count_compilations():
    """Starts to count the traces and compilations of JAX, and their seconds."""
    counts = {}
    if keras.config.backend() == "jax":
        import jax

        def listen(event, duration, **_):
            for name, key in (("jaxpr_trace", "traces"), ("backend_compile", "compilations")):
                if name in event:
                    counts[key] = counts.get(key, 0) + 1
                    counts[f"seconds of {key}"] = counts.get(f"seconds of {key}", 0.0) + duration

        jax.monitoring.register_event_duration_secs_listener(listen)
    return counts


def epochs(size, predictions, run_eagerly):
    """For `fit` and `evaluate`, functions that run an epoch, by contender."""
    models = {
        name: made(library, size, predictions, run_eagerly=run_eagerly)
        for name, library in LIBRARIES.items()
    }
    rows = SIZES[size][3]
    for what in ("fit", "evaluate"):
        yield (
            what,
            {
                name: lambda m=m, x=x, y=y, what=what: getattr(m, what)(
                    x, y, batch_size=rows, verbose=0
                )
                for name, (m, x, y, _) in models.items()
            },
        )


if __name__ == "__main__":
    print(json.dumps(first_step(*sys.argv[1:])))
