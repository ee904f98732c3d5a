"""The smooth calibration error, from sums over bins."""

import math

import keras
import numpy as np
from keras import ops

from keras_bce._backend import backend
from keras_bce._pointwise import Pointwise
from keras_bce._typing import Tensor
from keras_bce._weighting import divide

#: Cells of the grid on which gaps are smoothed. A width of one cell is the smallest.
CELLS = 2048

#: Widths that are tried at once; twice, the second time between two of the first.
_WIDTHS = 12


@backend.compiled_update
def smooth_error(columns: tuple[Tensor, Tensor, Tensor], _: Pointwise) -> Tensor:
    """The error at the width that it equals: `e(s) = s`, where `e` falls as `s` grows.

    `e(s)` is the integral of `|gaps smoothed with width s|` over [0, 1]. The kernel is a Gaussian
    that is reflected at 0 and 1: among even functions of period 2, a Gaussian. Below one cell it
    is `e` of one cell.

    Args:
        columns: Of each bin the sum of weights, of weighted probabilities and of weighted gaps.
    """
    weight, predicted, gap = columns
    spectrum = _spectrum(divide(predicted, weight), divide(gap, ops.sum(weight)))
    dtype = keras.backend.standardize_dtype(gap.dtype)
    steps = ops.convert_to_tensor(np.linspace(0.0, 1.0, _WIDTHS), dtype)
    # Of logarithms, between the smallest width and the largest possible error.
    low, high = ops.convert_to_tensor(math.log(1.0 / CELLS), dtype), 0.0
    for _round in range(2):
        logs = low + (high - low) * steps
        widths = ops.exp(logs)
        errors = _smoothed(spectrum, widths)
        before = ops.sum(ops.cast(errors > widths, "int32")) - 1
        before = ops.clip(before, 0, _WIDTHS - 2)
        low, high = ops.take(logs, before), ops.take(logs, before + 1)
    # Both are close to straight lines between the last two widths.
    error, next_error = ops.take(errors, before), ops.take(errors, before + 1)
    width, next_width = ops.exp(low), ops.exp(high)
    share = (error - width) / ((error - width) - (next_error - next_width))
    return error + ops.clip(share, 0.0, 1.0) * (next_error - error)


def _spectrum(p: Tensor, gaps: Tensor) -> tuple[Tensor, Tensor]:
    """The Fourier transform of gaps in the cells that `p` falls into, and their mirror images."""
    # Clipped as integers, since NaN may become any.
    cell = ops.clip(ops.cast(p * CELLS, "int32"), 0, CELLS - 1)
    added = backend.exact_segment_sum(gaps, cell, CELLS)
    # Faster than Keras's sums of segments.
    cells = backend.sums(backend.add_exactly(ops.zeros((2, CELLS), p.dtype), [added]))
    return ops.rfft(ops.concatenate([cells, ops.flip(cells)]))


def _smoothed(spectrum: tuple[Tensor, Tensor], widths: Tensor) -> Tensor:
    """The error at each width."""
    frequencies = ops.convert_to_tensor(math.pi * np.arange(CELLS + 1), widths.dtype)
    exponents = -0.5 * ops.square(ops.expand_dims(widths, 1) * frequencies)
    # Bounded where it is 0 in effect: subnormal numbers are slow.
    kernel = ops.exp(backend.at_least(exponents, -50.0))
    real, imaginary = spectrum
    smoothed = ops.irfft((real * kernel, imaginary * kernel), 2 * CELLS)
    return ops.sum(ops.abs(smoothed), 1) / 2.0
