"""Each slice of a metric is the metric of that slice's samples, on every way to feed it."""

import copy
import json
import pickle

import keras
import numpy as np
import pytest
from support.differentiation import compiled, masked, number, tensor, tensors_are_unchecked
from support.instances import batch

from keras_bce import losses, metrics

NAMES = ["north", "south", "empty", "west"]
FOCAL = losses.BinaryFocalCrossentropy(from_logits=True, ignore_class=-1)
SHARED = {"from_logits": True, "ignore_class": -1}
METRICS = {
    "bce": lambda: metrics.BinaryCrossentropy(uncertainty=True, **SHARED),
    "bce without": lambda: metrics.BinaryCrossentropy(**SHARED),
    "bce by label": lambda: metrics.BinaryCrossentropy(
        label_names=["a", "b", "c"], uncertainty=True, **SHARED
    ),
    "normalized_entropy": lambda: metrics.NormalizedEntropy(uncertainty=True, **SHARED),
    "calibration_ratio": lambda: metrics.CalibrationRatio(uncertainty=True, **SHARED),
    "calibration_error": lambda: metrics.ExpectedCalibrationError(num_bins=5, **SHARED),
    "mean_loss": lambda: metrics.MeanLoss(FOCAL),
    "brier_score": lambda: metrics.BrierScore(**SHARED),
    "loss_difference": lambda: metrics.LossDifference(FOCAL),
}


def data(samples=240):
    """Labels, of which some are missing, predictions, weights of which some are 0, and slices."""
    y, x = batch(1, samples, 3)
    y[::7, 1] = y[5] = -1
    generator = np.random.default_rng(2)
    weights = generator.integers(0, 3, samples).astype("float32")
    return y, x, weights, generator.choice([0, 1, 3], samples)


def predictions(metric, x):
    """What the metric takes as `y_pred`."""
    return (x, 0.9 * x) if isinstance(metric, metrics.LossDifference) else x


def flat(result):
    """A nested dictionary of results as one list of floats."""
    return np.ravel([float(number(x)) for x in keras.tree.flatten(result)])


@pytest.mark.parametrize("mode", ["host", "eager", "compiled", "xla"])
@pytest.mark.parametrize("make", METRICS.values(), ids=METRICS)
def test_each_slice_is_what_the_metric_gives_of_its_samples(make, mode):
    y, x, weights, slices = data()
    sliced = metrics.Sliced(make(), NAMES)
    given = [y, predictions(sliced.metric, x), weights, slices]
    if mode == "host":
        sliced.update_state(*given[:3], slices=given[3])
    else:
        given = keras.tree.map_structure(lambda a: tensor(a, a.dtype.name), given)
        if mode == "eager":
            sliced.update_state(*given[:3], slices=given[3])
        else:

            def update(state, y, x, w, s):
                return sliced.stateless_update_state(state, y, x, w, slices=s)

            state = [v.value for v in sliced.variables]
            state = compiled(update, xla=mode == "xla")(state, *given)
            sliced.variables[0].assign(state[0])
    result = sliced.result()
    assert list(result) == NAMES
    for i, name in enumerate(NAMES):
        rows, metric = slices == i, make()
        if rows.any():
            metric.update_state(y[rows], predictions(metric, x[rows]), weights[rows])
        np.testing.assert_allclose(flat(result[name]), flat(metric.result()), rtol=2e-6)
        np.testing.assert_allclose(flat(sliced.of(name).result()), flat(metric.result()), rtol=2e-6)
        if getattr(metric, "uncertainty", False):
            errors = flat(sliced.standard_error()[name])
            np.testing.assert_allclose(errors, flat(metric.standard_error()), rtol=1e-5)
            bounds = flat(sliced.interval(0.8)[name])
            np.testing.assert_allclose(bounds, flat(metric.interval(0.8)), rtol=1e-5)


