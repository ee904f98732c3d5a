"""What a graph of TensorFlow holds: nothing twice, and nothing that AutoGraph wrote."""

import inspect

import keras
import numpy as np
import pytest

import keras_bce
from keras_bce import _prepare
from keras_bce.metrics import from_logits

if keras.config.backend() != "tensorflow":
    pytest.skip("graphs of TensorFlow", allow_module_level=True)

import tensorflow as tf

Y = np.array([[0.0, 1.0], [1.0, 0.25]], "float32")
X = np.array([[-2.0, 0.5], [3.0, 40.0]], "float32")


def metric_after_loss(loss, metric, **graph):
    """A graph in which a metric follows a loss of the same labels and predictions."""

    @tf.function(input_signature=[tf.TensorSpec((None, 2)), tf.TensorSpec((None, 2))], **graph)
    def step(y, x):
        value = loss(y, x)
        metric.update_state(y, x)
        return value

    return step


def count(step, kind):
    nodes = step.get_concrete_function().graph.as_graph_def().node
    return sum(node.op == kind for node in nodes)


def pair(**arguments):
    return (
        keras_bce.losses.BinaryCrossentropy(from_logits=True),
        keras_bce.metrics.BinaryCrossentropy(from_logits=True, **arguments),
    )


def test_a_metric_does_not_compute_anew_what_the_loss_has_computed():
    assert count(metric_after_loss(*pair()), "Log1p") == 1


@pytest.mark.parametrize("jit", [False, True], ids=["graph", "XLA"])
@pytest.mark.parametrize(
    "arguments",
    [{}, {"label_smoothing": 0.2}, {"pos_weight": 3.0}, {"axis": 0}, {"ignore_class": 0}],
    ids=str,
)
def test_a_metric_after_a_loss_is_right(arguments, jit):
    loss, metric = pair(**arguments)
    metric_after_loss(loss, metric, jit_compile=jit)(Y, X)
    _, alone = pair(**arguments)
    alone.update_state(Y, X)
    np.testing.assert_allclose(metric.result(), alone.result(), rtol=1e-6)


def test_a_metric_of_changed_labels_does_not_take_the_loss_of_others():
    loss, metric = pair()

    @tf.function
    def step(y, x):
        value = loss(y, x)
        metric.update_state(1.0 - y, x)
        return value

    step(Y, X)
    np.testing.assert_allclose(metric.result(), loss(1.0 - Y, X), rtol=1e-6)


def test_a_metric_does_not_take_another_loss():
    _, metric = pair()
    focal = keras_bce.losses.BinaryFocalCrossentropy(from_logits=True)
    metric_after_loss(focal, metric)(Y, X)
    _, alone = pair()
    alone.update_state(Y, X)
    np.testing.assert_allclose(metric.result(), alone.result(), rtol=1e-6)


def test_a_second_tape_has_a_gradient_of_its_own():
    loss, _ = pair()

    @tf.function
    def slopes(y, x):
        found = []
        for _ in range(2):
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = loss(y, x)
            found.append(tape.gradient(value, x))
        return found

    first, second = slopes(tf.constant(Y), tf.constant(X))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(second, (1 / (1 + np.exp(-X)) - Y) / 4, rtol=1e-5)


def rewritten():
    """The functions among the callers whose source AutoGraph has written."""
    return {f.function for f in inspect.stack(0) if "__autograph_generated" in f.filename}


DIFFERENCE = keras_bce.metrics.LossDifference()


def of_two_models(y, p):
    DIFFERENCE.update_state(y, (p, p))


CALLS = {
    "a loss": keras_bce.losses.BinaryCrossentropy(),
    "a function": keras_bce.losses.binary_crossentropy,
    "a metric": keras_bce.metrics.BinaryCrossentropy().update_state,
    "a metric of labels": keras_bce.metrics.CalibrationRatio().update_state,
    "a comparison": of_two_models,
    "a wrapped metric": keras_bce.metrics.FromLogits(keras.metrics.AUC()).update_state,
}
#: What is rewritten is the program, and TensorFlow's wrapper of an object that is called.
PROGRAM = {"tf__strangers_step", "tf__of_two_models", "tf__wrapper"}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_autograph_does_not_rewrite_the_package(call, monkeypatch):
    found = set()

    def spied(values, name, take=_prepare.as_array):
        found.update(rewritten())
        return take(values, name)

    for module in (_prepare, from_logits):
        monkeypatch.setattr(module, "as_array", spied)

    @tf.function
    def strangers_step(y, p):
        call(y, p)
        return p

    strangers_step(tf.constant(Y), tf.nn.sigmoid(X))
    assert "tf__strangers_step" in found
    assert found <= PROGRAM
