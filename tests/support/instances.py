"""One list of losses and metrics, each with every argument off its default, for contract tests."""

import keras
import numpy as np

import keras_bce
from keras_bce import losses, metrics
from support.differentiation import to_numpy

SHARED = {
    "from_logits": True,
    "label_smoothing": 0.1,
    "pos_weight": [2.0, 0.5, 1.0],
    "label_weights": [1.0, 3.0, 0.25],
    "ignore_class": -1.0,
}
SHARED_LOSS = SHARED | {"axis": 1, "reduction": "sum", "name": "named", "dtype": "float16"}

#: Class, arguments that are all non-default.
LOSSES = {
    "bce": (losses.BinaryCrossentropy, SHARED_LOSS),
    "focal": (
        losses.BinaryFocalCrossentropy,
        SHARED_LOSS | {"apply_class_balancing": True, "alpha": 0.4, "gamma": 1.5},
    ),
    "asymmetric": (
        losses.AsymmetricBinaryCrossentropy,
        SHARED_LOSS | {"gamma_pos": 1.0, "gamma_neg": 2.0, "clip": 0.1},
    ),
}
_FEW = {"name": "named", "dtype": "float16", "from_logits": True, "ignore_class": -1.0}
_SURE = {"uncertainty": True}
_FOCAL = SHARED | {"gamma": 1.5, "name": "focal"}
METRICS = {
    "bce": (
        metrics.BinaryCrossentropy,
        SHARED
        | {"axis": 1, "name": "named", "dtype": "float16", "label_names": ["a", "b", "c"]}
        | _SURE,
    ),
    "normalized_entropy": (metrics.NormalizedEntropy, _FEW | _SURE),
    "calibration_ratio": (metrics.CalibrationRatio, _FEW | _SURE),
    "calibration_error": (metrics.ExpectedCalibrationError, _FEW | {"num_bins": 7}),
    "mean_loss": (
        metrics.MeanLoss,
        {"loss": losses.BinaryFocalCrossentropy(**_FOCAL), "name": "mean", "dtype": "float16"},
    ),
    "brier_score": (metrics.BrierScore, _FEW),
}


def given_more():
    """Metrics that `compile` does not take, since they are given more than predictions.

    A function, since a metric that another one is made of has variables: processes that are to
    become one cluster import this module before.
    """
    focal = losses.BinaryFocalCrossentropy(**_FOCAL)
    own = {"loss": focal, "name": "named", "dtype": "float16", "from_logits": True}
    metric = metrics.BinaryCrossentropy(**SHARED, **_SURE)
    slices = {"metric": metric, "slice_names": ["first", "second"], "name": "named"}
    return {"loss_difference": (metrics.LossDifference, own), "sliced": (metrics.Sliced, slices)}


FUNCTIONS = {
    "bce": keras_bce.losses.binary_crossentropy,
    "focal": keras_bce.losses.binary_focal_crossentropy,
    "asymmetric": keras_bce.losses.asymmetric_binary_crossentropy,
}


def batch(seed=0, samples=16, labels=3, from_logits=True):
    """float32 labels and predictions, both classes present."""
    generator = np.random.default_rng(seed)
    y = (generator.random((samples, labels)) < 0.5).astype("float32")
    y[0], y[1] = 0.0, 1.0
    x = generator.normal(0, 3, (samples, labels)).astype("float32")
    return y, x if from_logits else 1 / (1 + np.exp(-x))


def weighted_batch(samples=500, labels=2, from_logits=True):
    """Labels, predictions, the exact probabilities, and weights that are small whole numbers."""
    y, x = batch(2, samples, labels)
    p = 1 / (1 + np.exp(-x.astype("float64")))
    weights = np.random.default_rng(1).integers(0, 4, samples).astype("float64")
    return y, (x if from_logits else p.astype("float32")), p, weights


def given(metric, y, x, *weights):
    """What a metric is updated with, as arguments by position and by name."""
    of_one = metric.metric if isinstance(metric, metrics.Sliced) else metric
    if isinstance(of_one, metrics.LossDifference):
        x = (x, 0.9 * x)
    if of_one is metric:
        return (y, x, *weights), {}
    slices = (to_numpy(y)[:, 1] == 1).astype("int32")
    return (y, x, *weights), {"slices": slices}


def fed(metric, *values):
    """A metric's result after an update, as a dictionary of floats."""
    args, kwargs = given(metric, *values)
    return numbers(metric(*args, **kwargs))


def in_float32(arguments):
    """The arguments, without a dtype of the result."""
    return {name: value for name, value in arguments.items() if name != "dtype"}


def plain(arguments):
    """The arguments, objects as their configuration."""
    return {
        name: keras.saving.serialize_keras_object(value) if hasattr(value, "get_config") else value
        for name, value in arguments.items()
    }


def numbers(result):
    """A metric's result as a flat dictionary of floats."""
    result = result if isinstance(result, dict) else {"result": result}
    return {name: float(to_numpy(value)) for name, value in result.items()}
