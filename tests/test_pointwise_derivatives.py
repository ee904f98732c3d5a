"""Every kind of derivative that the built-in loss has, on the backend at hand."""

import keras
import mpmath
import numpy as np
import pytest
from support import oracle
from support.differentiation import (
    BACKEND,
    compiled,
    gradient,
    needs_second_derivatives_when_compiled,
    slope,
    tensor,
    to_numpy,
)
from support.instances import FUNCTIONS, batch

from keras_bce import losses

KINDS = {
    "bce": {},
    "weighted": {"pos_weight": [1.0, 2.0, 0.5]},
    "smoothed": {"label_smoothing": 0.2},
    "focal": {"gamma": 1.5, "apply_class_balancing": True},
    "asymmetric": {"gamma_pos": 1.0, "gamma_neg": 2.0, "clip": 0.0},
}


def function(kind, from_logits):
    call = FUNCTIONS.get(kind, losses.binary_crossentropy)
    return lambda y, x: keras.ops.sum(call(y, x, from_logits=from_logits, **KINDS[kind]))


def differences(f, x, step=1e-2):
    """Central differences, of fourth order, in each element; in float32, so loosely exact."""
    result = np.zeros_like(x, dtype="float64")
    for i in np.ndindex(*x.shape):
        values = {}
        for k in (-2, -1, 1, 2):
            moved = x.astype("float32").copy()
            moved[i] += k * step
            values[k] = float(to_numpy(f(tensor(moved))))
        slope = 8 * (values[1] - values[-1]) - (values[2] - values[-2])
        result[i] = slope / (12 * step)
    return result


def soft_batch(from_logits):
    y, x = batch(3, 4, 3, from_logits=from_logits)
    y = np.random.default_rng(0).uniform(0.1, 0.9, y.shape).astype("float32")
    x = np.clip(x, -3, 3) if from_logits else np.clip(x, 0.15, 0.85)
    return y, x.astype("float32")


@pytest.mark.parametrize("from_logits", [True, False], ids=["logits", "probabilities"])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_with_respect_to_predictions_and_labels(kind, from_logits):
    y, x = soft_batch(from_logits)
    f = function(kind, from_logits)
    y_slope, x_slope = gradient(f, tensor(y), tensor(x))
    np.testing.assert_allclose(x_slope, differences(lambda x: f(tensor(y), x), x), atol=2e-3)
    np.testing.assert_allclose(y_slope, differences(lambda y: f(y, tensor(x)), y), atol=2e-3)


@pytest.mark.parametrize("mode", ["eager", "the loss alone compiled"])
@pytest.mark.parametrize("from_logits", [True, False], ids=["logits", "probabilities"])
@pytest.mark.parametrize("kind", KINDS)
def test_second_derivatives(kind, from_logits, mode):
    y, x = soft_batch(from_logits)
    weights = np.random.default_rng(1).normal(size=x.shape).astype("float32")
    f = function(kind, from_logits)
    f = f if mode == "eager" else compiled(f)

    def of_predictions(x):
        return f(tensor(y), x)

    def directional(x):
        """A scalar whose gradient is a Hessian-vector product."""
        return keras.ops.sum(slope(of_predictions, x) * tensor(weights))

    (first,) = gradient(of_predictions, tensor(x))
    if mode != "eager":
        needs_second_derivatives_when_compiled()
    np.testing.assert_allclose(to_numpy(slope(of_predictions, tensor(x))), first, rtol=1e-5)
    (second,) = gradient(directional, tensor(x))
    np.testing.assert_allclose(second, differences(directional, x), atol=5e-3)


@pytest.mark.parametrize("xla", [None, False, True])
def test_second_and_third_derivatives_at_zero_and_far_out(xla):
    if xla:
        needs_second_derivatives_when_compiled()
    inside = [0.0, 1.0, -1.0, 30.0, -30.0]
    x = tensor([[v] for v in [*inside, 95.0, -95.0, np.inf, -np.inf]])
    y = keras.ops.cast(x > 0, "float32")

    def second(x):
        return keras.ops.sum(slope(lambda x: function("bce", True)(y, x), x))

    def third(x):
        return keras.ops.sum(slope(second, x))

    for f, exact in ((second, lambda p, q: p * q), (third, lambda p, q: p * q * (q - p))):
        expected = [float(exact(oracle.sigmoid(v), oracle.sigmoid(-v))) for v in inside]
        (given,) = gradient(f if xla is None else compiled(f, xla), x)
        np.testing.assert_allclose(given.ravel(), expected + [0.0] * 4, rtol=1e-5, atol=1e-40)


