"""Values and slopes against 60 digits, in units of the result's epsilon."""

import keras
import numpy as np
import pytest
from support import oracle
from support.differentiation import BACKEND, compiled, gradient, tensor, to_numpy

import keras_bce

LABELS = (0.0, 1.0, 0.25, 0.9)


#: A correctly rounded result is off by 0.5 at most.
LIMITS = {"float32": 4.5, "float16": 0.51, "bfloat16": 0.51}
EPS = {"float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}


def sweep(from_logits, dtype, count=1200):
    """Predictions as the dtype holds them, their labels, and both as float64."""
    generator = np.random.default_rng(1)
    if from_logits:
        limit = 87.0
        special = [0.0, 1e-30, -1e-30, 1e-4, -1e-4, 8.0, -8.0, 16.7, -16.7, limit, -limit]
        x = np.concatenate([generator.uniform(-limit, limit, count // 2),
                            generator.normal(0, 3, count // 2), special])  # fmt: skip
    else:
        tiny = 1.5e-7
        spread = 10.0 ** generator.uniform(np.log10(tiny), -0.31, count // 2)
        x = np.concatenate([spread, 1 - spread, [0.5, 0.25, 0.75]])
    x = keras.ops.cast(tensor(x), dtype)
    exact = to_numpy(keras.ops.cast(x, "float32")).astype("float64")
    if not from_logits:  # Rounding has put some on the ends.
        inside = (exact > tiny) & (exact < 1 - tiny)
        exact = exact[inside]
        x = keras.ops.cast(tensor(exact), dtype)
    return x, exact


def errors(from_logits, dtype, xla):
    """The worst error of values and of slopes, in epsilons of the dtype."""
    x, exact = sweep(from_logits, dtype)
    x = keras.ops.expand_dims(x, -1)
    # Below the smallest normal number no dtype has digits to keep.
    normal = 2.0**-14 if dtype == "float16" else 2.0**-126
    limit = 65504 if dtype == "float16" else float("inf")
    worst_value = worst_slope = 0.0
    for label in LABELS:
        y = keras.ops.full_like(x, label)
        label = float(to_numpy(keras.ops.cast(y, "float32"))[0, 0])

        def function(x, y=y):
            return keras_bce.losses.binary_crossentropy(y, x, from_logits=from_logits)

        if xla is not None:
            function = compiled(function, xla)
        values = to_numpy(keras.ops.cast(function(x), "float32")).astype("float64")
        (slopes,) = gradient(lambda x, f=function: keras.ops.sum(f(x)), x)
        slopes = slopes.astype("float64").ravel()
        for given, value, slope in zip(exact, values, slopes, strict=True):
            true = oracle.crossentropy(label, given, from_logits=from_logits)
            error = abs(value - true) / max(true, normal)
            worst_value = max(worst_value, float(error) / EPS[dtype])
            true = oracle.crossentropy_slope(label, given, from_logits=from_logits, limit=limit)
            size = oracle.slope_size(label, given, from_logits=from_logits)
            error = abs(slope - true) / max(size, normal)
            worst_slope = max(worst_slope, float(error) / EPS[dtype])
    return worst_value, worst_slope


@pytest.mark.parametrize(
    ("dtype", "xla"), [*((dtype, None) for dtype in LIMITS), ("float32", False), ("float32", True)]
)
@pytest.mark.parametrize("from_logits", [True, False], ids=["logits", "probabilities"])
def test_values_and_slopes_keep_their_digits(from_logits, dtype, xla, record_property):
    """`xla` is `None` for the loss as it is called, else the way in which it is compiled."""
    value, slope = errors(from_logits, dtype, xla)
    record_property("worst", f"{BACKEND} {dtype} value {value:.2f} slope {slope:.2f} eps")
    print(f"{BACKEND} {dtype} {from_logits=} {xla=} value {value:.2f} slope {slope:.2f} eps")
    assert value <= LIMITS[dtype]
    assert slope <= LIMITS[dtype]
