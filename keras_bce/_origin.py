"""Where a call came from: warnings point at the caller's line, not at one of a library."""

import sys
import warnings

_LIBRARIES = ("keras_bce", "keras", "tensorflow", "jax", "torch")


def warn(message: str) -> None:
    """Warns at the innermost line outside the libraries, the outermost line if there is none."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and _is_library(frame.f_globals.get("__name__", "")):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)


def _is_library(module: str) -> bool:
    return module.partition(".")[0] in _LIBRARIES