def test_the_bins_of_a_slice_can_be_drawn():
    y, x, _, slices = data()
    sliced = metrics.Sliced(METRICS["calibration_error"](), NAMES)
    sliced.update_state(y, x, slices=slices)
    single = METRICS["calibration_error"]()
    single.update_state(y[slices == 3], x[slices == 3])
    for name, values in single.bins().items():
        np.testing.assert_allclose(sliced.of("west").bins()[name], values, rtol=1e-6)
    with pytest.raises(ValueError, match="`slice_name` must be one of 'north', 'south', 'empty'"):
        sliced.of("east")


@pytest.mark.parametrize("make", METRICS.values(), ids=METRICS)
def test_parts_merge_and_pickle(make):
    y, x, weights, slices = data()
    single = metrics.Sliced(make(), NAMES, "named")
    single.update_state(y, predictions(single.metric, x), weights, slices=slices)
    workers = []
    for rows in np.array_split(np.arange(len(y)), 3):
        workers.append(metrics.Sliced(make(), NAMES, "named"))
        given = y[rows], predictions(single.metric, x[rows]), weights[rows]
        workers[-1].update_state(*given, slices=slices[rows])
    first, *others = pickle.loads(pickle.dumps(workers))
    first.merge_state(others)
    np.testing.assert_allclose(flat(first.result()), flat(single.result()), rtol=1e-6)
    copied = copy.deepcopy(first)
    copied.reset_state()
    assert flat(first.result()).tolist() != flat(copied.result()).tolist()
    with pytest.raises(ValueError, match="slice_names="):
        first.merge_state([metrics.Sliced(make(), NAMES[1:])])


def test_what_the_metric_saw_before_is_not_part_of_a_slice():
    metric = METRICS["bce"]()
    metric.update_state([1], [5.0])
    sliced = metrics.Sliced(metric, ["all"])
    assert len(sliced.variables) == 1
    sliced.update_state([1], [0.0], slices=[0])
    assert number(sliced.result()["all"]) == pytest.approx(np.log(2))


@pytest.mark.parametrize("make", METRICS.values(), ids=METRICS)
def test_config_comes_back_equal(make):
    sliced = metrics.Sliced(make(), NAMES, "named")
    config = sliced.get_config()
    assert metrics.Sliced.from_config(json.loads(json.dumps(config))).get_config() == config


def test_results_come_in_the_order_of_the_names():
    """Compiled results of JAX come in the order of the alphabet."""
    metric = metrics.BinaryCrossentropy("m", label_names=["z", "a"])
    result = metrics.Sliced(metric, ["south", "north"]).result()
    assert {name: list(by_label) for name, by_label in result.items()} == {
        "south": ["m", "m_z", "m_a"],
        "north": ["m", "m_z", "m_a"],
    }
    assert list(result) == ["south", "north"]


@pytest.mark.skipif(keras.config.backend() != "jax", reason="the others compile no results")
def test_one_compilation_serves_all_slices():
    import jax

    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, *_, **__: compiled.append("backend_compile" in event)
    )
    sliced = metrics.Sliced(metrics.BrierScore(), [f"slice {i}" for i in range(37)])
    compiled.clear()
    sliced.result()
    assert 0 < sum(compiled) < 10


def test_one_number_is_the_slice_of_a_whole_batch():
    sliced = metrics.Sliced(metrics.BrierScore(), ["a", "b"])
    sliced.update_state([0, 1], [0.5, 1.0], slices=1)
    assert [number(x) for x in sliced.result().values()] == [0.0, 0.125]


def test_a_batch_of_none_changes_nothing():
    sliced = metrics.Sliced(metrics.BrierScore(), ["a", "b"])
    empty = np.zeros((0, 1), "float32")
    sliced.update_state(empty, empty, slices=np.zeros(0, "int32"))
    assert [number(x) for x in sliced.result().values()] == [0.0, 0.0]


