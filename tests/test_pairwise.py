"""The sigmoid loss of pairs, against the formula in float64."""

import keras
import numpy as np
import pytest
from support.differentiation import (
    BACKEND,
    compiled,
    gradient,
    needs_gradients,
    tensor,
    to_numpy,
)

from keras_bce.losses import pairwise_sigmoid_crossentropy

ROWS, WIDTH, SCALE, BIAS = 9, 4, 5.0, -2.0


def embeddings():
    a, b = np.random.default_rng(0).normal(size=(2, ROWS, WIDTH))
    return a / np.linalg.norm(a, axis=1, keepdims=True), b


def expected(a, b):
    """Each row's loss, and the gradients of their mean, all pairs at once."""
    dots = a @ b.T
    sign = 2 * np.eye(ROWS) - 1
    x = SCALE * dots + BIAS
    slopes = -sign / (1 + np.exp(sign * x)) / ROWS
    gradients = SCALE * slopes @ b, SCALE * slopes.T @ a, (slopes * dots).sum(), slopes.sum()
    return np.logaddexp(0, -sign * x).sum(1), gradients


@pytest.mark.parametrize(
    ("chunk_size", "mode"), [(1, "eager"), (4, "compiled"), (None, "eager"), (None, "compiled")]
)
def test_it_is_the_formula(chunk_size, mode):
    a, b = embeddings()
    losses, gradients = expected(a, b)

    def call(*given):
        return pairwise_sigmoid_crossentropy(*given, chunk_size=chunk_size)

    given = [tensor(x) for x in (a, b, SCALE, BIAS)]
    call = compiled(call) if mode == "compiled" else call
    np.testing.assert_allclose(to_numpy(call(*given)), losses, rtol=1e-5)
    if BACKEND == "numpy":
        return
    for got, want in zip(
        gradient(lambda *given: keras.ops.mean(call(*given)), *given), gradients, strict=True
    ):
        np.testing.assert_allclose(got, want, atol=1e-6, rtol=1e-5)


def test_tensorflow_need_not_know_the_size_of_the_batch():
    tf = pytest.importorskip("tensorflow")
    if BACKEND != "tensorflow":
        pytest.skip("TensorFlow's")
    a, b = map(tensor, embeddings())
    want = expected(*embeddings())

    @tf.function(
        input_signature=[tf.TensorSpec([None, WIDTH]), tf.TensorSpec([None, WIDTH])],
        autograph=False,
    )
    def step(a, b):
        with tf.GradientTape() as tape:
            tape.watch([a, b])
            loss = pairwise_sigmoid_crossentropy(a, b, SCALE, BIAS, chunk_size=4)
            value = tf.reduce_mean(loss)
        return loss, tape.gradient(value, [a, b])

    loss, gradients = step(a, b)
    np.testing.assert_allclose(loss, want[0], rtol=1e-5)
    for got, expected_gradient in zip(gradients, want[1], strict=False):
        np.testing.assert_allclose(got, expected_gradient, atol=1e-6)
    loss, _ = step(a[:8], b[:8])
    np.testing.assert_allclose(
        loss, pairwise_sigmoid_crossentropy(a[:8], b[:8], SCALE, BIAS), rtol=1e-5
    )


def test_half_precision_is_computed_in_float32():
    a, b = (to_numpy(tensor(x, "float16")).astype("float64") for x in embeddings())
    got = pairwise_sigmoid_crossentropy(tensor(a, "float16"), tensor(b, "float16"), SCALE, BIAS)
    np.testing.assert_allclose(to_numpy(got), expected(a, b)[0], rtol=1e-5)


def test_a_training_step_of_ones_own_learns_the_pairs():
    needs_gradients()
    a, b = embeddings()
    log_scale, bias = np.log(10.0), -10.0
    values = [tensor(x) for x in (a, b, log_scale, bias)]

    def loss(a, b, log_scale, bias):
        return keras.ops.mean(pairwise_sigmoid_crossentropy(a, b, keras.ops.exp(log_scale), bias))

    first = float(to_numpy(loss(*values)))
    for _ in range(20):
        slopes = gradient(loss, *values)
        values = [tensor(to_numpy(x) - 0.05 * g) for x, g in zip(values, slopes, strict=True)]
    assert float(to_numpy(loss(*values))) < 0.5 * first


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((np.zeros((2, 3)), np.zeros((3, 3)), 1.0, 0.0), r"a.shape=\(2, 3\), b.shape=\(3, 3\)"),
        ((np.zeros(3), np.zeros(3), 1.0, 0.0), r"a.shape=\(3,\)"),
        ((np.zeros((2, 3)), np.zeros((2, 3)), [1.0, 2.0], 0.0), r"scale.shape=\(2,\)"),
    ],
)
def test_what_does_not_fit_is_an_error(given, message):
    with pytest.raises(ValueError, match=message):
        pairwise_sigmoid_crossentropy(*given)
