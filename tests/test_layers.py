"""Recalibration layers: what they compute, how they are used, and what they refuse."""

import copy
import json
import pickle
import warnings

import keras
import numpy as np
import pytest
from support.batches import every_form
from support.differentiation import (
    BACKEND,
    compiled,
    gradient,
    number,
    only_on_torch,
    tensor,
    to_numpy,
)
from support.processes import Call, in_processes, is_installed

import keras_bce
from keras_bce import layers

FITTED = {
    "temperature": layers.TemperatureScaling,
    "platt": layers.PlattScaling,
    "beta": layers.BetaCalibration,
    "isotonic": layers.IsotonicCalibration,
}
EVERY = FITTED | {"prior": layers.PriorCorrection}
every_fitted = pytest.mark.parametrize("cls", FITTED.values(), ids=FITTED)
every_layer = pytest.mark.parametrize("kind", EVERY)


def sigmoid(z):
    return 1 / (1 + np.exp(-np.asarray(z, "float64")))


def rows(samples=400, seed=0):
    """Logits of two labels that are too far from 0 and shifted, and labels."""
    generator = np.random.default_rng(seed)
    z = generator.normal(-0.5, 3, (samples, 2)).astype("float32")
    y = (generator.random((samples, 2)) < sigmoid(0.5 * z + [-0.5, 0.5])).astype("float32")
    return z, y


def layer(kind, **arguments):
    """A layer that is ready to be called."""
    if kind == "prior":
        return layers.PriorCorrection([2.0, 20.0], 0.5, 0.1, [0.2, 0.3], **arguments)
    made = FITTED[kind](per_label=True, **arguments)
    z, y = rows()
    made.adapt(z if made.from_logits else sigmoid(z), y)
    return made


def expected(kind, made, z):
    """The formula of a layer, in float64."""
    z = np.asarray(z, "float64")
    if kind == "prior":
        odds = np.exp(z) / [2.0, 20.0] * 0.5 / (0.1 / 0.9) * np.array([0.2 / 0.8, 0.3 / 0.7])
        return np.log(odds)
    values = [to_numpy(weight).astype("float64") for weight in made.weights]
    if kind == "isotonic":
        (knots,) = values
        p = np.stack([np.interp(z[:, j], *knots[:2, :, j]) for j in range(z.shape[1])], 1)
        return np.log(p / (1 - p))
    if kind == "beta":
        a, b, c = values
        return a * -np.log1p(np.exp(-z)) + b * np.log1p(np.exp(z)) + c
    return values[0] * z + (values[1] if kind == "platt" else 0.0)


@every_layer
@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize("mode", ["eager", "compiled", "graph"])
def test_a_layer_computes_its_formula(kind, from_logits, mode):
    made = layer(kind, from_logits=from_logits)
    z, _ = rows(seed=1)
    call = {"eager": made, "compiled": compiled(made), "graph": compiled(made, xla=False)}[mode]
    given = to_numpy(call(tensor(z if from_logits else sigmoid(z))))
    right = expected(kind, made, z)
    if from_logits:
        np.testing.assert_allclose(given, right, rtol=1e-5, atol=1e-5)
    else:
        np.testing.assert_allclose(given, sigmoid(right), rtol=1e-5, atol=1e-6)


@every_layer
def test_logits_may_become_probabilities_and_probabilities_logits(kind):
    z, _ = rows(seed=1)
    made = layer(kind)
    right = expected(kind, made, z)
    config = made.get_config() | {"to_logits": False}
    to_p = type(made).from_config(config)
    to_p.build((None, 2))
    to_p.set_weights(made.get_weights())
    np.testing.assert_allclose(to_numpy(to_p(tensor(z))), sigmoid(right), rtol=2e-5)
    to_z = type(made).from_config(config | {"from_logits": False, "to_logits": True})
    to_z.build((None, 2))
    to_z.set_weights(made.get_weights())
    np.testing.assert_allclose(to_numpy(to_z(tensor(sigmoid(z)))), right, rtol=1e-3, atol=1e-3)


