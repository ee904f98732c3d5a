"""`recalibrate`: a model of any kind becomes one that ends in its recalibration."""

import keras
import numpy as np
import pytest
from support.batches import every_form
from support.differentiation import BACKEND, tensor, to_numpy

import keras_bce
from keras_bce import layers
from keras_bce._backend import backend

Dense, Activation = keras.layers.Dense, keras.layers.Activation
METHODS = {
    "temperature": layers.TemperatureScaling,
    "platt": layers.PlattScaling,
    "beta": layers.BetaCalibration,
    "isotonic": layers.IsotonicCalibration,
}


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def rows(samples=300):
    """Inputs, which a model of `head` doubles, and labels whose log odds are `x - 1`."""
    generator = np.random.default_rng(0)
    x = generator.normal(0, 1.5, (samples, 1)).astype("float32")
    return x, (generator.random((samples, 1)) < sigmoid(x - 1)).astype("float32")


def head(activation=None, slope=2.0, units=1):
    constant = keras.initializers.Constant(slope)
    return Dense(units, activation, kernel_initializer=constant, bias_initializer="zeros")


@keras.saving.register_keras_serializable("test_recalibration")
class Subclassed(keras.Model):
    def __init__(self, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.activation = activation
        self.drop, self.head = keras.layers.Dropout(0.9), head(activation)

    def call(self, inputs, training=None):
        return self.head(self.drop(inputs, training=training))

    def get_config(self):
        return {**super().get_config(), "activation": self.activation}


def functional(end):
    inputs = keras.Input((1,))
    return keras.Model(inputs, end(inputs))


def called(model):
    model(tensor(rows()[0][:2]))
    return model


MODELS = {
    "sequential": lambda: keras.Sequential([keras.Input((1,)), head()]),
    "functional": lambda: functional(head()),
    "subclassed": lambda: called(Subclassed()),
    "built by a call": lambda: called(keras.Sequential([head()])),
    "nested": lambda: keras.Sequential([keras.Input((1,)), functional(head())]),
}
#: Whether their sigmoid is seen, wherever it is.
SIGMOIDS = {
    "dense": (lambda: keras.Sequential([keras.Input((1,)), head("sigmoid")]), True),
    "layer": (lambda: keras.Sequential([keras.Input((1,)), head(), Activation("sigmoid")]), True),
    "functional": (lambda: functional(lambda x: Activation("sigmoid")(head()(x))), True),
    "ops": (lambda: functional(lambda x: keras.ops.sigmoid(head()(x))), True),
    "ops as activation": (lambda: functional(head(keras.ops.sigmoid)), True),
    "no bias": (lambda: functional(Dense(1, "sigmoid", False, "ones")), True),
    "built by a call": (lambda: called(keras.Sequential([head("sigmoid")])), True),
    "nested": (lambda: keras.Sequential([keras.Input((1,)), functional(head("sigmoid"))]), True),
    "subclassed": (lambda: called(Subclassed("sigmoid")), False),
}


def alone(method, z, y, **arguments):
    layer = METHODS[method]()
    layer.adapt(z, y, **arguments)
    return to_numpy(layer(tensor(z)))


@pytest.mark.parametrize(
    ("kind", "method"),
    [("sequential", method) for method in METHODS] + [(kind, "platt") for kind in MODELS],
)
def test_a_model_of_logits_gives_recalibrated_logits(kind, method, tmp_path):
    model, (x, y) = MODELS[kind](), rows()
    calibrated = keras_bce.recalibrate(model, x, y, method=method, verbose=0)
    assert type(calibrated.layers[-1]) is METHODS[method]
    given = calibrated.predict(x, verbose=0)
    np.testing.assert_allclose(given, alone(method, 2 * x, y), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.predict(x, verbose=0), 2 * x, rtol=1e-6)  # It is unchanged.
    calibrated.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), given, rtol=1e-6)
    model.set_weights([weight + 0.1 for weight in model.get_weights()])  # It shares its layers.
    assert np.abs(calibrated.predict(x, verbose=0) - given).max() > 0.01 or method == "isotonic"


