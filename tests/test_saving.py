"""Models that are saved with our pair load with it, on every backend."""

import functools
import pickle
from pathlib import Path

import keras
import numpy as np
import pytest
from support.differentiation import BACKEND
from support.instances import FUNCTIONS, LOSSES, METRICS, batch
from support.processes import Call, in_processes, is_installed


def saved_model(path, loss, metrics, jit_compile="auto"):
    _, x = batch()
    model = keras.Sequential([keras.layers.Input((16,)), keras.layers.Dense(3, use_bias=False)])
    model.layers[0].kernel.assign(x)
    model.compile("sgd", loss=loss, metrics=metrics, jit_compile=jit_compile)
    y, _ = batch()
    model.fit(np.eye(16, dtype="float32"), y, verbose=0, shuffle=False)
    model.save(path)
    return model.evaluate(np.eye(16, dtype="float32"), y, verbose=0, return_dict=True)


def states(metrics):
    return [keras.ops.convert_to_numpy(metric.variables[0]) for metric in metrics]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """With a model, unless no model can be trained here, and with metrics that saw a batch."""
    folder = tmp_path_factory.mktemp("saved")
    expected = {}
    if BACKEND != "numpy":
        cls, arguments = LOSSES["focal"]
        loss = cls(**(arguments | {"dtype": "float32"}))
        metric, metric_arguments = METRICS["bce"]
        metric = metric(**(metric_arguments | {"dtype": "float32"}))
        # What JAX saves as compiled, torch would compile as well, and that takes long.
        expected["results"] = saved_model(folder / "model.keras", loss, [metric], jit_compile=False)
        expected["config"] = repr(loss.get_config())
    metrics = [cls(**arguments) for cls, arguments in METRICS.values()]
    for metric in metrics:
        metric.update_state(*batch())
    (folder / "metrics.pickle").write_bytes(pickle.dumps(metrics))
    expected["states"] = states(metrics)
    return folder, expected


def loaded(folder):
    """What the files of the folder give: the same as where they were written."""
    given = {}
    path = Path(folder) / "model.keras"
    if path.exists():
        model = keras.saving.load_model(path)
        given["config"] = repr(model.loss.get_config())
        inputs = np.eye(16, dtype="float32"), batch()[0]
        given["results"] = model.evaluate(*inputs, verbose=0, return_dict=True)
    given["states"] = states(pickle.loads((Path(folder) / "metrics.pickle").read_bytes()))
    return given


@pytest.fixture(scope="module")
def loaded_on(folder):
    """What was written, and what a process on another backend gives: one process a backend."""
    path, expected = folder

    @functools.cache
    def given(backend):
        call = Call(loaded, (str(path),), {"KERAS_BACKEND": backend})
        (result,) = in_processes(path / backend, call)
        return result

    def both(backend):
        if not is_installed(backend):
            pytest.skip(f"{backend} is not installed")
        return expected, given(backend)

    return both


@pytest.mark.skipif(BACKEND == "numpy", reason="NumPy has no `fit`")
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_a_model_saved_here_loads_on_every_backend(loaded_on, backend):
    expected, given = loaded_on(backend)
    assert given["config"] == expected["config"]
    assert set(expected["results"]) == {"loss", "named", "named_a", "named_b", "named_c"}
    assert given["results"] == pytest.approx(expected["results"], rel=1e-5)


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


def test_pickles_cross_backends(loaded_on):
    """What a worker on one backend has seen, another adds up."""
    expected, given = loaded_on("torch" if BACKEND != "torch" else "jax")
    for state, other in zip(expected["states"], given["states"], strict=True):
        np.testing.assert_array_equal(other, state)
