"""Shapes, dtypes, devices and kinds of tensors: what is accepted, and as what."""

import re

import keras
import numpy as np
import pytest
from support import oracle
from support.differentiation import BACKEND, number, only_on_tensorflow, tensor, to_numpy
from support.instances import batch, numbers

from keras_bce import losses, metrics

Bce = losses.BinaryCrossentropy


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


@only_on_tensorflow
@pytest.mark.parametrize("name", ["y_true", "y_pred"])
def test_a_tensor_of_unknown_rank_is_named(name):
    import tensorflow as tf

    shapes = {"y_true": [None, 1], "y_pred": [None, 1]} | {name: None}
    signature = [tf.TensorSpec(shape, tf.float32) for shape in shapes.values()]
    function = tf.function(lambda y, p: Bce()(y, p), input_signature=signature)
    with pytest.raises(ValueError, match=f"`{name}` must have a known rank"):
        function.get_concrete_function()


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


def test_a_list_of_tensors_is_a_tensor():
    p = [tensor(0.5), tensor(0.25)]
    assert to_numpy(Bce()([1, 0], p)).item() == pytest.approx(
        (np.log(2) - np.log(0.75)) / 2, rel=1e-6
    )


def test_variables_are_read():
    p = keras.Variable(np.array([[0.5]]), dtype="float32")
    assert to_numpy(Bce()([[1]], p)).item() == pytest.approx(np.log(2), rel=1e-6)


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
