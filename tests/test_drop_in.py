"""What code that others wrote asks of losses and metrics, one test a fault that it met."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import keras
import mpmath
import numpy as np
import oracle
import pytest
from differentiation import (
    BACKEND,
    compiled,
    gradient,
    slope,
    tensor,
    tensors_are_unchecked,
    to_numpy,
)
from instances import FUNCTIONS, LOSSES, METRICS, batch, numbers
from test_weighting import masked

from keras_bce import losses, metrics
from keras_bce._arguments import Arguments
from keras_bce._backend import backend
from keras_bce._loss import PointwiseLoss
from keras_bce._pointwise import Pointwise

Bce = losses.BinaryCrossentropy
SIGMOID_2 = 1 / (1 + np.exp(-2.0))

only_on_torch = pytest.mark.skipif(BACKEND != "torch", reason="torch's")
only_on_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow's")
only_on_jax = pytest.mark.skipif(BACKEND != "jax", reason="JAX's")


def number(value):
    return to_numpy(value).item()


# Which tensors are read as the sigmoid of known logits.

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
    np.testing.assert_allclose(each, np.log1p(np.exp(2.0)), rtol=1e-6)


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


# Labels and probabilities a little outside [0, 1].


@pytest.mark.parametrize("mode", ["eager", "compiled"])
@pytest.mark.parametrize("label", [-0.5, -0.05, 1.05, 1.5])
@pytest.mark.parametrize("kind", LOSSES)
def test_labels_that_overshoot_enter_the_formula(kind, label, mode):
    cls, own = LOSSES[kind][0], {"focal": {"gamma": 1.5}, "asymmetric": {"gamma_neg": 2.0}}
    formula = {
        "bce": oracle.crossentropy,
        "focal": oracle.focal,
        "asymmetric": oracle.asymmetric,
    }[kind]
    loss = cls(from_logits=True, **own.get(kind, {}))
    x = np.array([[-3.0], [0.5], [2.0]], "float32")
    y = np.full_like(x, label)
    expected = oracle.elementwise(formula, y, x, from_logits=True, **own.get(kind, {})).mean()
    call = compiled(loss) if mode == "compiled" else loss
    for given in (call(tensor(y), tensor(x)), loss(y, x)):
        assert number(given) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("axis_size", [1, 3])
@pytest.mark.parametrize("mode", ["eager", "compiled"])
def test_probabilities_that_pass_0_or_1_by_rounding_count_as_0_or_1(mode, axis_size):
    for given, exact in ((1.0000001, 1.0), (1.01, 1.0), (-1e-7, 0.0), (-0.01, 0.0)):
        for loss in (
            Bce(),
            losses.BinaryFocalCrossentropy(),
            losses.AsymmetricBinaryCrossentropy(),
        ):
            for label in (0.0, 1.0, 0.25):
                y, p = np.full((2, axis_size), label), np.full((2, axis_size), given)
                call = compiled(loss) if mode == "compiled" else loss
                value = number(call(tensor(y), tensor(p)))
                assert value == pytest.approx(number(loss(y, np.full_like(p, exact))), rel=1e-6)
        for cls in (metrics.CalibrationRatio, metrics.ExpectedCalibrationError):
            y = np.array([0.0, 1.0])
            result = numbers(cls()(tensor(y), tensor([given, 0.5])))
            assert result == pytest.approx(numbers(cls()(y, [exact, 0.5])), rel=1e-6)


@tensors_are_unchecked
@pytest.mark.parametrize("mode", ["eager", "compiled"])
@pytest.mark.parametrize("shape", [(4, 1), (4, 3)])
def test_probabilities_beyond_rounding_are_nan(shape, mode):
    p = np.full(shape, 0.5)
    for wrong in (1.0102, -0.0102, np.inf, np.nan):
        p[1, 0] = wrong
        loss = Bce(reduction=None)
        value = to_numpy(
            (compiled(loss) if mode == "compiled" else loss)(tensor(np.zeros(shape)), tensor(p))
        )
        assert np.isnan(value).tolist() == [False, True, False, False]


@pytest.mark.parametrize(
    ("label", "advice"),
    [
        (255, "pass `y_true / 255`"),
        (-1, "pass `ignore_class=-1`"),
        (2, "one column per class"),
        (1.7, "may leave [0, 1] by up to 0.5"),
    ],
)
def test_labels_that_are_something_else_are_refused_with_advice(label, advice):
    with pytest.raises(ValueError, match="labels in") as error:
        Bce()([[label]], [[0.5]])
    assert advice in str(error.value)
    assert number(Bce()([[1.03]], [[0.5]])) == pytest.approx(np.log(2))


# Symbolic tensors, subclasses, attributes.


@pytest.mark.parametrize("kind", LOSSES)
def test_losses_of_symbolic_tensors_are_symbolic(kind):
    y, x = keras.Input((4,)), keras.Input((4,))
    cls, function = LOSSES[kind][0], FUNCTIONS[kind]
    assert cls()(y, x).shape == ()
    assert cls(reduction=None)(y, x).shape == (None,)
    assert function(y, x).shape == (None,)
    weighted = cls(reduction=None, from_logits=True)(y, x, keras.Input(()))
    model = keras.Model([y, x], function(y, x, from_logits=True))
    labels, logits = batch(0, 5, 4)
    given = model.predict([labels, logits], verbose=0)
    expected = to_numpy(function(labels, logits, from_logits=True))
    np.testing.assert_allclose(given, expected, rtol=1e-6)
    assert weighted.shape == (None,)
    with pytest.raises(ValueError, match="must have the same shape"):
        function(y, keras.Input((3,)))


def test_metrics_of_symbolic_tensors_say_where_they_belong():
    with pytest.raises(ValueError, match=r"model\.compile\(metrics"):
        metrics.BinaryCrossentropy().update_state(keras.Input((1,)), keras.Input((1,)))


def test_a_subclass_with_a_call_of_its_own_is_obeyed():
    class Absolute(Bce):
        def call(self, y_true, y_pred):
            return keras.ops.mean(keras.ops.abs(y_true - y_pred), -1)

    class Doubled(Bce):
        def call(self, y_true, y_pred):
            return 2.0 * super().call(y_true, y_pred)

    y, p, weights = tensor([[1.0], [0.0]]), tensor([[0.5], [0.25]]), tensor([2.0, 1.0])
    assert number(Absolute()(y, p, weights)) == pytest.approx((2 * 0.5 + 0.25) / 2)
    assert number(Absolute(reduction="sum")(y, p)) == pytest.approx(0.75)
    assert number(Doubled()(y, p, weights)) == pytest.approx(2 * number(Bce()(y, p, weights)))


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
        assert cls(**arguments).from_logits == arguments["from_logits"]
        assert cls(**arguments).ignore_class == arguments["ignore_class"]


# Masks, shapes, devices.


def test_a_mask_of_a_batch_of_one_is_obeyed():
    y, p = tensor([[1.0]]), tensor([[0.5]])
    assert number(Bce()(y, masked(p, np.array([False])))) == 0.0
    assert number(Bce()(y, masked(p, np.array([True])))) == pytest.approx(np.log(2))


@pytest.mark.parametrize("convert", [np.asarray, tensor])
@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4)])
def test_labels_without_the_last_axis_mean_one_label_a_prediction(shape, convert):
    y, x = batch(0, 2, int(np.prod(shape[1:])))
    y, x = y.reshape(shape), x.reshape(*shape, 1)
    for reduction in ("sum", "mean", None):
        ours = Bce(True, reduction=reduction)(convert(y), convert(x))
        theirs = keras.losses.BinaryCrossentropy(True, reduction=reduction)(convert(y), convert(x))
        np.testing.assert_allclose(to_numpy(ours), to_numpy(theirs), rtol=1e-6)
    # What is left out is a different number of predictions in each row.
    missing = y.copy()
    missing[0, 0] = -1
    missing.reshape(-1)[-1] = -1
    weights = np.arange(y.size).reshape(shape) / 7
    for arguments, weight in (({"ignore_class": -1}, None), ({"ignore_class": -1}, weights)):
        for cls in (Bce, metrics.BinaryCrossentropy):
            short = cls(from_logits=True, **arguments)(convert(missing), convert(x), weight)
            long = cls(from_logits=True, **arguments)(
                convert(missing)[..., None], convert(x), weight
            )
            assert number(short) == pytest.approx(number(long), rel=1e-6)
    elements = oracle.elementwise(oracle.crossentropy, y, x[..., 0], from_logits=True)
    given = Bce(True, ignore_class=-1)(convert(missing), convert(x))
    assert number(given) == pytest.approx(elements[missing != -1].mean(), rel=1e-6)
    weighted = Bce(True)(convert(y), convert(x), convert(weights.astype("float32")))
    assert number(weighted) == pytest.approx((elements * weights).mean(), rel=1e-6)
    three = Bce(True, pos_weight=[3.0])(convert(y), convert(x))
    assert number(three) == pytest.approx(number(Bce(True, pos_weight=3.0)(y, x)), rel=1e-6)
    with pytest.raises(ValueError, match="one entry per label"):
        Bce(True, pos_weight=[1.0] * shape[-1])(convert(y), convert(x))


@pytest.mark.parametrize("arguments", [{"pos_weight": "each"}, {"ignore_class": -1}])
def test_a_large_batch_along_the_first_axis_equals_its_parts(arguments):
    y, x = batch(0, 3, 2**18)
    y[1, ::3] = -1 if "ignore_class" in arguments else 1
    arguments = {k: [2.0, 0.5, 1.0] if v == "each" else v for k, v in arguments.items()}
    loss = Bce(True, axis=0, reduction=None, **arguments)
    whole = to_numpy(loss(tensor(y), tensor(x)))
    parts = [to_numpy(loss(tensor(y[:, i::4]), tensor(x[:, i::4]))) for i in range(4)]
    np.testing.assert_allclose(whole, np.stack(parts, 1).ravel(), rtol=1e-6)


@pytest.mark.skipif(BACKEND not in ("torch", "jax"), reason="TensorFlow moves tensors by itself")
def test_labels_and_weights_follow_the_predictions_to_their_device():
    y, x, w = tensor([[1.0], [0.0]]), tensor([[2.0], [2.0]]), tensor([1.0, 2.0])
    loss, metric = Bce(True, pos_weight=[2.0], label_weights=[3.0]), metrics.BinaryCrossentropy
    if BACKEND == "torch":
        with keras.device("meta"):  # A device that holds shapes without values.
            assert loss(y, x.to("meta"), w).device.type == "meta"
        return
    import jax

    first, second = jax.devices()[:2]
    y, x, w = jax.device_put(y, second), jax.device_put(x, first), jax.device_put(w, second)
    assert loss(y, x, w).devices() == {first}
    assert numbers(metric(from_logits=True)(y, x, w))["result"] > 0


# Weights that live: variables, and tensors of the step.


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


@only_on_tensorflow
def test_an_annealed_number_needs_no_new_graph():
    y, x = map(tensor, batch())

    def graphs():
        return backend._graph.cache_info().misses

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


# Derivatives.

SWEPT = {
    "bce": Bce(True, reduction="sum"),
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
    if xla and BACKEND == "torch":
        pytest.skip("torch compiles nothing here")
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


@only_on_jax
@pytest.mark.parametrize("samples", [4, 100])
@pytest.mark.parametrize("kind", METRICS)
def test_a_metric_may_be_updated_inside_of_what_is_differentiated(kind, samples):
    import jax

    cls, arguments = METRICS[kind]
    metric = cls(**(arguments | {"dtype": "float32"}))
    y, x = map(tensor, batch(0, samples))

    def value(x):
        state = metric.stateless_update_state(metric.stateless_reset_state(), y, x)
        return Bce(True)(y, x), state

    (_, state), derivative = jax.value_and_grad(value, has_aux=True)(x)
    expected = numbers(metric(y, x))
    assert numbers(metric.stateless_result(state)) == pytest.approx(expected, rel=1e-6)
    np.testing.assert_array_equal(derivative, jax.grad(lambda x: Bce(True)(y, x))(x))


@only_on_torch
def test_a_loss_that_returns_its_input_leaves_it_as_it_is():
    import torch

    @dataclass(frozen=True)
    class Echo(Pointwise):
        slope, label_slope = 1.0, 0.0

        @property
        def value(self):
            return self.link.x

    y, x = tensor([[2.0], [0.0]]), tensor([[1.0], [1.0]])
    echo = PointwiseLoss(Echo(), Arguments(from_logits=True), None, "echo", None)
    with torch.no_grad():
        value = echo(y, x)
    assert np.isnan(value.numpy()).tolist() == [True, False]
    # `evaluate` changes what it gets in place.
    value.fill_(7.0)
    assert x.numpy().ravel().tolist() == [1.0, 1.0]


# Debuggers for NaN.

VALID = {
    "probabilities": (Bce(), [[1.0, 0.0, 1.0]], [[0.0, 1.0, 0.5]]),
    "logits": (Bce(True), [[1.0, 0.0, 1.0]], [[0.0, 100.0, 0.5]]),
    "missing": (Bce(ignore_class=-1), [[1.0, -1.0, 1.0]], [[1.0, 1.0, 0.5]]),
    "focal": (losses.BinaryFocalCrossentropy(), [[1.0, 0.0, 1.0]], [[1.0, 0.0, 0.5]]),
    "asymmetric": (losses.AsymmetricBinaryCrossentropy(), [[1.0, 0.0]], [[0.01, 1.0]]),
    "metric": (metrics.BinaryCrossentropy(), [[1.0, 0.0]], [[0.0, 0.0]]),
}


@only_on_tensorflow
@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize("kind", VALID)
def test_check_numerics_passes_valid_data_and_reports_invalid(kind, graph):
    import tensorflow as tf

    call, y, p = VALID[kind]
    function = tf.function(lambda y, p: call(y, p)) if graph and kind != "metric" else call
    # A graph of an eager call that was traced before would not be checked.
    backend._graph.cache_clear()
    tf.debugging.enable_check_numerics()
    try:
        assert np.isfinite(number(function(tensor(y), tensor(p))))
        with pytest.raises(tf.errors.InvalidArgumentError, match="NaN"):
            function(tensor(y) + 7.0, tensor(p))
    finally:
        tf.debugging.disable_check_numerics()
        backend._graph.cache_clear()


@only_on_jax
@pytest.mark.parametrize("without_jit", [False, True])
@pytest.mark.parametrize("kind", VALID)
def test_debug_nans_passes_valid_data_and_reports_invalid(kind, without_jit):
    import jax

    call, y, p = VALID[kind]
    with jax.debug_nans(True), jax.disable_jit(without_jit):
        assert np.isfinite(number(call(tensor(y), tensor(p))))
        if kind != "metric":
            (given,) = gradient(lambda p: call(tensor(y), p), tensor(p))
            assert np.isfinite(given).all()
        with pytest.raises(FloatingPointError, match="nan"):
            call(tensor(y) + 7.0, tensor(p))


# Metrics that wrap metrics; results at the edges.


@pytest.mark.parametrize("name", ["accuracy", "acc"])
def test_accuracy_by_name_is_binary_accuracy_of_the_logits(name):
    metric = metrics.FromLogits(name)
    assert metric.name == name
    assert number(metric([[0], [1], [1]], [[-2.0], [0.2], [-0.2]])) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.metrics.BinaryCrossentropy(from_logits=True),
        lambda: keras.metrics.AUC(from_logits=True),
        lambda: metrics.NormalizedEntropy(from_logits=True),
        lambda: metrics.FromLogits(keras.metrics.AUC()),
        lambda: keras.metrics.MeanMetricWrapper(losses.binary_crossentropy, from_logits=True),
    ],
)
def test_a_metric_that_takes_logits_itself_is_not_wrapped(make):
    with pytest.raises(ValueError, match="a metric that takes logits would get the sigmoid of"):
        metrics.FromLogits(make())


def test_a_wrapped_metric_merges_its_like_alone():
    wrapped = metrics.FromLogits(metrics.NormalizedEntropy())
    with pytest.raises(ValueError, match=r"FromLogits\. Received: a NormalizedEntropy"):
        wrapped.merge_state([metrics.NormalizedEntropy()])
    with pytest.raises(ValueError, match=r"ignore_class=-1\.0 where this has None"):
        wrapped.merge_state([metrics.FromLogits(metrics.NormalizedEntropy(ignore_class=-1))])


@pytest.mark.parametrize("reduction", ["mean", "sum", None])
def test_a_perfect_prediction_costs_0_and_not_minus_0(reduction):
    for y, p in (([[1.0]], [[1.0]]), ([[0.0]], [[0.0]]), ([[1.0, 0.0]], [[1.0, 0.0]])):
        assert not np.signbit(to_numpy(Bce(reduction=reduction)(y, p))).any()
        for function in (losses.binary_crossentropy, losses.asymmetric_binary_crossentropy):
            assert not np.signbit(to_numpy(function(y, p))).any()
        assert not np.signbit(number(metrics.BinaryCrossentropy()(y, p)))


def test_a_calibration_ratio_without_positives_is_nan():
    assert np.isnan(number(metrics.CalibrationRatio()([0, 0], [0.5, 0.25])))


@pytest.mark.parametrize("num_bins", [1, 3, 15, 22, 49, 50, 100, 1000])
def test_a_probability_on_an_edge_falls_into_the_bin_above(num_bins):
    metric = metrics.ExpectedCalibrationError(num_bins=num_bins)
    edges = (np.arange(num_bins + 1) / num_bins).astype("float32")
    metric.update_state(np.zeros(num_bins + 1), edges)
    np.testing.assert_array_equal(metric.bins()["weight"], [1.0] * (num_bins - 1) + [2.0])
    metric.reset_state()
    metric.update_state(np.zeros(num_bins), np.nextafter(edges[1:], np.float32(0)))
    np.testing.assert_array_equal(metric.bins()["weight"], [1.0] * num_bins)


# What is passed in.


def test_a_frame_with_a_column_named_value_is_checked():
    class Frame:
        """As pandas has it: `value` is a column, `assign` a method."""

        value = (255.0, 0.0)

        def assign(self, **columns):
            return self

        def __array__(self, dtype=None, copy=None):
            return np.array([[255.0], [0.0]], dtype)

    with pytest.raises(ValueError, match=r"y_true\[0, 0\]=255.0"):
        Bce()(Frame(), [[0.5], [0.5]])


def test_sparse_matrices_are_to_be_made_dense():
    sparse = pytest.importorskip("scipy.sparse").csr_matrix([[1.0, 0.0]])
    with pytest.raises(ValueError, match=r"Make it dense with `y_true\.toarray\(\)`"):
        Bce()(sparse, [[0.5, 0.5]])


def test_focal_alpha_may_be_0_and_1():
    y, p = [[1.0], [0.0]], [[0.25], [0.25]]
    for alpha in (0.0, 1.0):
        arguments = {"alpha": alpha, "apply_class_balancing": True}
        ours = losses.BinaryFocalCrossentropy(**arguments)(y, p)
        theirs = keras.losses.BinaryFocalCrossentropy(**arguments)(np.array(y), np.array(p))
        assert number(ours) == pytest.approx(number(theirs), rel=1e-6)


@only_on_tensorflow
@pytest.mark.parametrize("name", ["y_true", "y_pred"])
def test_a_tensor_of_unknown_rank_is_named(name):
    import tensorflow as tf

    shapes = {"y_true": [None, 1], "y_pred": [None, 1]} | {name: None}
    signature = [tf.TensorSpec(shape, tf.float32) for shape in shapes.values()]
    function = tf.function(lambda y, p: Bce()(y, p), input_signature=signature)
    with pytest.raises(ValueError, match=f"`{name}` must have a known rank"):
        function.get_concrete_function()


def test_values_of_a_label_without_weight_are_not_checked():
    loss = Bce(True, label_weights=[1.0, 0.0])
    for convert in (np.asarray, tensor):
        y, x = convert([[1.0, np.nan]]), convert([[0.0, np.nan]])
        assert number(loss(y, x)) == pytest.approx(np.log(2) / 2, rel=1e-6)


# What only words can mend.


def test_the_docstrings_say_what_a_user_meets():
    loss, metric = Bce.__doc__, metrics.BinaryCrossentropy.__doc__
    assert "loss: nan" in loss
    assert "check_inputs" in loss
    assert "`keras.saving.load_model` must `import keras_bce` first" in loss
    assert 'mode="min"' in metric
    assert "different names" in metric
