"""The worst errors of values and slopes against 60 digits, in units of the result's epsilon.

    KERAS_BACKEND=jax python benchmarks/run.py accuracy

Measured by the functions of `tests/support/accuracy.py`, which the tests hold to limits. They need
pytest and mpmath, of the extra `test`.
"""

import pathlib
import sys

from contenders import modes
from timing import with_progress

TESTS = pathlib.Path(__file__).parents[1] / "tests"


def accuracy(_):
    """The worst errors of value and slope, in epsilons of the dtype."""
    sys.path.append(str(TESTS))
    from support.accuracy import LABELS, LIMITS, RANGES, errors

    compiled = list(modes().items())[1:]
    cases = [(dtype, "eager", None) for dtype in LIMITS]
    cases += [("float32", mode, compiler) for mode, compiler in compiled]
    for dtype, mode, compiler in with_progress(cases):
        for from_logits in (True, False):
            value, slope = errors(from_logits, dtype, compiler)
            yield {
                "case": f"{dtype}, {'logits' if from_logits else 'probabilities'}",
                "mode": mode,
                "ratios": {},
                "epsilons": {"value": value, "slope": slope},
                "limit": LIMITS[dtype],
                "predictions": RANGES[from_logits],
                "labels": LABELS,
            }
