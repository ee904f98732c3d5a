"""The blocks that `report.py` writes: tables and sentences, made of the files of results.

Below, `found` is what these files hold, by backend, `on_gpu` the same of files measured on a GPU,
and a ratio is Keras's time over ours.
"""

import statistics

from cells import NAMES, RATIOS, by_case, column, each_backend, pivoted, ratio, rows, sentence
from provenance import machines, measured, took

LARGE, MIDDLE, SMALL = "40000x100", "1000x10", "32x1"
TIMED = ("speed", "compiled")
#: Between these ratios ours counts as equally fast: they move that far from process to process.
SLOWER, FASTER = 0.9, 1.1


def speed(found, shape, endings="", without=()):
    """Ratios of batches of a shape: of the cases with these endings, without some columns."""
    cells = (
        (row["case"].removeprefix(f"{shape}, "), column(backend, row), ratio(row))
        for backend, row in rows(found, *TIMED)
        if row["case"].startswith(f"{shape},")
        and row["case"].endswith(endings)
        and column(backend, row) not in without
    )
    return pivoted(cells, RATIOS)


def summary(found):
    """By column of the other tables: how often ours is faster and slower, and three ratios."""
    ratios = {}
    for backend, row in rows(found, *TIMED):
        ratios.setdefault(column(backend, row), []).append(round(row["ratios"]["keras"], 2))
    counted = f"cases | above {FASTER} | {SLOWER} to {FASTER} | below {SLOWER}"
    lines = [f"| | {counted} | lowest | median | highest |", "| --- |" + " ---: |" * 7]
    for name, values in ratios.items():
        above, below = sum(v > FASTER for v in values), sum(v < SLOWER for v in values)
        counts = (len(values), above, len(values) - above - below, below)
        three = (f"{f(values):.2f}" for f in (min, statistics.median, max))
        lines.append(f"| {name} | {' | '.join(map(str, (*counts, *three)))} |")
    return "\n".join(lines)


def slower(found):
    """The ratios of the cases in which ours is slower, large batches first."""
    cells = [
        (row["case"], column(backend, row), ratio(row))
        for backend, row in rows(found, *TIMED)
        if round(row["ratios"]["keras"], 2) < SLOWER
    ]
    cells.sort(key=lambda cell: -int(cell[0].split("x")[0]))
    return pivoted(cells, f"ratios below {SLOWER}")


def others(found):
    """The times of the functions of other libraries, over ours."""
    cells = (
        (f"`{name}`, {row['case']}", column(backend, row), f"{value:.2f}")
        for backend, row in rows(found, *TIMED)
        if not row["case"].startswith(MIDDLE)
        for name, value in row["ratios"].items()
        if name not in ("keras", "memory")
    )
    return pivoted(cells, "its time over ours")


def first_step(row):
    """The ratio, and how many milliseconds longer ours takes."""
    took = {name: row["compiled"][name]["seconds"] * 1e3 for name in ("ours", "keras")}
    return f"{ratio(row)} ({took['ours'] - took['keras']:+.0f} ms)"


def sizes(found):
    """The ratio, and in brackets how many times as long ours takes as `y + x`."""
    cells = []
    for backend, row in rows(found, "sizes"):
        count, labels = map(int, row["case"].split("x"))
        label = f"10^{len(str(count * labels)) - 1}"
        label += "" if labels == 100 else f", rows of 10^{len(str(labels)) - 1}"
        text = f"{ratio(row)} ({1 / row['ratios']['memory']:.1f})"
        cells.append((label, column(backend, row), text))
    return pivoted(cells, "predictions")


def peaks(row):
    return f"{row['bytes']['keras']:.1f}, {row['bytes']['ours']:.1f}"


def memory_in_short(found):
    def text(row):
        return f"{row['bytes']['ours']:.0f} ({row['bytes']['keras']:.0f})"

    return sentence(
        "The most memory that a loss from logits and its gradient take beyond their inputs, in "
        f"bytes a prediction, Keras's in brackets: {each_backend(found, 'memory', text)}."
    )


#: Contenders by their names in tables, in the order of the rows.
CONTENDERS = {
    "positives": "ours, positives",
    "dense labels": "ours, dense labels",
    "in chunks": "ours, in chunks",
    "keras": "Keras's dense way",
    "torch": "`binary_cross_entropy_with_logits`",
    "at once": "at once",
    "floor": "floor",
}