@pytest.mark.parametrize("xla", [None, False, True])
def test_second_derivatives_at_certain_probabilities(xla):
    """Of a label `y = p`, the loss is `-log(p)` or `-log(q)`: its second derivative is 1 there."""
    if xla is not None:
        needs_second_derivatives_when_compiled()
    y, p = (tensor([[0.0], [1.0]]) for _ in range(2))

    def slopes(x):
        return keras.ops.sum(slope(lambda x: function("bce", False)(y, x), x))

    (second,) = gradient(slopes if xla is None else compiled(slopes, xla), p)
    np.testing.assert_array_equal(second, [[1.0], [1.0]])


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_under_a_compiler(kind):
    y, x = map(tensor, batch())
    f = function(kind, True)
    expected = gradient(f, y, x)[1]
    for xla in (False, True):
        np.testing.assert_allclose(
            gradient(compiled(f, xla), y, x)[1], expected, rtol=1e-5, atol=1e-7
        )


SWEPT = {
    "bce": losses.BinaryCrossentropy(True, reduction="sum"),
    **{
        f"focal {gamma}": losses.BinaryFocalCrossentropy(
            gamma=gamma, from_logits=True, reduction="sum"
        )
        for gamma in (0.1, 0.5, 1.0, 1.5, 2.0, 5.0)
    },
    **{
        f"asymmetric {pos} {neg} {clip}": losses.AsymmetricBinaryCrossentropy(
            pos, neg, clip, from_logits=True, reduction="sum"
        )
        for pos, neg, clip in [(0.0, 4.0, 0.05), (0.5, 0.5, 0.0), (1.0, 0.5, 0.05), (0.5, 1.0, 0.1)]
    },
}


@pytest.mark.parametrize("xla", [None, True], ids=["eager", "xla"])
@pytest.mark.parametrize("kind", SWEPT)
def test_second_derivatives_are_finite_at_every_logit(kind, xla):
    x = tensor(np.linspace(-120, 120, 241)[:, None])
    if xla:
        needs_second_derivatives_when_compiled()
    for label in (0.0, 0.3, 1.0, 1.05):
        y = keras.ops.full_like(x, label)

        def total(x, y=y):
            first = slope(lambda x: SWEPT[kind](y, x), x)
            return keras.ops.sum(first)

        (second,) = gradient(compiled(total) if xla else total, x)
        assert np.isfinite(second).all(), (label, to_numpy(x)[~np.isfinite(second)])


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_second_derivatives_of_the_focal_loss_are_right(gamma):
    loss = losses.BinaryFocalCrossentropy(gamma=gamma, from_logits=True, reduction="sum")
    logits = np.array([-100.0, -60.0, -45.0, -20.0, -1.0, 0.5, 20.0, 45.0, 60.0, 80.0])

    def first(y, x):
        return oracle.derivative(oracle.focal, y, x, from_logits=True, gamma=gamma)

    for label in (0.0, 0.3, 1.0):

        def total(x, label=label):
            return keras.ops.sum(slope(lambda x: loss(keras.ops.full_like(x, label), x), x))

        (given,) = gradient(total, tensor(logits[:, None]))
        with mpmath.workdps(250):  # Two differences, of a loss of as little as 1e-130.
            expected = [float(oracle.derivative(first, label, x)) for x in logits]
        np.testing.assert_allclose(given.ravel(), expected, rtol=2e-5, atol=1e-37)


@pytest.mark.skipif(BACKEND != "jax", reason="JAX's transformations")
@pytest.mark.parametrize("kind", KINDS)
def test_jax_transformations(kind):
    import jax

    y, x = map(tensor, soft_batch(True))
    f = function(kind, True)
    reverse = jax.grad(f, argnums=1)(y, x)
    np.testing.assert_allclose(jax.jacfwd(f, argnums=1)(y, x), reverse, rtol=1e-5, atol=1e-6)
    _, along = jax.jvp(lambda x: f(y, x), (x,), (x,))
    np.testing.assert_allclose(along, (reverse * x).sum(), rtol=1e-5)
    rows = jax.vmap(lambda y, x: f(y[None], x[None]))(y, x)
    np.testing.assert_allclose(rows.sum(), f(y, x), rtol=1e-5)
    np.testing.assert_allclose(
        jax.vmap(jax.grad(lambda x, y: f(y[None], x[None])))(x, y), reverse, rtol=1e-5, atol=1e-6
    )
    hessian = jax.hessian(f, argnums=1)(y, x).reshape(x.size, x.size)
    np.testing.assert_allclose(
        hessian, jax.jacrev(jax.grad(f, argnums=1), argnums=1)(y, x).reshape(x.size, x.size),
        rtol=1e-4, atol=1e-6,
    )  # fmt: skip
    assert (np.diag(hessian) != 0).all()
    loss = losses.BinaryCrossentropy(from_logits=True)
    np.testing.assert_allclose(jax.jit(loss)(y, x), loss(y, x), rtol=1e-6)


