"""Shapes, dtypes and values: what is accepted, and what each error says."""

import re

import keras
import numpy as np
import pytest
from differentiation import BACKEND, gradient, tensor, tensors_are_unchecked, to_numpy

import keras_bce
from keras_bce import losses, metrics

Bce = losses.BinaryCrossentropy
NAN = float("nan")


def call(*arguments, **settings):
    return lambda: Bce(**settings)(*arguments)


#: Every message: what brings it about, and what it must say, values included.
ERRORS = {
    "label_smoothing": (
        lambda: Bce(label_smoothing=1.5),
        "`label_smoothing` must be a number in [0, 1]. Received: label_smoothing=1.5.",
    ),
    "label_smoothing type": (
        lambda: metrics.BinaryCrossentropy(label_smoothing="a"),
        "`label_smoothing` must be a number in [0, 1]. Received: label_smoothing='a'.",
    ),
    "gamma": (
        lambda: losses.BinaryFocalCrossentropy(gamma=-1),
        "`gamma` must be a number, 0 or greater. Received: gamma=-1.",
    ),
    "alpha": (
        lambda: losses.BinaryFocalCrossentropy(alpha=1.5),
        "`alpha` must be a number in [0, 1]. Received: alpha=1.5.",
    ),
    "gamma_neg": (
        lambda: losses.AsymmetricBinaryCrossentropy(gamma_neg=NAN),
        "`gamma_neg` must be a number, 0 or greater. Received: gamma_neg=nan.",
    ),
    "clip": (
        lambda: losses.AsymmetricBinaryCrossentropy(clip=-0.1),
        "`clip` must be a number in [0, 1). Received: clip=-0.1.",
    ),
    "reduction": (
        lambda: Bce(reduction="average"),
        "`reduction` must be one of 'sum_over_batch_size', 'sum', 'mean', "
        "'mean_with_sample_weight', 'none', None. Received: reduction='average'.",
    ),
    "axis": (
        lambda: Bce(axis=(1, 2)),
        "`axis` must be an integer, the axis of the labels. Received: axis=(1, 2).",
    ),
    "axis beyond": (
        call([[1]], [[0.5]], axis=2),
        "`axis` must be an axis of `y_pred`. Received: axis=2, y_pred.shape=(1, 1).",
    ),
    "pos_weight": (
        lambda: Bce(pos_weight=[1.0, -2.0]),
        "`pos_weight` must be a number or a list of one number per label, each finite and 0 or "
        "greater. Received: pos_weight=[1.0, -2.0].",
    ),
    "pos_weight length": (
        call([[1, 0]], [[0.5, 0.5]], pos_weight=[1, 2, 3]),
        "`pos_weight` must have one entry per label, as many as `y_pred` has along axis -1. "
        "Received: 3 entries, y_pred.shape=(1, 2).",
    ),
    "label_weights": (
        lambda: Bce(label_weights=NAN),
        "`label_weights` must be a number or a list of one number per label, each finite and 0 "
        "or greater. Received: label_weights=nan.",
    ),
    "label_weights length": (
        call([[1, 0]], [[0.5, 0.5]], label_weights=[1]),
        "`label_weights` must have one entry per label, as many as `y_pred` has along axis -1. "
        "Received: 1 entries, y_pred.shape=(1, 2).",
    ),
    "ignore_class": (
        lambda: Bce(ignore_class="none"),
        "`ignore_class` must be None, a finite number, or NaN. Received: ignore_class='none'.",
    ),
    "label_names": (
        lambda: metrics.BinaryCrossentropy(label_names=["a", "a"]),
        "`label_names` must be a list of different strings, one per label. Received: "
        "label_names=['a', 'a'].",
    ),
    "label_names length": (
        lambda: metrics.BinaryCrossentropy(label_names=["a"])([[1, 0]], [[0.5, 0.5]]),
        "`label_names` must have one entry per label, as many as `y_pred` has along axis -1. "
        "Received: 1 entries, y_pred.shape=(1, 2).",
    ),
    "num_bins": (
        lambda: metrics.ExpectedCalibrationError(num_bins=0),
        "`num_bins` must be an integer, 1 or greater. Received: num_bins=0.",
    ),
    "metric": (
        lambda: metrics.FromLogits(len),
        "`metric` must be a Keras metric, an object rather than a function. Received: "
        "metric=<built-in function len>. Pass the metric's class instance, as in "
        "`FromLogits(keras.metrics.BinaryAccuracy())`.",
    ),
    "shapes": (
        call(np.zeros((4, 3)), np.zeros((4, 2))),
        "`y_true` and `y_pred` must have the same shape, or differ by a last axis of size 1. "
        "Received: y_true.shape=(4, 3), y_pred.shape=(4, 2). Reshape one of them; nothing is "
        "broadcast.",
    ),
    "shapes that would broadcast": (
        call(np.zeros((4, 1)), np.zeros((4, 2))),
        "`y_true` and `y_pred` must have the same shape, or differ by a last axis of size 1. "
        "Received: y_true.shape=(4, 1), y_pred.shape=(4, 2). Reshape one of them; nothing is "
        "broadcast.",
    ),
    "scalars": (
        call(1.0, 0.5),
        "`y_true` and `y_pred` must have at least one axis, the batch. Received: "
        "y_true.shape=(), y_pred.shape=(). Put a single prediction into a list.",
    ),
    "sample_weight": (
        call(np.zeros((4, 2)), np.zeros((4, 2)), np.zeros(3)),
        "`sample_weight` must be a scalar, have one value per sample (aligned with `y_pred` from "
        "the left, the batch first), or have the rank of `y_pred` and broadcast to it. Received: "
        "sample_weight.shape=(3,), y_pred.shape=(4, 2).",
    ),
    "sample_weight rank": (
        call(np.zeros((4, 2)), np.zeros((4, 2)), np.zeros((4, 2, 1))),
        "`sample_weight` must be a scalar, have one value per sample (aligned with `y_pred` from "
        "the left, the batch first), or have the rank of `y_pred` and broadcast to it. Received: "
        "sample_weight.shape=(4, 2, 1), y_pred.shape=(4, 2).",
    ),
    "strings": (
        call(["cat", "dog"], [0.5, 0.5]),
        "`y_true` must hold real numbers, in rows of equal length. Received: y_true of type "
        "list, dtype <U3.",
    ),
    "uneven rows": (
        call([[1], [0, 1]], [[0.5], [0.5]]),
        "`y_true` must hold real numbers, in rows of equal length. Received: y_true of type "
        "list, dtype <U13.",
    ),
    "labels -1 and 1": (
        call([[1], [-1], [1], [-1]], np.full((4, 1), 0.5)),
        "`y_true` must hold labels in [0, 1]. Received: 2 of 4 outside, the first at "
        "y_true[1, 0]=-1. If the labels are -1 and 1, pass `(y_true + 1) / 2`; if -1 stands for "
        "a missing label, pass `ignore_class=-1`.",
    ),
    "labels 0 to 255": (
        call(np.array([[0], [128], [255]], "uint8"), np.full((3, 1), 0.5)),
        "`y_true` must hold labels in [0, 1]. Received: 2 of 3 outside, the first at "
        "y_true[1, 0]=128. If the labels are 0 to 255, as in an image, pass `y_true / 255`.",
    ),
    "labels of classes": (
        call([[0], [2]], [[0.5], [0.5]]),
        "`y_true` must hold labels in [0, 1]. Received: 1 of 2 outside, the first at "
        "y_true[1, 0]=2. Labels of several classes need one column per class, of 0 and 1.",
    ),
    "NaN labels": (
        call([[NAN], [1]], [[0.5], [0.5]]),
        "`y_true` must hold labels in [0, 1]. Received: 1 of 2 outside or NaN, the first at "
        "y_true[0, 0]=nan. If NaN stands for a missing label, pass `ignore_class=float('nan')`.",
    ),
    "logits": (
        call([[0], [1]], [[0.5], [-3.0]]),
        "`y_pred` must hold probabilities in [0, 1]. Received: 1 of 2 outside, the first at "
        "y_pred[1, 0]=-3.0. If the model has no sigmoid, its outputs are logits: pass "
        "`from_logits=True`.",
    ),
    "NaN logits": (
        call([[0], [1]], [[0.5], [NAN]], from_logits=True),
        "`y_pred` must hold logits, not NaN. Received: 1 of 2 NaN, the first at y_pred[1, 0]=nan. "
        "The model itself gives NaN: look at its inputs, or lower the learning rate.",
    ),
    "check_inputs": (
        lambda: keras_bce.check_inputs(tensor([[3.0], [0.0]]), tensor([[0.5], [1.5]])),
        "`y_true` must hold labels in [0, 1]. Received: 1 of 2 outside, the first at "
        "y_true[0, 0]=3.0. Labels of several classes need one column per class, of 0 and 1.\n"
        "`y_pred` must hold probabilities in [0, 1]. Received: 1 of 2 outside, the first at "
        "y_pred[1, 0]=1.5. If the model has no sigmoid, its outputs are logits: pass "
        "`from_logits=True`.",
    ),
    "check_inputs shapes": (
        lambda: keras_bce.check_inputs([[0, 1]], [0.5, 0.5]),
        "`y_true` and `y_pred` must have the same shape, or differ by a last axis of size 1. "
        "Received: y_true.shape=(1, 2), y_pred.shape=(2,). Reshape one of them; nothing is "
        "broadcast.",
    ),
    "no positives": (
        lambda: keras_bce.balanced_pos_weight([[0, 1], [0, 1]]),
        "`y_true` must hold positives of every label: without any, no weight balances it. "
        "Received: no positives in column 0 of y_true, shape (2, 2). Leave such a label out, or "
        "set its weight by hand.",
    ),
    "merging": (
        lambda: metrics.NormalizedEntropy().merge_state(
            [metrics.NormalizedEntropy(ignore_class=-1)]
        ),
        "`merge_state` takes metrics with the arguments of the one it is called on. Received: "
        "ignore_class=-1.0 where this has None.",
    ),
}


