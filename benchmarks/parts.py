"""The parts of `run.py`: each gives the rows of a table, one by one.

A row has a case and a mode, and by contender `ratios`, its time over ours.
"""

import json
import pathlib
import statistics
import sys

from accuracy import accuracy
from calls import calls
from contenders import forget_compiled, loss_cases, metric_case, modes, uncertainty_case
from coverage import coverage
from heads import heads, pairwise
from timing import interleaved, output, with_progress
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
    forget_compiled()
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
                    times.append(json.loads(output(command)))
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
    """Peak bytes a prediction of a value and gradient: medians of three fresh processes."""
    for predictions in with_progress(["logits", "probabilities"]):
        peak = {
            name: statistics.median(
                float(output([sys.executable, HERE / "memory.py", name, predictions]))
                for _ in range(3)
            )
            for name in ("ours", "keras")
        }
        yield {
            "case": predictions,
            "mode": "peak",
            "ratios": {"keras": peak["keras"] / peak["ours"]},
            "bytes": peak,
        }


def startup(pairs):
    """What `import keras_bce` takes after `import keras`, the median over fresh processes."""
    code = "import time, keras; t = time.perf_counter(); import keras_bce; "
    code += "print(time.perf_counter() - t)"
    times = [float(output([sys.executable, "-c", code])) for _ in range(min(pairs, 3))]
    yield {
        "case": "import keras_bce",
        "mode": "after keras",
        "ratios": {},
        "seconds": statistics.median(times),
    }


#: What `--processes` repeats: these are timed in the process of `run.py`.
TIMED_HERE = (speed, compiled, fit, uncertainty, sizes)
#: Each in processes of its own, or the same each time.
TIMED_ELSEWHERE = (first, memory, heads, pairwise, startup, accuracy, coverage, calls)

PARTS = {part.__name__: part for part in (*TIMED_HERE, *TIMED_ELSEWHERE)}
REPEATED = [part.__name__ for part in TIMED_HERE]
