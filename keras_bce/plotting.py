"""Pictures of metrics and losses, drawn on matplotlib axes. Needs the extra `plot`."""

import itertools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from keras_bce._typing import Array, ArrayLike, Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["COLOURS", "DASHES", "STYLE", "intervals", "loss_curves", "reliability_diagram"]


def __dir__() -> list[str]:
    return sorted(__all__)


#: Colours that most colour-blind readers can distinguish (Okabe and Ito, 2008).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
#: Line styles that go with the colours, so that curves differ in a black and white print as well.
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))
#: Settings of matplotlib in which the pictures of this package are drawn:
#: `plt.style.use(plotting.STYLE)`. A figure is 7.2 inches wide, so that its text is as large as
#: that of the page where it is shown about 720 pixels wide.
STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": "0.4",
    "axes.grid": True,
    "axes.prop_cycle": f"cycler('color', {list(COLOURS)})",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "figure.constrained_layout.use": True,
    "figure.figsize": (7.2, 4.0),
    "font.size": 9.5,
    "grid.color": "0.9",
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "savefig.dpi": 200,
    "xtick.color": "0.4",
    "xtick.labelcolor": "black",
    "ytick.color": "0.4",
    "ytick.labelcolor": "black",
}

#: In front of the grid, which is at 0.5, and behind all else.
_BEHIND = 0.8


class _CalibrationError(Protocol):
    """What a diagram needs of `metrics.ExpectedCalibrationError`."""

    def bins(self) -> Mapping[str, Array]: ...

    def result(self) -> Tensor: ...


@runtime_checkable
class _CalibrationCurve(Protocol):
    """What a diagram needs of `metrics.CalibrationCurve`."""

    def curve(self, num_bins: int, binning: str, level: float) -> Mapping[str, Array]: ...

    def result(self) -> Tensor: ...


def reliability_diagram(
    metric: _CalibrationCurve | _CalibrationError,
    *,
    num_bins: int = 15,
    level: float = 0.95,
    ax: "Axes | None" = None,
    label: str | None = None,
    colour: str = COLOURS[0],
) -> "Axes":
    r"""Draws observed frequencies over predicted probabilities; on the diagonal they are equal.

    Each bin that is not empty is a point, whose area is in proportion to the weight of the bin:

    $$
    x_k = \frac{\sum_{i \in B_k} w_i \, p_i}{\sum_{i \in B_k} w_i}, \quad
    y_k = \frac{\sum_{i \in B_k} w_i \, y_i}{\sum_{i \in B_k} w_i}
    $$

    Of a `CalibrationCurve` it shows bins of equal weight, the band in which their frequencies would
    lie if the model were calibrated, and below a histogram of the predictions. The axes end where
    the points end if these are all below 1/2. A second call on the same axes adds a model.

    Args:
        metric: A `metrics.CalibrationCurve` or `metrics.ExpectedCalibrationError` that has seen
            predictions.
        num_bins: The number of points of a `CalibrationCurve`.
        level: The share of a calibrated model's frequencies that lie within the band.
        ax: The matplotlib axes to draw on; by default those of a new figure.
        label: The name of the model in the legend, in front of the calibration error.
        colour: The colour of all that is drawn.

    Returns:
        The axes. Those of the histogram are the first of their `child_axes`.

    Raises:
        ValueError: if the metric has not seen any predictions, or impossible ones.
        ImportError: without matplotlib, the extra `plot`.

    Examples:

    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from keras_bce import metrics, plotting
    >>> metric = metrics.CalibrationCurve()
    >>> metric.update_state([0, 1, 1], [0.1, 0.4, 0.9])
    >>> ax = plotting.reliability_diagram(metric, label="model")
    >>> ax.get_xlabel()
    'predicted probability'

    Save the picture with `ax.figure.savefig("reliability.png")`.

    Reference: Broecker and Smith, 2007, "Increasing the Reliability of Reliability Diagrams",
    https://doi.org/10.1175/WAF993.1.
    """
    if isinstance(metric, _CalibrationCurve):
        bins, error = metric.curve(num_bins, "quantile", level), "smooth ECE"
    else:
        bins, error = metric.bins(), "calibration error"
    value = float(metric.result())
    if np.isnan(value):
        raise ValueError(
            "`metric` must have seen possible labels and predictions. Received: a metric whose "
            "result is NaN. `keras_bce.check_inputs` says what is wrong with the data."
        )
    seen = bins["weight"] > 0
    if not seen.any():
        raise ValueError(
            "`metric` must have seen predictions. Received: a metric without any. "
            "Call its `update_state` first."
        )
    ax = _axes(ax)
    drawn_before = ax.get_xlim()[1] if ax.has_data() else 0.0
    error = f"{error} {value:#.3g}"
    x, y = bins["mean_prediction"][seen], bins["mean_label"][seen]
    ax.plot([0, 1], [0, 1], color="0.6", linewidth=1, zorder=_BEHIND)
    ax.plot(x, y, color=colour, linewidth=1.8, label=f"{label}, {error}" if label else error)
    area = 200 * bins["weight"][seen] / bins["weight"].sum()
    ax.scatter(x, y, s=area + 8, color=colour, alpha=0.6, linewidths=0)
    end = 1.0
    if isinstance(metric, _CalibrationCurve):
        low, high = bins["low"][seen], bins["high"][seen]
        end = _end(max(x.max(), y.max(), high.max()))
        _band(ax, x, low, high, level=level, width=0.01 * end, colour=colour)
        _histogram_below(ax, metric, end=end, colour=colour)
    end = max(1.02 * end, drawn_before)
    for axes in (ax, *ax.child_axes):
        axes.set_xlim(-0.02 * end, end)
    ax.set(ylim=ax.get_xlim(), aspect="equal")
    ax.set(xlabel="predicted probability", ylabel="observed frequency")
    # The band, which is that of every model, comes last.
    entries = zip(*ax.get_legend_handles_labels(), strict=True)
    handles, labels = zip(
        *sorted(entries, key=lambda entry: entry[0] in ax.collections), strict=True
    )
    ax.legend(handles, labels, loc="upper left", frameon=True, framealpha=0.8, edgecolor="none")
    return ax


