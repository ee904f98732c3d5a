"""Writes the tables of README.md, and draws sizes.png, from the result files of `run.py --save`.

    python benchmarks/report.py

A table stands between `<!-- NAME -->` and `<!-- end -->`. In it a ratio is Keras's time over ours.
"""

import json
import pathlib
import re

HERE = pathlib.Path(__file__).parent
BACKENDS = {"tensorflow": "TF", "jax": "JAX", "torch": "torch"}


def results():
    """The contents of the result files that exist, by backend."""
    paths = {name: HERE / "results" / f"{name}.json" for name in BACKENDS}
    return {name: json.loads(p.read_text()) for name, p in paths.items() if p.exists()}


def table(found, parts, cell, heading="Keras's time over ours"):
    """Rows by case and columns by backend and mode; `cell` makes a text of a row of results."""
    cells, columns = {}, []
    for backend, result in found.items():
        for part in parts:
            for row in result["parts"].get(part, []):
                column = f"{BACKENDS[backend]} {row['mode']}"
                columns += [column] if column not in columns else []
                cells.setdefault(row["case"], {})[column] = cell(row)
    lines = [f"| {heading} | {' | '.join(columns)} |", f"| --- |{' ---: |' * len(columns)}"]
    for case, texts in cells.items():
        lines.append(f"| {case} | {' | '.join(texts.get(column, '') for column in columns)} |")
    return "\n".join(lines)


def ratio(row):
    return f"{row['ratios']['keras']:.2f}" if "keras" in row["ratios"] else ""


def with_floor(row):
    """The ratio, and in brackets how many times as long it takes as `y + x`."""
    return f"{ratio(row)} ({1 / row['ratios']['memory']:.1f})"


def peaks(row):
    return f"{row['bytes'] * row['ratios']['keras']:.1f}, {row['bytes']:.1f}"


def compilations(row):
    """The ratio, and what was compiled for Keras's class and for ours, where that is counted."""
    counts = [row["compiled"][name].get("compilations") for name in ("keras", "ours")]
    if None in counts:
        return ratio(row)
    return f"{ratio(row)} ({counts[0]:.0f}, {counts[1]:.0f} compilations)"


def others(found):
    """The times of the functions of other libraries, over ours."""
    lines = ["| its time over ours | case | mode | |", "| --- | --- | --- | ---: |"]
    for result in found.values():
        for part in ("speed", "compiled"):
            for row in result["parts"].get(part, []):
                for name, value in row["ratios"].items():
                    if name not in ("keras", "memory"):
                        cells = (f"`{name}`", row["case"], row["mode"], f"{value:.2f}")
                        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def tables(found):
    """The tables by name."""
    return {
        "speed": table(found, ["speed", "compiled"], ratio),
        "others": others(found),
        "first": table(found, ["first"], compilations),
        "fit": table(found, ["fit"], ratio),
        "sizes": table(found, ["sizes"], with_floor, "Keras's time over ours (over `y + x`)"),
        "memory": table(found, ["memory"], peaks, "bytes: Keras, ours"),
    }


def written(text, found):
    """The text of README.md with its tables written anew."""
    for name, lines in tables(found).items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
        text = re.sub(
            pattern, lambda m, lines=lines: m[1] + lines + "\n" + m[2], text, flags=re.DOTALL
        )
    return text


def draw(found):
    """Keras's time over ours, by the size of the batch."""
    import matplotlib.pyplot as plt

    from keras_bce.plotting import COLOURS, STYLE

    plt.style.use(STYLE)
    figure, axes = plt.subplots(figsize=(7.2, 3.8))
    styles = {"eager": "-", "jit": "--", "graph": "--", "XLA": ":", "compiled": "--"}
    for colour, (backend, result) in zip(COLOURS, found.items(), strict=False):
        for mode, dashes in styles.items():
            points = []
            for row in result["parts"].get("sizes", []):
                rows, labels = map(int, row["case"].split("x"))
                if row["mode"] == mode and labels == 100:
                    points.append((rows * labels, row["ratios"]["keras"]))
            if points:
                axes.plot(*zip(*points, strict=True), dashes, color=colour, marker="o",
                          markersize=4, label=f"{BACKENDS[backend]} {mode}")  # fmt: skip
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
    figure.savefig(HERE / "sizes.png")


if __name__ == "__main__":
    readme = HERE / "README.md"
    readme.write_text(written(readme.read_text(), results()))
    if any("sizes" in result["parts"] for result in results().values()):
        draw(results())
