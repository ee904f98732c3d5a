"""Which tensors are read as the sigmoid of known logits, and what that must not change."""

import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from support.differentiation import (
    BACKEND,
    compiled,
    gradient,
    number,
    only_on_torch,
    tensor,
    to_numpy,
)
from support.instances import batch, numbers

from keras_bce import losses, metrics

Bce = losses.BinaryCrossentropy
SIGMOID_2 = 1 / (1 + np.exp(-2.0))
MAKERS = {
    "layer": keras.layers.Activation("sigmoid", dtype="float32"),
    "ops.sigmoid": keras.ops.sigmoid,
    "behind a cast": lambda x: keras.ops.cast(
        keras.ops.cast(keras.activations.sigmoid(x), "bfloat16"), "float32"
    ),
}


#: As documented in `losses.BinaryCrossentropy`: how the loss runs, and for which makers the
#: logits are known.
KNOWN = {
    ("tensorflow", "eager"): set(),
    ("tensorflow", "graph"): set(MAKERS),
    ("tensorflow", "xla"): set(MAKERS),
    ("torch", "eager"): {"layer"},
}


RUNNERS = {"eager": lambda f: f, "graph": lambda f: compiled(f, False), "xla": compiled}


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("mode", RUNNERS if BACKEND == "tensorflow" else ["eager"])
def test_logits_are_known_where_the_table_says_so(mode, maker):
    def loss(x):
        return Bce()(keras.ops.zeros_like(x), MAKERS[maker](x))

    known = maker in KNOWN.get((BACKEND, mode), ())
    value = number(RUNNERS[mode](loss)(tensor([[50.0]])))
    assert value == pytest.approx(50.0 if known else 23 * np.log(2), rel=1e-5)
    if BACKEND != "numpy":
        (derivative,) = gradient(RUNNERS[mode](loss), tensor([[50.0]]))
        assert derivative.item() == (1.0 if known else 0.0)


def test_known_logits_reach_every_metric():
    if BACKEND != "torch":
        pytest.skip(f"{BACKEND} does not know logits eagerly")
    y, x = batch(0, 50, 1)
    x = x * 20  # Far beyond where a sigmoid saturates.
    p = keras.activations.sigmoid(tensor(x))
    for cls in (metrics.BinaryCrossentropy, metrics.NormalizedEntropy, metrics.CalibrationRatio):
        assert numbers(cls()(y, p)) == numbers(cls(from_logits=True)(y, x))
    wrapped = metrics.FromLogits(keras.metrics.MeanSquaredError())
    assert numbers(wrapped(y, p)) == numbers(keras.metrics.MeanSquaredError()(y, p))


@pytest.mark.parametrize("mode", RUNNERS if BACKEND == "tensorflow" else ["eager"])
@pytest.mark.parametrize("softmax", ["softmax", "layer"])
def test_a_softmax_is_not_taken_for_a_sigmoid(softmax, mode):
    softmax = keras.activations.softmax if softmax == "softmax" else keras.layers.Softmax()
    right = -np.log(SIGMOID_2)  # softmax([1, -1]) is [sigmoid(2), sigmoid(-2)].
    y, x = tensor([[1.0, 0.0]]), tensor([[1.0, -1.0]])
    for cls, arguments in ((Bce, {}), (metrics.BinaryCrossentropy, {"dtype": "float32"})):
        if cls is metrics.BinaryCrossentropy and mode != "eager":
            continue

        loss = cls(**arguments)

        def value(y, x, loss=loss):
            return loss(y, softmax(x))

        assert number(RUNNERS[mode](value)(y, x)) == pytest.approx(right, rel=1e-6)
    focal = losses.BinaryFocalCrossentropy()
    value = RUNNERS[mode](lambda y, x: focal(y, softmax(x)))(y, x)
    assert number(value) == pytest.approx((1 - SIGMOID_2) ** 2 * right, rel=1e-5)


