"""Anything goes in; out come right numbers, NaN for the impossible, or a documented error."""

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, seed, settings
from hypothesis import strategies as st
from keras import ops
from support import oracle
from support.differentiation import gradient, tensor, to_numpy

from keras_bce import losses, metrics

SEED = int(os.environ.get("KERAS_BCE_FUZZ_SEED", "0"))
SHAPES = [(1, 1), (3, 1), (3, 2), (2, 3), (4,), (2, 2, 2), (2, 3, 1)]
BAD = [np.nan, np.inf, -np.inf, -0.25, 1.05, 1.5, 1.005, -0.005, 1.6, 255.0, -1.0]


@st.composite
def cases(draw):
    shape = draw(st.sampled_from(SHAPES))
    size = int(np.prod(shape))
    from_logits = draw(st.booleans())

    def array(elements, shape=shape):
        count = int(np.prod(shape))
        return np.array(draw(st.lists(elements, min_size=count, max_size=count))).reshape(shape)

    labels = st.sampled_from([0.0, 1.0, 0.0, 1.0, 0.25, 0.9])
    probabilities = st.sampled_from([0.0, 1.0, 1e-7, 0.5]) | st.floats(0, 1, width=16)
    logits = st.sampled_from([0.0, -0.0, 1e-8, 90.0, -90.0]) | st.floats(-50, 50, width=16)
    y = array(labels)
    x = array(logits if from_logits else probabilities).astype("float64")
    for _ in range(draw(st.integers(0, 2))):  # Ruin something, perhaps under a zero weight.
        target = y if draw(st.booleans()) else x
        target.reshape(-1)[draw(st.integers(0, size - 1))] = draw(st.sampled_from(BAD))
    batch_shape = shape if len(shape) > 1 else (*shape, 1)
    kind = draw(st.sampled_from(["none", "scalar", "sample", "element"]))
    weights = {
        "none": None,
        "scalar": draw(st.sampled_from([0.0, 2.0])),
        "sample": array(st.sampled_from([0.0, 1.0, 2.0]), shape[:1]),
        "element": array(st.sampled_from([0.0, 1.0, 2.0])),
    }[kind]
    number = st.sampled_from([0.5, 1.0, 3.0])
    count = batch_shape[-1]
    per_label = st.none() | number | st.lists(number, min_size=count, max_size=count)
    arguments = {
        "from_logits": from_logits,
        "label_smoothing": draw(st.sampled_from([0.0, 0.0, 0.1, 1.0])),
        "pos_weight": draw(per_label),
        "label_weights": draw(per_label),
        "ignore_class": draw(st.sampled_from([None, None, -1.0, float("nan")])),
    }
    reduction = draw(st.sampled_from([None, "sum", "mean", "mean_with_sample_weight"]))
    loss = draw(st.sampled_from(["bce", "focal", "asymmetric"]))
    return y, x, weights, arguments, reduction, loss


CLASSES = {
    "bce": (losses.BinaryCrossentropy, {}, oracle.crossentropy),
    "focal": (losses.BinaryFocalCrossentropy, {"gamma": 1.5}, oracle.focal),
    "asymmetric": (losses.AsymmetricBinaryCrossentropy, {"gamma_pos": 1.0}, oracle.asymmetric),
}