@every_layer
@pytest.mark.parametrize("from_logits", [True, False])
def test_gradients_flow_to_the_inputs(kind, from_logits):
    made = layer(kind, from_logits=from_logits)
    z = np.array([[-2.5, 0.25], [0.3, 1.7], [30.0, -40.0]])[: 3 if from_logits else 2]
    x, step = (z if from_logits else sigmoid(z)), 1e-6

    def value(x):
        right = expected(kind, made, x if from_logits else np.log(x / (1 - x)))
        return right if from_logits else sigmoid(right)

    right = (value(x + step) - value(x - step)) / (2 * step)
    (given,) = gradient(lambda x: keras.ops.sum(made(x)), tensor(x))
    np.testing.assert_allclose(given, right, rtol=1e-3, atol=1e-6)


@every_layer
def test_results_at_the_extremes_are_finite_or_infinite_as_the_formula_says(kind):
    made = layer(kind)
    given = to_numpy(made(tensor([[-100.0, 100.0], [-np.inf, np.inf], [np.nan, 0.0]])))
    assert np.isfinite(given[0]).all()
    assert given[0, 0] < -1.5
    assert given[0, 1] > 1.5
    assert np.isfinite(given[1]).all() == (kind in ("isotonic", "beta"))
    assert not np.isnan(given[1]).any()
    assert np.isnan(given[2, 0])
    assert np.isfinite(given[2, 1])


@every_layer
def test_impossible_probabilities_become_nan(kind):
    made = layer(kind, from_logits=False)
    given = to_numpy(made(tensor([[-0.5, 1.5], [np.nan, 0.0], [1.0, 1.005]])))
    assert np.isnan(given).tolist() == [[True, True], [True, False], [False, False]]
    assert np.all((given[2] > 0.5) & (given[2] <= 1.0))


@pytest.mark.skipif(BACKEND not in ("torch", "tensorflow"), reason="logits are not known")
def test_the_logits_behind_a_sigmoid_are_used():
    z = tensor([[40.0, -40.0]])
    made = layers.PriorCorrection(pos_weight=np.exp(38.0), from_logits=False)

    def model(z):
        return made(keras.activations.sigmoid(z))

    # `torch.compile` keeps no record of what made a tensor.
    for call in (model,) if BACKEND == "torch" else (model, compiled(model)):
        np.testing.assert_allclose(to_numpy(call(z))[0, 0], sigmoid(2.0), rtol=1e-5)
    with pytest.warns(UserWarning, match="made by a sigmoid"):
        given = layers.PriorCorrection(pos_weight=np.exp(38.0))(keras.activations.sigmoid(z))
    np.testing.assert_allclose(to_numpy(given)[0, 0], 2.0, rtol=1e-5)


def test_a_rate_of_negatives_is_corrected_by_bayes_rule():
    p, r = np.linspace(0.001, 0.999, 99), 0.05
    right = p / (p + (1 - p) / r)
    rate = layers.PriorCorrection(negative_sampling_rate=r, from_logits=False)
    np.testing.assert_allclose(to_numpy(rate(tensor(p))), right, atol=1e-6, rtol=1e-5)
    # The same sampling in terms of priors: a tenth positive becomes 2 thirds and more.
    target = 0.1
    train = target / (target + (1 - target) * r)
    priors = layers.PriorCorrection(train_prior=train, target_prior=target, from_logits=False)
    np.testing.assert_allclose(to_numpy(priors(tensor(p))), right, atol=1e-6, rtol=1e-5)
    # Negatives kept at 1 / 20 weigh as much as positives that count 20 times.
    weight = layers.PriorCorrection(pos_weight=1 / r, from_logits=False)
    np.testing.assert_allclose(to_numpy(weight(tensor(p))), right, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "Received: none of them"),
        ({"pos_weight": 0.0}, r"`pos_weight` must be a number in \(0, inf\)"),
        ({"pos_weight": [1.0, np.inf]}, "Received: pos_weight="),
        ({"pos_weight": np.nan}, "Received: pos_weight=nan"),
        ({"negative_sampling_rate": 0.0}, r"must be a number in \(0, 1\], or a list"),
        ({"negative_sampling_rate": 1.5}, "Received: negative_sampling_rate=1.5"),
        ({"train_prior": 0.1}, r"Received: \{'train_prior': 0.1\}"),
        ({"train_prior": 0.1, "target_prior": 1.0}, r"`target_prior` must be a number in \(0, 1\)"),
        ({"train_prior": 0.0, "target_prior": 0.5}, "Received: train_prior=0.0"),
        ({"pos_weight": [1.0, 2.0], "negative_sampling_rate": [0.5]}, "must be equally long"),
    ],
)
def test_a_correction_that_is_none_is_an_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        layers.PriorCorrection(**arguments)


