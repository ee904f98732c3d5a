"""The columns, over bins of predictions, that a calibration error is made of."""

from keras import ops

from keras_bce._sums import Binned, Column
from keras_bce._typing import Tensor


def binned(bins: Tensor, num_bins: int, weights: Tensor, p: Tensor, labels: Tensor) -> list[Column]:
    """Weights, weighted probabilities and weighted gaps, with a sum of each for every bin.

    Gaps, `p - y`, rather than labels: the difference of two long sums would lose its digits.

    Args:
        bins: The bin of each prediction, int32. A NaN has no bin; its product with any weight
            makes the one it falls into NaN.
    """
    bins = ops.clip(bins, 0, num_bins - 1)
    columns = (weights, weights * p, weights * (p - labels))
    return [Binned(column, bins, num_bins) for column in columns]
