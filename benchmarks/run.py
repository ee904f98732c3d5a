"""Measures the losses and metrics beside Keras's own and others', in parts.

    KERAS_BACKEND=tensorflow python benchmarks/run.py all --save
    KERAS_BACKEND=tensorflow python benchmarks/run.py speed fit --processes 3 --save FILE

Prints Markdown tables; in one of ratios, ours is faster above 1. `all` is every part. `--save`
writes the parts into a JSON file as well, by default that of the backend in `results`, for
`compare.py` and `report.py`; its other parts stay.
"""

import argparse
import contextlib
import datetime
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import results
from contenders import BACKEND
from parts import PARTS, REPEATED

import keras_bce


def shown(found):
    """A row as a line of a Markdown table: Keras's time over ours, other things, our time."""
    ratios = dict(found["ratios"])
    keras_ratio = f"{ratios.pop('keras'):.2f}" if "keras" in ratios else ""
    texts = [", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())]
    for key in ("mebibytes", "bytes", "epsilons", "held", "calls", "compiled"):
        if key in found:
            texts.append(f"{key}: {_listed(found[key])}")
    ours = f"{found['seconds'] * 1e3:.3f} ms" if "seconds" in found else ""
    others = "; ".join(text for text in texts if text)
    return f"| {found['case']} | {found['mode']} | {keras_ratio} | {others} | {ours} |"


def _listed(numbers):
    """Numbers by name, or by two names, as text."""
    if isinstance(numbers, dict):
        return ", ".join(f"{name} {_listed(value)}" for name, value in numbers.items())
    return f"{numbers:.3g}"


def in_fresh_processes(part, arguments):
    """The rows of a part, of several processes: their medians, and the range of each ratio."""
    runs = []
    for _ in range(arguments.processes):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "rows.json"
            options = ["--pairs", str(arguments.pairs), "--save", str(path)]
            options += ["--device", arguments.device] if arguments.device else []
            command = [sys.executable, __file__, part, *options]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            runs.append(results.loaded(path)["parts"][part]["rows"])
    for same in zip(*runs, strict=True):
        names = same[0]["ratios"]
        values = {name: [row["ratios"][name] for row in same] for name in names}
        yield same[0] | {
            "ratios": {name: statistics.median(found) for name, found in values.items()},
            "range": {name: [min(found), max(found)] for name, found in values.items()},
            "seconds": statistics.median(row["seconds"] for row in same),
        }


def machine():
    """The processor, by the name that Linux gives it, and the cores that can be used."""
    cpus = pathlib.Path("/proc/cpuinfo")
    lines = cpus.read_text().splitlines() if cpus.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


def device(name):
    """A device of Keras, and which GPU it is."""
    if not name or not name.startswith("gpu"):
        return name or "cpu"
    index = int(name.split(":")[1])
    if BACKEND == "jax":
        import jax

        return f"{name}, {jax.devices('gpu')[index].device_kind}"
    import torch

    return f"{name}, {torch.cuda.get_device_name(index)}"


def measured(part, arguments):
    """A part as the files of results hold it; prints its rows while they come."""
    print(f"\nKeras {keras.__version__} on {BACKEND}, {part}: {PARTS[part].__doc__}\n")
    print("| case | mode | Keras / ours | others / ours | ours |")
    print("| --- | --- | ---: | --- | ---: |")
    processes = arguments.processes if part in REPEATED else 1
    start, rows = time.perf_counter(), []
    for row in (
        in_fresh_processes(part, arguments) if processes > 1 else PARTS[part](arguments.pairs)
    ):
        print(shown(row), flush=True)
        rows.append(row)
    return {
        "measured": datetime.date.today().isoformat(),
        "versions": {
            "keras_bce": keras_bce.__version__,
            "keras": keras.__version__,
            BACKEND: __import__(BACKEND).__version__,
        },
        "machine": machine(),
        "device": device(arguments.device),
        "processes": processes,
        "pairs": arguments.pairs,
        "took": round(time.perf_counter() - start),
        "rows": rows,
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "parts", nargs="+", metavar="part", help=f"of {', '.join(PARTS)}; or `all` of them"
    )
    parser.add_argument("--pairs", type=int, default=11, help="interleaved rounds, 11 by default")
    parser.add_argument(
        "--processes", type=int, default=1,
        help=f"medians of that many processes, of {', '.join(REPEATED)}",
    )  # fmt: skip
    parser.add_argument("--device", help="a device of Keras, such as gpu:0 (JAX and torch)")
    parser.add_argument(
        "--save", type=pathlib.Path, nargs="?", const=results.FOLDER / f"{BACKEND}.json",
        help="a JSON file, by default that of the backend; after the parts",
    )  # fmt: skip
    arguments = parser.parse_args()
    chosen = list(PARTS) if arguments.parts == ["all"] else arguments.parts
    unknown = set(chosen) - set(PARTS)
    if unknown:
        parser.error(f"part must be one of {', '.join(PARTS)}. Received: {', '.join(unknown)}")
    if arguments.save:
        results.save(arguments.save, BACKEND, {})  # If it cannot be written, then now.
    with keras.device(arguments.device) if arguments.device else contextlib.nullcontext():
        for part in chosen:
            found = measured(part, arguments)
            if arguments.save:
                results.save(arguments.save, BACKEND, {part: found})


if __name__ == "__main__":
    main()
