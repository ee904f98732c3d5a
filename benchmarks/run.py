"""Times the losses and metrics beside Keras's own and others', interleaved in one process.

    KERAS_BACKEND=tensorflow python benchmarks/run.py [speed] [sizes] [memory] [startup] [plot]

Prints Markdown tables of ratios: above 1, ours is faster. `sizes` also writes what
`plot` draws; draw after all backends have been measured. Without a name: `speed`.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from contenders import BACKEND, loss_cases, metric_case
from heads import heads
from timing import compare, with_progress

HERE = pathlib.Path(__file__).parent
LARGE, SMALL = (40_000, 100), (32, 1)
SIZES = [(10**k // 100, 100) for k in range(3, 9)]
WIDE = (100, 10**6)


def kind(from_logits):
    return "logits" if from_logits else "probabilities"


def size(shape):
    return "x".join(map(str, shape))


def speed(pairs):
    """One large batch and one small one, every mode, every contender."""
    print("| shape | predictions | mode | what | Keras | others | ours, ms |")
    print("| --- | --- | --- | --- | ---: | --- | ---: |")
    data = [(shape, from_logits) for shape in (LARGE, SMALL) for from_logits in (True, False)]
    for shape, from_logits in with_progress(data):
        cases = [*loss_cases(shape, from_logits), metric_case(shape, from_logits)]
        for mode, what, functions in cases:
            functions.pop("memory", None)
            ratios, ours = compare(functions, pairs)
            theirs = ratios.pop("keras")
            others = ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())
            cells = (size(shape), kind(from_logits), mode, what, f"{theirs:.2f}", others)
            print(f"| {' | '.join(cells)} | {ours * 1e3:.3f} |", flush=True)


def sizes(pairs):
    """Loss and gradient from logits, from 10^3 to 10^8 predictions."""
    print("| predictions | mode | Keras | times the memory floor | ours, ns a prediction |")
    print("| ---: | --- | ---: | ---: | ---: |")
    measured = []
    for shape in with_progress([*SIZES, WIDE]):
        for mode, _, functions in loss_cases(shape, True, "loss + gradient"):
            contenders = {name: functions[name] for name in ("ours", "keras", "memory")}
            ratios, ours = compare(contenders, pairs)
            count = shape[0] * shape[1]
            row = {
                "count": count,
                "mode": mode,
                "keras": ratios["keras"],
                "floor": 1 / ratios["memory"],
                "nanoseconds": ours / count * 1e9,
            }
            cells = [f"{row[k]:.2f}" for k in ("keras", "floor", "nanoseconds")]
            print(f"| {size(shape)} | {mode} | {' | '.join(cells)} |", flush=True)
            measured += [row] if shape in SIZES else []
    path = HERE / f"sizes_{BACKEND}.json"
    path.write_text(json.dumps(measured, indent=1) + "\n")


def memory(_):
    """Peak bytes a prediction of a value and gradient, each in a process of its own."""
    print("| predictions | Keras | ours |\n| --- | ---: | ---: |")
    for predictions in ("logits", "probabilities"):
        cells = [
            subprocess.run(
                [sys.executable, HERE / "memory.py", name, predictions],
                check=True,
                capture_output=True,
                text=True,
            ).stdout.strip()
            for name in ("keras", "ours")
        ]
        print(f"| {predictions} | {' | '.join(cells)} |", flush=True)


def startup(pairs):
    """What `import keras_bce` takes after `import keras`, the median over fresh processes."""
    code = "import time, keras; t = time.perf_counter(); import keras_bce; "
    code += "print(time.perf_counter() - t)"
    times = [
        float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)
        for _ in range(pairs)
    ]
    print(f"import keras_bce adds {statistics.median(times) * 1e3:.0f} ms to import keras")


def plot(_):
    """Keras's time over ours, by size, of every backend measured."""
    import matplotlib.pyplot as plt

    from keras_bce.plotting import COLOURS

    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    names = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "torch"}
    colours = dict(zip(names, COLOURS, strict=False))
    for path in sorted(HERE.glob("sizes_*.json")):
        rows = json.loads(path.read_text())
        backend = path.stem.removeprefix("sizes_")
        for mode, dashes in (("eager", "-"), ("jit", "-"), ("graph", "--"), ("XLA", ":")):
            points = [(row["count"], row["keras"]) for row in rows if row["mode"] == mode]
            if points:
                axes.plot(*zip(*points, strict=True), dashes, color=colours[backend],
                          marker="o", markersize=4, label=f"{names[backend]} {mode}")  # fmt: skip
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
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper")
    figure.savefig(HERE / "sizes.png", dpi=120)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = {f.__name__: f for f in (speed, sizes, memory, heads, startup, plot)}
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(parts)}")
    parser.add_argument("--pairs", type=int, default=11, help="interleaved rounds, 11 by default")
    arguments = parser.parse_args()
    unknown = set(arguments.parts) - set(parts)
    if unknown:
        parser.error(f"part must be one of {', '.join(parts)}. Received: {', '.join(unknown)}")
    for name in arguments.parts or ["speed"]:
        print(f"\nKeras {keras.__version__} on {BACKEND}, {name}: {parts[name].__doc__}\n")
        parts[name](arguments.pairs)


if __name__ == "__main__":
    main()