def test_steps_of_a_sequence_have_slices_of_their_own():
    y, x = (a.reshape(4, 5, 3) for a in batch(0, 20, 3))
    slices = np.arange(20).reshape(4, 5) % 2
    sliced = metrics.Sliced(METRICS["bce"](), ["even", "odd"])
    sliced.update_state(y, x, slices=slices)
    for i, name in enumerate(sliced.slice_names):
        single = METRICS["bce"]()
        single.update_state(y[slices == i], x[slices == i])
        assert sliced.standard_error()[name] == pytest.approx(single.standard_error(), rel=1e-5)


@pytest.mark.parametrize("kind", ["bce", "normalized_entropy", "bce by label"])
def test_a_row_that_is_averaged_has_one_slice(kind):
    """Labels (N, T) with predictions (N, T, 1): a sample is the mean of a row."""
    y, x = batch(0, 20, 3)

    def make():
        arguments = {"label_names": ["a"]} if kind == "bce by label" else {}
        cls = metrics.NormalizedEntropy if "entropy" in kind else metrics.BinaryCrossentropy
        return cls(from_logits=True, uncertainty=True, **arguments)

    sliced, slices = metrics.Sliced(make(), ["even", "odd"]), np.arange(20) % 2
    sliced.update_state(y, x[..., None], slices=slices)
    for i, name in enumerate(sliced.slice_names):
        single = make()
        single.update_state(y[slices == i], x[slices == i][..., None])
        errors = flat(sliced.standard_error()[name])
        np.testing.assert_allclose(errors, flat(single.standard_error()), rtol=1e-5)
    with pytest.raises(ValueError, match="`slices` must have one number per sample"):
        sliced.update_state(y, x[..., None], slices=np.zeros((20, 3), int))


def test_masks_reach_the_slices():
    y, x, _, slices = data(60)
    mask = np.arange(60) % 3 != 1
    sliced, kept = (metrics.Sliced(METRICS["bce"](), NAMES) for _ in range(2))
    sliced.update_state(y, masked(tensor(x), mask), slices=slices)
    kept.update_state(y[mask], x[mask], slices=slices[mask])
    np.testing.assert_allclose(flat(sliced.interval()), flat(kept.interval()), rtol=1e-5)


def test_nearly_equal_losses_do_not_cancel_in_a_slice():
    x = np.random.default_rng(0).normal(0, 2e-4, (2**15, 1)).astype("float32")
    y, slices = np.ones_like(x), np.arange(2**15) % 2
    sliced = metrics.Sliced(METRICS["bce"](), ["even", "odd"])
    sliced.update_state(tensor(y), tensor(x), slices=tensor(slices, "int32"))
    n = np.log1p(np.exp(-x[::2].astype("float64")))
    expected = n.std(ddof=1) / np.sqrt(len(n))
    assert sliced.standard_error()["even"] == pytest.approx(expected, rel=5e-3)


@tensors_are_unchecked
@pytest.mark.parametrize("wrong", [-1, 4])
@pytest.mark.parametrize("make", METRICS.values(), ids=METRICS)
def test_a_slice_out_of_range_in_a_tensor_makes_every_result_nan(make, wrong):
    y, x, _, slices = data()
    slices[3] = wrong
    sliced = metrics.Sliced(make(), NAMES)
    given = keras.tree.map_structure(tensor, predictions(sliced.metric, x))
    sliced.update_state(tensor(y), given, slices=tensor(slices, "int32"))
    assert np.isnan(flat(sliced.result())).all()
    if getattr(sliced.metric, "uncertainty", False):
        assert np.isnan(flat(sliced.interval())).all()


def test_a_metric_without_a_standard_error_has_none_by_slice():
    error = metrics.Sliced(metrics.ExpectedCalibrationError(), ["a"])
    with pytest.raises(ValueError, match="Received: a ExpectedCalibrationError, which has none"):
        error.standard_error()
    without = metrics.Sliced(metrics.BinaryCrossentropy(), ["a"])
    with pytest.raises(ValueError, match=r"`BinaryCrossentropy\(uncertainty=True\)`"):
        without.interval()