@pytest.mark.parametrize(("cause", "message"), ERRORS.values(), ids=ERRORS)
def test_errors_say_the_rule_the_value_and_the_fix(cause, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        cause()


@pytest.mark.parametrize("cls", [Bce, metrics.BinaryCrossentropy])
@pytest.mark.parametrize("true_shape", [(4,), (4, 1)])
@pytest.mark.parametrize("pred_shape", [(4,), (4, 1)])
def test_a_last_axis_of_one_is_aligned(cls, true_shape, pred_shape):
    y, p = np.array([1.0, 0, 1, 0]), np.array([0.9, 0.2, 0.3, 0.6])
    expected = -np.log([0.9, 0.8, 0.3, 0.4]).mean()
    for convert in (np.asarray, tensor):
        value = cls()(convert(y.reshape(true_shape)), convert(p.reshape(pred_shape)))
        assert to_numpy(value).item() == pytest.approx(expected, rel=1e-6)


def test_the_class_reads_rank_1_as_samples_and_the_function_as_labels():
    y, p = [1, 0], [0.5, 0.25]
    each = [np.log(2), -np.log(0.75)]
    assert to_numpy(Bce(reduction=None)(y, p)) == pytest.approx(each, rel=1e-6)
    value = losses.binary_crossentropy(y, p)
    assert tuple(value.shape) == ()
    assert to_numpy(value).item() == pytest.approx(np.mean(each), rel=1e-6)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "float32", "float64"])
