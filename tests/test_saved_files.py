"""Models that version 0.1.0 saved load with this version, and evaluate to the same numbers."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_bce

SAVED = Path(__file__).parent / "saved"
EXPECTED = json.loads((SAVED / "expected.json").read_text())
MODELS = EXPECTED["models"]

#: How far results may be from those recorded, by the dtype they were rounded to. Two numbers that
#: nearly agree may be rounded to neighbours, and these are an epsilon apart at most.
TOLERANCES = {"float32": 1e-5, "float16": float(np.finfo("float16").eps)}


def array(name):
    return np.array(EXPECTED["inputs"][name], "float32")


def labels(missing):
    """All labels, or those that are known among ones that are `missing`."""
    known = array("known").astype(bool)
    return array("labels") if missing is None else np.where(known, array("labels"), missing)


def assert_recorded(results, recorded):
    assert set(results) == {name for group in recorded.values() for name in group}
    for dtype, group in recorded.items():
        for name, value in group.items():
            assert results[name] == pytest.approx(value, rel=TOLERANCES[dtype], abs=0), name


def assert_has(config, saved):
    """Every argument as it was saved, in a configuration that may have more by now."""
    if isinstance(saved, dict):
        for name in saved:
            assert name in config
            assert_has(config[name], saved[name])
    elif isinstance(saved, list):
        assert len(config) == len(saved)
        for pair in zip(config, saved, strict=True):
            assert_has(*pair)
    elif isinstance(saved, float) and np.isnan(saved):
        assert np.isnan(config)
    else:
        assert (type(config), config) == (type(saved), saved)


def assert_is(thing, room, saved):
    assert type(thing) is getattr(room, saved["class"])
    assert_has(thing.get_config(), saved["config"])


def load(name):
    return keras.saving.load_model(SAVED / f"{name}.keras")


def test_every_file_is_tested():
    assert {path.stem for path in SAVED.glob("*.keras")} == set(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_a_saved_model_evaluates_to_the_recorded_numbers(name):
    saved = MODELS[name]
    results = load(name).evaluate(
        array("features"),
        labels(saved["missing"]),
        sample_weight=array("weights"),
        batch_size=len(array("weights")),
        verbose=0,
        return_dict=True,
    )
    assert_recorded(results, saved["results"])


@pytest.mark.parametrize("name", MODELS)
def test_a_saved_model_has_the_arguments_that_were_saved(name):
    model, saved = load(name), MODELS[name]
    assert_is(model.loss, keras_bce.losses, saved["loss"])
    compiled = model.get_compile_config()
    for argument in ("metrics", "weighted_metrics"):
        metrics = [keras.saving.deserialize_keras_object(m) for m in compiled[argument] or []]
        for metric, entry in zip(metrics, saved[argument], strict=True):
            assert_is(metric, keras_bce.metrics, entry)


@pytest.mark.parametrize("name", MODELS)
def test_a_saved_model_can_be_trained_further(name):
    model, saved = load(name), MODELS[name]
    before = [keras.ops.convert_to_numpy(v) for v in model.trainable_variables]
    model.fit(array("features"), labels(saved["missing"]), verbose=0)
    for variable, value in zip(model.trainable_variables, before, strict=True):
        after = keras.ops.convert_to_numpy(variable)
        assert np.isfinite(after).all()
        assert (after != value).any()