def expectation(y, x, weights, arguments, reduction, kind):
    """The right numbers, NaN where a label or prediction that counts is impossible."""
    _, own, formula = CLASSES[kind]
    shape = y.shape if y.ndim > 1 else (*y.shape, 1)
    labels, rows = shape[-1], int(np.prod(shape[:-1]))
    y, x = y.reshape(rows, labels), x.reshape(rows, labels)
    w = np.ones(shape)
    if weights is not None:
        weights = np.asarray(weights, "float64")
        if weights.ndim == 1:
            weights = weights.reshape(-1, *[1] * (len(shape) - 1))
        w = np.broadcast_to(weights, shape)
    w = w.reshape(rows, labels)
    missing = arguments["ignore_class"]
    present = np.ones(y.shape, bool)
    if missing is not None:
        present = ~np.isnan(y) if np.isnan(missing) else y != missing
    elements = np.zeros(y.shape)
    impossible = np.zeros(rows, bool)
    for i, j in np.ndindex(rows, labels):
        if not present[i, j] or w[i, j] == 0:
            continue
        low, high = (-np.inf, np.inf) if arguments["from_logits"] else (-0.01, 1.01)
        if not (-0.5 <= y[i, j] <= 1.5 and low <= x[i, j] <= high):
            impossible[i] = True
            continue

        def factor(name, j=j):
            value = arguments[name]
            return value[j] if isinstance(value, list) else 1.0 if value is None else value

        label = oracle.smoothed(y[i, j], arguments["label_smoothing"])
        fixed = own | {"from_logits": arguments["from_logits"]}
        fixed["pos_weight"] = factor("pos_weight")

        def value(x, label=label, fixed=fixed):
            return float(formula(label, x, **fixed))

        if np.isinf(x[i, j]):  # mpmath has no infinity; what still grows out there is infinite.
            near, far = value(np.sign(x[i, j]) * 1e3), value(np.sign(x[i, j]) * 1e5)
            elements[i, j] = np.inf if far > 2 * near > 1e-100 else near
        else:
            elements[i, j] = value(float(x[i, j]))
        elements[i, j] *= factor("label_weights")
    numerators, sample_weights, counted = oracle.per_sample(elements, w, present)
    numerators = np.where(impossible, np.nan, numerators)
    if reduction is None:
        return numerators.reshape(shape[:-1]), impossible
    if impossible.any():
        return np.nan, impossible
    return oracle.reduced(numerators, sample_weights, counted, reduction), impossible


def check(case):
    y, x, weights, arguments, reduction, kind = case
    # An overshooting label makes an infinite loss negative, and sums of both kinds NaN.
    assume(not (np.isinf(x).any() and ((y < 0) | (y > 1)).any()))
    cls, own, _ = CLASSES[kind]
    expected, impossible = expectation(*case)
    loss = cls(reduction=reduction, **own, **arguments)
    given = to_numpy(loss(tensor(y), tensor(x), None if weights is None else tensor(weights)))
    np.testing.assert_allclose(given, expected, rtol=2e-5, atol=1e-6)
    if impossible.any():
        with pytest.raises(ValueError, match="Received: "):
            loss(y, x, weights)
    else:
        np.testing.assert_array_equal(to_numpy(loss(y, x, weights)), given)
    (slope,) = gradient(
        lambda x: ops.sum(loss(tensor(y), x, None if weights is None else tensor(weights))),
        tensor(x),
    )
    rows = slope.reshape(len(impossible), -1)
    if not impossible.any():
        assert np.isfinite(rows).all()
    if reduction is None:
        assert np.isfinite(rows[~impossible]).all()
        assert np.isnan(rows[impossible]).any(axis=1).all()
    if kind == "bce" and reduction == "mean_with_sample_weight":
        metric = metrics.BinaryCrossentropy(**arguments)
        result = metric(tensor(y), tensor(x), None if weights is None else tensor(weights))
        np.testing.assert_allclose(to_numpy(result), given, rtol=1e-6, atol=1e-9)


quick = settings(
    max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


@seed(SEED)
@quick
@given(cases())
def test_anything(case):
    check(case)


@pytest.mark.slow
@seed(SEED + 1)
@settings(quick, max_examples=int(os.environ.get("KERAS_BCE_FUZZ_CASES", "20000")))
@given(cases())
def test_anything_for_long(case):
    check(case)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@seed(SEED)
@settings(quick, max_examples=40)
@given(case=cases())
def test_anything_in_half_precision_is_finite_or_impossible(dtype, case):
    y, x, weights, arguments, reduction, kind = case
    cls, own, _ = CLASSES[kind]
    _, impossible = expectation(*case)
    loss = cls(reduction=reduction, dtype=dtype, **own, **arguments)
    if not impossible.any() and not np.isinf(x).any():
        given = to_numpy(loss(tensor(y), tensor(x, dtype), weights))
        assert np.isfinite(given).all()
