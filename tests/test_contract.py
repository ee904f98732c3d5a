"""What every loss and every metric keeps, with every argument off its default."""

import copy
import inspect
import json
import pickle
import re

import keras
import numpy as np
import pytest
from support.differentiation import compiled, tensor, tensors_are_unchecked, to_numpy
from support.instances import (
    FUNCTIONS,
    LOSSES,
    METRICS,
    batch,
    fed,
    given,
    given_more,
    in_float32,
    numbers,
    plain,
)

import keras_bce
from keras_bce import losses, metrics

METRICS = METRICS | given_more()
ALL = {f"loss-{k}": v for k, v in LOSSES.items()} | {f"metric-{k}": v for k, v in METRICS.items()}


def feed(metric, parts=1, start=0):
    for seed in range(start, start + parts):
        args, kwargs = given(metric, *batch(seed))
        metric.update_state(*args, **kwargs)
    return metric


@pytest.mark.parametrize(("cls", "arguments"), ALL.values(), ids=ALL)
def test_every_argument_is_off_its_default(cls, arguments):
    parameters = inspect.signature(cls).parameters
    assert set(arguments) == set(parameters)
    for name, value in arguments.items():
        assert value != parameters[name].default, name


@pytest.mark.parametrize(("cls", "arguments"), ALL.values(), ids=ALL)
def test_config_comes_back_equal(cls, arguments):
    config = cls(**arguments).get_config()
    assert {**config, **plain(arguments)} == config
    assert cls.from_config(json.loads(json.dumps(config))).get_config() == config
    parameters = inspect.signature(cls).parameters.values()
    needed = {p.name for p in parameters if p.default is p.empty}
    default = cls(**{name: arguments[name] for name in needed})
    revived = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(default))
    assert type(revived) is cls
    assert revived.get_config() == default.get_config()


@pytest.mark.parametrize(("cls", "arguments"), ALL.values(), ids=ALL)
def test_weights_may_be_given_as_arrays_and_numbers(cls, arguments):
    if "pos_weight" not in arguments:
        pytest.skip("takes no weights of labels")
    as_arrays = {k: np.array(arguments[k], "float32") for k in ("pos_weight", "label_weights")}
    as_tuples = {k: tuple(arguments[k]) for k in as_arrays}
    expected = cls(**arguments).get_config()
    assert cls(**(arguments | as_arrays)).get_config() == expected
    assert cls(**(arguments | as_tuples)).get_config() == expected
    as_number = cls(**(arguments | {"pos_weight": np.float32(2)})).get_config()
    assert type(as_number["pos_weight"]) is float


@pytest.mark.parametrize(("cls", "arguments"), ALL.values(), ids=ALL)
def test_it_is_registered_under_a_package_of_its_own(cls, arguments):
    room = cls.__module__
    assert keras.saving.get_registered_name(cls) == f"{room}>{cls.__name__}"


@pytest.mark.parametrize(("cls", "arguments"), LOSSES.values(), ids=LOSSES)
def test_a_loss_survives_pickling(cls, arguments):
    loss = cls(**arguments)
    for revived in (pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss)):
        assert revived.get_config() == loss.get_config()
        assert to_numpy(revived(*batch())) == to_numpy(loss(*batch()))


@pytest.mark.parametrize("kind", LOSSES)
def test_the_function_is_the_unreduced_loss(kind):
    cls, arguments = LOSSES[kind]
    own = set(inspect.signature(FUNCTIONS[kind]).parameters)
    y, x = batch()
    call = FUNCTIONS[kind](y, x, **{k: v for k, v in arguments.items() if k in own})
    loss = cls(**(arguments | {"reduction": None, "dtype": "float32"}))
    np.testing.assert_array_equal(to_numpy(call), to_numpy(loss(y, x)))
    np.testing.assert_array_equal(to_numpy(call), to_numpy(loss.call(y, x)))


@pytest.mark.parametrize(("cls", "arguments"), LOSSES.values(), ids=LOSSES)
def test_compiled_and_eager_agree(cls, arguments):
    loss = cls(**(arguments | {"dtype": "float32"}))
    y, x = map(tensor, batch())
    weights = tensor(np.arange(16))
    eager = to_numpy(loss(y, x, weights))
    for xla in (False, True):
        assert to_numpy(compiled(loss, xla)(y, x, weights)) == pytest.approx(eager, rel=1e-5)


