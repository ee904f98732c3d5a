"""The examples that Keras and TensorFlow document, with the numbers they document."""

import keras
import numpy as np
import pytest
from support.differentiation import to_numpy

from keras_bce import losses, metrics, reference

Y, X = [0, 1, 0, 0], [-18.6, 0.51, 2.94, -12.8]
Y2, X2 = [[0, 1], [0, 0]], [[-18.6, 0.51], [2.94, -12.8]]
P, P2 = [0.6, 0.3, 0.2, 0.8], [[0.6, 0.3], [0.2, 0.8]]
PM = [[0.6, 0.4], [0.4, 0.6]]


def digits(value, count):
    """The first digits, not rounded: how Keras's documentation gives scalars."""
    text = f"{float(to_numpy(value)):.10f}"
    return text[: text.index(".") + 1 + count]


@pytest.mark.parametrize(
    ("y", "x", "arguments", "sample_weight", "documented"),
    [
        (Y, X, {}, None, "0.865"),
        (Y2, X2, {}, None, "0.865"),
        (Y2, X2, {}, [0.8, 0.2], "0.243"),
        (Y2, X2, {"reduction": "sum"}, None, "1.730"),
    ],
)
def test_loss_from_logits(y, x, arguments, sample_weight, documented):
    loss = losses.BinaryCrossentropy(from_logits=True, **arguments)
    assert digits(loss(y, x, sample_weight), 3) == documented


def test_loss_without_reduction():
    loss = losses.BinaryCrossentropy(from_logits=True, reduction=None)(Y2, X2)
    assert np.round(to_numpy(loss), 3).tolist() == pytest.approx([0.235, 1.496])
    assert to_numpy(loss).dtype == np.float32


@pytest.mark.parametrize(("y", "p"), [(Y, P), (Y2, P2)])
def test_default_usage(y, p):
    # -(log .4 + log .3 + log .8 + log .2) / 4
    expected = -np.log([0.4, 0.3, 0.8, 0.2]).mean()
    assert float(to_numpy(losses.BinaryCrossentropy()(y, p))) == pytest.approx(expected, rel=2e-7)


def test_function():
    loss = to_numpy(losses.binary_crossentropy(Y2, PM))
    assert [f"{value:.3f}" for value in loss] == ["0.916", "0.714"]
    # -log .4 twice; -(log .6 + log .4) / 2
    assert loss == pytest.approx(-np.log([0.16, 0.24]) / 2, rel=2e-7)


def test_focal_function():
    loss = to_numpy(losses.binary_focal_crossentropy(Y2, PM, gamma=2))
    assert [f"{value:.3f}" for value in loss] == ["0.330", "0.206"]


def test_metric():
    metric = metrics.BinaryCrossentropy()
    metric.update_state(Y2, PM)
    exact = -(np.log(0.4) * 2 + np.log(0.6) + np.log(0.4)) / 4
    assert float(to_numpy(metric.result())) == pytest.approx(0.81492424, abs=3e-7)
    assert float(to_numpy(metric.result())) == pytest.approx(exact, rel=1.2e-7)
    metric.reset_states()
    metric.update_state(Y2, PM, sample_weight=[1, 0])
    assert float(to_numpy(metric.result())) == pytest.approx(0.9162905, abs=3e-7)
    assert float(to_numpy(metric.result())) == pytest.approx(-np.log(0.4), rel=1.2e-7)


def test_tensorflow_24_digits_come_from_its_formula():
    per_sample = reference.tf24_binary_crossentropy(Y2, PM)
    assert str(per_sample[0]) == "0.9162905"
    assert str(np.mean(per_sample, dtype="float32")) == "0.81492424"


def test_compile_takes_both():
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile(
        "sgd",
        loss=losses.BinaryCrossentropy(from_logits=True),
        metrics=[metrics.BinaryCrossentropy(from_logits=True)],
    )
    history = model.fit(np.eye(2, dtype="float32"), np.array([0, 1]), epochs=1, verbose=0).history
    assert history["binary_crossentropy"] == pytest.approx(history["loss"], rel=1e-6)
