"""Arguments as attributes, and weights that live: variables, and tensors of the step."""

import keras
import numpy as np
import pytest
from support.differentiation import BACKEND, compiled, gradient, number, tensor
from support.instances import METRICS

from keras_bce import losses, metrics

Bce = losses.BinaryCrossentropy


@pytest.mark.parametrize("from_logits", [True, False])
def test_arguments_are_attributes_as_in_keras(from_logits):
    given = {"from_logits": from_logits, "label_smoothing": 0.25, "axis": 1}
    for ours, theirs in (
        (Bce(**given), keras.losses.BinaryCrossentropy(**given)),
        (
            losses.BinaryFocalCrossentropy(gamma=3.0, alpha=0.5, **given),
            keras.losses.BinaryFocalCrossentropy(gamma=3.0, alpha=0.5, **given),
        ),
        (
            metrics.BinaryCrossentropy(from_logits=from_logits, label_smoothing=0.25),
            keras.metrics.BinaryCrossentropy(from_logits=from_logits, label_smoothing=0.25),
        ),
    ):
        for name in ("from_logits", "label_smoothing", "axis", "gamma", "alpha"):
            if hasattr(theirs, name):
                assert getattr(ours, name) == getattr(theirs, name), name
    for cls, arguments in METRICS.values():
        shown = arguments["loss"].get_config() if "loss" in arguments else arguments
        assert cls(**arguments).from_logits == shown["from_logits"]
        assert cls(**arguments).ignore_class == shown["ignore_class"]


def test_a_variable_as_pos_weight_is_read_at_each_call():
    pos_weight = keras.Variable(1.0)
    loss = Bce(True, pos_weight=pos_weight)
    metric = metrics.BinaryCrossentropy(from_logits=True, pos_weight=pos_weight)
    compiled_loss = compiled(loss) if BACKEND == "tensorflow" else loss
    for value in (1.0, 5.0):
        pos_weight.assign(value)
        for call in (loss, compiled_loss):
            given = call(tensor([[1.0]]), tensor([[0.0]]))
            assert number(given) == pytest.approx(value * np.log(2), rel=1e-6)
        metric.reset_state()
        assert number(metric([[1.0]], [[0.0]])) == pytest.approx(value * np.log(2), rel=1e-6)
        assert loss.get_config()["pos_weight"] == metric.get_config()["pos_weight"] == value


@pytest.mark.skipif(BACKEND == "numpy", reason="NumPy has no `evaluate`")
def test_a_variable_as_pos_weight_is_read_in_compiled_steps():
    pos_weight = keras.Variable([1.0])
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="zeros")])
    # On JAX a compiled step sees the variables that its model tracks.
    model.pos_weight = pos_weight
    model.compile(loss=Bce(True, pos_weight=pos_weight))
    for value in (1.0, 5.0):
        pos_weight.assign([value])
        loss = model.evaluate(np.ones((4, 1)), np.ones((4, 1)), verbose=0)
        assert loss == pytest.approx(value * np.log(2), rel=1e-6)


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("name", ["pos_weight", "label_weights"])
def test_a_tensor_that_a_compiled_step_computes_is_a_weight(name, xla):
    def loss(y, x):
        factor = keras.ops.sum(1.0 - y, 0) / keras.ops.sum(y, 0)
        return Bce(True, **{name: factor})(y, x)

    y = np.array([[1.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    value = number(compiled(loss, xla)(tensor(y), tensor(np.zeros((3, 2)))))
    assert value == pytest.approx(number(Bce(True, **{name: [2.0, 0.5]})(y, y * 0)), rel=1e-6)
    if BACKEND != "numpy":
        (given,) = gradient(lambda x: loss(tensor(y), x), tensor(np.zeros((3, 2))))
        fixed = Bce(True, **{name: [2.0, 0.5]})
        (expected,) = gradient(lambda x: fixed(tensor(y), x), tensor(np.zeros((3, 2))))
        np.testing.assert_allclose(given, expected, rtol=1e-6)


def test_weights_of_a_variable_are_checked():
    with pytest.raises(ValueError, match="`pos_weight` must be a number or a list"):
        Bce(pos_weight=keras.Variable([1.0, -2.0]))
