"""The sums over bins of predictions that a calibration error is made of."""

from typing import Any

from keras import ops

from keras_bce._backend import backend
from keras_bce._typing import Tensor


def bin_sums(bins: Tensor, num_bins: int, weights: Tensor, p: Tensor, labels: Tensor) -> list[Any]:
    """Of each bin: the sum of weights, of weighted probabilities, and of weighted gaps.

    Gaps, `p - y`, rather than labels: the difference of two long sums would lose its digits.

    Args:
        bins: The bin of each prediction, int32. A NaN has no bin; its product with any weight
            makes the one it falls into NaN.
    """
    bins = ops.reshape(ops.clip(bins, 0, num_bins - 1), (-1,))
    columns = (weights, weights * p, weights * (p - labels))
    return [
        backend.exact_segment_sum(ops.reshape(column, (-1,)), bins, num_bins) for column in columns
    ]
