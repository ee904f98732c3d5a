"""One small training, whose every number must be the same however it is distributed."""

import keras
import numpy as np
import pytest

import keras_bce
from support.instances import METRICS, batch

SAMPLES = 64


def data():
    y, _ = batch(0, SAMPLES, 3)
    return np.random.default_rng(1).normal(size=(SAMPLES, 5)).astype("float32"), y


def evaluated():
    """Two epochs of training, an evaluation, and how sure its numbers are."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.layers.Input((5,)), keras.layers.Dense(3)])
    metrics = [
        cls(**{k: v for k, v in arguments.items() if k not in ("name", "dtype")})
        for cls, arguments in METRICS.values()
    ]
    model.compile(
        keras.optimizers.SGD(0.5),
        loss=keras_bce.losses.BinaryCrossentropy(True, pos_weight=[2.0, 0.5, 1.0], ignore_class=-1),
        weighted_metrics=metrics,
    )
    x, y = data()
    weights = np.linspace(0.5, 1.5, SAMPLES).astype("float32")
    model.fit(x, y, sample_weight=weights, epochs=2, batch_size=16, verbose=0, shuffle=False)
    results = model.evaluate(
        x, y, sample_weight=weights, batch_size=16, verbose=0, return_dict=True
    )
    for metric in metrics:
        if hasattr(metric, "standard_error"):
            errors = metric.standard_error()
            errors = errors if isinstance(errors, dict) else {metric.name: errors}
            results |= {f"standard error of {name}": error for name, error in errors.items()}
    return results


def close(left, right):
    assert set(left) == set(right)
    for name in left:
        assert left[name] == pytest.approx(right[name], rel=1e-6, abs=1e-7), name
