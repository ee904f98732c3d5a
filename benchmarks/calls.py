"""Counts the calls of the package's functions in one call of a loss and one update of a metric.

    KERAS_BACKEND=torch python benchmarks/calls.py [--list]

What is called is `losses.BinaryCrossentropy(from_logits=True)` and `update_state` of
`metrics.BinaryCrossentropy(from_logits=True)`, on their own, with a 2x2 batch of tensors and a
weight for each sample; once to warm up, and once more to count:

- calls: how often a function, method or lambda is entered whose code lies inside the package.
  Comprehensions and generators' later steps are part of the function that they are written in.
- changes: how often control passes from one module of the package to another, by a call or by a
  return. Only frames of the package count: the innermost of them before, and the innermost after.
  So a call by way of Keras or a backend is a change like a direct one, while the first entry
  into the package, and the last return from it, are none.

To count for another version, put its checkout first: `PYTHONPATH=CHECKOUT python ...`.
"""

import argparse
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

import keras_bce

PACKAGE = pathlib.Path(keras_bce.__file__).parent
COMPREHENSIONS = {"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"}


class Tracer:
    """What runs of the package while a function does.

    Attributes:
        calls: For each call its depth, from 0, and the code that was called.
        changes: How often the module of the innermost frame of the package changed.
    """

    def __init__(self, function):
        self.calls, self.changes = [], 0
        self._stack, self._seen = [], set()
        before = sys.getprofile()
        sys.setprofile(self._event)
        try:
            function()
        finally:
            sys.setprofile(before)

    def _event(self, frame, event, _):
        code = frame.f_code
        if event not in ("call", "return") or not code.co_filename.startswith(f"{PACKAGE}{os.sep}"):
            return
        around = self._stack[-1] if self._stack else None
        if event == "call":
            if frame not in self._seen and code.co_name not in COMPREHENSIONS:
                self.calls.append((len(self._stack), code))
            self._seen.add(frame)  # A generator's frame is entered at each of its steps.
            self._stack.append(code)
        else:
            self._stack.pop()
            around = self._stack[-1] if self._stack else None
        self.changes += around is not None and around.co_filename != code.co_filename


def cases():
    """By name, what is counted: functions without arguments."""
    y, x, weights = map(
        keras.ops.convert_to_tensor,
        ([[0.0, 1.0], [0.0, 0.0]], [[-1.5, 0.5], [2.5, -3.0]], [0.8, 0.2]),
    )
    loss = keras_bce.losses.BinaryCrossentropy(from_logits=True)
    metric = keras_bce.metrics.BinaryCrossentropy(from_logits=True)
    return {
        "a loss, called": lambda: loss(y, x, sample_weight=weights),
        "a metric, updated": lambda: metric.update_state(y, x, sample_weight=weights),
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--list", action="store_true", help="list the calls, indented by depth")
    arguments = parser.parse_args()
    versions = f"keras_bce {keras_bce.__version__}, Keras {keras.__version__}"
    print(f"{versions} on {keras.config.backend()}\n")
    traced = {}
    for name, function in cases().items():
        function()
        traced[name] = Tracer(function)
    print("| what | calls | changes |\n| --- | ---: | ---: |")
    for name, tracer in traced.items():
        print(f"| {name} | {len(tracer.calls)} | {tracer.changes} |")
    if arguments.list:
        for name, tracer in traced.items():
            print(f"\n{name}:\n")
            for depth, code in tracer.calls:
                module = pathlib.Path(code.co_filename).relative_to(PACKAGE).with_suffix("")
                dotted = ".".join(module.parts)
                print(f"{'  ' * depth}{dotted}: {getattr(code, 'co_qualname', code.co_name)}")


if __name__ == "__main__":
    main()
