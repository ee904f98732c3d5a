"""Models that are saved with our pair load with it, on every backend."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from support.differentiation import BACKEND
from support.instances import FUNCTIONS, LOSSES, METRICS, batch

TESTS = Path(__file__).parent

LOAD = """
import sys
import keras, numpy as np
import keras_bce
from support.instances import batch

model = keras.saving.load_model(sys.argv[1])
y, _ = batch()
results = model.evaluate(np.eye(16, dtype="float32"), y, verbose=0, return_dict=True)
np.savez(sys.argv[2], config=repr(model.loss.get_config()), **results)
"""


def saved_model(path, loss, metrics):
    _, x = batch()
    model = keras.Sequential([keras.layers.Input((16,)), keras.layers.Dense(3, use_bias=False)])
    model.layers[0].kernel.assign(x)
    model.compile("sgd", loss=loss, metrics=metrics)
    y, _ = batch()
    model.fit(np.eye(16, dtype="float32"), y, verbose=0, shuffle=False)
    model.save(path)
    return model.evaluate(np.eye(16, dtype="float32"), y, verbose=0, return_dict=True)


def in_a_new_process(path, backend, output):
    try:
        __import__(backend)
    except ImportError:
        pytest.skip(f"{backend} is not installed")
    environment = os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": str(TESTS)}
    subprocess.run(
        [sys.executable, "-c", LOAD, path, output], env=environment, check=True, capture_output=True
    )
    return np.load(output)


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_a_model_saved_here_loads_on_every_backend(tmp_path, backend):
    cls, arguments = LOSSES["focal"]
    loss = cls(**(arguments | {"dtype": "float32"}))
    metric, metric_arguments = METRICS["bce"]
    metric = metric(**(metric_arguments | {"dtype": "float32"}))
    path = tmp_path / "model.keras"
    expected = saved_model(path, loss, [metric])
    loaded = in_a_new_process(path, backend, tmp_path / "out.npz")
    assert str(loaded["config"]) == repr(loss.get_config())
    assert set(expected) == {"loss", "named", "named_a", "named_b", "named_c"}
    for name, value in expected.items():
        assert float(loaded[name]) == pytest.approx(value, rel=1e-5), name


@pytest.mark.parametrize("kind", LOSSES)
def test_a_keras_file_keeps_every_argument(tmp_path, kind):
    cls, arguments = LOSSES[kind]
    loss = cls(**(arguments | {"dtype": "float32", "axis": -1}))
    metrics = [cls(**(a | {"name": f"metric_{kind}"})) for kind, (cls, a) in METRICS.items()]
    saved_model(tmp_path / "model.keras", loss, metrics)
    model = keras.saving.load_model(tmp_path / "model.keras")
    assert type(model.loss) is cls
    assert model.loss.get_config() == loss.get_config()
    model.evaluate(np.eye(16, dtype="float32"), batch()[0], verbose=0)
    compiled = {m.name: m for m in model.metrics[1].metrics}
    for metric in metrics:
        assert compiled[metric.name].get_config() == metric.get_config()


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_function_as_loss_is_not_taken_for_that_of_keras(tmp_path, function):
    path = tmp_path / "model.keras"
    saved_model(path, function, [])
    assert keras.saving.load_model(path).loss is function


def test_pickles_cross_backends(tmp_path):
    """What a worker on one backend has seen, another adds up."""
    script = """
import pickle, sys
import keras, numpy as np
import keras_bce
from support.instances import METRICS, batch

metrics = pickle.load(open(sys.argv[1], "rb"))
np.save(sys.argv[2], np.concatenate([np.ravel(m.variables[0]) for m in metrics]))
"""
    import pickle

    metrics = [cls(**arguments) for cls, arguments in METRICS.values()]
    for metric in metrics:
        metric.update_state(*batch())
    (tmp_path / "metrics.pickle").write_bytes(pickle.dumps(metrics))
    other = "torch" if BACKEND != "torch" else "jax"
    pytest.importorskip(other)
    environment = os.environ | {"KERAS_BACKEND": other, "PYTHONPATH": str(TESTS)}
    arguments = [str(tmp_path / "metrics.pickle"), str(tmp_path / "states.npy")]
    subprocess.run([sys.executable, "-c", script, *arguments], env=environment, check=True)
    states = np.concatenate(
        [np.ravel(keras.ops.convert_to_numpy(metric.variables[0])) for metric in metrics]
    )
    np.testing.assert_array_equal(np.load(tmp_path / "states.npy"), states)
