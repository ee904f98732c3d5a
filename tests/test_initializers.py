"""The bias that starts a model at the base rate."""

import keras
import numpy as np
import pytest
from support.differentiation import to_numpy

import keras_bce
from keras_bce import initializers


def test_the_first_loss_is_the_entropy_of_the_base_rate():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(500, 3)).astype("float32")
    y = (generator.random((500, 2)) < [0.03, 0.4]).astype("float32")
    rates = np.array(keras_bce.base_rate(y))
    head = keras.layers.Dense(
        2, kernel_initializer="zeros", bias_initializer=initializers.LogOdds(rates)
    )
    model = keras.Sequential([keras.Input((3,)), head])
    first = keras_bce.losses.BinaryCrossentropy(from_logits=True)(y, model(x))
    entropy = -(rates * np.log(rates) + (1 - rates) * np.log(1 - rates)).mean()
    assert float(to_numpy(first)) == pytest.approx(entropy, rel=1e-6)
    each = keras_bce.metrics.BinaryCrossentropy(from_logits=True, label_names=["a", "b"])
    assert float(to_numpy(each(y, model(x))["binary_crossentropy"])) < np.log(2)


@pytest.mark.parametrize("rate", [0.01, [0.25], [0.5, 1e-6, 1 - 1e-6]])
def test_the_bias_is_the_log_odds(rate):
    initializer = initializers.LogOdds(rate)
    shape = (np.size(rate),)
    p = np.broadcast_to(rate, shape)
    np.testing.assert_allclose(to_numpy(initializer(shape)), np.log(p / (1 - p)), rtol=1e-5, atol=0)
    half = initializer(shape, dtype="float16")
    assert keras.backend.standardize_dtype(half.dtype) == "float16"
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(initializer))
    assert again.get_config() == initializer.get_config() == {"rate": rate}
    name = keras.saving.get_registered_name(type(again))
    assert name == "keras_bce.initializers>LogOdds"


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, 1.5, float("nan"), None, [0.5, 0.0], [[0.5]], []])
def test_a_rate_outside_of_0_and_1_is_an_error(rate):
    with pytest.raises(ValueError, match=r"`rate` must be a number in \(0, 1\).*Received: rate="):
        initializers.LogOdds(rate)


def test_a_bias_of_another_number_of_labels_is_an_error():
    with pytest.raises(ValueError, match=r"Received: 2 entries, shape \(3,\)"):
        keras.layers.Dense(3, bias_initializer=initializers.LogOdds([0.1, 0.2])).build((None, 1))
    with pytest.raises(ValueError, match=r"Received: 1 entries, shape \(3,\)"):
        initializers.LogOdds([0.1])((3,))
    assert to_numpy(initializers.LogOdds(0.1)((2, 3))).shape == (2, 3)
