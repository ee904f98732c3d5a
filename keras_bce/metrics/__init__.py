"""Metrics: exact, mergeable, and in agreement with the losses.

Each is a vector of exact sums, so that partial results can be computed anywhere, pickled, and
merged.
"""

from keras_bce.metrics.calibration import CalibrationRatio, ExpectedCalibrationError
from keras_bce.metrics.comparison import LossDifference
from keras_bce.metrics.crossentropy import BinaryCrossentropy, NormalizedEntropy
from keras_bce.metrics.curve import CalibrationCurve
from keras_bce.metrics.from_logits import FromLogits
from keras_bce.metrics.mean_loss import BrierScore, MeanLoss
from keras_bce.metrics.slices import Sliced

__all__ = [
    "BinaryCrossentropy",
    "BrierScore",
    "CalibrationCurve",
    "CalibrationRatio",
    "ExpectedCalibrationError",
    "FromLogits",
    "LossDifference",
    "MeanLoss",
    "NormalizedEntropy",
    "Sliced",
]

for _name in __all__:
    # Saved models, pickles and errors name the class where users import it.
    globals()[_name].__module__ = __name__


def __dir__() -> list[str]:
    return sorted(__all__)
