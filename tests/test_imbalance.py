"""pos_weight, label_weights, focal and asymmetric losses, and all of it at once."""

import keras
import numpy as np
import oracle
import pytest
from differentiation import gradient, tensor, to_numpy
from instances import LOSSES, batch

import keras_bce
from keras_bce import losses, metrics

GAMMAS = [0.0, 0.5, 1.0, 2.0, 5.0]


@pytest.mark.parametrize("shape", [(1, 1), (7, 1), (5, 3), (64, 10), (4, 6, 3), (2, 3, 4, 5)])
@pytest.mark.parametrize("per_label", [False, True])
def test_weights_are_those_of_torch(shape, per_label):
    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(0)
    y = generator.random(shape).astype("float32").round(1)
    x = generator.normal(0, 4, shape).astype("float32")
    pos_weight, label_weights = 3.0, 0.7
    if per_label:
        pos_weight, label_weights = generator.random((2, shape[-1])).round(2) * 5
    theirs = torch.nn.BCEWithLogitsLoss(
        weight=torch.tensor(label_weights, dtype=torch.float64),
        pos_weight=torch.tensor(pos_weight, dtype=torch.float64),
    )(torch.tensor(x, dtype=torch.float64), torch.tensor(y, dtype=torch.float64))
    ours = losses.BinaryCrossentropy(
        from_logits=True, pos_weight=pos_weight, label_weights=label_weights
    )(y, x)
    assert float(to_numpy(ours)) == pytest.approx(float(theirs), rel=2e-6)


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("from_logits", [True, False], ids=["logits", "probabilities"])
def test_focal_equals_keras_inside(gamma, from_logits):
    y, x = batch(0, 400, 3)
    y[200:] = np.random.default_rng(0).random((200, 3))
    x = np.clip(x, -8, 8)
    if not from_logits:
        x = 1 / (1 + np.exp(-x))
    for balancing in (False, True):
        arguments = {"gamma": gamma, "from_logits": from_logits, "reduction": None}
        arguments |= {"apply_class_balancing": balancing, "alpha": 0.3}
        ours = losses.BinaryFocalCrossentropy(**arguments)(y, x)
        theirs = keras.losses.BinaryFocalCrossentropy(**arguments)(y, x)
        np.testing.assert_allclose(to_numpy(ours), to_numpy(theirs), rtol=1e-5, atol=1e-7)


EXTREME = [-100.0, -89, -60, -17, -8, -1, -1e-3, 0.0, 1e-3, 1, 8, 17, 60, 89, 100.0]


def compare(loss, true_loss, predictions, size, tolerance=1e-5, **arguments):
    """Value and slope of each prediction, with hard and soft labels, against 60 digits.

    `size(label, prediction, value)` is that of the terms of a slope.
    """
    for label in (0.0, 1.0, 0.25, 0.9):
        x = tensor(np.array(predictions)[:, None])
        y = keras.ops.full_like(x, label)
        values = to_numpy(loss(y, x))
        (slopes,) = gradient(lambda x, y=y: keras.ops.sum(loss(y, x)), x)
        given = [float(v) for v in to_numpy(x).ravel()]
        true = [float(true_loss(label, x, **arguments)) for x in given]
        true_slopes = [float(oracle.derivative(true_loss, label, x, **arguments)) for x in given]
        np.testing.assert_allclose(values, true, rtol=tolerance, atol=1e-36)
        # Relative to the size of the slope's terms: soft labels have two, which may cancel.
        scale = [
            max(abs(s), size(label, x, v)) for s, x, v in zip(true_slopes, given, true, strict=True)
        ]
        error = np.abs(slopes.ravel() - true_slopes)
        assert (error <= tolerance * np.array(scale) + 1e-36).all(), (label, slopes, true_slopes)


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("alpha", [None, 0.25])
def test_focal_equals_the_formula_everywhere(gamma, alpha):
    loss = losses.BinaryFocalCrossentropy(
        apply_class_balancing=alpha is not None,
        gamma=gamma,
        from_logits=True,
        reduction=None,
        pos_weight=2.0,
    )
    arguments = {"from_logits": True, "gamma": gamma, "alpha": alpha, "pos_weight": 2.0}
    compare(loss, oracle.focal, EXTREME, lambda y, _, value: y * (1 - y) * value, **arguments)


@pytest.mark.parametrize("gamma", GAMMAS)
def test_focal_is_finite_at_infinity(gamma):
    loss = losses.BinaryFocalCrossentropy(gamma=gamma, from_logits=True, reduction=None)
    x = tensor([[np.inf], [-np.inf], [1e38], [-1e38]])
    for label in (0.0, 1.0):
        y = keras.ops.full_like(x, label)
        right = [label == 1, label == 0] * 2
        values = to_numpy(loss(y, x))
        assert (values[right] == 0).all()
        assert (values[np.logical_not(right)] >= 1e38).all()
        (slopes,) = gradient(lambda x, y=y: keras.ops.sum(loss(y, x)), x)
        expected = np.where(right, 0.0, 1.0 - 2.0 * label)
        np.testing.assert_array_equal(slopes.ravel(), expected)


