"""Any loss as a metric, and the Brier score: in `fit`, saved, and against float64."""

import keras
import numpy as np
import pytest
from support import oracle
from support.differentiation import BACKEND, gradient, tensor, to_numpy
from support.instances import LOSSES, batch, numbers

from keras_bce import losses, metrics
from keras_bce._arguments import Arguments
from keras_bce._loss import PointwiseLoss
from keras_bce._pointwise import SquaredError


@pytest.mark.parametrize(("cls", "arguments"), LOSSES.values(), ids=LOSSES)
def test_a_mean_loss_is_the_weighted_mean_of_the_loss(cls, arguments):
    y, x = batch()
    y[3, 1] = y[5] = -1.0
    weights = np.linspace(0, 2, 16)
    arguments = arguments | {"dtype": "float32"}
    metric = metrics.MeanLoss(cls(**arguments))
    for rows in (slice(0, 7), slice(7, 16)):
        metric.update_state(y[rows], x[rows], weights[rows])
    expected = cls(**(arguments | {"reduction": "mean_with_sample_weight"}))(y, x, weights)
    assert numbers(metric.result())["result"] == pytest.approx(float(to_numpy(expected)), rel=2e-6)
    assert metric.name == "named"


def test_the_mean_of_cross_entropy_is_that_of_its_own_metric():
    y, x = batch()
    mean = metrics.MeanLoss(losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1))
    own = metrics.BinaryCrossentropy(from_logits=True, label_smoothing=0.1, uncertainty=True)
    for metric in (mean, own):
        metric.update_state(y, x)
    assert mean.interval() == own.interval()


@pytest.mark.parametrize("from_logits", [True, False])
def test_the_brier_score_is_the_mean_squared_difference(from_logits):
    y, x = batch(1, 300, 2, from_logits)
    y[4, 0] = -1
    p = 1 / (1 + np.exp(-x.astype("float64"))) if from_logits else x.astype("float64")
    weights = np.random.default_rng(0).uniform(0, 2, 300)
    n, v, _ = oracle.per_sample((p - y) ** 2, np.repeat(weights[:, None], 2, 1), y != -1)
    metric = metrics.BrierScore(from_logits=from_logits, ignore_class=-1)
    metric.update_state(y, x, weights)
    expected = n.sum() / v.sum()
    assert numbers(metric.result())["result"] == pytest.approx(expected, rel=1e-6)
    residuals = ((n - expected * v) ** 2).sum()
    assert metric.standard_error() == pytest.approx(np.sqrt(300 / 299 * residuals) / v.sum())


@pytest.mark.parametrize("x", [-40.0, -3.0, 0.0, 3.0, 40.0])
@pytest.mark.parametrize("y", [0.0, 0.25, 1.0])
def test_the_squared_error_keeps_its_digits(y, x):
    """Of a right prediction it is the square of a small probability."""
    loss = PointwiseLoss(SquaredError(), Arguments(True), "sum", "squared", None)
    p = oracle.sigmoid(x)
    value = float(to_numpy(loss(tensor([[y]]), tensor([[x]]))))
    assert value == pytest.approx(float((p - y) ** 2), rel=3e-6)
    if BACKEND != "numpy":
        label_slope, slope = gradient(loss, tensor([[y]]), tensor([[x]]))
        assert slope.item() == pytest.approx(float(2 * (p - y) * p * (1 - p)), rel=3e-6)
        assert label_slope.item() == pytest.approx(float(2 * (y - p)), rel=3e-6)


def compiled_model():
    model = keras.Sequential([keras.layers.Input((5,)), keras.layers.Dense(3)])
    focal = losses.BinaryFocalCrossentropy(from_logits=True, gamma=1.5)
    own = [metrics.MeanLoss(focal, "focal"), metrics.BrierScore(from_logits=True)]
    own.append(metrics.BinaryCrossentropy("sure", from_logits=True, uncertainty=True))
    model.compile("sgd", loss=focal, weighted_metrics=own)
    return model, own


@pytest.mark.skipif(BACKEND == "numpy", reason="NumPy has no `fit`")
def test_the_metrics_live_in_fit_and_in_saved_models(tmp_path):
    x, (y, _) = np.random.default_rng(1).normal(size=(64, 5)).astype("float32"), batch(0, 64)
    weights = np.linspace(0.5, 1.5, 64).astype("float32")
    model, (focal, brier, sure) = compiled_model()
    stop = keras.callbacks.EarlyStopping("val_brier_score", patience=5)
    validation = (x, y, weights)
    model.fit(x, y, sample_weight=weights, validation_data=validation, callbacks=[stop], verbose=0)
    assert stop.monitor_op is not None
    results = model.evaluate(x, y, sample_weight=weights, verbose=0, return_dict=True)
    for metric in (focal, brier, sure):
        low, high = metric.interval()
        assert low < results[metric.name] < high
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    again = loaded.evaluate(x, y, sample_weight=weights, verbose=0, return_dict=True)
    assert again == pytest.approx(results, rel=1e-6)


def test_smaller_is_better():
    focal = losses.BinaryFocalCrossentropy()
    for metric in (
        metrics.MeanLoss(focal),
        metrics.BrierScore(),
        metrics.LossDifference(),
        metrics.Sliced(metrics.BrierScore(), ["a"]),
    ):
        assert metric._direction == "down"