def test_a_correction_of_another_number_of_labels_is_an_error():
    with pytest.raises(ValueError, match="`pos_weight` must have one entry per label"):
        layers.PriorCorrection([1.0, 2.0])(tensor(np.zeros((4, 3))))


@every_fitted
def test_a_layer_that_is_not_adapted_is_an_error(cls):
    with pytest.raises(ValueError, match="must be adapted before it is called"):
        cls()(tensor([[0.0]]))
    if BACKEND in ("tensorflow", "jax"):
        made = cls()
        made.build((None, 1))
        assert np.isnan(to_numpy(compiled(made)(tensor([[0.0]]))))


@every_fitted
@pytest.mark.parametrize("per_label", [True, False])
def test_a_layer_may_be_adapted_inside_of_a_model(cls, per_label):
    made = cls(per_label=per_label)
    inputs = keras.Input((2,))
    model = keras.Model(inputs, made(inputs))
    z, y = rows()
    made.adapt(z, y)
    alone = cls(per_label=per_label)
    alone.adapt(z, y)
    assert model.output.dtype == "float32"
    tolerances = {"rtol": 1e-5, "atol": 1e-6}
    np.testing.assert_allclose(model.predict(z, verbose=0), to_numpy(alone(z)), **tolerances)
    made.adapt(z, 1 - y) if cls is layers.PlattScaling else made.adapt(z[::2], y[::2])
    assert np.abs(model.predict(z, verbose=0) - to_numpy(alone(z))).max() > 0.01


def test_a_layer_may_be_adapted_inside_of_a_subclassed_model():
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.last = layers.PlattScaling()

        def call(self, inputs):
            return self.last(inputs)

    inside, inputs = Subclassed(), keras.Input((2,))
    model = keras.Model(inputs, inside(inputs))
    inside.last.adapt(*rows())
    assert np.isfinite(model.predict(rows()[0], verbose=0)).all()


def test_copies_keep_the_state():
    made, z = layer("isotonic"), tensor(rows(seed=1)[0])
    for copied in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):
        np.testing.assert_array_equal(to_numpy(copied(z)), to_numpy(made(z)))


