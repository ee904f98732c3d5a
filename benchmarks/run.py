"""Times the losses and metrics beside Keras's own and others', interleaved in one process.

    KERAS_BACKEND=tensorflow python benchmarks/run.py [part ...] [--processes 3] [--save FILE]

Prints Markdown tables of ratios: above 1, ours is faster. `--processes` repeats all of it in
fresh processes, and takes medians. `--save` writes the table as JSON as well, for `compare.py`
and `report.py`. Without a part: `speed`.
"""

import argparse
import contextlib
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from contenders import BACKEND, loss_cases, metric_case, modes, uncertainty_case
from heads import heads
from timing import interleaved, with_progress
from training import epochs

import keras_bce

HERE = pathlib.Path(__file__).parent
LARGE, MIDDLE, SMALL = (40_000, 100), (1000, 10), (32, 1)
SIZES = [(10**k // 100, 100) for k in range(3, 9)]
WIDE = (100, 10**6)


def kind(from_logits):
    return "logits" if from_logits else "probabilities"


def size(shape):
    return "x".join(map(str, shape))


def speed(pairs):
    """Standalone calls of the losses and metrics."""
    return _losses_and_metrics(pairs, ["eager"])


def compiled(pairs):
    """The same calls compiled: `tf.function`, with and without XLA, `jax.jit`, `torch.compile`."""
    return _losses_and_metrics(pairs, list(modes())[1:])


def _losses_and_metrics(pairs, chosen):
    for shape in with_progress([LARGE, MIDDLE, SMALL]):
        for from_logits in (True, False):
            for mode in chosen:
                cases = list(loss_cases(shape, from_logits, mode))
                if mode in ("eager", "jit"):
                    cases.append(metric_case(shape, from_logits, mode))
                for what, functions in cases:
                    name = f"{size(shape)}, {kind(from_logits)}, {what}"
                    yield row(name, mode, functions, pairs)


def row(case, mode, functions, pairs):
    """One line of a table: the time of each contender over ours, and ours in seconds."""
    ratios, ours = interleaved(functions, pairs)
    return {"case": case, "mode": mode, "ratios": ratios, "seconds": ours}


def first(pairs):
    """From `compile()` to the end of the first step of `fit`, in fresh processes."""
    for name in with_progress(["small", "wide"]):
        for predictions in ("logits", "probabilities"):
            took = {"ours": [], "keras": []}
            for _ in range(min(pairs, 5)):
                for contender, times in took.items():
                    command = [sys.executable, HERE / "training.py", contender, name, predictions]
                    times.append(json.loads(_output(command)))
            medians = {
                contender: {
                    key: statistics.median(t.get(key, 0) for t in times) for key in times[0]
                }
                for contender, times in took.items()
            }
            ours, theirs = medians["ours"], medians["keras"]
            yield {
                "case": f"{name}, {predictions}",
                "mode": "first step",
                "ratios": {"keras": theirs["seconds"] / ours["seconds"]},
                "seconds": ours["seconds"],
                "compiled": {"ours": ours, "keras": theirs},
            }


def fit(pairs):
    """Epochs of `fit` and `evaluate`, of a small model and of one with many labels."""
    for name in with_progress(["small", "wide"]):
        for predictions in ("logits", "probabilities"):
            for run_eagerly in (False, True):
                for what, functions in epochs(name, predictions, run_eagerly):
                    mode = "run_eagerly" if run_eagerly else "compiled"
                    yield row(f"{what}, {name}, {predictions}", mode, functions, pairs)


def uncertainty(pairs):
    """An update of our metrics with `uncertainty=True`, relative to one without it."""
    metrics = keras_bce.metrics
    for shape in with_progress([LARGE, SMALL]):
        for metric in (
            metrics.BinaryCrossentropy,
            metrics.NormalizedEntropy,
            metrics.CalibrationRatio,
        ):
            functions = uncertainty_case(metric, shape)
            yield row(f"{size(shape)}, {metric.__name__}", "update", functions, pairs)


def sizes(pairs):
    """Loss and gradient from logits, from 10^3 to 10^8 predictions; `memory` is `y + x`."""
    for shape in with_progress([*SIZES, WIDE]):
        for mode in modes():
            ((_, functions),) = loss_cases(shape, True, mode, "loss + gradient")
            functions = {name: functions[name] for name in ("ours", "keras", "memory")}
            yield row(size(shape), mode, functions, pairs)


def memory(_):
    """Peak bytes a prediction of a value and gradient, each in a process of its own."""
    for predictions in ("logits", "probabilities"):
        peak = {
            name: float(_output([sys.executable, HERE / "memory.py", name, predictions]))
            for name in ("ours", "keras")
        }
        yield {
            "case": predictions,
            "mode": "peak",
            "ratios": {"keras": peak["keras"] / peak["ours"]},
            "bytes": peak["ours"],
        }


def startup(pairs):
    """What `import keras_bce` takes after `import keras`, the median over fresh processes."""
    code = "import time, keras; t = time.perf_counter(); import keras_bce; "
    code += "print(time.perf_counter() - t)"
    times = [float(_output([sys.executable, "-c", code])) for _ in range(pairs)]
    yield {
        "case": "import keras_bce",
        "mode": "after keras",
        "ratios": {},
        "seconds": statistics.median(times),
    }


def _output(command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


PARTS = {
    f.__name__: f for f in (speed, compiled, first, fit, uncertainty, sizes, memory, heads, startup)
}


def shown(found):
    """A row as a line of a Markdown table."""
    ratios = dict(found["ratios"])
    keras_ratio = f"{ratios.pop('keras'):.2f}" if "keras" in ratios else ""
    others = ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())
    if "compiled" in found:
        others = "; ".join(
            f"{name}: "
            + ", ".join(f"{value:.3g} {key}" for key, value in counts.items() if key != "seconds")
            for name, counts in found["compiled"].items()
        )
    if "mebibytes" in found:
        others += "; MiB: " + ", ".join(f"{k} {v:.0f}" for k, v in found["mebibytes"].items())
    ours = f"{found['seconds'] * 1e3:.3f} ms" if "seconds" in found else f"{found['bytes']:.1f} B"
    return f"| {found['case']} | {found['mode']} | {keras_ratio} | {others} | {ours} |"


def in_fresh_processes(arguments):
    """The rows of each part, of several processes: their medians, and the range of each ratio."""
    runs = []
    for _ in range(arguments.processes):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "rows.json"
            options = ["--pairs", str(arguments.pairs), "--save", str(path)]
            options += ["--device", arguments.device] if arguments.device else []
            command = [sys.executable, __file__, *arguments.parts, *options]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            runs.append(json.loads(path.read_text())["parts"])
    merged = {}
    for part, rows in runs[0].items():
        merged[part] = []
        for i, found in enumerate(rows):
            same = [run[part][i] for run in runs]
            names = found["ratios"]
            ratios = {name: statistics.median(r["ratios"][name] for r in same) for name in names}
            spread = {
                name: [f(r["ratios"][name] for r in same) for f in (min, max)] for name in names
            }
            merged[part].append(found | {"ratios": ratios, "range": spread})
    return merged


def about():
    """What the numbers were measured on."""
    versions = {"keras": keras.__version__}
    versions[BACKEND] = __import__(BACKEND).__version__
    return {"backend": BACKEND, "versions": versions, "processor": platform.machine(),
            "cores": os.cpu_count()}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--pairs", type=int, default=11, help="interleaved rounds, 11 by default")
    parser.add_argument("--processes", type=int, default=1, help="medians of that many processes")
    parser.add_argument("--device", help="a device of Keras, such as gpu:0 (JAX and torch)")
    parser.add_argument("--save", type=pathlib.Path, help="a JSON file; other parts in it stay")
    arguments = parser.parse_args()
    arguments.parts = arguments.parts or ["speed"]
    unknown = set(arguments.parts) - set(PARTS)
    if unknown:
        parser.error(f"part must be one of {', '.join(PARTS)}. Received: {', '.join(unknown)}")
    found = {}
    with keras.device(arguments.device) if arguments.device else contextlib.nullcontext():
        merged = in_fresh_processes(arguments) if arguments.processes > 1 else None
        for part in arguments.parts:
            print(f"\nKeras {keras.__version__} on {BACKEND}, {part}: {PARTS[part].__doc__}\n")
            print("| case | mode | Keras / ours | others / ours | ours |")
            print("| --- | --- | ---: | --- | ---: |")
            found[part] = []
            for line in merged[part] if merged else PARTS[part](arguments.pairs):
                print(shown(line), flush=True)
                found[part].append(line)
    if arguments.save:
        kept = json.loads(arguments.save.read_text())["parts"] if arguments.save.exists() else {}
        written = {**about(), "device": arguments.device or "cpu", "parts": kept | found}
        arguments.save.write_text(json.dumps(written, indent=1) + "\n")


if __name__ == "__main__":
    main()
