"""What `check_inputs` finds in whatever `fit` takes, and where it says that it is."""

import itertools
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from differentiation import BACKEND, tensor

import keras_bce
from keras_bce import checks

NAN = float("nan")
SAMPLES, BATCH = 40, 8


def features(samples=SAMPLES):
    return np.linspace(0, 1, 3 * samples, dtype="float32").reshape(samples, 3)


def labels(**impossible):
    """0 and 1 for 40 samples, with the values given at `at`."""
    y = np.arange(SAMPLES, dtype="float32").reshape(-1, 1) % 2
    for place, value in impossible.get("at", {}).items():
        y[place] = value
    return y


def dense(*, bias=0.0, units=1, activation="sigmoid"):
    """A model that says the same of every sample."""
    layer = keras.layers.Dense(
        units,
        activation,
        kernel_initializer="zeros",
        bias_initializer=keras.initializers.Constant(bias),
    )
    return keras.Sequential([keras.Input((3,)), layer])


def two_outputs(form):
    """A model of outputs `a`, of two labels, and `b`, of one, which are logits of 9."""
    x = keras.Input((3,))
    constant = {"kernel_initializer": "zeros", "bias_initializer": keras.initializers.Constant(9)}
    a = keras.layers.Dense(2, "sigmoid", name="a")(x)
    b = keras.layers.Dense(1, name="b", **constant)(x)
    return keras.Model(x, {"a": a, "b": b} if form == "dict" else [a, b])


def split(*arrays):
    """Batches of 8 samples."""
    return [
        tuple(array[start : start + BATCH] for array in arrays)
        for start in range(0, len(arrays[0]), BATCH)
    ]


class Indexed(keras.utils.PyDataset):
    def __init__(self, batches, endless=False):
        super().__init__()
        self.batches, self.endless = batches, endless

    @property
    def num_batches(self):
        return None if self.endless else len(self.batches)

    def __getitem__(self, index):
        return self.batches[index % len(self.batches)]


class Iterable:
    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        return iter(self.batches)


def as_tf_data(*arrays):
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices(arrays).batch(BATCH)


def as_data_loader(*arrays):
    data = pytest.importorskip("torch.utils.data")
    torch = pytest.importorskip("torch")
    dataset = data.TensorDataset(*(torch.from_numpy(array) for array in arrays))
    return data.DataLoader(dataset, batch_size=BATCH)


FORMS = {
    "tf.data": as_tf_data,
    "DataLoader": as_data_loader,
    "PyDataset": lambda *arrays: Indexed(split(*arrays)),
    "generator": lambda *arrays: (batch for batch in split(*arrays)),
    "iterable": lambda *arrays: Iterable(split(*arrays)),
    "list": split,
    "list of lists": lambda *arrays: [list(batch) for batch in split(*arrays)],
    "tensors": lambda *arrays: [tuple(map(tensor, batch)) for batch in split(*arrays)],
}
every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