@pytest.mark.parametrize(("make", "is_seen"), SIGMOIDS.values(), ids=SIGMOIDS)
def test_a_model_of_probabilities_gives_recalibrated_probabilities(make, is_seen, tmp_path):
    model, (x, y) = make(), rows()
    p = model.predict(x, verbose=0)
    z = np.log(p / (1 - p))
    calibrated = keras_bce.recalibrate(model, x, y, **({} if is_seen else {"from_logits": False}))
    given = calibrated.predict(x, verbose=0)
    np.testing.assert_allclose(given, sigmoid(alone("platt", z, y)), rtol=2e-3)
    assert given.mean() == pytest.approx(y.mean(), rel=0.02)
    calibrated.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), given, rtol=1e-6)
    model.set_weights([2 * weight for weight in model.get_weights()])
    assert np.abs(calibrated.predict(x, verbose=0) - given).max() > 0.01


@pytest.mark.parametrize("kind", ["dense", "layer", "functional", "ops"])
def test_saturated_sigmoids_are_looked_through(kind):
    """Probabilities that are rounded to 1, of which half the labels are 0."""
    model = SIGMOIDS[kind][0]()
    x = np.linspace(10, 20, 200).reshape(-1, 1).astype("float32")  # Logits of 20 to 40.
    y = np.arange(200) % 10 < 3 + (x[:, 0] > 15) * 5
    assert (model.predict(x, verbose=0) == 1).mean() > 0.9
    calibrated = keras_bce.recalibrate(model, x, y, from_logits=False)
    given = calibrated.predict(x, verbose=0)
    np.testing.assert_allclose(given, sigmoid(alone("platt", 2 * x, y)), rtol=1e-4)
    assert given.max() - given.min() > 0.3


def test_a_sigmoid_that_is_used_twice_is_not_silently_taken_for_logits():
    gate = Activation("sigmoid")

    def end(x):
        return gate(keras.layers.Multiply()([gate(x), head()(x)]))

    model, (x, y) = functional(end), rows()
    with pytest.warns(UserWarning, match=r"all predictions are in \[0, 1\]"):
        keras_bce.recalibrate(model, x, y)
    calibrated = keras_bce.recalibrate(model, x, y, from_logits=False)
    z = 2 * x * sigmoid(x)
    given = calibrated.predict(x, verbose=0)
    np.testing.assert_allclose(given, sigmoid(alone("platt", z, y)), rtol=1e-3)


@pytest.mark.skipif(BACKEND == "numpy", reason="NumPy does not train")
def test_a_recalibrated_model_is_trained_without_its_recalibration():
    x, y = rows()
    model = keras_bce.recalibrate(SIGMOIDS["dense"][0](), x, y)
    model.compile("sgd", keras_bce.losses.BinaryCrossentropy())
    before = [weight.copy() for weight in model.get_weights()]
    model.fit(x, y, verbose=0)
    changed = [not np.array_equal(*w) for w in zip(before, model.get_weights(), strict=True)]
    assert changed == [True, True, False, False]


def test_dropout_is_off_while_it_predicts_and_on_in_training():
    x, y = rows()
    calibrated = keras_bce.recalibrate(called(Subclassed()), x, y)
    at_rest = to_numpy(calibrated(tensor(x)))
    np.testing.assert_allclose(at_rest, alone("platt", 2 * x, y), rtol=1e-5, atol=1e-6)
    assert np.abs(to_numpy(calibrated(tensor(x), training=True)) - at_rest).max() > 0.1


@every_form
def test_it_takes_what_fit_takes(form):
    x, y = rows(40)
    weights = np.linspace(0, 2, 40).astype("float32")
    model = keras.Sequential([keras.Input((1,)), head()])
    calibrated = keras_bce.recalibrate(model, form(x, y, weights))
    right = alone("platt", 2 * x, y, sample_weight=weights)
    np.testing.assert_allclose(calibrated.predict(x, verbose=0), right, rtol=1e-4, atol=1e-5)


