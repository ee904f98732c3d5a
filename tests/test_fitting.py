"""The fitted parameters against optima that are found another way."""

import numpy as np
import pytest
from support.differentiation import tensor, to_numpy

from keras_bce import layers

optimize = pytest.importorskip("scipy.optimize")

#: By class, the features of a logit, and how many of their coefficients must not be negative.
MAPS = {
    layers.TemperatureScaling: (lambda z: np.stack([z], 1), 1),
    layers.PlattScaling: (lambda z: np.stack([z, np.ones_like(z)], 1), 0),
    layers.BetaCalibration: (
        lambda z: np.stack([-np.log1p(np.exp(-z)), np.log1p(np.exp(z)), np.ones_like(z)], 1),
        2,
    ),
}
every_map = pytest.mark.parametrize("cls", MAPS, ids=lambda cls: cls.__name__)


def optimum(cls, z, y, w):
    """The parameters that minimise the weighted cross-entropy, by a quasi-Newton method."""
    features, bounded = MAPS[cls]
    x = features(z.astype("float64"))

    def loss(parameters):
        p = 1 / (1 + np.exp(-x @ parameters))
        loss = -np.average(y * np.log(p) + (1 - y) * np.log(1 - p), weights=w)
        return loss, x.T @ (w * (p - y)) / w.sum()

    count = x.shape[1]
    bounds = [(0, None)] * bounded + [(None, None)] * (count - bounded)
    options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 10_000, "maxfun": 20_000}
    found = optimize.minimize(
        loss, np.full(count, 0.5), jac=True, method="L-BFGS-B", bounds=bounds, options=options
    )
    return found.x


def parameters(layer):
    return np.stack([to_numpy(weight) for weight in layer.weights])


def data(shift=0.0, samples=3000):
    generator = np.random.default_rng(0)
    z = generator.normal(shift, 2, (samples, 2)).astype("float32")
    line = np.array([0.5, 0.8]) * z - shift * 0.4 + [-0.5, 0.3]
    y = (generator.random(z.shape) < 1 / (1 + np.exp(-line))).astype("float32")
    return z, y, generator.integers(0, 4, samples).astype("float32")


@every_map
@pytest.mark.parametrize("shift", [0.0, -4.0])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize(
    ("per_label", "missing"), [(False, None), (True, None), (False, -1.0), (True, float("nan"))]
)
def test_parameters_are_the_optimum(cls, shift, weighted, per_label, missing):
    z, y, w = data(shift)
    present = np.ones(y.shape, bool)
    if missing is not None:
        present = np.random.default_rng(1).random(y.shape) < 0.7
    given = np.where(present, z, np.nan), np.where(present, y, missing)
    layer = cls(per_label=per_label)
    layer.adapt(*given, w if weighted else None, ignore_class=missing)
    weights = np.repeat(w[:, None] if weighted else np.ones((len(w), 1)), 2, 1) * present
    if per_label:
        right = np.stack([optimum(cls, z[:, j], y[:, j], weights[:, j]) for j in (0, 1)], 1)
    else:
        right = optimum(cls, z.ravel(), y.ravel(), weights.ravel())
    np.testing.assert_allclose(parameters(layer), right, rtol=1e-3, atol=1e-3)


@every_map
def test_weights_per_prediction_and_soft_labels_count(cls):
    z, y, _ = data()
    soft = 0.8 * y + 0.05
    w = np.random.default_rng(2).random(z.shape) + 0.1
    layer = cls()
    layer.adapt(z, soft, w)
    right = optimum(cls, z.ravel(), soft.ravel(), w.ravel())
    np.testing.assert_allclose(parameters(layer), right, rtol=1e-3, atol=1e-3)
    again = cls()
    again.adapt(z, soft, 1000 * w)
    np.testing.assert_allclose(parameters(again), parameters(layer), rtol=1e-5)


@every_map
def test_probabilities_give_the_parameters_of_their_logits(cls):
    z, y, _ = data()
    layer, other = cls(), cls(from_logits=False)
    layer.adapt(z, y)
    other.adapt(1 / (1 + np.exp(-z.astype("float64"))), y)
    np.testing.assert_allclose(parameters(other), parameters(layer), rtol=1e-4)


@every_map
@pytest.mark.parametrize("touching", [True, False])
def test_separable_classes_are_fitted_to_smoothed_targets(cls, touching):
    z = np.concatenate([np.linspace(-3, -1, 20), np.linspace(1, 4, 30)])
    y = np.repeat([0.0, 1.0], [20, 30])
    if touching:
        z[19] = z[20] = 0.0
    targets = np.where(y == 1, 31 / 32, 1 / 22)
    layer = cls()
    layer.adapt(z, y)
    right = optimum(cls, z, targets, np.ones(50))
    np.testing.assert_allclose(parameters(layer), right, rtol=1e-3, atol=1e-3)
    assert np.abs(parameters(layer)).max() < 10


