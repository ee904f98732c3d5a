"""Binary cross-entropy for Keras 3: losses and metrics for binary and multi-label models."""

import importlib
from typing import TYPE_CHECKING, Any

from keras_bce import initializers, layers, losses, metrics
from keras_bce.balance import balanced_pos_weight, base_rate
from keras_bce.checks import check_inputs
from keras_bce.comparison import compare
from keras_bce.heads import split_head, top_labels
from keras_bce.recalibration import recalibrate

__version__ = "0.2.0"

__all__ = [
    "__version__",
    "balanced_pos_weight",
    "base_rate",
    "check_inputs",
    "compare",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "plotting",
    "recalibrate",
    "reference",
    "split_head",
    "top_labels",
]

#: Modules that are imported on first use.
_LAZY = ("plotting", "reference")

if TYPE_CHECKING:
    from keras_bce import plotting, reference
else:

    def __getattr__(name: str) -> Any:
        if name in _LAZY:
            return importlib.import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
