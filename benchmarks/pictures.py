"""Keras's time over ours, by the size of the batch."""

import matplotlib.pyplot as plt
from cells import SHORT, rows

from keras_bce.plotting import COLOURS, STYLE

STYLES = {"eager": "-", "jit": "--", "graph": "--", "XLA": ":", "compiled": "--"}


def lines(found):
    """By backend and mode, the points of rows of 100 labels: predictions, and ratio."""
    points = {}
    for backend, row in rows(found, "sizes"):
        count, labels = map(int, row["case"].split("x"))
        if labels == 100:
            point = count * labels, row["ratios"]["keras"]
            points.setdefault((backend, row["mode"]), []).append(point)
    return points


def draw_sizes(found, path):
    plt.style.use(STYLE)
    figure, axes = plt.subplots(figsize=(7.2, 3.8))
    colours = dict(zip(SHORT, COLOURS, strict=False))
    for (backend, mode), points in lines(found).items():
        axes.plot(*zip(*points, strict=True), STYLES[mode], color=colours[backend], marker="o",
                  markersize=4, label=f"{SHORT[backend]} {mode}")  # fmt: skip
    axes.axhline(1, color="0.5", linewidth=1)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="predictions in a batch",
        ylabel="Keras's time / ours",
        title="Loss and gradient from logits: above 1, ours is faster",
    )
    ticks = [0.5, 1, 2, 4]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    figure.legend(loc="outside right upper")
    figure.savefig(path)
