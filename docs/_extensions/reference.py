"""The reference: a page for each public name, with the version that it came with."""

import inspect
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.typing import stringify_annotation

from keras_bce import _typing

#: The public names that came after version 0.1.0.
ADDED = {
    "0.2.0": {
        "BetaCalibration",
        "BrierScore",
        "CalibrationCurve",
        "IsotonicCalibration",
        "LinearBinaryCrossentropy",
        "LogOdds",
        "LossDifference",
        "MeanLoss",
        "PlattScaling",
        "PriorCorrection",
        "Sliced",
        "TemperatureScaling",
        "base_rate",
        "compare",
        "intervals",
        "linear_binary_crossentropy",
        "pairwise_sigmoid_crossentropy",
        "recalibrate",
        "split_head",
        "top_labels",
    },
}

#: How an annotation is written out, and the name that the package's source gives it.
ALIASES = {
    stringify_annotation(getattr(_typing, name), "smart"): name
    for name in ("ArrayLike", "LabelFactors", "Reduction")
}


def _named(app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str | None,
           returns: str | None) -> tuple[str | None, str | None]:  # fmt: skip
    """The signature, its types under their names."""
    for long, short in ALIASES.items():
        signature = signature and signature.replace(long, short)
        returns = returns and returns.replace(long, short)
    return signature, returns


def _skips(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leaves out what Keras defines, and what every Keras class has."""
    function = inspect.unwrap(getattr(obj, "fget", None) or obj)
    ours = str(getattr(function, "__module__", None)).startswith("keras_bce")
    return None if ours and name not in ("get_config", "from_config", "call", "build") else True


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-signature", _named)
    app.connect("autodoc-skip-member", _skips)
    app.config.autosummary_context = {
        "added": {name: version for version, names in ADDED.items() for name in names}
    }
    return {"parallel_read_safe": True}