def _end(reach: float) -> float:
    """Where axes end that show probabilities up to `reach`."""
    return 1.0 if reach > 0.5 else 1.1 * reach


def _band(
    ax: "Axes", x: Array, low: Array, high: Array, *, level: float, width: float, colour: str
) -> None:
    """Shades where frequencies would lie if the model were calibrated; first, with a label."""
    if len(x) == 1:  # An area needs two points.
        x, low, high = x + np.array([-width, width]), low.repeat(2), high.repeat(2)
    label = None if ax.child_axes else f"{level:.0%} of samples, if calibrated"
    ax.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0, zorder=_BEHIND, label=label)


def _histogram_below(ax: "Axes", metric: _CalibrationCurve, *, end: float, colour: str) -> None:
    """Draws the density of predictions on axes below, which the first call makes."""
    if not ax.child_axes:
        ax.inset_axes((0.0, -0.22, 1.0, 0.18)).set(yticks=[], ylabel="density")
        ax.child_axes[0].spines[["top", "left", "right"]].set_visible(False)
        ax.tick_params(labelbottom=False)
        ax.xaxis.set_label_coords(0.5, -0.31)
        ax.set_anchor("N")  # Space that is left over goes to the histogram's side.
    below: Any = ax.child_axes[0]
    bars = 40
    bins = metric.curve(round(bars / end), "uniform", 0.5)
    edges = np.linspace(0.0, 1.0, len(bins["weight"]) + 1)
    density = bins["weight"] / bins["weight"].sum() * len(bins["weight"])
    below.stairs(density[:bars], edges[: bars + 1], color=colour, linewidth=1.2)