def test_a_softmax_whose_values_are_those_of_a_sigmoid_keeps_its_gradient():
    """At logits of 0 two classes have probabilities of 1/2 either way; the derivatives differ."""
    y, x = tensor([[1.0, 0.0]]), tensor([[0.0, 0.0]])
    (given,) = gradient(lambda x: Bce()(y, keras.activations.softmax(x)), x)
    np.testing.assert_allclose(given, [[-0.5, 0.5]], rtol=1e-6)


@only_on_torch
@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("changed", ["probabilities", "logits", "under no_grad"])
def test_a_tensor_changed_in_place_counts_as_it_is(changed, recorded):
    import torch

    x = tensor([[1.0, -1.0]])
    x = x.requires_grad_() * 1.0 if recorded else x
    p = keras.activations.sigmoid(x)
    if changed == "probabilities":
        p *= 0.5
    elif changed == "logits":
        x += 3.0
    else:
        with torch.no_grad():
            p.mul_(0.5)
    expected = -np.log([p[0, 0].item(), 1 - p[0, 1].item()]).mean()
    assert number(Bce()(tensor([[1.0, 0.0]]), p).detach()) == pytest.approx(expected, rel=1e-6)
    assert numbers(metrics.BinaryCrossentropy()(tensor([[1.0, 0.0]]), p))["result"] == (
        pytest.approx(expected, rel=1e-6)
    )


@only_on_torch
def test_a_detached_sigmoid_hands_no_gradient_to_its_logits():
    x = tensor([[3.0]]).requires_grad_()
    loss = Bce()(tensor([[0.0]]), keras.activations.sigmoid(x).detach_())
    assert not loss.requires_grad
    p = keras.activations.sigmoid(tensor([[3.0]])).requires_grad_()
    Bce()(tensor([[0.0]]), p).backward()
    assert p.grad.item() == pytest.approx(1 + np.exp(3.0), rel=1e-5)


@only_on_torch
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_forward_mode_and_vmap_go_through_a_sigmoid():
    import torch

    def loss(x):
        return Bce()(torch.zeros_like(x), keras.activations.sigmoid(x))

    x = tensor([[2.0]])
    _, along = torch.func.jvp(loss, (x,), (torch.ones_like(x),))
    assert along.item() == pytest.approx(SIGMOID_2, rel=1e-6)
    each = torch.func.vmap(loss)(tensor([[[2.0]], [[2.0]]]))
    np.testing.assert_allclose(to_numpy(each), np.log1p(np.exp(2.0)), rtol=1e-6)


@only_on_torch
def test_a_compiled_function_reads_probabilities():
    import torch

    loss = torch.compile(lambda y, x: Bce()(y, keras.activations.sigmoid(x)), backend="eager")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's compiler warns of its own deprecations.
        value = loss(tensor([[0.0]]), tensor([[2.0]]))
    assert number(value) == pytest.approx(np.log1p(np.exp(2.0)), rel=1e-6)


@pytest.mark.skipif(BACKEND not in ("tensorflow", "torch"), reason="logits are not known")
@pytest.mark.parametrize("entry", ["loss", "function", "metric", "update_state", "fit"])
def test_the_warning_of_a_double_sigmoid_points_at_the_callers_line(entry):
    y, p = tensor([[0.0]]), keras.activations.sigmoid(tensor([[3.0]]))
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, "sigmoid")])
    model.compile("sgd", loss=Bce(from_logits=True))
    metric = metrics.BinaryCrossentropy(from_logits=True)
    call = {
        "loss": lambda: Bce(from_logits=True)(y, p),
        "function": lambda: losses.binary_crossentropy(y, p, from_logits=True),
        "metric": lambda: metric(y, p),
        "update_state": lambda: metric.update_state(y, p),
        "fit": lambda: model.fit(np.ones((1, 1)), np.ones((1, 1)), verbose=0),
    }[entry]
    with pytest.warns(UserWarning, match="from_logits=True") as caught:
        call()
    here = {line for _, _, line in call.__code__.co_lines() if line}
    (warning,) = (w for w in caught if "from_logits" in str(w.message))
    assert Path(warning.filename) == Path(__file__)
    assert warning.lineno in here
