"""Rows of results as tables and sentences in Markdown.

Below, `found` is what the files of results hold, by backend.
"""

import textwrap

SHORT = {"tensorflow": "TF", "jax": "JAX", "torch": "torch"}
NAMES = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "torch"}
RATIOS = "Keras's time over ours"


def rows(found, *parts):
    """Pairs of a backend and a row, of some parts."""
    for backend, result in found.items():
        for part in parts:
            for row in result["parts"].get(part, {"rows": []})["rows"]:
                yield backend, row


def column(backend, row):
    return f"{SHORT[backend]} {row['mode']}"


def pivoted(cells, heading):
    """A table of triples (label of the row, of the column, text), in their order."""
    labels, columns, texts = {}, {}, {}
    for label, name, text in cells:
        labels[label] = columns[name] = None
        texts[label, name] = text
    lines = [f"| {heading} | {' | '.join(columns)} |", f"| --- |{' ---: |' * len(columns)}"]
    for label in labels:
        line = " | ".join(texts.get((label, name), "") for name in columns)
        lines.append(f"| {label} | {line} |")
    return "\n".join(lines)


def sentence(text):
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def each_backend(found, part, text):
    """What `text` says of the first row of a part, on each backend: "1 on JAX, 2 on torch"."""
    first = {}
    for backend, row in rows(found, part):
        first.setdefault(backend, f"{text(row)} on {NAMES[backend]}")
    return ", ".join(first.values())


def ratio(row):
    return f"{row['ratios']['keras']:.2f}" if "keras" in row["ratios"] else ""


def by_case(found, part, cell, heading=RATIOS):
    """A table of a part: a row for each case, a column for each backend and mode."""
    several = len({row["mode"] for _, row in rows(found, part)}) > 1
    cells = (
        (row["case"], column(backend, row) if several else NAMES[backend], cell(row))
        for backend, row in rows(found, part)
    )
    return pivoted(cells, heading)