@pytest.mark.parametrize("clip", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("gammas", [(0.0, 4.0), (1.0, 2.0), (0.5, 0.5), (0.0, 0.0)])
def test_asymmetric_equals_the_formula(gammas, clip):
    arguments = {"gamma_pos": gammas[0], "gamma_neg": gammas[1], "clip": clip, "pos_weight": 3.0}
    logits = [x for x in EXTREME if abs(x) <= 60 or not any(gammas)]
    probabilities = [1e-6, 0.04, 0.31, 0.5, 0.51, 0.97, 1 - 1e-6]
    for from_logits, predictions in ((True, logits), (False, probabilities)):
        arguments["from_logits"] = from_logits

        def size(y, x, _):
            """The loss is linear in the label."""
            slopes = [oracle.derivative(oracle.asymmetric, k, x, **arguments) for k in (0.0, 1.0)]
            return float(abs(slopes[0]) * (1 - y) + abs(slopes[1]) * y)

        loss = losses.AsymmetricBinaryCrossentropy(reduction=None, **arguments)
        compare(loss, oracle.asymmetric, predictions, size, **arguments)


def test_asymmetric_without_asymmetry_is_cross_entropy():
    y, x = batch(0, 50, 3)
    plain = losses.BinaryCrossentropy(from_logits=True, reduction=None)(y, x)
    same = losses.AsymmetricBinaryCrossentropy(0, 0, 0, from_logits=True, reduction=None)(y, x)
    np.testing.assert_array_equal(to_numpy(same), to_numpy(plain))


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("reduction", [None, "sum", "mean", "mean_with_sample_weight"])
def test_everything_at_once(kind, reduction):
    cls, arguments = LOSSES[kind]
    arguments = arguments | {"reduction": reduction, "dtype": "float32"}
    samples, labels = 40, 3
    generator = np.random.default_rng(5)
    y, x = batch(5, samples, labels)
    weights = generator.integers(0, 3, (samples, labels)).astype("float64")
    present = generator.random((samples, labels)) > 0.3
    present[4] = False
    own = {"gamma", "alpha", "gamma_pos", "gamma_neg", "clip"} & set(arguments)
    formula = {"bce": oracle.crossentropy, "focal": oracle.focal, "asymmetric": oracle.asymmetric}
    elements = np.empty((samples, labels))
    for i in range(samples):
        for j in range(labels):
            elements[i, j] = arguments["label_weights"][j] * formula[kind](
                oracle.smoothed(float(y[i, j]), arguments["label_smoothing"]),
                float(x[i, j]),
                from_logits=True,
                pos_weight=arguments["pos_weight"][j],
                **{name: arguments[name] for name in own},
            )
    expected = oracle.reduced(*oracle.per_sample(elements, weights, present), reduction)
    labelled = np.where(present, y, -1.0).astype("float32")
    loss = cls(**arguments)
    given = loss(labelled, np.where(present, x, np.nan), weights)
    np.testing.assert_allclose(to_numpy(given), expected, rtol=5e-6, atol=1e-7)
    (slope,) = gradient(
        lambda x: keras.ops.sum(loss(tensor(labelled), x, tensor(weights))), tensor(x)
    )
    assert (slope[~present | (weights == 0)] == 0).all()
    assert (slope[present & (weights > 0)] != 0).all()
    if kind == "bce" and reduction == "mean_with_sample_weight":
        shared = {k: v for k, v in arguments.items() if k not in ("reduction", "name")}
        metric = metrics.BinaryCrossentropy(**shared)(labelled, x, weights)
        assert float(to_numpy(metric)) == pytest.approx(expected, rel=5e-6)


def test_balanced_pos_weight_makes_both_classes_weigh_the_same():
    y, _ = batch(1, 100, 3)
    y[10:30, 1] = -1
    weights = keras_bce.balanced_pos_weight(y, ignore_class=-1)
    for j, weight in enumerate(weights):
        assert weight * (y[:, j] == 1).sum() == pytest.approx((y[:, j] == 0).sum())
    assert keras_bce.balanced_pos_weight(tensor([[0.0], [0.0], [1.0]])) == 2.0
    assert keras_bce.balanced_pos_weight([0, 0.5]) == 3.0
    losses.BinaryCrossentropy(pos_weight=weights)


def test_balanced_pos_weight_needs_positives():
    with pytest.raises(ValueError, match=r"no positives in columns 0, 2 of y_true"):
        keras_bce.balanced_pos_weight([[0, 1, 0], [0, 0, 0]])
    with pytest.raises(ValueError, match=r"labels in \[0, 1\]"):
        keras_bce.balanced_pos_weight([0, 2])


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_class_weight_of_keras_still_works_beside_it(dtype):
    loss = losses.BinaryCrossentropy(from_logits=True, dtype=dtype)
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", loss=loss)
    x = np.eye(2, dtype="float32")
    weighted = model.fit(x, np.array([0, 1]), class_weight={0: 0.0, 1: 0.0}, verbose=0)
    assert weighted.history["loss"] == [0.0]
