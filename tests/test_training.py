"""`fit` with our pair: the weights that Keras's pair gives, in every mode of running."""

import keras
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from support.differentiation import BACKEND, needs_gradients, to_numpy

import keras_bce
from keras_bce import losses

MODES = {
    "tensorflow": {"eager": {"run_eagerly": True}, "graph": {}, "xla": {"jit_compile": True}},
    "jax": {"eager": {"run_eagerly": True}, "jit": {"jit_compile": True}},
    "torch": {"eager": {}},
    "numpy": {},
}[BACKEND]


@pytest.fixture(scope="module")
def data():
    x, y = load_breast_cancer(return_X_y=True)
    x = (x - x.mean(0)) / x.std(0)
    return x.astype("float32"), y.astype("float32")[:, None]


def train(library, data, from_logits, weighting, epochs=4, **mode):
    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [
            keras.layers.Input((30,)),
            keras.layers.Dense(8, "tanh"),
            keras.layers.Dense(1, None if from_logits else "sigmoid"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(0.01),
        loss=library.losses.BinaryCrossentropy(from_logits=from_logits),
        metrics=[library.metrics.BinaryCrossentropy(from_logits=from_logits)],
        weighted_metrics=[library.metrics.BinaryCrossentropy("weighted", from_logits=from_logits)],
        **mode,
    )
    x, y = data
    extra = {
        "plain": {},
        "sample_weight": {"sample_weight": np.linspace(0, 2, len(y)).astype("float32")},
        "class_weight": {"class_weight": {0: 2.0, 1: 0.5}},
    }[weighting]
    history = model.fit(x, y, epochs=epochs, batch_size=32, verbose=0, **extra).history
    return [to_numpy(w) for w in model.trainable_weights], history


@pytest.mark.parametrize("from_logits", [True, False], ids=["logits", "probabilities"])
@pytest.mark.parametrize("weighting", ["plain", "sample_weight", "class_weight"])
def test_training_gives_the_weights_that_keras_gives(data, from_logits, weighting):
    ours, history = train(keras_bce, data, from_logits, weighting)
    theirs, expected = train(keras, data, from_logits, weighting)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-3, rtol=0)
    for name in expected:
        np.testing.assert_allclose(history[name], expected[name], rtol=1e-3)


class Endpoint(keras.layers.Layer):
    """Takes labels as an input, and adds the loss by itself."""

    def __init__(self, loss):
        super().__init__()
        self.loss = loss

    def call(self, labels, predictions):
        self.add_loss(self.loss(labels, predictions))
        return predictions


def test_a_loss_inside_a_layer_gives_the_weights_that_keras_gives(data):
    needs_gradients()

    def train(library):
        keras.utils.set_random_seed(7)
        x, y = keras.Input((30,)), keras.Input((1,))
        endpoint = Endpoint(library.losses.BinaryCrossentropy())
        model = keras.Model([x, y], endpoint(y, keras.layers.Dense(1, "sigmoid")(x)))
        model.compile(keras.optimizers.Adam(0.01))
        model.fit(list(data), batch_size=32, epochs=2, verbose=0)
        return [to_numpy(w) for w in model.trainable_weights]

    for ours, theirs in zip(train(keras_bce), train(keras), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-3, rtol=0)


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_every_mode_of_running_learns(data, mode):
    weights, history = train(keras_bce, data, True, "sample_weight", epochs=2, **mode)
    assert history["loss"][1] < history["loss"][0] < 1.0
    assert all(np.isfinite(w).all() for w in weights)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("from_logits", [True, False])
def test_mixed_precision_learns(data, policy, from_logits):
    keras.config.set_dtype_policy(policy)
    try:
        weights, history = train(keras_bce, data, from_logits, "plain", epochs=3)
    finally:
        keras.config.set_dtype_policy("float32")
    assert history["loss"][-1] < 0.2
    assert all(np.isfinite(w).all() for w in weights)


def test_an_impossible_label_shows_as_nan_in_the_first_loss(data):
    x, y = data
    _, history = train(keras_bce, (x, y * 2), True, "plain", epochs=1)
    assert np.isnan(history["loss"][0])


def test_label_names_show_in_the_logs_and_early_stopping_knows_which_way_is_better():
    y = np.array([[1, 0], [0, 1], [1, 1], [0, 0]] * 8, "float32")
    x = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2)])
    metrics = [
        keras_bce.metrics.BinaryCrossentropy("bce", from_logits=True, label_names=["cat", "dog"]),
        keras_bce.metrics.NormalizedEntropy(from_logits=True),
        keras_bce.metrics.ExpectedCalibrationError(from_logits=True),
        keras_bce.metrics.CalibrationRatio(from_logits=True),
        keras_bce.metrics.FromLogits(keras.metrics.AUC(name="auc")),
        keras_bce.metrics.FromLogits(keras.metrics.MeanSquaredError(name="mse")),
    ]
    model.compile("sgd", loss=keras_bce.losses.BinaryCrossentropy(True), metrics=metrics)
    lower_is_better = {
        "val_bce": True,
        "val_normalized_entropy": True,
        "val_expected_calibration_error": True,
        "val_calibration_ratio": True,
        "val_auc": False,
        "val_mse": True,
    }
    stops = [keras.callbacks.EarlyStopping(name, patience=5) for name in lower_is_better]
    history = model.fit(x, y, epochs=2, verbose=0, validation_data=(x, y), callbacks=stops).history
    assert {"bce", "bce_cat", "bce_dog", "val_bce_dog"} <= set(history)
    pooled = (history["val_bce_cat"][-1] + history["val_bce_dog"][-1]) / 2
    assert history["val_bce"][-1] == pytest.approx(pooled, rel=1e-6)
    known = {stop.monitor: bool(stop.monitor_op(1.0, 2.0)) for stop in stops}
    assert known == lower_is_better


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_class_weight_of_keras_still_works_beside_it(dtype):
    loss = losses.BinaryCrossentropy(from_logits=True, dtype=dtype)
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", loss=loss)
    x = np.eye(2, dtype="float32")
    weighted = model.fit(x, np.array([0, 1]), class_weight={0: 0.0, 1: 0.0}, verbose=0)
    assert weighted.history["loss"] == [0.0]
