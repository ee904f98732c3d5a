"""What one prediction costs, by seven definitions: numbers and a picture.

    python examples/compare_losses.py

From `keras_bce.reference`, the textbook in NumPy. A second; writes compare_losses.png.
"""

from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")

import matplotlib.pyplot as plt

from keras_bce import plotting, reference

READING = """
Only log loss, and KL, the same for a certain label, grows without bound as a prediction comes to be
surely wrong. The others cost at most 2, and so forgive it.
"""

P = np.linspace(0.005, 0.995, 199)


def costs(p):
    """What predicting p for a positive costs; the hinge loss reads 2p - 1 as a score."""
    label, other = [1.0], [p]
    return {
        "log loss": reference.binary_cross_entropy(label, other),
        "KL divergence": reference.kl_divergence([[1.0, 0.0]], [[p, 1 - p]]),
        "hinge": reference.hinge(label, [2 * p - 1]),
        "L1": reference.l1(label, other),
        "L2": reference.l2(label, other),
        "Huber, delta 0.25": reference.huber(label, other, delta=0.25),
    }


def main():
    print(f"{'a positive, predicted':<22}" + "".join(f"{p:>10}" for p in (0.99, 0.6, 0.4, 0.01)))
    for name in costs(0.5):
        print(f"{name:<22}" + "".join(f"{costs(p)[name]:10.3f}" for p in (0.99, 0.6, 0.4, 0.01)))
    print(READING)
    plt.style.use(plotting.STYLE)
    figure, ax = plt.subplots()
    curves = [costs(p) for p in P]
    for i, name in enumerate(curves[0]):
        if name == "KL divergence":  # On top of log loss.
            continue
        style = {"color": plotting.COLOURS[i], "linestyle": plotting.DASHES[i]}
        label = "log loss, KL divergence" if name == "log loss" else name
        ax.plot(P, [curve[name] for curve in curves], label=label, **style)
    ax.set(xlabel="predicted probability of what is true", ylabel="cost", ylim=(0, 4), xlim=(0, 1))
    ax.set_title("Only log loss grows without bound as a prediction becomes surely wrong")
    ax.legend()
    path = Path(__file__).with_suffix(".png")
    figure.savefig(path)
    print(f"\nThe picture is {path.name}.")


if __name__ == "__main__":
    main()