@only_on_torch
@every_layer
def test_torch_compiles_a_layer(kind):
    import torch

    made, z = layer(kind), tensor(rows(seed=1)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's compiler warns of its own deprecations.
        given = torch.compile(made, backend="eager")(z)
    np.testing.assert_array_equal(to_numpy(given), to_numpy(made(z)))


@every_fitted
def test_results_have_the_shape_of_the_inputs(cls):
    made = cls()
    z, y = rows()
    made.adapt(z, y)
    for shape in ((5,), (1, 1), (0, 2), (2, 3, 2)):
        assert to_numpy(made(tensor(np.zeros(shape)))).shape == shape
    assert made(keras.KerasTensor((None, 7))).shape == (None, 7)
    each = cls(per_label=True)
    each.adapt(np.tile(z[:, None], (1, 3, 1)), np.tile(y[:, None], (1, 3, 1)))
    assert to_numpy(each(tensor(np.zeros((0, 3, 2))))).shape == (0, 3, 2)


@every_layer
@pytest.mark.parametrize("policy", ["mixed_float16", "bfloat16", "float32"])
def test_half_precision_is_computed_in_float32(kind, policy):
    made = layer(kind, dtype=policy)
    z = rows(seed=1)[0].astype("float16").astype("float32")
    for given in (tensor(z, "float16"), tensor(z)):
        result = made(given)
        half = policy.removeprefix("mixed_")
        assert keras.backend.standardize_dtype(result.dtype) == half
        epsilon = {"float16": 2**-11, "bfloat16": 2**-8}.get(half, 1e-5)
        right = expected(kind, made, z)
        np.testing.assert_allclose(to_numpy(result), right, rtol=1.01 * epsilon, atol=1e-5)
    assert all(keras.backend.standardize_dtype(w.dtype) == "float32" for w in made.weights)


@every_layer
def test_a_config_comes_back_equal(kind):
    made = layer(kind, from_logits=False, to_logits=True, name="named", dtype="mixed_bfloat16")
    config = made.get_config()
    assert config["name"] == "named"
    again = type(made).from_config(json.loads(json.dumps(config)))
    assert again.get_config() == config
    assert again.from_logits is False
    assert again.to_logits is True
    registered = keras.saving.get_registered_name(type(made))
    assert registered == f"keras_bce.layers>{type(made).__name__}"


def test_the_state_is_not_trained():
    for kind in FITTED:
        assert layer(kind).trainable_weights == []


def adaptations(folder):
    """What the saved models of a folder predict."""
    z, _ = rows(seed=1)
    return {
        path.stem: keras.saving.load_model(path).predict(z, verbose=0)
        for path in sorted(folder.glob("*.keras"))
    }


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    for kind in EVERY:
        keras.Sequential([keras.Input((2,)), layer(kind)]).save(folder / f"{kind}.keras")
    shared = layers.IsotonicCalibration()
    shared.adapt(*rows())
    keras.Sequential([keras.Input((2,)), shared]).save(folder / "shared.keras")
    return folder


def test_a_saved_layer_loads_here(saved):
    given = adaptations(saved)
    assert set(given) == {*EVERY, "shared"}
    z, _ = rows(seed=1)
    for kind in EVERY:
        right = to_numpy(layer(kind)(tensor(z)))
        np.testing.assert_allclose(given[kind], right, rtol=1e-5, atol=1e-6)


def test_a_saved_layer_loads_on_every_other_backend(saved, tmp_path):
    others = [b for b in ("tensorflow", "jax", "torch") if b != BACKEND and is_installed(b)]
    calls = [Call(adaptations, (saved,), {"KERAS_BACKEND": other}) for other in others]
    for given in in_processes(tmp_path / "processes", *calls):
        for kind, right in adaptations(saved).items():
            np.testing.assert_allclose(given[kind], right, rtol=1e-5, atol=1e-6)


def test_a_layer_that_is_not_adapted_can_be_saved_and_loaded(tmp_path):
    model = keras.Sequential([keras.Input((2,)), layers.PlattScaling()])
    model.save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    z, y = rows()
    with pytest.raises(ValueError, match="must be adapted"):
        model(tensor(z))
    model.layers[-1].adapt(z, y)
    assert np.isfinite(to_numpy(model(tensor(z)))).all()


@every_form
def test_adapt_takes_what_fit_takes(form):
    z, y = rows(40)
    weights = np.linspace(0, 2, 40).astype("float32")
    made, other = layers.PlattScaling(), layers.PlattScaling()
    made.adapt(form(z, y, weights))
    other.adapt(z, y, weights)
    np.testing.assert_allclose(made.get_weights(), other.get_weights(), rtol=1e-6)


@pytest.mark.parametrize("convert", [np.asarray, tensor, list])
def test_adapt_takes_arrays_tensors_and_lists(convert):
    z, y = rows()
    made, other = layers.PlattScaling(), layers.PlattScaling()
    made.adapt(convert(z[:, 0]), convert(y[:, :1]), convert(np.ones(400)))
    other.adapt(z[:, :1].astype("float64"), y[:, 0].astype(bool))
    np.testing.assert_allclose(made.get_weights(), other.get_weights(), rtol=1e-6)


def test_halves_can_be_adapted_to():
    z, y = rows()
    made, other = layers.PlattScaling(), layers.PlattScaling()
    made.adapt(tensor(z, "float16"), tensor(y, "float16"))
    other.adapt(z.astype("float16").astype("float32"), y)
    np.testing.assert_allclose(made.get_weights(), other.get_weights(), rtol=1e-6)


NAN = float("nan")
Z = np.linspace(-3, 3, 20)
Y = np.arange(20) % 3 == 0
REFUSED = {
    "fewer than ten rows": ((Z[:9], Y[:9]), "Received: 9. "),
    "ten rows, one of no weight": ((Z[:10], Y[:10], np.arange(10)), "Received: 9. "),
    "no rows": ((Z[:0], Y[:0]), "Received: 0. "),
    "positives only": ((Z, np.ones(20)), "Received: 20 rows, no negatives. "),
    "negatives only": ((Z, np.zeros(20)), "Received: 20 rows, no positives. "),
    "no weights but on one class": ((Z, Z > 0, Z > 0), "no negatives"),
    "NaN": ((np.where(Z > 2.5, NAN, Z), Y), r"logits, not NaN. Received: 2 of 20"),
    "a label of 2": ((Z, 2 * Y), r"labels in \[0, 1\]"),
    "a label of NaN": ((Z, np.where(Y, NAN, 0.0)), "ignore_class"),
    "infinite": ((np.where(Z > 2.5, np.inf, Z), Y), "Received: 2 of 20 infinite"),
    "a negative weight": ((Z, Y, -np.ones(20)), "Received: 20 of 20 that are not"),
    "a weight of NaN": ((Z, Y, np.full(20, NAN)), "must hold finite numbers, 0 or greater"),
    "other shapes": ((Z, Y[:19]), "the same shape"),
    "no labels": ((Z,), "`y_true` must be given"),
    "no batches": ((iter([]),), "must have a batch"),
    "a fault in a batch": (([(Z, Y), (Z, Y * 3)],), r"the first in batch 1 at y_true\["),
}


@pytest.mark.parametrize("convert", [np.asarray, tensor], ids=["array", "tensor"])
@pytest.mark.parametrize(("given", "message"), REFUSED.values(), ids=REFUSED)
@every_fitted
def test_rows_that_cannot_be_fitted_are_an_error(cls, given, message, convert):
    if isinstance(given[0], np.ndarray):
        given = [convert(values) for values in given]
    made = cls()
    with pytest.raises(ValueError, match=message):
        made.adapt(*given)
    with pytest.raises(ValueError, match="must be adapted"):
        made(tensor([[0.0]]))


def test_a_label_that_cannot_be_fitted_is_named():
    z, y = rows(20)
    y[:, 1] = 0
    with pytest.raises(ValueError, match="no positives in column 1"):
        layers.PlattScaling(per_label=True).adapt(z, y)
    made = layer("platt")
    with pytest.raises(ValueError, match="Received: 1 labels where the layer has 2"):
        made.adapt(z[:, :1], y[:, :1])
    with pytest.raises(ValueError, match="needs a known number of labels"):
        layers.PlattScaling(per_label=True).build((None, None))


def test_equal_predictions_are_an_error_where_nothing_fits_them():
    constant = np.full(20, -1.0)
    for cls in (layers.PlattScaling, layers.BetaCalibration):
        with pytest.raises(ValueError, match=r"[23] parameters needs [23] different"):
            cls().adapt(constant, Y)
    temperature, isotonic = layers.TemperatureScaling(), layers.IsotonicCalibration()
    rate = Y.mean()
    for made in (temperature, isotonic):
        made.adapt(constant, Y)
        assert number(made(tensor([-1.0]))) == pytest.approx(np.log(rate / (1 - rate)), rel=1e-5)
    with pytest.raises(ValueError, match="no temperature beats a probability of 1/2"):
        temperature.adapt(2 - constant, Y)


def test_probabilities_that_are_taken_for_logits_are_a_warning():
    with pytest.warns(UserWarning, match=r"all predictions are in \[0, 1\]"):
        layers.PlattScaling().adapt(sigmoid(Z), Y)
    with pytest.raises(ValueError, match="pass `from_logits=True`"):
        layers.PlattScaling(from_logits=False).adapt(Z, Y)


@every_fitted
def test_scipy_is_named_where_it_is_missing(cls, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "scipy", None)
    with pytest.raises(ImportError, match=r'pip install "keras_bce\[calibration\]"'):
        cls().adapt(*rows())


def test_a_program_without_scipy_loads_and_calls_a_layer(saved, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "scipy", None)
    assert set(adaptations(saved)) == {*EVERY, "shared"}
    assert keras_bce.layers is layers