def contenders(found, part):
    """A table of MiB and seconds: cases by their size, contenders in the order above."""
    cells = {}
    for backend, row in rows(found, part):
        numbers = {row["mode"]: (row["mebibytes"]["ours"], row["seconds"])}
        for name, value in row["ratios"].items():
            numbers[name] = row["mebibytes"][name], value * row["seconds"]
        for name, (mebibytes, seconds) in numbers.items():
            place = int(row["case"].split()[0].replace(",", "")), list(CONTENDERS).index(name)
            text = f"{mebibytes:,.0f}, {seconds:.2g}"
            cells[place, backend] = f"{row['case']}, {CONTENDERS[name]}", NAMES[backend], text
    by_place = sorted(cells.items(), key=lambda cell: cell[0][0])
    return pivoted((cell for _, cell in by_place), "MiB, seconds")


def heads_in_short(found):
    mebibytes = {"positives": [], "dense labels": [], "keras": []}
    for _, row in rows(found, "heads"):
        if row["case"] == "100,000 labels":
            mebibytes[row["mode"]].append(row["mebibytes"]["ours"])
            mebibytes["keras"].append(row["mebibytes"]["keras"])
    spans = {name: f"{min(values):.0f} to {max(values):.0f}" for name, values in mebibytes.items()}
    return sentence(
        "Loss and gradients of a head of 100,000 labels (batch 256, width 64) take at most "
        f"{spans['positives']} MiB with `losses.LinearBinaryCrossentropy(positives=True)`, "
        f"{spans['dense labels']} MiB with dense labels, and {spans['keras']} MiB in Keras's "
        "dense way, by backend."
    )


def epsilons(row):
    return f"{row['epsilons']['value']:.1f} / {row['epsilons']['slope']:.1f}"


def accuracy_in_short(found):
    cells = (
        (row["case"], NAMES[backend], epsilons(row))
        for backend, row in rows(found, "accuracy")
        if row["mode"] == "eager"
    )
    return pivoted(cells, "value / slope")


def accuracy(found):
    """What was swept, the worst errors, and what the tests allow."""
    cases = [row for _, row in rows(found, "accuracy")]
    ranges = " and ".join(dict.fromkeys(row["predictions"] for row in cases))
    labels = ", ".join(f"{label:g}" for label in cases[0]["labels"])
    limits = {row["case"].split(",")[0]: f"{row['limit']:g}" for row in cases}
    allowed = ", ".join(f"{limit} in {dtype}" for dtype, limit in limits.items())
    parts = (
        sentence(f"Worst errors over {ranges}, with labels {labels}, in epsilons:"),
        by_case(found, "accuracy", epsilons, "value / slope"),
        f"The tests allow {allowed}.",
    )
    return "\n\n".join(parts)


def startup(found):
    took = each_backend(found, "startup", lambda row: f"{row['seconds'] * 1e3:.0f} ms")
    return f"`import keras_bce` after `import keras` takes {took}."


def calls(row):
    return ", ".join(map(str, row["calls"].values()))


def coverage(found):
    """The table in the docstring of `interval`: of one backend, since it hardly depends on it."""
    backend = next(backend for backend, _ in rows(found, "coverage"))
    cases = [row for name, row in rows(found, "coverage") if name == backend]
    names = list(cases[0]["held"])
    lines = [f"| base rate | weights | {' | '.join(names)} |"]
    lines.append(f"| ---: | --- |{' ---: |' * len(names)}")
    for row in cases:
        cells = " | ".join(f"{row['held'][name]:.1%}" for name in names)
        lines.append(f"| {row['case']} | {row['mode']} | {cells} |")
    return "\n".join(lines)


def blocks(found, on_gpu):
    """All blocks, by name."""
    return {
        "gpu, large": speed(on_gpu, LARGE),
        "gpu, small": speed(on_gpu, SMALL),
        "gpu, machines": machines(on_gpu),
        "speed, large": speed(found, LARGE),
        "speed, middle": speed(found, MIDDLE),
        "speed, small": speed(found, SMALL),
        "speed, in short": speed(found, LARGE, ("gradient", "result"), ["JAX eager"]),
        "speed, summary": summary(found),
        "speed, slower": slower(found),
        "others": others(found),
        "first": by_case(found, "first", first_step),
        "fit": by_case(found, "fit", ratio),
        "sizes": sizes(found),
        "memory": by_case(found, "memory", peaks, "bytes: Keras, ours"),
        "memory, in short": memory_in_short(found),
        "heads": contenders(found, "heads"),
        "heads, in short": heads_in_short(found),
        "pairwise": contenders(found, "pairwise"),
        "uncertainty": by_case(
            found, "uncertainty", lambda row: f"{row['ratios']['with']:.2f}", "time with, without"
        ),
        "startup": startup(found),
        "calls": by_case(found, "calls", calls, "calls, changes of module"),
        "accuracy": accuracy(found),
        "accuracy, in short": accuracy_in_short(found),
        "machines": machines(found),
        "measured": measured(found),
        "took": took(found),
    }
