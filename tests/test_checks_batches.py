"""What `check_inputs` finds in the batches that `fit` takes, and where it says that it is."""

import itertools
from pathlib import Path

import keras
import numpy as np
import pytest
from support.batches import (
    BATCH_RULE,
    CLASSES,
    FORMS,
    NAN,
    SAMPLES,
    Indexed,
    X,
    Y,
    as_tf_data,
    dense,
    every_form,
    features,
    labels,
    refused,
    split,
)

import keras_bce
from keras_bce import _data, checks


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
    monkeypatch.setattr(_data, "PROGRESS_DELAY", 0.0)
    assert count in output()
    assert output(verbose=0) == ""


def test_the_bar_begins_a_second_after_the_work(capsys, monkeypatch):
    now = iter([0.0, 0.6, 0.9, 1.1, 1.2, 1.3])
    monkeypatch.setattr(_data.time, "monotonic", lambda: next(now))
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
