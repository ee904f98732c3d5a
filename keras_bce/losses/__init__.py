"""Losses: what `model.compile(loss=...)` takes, and the functions behind them.

A sample's loss is the mean over its labels; a reduction makes one number of a batch of them.
"""

from keras_bce.losses.linear import LinearBinaryCrossentropy, linear_binary_crossentropy
from keras_bce.losses.modulated import (
    AsymmetricBinaryCrossentropy,
    BinaryFocalCrossentropy,
    asymmetric_binary_crossentropy,
    binary_focal_crossentropy,
)
from keras_bce.losses.pairwise import pairwise_sigmoid_crossentropy
from keras_bce.losses.pointwise import BinaryCrossentropy, binary_crossentropy

__all__ = [
    "AsymmetricBinaryCrossentropy",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "LinearBinaryCrossentropy",
    "asymmetric_binary_crossentropy",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "linear_binary_crossentropy",
    "pairwise_sigmoid_crossentropy",
]

for _name in __all__:
    # Saved models, pickles and errors name the classes and functions where users import them.
    globals()[_name].__module__ = __name__


def __dir__() -> list[str]:
    return sorted(__all__)
