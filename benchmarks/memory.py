"""The most memory that one value and gradient take, in bytes a prediction beyond their inputs.

    KERAS_BACKEND=jax python benchmarks/memory.py ours logits

Run in a process of its own, since what was freed once is not taken from the system again.
"""

import pathlib
import sys

from contenders import data, finished, losses, modes, value_and_gradient

SHAPE = (200_000, 100)


def kilobytes(field, file="/proc/self/status"):
    for line in pathlib.Path(file).read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1])
    raise RuntimeError(f"Linux has no {field} in {file}.")


def reset_peak():
    pathlib.Path("/proc/self/clear_refs").write_text("5")


def peak(contender, from_logits):
    mode = "jit" if "jit" in modes() else "eager"
    function = value_and_gradient(mode, losses(from_logits)[contender])
    y, x = data(SHAPE, from_logits)
    finished(function(y[:100], x[:100]))  # Allocations that happen once do not count.
    reset_peak()
    before = kilobytes("VmRSS")
    result = finished(function(y, x))
    after = kilobytes("VmHWM")
    del result
    return (after - before) * 1024 / (SHAPE[0] * SHAPE[1])


if __name__ == "__main__":
    print(f"{peak(sys.argv[1], sys.argv[2] == 'logits'):.1f}")
