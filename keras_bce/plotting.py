"""Pictures: matplotlib axes in, axes out. Needs the extra `plot`."""

import numpy as np

#: Told apart by most colour-blind readers (Okabe and Ito, 2008), and by dashes in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))


def reliability_diagram(metric, *, ax=None, label=None, colour=COLOURS[0]):
    """Observed frequencies over predicted probabilities: on the diagonal they are the same.

    Args:
        metric: A fed `metrics.ExpectedCalibrationError`. Each bin that is not empty is one
            point, its area in proportion to the bin's weight.
        ax: The axes to draw on; by default those of a new figure.
        label: What the legend calls it; the error is put behind.
        colour: Of points and line.

    Returns:
        The axes.

    Raises:
        ValueError: if the metric has seen nothing.

    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from keras_bce import metrics, plotting
    >>> metric = metrics.ExpectedCalibrationError(num_bins=4)
    >>> metric.update_state([0, 1, 1], [0.1, 0.4, 0.9])
    >>> plotting.reliability_diagram(metric).get_xlabel()
    'predicted probability'
    """
    bins = metric.bins()
    seen = bins["weight"] > 0
    if not seen.any():
        raise ValueError(
            "`metric` must have seen predictions. Received: a metric without any. "
            "Call its `update_state` first."
        )
    ax = _axes(ax)
    error = f"calibration error {float(metric.result()):.3f}"
    area = 400 * bins["weight"][seen] / bins["weight"].sum()
    ax.plot([0, 1], [0, 1], color="0.6", linewidth=1, zorder=0)
    x, y = bins["mean_prediction"][seen], bins["mean_label"][seen]
    ax.plot(x, y, color=colour, linewidth=1.5, label=f"{label}, {error}" if label else error)
    ax.scatter(x, y, s=area + 8, color=colour, alpha=0.6, linewidths=0)
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    ax.set(xlabel="predicted probability", ylabel="observed frequency")
    ax.legend(loc="upper left", frameon=False)
    return ax


def loss_curves(losses, predictions, y_true=1.0, *, ax=None):
    """The loss of one prediction, over a range of them, one curve a loss.

    Args:
        losses: Functions by name, which the legend shows. Each is called with labels and
            predictions of shape `(n, 1)`, and gives n losses: a loss with `reduction=None`.
        predictions: The n predictions.
        y_true: The label of all of them.
        ax: The axes to draw on; by default those of a new figure.

    Returns:
        The axes.

    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from keras_bce import losses, plotting
    >>> curves = {"log loss": losses.BinaryCrossentropy(reduction=None)}
    >>> plotting.loss_curves(curves, [0.1, 0.5, 0.9]).get_ylabel()
    'loss'
    """
    from keras import ops

    ax = _axes(ax)
    predictions = np.asarray(predictions, "float32")
    labels = np.full((len(predictions), 1), y_true, "float32")
    for i, (name, loss) in enumerate(losses.items()):
        values = ops.convert_to_numpy(loss(labels, predictions[:, None]))
        style = {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i % len(DASHES)]}
        ax.plot(predictions, np.ravel(values), label=name, linewidth=1.8, **style)
    ax.set(xlabel="prediction", ylabel="loss")
    ax.legend(frameon=False)
    return ax


def _axes(ax):
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(4.8, 4.4), layout="constrained")[1]