def test_one_wrong_row_ends_the_smoothing():
    z, y = np.linspace(-3, 3, 50), np.repeat([0.0, 1.0], [24, 26])
    y[25], y[20] = 0.0, 1.0
    layer = layers.PlattScaling()
    layer.adapt(z, y)
    right = optimum(layers.PlattScaling, z, y, np.ones(50))
    np.testing.assert_allclose(parameters(layer), right, rtol=1e-3)


def test_labels_the_wrong_way_round():
    z, y, _ = data()
    platt, beta = layers.PlattScaling(), layers.BetaCalibration()
    platt.adapt(z, 1 - y)
    assert parameters(platt)[0] < -0.3
    beta.adapt(z, 1 - y)
    rate = 1 - y.mean()
    a, b, c = parameters(beta)
    assert (a, b) == (0, 0)
    assert c == pytest.approx(np.log(rate / (1 - rate)), rel=1e-5)
    with pytest.raises(ValueError, match="no temperature beats a probability of 1/2"):
        layers.TemperatureScaling().adapt(z, 1 - y)


@pytest.mark.parametrize("positive", ["inside", "outside"])
def test_beta_calibration_is_monotone_where_an_interval_separates_the_classes(positive):
    z = np.linspace(-4, 4, 200)
    y = (np.abs(z + 0.2) < 2) == (positive == "inside")
    layer = layers.BetaCalibration()
    layer.adapt(z, y)
    np.testing.assert_allclose(
        parameters(layer), optimum(layers.BetaCalibration, z, y, np.ones(200)), atol=1e-3
    )
    assert parameters(layer)[:2].min() >= 0


def isotonic_oracle(z, y, w=None):
    sklearn = pytest.importorskip("sklearn.isotonic")
    # In float64: it takes float32 numbers that are nearly equal for equal.
    return sklearn.IsotonicRegression(out_of_bounds="clip").fit(z.astype("float64"), y, w)


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("samples", [1000, 20_000])
def test_isotonic_regression_is_that_of_sklearn(weighted, samples):
    z, y, w = data(samples=samples)
    z, y, w = z[:, 0], y[:, 0], w if weighted else np.ones(samples)
    layer = layers.IsotonicCalibration(to_logits=False)
    layer.adapt(z, y, w)
    used = z[w > 0]
    given, right = to_numpy(layer(tensor(used))), isotonic_oracle(z, y, w).predict(used)
    inside = (right > 0) & (right < 1)
    np.testing.assert_allclose(given[inside], right[inside], atol=1e-6)
    assert np.average(np.abs(given - right), weights=w[w > 0]) < 1 / samples
    others = np.sort(np.random.default_rng(3).normal(0, 2, 1000)).astype("float32")
    given, right = to_numpy(layer(tensor(others))), isotonic_oracle(z, y, w).predict(others)
    assert np.abs(given - right).mean() < 0.005
    assert np.all(np.diff(given) >= -1e-7)


def test_isotonic_regression_is_finite_at_both_ends():
    layer = layers.IsotonicCalibration()
    layer.adapt(np.linspace(-1, 1, 40), np.repeat([0, 1, 0, 0, 1], [8, 4, 4, 3, 21]))
    given = to_numpy(layer(tensor([-100.0, 100.0, -np.inf, np.inf])))
    ends = [-np.log(2 * 8 + 1), np.log(2 * 21 + 1)]  # The odds of 1/2 in n + 1.
    np.testing.assert_allclose(given, ends * 2, rtol=1e-5)


def test_isotonic_regression_of_separable_classes_is_finite():
    layer = layers.IsotonicCalibration(to_logits=False)
    layer.adapt(np.linspace(-1, 1, 10), np.repeat([0, 1], [4, 6]))
    given = to_numpy(layer(tensor([-9.0, 9.0])))
    np.testing.assert_allclose(given, [0.5 / 5, 6.5 / 7], rtol=1e-6)


def test_more_knots_than_are_kept_are_thinned_out():
    """Increasing soft labels, each of which is a block of its own."""
    generator = np.random.default_rng(4)
    z = np.sort(generator.normal(-2, 2, 50_000)).astype("float32")
    y = np.clip(1 / (1 + np.exp(-z.astype("float64"))) + (z > 0) * 0.1, 0, 0.999)
    layer = layers.IsotonicCalibration(to_logits=False)
    layer.adapt(z, y)
    given = to_numpy(layer(tensor(z)))
    assert np.abs(given - isotonic_oracle(z, y).predict(z)).max() < 0.004
    assert np.all(np.diff(given) >= -1e-7)
    assert len(np.unique(parameters(layer)[0, 0])) > 800