def loss_curves(
    losses: Mapping[str, Callable[[Array, Array], Tensor]],
    predictions: ArrayLike,
    y_true: float = 1.0,
    *,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draws the loss of a single prediction over a range of predictions, one curve per loss.

    Args:
        losses: The losses by the names that the legend shows: losses with `reduction=None`, or
            functions. Each is called with labels and predictions of shape `(n, 1)`, and must return
            n numbers.
        predictions: The n predictions, probabilities or logits, as the losses take them.
        y_true: The label, the same for all predictions.
        ax: The matplotlib axes to draw on; by default those of a new figure.

    Returns:
        The axes.

    Raises:
        ImportError: without matplotlib, the extra `plot`.

    Examples:

    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from keras_bce import losses, plotting
    >>> curves = {
    ...     "log loss": losses.BinaryCrossentropy(reduction=None),
    ...     "focal loss": losses.BinaryFocalCrossentropy(reduction=None),
    ... }
    >>> plotting.loss_curves(curves, [0.1, 0.5, 0.9]).get_ylabel()
    'loss'
    """
    from keras import ops

    ax = _axes(ax)
    x = np.asarray(predictions, "float32")
    labels = np.full((len(x), 1), y_true, "float32")
    for i, (name, loss) in enumerate(losses.items()):
        values = ops.convert_to_numpy(loss(labels, x[:, None]))
        style: dict[str, Any] = {
            "color": COLOURS[i % len(COLOURS)],
            "linestyle": DASHES[i % len(DASHES)],
        }
        ax.plot(x, np.ravel(values), label=name, linewidth=1.8, **style)
    ax.set(xlabel="prediction", ylabel="loss")
    ax.legend(frameon=False)
    return ax


class _Sure(Protocol):
    """What a picture needs of a metric that knows its standard error."""

    def result(self) -> Any: ...

    def interval(self) -> Any: ...


#: A number and its bounds.
Interval: TypeAlias = tuple[float, tuple[float, float]]


def intervals(
    results: "Mapping[str, _Sure | Interval] | _Sure", *, ax: "Axes | None" = None
) -> "Axes":
    """Draws numbers with their intervals, one row each: by model, by label, or by slice.

    Args:
        results: A metric that has an `interval`: one row, or where its result is a dictionary (of
            `metrics.Sliced`, or with `label_names`) one for each entry. Or a mapping of names to
            such metrics, or to pairs `(value, (low, high))`; each name has a colour.
        ax: The matplotlib axes to draw on; by default those of a new figure.

    Returns:
        The axes. A row whose interval is not known, as of fewer than two samples, is left empty.

    Raises:
        ValueError: if there is nothing to draw, and for a metric made without `uncertainty=True`,
            where it has that.
        ImportError: without matplotlib, the extra `plot`.

    Two models whose intervals overlap may differ all the same: draw a `metrics.LossDifference`.

    Examples:

    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from keras_bce import metrics, plotting
    >>> metric = metrics.BrierScore()
    >>> metric.update_state([0, 1, 1], [0.1, 0.4, 0.9])
    >>> ax = plotting.intervals({"model": metric, "other": (0.2, (0.1, 0.4))})
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['model', 'other']
    """
    groups = results if isinstance(results, Mapping) else {"": results}
    rows = [
        (name if not group else f"{group}, {name}" if name else group, value, bounds, colour)
        for (group, given), colour in zip(groups.items(), itertools.cycle(COLOURS), strict=False)
        for name, value, bounds in _numbers(given)
    ]
    if not rows:
        raise ValueError(
            "`results` must hold metrics or numbers to draw. Received: an empty mapping."
        )
    ax = _axes(ax)
    names, values, bounds, colours = zip(*rows, strict=True)
    y = np.arange(len(rows))
    lows, highs = zip(*bounds, strict=True)
    ax.hlines(y, lows, highs, colors=colours, linewidth=1.8)
    known = np.where(np.isnan(lows), np.nan, values)
    ax.scatter(known, y, s=40, c=colours, zorder=3)
    ax.set_yticks(y, names)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.grid(False)
    ax.grid(axis="x", color="0.9")
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    return ax


def _numbers(given: Any) -> list[tuple[str, float, tuple[float, float]]]:
    """The names, the values and the bounds of a metric's results, or of a pair."""
    value, bounds = given if isinstance(given, tuple) else (given.result(), given.interval())
    if not isinstance(value, Mapping):
        return [("", float(value), bounds)]
    return [(name, float(value[name]), bounds[name]) for name in value]


def _axes(ax: "Axes | None") -> "Axes":
    """The given axes, or those of a new figure."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(4.8, 4.8), layout="constrained")[1]
