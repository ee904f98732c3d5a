"""What `check_inputs` reads as labels and weights, and which arguments it refuses."""

import keras
import numpy as np
import pytest
from support.batches import (
    BATCH_RULE,
    CLASSES,
    NAN,
    SAMPLES,
    X,
    Y,
    dense,
    features,
    labels,
    refused,
    split,
)
from support.differentiation import tensor

import keras_bce


def test_check_inputs_accepts_what_losses_accept():
    keras_bce.check_inputs([0, 1], [[0.5], [0.5]])
    keras_bce.check_inputs([[0], [1]], [0.5, 0.5])
    keras_bce.check_inputs(np.zeros((2, 3)), np.zeros((2, 3, 1)))
    keras_bce.check_inputs(tensor([[0, -1]]), tensor([[0.5, 9.0]]), ignore_class=-1)
    keras_bce.check_inputs([NAN, 1], [NAN, 0.5], ignore_class=NAN)
    keras_bce.check_inputs([0.0], [1e9], from_logits=True)
    keras_bce.check_inputs(np.zeros((0, 3)), np.zeros((0, 3)))


ELEMENT = np.arange(24).reshape(4, 2, 3)
WEIGHTS = {
    "a number": 1.0,
    "the number 0": 0.0,
    "samples": [1, 1, 0, 1],
    "other samples": [1, 0, 1, 1],
    "too few samples": [1, 0, 1],
    "one sample": [0],
    "samples in rows": [[1], [1], [0], [1]],
    "steps": [[1, 1], [1, 1], [1, 0], [1, 1]],
    "other steps": [[1, 1], [1, 1], [0, 1], [1, 1]],
    "too many steps": np.zeros((4, 3)),
    "elements": ELEMENT != 15,
    "other elements": ELEMENT != 14,
    "labels": [[[0, 1, 1]]],
    "other labels": [[[1, 1, 0]]],
    "too few labels": [[[0, 0]]],
    "too high a rank": np.zeros((4, 2, 3, 2)),
}


@pytest.mark.parametrize("weight", WEIGHTS.values(), ids=WEIGHTS)
@pytest.mark.parametrize("shape", [(4, 2, 3), (4, 2), (4,)])
def test_a_weight_excuses_the_labels_that_it_excuses_in_a_loss(weight, shape):
    weight, y = np.array(weight, "float32"), np.zeros(shape)
    y[(2, 1, 0)[: len(shape)]] = 5.0
    loss = keras_bce.losses.BinaryCrossentropy()

    def outcome(function):
        try:
            function()
        except ValueError as error:
            return str(error).partition(" must")[0]
        return "passes"

    in_loss = outcome(lambda: loss(y, np.full(shape, 0.5), weight))
    checked = outcome(lambda: keras_bce.check_inputs([(np.zeros(4), y, weight)]))
    if in_loss == "`sample_weight`":  # The loss looks at shapes first; this names everything.
        assert checked == "`y_true`"
        y[:] = 0
        checked = outcome(lambda: keras_bce.check_inputs([(np.zeros(4), y, weight)]))
    assert checked == in_loss


def test_a_weight_may_have_the_last_axis_of_1_that_the_predictions_have():
    y, weight = np.zeros((4, 2)), np.ones((4, 2, 1))
    y[2, 1], weight[2, 1] = 5.0, 0.0
    assert np.isfinite(float(keras_bce.losses.BinaryCrossentropy()(y, weight / 2, weight)))
    keras_bce.check_inputs([(np.zeros(4), y, weight)])


def test_weights_may_be_negative_but_not_nan_nor_of_another_shape():
    weight = np.ones((SAMPLES, 1))
    weight[13] = NAN
    refused(
        "`sample_weight` must hold finite numbers. Received: 1 of 8 NaN or infinite, the first in "
        "batch 1 at sample_weight[5, 0]=nan. To leave a sample out, give it a weight of 0.",
        split(features(), labels(), weight),
    )
    refused(
        "`sample_weight` must be a scalar, have one value per sample (aligned with `y_true` from "
        "the left, the batch first), or have the rank of `y_true` and broadcast to it. Received in "
        "batch 0: sample_weight.shape=(7,), y_true.shape=(8, 1).",
        [(features(8), labels()[:8], np.ones(7))],
    )
    keras_bce.check_inputs(split(features(), labels(), -np.ones(SAMPLES)))
    with pytest.raises(ValueError, match="the first in batch 1 at"):
        keras_bce.check_inputs(split(features(), labels(at={9: 3.0}), -np.ones(SAMPLES)))
    keras_bce.check_inputs([(features(8), labels()[:8], None)])


