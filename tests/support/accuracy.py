"""Errors of values and slopes against 60 digits, in units of the result's epsilon.

The tests hold them to `LIMITS`, and `benchmarks/accuracy.py` writes them down.
"""

import keras
import numpy as np

import keras_bce
from support import oracle
from support.differentiation import gradient, tensor, to_numpy

LABELS = (0.0, 1.0, 0.25, 0.9)
LARGEST, SMALLEST = 87.0, 1.5e-7
#: Of predictions, by `from_logits`.
RANGES = {
    True: f"logits in [-{LARGEST:g}, {LARGEST:g}]",
    False: "probabilities in ({0}, 1 - {0})".format(f"{SMALLEST:g}".replace("e-0", "e-")),
}

#: What the tests allow. A correctly rounded result is off by 0.5 at most.
LIMITS = {"float32": 4.5, "float16": 0.51, "bfloat16": 0.51}
EPS = {"float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}


def sweep(from_logits, dtype, count):
    """Predictions as the dtype holds them, as a tensor and as float64."""
    generator = np.random.default_rng(1)
    if from_logits:
        special = [0.0, 1e-30, -1e-30, 1e-4, -1e-4, 8.0, -8.0, 16.7, -16.7, LARGEST, -LARGEST]
        x = np.concatenate([generator.uniform(-LARGEST, LARGEST, count // 2),
                            generator.normal(0, 3, count // 2), special])  # fmt: skip
    else:
        spread = 10.0 ** generator.uniform(np.log10(SMALLEST), -0.31, count // 2)
        x = np.concatenate([spread, 1 - spread, [0.5, 0.25, 0.75]])
    x = keras.ops.cast(tensor(x), dtype)
    exact = to_numpy(x).astype("float64")
    if not from_logits:  # Rounding has put some on the ends.
        exact = exact[(exact > SMALLEST) & (exact < 1 - SMALLEST)]
        x = keras.ops.cast(tensor(exact), dtype)
    return x, exact


def errors(from_logits, dtype, compiler=None, count=1200):
    """The worst error of values and of slopes, in epsilons of the dtype, over the `RANGES`.

    Args:
        from_logits: Whether the predictions are logits.
        dtype: That of the predictions.
        compiler: What compiles the loss; by default it is called as it is.
        count: About how many predictions.
    """
    x, exact = sweep(from_logits, dtype, count)
    x = keras.ops.expand_dims(x, -1)
    # Below the smallest normal number no dtype has digits to keep.
    normal = 2.0**-14 if dtype == "float16" else 2.0**-126
    limit = 65504 if dtype == "float16" else float("inf")
    worst_value = worst_slope = 0.0
    for label in LABELS:
        y = keras.ops.full_like(x, label)
        label = float(to_numpy(y)[0, 0])

        def function(x, y=y):
            return keras_bce.losses.binary_crossentropy(y, x, from_logits=from_logits)

        if compiler is not None:
            function = compiler(function)
        values = to_numpy(function(x)).astype("float64")
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