def test_labels_may_be_of_any_dtype(dtype):
    y = np.array([[1, 0], [0, 1]])
    expected = to_numpy(Bce()(y.astype("float32"), [[0.75, 0.5], [0.25, 0.5]]))
    assert to_numpy(Bce()(y.astype(dtype), [[0.75, 0.5], [0.25, 0.5]])) == expected
    assert to_numpy(Bce()(tensor(y, dtype), [[0.75, 0.5], [0.25, 0.5]])) == expected


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_results_have_the_dtype_that_was_asked_for(dtype):
    expected = "float32" if (dtype == "float64" and BACKEND == "jax") else dtype

    def name(x):
        return keras.backend.standardize_dtype(x.dtype)

    p = tensor([[0.5]], dtype)
    assert name(Bce(dtype=dtype)([[1]], [[0.5]])) == expected
    assert name(Bce()([[1]], p)) == "float32"
    assert name(losses.binary_crossentropy([[1]], p)) == expected
    assert name(metrics.BinaryCrossentropy(dtype=dtype)([[1]], [[0.5]])) == expected
    assert name(losses.binary_crossentropy([[1]], [[0.5]])) == "float32"


def test_float64_is_computed_in_float64():
    if BACKEND == "jax":
        pytest.skip("JAX has no float64 unless it is set up to")
    y, p = np.array([[1.0]]), np.array([[0.1]])
    assert to_numpy(Bce(dtype="float64")(y, p)).item() == pytest.approx(np.log(10), rel=1e-15)
    assert to_numpy(losses.binary_crossentropy(y, p)).item() == pytest.approx(np.log(10), rel=1e-15)
    settings = {"dtype": "float64", "ignore_class": -1, "pos_weight": [3.0], "label_weights": [7.0]}
    for reduction in ("mean", "mean_with_sample_weight"):
        for cls in (losses.BinaryCrossentropy, losses.BinaryFocalCrossentropy):
            extra = {} if cls is losses.BinaryCrossentropy else {"gamma": 0.0}
            loss = cls(reduction=reduction, **settings, **extra)(y, p, np.ones(1))
            assert to_numpy(loss).item() == pytest.approx(21 * np.log(10), rel=1e-15)
    metric = metrics.BinaryCrossentropy(**settings)(y, p, np.ones(1))
    assert to_numpy(metric).item() == pytest.approx(21 * np.log(10), rel=1e-15)


