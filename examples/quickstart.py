"""The main job: Keras's documented numbers, then a classifier trained, saved and loaded again.

    python examples/quickstart.py

Under a minute on two cores. The data comes with scikit-learn.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

import keras_bce


def documented_examples():
    """Prints each example of Keras's documentation beside what this package computes."""
    logits = keras_bce.losses.BinaryCrossentropy(from_logits=True)
    summed = keras_bce.losses.BinaryCrossentropy(from_logits=True, reduction="sum")
    unreduced = keras_bce.losses.BinaryCrossentropy(from_logits=True, reduction=None)
    metric = keras_bce.metrics.BinaryCrossentropy()
    y1, x1 = [0, 1, 0, 0], [-18.6, 0.51, 2.94, -12.8]
    y2, x2 = [[0, 1], [0, 0]], [[-18.6, 0.51], [2.94, -12.8]]
    p2 = [[0.6, 0.4], [0.4, 0.6]]

    metric.update_state(y2, p2)
    first = metric.result()
    metric.reset_states()
    metric.update_state(y2, p2, sample_weight=[1, 0])
    second = metric.result()

    rows = [
        ("loss, from logits", "0.865", logits(y1, x1), cut),
        ("loss, 2x2", "0.865", logits(y2, x2), cut),
        ("loss, 2x2, weights [0.8, 0.2]", "0.243", logits(y2, x2, sample_weight=[0.8, 0.2]), cut),
        ('loss, 2x2, reduction="sum"', "1.730", summed(y2, x2), cut),
        ("loss, 2x2, reduction=None", "[0.235, 1.496]", unreduced(y2, x2), rounded_to_3),
        ("metric", "0.81492424", first, rounded_to_4),
        ("metric, weights [1, 0]", "0.9162905", second, rounded_to_4),
    ]
    print(f"{'example':<34}{'documented':<17}{'computed':<17}all digits")
    for name, documented, value, shown in rows:
        value = np.asarray(keras.ops.convert_to_numpy(value), "float64")
        print(f"{name:<34}{documented:<17}{shown(value):<17}{np.round(value, 7)}")
    print("Keras's documentation cuts its scalar losses off after three digits.\n")


def cut(value):
    return f"{value:.9f}"[:5]


def rounded_to_3(values):
    return "[" + ", ".join(f"{value:.3f}" for value in values) + "]"


def rounded_to_4(value):
    return f"{value:.4f}"


def data():
    """Standardised measurements of tumours, malignant (1) or benign: training and held-out rows."""
    x, y = load_breast_cancer(return_X_y=True)
    x, held_out, y, labels = train_test_split(x, 1 - y, test_size=0.25, random_state=0, stratify=y)
    mean, spread = x.mean(0), x.std(0)
    return (x - mean) / spread, y, (held_out - mean) / spread, labels


def train(path):
    """Trains with our loss and metric, and saves the model."""
    keras.utils.set_random_seed(0)
    x, y, _, _ = data()
    model = keras.Sequential(
        [keras.layers.Input((30,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(1)]
    )
    model.compile(
        keras.optimizers.Adam(0.01),
        loss=keras_bce.losses.BinaryCrossentropy(from_logits=True),
        metrics=[
            keras_bce.metrics.BinaryCrossentropy(from_logits=True),
            keras_bce.metrics.FromLogits(keras.metrics.BinaryAccuracy("accuracy")),
        ],
    )
    model.fit(x, y, epochs=10, batch_size=32, verbose=1)
    model.save(path)


def evaluate(path):
    """The saved model's numbers on the held-out rows."""
    _, _, x, y = data()
    model = keras.saving.load_model(path)
    results = model.evaluate(x, y, verbose=0, return_dict=True)
    return " ".join(f"{name}={value:.6f}" for name, value in sorted(results.items()))


def main():
    if len(sys.argv) == 3:  # The new process that `main` starts, below.
        print(evaluate(sys.argv[2]))
        return
    documented_examples()
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model.keras")
        train(path)
        here = evaluate(path)
        command = [sys.executable, __file__, "--evaluate", path]
        there = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    print(f"\nheld-out rows          {here}")
    print(f"loaded in a new process {there.strip().splitlines()[-1]}")
    if here != there.strip().splitlines()[-1]:
        sys.exit("The loaded model gives other numbers.")


if __name__ == "__main__":
    main()
