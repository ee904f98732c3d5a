"""Recalibration: layers that turn a model's predictions into probabilities one can use.

`pos_weight`, focal loss and downsampling leave probabilities that are not calibrated. These layers
undo it; they are saved with the model, and served with it.
"""

from keras_bce.layers.isotonic import IsotonicCalibration
from keras_bce.layers.prior import PriorCorrection
from keras_bce.layers.scaling import BetaCalibration, PlattScaling, TemperatureScaling

__all__ = [
    "BetaCalibration",
    "IsotonicCalibration",
    "PlattScaling",
    "PriorCorrection",
    "TemperatureScaling",
]

for _name in __all__:
    # Saved models and errors name the class where users import it.
    globals()[_name].__module__ = __name__


def __dir__() -> list[str]:
    return sorted(__all__)