@tensors_are_unchecked
def test_no_value_on_the_host_is_blamed_where_it_does_not_count():
    p = [[0.5], [7.0]]
    assert to_numpy(Bce()([[1], [9]], p, [1, 0])).item() == pytest.approx(np.log(2) / 2)
    assert to_numpy(Bce(ignore_class=9)([[1], [9]], p)).item() == pytest.approx(np.log(2))
    # Weights in a tensor are not looked at: they may excuse anything.
    assert to_numpy(Bce()([[1], [9]], p, tensor([1, 0]))).item() == pytest.approx(np.log(2) / 2)
    assert np.isnan(to_numpy(Bce()([[1], [9]], p, tensor([1, 1]))))


@tensors_are_unchecked
@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize("bad", ["label", "low label", "NaN label", "prediction"])
def test_impossible_values_in_tensors_make_their_sample_nan_and_its_gradient(bad, from_logits):
    y, p = np.array([[1.0, 0.0], [0.0, 1.0]]), np.full((2, 2), 0.5)
    values = {"label": 1.7, "low label": -0.6, "NaN label": NAN}
    if bad == "prediction":
        p[1, 0] = NAN if from_logits else 1.5
    else:
        y[1, 0] = values[bad]
    loss = Bce(from_logits=from_logits, reduction=None)
    value = to_numpy(loss(tensor(y), tensor(p)))
    assert np.isnan(value).tolist() == [False, True]
    (slope,) = gradient(lambda p: keras.ops.sum(loss(tensor(y), p)), tensor(p))
    assert np.isfinite(slope[0]).all()
    assert np.isnan(slope[1]).all()
    with pytest.raises(ValueError, match=r"\[1, 0\]"):
        keras_bce.check_inputs(tensor(y), tensor(p), from_logits=from_logits)


