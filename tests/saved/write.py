"""Writes the models in this directory, which version 0.1.0 of keras_bce saved.

Users have such files, and every later version must read them. They are not to be written anew
with later code; only 0.1.0 makes them, from a checkout of its commit in OLD, with the oldest
Keras that it runs with, as the files of newer ones do not load in older ones:

    git archive 3933111 | tar x -C OLD
    pip install --no-deps --target KERAS keras==3.10.0
    KERAS_BACKEND=tensorflow PYTHONPATH=OLD:OLD/tests:KERAS python tests/saved/write.py

Of each loss there is a model for each dtype of the result, and of each metric one with it in
`metrics` and `weighted_metrics`, all arguments off their defaults; one model has all defaults,
and one has missing labels that are NaN. `expected.json` holds what they are evaluated with, and
what 0.1.0 gave.
"""

import json
import pathlib

import keras
import numpy as np
from instances import LOSSES, METRICS

import keras_bce
from keras_bce import losses, metrics

HERE = pathlib.Path(__file__).parent
DTYPES = ("float16", "float32")
NAN = float("nan")


def data(samples=16):
    """Features, labels and weights with few digits, and which labels are known."""
    generator = np.random.default_rng(0)
    return {
        "features": generator.normal(0, 1.5, (samples, 2)).round(2).tolist(),
        "labels": generator.integers(0, 2, (samples, 3)).tolist(),
        "known": (generator.random((samples, 3)) < 0.8).tolist(),
        "weights": generator.uniform(0, 2, samples).round(2).tolist(),
    }


def labels(inputs, missing):
    """The labels, `missing` in the place of those that are not known, all of them if `None`."""
    y = np.array(inputs["labels"], "float32")
    return y if missing is None else np.where(inputs["known"], y, np.float32(missing))


def described(thing, arguments=None):
    """A loss or metric by its class and arguments."""
    config = thing.get_config()
    assert {**config, **(arguments or {})} == config, "an argument is not in the config"
    return {"class": type(thing).__name__, "config": config}


def by_dtype(results, dtypes):
    """Results sorted by the dtype that they were rounded to; the longest of `dtypes` names it."""
    found = {}
    for name, value in results.items():
        assert np.isfinite(value), name
        prefix = max((p for p in dtypes if name.startswith(p)), key=len)
        found.setdefault(dtypes[prefix], {})[name] = float(value)
    return found


def model_file(name, inputs, missing, loss, plain=(), weighted=(), activation=None):
    """Compiles, trains one step, saves, and returns what `expected.json` says of the file."""
    keras.utils.set_random_seed(0)
    kernel = keras.initializers.RandomNormal(stddev=1.5)
    dense = keras.layers.Dense(3, activation, kernel_initializer=kernel)
    model = keras.Sequential([keras.layers.Input((2,)), dense])
    model.compile("sgd", loss=loss, metrics=list(plain), weighted_metrics=list(weighted))
    x, w = (np.array(inputs[k], "float32") for k in ("features", "weights"))
    y = labels(inputs, missing)
    model.fit(x, y, sample_weight=w, batch_size=len(y), verbose=0)
    model.save(HERE / f"{name}.keras")
    results = model.evaluate(x, y, sample_weight=w, batch_size=len(y), verbose=0, return_dict=True)
    dtypes = {"loss": loss.dtype} | {m.name: m.dtype for m in (*plain, *weighted)}
    return {
        "missing": missing,
        "loss": described(loss),
        "metrics": [described(m) for m in plain],
        "weighted_metrics": [described(m) for m in weighted],
        "results": by_dtype(results, dtypes),
    }


def metric_pairs():
    """By kind, a function that makes a metric of a name and dtype with arguments off defaults."""

    def maker(cls, arguments):
        def make(name, dtype):
            metric = cls(**(arguments | {"name": name, "dtype": dtype}))
            described(metric, arguments | {"name": name, "dtype": dtype})
            return metric

        return make

    def from_logits(name, dtype):
        auc = keras.metrics.AUC(20, summation_method="majoring", name="auc", dtype=dtype)
        return metrics.FromLogits(auc, name=name)

    makers = {kind: maker(*entry) for kind, entry in METRICS.items()}
    return makers | {"from_logits": from_logits}


def models(inputs):
    """Writes all models."""
    found = {}
    for kind, (cls, arguments) in LOSSES.items():
        for dtype in DTYPES:
            loss = cls(**(arguments | {"dtype": dtype}))
            described(loss, arguments | {"dtype": dtype})
            name = f"loss_{kind}_{dtype}"
            found[name] = model_file(name, inputs, arguments["ignore_class"], loss)
    for kind, make in metric_pairs().items():
        # Keras's own metrics know of no missing labels, and lose digits in half precision.
        missing, dtypes = (None, DTYPES[1:]) if kind == "from_logits" else (-1.0, DTYPES)
        loss = losses.BinaryCrossentropy(from_logits=True, ignore_class=missing)
        plain = [make(f"plain_{dtype}", dtype) for dtype in dtypes]
        weighted = [make(f"weighted_{dtype}", dtype) for dtype in dtypes]
        name = f"metric_{kind}"
        found[name] = model_file(name, inputs, missing, loss, plain, weighted)
    found["defaults"] = model_file(
        "defaults",
        inputs,
        None,
        losses.BinaryCrossentropy(),
        [cls() for cls, _ in METRICS.values()],
        activation="sigmoid",
    )
    arguments = {"from_logits": True, "pos_weight": 2.0, "ignore_class": NAN}
    found["nan_is_missing"] = model_file(
        "nan_is_missing",
        inputs,
        NAN,
        losses.BinaryFocalCrossentropy(**arguments),
        weighted=[metrics.BinaryCrossentropy(**arguments)],
    )
    return found


def main():
    if keras_bce.__version__ != "0.1.0":
        raise SystemExit(f"Only 0.1.0 writes these files; this is {keras_bce.__version__}.")
    inputs = data()
    expected = {
        "written by": {
            "keras_bce": keras_bce.__version__,
            "keras": keras.__version__,
            "backend": keras.config.backend(),
        },
        "inputs": inputs,
        "models": models(inputs),
    }
    (HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