def test_weights_missing_labels_and_labels_of_their_own():
    x, y = rows()
    labels = np.concatenate([y, 1 - y], 1)
    labels[::3, 1] = labels[5, 0] = -1
    weights = np.linspace(0, 2, 300)
    model = keras.Sequential([keras.Input((1,)), head(slope=[[2.0, -1.0]], units=2)])
    calibrated = keras_bce.recalibrate(
        model, x, labels, weights, per_label=True, ignore_class=-1, batch_size=7
    )
    given = calibrated.predict(x, verbose=0)
    for j, slope in enumerate([2.0, -1.0]):
        layer = layers.PlattScaling()
        present = labels[:, j] != -1
        layer.adapt(slope * x[present, 0], labels[present, j], weights[present])
        right = to_numpy(layer(tensor(slope * x[:, 0])))
        np.testing.assert_allclose(given[:, j], right, rtol=1e-4, atol=1e-5)


def test_models_of_several_inputs_keep_their_structure():
    x, y = rows()
    inputs = {"a": keras.Input((1,), name="a"), "b": keras.Input((1,), name="b")}
    model = keras.Model(inputs, head("sigmoid", 1.0)(keras.layers.Add()([*inputs.values()])))
    calibrated = keras_bce.recalibrate(model, {"a": x, "b": x}, {"out": y})
    given = calibrated.predict({"a": x, "b": x}, verbose=0)
    np.testing.assert_allclose(given, sigmoid(alone("platt", 2 * x, y)), rtol=1e-4)


def test_a_mask_goes_through_to_the_loss():
    inputs = keras.Input((4, 1))
    masked = keras.layers.Masking()(inputs)
    model = keras.Model(inputs, keras.layers.TimeDistributed(head())(masked))
    sigmoid_model = keras.Model(inputs, head("sigmoid")(masked))
    x = np.linspace(-1, 1, 80).reshape(20, 4, 1).astype("float32")
    y = x + np.sin(9 * x) > 0
    x[:, 3] = 0
    for each in (model, sigmoid_model):
        calibrated = keras_bce.recalibrate(each, x, y)
        mask, _ = backend.find_notes(calibrated(tensor(x)))
        assert to_numpy(mask).astype(bool).tolist() == [[True] * 3 + [False]] * 20


def test_half_precision_is_recalibrated_in_float32():
    x, y = rows()
    model = keras.Sequential([keras.Input((1,)), Dense(1, "sigmoid", dtype="mixed_float16")])
    calibrated = keras_bce.recalibrate(model, x, y)
    assert calibrated.output.dtype == "float32"
    assert calibrated.predict(x, verbose=0).mean() == pytest.approx(y.mean(), rel=0.02)


def test_progress_is_shown(capsys):
    x, y = rows()
    model = keras.Sequential([keras.Input((1,)), head()])
    keras_bce.recalibrate(model, x, y, verbose=0)
    assert capsys.readouterr().out == ""
    keras_bce.recalibrate(model, x, y, verbose=1)
    assert "10/10" in capsys.readouterr().out


X, Y = rows(20)
PLAIN = MODELS["sequential"]
REFUSED = {
    "not a model": (lambda: head(), (X, Y), {}, "must be a Keras model that is built"),
    "not built": (lambda: keras.Sequential([head()]), (X, Y), {}, "Train it, or call it"),
    "an unknown method": (PLAIN, (X, Y), {"method": "spline"}, "'isotonic'. Received: method='spl"),
    "a wrong verbose": (PLAIN, (X, Y), {"verbose": 3}, "Received: verbose=3"),
    "no labels": (PLAIN, (X,), {}, "Give it labels, as `fit` needs"),
    "too few rows": (PLAIN, (X[:9], Y[:9]), {}, "Received: 9. "),
    "one class": (PLAIN, (X, 0 * Y), {}, "no positives"),
    "NaN": (PLAIN, (X * np.nan, Y), {}, r"logits, not NaN. Received: 20 of 20 NaN, the first in"),
    "a label of 2": (PLAIN, (X, 2 * Y), {}, r"labels in \[0, 1\]"),
    "labels of another shape": (PLAIN, (X, np.zeros((20, 2))), {}, "the same shape"),
    "a softmax": (lambda: functional(head("softmax", units=2)), (X, Y), {}, "ends in the softmax"),
    "a layer of softmax": (
        lambda: functional(lambda x: keras.layers.Softmax()(head(units=2)(x))),
        (X, Y),
        {},
        "For two classes use one output with a sigmoid",
    ),
    "two outputs": (
        lambda: functional(lambda x: [head()(x), head()(x)]),
        (X, Y),
        {},
        "must have one output. Received: 2 outputs",
    ),
    "logits that are given as probabilities": (PLAIN, (X, Y), {"from_logits": False}, "no sigmoid"),
}