@pytest.mark.skipif(BACKEND != "torch", reason="torch's transformations")
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch.func's own use.
@pytest.mark.parametrize("kind", KINDS)
def test_torch_transformations(kind):
    import torch

    y, x = map(tensor, soft_batch(True))
    f = function(kind, True)
    (reverse,) = gradient(lambda x: f(y, x), x)
    close = {"rtol": 1e-5, "atol": 1e-6}
    np.testing.assert_allclose(to_numpy(torch.func.grad(f, argnums=1)(y, x)), reverse, **close)
    per_row = torch.func.vmap(torch.func.grad(lambda x, y: f(y[None], x[None])))(x, y)
    np.testing.assert_allclose(to_numpy(per_row), reverse, **close)
    rows = torch.func.vmap(lambda y, x: f(y[None], x[None]))(y, x)
    np.testing.assert_allclose(float(rows.sum()), float(f(y, x)), rtol=1e-5)
    _, along = torch.func.jvp(lambda x: f(y, x), (x,), (x,))
    np.testing.assert_allclose(float(along), (reverse * to_numpy(x)).sum(), rtol=1e-4)
    hessian = torch.func.hessian(f, argnums=1)(y, x)
    assert np.isfinite(to_numpy(hessian)).all()


@pytest.mark.skipif(BACKEND != "torch", reason="torch's autograd")
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch.func's own use.
@pytest.mark.parametrize("reduction", ["sum", None])
@pytest.mark.parametrize("kind", KINDS)
def test_torch_goes_backward_more_than_once(kind, reduction):
    import torch

    y, x = map(tensor, soft_batch(True))
    call = FUNCTIONS.get(kind, losses.binary_crossentropy)

    def f(y, x):
        each = call(y, x, from_logits=True, **KINDS[kind])
        return each.sum() if reduction else each

    x.requires_grad_()
    value = f(y, x)
    directions = torch.eye(len(x)) if reduction is None else torch.ones(3)
    directions = directions.to(x.device)
    rows = [torch.autograd.grad(f(y, x), x, direction)[0] for direction in directions]
    expected = torch.stack(rows).clone()
    at_once = torch.autograd.grad(value, x, directions, is_grads_batched=True, retain_graph=True)
    torch.testing.assert_close(at_once[0], expected)
    for direction, row in zip(directions, expected, strict=True):
        (slope,) = torch.autograd.grad(value, x, direction, retain_graph=True)
        torch.testing.assert_close(slope, row)
        slope.zero_()  # What one pass gave is not what another starts from.
    with torch.no_grad():
        _, pull = torch.func.vjp(lambda x: f(y, x), x.detach())
        for direction, row in zip(directions, expected, strict=True):
            torch.testing.assert_close(pull(direction)[0], row)


@pytest.mark.skipif(BACKEND != "torch", reason="torch's vmap")
@pytest.mark.parametrize("record", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_torch_maps_over_labels_alone_and_over_predictions_alone(kind, record):
    import torch

    y, x = map(tensor, soft_batch(True))
    f = function(kind, True)
    with torch.set_grad_enabled(record):
        over_labels = torch.func.vmap(lambda y: f(y, x))(torch.stack([y, 1.0 - y]))
        over_logits = torch.func.vmap(lambda x: f(y, x))(torch.stack([x, -x]))
    torch.testing.assert_close(over_labels, torch.stack([f(y, x), f(1.0 - y, x)]))
    torch.testing.assert_close(over_logits, torch.stack([f(y, x), f(y, -x)]))


def test_the_gradient_reaches_the_sample_weights():
    y, x = batch()
    loss = losses.BinaryCrossentropy(from_logits=True, reduction="sum")
    (slope,) = gradient(lambda w: loss(tensor(y), tensor(x), w), tensor(np.ones(16)))
    each = losses.BinaryCrossentropy(from_logits=True, reduction=None)(y, x)
    np.testing.assert_allclose(slope, to_numpy(each), rtol=1e-5)
