"""Counts the calls of the package's functions in one call of a loss and one update of a metric.

    KERAS_BACKEND=torch python benchmarks/run.py calls
    KERAS_BACKEND=torch python benchmarks/calls.py

The second one lists them. What is called is `losses.BinaryCrossentropy(from_logits=True)` and
`update_state` of `metrics.BinaryCrossentropy(from_logits=True)`, on their own, with a 2x2 batch of
tensors and a weight for each sample; once to warm up, and once more to count:

- calls: how often a function of the package is entered; each step of a generator counts.
- changes: how often a call enters another module of the package than the call before it did.

To count for another version, put its checkout first: `PYTHONPATH=CHECKOUT python ...`.
"""

import itertools
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

import keras_bce

PACKAGE = pathlib.Path(keras_bce.__file__).parent


class Calls:
    """The calls of the package's functions while a function runs.

    Attributes:
        found: For each call its depth, from 0, and the code that was called.
    """

    def __init__(self, function):
        self.found, self._depth = [], 0
        before = sys.getprofile()
        sys.setprofile(self._event)
        try:
            function()
        finally:
            sys.setprofile(before)

    def _event(self, frame, event, _):
        if not frame.f_code.co_filename.startswith(f"{PACKAGE}{os.sep}"):
            return
        if event == "call":
            self.found.append((self._depth, frame.f_code))
            self._depth += 1
        elif event == "return":
            self._depth -= 1

    @property
    def changes(self):
        """How often consecutive calls enter different modules."""
        modules = [code.co_filename for _, code in self.found]
        return sum(a != b for a, b in itertools.pairwise(modules))


def cases():
    """The functions whose calls are counted, by name."""
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


def traced():
    """The calls of each case, after one to warm up."""
    found = {}
    for name, function in cases().items():
        function()
        found[name] = Calls(function)
    return found


def calls(_):
    """The package's functions that a standalone call enters, and its changes of module."""
    for name, entered in traced().items():
        yield {
            "case": name,
            "mode": "eager",
            "ratios": {},
            "calls": {"calls": len(entered.found), "changes of module": entered.changes},
        }


def listed():
    """The calls, a line each, indented by depth."""
    for name, entered in traced().items():
        yield f"\n{name}:\n"
        for depth, code in entered.found:
            module = pathlib.Path(code.co_filename).relative_to(PACKAGE).with_suffix("")
            dotted = ".".join(module.parts)
            yield f"{'  ' * depth}{dotted}: {getattr(code, 'co_qualname', code.co_name)}"


if __name__ == "__main__":
    print(*listed(), sep="\n")
