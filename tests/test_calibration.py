"""Calibration ratio and calibration error against their formulas in float64, and the bins."""

import numpy as np
import pytest
from support.differentiation import number
from support.instances import numbers, weighted_batch

from keras_bce import metrics


@pytest.mark.parametrize("from_logits", [True, False])
def test_calibration_ratio(from_logits):
    y, given, p, weights = weighted_batch(from_logits=from_logits)
    metric = metrics.CalibrationRatio(from_logits=from_logits)
    expected = (weights[:, None] * p).sum() / (weights[:, None] * y).sum()
    assert numbers(metric(y, given, weights))["result"] == pytest.approx(expected, rel=1e-6)


def test_a_calibration_ratio_without_positives_is_nan():
    assert np.isnan(number(metrics.CalibrationRatio()([0, 0], [0.5, 0.25])))


def calibration_error(y, p, weights, num_bins):
    bins = np.minimum((p * num_bins).astype(int), num_bins - 1)
    gaps = [abs((weights * (p - y))[bins == k].sum()) for k in range(num_bins)]
    return sum(gaps) / weights.sum()


@pytest.mark.parametrize("num_bins", [1, 7, 15])
@pytest.mark.parametrize("samples", [50, 5000])
def test_expected_calibration_error(num_bins, samples):
    y, given, p, weights = weighted_batch(samples)
    metric = metrics.ExpectedCalibrationError(from_logits=True, num_bins=num_bins)
    expected = calibration_error(y, p, np.repeat(weights[:, None], 2, 1), num_bins)
    assert numbers(metric(y, given, weights))["result"] == pytest.approx(expected, rel=2e-6)


def test_a_million_equal_predictions_in_one_batch_keep_their_calibration_error():
    p = np.full(2**20, 0.7, "float32")
    metric = metrics.ExpectedCalibrationError()
    metric.update_state(np.zeros_like(p), p)
    mean = float(p[0])
    # What a float32 sum of 1024 terms may lose; one of a million terms is wrong in its 2nd digit.
    error = 1024 * 2.0**-24
    assert numbers(metric.result())["result"] == pytest.approx(mean, rel=error)
    assert np.nanmax(metric.bins()["mean_prediction"]) == pytest.approx(mean, rel=error)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_expected_calibration_error_is_that_of_torchmetrics():
    torch = pytest.importorskip("torch")
    classification = pytest.importorskip("torchmetrics.classification")
    y, given, _, _ = weighted_batch(3000, from_logits=False)
    theirs = classification.BinaryCalibrationError(n_bins=15, norm="l1")
    expected = theirs(torch.tensor(given.ravel()), torch.tensor(y.ravel().astype(int)))
    ours = metrics.ExpectedCalibrationError(num_bins=15)(y, given)
    assert numbers(ours)["result"] == pytest.approx(float(expected), rel=1e-5)


def test_bins_are_what_a_reliability_diagram_needs():
    metric = metrics.ExpectedCalibrationError(num_bins=4)
    metric.update_state([0, 1, 1, 0], [0.1, 0.2, 1.0, 0.3], sample_weight=[1, 3, 2, 0])
    bins = metric.bins()
    assert bins["edges"].tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert bins["weight"].tolist() == [4, 0, 0, 2]
    np.testing.assert_allclose(bins["mean_prediction"], [0.175, np.nan, np.nan, 1.0], rtol=1e-6)
    np.testing.assert_allclose(bins["mean_label"], [0.75, np.nan, np.nan, 1.0], rtol=1e-6)


@pytest.mark.parametrize("num_bins", [1, 3, 15, 22, 49, 50, 100, 1000])
def test_a_probability_on_an_edge_falls_into_the_bin_above(num_bins):
    metric = metrics.ExpectedCalibrationError(num_bins=num_bins)
    edges = (np.arange(num_bins + 1) / num_bins).astype("float32")
    metric.update_state(np.zeros(num_bins + 1), edges)
    np.testing.assert_array_equal(metric.bins()["weight"], [1.0] * (num_bins - 1) + [2.0])
    metric.reset_state()
    metric.update_state(np.zeros(num_bins), np.nextafter(edges[1:], np.float32(0)))
    np.testing.assert_array_equal(metric.bins()["weight"], [1.0] * num_bins)