def refused(message, *arguments, **settings):
    """Checks that `check_inputs` raises just this."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        keras_bce.check_inputs(*arguments, **settings)


CLASSES = "Labels of several classes need one column per class, of 0 and 1."


@every_form
@pytest.mark.parametrize("predicting", [False, True])
def test_data_without_faults_passes_in_silence(form, predicting, capsys):
    model = dense() if predicting else None
    keras_bce.check_inputs(form(features(), labels()), model=model)
    assert capsys.readouterr() == ("", "")


@every_form
def test_the_first_fault_is_named_by_its_batch_and_its_place_there(form):
    y = labels(at={18: 3.0, 21: 3.0, 30: 7.0})
    refused(
        "`y_true` must hold labels in [0, 1]. Received: 2 of 8 outside, the first in batch 2 at "
        f"y_true[2, 0]=3.0. {CLASSES}",
        form(features(), y),
    )


@every_form
def test_labels_of_samples_weighted_0_may_be_anything(form):
    y, weight = labels(at={3: 255.0, 18: NAN, 19: 255.0}), np.ones(SAMPLES, "float32")
    weight[[3, 18]] = 0
    refused(
        "`y_true` must hold labels in [0, 1]. Received: 1 of 8 outside, the first in batch 2 at "
        "y_true[3, 0]=255.0. If the labels are 0 to 255, as in an image, pass `y_true / 255`.",
        form(features(), y, weight),
    )
    weight[19] = 0
    keras_bce.check_inputs(form(features(), y, weight))


@every_form
def test_what_the_model_predicts_is_checked(form):
    keras_bce.check_inputs(form(features(), labels()), model=dense())
    logits = dense(bias=2.0, activation=None)
    keras_bce.check_inputs(form(features(), labels()), model=logits, from_logits=True)
    refused(
        "`y_pred` must hold probabilities in [0, 1]. Received: 8 of 8 outside, the first in batch "
        "0 at y_pred[0, 0]=2.0. If the model has no sigmoid, its outputs are logits: pass "
        "`from_logits=True`.",
        form(features(), labels()),
        model=logits,
    )


@every_form
def test_an_input_that_makes_the_model_predict_nan_is_found(form):
    x = features()
    x[33, 1] = NAN
    for from_logits, rule, kind in (
        (True, "logits, not NaN", "NaN"),
        (False, "probabilities in [0, 1]", "outside or NaN"),
    ):
        refused(
            f"`y_pred` must hold {rule}. Received: 1 of 8 {kind}, the first in batch 4 at "
            "y_pred[1, 0]=nan. The model itself gives NaN: look at its inputs, or lower the "
            "learning rate.",
            form(x, labels()),
            model=dense(),
            from_logits=from_logits,
        )


def test_missing_labels_and_their_predictions_are_not_checked():
    y, x = labels(at={5: -1.0}), features()
    x[5] = NAN
    keras_bce.check_inputs(split(x, y), model=dense(), ignore_class=-1)
    y[5] = NAN
    keras_bce.check_inputs(split(x, y), model=dense(), ignore_class=NAN)
    with pytest.raises(ValueError, match=r"the first in batch 0 at y_true\[5, 0\]=nan"):
        keras_bce.check_inputs(split(x, y), model=dense(), ignore_class=-1)


def test_every_fault_of_a_batch_is_named():
    x, y, weight = features(8), labels(at={1: 3.0})[:8], np.ones(8)
    weight[3] = np.inf
    refused(
        "`y_true` must hold labels in [0, 1]. Received: 1 of 8 outside, the first in batch 0 at "
        f"y_true[1, 0]=3.0. {CLASSES}\n"
        "`y_true` and `y_pred` must have the same shape, or differ by a last axis of size 1. "
        "Received in batch 0: y_true.shape=(8, 1), y_pred.shape=(8, 2). Reshape one of them; "
        "nothing is broadcast.\n"
        "`y_pred` must hold probabilities in [0, 1]. Received: 16 of 16 outside, the first in "
        "batch 0 at y_pred[0, 0]=2.0. If the model has no sigmoid, its outputs are logits: pass "
        "`from_logits=True`.\n"
        "`sample_weight` must hold finite numbers. Received: 1 of 8 NaN or infinite, the first in "
        "batch 0 at sample_weight[3]=inf. To leave a sample out, give it a weight of 0.",
        [(x, y, weight)],
        model=dense(units=2, bias=2.0, activation=None),
    )


@pytest.mark.parametrize("shape", [(8,), (8, 1), (8, 2), (1, 8)])
@pytest.mark.parametrize("units", [1, 2])
def test_labels_and_predictions_may_differ_by_a_last_axis_of_1_only(shape, units):
    batch = (features(8), np.zeros(shape))
    if shape == (8, units) or (shape == (8,) and units == 1):
        keras_bce.check_inputs([batch], model=dense(units=units))
    else:
        with pytest.raises(ValueError, match=r"Received in batch 0: y_true\.shape="):
            keras_bce.check_inputs([batch], model=dense(units=units))


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


ENDLESS = {
    "generator": lambda batches: itertools.cycle(batches),
    "PyDataset": lambda batches: Indexed(batches, endless=True),
    "tf.data": lambda batches: as_tf_data(
        *map(np.concatenate, zip(*batches, strict=True))
    ).repeat(),
}


@pytest.mark.parametrize("endless", ENDLESS.values(), ids=ENDLESS)
def test_data_without_end_is_read_until_a_fault_or_10_000_batches(endless, monkeypatch):
    assert checks.MOST_BATCHES == 10_000
    monkeypatch.setattr(checks, "MOST_BATCHES", 12)
    with pytest.raises(ValueError, match=r"the first in batch 4 at y_true\[7, 0\]=3.0"):
        keras_bce.check_inputs(endless(split(features(), labels(at={39: 3.0}))))
    stopped = r"^`check_inputs` found no fault in 12 batches, and stopped there\.$"
    with pytest.warns(UserWarning, match=stopped) as caught:
        keras_bce.check_inputs(endless(split(features(), labels())))
    assert [Path(warning.filename) for warning in caught] == [Path(__file__)]


@pytest.mark.parametrize("form", ["tf.data", "DataLoader", "PyDataset", "list"])
def test_data_that_tells_its_length_is_read_to_its_end(form, monkeypatch):
    monkeypatch.setattr(checks, "MOST_BATCHES", 2)
    with pytest.raises(ValueError, match="the first in batch 4 at"):
        keras_bce.check_inputs(FORMS[form](features(), labels(at={39: 3.0})))


def test_a_generator_is_read_no_further_than_its_first_fault():
    batches = iter(split(features(), labels(at={9: 3.0})))
    with pytest.raises(ValueError, match="the first in batch 1 at"):
        keras_bce.check_inputs(batches)
    assert len(list(batches)) == 3


def test_a_pydataset_without_a_length_is_read_as_one_without_end(monkeypatch):
    class Lengthless(keras.utils.PyDataset):
        def __getitem__(self, index):
            return features(8), labels()[:8]

    monkeypatch.setattr(checks, "MOST_BATCHES", 3)
    with pytest.warns(UserWarning, match="no fault in 3 batches"):
        keras_bce.check_inputs(Lengthless())


X, Y = features(8), labels()[:8]
BATCH_RULE = "A batch must be `(x, y)` or `(x, y, sample_weight)`, with an array of labels `y`."
NOT_BATCHES = {
    "an array": (X, "(ndarray)"),
    "a dict": ({"x": X, "y": Y}, "(dict)"),
    "x alone": ((X,), "(ndarray)"),
    "no labels": ((X, None), "(ndarray, NoneType)"),
    "no labels of any output": ((X, {"a": None}), "(ndarray, dict)"),
    "four": ((X, Y, Y, Y), "(ndarray, ndarray, ndarray, ndarray)"),
    "samples": ((X[0], Y[0, 0]), "(ndarray, float32)"),
    "numbers": ([0, 1], "(int, int)"),
}


@pytest.mark.parametrize(("batch", "received"), NOT_BATCHES.values(), ids=NOT_BATCHES)
def test_a_batch_without_labels_is_refused(batch, received):
    refused(
        f"{BATCH_RULE} Received in batch 1: {received}. Give it labels, as `fit` needs.",
        iter([(X, Y), batch]),
    )


def test_labels_that_are_no_numbers_are_named_by_their_batch():
    refused(
        "`y_true` must hold real numbers, in rows of equal length. Received in batch 1: y_true of "
        "type list, dtype <U3.",
        iter([(X, Y), (X, ["cat", "dog"])]),
    )


def test_no_batch_at_all_is_refused():
    batches = iter(split(features(), labels()))
    keras_bce.check_inputs(batches)
    refused(
        "`y_true` must have a batch. Received: none from a tuple_iterator. If it was read before, "
        "make it anew.",
        iter(()),
    )
    with pytest.raises(ValueError, match="none from a list_iterator"):
        keras_bce.check_inputs(batches)


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


@pytest.mark.parametrize("model", [None, dense()], ids=["labels", "model"])
@pytest.mark.parametrize("pair", [True, False])
def test_a_bar_is_shown_when_it_takes_long_and_if_asked_for(model, pair, capsys, monkeypatch):
    if pair and model is None:
        pytest.skip("a pair has a model")
    count = "2/2" if pair else "5/5"

    def output(**settings):
        data = (features(), labels()) if pair else split(features(), labels())
        keras_bce.check_inputs(data, model=model, **settings)
        printed = capsys.readouterr()
        assert printed.err == ""
        return printed.out

    assert output() == output(verbose=0) == output(verbose=False) == ""
    for shown in (output(verbose=1), output(verbose=True)):
        assert count in shown
        assert shown.endswith("\n")
    monkeypatch.setattr(checks, "PROGRESS_DELAY", 0.0)
    assert count in output()
    assert output(verbose=0) == ""


def test_the_bar_begins_a_second_after_the_work(capsys, monkeypatch):
    now = iter([0.0, 0.6, 0.9, 1.1, 1.2, 1.3])
    monkeypatch.setattr(checks.time, "monotonic", lambda: next(now))
    monkeypatch.setattr(checks.keras.utils, "Progbar", Recorder)
    keras_bce.check_inputs(split(features(), labels()))
    assert Recorder.shown == [(3, False), (4, False), (5, False), (5, True)]


class Recorder:
    shown = ()

    def __init__(self, target, unit_name):
        assert target == 5
        Recorder.shown = []

    def update(self, current, finalize):
        self.shown.append((current, finalize))


def test_the_bar_ends_its_line_before_an_error(capsys):
    with pytest.raises(ValueError, match="batch 3"):
        keras_bce.check_inputs(split(features(), labels(at={30: 3.0})), verbose=1)
    assert capsys.readouterr().out.endswith("\n")


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


def test_the_cause_is_named_before_its_effect_and_each_once():
    refused(
        "`y_true` must hold labels in [0, 1]. Received: 1 of 8 outside, the first in batch 3 at "
        f"y_true[6, 0]=3.0. {CLASSES}\n"
        "`y_pred` must hold logits, not NaN. Received: 8 of 8 NaN, the first in batch 0 at "
        "y_pred[0, 0]=nan. The model itself gives NaN: look at its inputs, or lower the learning "
        "rate.",
        split(features(), labels(at={30: 3.0, 39: 3.0})),
        model=dense(bias=NAN),
        from_logits=True,
    )


def test_labels_are_read_on_without_predicting_after_a_fault_of_the_predictions(monkeypatch):
    model, calls = dense(bias=NAN), []
    predict = model.predict_on_batch
    monkeypatch.setattr(model, "predict_on_batch", lambda x: calls.append(x) or predict(x))
    monkeypatch.setattr(checks, "MOST_BATCHES", 12)
    read = []
    batches = (read.append(None) or batch for batch in itertools.cycle(split(features(), labels())))
    with pytest.raises(ValueError, match="the first in batch 0 at y_pred"):
        keras_bce.check_inputs(batches, model=model)
    assert (len(calls), len(read)) == (1, 12)
