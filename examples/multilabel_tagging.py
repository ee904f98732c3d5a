"""Several tags for each picture, a third of them not known: the log loss of each while it trains.

    python examples/multilabel_tagging.py

1,797 handwritten digits (scikit-learn), tagged by what they show. 30% of the training tags are
hidden. About 20 seconds.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import keras_bce

TAGS = {
    "even": {0, 2, 4, 6, 8},
    "prime": {2, 3, 5, 7},
    "loop": {0, 6, 8, 9},
    "seven": {7},
}
MISSING = -1.0


def data():
    images, digits = load_digits(return_X_y=True)
    tags = [[digit in members for members in TAGS.values()] for digit in digits]
    return train_test_split(
        images.astype("float32") / 16, np.array(tags, "float32"), test_size=0.3, random_state=0
    )


def tagger(loss):
    """A small model with our loss, and the log loss of each tag among its metrics."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Input((64,)), keras.layers.Dense(64, "relu"), keras.layers.Dense(4)]
    model = keras.Sequential(layers)
    metric = keras_bce.metrics.BinaryCrossentropy(
        "bce", from_logits=True, ignore_class=MISSING, label_names=list(TAGS)
    )
    model.compile(keras.optimizers.Adam(0.005), loss=loss, metrics=[metric])
    return model


def main():
    x, x_test, y, y_test = data()
    hidden = np.random.default_rng(0).random(y.shape) < 0.3
    y_known = np.where(hidden, MISSING, y)
    weights = keras_bce.balanced_pos_weight(y_known, ignore_class=MISSING)
    print("tag     share  pos_weight")
    for name, share, weight in zip(TAGS, y.mean(0), weights, strict=True):
        print(f"{name:<8}{share:5.1%}{weight:12.2f}")

    bce = keras_bce.losses.BinaryCrossentropy
    model = tagger(bce(from_logits=True, ignore_class=MISSING))
    model.fit(x, y_known, epochs=15, batch_size=32, verbose=2)
    left_out = model.evaluate(x_test, y_test, verbose=0, return_dict=True)

    taken_for_no = tagger(bce(from_logits=True))
    taken_for_no.fit(x, np.where(hidden, 0.0, y), epochs=15, batch_size=32, verbose=0)
    as_no = taken_for_no.evaluate(x_test, y_test, verbose=0, return_dict=True)

    print(f"\n{'held-out log loss':<22}{'missing left out':>18}{'missing taken for no':>22}")
    for name in ("bce", *(f"bce_{tag}" for tag in TAGS)):
        print(f"{name:<22}{left_out[name]:18.3f}{as_no[name]:22.3f}")


if __name__ == "__main__":
    main()
