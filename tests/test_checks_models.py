"""What `check_inputs` finds in what models predict, and in labels of several outputs."""

import keras
import numpy as np
import pytest
from support.batches import BATCH, CLASSES, NAN, SAMPLES, dense, features, labels, refused, split
from support.differentiation import BACKEND, tensor

import keras_bce


@pytest.mark.parametrize("convert", [np.asarray, tensor])
def test_one_pair_of_arrays_is_predicted_and_checked_as_a_whole(convert):
    x, y = convert(features()), labels(at={34: 3.0, 39: 2.0})
    refused(
        "`y_true` must hold labels in [0, 1]. Received: 2 of 40 outside, the first at "
        f"y_true[34, 0]=3.0. {CLASSES}",
        (x, convert(y)),
        model=dense(),
    )
    weight = np.ones(SAMPLES)
    weight[[34, 39]] = 0
    keras_bce.check_inputs((x, convert(y), convert(weight)), model=dense())
    with pytest.raises(ValueError, match=r"Received: 40 of 40 NaN, the first at y_pred\[0, 0\]"):
        keras_bce.check_inputs((x, convert(labels())), model=dense(bias=NAN), from_logits=True)


def test_inputs_of_several_arrays_reach_the_model():
    one, two = keras.Input((3,), name="one"), keras.Input((3,), name="two")
    y = keras.layers.Dense(1, "sigmoid")(keras.layers.Add()([one, two]))
    x = features(8)
    for inputs, given in ((x, [x, x]), (x, {"one": x, "two": x}), (NAN * x, (x, NAN * x))):
        model = keras.Model({"one": one, "two": two} if isinstance(given, dict) else [one, two], y)
        if inputs is x:
            keras_bce.check_inputs([(given, np.zeros(8))], model=model)
            keras_bce.check_inputs((given, np.zeros(8)), model=model)
        else:
            with pytest.raises(ValueError, match="in batch 0 at y_pred"):
                keras_bce.check_inputs([(given, np.zeros(8))], model=model)


def two_outputs(form):
    """A model of outputs `a`, of two labels, and `b`, of one, which are logits of 9."""
    x = keras.Input((3,))
    constant = {"kernel_initializer": "zeros", "bias_initializer": keras.initializers.Constant(9)}
    a = keras.layers.Dense(2, "sigmoid", name="a")(x)
    b = keras.layers.Dense(1, name="b", **constant)(x)
    return keras.Model(x, {"a": a, "b": b} if form == "dict" else [a, b])


@pytest.mark.parametrize("form", ["dict", "list"])
@pytest.mark.parametrize("named", [True, False])
def test_each_output_is_checked_and_named(form, named):
    def y(a, b):
        a, b = np.full((8, 2), a), np.full((8, 1), b)
        return {"a": a, "b": b} if named else (a, b)

    a, b = ("'a'", "'b'") if named else ("0", "1")
    batches = [(features(8), y(1.0, 0.0)), (features(8), y(2.0, -1.0))]
    refused(
        f"`y_true[{a}]` must hold labels in [0, 1]. Received: 16 of 16 outside, the first in batch "
        f"1 at y_true[{a}][0, 0]=2.0. {CLASSES}\n"
        f"`y_true[{b}]` must hold labels in [0, 1]. Received: 8 of 8 outside, the first in batch 1 "
        f"at y_true[{b}][0, 0]=-1.0. If the labels are -1 and 1, pass `(y_true[{b}] + 1) / 2`; if "
        "-1 stands for a missing label, pass `ignore_class=-1`.",
        batches,
    )
    refused(
        f"`y_pred[{b}]` must hold probabilities in [0, 1]. Received: 8 of 8 outside, the first in "
        f"batch 0 at y_pred[{b}][0, 0]=9.0. If the model has no sigmoid, its outputs are logits: "
        "pass `from_logits=True`.",
        batches[:1],
        model=two_outputs(form),
    )
    keras_bce.check_inputs(batches[:1], model=two_outputs(form), from_logits=True)
    with pytest.raises(ValueError, match=rf"the first at y_pred\[{b}\]\[0, 0\]=9.0"):
        keras_bce.check_inputs(batches[0], model=two_outputs(form))


def test_outputs_without_labels_are_not_checked():
    a = np.zeros((8, 2))
    for form in ("dict", "list"):
        keras_bce.check_inputs([(features(8), {"a": a})], model=two_outputs(form))
        keras_bce.check_inputs([(features(8), {"a": a, "b": None})], model=two_outputs(form))


def test_weights_go_with_their_output_or_with_all():
    y = {"a": np.array([[0.0], [5.0]]), "b": np.array([[9.0], [0.0]])}
    with pytest.raises(ValueError, match=r"^`y_true\['b'\]` .* y_true\['b'\]\[0, 0\]=9.0.*$"):
        keras_bce.check_inputs([(np.zeros(2), y, {"a": np.array([1, 0])})])
    keras_bce.check_inputs([(np.zeros(2), y, {"a": np.array([1, 0]), "b": np.array([0, 1])})])
    y["b"] = y["a"]
    keras_bce.check_inputs([(np.zeros(2), y, np.array([1, 0]))])
    keras_bce.check_inputs([(np.zeros(2), (*y.values(),), [np.array([1, 0]), np.array([1, 0])])])
    keras_bce.check_inputs([(np.zeros(2), [y["a"]], [np.array([1, 0])])])


def test_labels_of_no_output_are_named():
    fault = "`y` must hold labels by the names of outputs of the model, or one array per output. "
    refused(
        f"{fault}Received: labels ['c'], outputs ['a', 'b'].",
        [(features(8), {"c": np.zeros(8)})],
        model=two_outputs("dict"),
    )
    refused(
        f"{fault}Received: labels [None], outputs [0, 1].",
        [(features(8), np.zeros(8))],
        model=two_outputs("list"),
    )
    keras_bce.check_inputs([(features(8), {"c": np.zeros(8)})])


def test_training_goes_on_after_the_model_was_checked():
    model = dense()
    model.compile("sgd", keras_bce.losses.BinaryCrossentropy())
    before = [w.copy() for w in model.get_weights()]
    keras_bce.check_inputs(split(features(), labels()), model=model)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    if BACKEND != "numpy":
        model.fit(features(), labels(), verbose=0)
        keras_bce.check_inputs((features(), labels()), model=model)


@pytest.mark.skipif(BACKEND == "numpy", reason="NumPy does not train")
def test_the_data_that_fit_makes_nan_of_is_found():
    y = labels(at={33: 255.0})
    model = dense()
    model.compile("sgd", keras_bce.losses.BinaryCrossentropy())
    history = model.fit(features(), y, batch_size=BATCH, verbose=0)
    assert np.isnan(history.history["loss"]).all()
    with pytest.raises(ValueError, match=r"the first in batch 4 at y_true\[1, 0\]=255.0"):
        keras_bce.check_inputs(split(features(), y), model=model)
    # What NaN has made of the weights is seen in the predictions, for the batches before as well.
    with pytest.raises(ValueError, match=r"the first in batch 0 at y_pred\[0, 0\]=nan"):
        keras_bce.check_inputs(split(features(), y), model=model)
    with pytest.raises(ValueError, match=r"^`y_pred` .* The model itself gives NaN"):
        keras_bce.check_inputs(split(features(), labels()), model=model)
