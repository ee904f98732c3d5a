"""The losses against torch's and Keras's, and with all their arguments at once."""

import keras
import numpy as np
import pytest
from support import oracle
from support.differentiation import gradient, number, tensor, to_numpy
from support.instances import LOSSES, batch

from keras_bce import losses, metrics


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


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
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


def test_focal_alpha_may_be_0_and_1():
    y, p = [[1.0], [0.0]], [[0.25], [0.25]]
    for alpha in (0.0, 1.0):
        arguments = {"alpha": alpha, "apply_class_balancing": True}
        ours = losses.BinaryFocalCrossentropy(**arguments)(y, p)
        theirs = keras.losses.BinaryFocalCrossentropy(**arguments)(np.array(y), np.array(p))
        assert number(ours) == pytest.approx(number(theirs), rel=1e-6)


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
