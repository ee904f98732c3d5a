"""What compiling, keeping compiled graphs, and working in blocks must not change."""

import keras
import numpy as np
import pytest
from support.differentiation import (
    BACKEND,
    compiled,
    gradient,
    number,
    only_on_tensorflow,
    only_on_torch,
    tensor,
    to_numpy,
)
from support.instances import LOSSES, METRICS, batch, numbers

from keras_bce import losses
from keras_bce._backend import backend

Bce = losses.BinaryCrossentropy


@pytest.mark.parametrize("from_logits", [True, False], ids=["logits", "probabilities"])
def test_a_large_batch_equals_its_parts(from_logits):
    """Of more predictions than are worked on at a time."""
    y, x = batch(1, 6000, 100, from_logits=from_logits)
    loss = losses.BinaryCrossentropy(from_logits=from_logits, reduction=None)

    def both(y, x):
        slopes = gradient(lambda x: keras.ops.sum(loss(tensor(y), x)), tensor(x))
        return to_numpy(loss(tensor(y), tensor(x))), *slopes

    whole, parts = (
        both(y, x),
        [both(y[i : i + 1500], x[i : i + 1500]) for i in range(0, 6000, 1500)],
    )
    for given, expected in zip(whole, zip(*parts, strict=True), strict=True):
        np.testing.assert_allclose(given, np.concatenate(expected), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("arguments", [{"pos_weight": "each"}, {"ignore_class": -1}])
def test_a_large_batch_along_the_first_axis_equals_its_parts(arguments):
    y, x = batch(0, 3, 2**18)
    y[1, ::3] = -1 if "ignore_class" in arguments else 1
    arguments = {k: [2.0, 0.5, 1.0] if v == "each" else v for k, v in arguments.items()}
    loss = Bce(True, axis=0, reduction=None, **arguments)
    whole = to_numpy(loss(tensor(y), tensor(x)))
    parts = [to_numpy(loss(tensor(y[:, i::4]), tensor(x[:, i::4]))) for i in range(4)]
    np.testing.assert_allclose(whole, np.stack(parts, 1).ravel(), rtol=1e-6)


def test_epsilon_is_that_of_the_call():
    """Not that of an earlier one, whose compiled graph might have kept it."""
    loss = losses.BinaryCrossentropy()
    before = keras.config.epsilon()
    y, p = tensor([[1.0]]), tensor([[0.0]])
    try:
        for epsilon in (1e-7, 1e-3, 1e-5):
            keras.config.set_epsilon(epsilon)
            assert float(to_numpy(loss(y, p))) == pytest.approx(-np.log(epsilon), rel=1e-6)
    finally:
        keras.config.set_epsilon(before)


def test_arguments_are_told_apart():
    y, x = tensor([[1.0, 1.0]]), tensor([[0.0, 0.0]])
    for weights in ([1.0, 2.0], [1.0, 3.0], [2.0, 1.0], 2.0, [2.0, 2.0]):
        loss = losses.BinaryCrossentropy(from_logits=True, pos_weight=weights)
        expected = np.mean(np.broadcast_to(weights, 2)) * np.log(2)
        assert float(to_numpy(loss(y, x))) == pytest.approx(expected, rel=1e-6)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow's graphs")
def test_equal_losses_share_one_graph_for_every_batch_size():
    def graphs():
        return backend._tensorflow_graphs._graph.cache_info().misses

    arguments = {"from_logits": True, "pos_weight": [1.0, 2.0, 7.0], "label_smoothing": 0.125}
    before = graphs()
    for size in (5, 8, 2):
        y, x = batch(size, size, 3)
        losses.BinaryCrossentropy(**arguments, reduction=None)(tensor(y), tensor(x))
        losses.binary_crossentropy(tensor(y), tensor(x), **arguments)
    assert graphs() == before + 1
    arguments["pos_weight"] = [5.0, 3.0, 1.0]
    losses.binary_crossentropy(tensor(y), tensor(x), **arguments)
    assert graphs() == before + 1
    # A number is an input of the graph; what selects needs another graph.
    for argument, other, more in (("label_smoothing", "0.25", 0), ("ignore_class", "nan", 1)):
        for _ in range(2):
            different = arguments | {argument: float(other)}
            losses.binary_crossentropy(tensor(y), tensor(x), **different)
        before += more
        assert graphs() == before + 1


@only_on_tensorflow
def test_an_annealed_number_needs_no_new_graph():
    y, x = map(tensor, batch())

    def graphs():
        return backend._tensorflow_graphs._graph.cache_info().misses

    for make in (
        lambda t: losses.BinaryFocalCrossentropy(
            gamma=1.9 + t, alpha=t, apply_class_balancing=True
        ),
        lambda t: losses.AsymmetricBinaryCrossentropy(gamma_neg=2.1 + t, clip=t),
        lambda t: Bce(label_smoothing=t),
    ):
        make(0.01)(y, keras.ops.sigmoid(x))
        before = graphs()
        for t in (0.02, 0.03, 0.04):
            given = number(make(t)(y, keras.ops.sigmoid(x)))
            eager = number(compiled(make(t), False)(y, tensor(to_numpy(keras.ops.sigmoid(x)))))
            assert given == pytest.approx(eager, rel=1e-6)
        assert graphs() == before


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow's graphs")
def test_functions_may_run_eagerly():
    import tensorflow as tf

    y, x = batch(2, 5, 3)
    loss = losses.BinaryCrossentropy(from_logits=True)
    expected = gradient(lambda x: loss(tensor(y), x), tensor(x))
    tf.config.run_functions_eagerly(True)
    try:
        np.testing.assert_allclose(gradient(lambda x: loss(tensor(y), x), tensor(x)), expected)
    finally:
        tf.config.run_functions_eagerly(False)


LIVE = keras.ops.convert_to_tensor([2.0, 0.5, 1.0])


@only_on_torch
@pytest.mark.parametrize("from_logits", [True, False], ids=["logits", "probabilities"])
@pytest.mark.parametrize(
    "changes",
    [
        {"ignore_class": None, "label_weights": None, "pos_weight": None, "label_smoothing": 0.0},
        {},
        {"reduction": None, "pos_weight": LIVE, "label_weights": LIVE},
        {"reduction": "mean_with_sample_weight", "ignore_class": float("nan"), "axis": 0},
    ],
    ids=["plain", "all arguments", "weights as tensors", "missing labels are NaN"],
)
@pytest.mark.parametrize("kind", LOSSES)
def test_torch_compiles_every_loss_as_one_graph(kind, changes, from_logits):
    """`compiled` allows no second graph; value and gradients are those of the eager call."""
    cls, arguments = LOSSES[kind]
    dtype = "float32" if from_logits else "float16"
    loss = cls(**(arguments | changes | {"dtype": "float32", "from_logits": from_logits}))
    y, x = batch(samples=3, from_logits=from_logits)
    y[0, 1] = y[2] = loss.ignore_class if loss.ignore_class is not None else 0.0
    weights = tensor(np.random.default_rng(0).uniform(0.5, 2.0, y.shape))
    weights = None if loss.pos_weight is None else weights

    def total(y, x):
        return keras.ops.sum(loss(y, x, weights))

    given = (tensor(y, dtype), tensor(x, dtype))
    fast = compiled(total)
    assert number(fast(*given)) == pytest.approx(number(total(*given)), rel=1e-6)
    for by_compiler, eager in zip(gradient(fast, *given), gradient(total, *given), strict=True):
        np.testing.assert_allclose(by_compiler, eager, rtol=2e-6, atol=1e-7)


@only_on_torch
@pytest.mark.parametrize(("cls", "arguments"), METRICS.values(), ids=METRICS)
def test_torch_compiles_the_update_of_a_metric_as_one_graph(cls, arguments):
    arguments = arguments | {"dtype": "float32"}
    y, x = map(tensor, batch())
    fast, slow = cls(**arguments), cls(**arguments)
    update = compiled(fast.update_state)
    for _ in range(2):
        update(y, x)
        slow.update_state(y, x)
    assert numbers(fast.result()) == pytest.approx(numbers(slow.result()), rel=1e-6)