REFUSED = {
    "y_pred and batches": (
        ([(X, Y)], Y),
        {},
        "`y_pred` goes with labels alone. Received: y_pred beside batches. Leave it out, and pass "
        "`model=model`.",
    ),
    "y_pred and a model": (
        ((X, Y), Y),
        {"model": dense()},
        "`y_pred` goes with labels alone. Received: y_pred beside a model. Leave it out, and pass "
        "`model=model`.",
    ),
    "labels and a model": (
        (Y,),
        {"model": dense()},
        "`model` needs its inputs beside the labels. Received: y_true of type ndarray. Pass "
        "`check_inputs((x, y), model=model)`, or batches.",
    ),
    "a model of no kind": (
        ((X, Y),),
        {"model": len},
        "`model` must be a Keras model. Received: model=<built-in function len>.",
    ),
    "verbose": (
        ([0, 1],),
        {"verbose": "no"},
        "`verbose` must be 'auto', 0 or 1. Received: verbose='no'.",
    ),
    "a pair without labels": (
        ((X, None),),
        {"model": dense()},
        f"{BATCH_RULE} Received: (ndarray, NoneType). Give it labels, as `fit` needs.",
    ),
}


@pytest.mark.parametrize(("arguments", "settings", "message"), REFUSED.values(), ids=REFUSED)
def test_arguments_that_do_not_go_together_are_refused(arguments, settings, message):
    refused(message, *arguments, **settings)


LABELS = {
    "numbers": [0, 1, 9],
    "rows": [[0, 1], [1, 0], [0, 9]],
    "tuples of numbers": [(0, 1), (1, 0), (0, 9)],
    "triples": [(0, 1, 1), (0, 9, 1)],
    "scalar arrays": [(np.float32(0), np.float32(1)), (np.float32(1), np.float32(9))],
    "arrays": [np.array([0, 1]), np.array([0, 9])],
    "a tuple of arrays": (np.array([0, 1]), np.array([0, 9])),
    "a range": range(10),
    "a variable": keras.Variable([0.0, 9.0]),
    "tensors": [tensor(0), tensor(9)],
    "tensors of half precision": [keras.ops.cast(tensor(x), "bfloat16") for x in (0, 9)],
}


@pytest.mark.parametrize("values", LABELS.values(), ids=LABELS)
def test_what_a_loss_reads_as_labels_is_labels(values):
    with pytest.raises(ValueError, match=r"the first at y_true\[[\d, ]+\]="):
        keras_bce.check_inputs(values)


def test_tables_are_labels():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"a": [0, 1], "b": [1, 9]})
    with pytest.raises(ValueError, match=r"the first at y_true\[1, 1\]=9"):
        keras_bce.check_inputs(table)
    with pytest.raises(ValueError, match=r"the first at y_true\[1\]=9"):
        keras_bce.check_inputs(table["b"])
    with pytest.raises(ValueError, match=r"the first in batch 0 at y_true\[1, 1\]=9"):
        keras_bce.check_inputs([(table, table)])


def test_tensors_of_another_backend_are_labels():
    torch = pytest.importorskip("torch")
    tf = pytest.importorskip("tensorflow")
    for convert in (torch.tensor, tf.constant):
        with pytest.raises(ValueError, match=r"the first at y_true\[1\]=9"):
            keras_bce.check_inputs(convert([0, 9]))


@pytest.mark.parametrize("convert", [np.float32, tensor])
@pytest.mark.parametrize(
    ("name", "limit"), [("y_true", -0.5), ("y_true", 1.5), ("y_pred", -0.01), ("y_pred", 1.01)]
)
def test_a_value_just_inside_of_a_limit_passes_and_one_just_outside_is_named(name, limit, convert):
    def check(value):
        values = {"y_true": [[1.0], [0.0]], "y_pred": [[0.5], [0.5]]}
        values[name][1] = [value]
        keras_bce.check_inputs(**{name: convert(array) for name, array in values.items()})

    check(limit * 0.9999)
    outside = np.float32(limit * 1.0001)
    with pytest.raises(ValueError, match=rf"^`{name}`.* at {name}\[1, 0\]={outside}\. "):
        check(outside)


def test_large_and_small_numbers_in_tensors_are_read_as_they_are():
    keras_bce.check_inputs(tensor([[1.0], [2049.0]]), ignore_class=2049)
    refused(
        "`y_true` must hold labels in [0, 1]. Received: 1 of 2 outside, the first at "
        f"y_true[1, 0]=100000.0. {CLASSES}",
        tensor([[1.0], [1e5]]),
    )
    weight = tensor([1e-9, 1e9])
    keras_bce.check_inputs([(features(2), tensor([[1.0], [0.0]]), weight)])
    with pytest.raises(ValueError, match=r"y_true\[0, 0\]=9\.0"):
        keras_bce.check_inputs([(features(2), tensor([[9.0], [0.0]]), weight)])
