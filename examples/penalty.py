"""The two pictures of the README: what a prediction costs, and where its gradient goes dead.

    python examples/penalty.py

On TensorFlow or torch. A few seconds; writes penalty.png.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from pathlib import Path

import keras
import matplotlib as mpl
import numpy as np

mpl.use("Agg")

import matplotlib.pyplot as plt

import keras_bce
from keras_bce import plotting, reference


def gradient_of_training(library, logit):
    """How far one step of a mixed precision model moves its logit, on a label of 0."""
    layer = keras.layers.Dense(1, "sigmoid", use_bias=False, dtype="mixed_float16")
    model = keras.Sequential([keras.layers.Input((1,)), layer])
    layer.kernel.assign([[logit]])
    model.compile(keras.optimizers.SGD(1.0), loss=library.losses.BinaryCrossentropy())
    model.train_on_batch(np.ones((1, 1)), np.zeros((1, 1)))
    return logit - float(keras.ops.convert_to_numpy(layer.kernel)[0, 0])


def main():
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.8), layout="constrained")

    doubt = np.logspace(-10, np.log10(0.5), 400)
    ours = keras_bce.losses.BinaryCrossentropy(reduction=None)
    keras_own = keras.losses.BinaryCrossentropy(reduction=None)
    plotting.loss_curves({"keras_bce": ours, "Keras": keras_own}, doubt, y_true=1.0, ax=left)
    true = [reference.binary_cross_entropy([1], [p]) for p in doubt]
    left.plot(doubt, true, color="0.6", linewidth=1, zorder=0, label="$-\\log\\,p$")
    left.set(xscale="log", xlabel="predicted probability p of what is true", ylabel="penalty")
    left.set_title("Probabilities: the ceiling is that of Keras", fontsize=10)
    left.legend(frameon=False)

    logits = np.arange(0, 21, dtype="float32")
    for i, (name, library) in enumerate({"keras_bce": keras_bce, "Keras": keras}.items()):
        steps = [gradient_of_training(library, logit) for logit in logits]
        style = {"color": plotting.COLOURS[i], "linestyle": plotting.DASHES[i]}
        right.plot(logits, steps, label=name, linewidth=1.8, **style)
    right.set(
        xlabel="logit of a prediction that is wrong", ylabel="gradient", xticks=range(0, 21, 4)
    )
    right.set_title("Mixed precision: Keras's gradient goes dead", fontsize=10)
    right.legend(frameon=False, loc="center right")

    path = Path(__file__).with_suffix(".png")
    figure.savefig(path, dpi=130)
    print(f"The picture is {path.name}.")


if __name__ == "__main__":
    main()
