"""Every message of an error: the rule, the value and the fix."""

import re

import numpy as np
import pytest
from support.differentiation import tensor

import keras_bce
from keras_bce import losses, metrics

Bce = losses.BinaryCrossentropy
NAN = float("nan")


def call(*arguments, **settings):
    return lambda: Bce(**settings)(*arguments)


def sliced(slices):
    metric = metrics.Sliced(metrics.BrierScore(), ["a", "b"])
    metric.update_state([0, 1], [0.5, 0.5], slices=slices)


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
    "binning": (
        lambda: metrics.CalibrationCurve().error(binning="equal"),
        "`binning` must be one of 'uniform', 'quantile'. Received: binning='equal'.",
    ),
    "norm": (
        lambda: metrics.CalibrationCurve().error(norm=np.inf),
        "`norm` must be one of 1, 2. Received: norm=inf.",
    ),
    "debiased": (
        lambda: metrics.CalibrationCurve().error(debiased=True),
        "`debiased` must be False with `norm=1`: the sampling noise of a gap's size cannot be "
        "subtracted, that of its square can. Received: debiased=True, norm=1. Pass `norm=2`.",
    ),
    "score": (
        lambda: metrics.CalibrationCurve().decomposition("mse"),
        "`score` must be one of 'log_loss', 'brier'. Received: score='mse'.",
    ),
    "level": (
        lambda: metrics.CalibrationCurve().curve(level=1),
        "`level` must be a number in (0, 1). Received: level=1.",
    ),
    "num_bins of a curve": (
        lambda: metrics.CalibrationCurve().curve(num_bins=2.5),
        "`num_bins` must be an integer, 1 or greater. Received: num_bins=2.5.",
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
    "level of 1": (
        lambda: metrics.BrierScore().interval(1.0),
        "`level` must be a number in (0, 1). Received: level=1.0.",
    ),
    "level of 0": (
        lambda: metrics.Sliced(metrics.BrierScore(), ["a"]).interval(level=0),
        "`level` must be a number in (0, 1). Received: level=0.",
    ),
    "no uncertainty": (
        lambda: metrics.NormalizedEntropy().standard_error(),
        "A standard error needs sums that this metric was made without. Received: "
        "uncertainty=False. Make it with `NormalizedEntropy(uncertainty=True)`.",
    ),
    "a loss of Keras": (
        lambda: metrics.MeanLoss("mse"),
        "`loss` must be a loss of keras_bce, an object whose formula is known. Received: "
        "loss='mse'. Pass one such as `keras_bce.losses.BinaryFocalCrossentropy()`.",
    ),
    "a loss with a call of its own": (
        lambda: metrics.LossDifference(type("Own", (Bce,), {"call": lambda *_: 0.0})()),
        "`loss` must be a loss of keras_bce, an object whose formula is known. Received: "
        "loss=a Own with a `call` of its own. Pass one such as "
        "`keras_bce.losses.BinaryFocalCrossentropy()`.",
    ),
    "from_logits beside a loss": (
        lambda: metrics.LossDifference(Bce(), from_logits=True),
        "`from_logits` belongs to the loss, if there is one. Received: from_logits=True beside a "
        "loss with from_logits=False. Set it there.",
    ),
    "no pair": (
        lambda: metrics.LossDifference().update_state([0, 1], ([0.5, 0.5],)),
        "`y_pred` must be a pair of predictions, those of the two models. Received: a tuple of 1. "
        "Pass `(y_pred_a, y_pred_b)`.",
    ),
    "a metric that has no sums": (
        lambda: metrics.Sliced("auc", ["a"]),
        "`metric` must be a metric of keras_bce whose state is sums: not `FromLogits`, `Sliced`, "
        "or one of Keras. Received: metric='auc'. Pass one such as "
        "`keras_bce.metrics.BinaryCrossentropy()`.",
    ),
    "slice_names": (
        lambda: metrics.Sliced(metrics.BrierScore(), []),
        "`slice_names` must be a list of different strings, one per slice. Received: "
        "slice_names=[].",
    ),
    "slice_names that are one": (
        lambda: metrics.Sliced(metrics.BrierScore(), "north"),
        "`slice_names` must be a list of different strings, one per slice. Received: "
        "slice_names='north'.",
    ),
    "no slices": (
        lambda: sliced(None),
        "`slices` must be given, the number of each sample's slice. Received: slices=None. `fit` "
        "and `evaluate` do not give them: update the metric in a loop of your own.",
    ),
    "slices that are floats": (
        lambda: sliced([0.0, 1.0]),
        "`slices` must hold integers, the numbers of slices. Received: slices of dtype float64. "
        "Cast them.",
    ),
    "slices that are bools": (
        lambda: sliced([True, False]),
        "`slices` must hold integers, the numbers of slices. Received: slices of dtype bool. Cast "
        "them.",
    ),
    "slices of floats in a tensor": (
        lambda: sliced(tensor([0.0, 1.0])),
        "`slices` must hold integers, the numbers of slices. Received: slices of dtype float32. "
        "Cast them.",
    ),
    "slices out of range": (
        lambda: sliced([0, -1]),
        "`slices` must hold numbers from 0 to 1, as many as there are `slice_names`. Received: 1 "
        "of 2 outside, the first at slices[1]=-1.",
    ),
    "slices of another length": (
        lambda: sliced([0, 1, 0]),
        "`slices` must have one number per sample (aligned with `y_pred` from the left, the batch "
        "first), or be a scalar. Received: slices.shape=(3,), y_pred.shape=(2, 1).",
    ),
    "slices of another rank": (
        lambda: sliced(np.zeros((2, 2), int)),
        "`slices` must have one number per sample (aligned with `y_pred` from the left, the batch "
        "first), or be a scalar. Received: slices.shape=(2, 2), y_pred.shape=(2, 1).",
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
