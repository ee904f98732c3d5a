"""Two pictures: what a prediction costs, and where its gradient goes dead.

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


def draw_penalties(axes):
    """What both labels cost over p, on an axis that has room for p near 0 and near 1."""
    doubt = np.logspace(-10, np.log10(0.5), 400)
    p = np.concatenate([doubt, 1 - doubt[::-1]])
    held = p[p <= 1 - 2**-24]  # float32 has nothing nearer to 1.
    losses = {
        "keras_bce": keras_bce.losses.BinaryCrossentropy(reduction=None),
        "Keras": keras.losses.BinaryCrossentropy(reduction=None),
    }
    for label, formula, place in ((1, "-\\log\\,p", 1e-8), (0, "-\\log(1-p)", 1 - 1e-8)):
        plotting.loss_curves(losses, held, y_true=label, ax=axes)
        true = [reference.binary_cross_entropy([label], [x]) for x in p]
        (line,) = axes.plot(p, true, color="0.6", linewidth=1, zorder=0)
        axes.annotate(f"label {label}\n${formula}$", (place, 8), ha="center")
    curves = axes.get_lines()[:2]
    axes.legend([*curves, line], [*losses, "the formula"], loc="upper center")
    axes.set(xscale="logit", xlabel="predicted probability p", ylabel="penalty", ylim=(-1, 27))
    ticks = {1e-8: "$10^{-8}$", 1e-4: "", 0.5: "0.5", 1 - 1e-4: "", 1 - 1e-8: "$1-10^{-8}$"}
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.minorticks_off()
    axes.set_title("Penalty: the same, up to the same limit")


def main():
    plt.style.use(plotting.STYLE)
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.3))
    draw_penalties(left)

    logits = np.arange(0, 21, dtype="float32")
    for i, (name, library) in enumerate({"keras_bce": keras_bce, "Keras": keras}.items()):
        steps = [gradient_of_training(library, logit) for logit in logits]
        style = {"color": plotting.COLOURS[i], "linestyle": plotting.DASHES[i]}
        right.plot(logits, steps, label=name, **style)
    right.set(
        xlabel="logit of a prediction that is wrong",
        ylabel="gradient in mixed precision",
        xticks=range(0, 21, 4),
    )
    right.set_title("Keras's gradient is 0 from logit 8 on")
    right.legend(loc="center right")

    path = Path(__file__).with_suffix(".png")
    figure.savefig(path)
    print(f"The picture is {path.name}.")


if __name__ == "__main__":
    main()