@pytest.mark.parametrize(("make", "given", "arguments", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_recalibrated_is_an_error(make, given, arguments, message):
    with pytest.raises(ValueError, match=message):
        keras_bce.recalibrate(make(), *given, **arguments)


def test_probabilities_of_a_subclassed_model_are_not_silently_taken_for_logits():
    x, y = rows()
    with pytest.warns(UserWarning, match=r"all predictions are in \[0, 1\]"):
        keras_bce.recalibrate(called(Subclassed("sigmoid")), x, y)


def test_a_recalibrated_model_says_that_it_cannot_be_quantized():
    x, y = rows()
    calibrated = keras_bce.recalibrate(SIGMOIDS["dense"][0](), x, y)
    calibrated.layers[-2].dense.quantize("int8")
    with pytest.raises(ValueError, match="Quantize the model, and recalibrate that"):
        calibrated(tensor(x))


@pytest.mark.skipif(BACKEND == "numpy", reason="NumPy does not train")
@pytest.mark.parametrize("by", ["prior", *METHODS])
def test_a_model_trained_with_pos_weight_is_as_good_as_the_plain_one(trained, by):
    """By log loss and normalised entropy within the standard error, and with the same recall."""
    plain, weighted, weight, (x_valid, y_valid), (x, y) = trained
    if by == "prior":
        model = keras.Sequential([weighted, layers.PriorCorrection(pos_weight=weight)])
    else:
        model = keras_bce.recalibrate(weighted, x_valid, y_valid, method=by)
    z = model.predict(x, verbose=0)
    each = keras_bce.losses.BinaryCrossentropy(from_logits=True, reduction=None)
    before, after = to_numpy(each(y, plain.predict(x, verbose=0))), to_numpy(each(y, z))
    error = before.std() / len(before) ** 0.5
    if by == "temperature":  # It cannot shift, which is what is needed.
        assert after.mean() > before.mean() + 2 * error
        return
    assert after.mean() < before.mean() + error
    entropy = keras_bce.metrics.NormalizedEntropy(from_logits=True)
    base_rate = y.mean()
    of_base_rate = -(base_rate * np.log(base_rate) + (1 - base_rate) * np.log(1 - base_rate))
    assert float(to_numpy(entropy(y, z))) < (before.mean() + error) / of_base_rate
    # Refusing from a chance of 1 / (1 + weight) on decides as 1/2 does before.
    recalls = [
        (z >= -np.log(weight))[y == 1].mean(),
        (weighted.predict(x, verbose=0) >= 0)[y == 1].mean(),
    ]
    recall_error = (recalls[1] * (1 - recalls[1]) / y.sum()) ** 0.5
    assert recalls[0] == pytest.approx(recalls[1], abs=1e-9 if by == "prior" else recall_error)


@pytest.fixture(scope="module")
def trained():
    """A plain model, one with `pos_weight`, and rows that they were not trained on."""
    generator = np.random.default_rng(0)
    x = generator.normal(0, 1, (9000, 2)).astype("float32")
    y = (generator.random((9000, 1)) < sigmoid(2 * x[:, :1] - x[:, 1:] - 4.5)).astype("float32")
    train, *others = [(x[part], y[part]) for part in np.split(np.arange(9000), [3000, 6000])]
    weight = keras_bce.balanced_pos_weight(train[1])
    models = []
    for pos_weight in (None, weight):
        model = keras.Sequential([keras.Input((2,)), Dense(1)])
        loss = keras_bce.losses.BinaryCrossentropy(from_logits=True, pos_weight=pos_weight)
        model.compile(keras.optimizers.Adam(0.05), loss)
        model.fit(*train, batch_size=300, epochs=20, verbose=0)
        models.append(model)
    return *models, weight, *others