@pytest.mark.parametrize(("cls", "arguments"), LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("from_logits", [True, False])
def test_loss_and_metric_agree(cls, arguments, from_logits):
    if cls is not keras_bce.losses.BinaryCrossentropy:
        pytest.skip("has no metric")
    shared = {k: v for k, v in arguments.items() if k not in ("reduction", "name", "dtype")}
    shared["from_logits"] = from_logits
    y, x = batch(from_logits=from_logits)
    y[3, 1] = y[5] = -1.0
    weights = np.linspace(0, 2, 16)
    loss = cls(reduction="mean_with_sample_weight", **shared)(y, x, weights)
    metric = keras_bce.metrics.BinaryCrossentropy(**shared)(y, x, weights)
    assert float(to_numpy(metric)) == pytest.approx(float(to_numpy(loss)), rel=2e-7)


@pytest.mark.parametrize(("cls", "arguments"), METRICS.values(), ids=METRICS)
def test_result_is_idempotent_and_reset_forgets(cls, arguments):
    metric = cls(**arguments)
    unfed = numbers(metric.result())
    first = numbers(feed(metric).result())
    assert numbers(metric.result()) == first
    for reset in (metric.reset_state, metric.reset_states):
        reset()
        np.testing.assert_equal(numbers(metric.result()), unfed)
        assert numbers(feed(metric).result()) == first


@pytest.mark.parametrize(("cls", "arguments"), METRICS.values(), ids=METRICS)
def test_merging_equals_a_single_pass(cls, arguments):
    arguments = in_float32(arguments)
    single = numbers(feed(cls(**arguments), parts=4).result())
    workers = [feed(cls(**arguments), start=i) for i in range(4)]
    workers = pickle.loads(pickle.dumps(workers))
    total = cls(**arguments)
    total.merge_state(workers)
    assert numbers(total.result()) == pytest.approx(single, rel=1e-6)


@pytest.mark.parametrize(("cls", "arguments"), METRICS.values(), ids=METRICS)
def test_copies_keep_the_state_and_live_on_their_own(cls, arguments):
    metric = feed(cls(**arguments))
    seen = numbers(metric.result())
    for copied in (pickle.loads(pickle.dumps(metric)), copy.copy(metric), copy.deepcopy(metric)):
        assert copied.get_config() == metric.get_config()
        assert numbers(copied.result()) == seen
        copied.reset_state()
        assert numbers(metric.result()) == seen


@pytest.mark.parametrize(("cls", "arguments"), METRICS.values(), ids=METRICS)
def test_merging_different_arguments_is_an_error(cls, arguments):
    other = {
        metrics.MeanLoss: {"loss": losses.BinaryCrossentropy()},
        metrics.LossDifference: {"loss": None, "from_logits": False},
        metrics.Sliced: {"slice_names": ["first"]},
    }.get(cls, {"from_logits": False})
    name, value = next(iter(plain(other).items()))
    had = plain(arguments)[name]
    with pytest.raises(ValueError, match=re.escape(f"{name}={value!r} where this has {had!r}")):
        cls(**arguments).merge_state([cls(**(arguments | other))])
    with pytest.raises(ValueError, match="Received: a Mean"):
        cls(**arguments).merge_state([keras.metrics.Mean()])


@pytest.mark.parametrize(("cls", "arguments"), METRICS.values(), ids=METRICS)
def test_the_stateless_trio_equals_the_stateful(cls, arguments):
    metric = cls(**arguments)
    state = metric.stateless_reset_state()
    for seed in range(2):
        args, kwargs = given(metric, *map(tensor, batch(seed)))
        state = metric.stateless_update_state(state, *args, **kwargs)
    stateless = numbers(metric.stateless_result(state))
    np.testing.assert_equal(numbers(metric.result()), numbers(cls(**arguments).result()))
    assert stateless == pytest.approx(numbers(feed(metric, parts=2).result()), rel=1e-6)


@pytest.mark.parametrize(("cls", "arguments"), METRICS.values(), ids=METRICS)
def test_missing_labels_masks_and_zero_weights_are_three_ways_to_leave_out(cls, arguments):
    arguments = in_float32(arguments)
    y, x = batch()
    out = np.arange(16) % 3 == 0
    kept = fed(cls(**arguments), y[~out], x[~out])
    ruined = np.where(out[:, None], np.nan, x).astype("float32")
    weighted = fed(cls(**arguments), y, ruined, np.where(out, 0.0, 1.0))
    missing = fed(cls(**arguments), np.where(out[:, None], -1, y), ruined)
    assert weighted == pytest.approx(kept, rel=1e-6)
    assert missing == pytest.approx(kept, rel=1e-6)


@tensors_are_unchecked
@pytest.mark.parametrize(("cls", "arguments"), METRICS.values(), ids=METRICS)
def test_an_impossible_label_in_a_tensor_makes_the_metric_nan(cls, arguments):
    y, x = batch()
    y[2, 1] = 2.0
    assert np.isnan(list(fed(cls(**arguments), tensor(y), tensor(x)).values())).any()


@pytest.mark.parametrize("from_logits", [True, False], ids=["logits", "probabilities"])
@pytest.mark.parametrize("kind", FUNCTIONS)
def test_functions_take_float64(kind, from_logits):
    y, x = batch(from_logits=from_logits)
    expected = to_numpy(FUNCTIONS[kind](tensor(y), tensor(x), from_logits=from_logits))
    given = FUNCTIONS[kind](tensor(y, "float64"), tensor(x, "float64"), from_logits=from_logits)
    # JAX has float64 only if it is set up to.
    assert keras.backend.standardize_dtype(given.dtype) in ("float32", "float64")
    np.testing.assert_allclose(to_numpy(given), expected, rtol=1e-5, atol=1e-7)