@tensors_are_unchecked
@pytest.mark.parametrize(
    "function",
    [
        losses.binary_crossentropy,
        losses.binary_focal_crossentropy,
        losses.asymmetric_binary_crossentropy,
    ],
)
@pytest.mark.parametrize("p", [-np.inf, -0.25, 1.5, np.inf, NAN])
@pytest.mark.parametrize("y", [0.0, 0.5, 1.0])
def test_no_label_hides_an_impossible_probability(function, p, y):
    assert np.isnan(to_numpy(function(tensor([[y]]), tensor([[p]]))))


@tensors_are_unchecked
def test_smoothing_does_not_hide_an_impossible_label():
    assert np.isnan(to_numpy(Bce(label_smoothing=0.5)(tensor([[1.7]]), tensor([[0.5]]))))


def test_check_inputs_accepts_what_losses_accept():
    keras_bce.check_inputs([0, 1], [[0.5], [0.5]])
    keras_bce.check_inputs([[0], [1]], [0.5, 0.5])
    keras_bce.check_inputs(np.zeros((2, 3)), np.zeros((2, 3, 1)))
    keras_bce.check_inputs(tensor([[0, -1]]), tensor([[0.5, 9.0]]), ignore_class=-1)
    keras_bce.check_inputs([NAN, 1], [NAN, 0.5], ignore_class=NAN)
    keras_bce.check_inputs([0.0], [1e9], from_logits=True)
    keras_bce.check_inputs(np.zeros((0, 3)), np.zeros((0, 3)))


def sparse_kinds():
    """What makes a sparse or ragged tensor of an array, by the name of its type."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        ragged = tf.RaggedTensor.from_tensor
        return {"SparseTensor": tf.sparse.from_dense, "RaggedTensor": lambda x: ragged(tensor(x))}
    if BACKEND == "jax":
        from jax.experimental import sparse

        return {"BCOO": lambda x: sparse.BCOO.fromdense(tensor(x))}
    return {}


@pytest.mark.skipif(not sparse_kinds(), reason="Keras knows no sparse tensors here")
@pytest.mark.parametrize("cls", [Bce, metrics.BinaryCrossentropy])
@pytest.mark.parametrize("name", ["y_true", "y_pred", "sample_weight"])
@pytest.mark.parametrize("kind", sparse_kinds())
def test_sparse_and_ragged_tensors_are_refused_by_their_type(kind, name, cls):
    arguments = {"y_true": [[1, 0]], "y_pred": [[0.5, 0.25]], "sample_weight": [[1.0, 0.0]]}
    arguments[name] = sparse_kinds()[kind](np.array(arguments[name], "float32"))
    message = f"`{name}` must be a dense tensor. Received: {name} of type {kind}. Make it dense"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        cls()(**arguments)


def test_a_list_of_tensors_is_a_tensor():
    p = [tensor(0.5), tensor(0.25)]
    assert to_numpy(Bce()([1, 0], p)).item() == pytest.approx(
        (np.log(2) - np.log(0.75)) / 2, rel=1e-6
    )


def test_variables_are_read():
    p = keras.Variable(np.array([[0.5]]), dtype="float32")
    assert to_numpy(Bce()([[1]], p)).item() == pytest.approx(np.log(2), rel=1e-6)


def test_the_epsilon_of_keras_moves_the_ceilings():
    before = keras.config.epsilon()
    try:
        keras.config.set_epsilon(1e-3)
        assert to_numpy(Bce()([[1]], [[0.0]])).item() == pytest.approx(np.log(1e3), rel=1e-6)
        assert to_numpy(Bce()([[0]], [[1.0]])).item() == pytest.approx(np.log(1e3), rel=1e-4)
        keras.config.set_epsilon(1e-12)  # Which float32 cannot take off 1.
        assert to_numpy(Bce()([[0]], [[1.0]])).item() == pytest.approx(24 * np.log(2), rel=1e-6)
        assert to_numpy(Bce()([[1]], [[0.0]])).item() == pytest.approx(12 * np.log(10), rel=1e-6)
    finally:
        keras.config.set_epsilon(before)
