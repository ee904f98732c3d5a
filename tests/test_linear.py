"""The loss of a linear head: as the dense way computes it, in float64 NumPy."""

import json

import keras
import numpy as np
import pytest
from support.differentiation import (
    BACKEND,
    compiled,
    gradient,
    masked,
    needs_gradients,
    only_on_torch,
    slope,
    tensor,
    tensors_are_unchecked,
    to_numpy,
)

from keras_bce.losses import (
    BinaryCrossentropy,
    LinearBinaryCrossentropy,
    linear_binary_crossentropy,
)

ROWS, WIDTH, LABELS = 7, 4, 23
MANY = np.linspace(0.5, 2.0, LABELS).tolist()

#: Arguments, and whether labels may be given as positives.
ARGUMENTS = {
    "plain": {},
    "numbers": {"pos_weight": 3.0, "label_weights": 0.5},
    "of each label": {"pos_weight": MANY, "label_weights": [0.0, *MANY[1:]]},
    "smoothing": {"label_smoothing": 0.2, "pos_weight": MANY},
    "missing": {"ignore_class": -1.0, "label_weights": MANY},
    "NaN is missing": {"ignore_class": float("nan")},
}


def data(missing=None):
    """Features, kernel, bias and labels, float64; the last row has no positive label."""
    generator = np.random.default_rng(0)
    features = generator.normal(size=(ROWS, WIDTH))
    kernel, bias = generator.normal(size=(WIDTH, LABELS)), generator.normal(-1, 1, LABELS)
    y = (generator.random((ROWS, LABELS)) < 0.2).astype("float64")
    y[-1] = 0.0
    if missing is not None:
        y[generator.random(y.shape) < 0.3] = missing
        y[2] = missing
    return features, kernel, bias, y


def as_positives(y, padding=2):
    """The numbers of the positive labels of each row, shuffled, padded with -1."""
    width = int(y.sum(1).max()) + padding
    rows = [np.pad(np.flatnonzero(row == 1), (0, width), constant_values=-1)[:width] for row in y]
    return np.random.default_rng(1).permuted(np.array(rows), axis=1)


def present(y, ignore_class):
    if ignore_class is None:
        return np.ones(y.shape, bool)
    return ~np.isnan(y) if np.isnan(ignore_class) else y != ignore_class


def expected(
    features, kernel, bias, y, *, label_smoothing=0.0, pos_weight=1.0, label_weights=1.0,
    ignore_class=None,
):  # fmt: skip
    """The loss of each row, and the gradients of their sum, all logits at once in float64."""
    there = present(y, ignore_class)
    y = np.where(there, y, 0.0) * (1 - label_smoothing) + label_smoothing / 2
    x = features @ kernel + bias
    weights = np.asarray(label_weights) * there / np.maximum(there.sum(1, keepdims=True), 1)
    positive = np.asarray(pos_weight) * y
    losses = positive * np.logaddexp(0, -x) + (1 - y) * np.logaddexp(0, x)
    p = 1 / (1 + np.exp(-x))
    slopes = weights * ((1 - y) * p - positive * (1 - p))
    gradients = slopes @ kernel.T, features.T @ slopes, slopes.sum(0)
    return (weights * losses).sum(1), gradients


def close(got, want, relative=1e-4):
    """Whether two arrays agree, relative to the largest number."""
    np.testing.assert_allclose(to_numpy(got), want, rtol=0, atol=relative * np.abs(want).max())


def given(y, kind):
    return {"positives": as_positives(y)} if kind == "positives" else {}


@pytest.mark.parametrize(
    ("name", "kind", "chunk_size"),
    [
        *((name, "labels", 10) for name in ARGUMENTS),
        *((name, "positives", 10) for name in ARGUMENTS if "ignore_class" not in ARGUMENTS[name]),
        *(
            ("of each label", kind, n)
            for kind in ("labels", "positives")
            for n in (1, LABELS, None)
        ),
    ],
)
def test_values_and_gradients_are_those_of_dense_logits(name, kind, chunk_size):
    arguments = ARGUMENTS[name]
    features, kernel, bias, y = data(arguments.get("ignore_class"))
    losses, gradients = expected(features, kernel, bias, y, **arguments)

    def call(features, kernel, bias):
        labels = {"positives": tensor(as_positives(y), "int32")} if kind == "positives" else {}
        return linear_binary_crossentropy(
            None if labels else tensor(y), features, kernel, bias,
            chunk_size=chunk_size, **labels, **arguments,
        )  # fmt: skip

    close(call(*map(tensor, (features, kernel, bias))), losses, 1e-6)
    if BACKEND == "numpy":
        return
    tensors = [tensor(x) for x in (features, kernel, bias)]
    for got, want in zip(
        gradient(lambda *t: keras.ops.sum(call(*t)), *tensors), gradients, strict=True
    ):
        close(got, want, 1e-6)


@pytest.mark.parametrize("xla", [False, True])
def test_compiled_it_gives_the_same(xla):
    needs_gradients()
    features, kernel, bias, y = data()
    positives = tensor(as_positives(y), "int32")
    losses, gradients = expected(features, kernel, bias, y, pos_weight=MANY)

    def call(features, kernel, bias):
        return linear_binary_crossentropy(
            None, features, kernel, bias, positives=positives, pos_weight=MANY, chunk_size=10
        )

    tensors = [tensor(x) for x in (features, kernel, bias)]
    close(compiled(call, xla)(*tensors), losses, 1e-6)
    total = compiled(lambda *t: keras.ops.sum(call(*t)), xla)
    for got, want in zip(gradient(total, *tensors), gradients, strict=True):
        close(got, want, 1e-6)


@only_on_torch
@pytest.mark.parametrize("positives", [False, True])
@pytest.mark.parametrize("use_bias", [False, True])
def test_torch_compiles_it_to_one_graph(positives, use_bias):
    import torch

    features, _, _, y = data()
    head = built(use_bias=use_bias)
    loss = LinearBinaryCrossentropy(
        head, positives=positives, chunk_size=10, label_smoothing=0.1, pos_weight=MANY
    )
    y = tensor(as_positives(y), "int32") if positives else tensor(y)
    torch._dynamo.reset()
    whole = torch.compile(loss, fullgraph=True, backend="aot_eager")
    results = []
    for call in (loss, whole):
        x = tensor(features).requires_grad_()
        head.kernel.value.grad = None
        value = call(y, x)
        value.backward()
        results.append([value.item(), x.grad, head.kernel.value.grad])
    for eager, graph in zip(*results, strict=True):
        close(graph, to_numpy(eager) if torch.is_tensor(eager) else eager, 1e-6)


def built(labels=LABELS, **arguments):
    head = keras.layers.Dense(labels, bias_initializer="normal", **arguments)
    head.build((None, WIDTH))
    return head


def test_second_derivatives_are_those_of_dense_logits():
    needs_gradients()
    features, kernel, bias, y = data()
    x = features @ kernel + bias
    p = 1 / (1 + np.exp(-x))
    # The derivative of the sum of the gradient: H @ 1, H of each row kernel diag(p q) kernel^T.
    want = (p * (1 - p) * kernel.sum(0)) @ kernel.T / LABELS

    def first(features):
        def total(features):
            loss = linear_binary_crossentropy(
                tensor(y), features, tensor(kernel), tensor(bias), chunk_size=10
            )
            return keras.ops.sum(loss)

        return keras.ops.sum(slope(total, features))

    close(gradient(first, tensor(features))[0], want, 1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "int64", "bool", "float16", "float64"])
def test_labels_may_be_of_any_dtype(dtype):
    features, kernel, bias, y = data()
    losses, _ = expected(features, kernel, bias, y)
    for labels in (y.astype(dtype), tensor(y, dtype)):
        got = linear_binary_crossentropy(labels, tensor(features), tensor(kernel), tensor(bias))
        close(got, losses, 1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_added_up_in_float32(dtype):
    features, kernel, _, y = data()
    features, kernel = (to_numpy(tensor(x, dtype)).astype("float64") for x in (features, kernel))
    losses, gradients = expected(features, kernel, 0.0, y)
    got = linear_binary_crossentropy(
        tensor(y), tensor(features, dtype), tensor(kernel, dtype), chunk_size=10
    )
    assert keras.backend.standardize_dtype(got.dtype) == "float32"
    close(got, losses, 1e-6)
    if BACKEND == "numpy":
        return

    def total(features, kernel):
        loss = linear_binary_crossentropy(tensor(y), features, kernel, chunk_size=10)
        return keras.ops.sum(loss)

    found = gradient(total, tensor(features, dtype), tensor(kernel, dtype))
    for slopes, want in zip(found, gradients[:2], strict=True):
        close(slopes, want, 2e-3 if dtype == "float16" else 2e-2)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("chunk_size", [1, None])
def test_rare_labels_keep_their_digits(dtype, chunk_size):
    labels = 5000
    features = to_numpy(tensor(np.full((2, WIDTH), -3.05), dtype)).astype("float64")
    kernel = np.ones((WIDTH, labels))
    want = np.log1p(np.exp(features.sum(1)))
    assert want[0] == pytest.approx(np.exp(-12.2), rel=0.05)
    got = linear_binary_crossentropy(
        tensor(np.zeros((2, labels)), "uint8"), tensor(features, dtype), tensor(kernel, dtype),
        chunk_size=chunk_size,
    )  # fmt: skip
    np.testing.assert_allclose(to_numpy(got), want, rtol=2e-6)


@pytest.mark.parametrize("kind", ["labels", "positives"])
@pytest.mark.parametrize(
    "reduction", ["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", None]
)
def test_weights_and_reductions_are_those_of_the_dense_loss(reduction, kind):
    features, _, _, y = data(-1.0 if kind == "labels" else None)
    head = built()
    ignore = {"ignore_class": -1.0} if kind == "labels" else {}
    shared = {"reduction": reduction, "label_smoothing": 0.1, "label_weights": MANY, **ignore}
    dense = BinaryCrossentropy(True, **shared)
    ours = LinearBinaryCrossentropy(head, positives=kind == "positives", chunk_size=10, **shared)
    logits = to_numpy(head(tensor(features)))
    labels = as_positives(y) if kind == "positives" else y
    for weights in (None, 2.0, np.arange(ROWS) % 3, (np.arange(ROWS) % 3)[:, None]):
        want = to_numpy(dense(y, logits, weights))
        np.testing.assert_allclose(to_numpy(ours(labels, features, weights)), want, rtol=1e-5)


@pytest.mark.parametrize("way", ["weights", "mask"])
def test_what_a_row_holds_that_is_left_out_changes_nothing(way):
    needs_gradients()
    features, _, _, y = data()
    head = built()
    loss = LinearBinaryCrossentropy(head, reduction="sum", chunk_size=10)
    kept = np.arange(ROWS) != 3
    ruined_features, ruined_labels = features.copy(), y.copy()
    ruined_features[3], ruined_labels[3] = np.nan, np.nan

    def of(features, labels, rows):
        def total(features, kernel):
            with keras.StatelessScope([(head.kernel, kernel)]):
                if way == "mask":
                    return loss(tensor(labels), masked(features, rows))
                return loss(tensor(labels), features, tensor(rows))

        return gradient(total, tensor(features), tensor(to_numpy(head.kernel)))

    got = of(ruined_features, ruined_labels, kept)
    want = of(features[kept], y[kept], np.ones(kept.sum(), bool))
    close(got[0][kept], want[0], 1e-6)
    assert not got[0][3].any()
    close(got[1], want[1], 1e-6)


def test_gradients_flow_into_sample_weights():
    needs_gradients()
    features, _, _, y = data()
    loss = LinearBinaryCrossentropy(built(), reduction="sum")
    (got,) = gradient(
        lambda w: loss(tensor(y), tensor(features), w), tensor(np.linspace(1, 2, ROWS))
    )
    close(got, to_numpy(loss.call(tensor(y), tensor(features))), 1e-6)


@pytest.mark.parametrize("kind", ["labels", "positives"])
def test_an_empty_batch_costs_nothing(kind):
    loss = LinearBinaryCrossentropy(built(), positives=kind == "positives")
    y = np.zeros((0, 3), "int32") if kind == "positives" else np.zeros((0, LABELS))
    assert to_numpy(loss(y, np.zeros((0, WIDTH), "float32"))) == 0.0
    one = loss(y[:0].repeat(1, 0), np.zeros((0, WIDTH), "float32"))
    assert np.isfinite(to_numpy(one))


def test_rows_may_have_no_positives_at_all():
    features, kernel, bias, y = data()
    losses, _ = expected(features, kernel, bias, y * 0)
    none = np.zeros((ROWS, 0), "int32")
    got = linear_binary_crossentropy(
        None, tensor(features), tensor(kernel), tensor(bias), positives=none
    )
    close(got, losses, 1e-6)


IMPOSSIBLE = {
    "out of range": ([[0, LABELS]], f"from 0 to {LABELS - 1}. Received: 1 outside, the first at "),
    "below -1": ([[-2, 0]], r"the first at positives\[0, 0\]=-2"),
    "twice": ([[4, 4]], "each once. Received: 4 more than once in row 0"),
}


@pytest.mark.parametrize(("positives", "message"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible_positives_on_the_host_are_an_error(positives, message):
    for given in (positives, np.array(positives, "int64")):
        with pytest.raises(ValueError, match=message):
            linear_binary_crossentropy(
                None, np.zeros((1, WIDTH)), np.zeros((WIDTH, LABELS)), positives=given
            )


@tensors_are_unchecked
@pytest.mark.parametrize("positives", [p for p, _ in IMPOSSIBLE.values()], ids=IMPOSSIBLE)
def test_impossible_positives_in_a_tensor_make_their_sample_nan(positives):
    rows = tensor([*positives, [0, 1]], "int32")

    def call(features):
        return linear_binary_crossentropy(
            None, features, tensor(np.ones((WIDTH, LABELS))), positives=rows, chunk_size=10
        )

    features = tensor(np.ones((2, WIDTH)))
    assert np.isnan(to_numpy(call(features))).tolist() == [True, False]
    (slopes,) = gradient(lambda x: keras.ops.sum(call(x)), features)
    assert np.isnan(slopes).all(1).tolist() == [True, False]
    loss = LinearBinaryCrossentropy(built(), positives=True)
    assert np.isfinite(to_numpy(loss(rows, features, [0.0, 1.0])))


@tensors_are_unchecked
def test_an_impossible_label_in_a_tensor_makes_its_sample_nan():
    features, kernel, _, y = data()
    y[1, 3], y[2, 5] = 2.0, np.nan
    got = linear_binary_crossentropy(tensor(y), tensor(features), tensor(kernel), chunk_size=10)
    assert np.flatnonzero(np.isnan(to_numpy(got))).tolist() == [1, 2]


REFUSED = {
    "features of rank 3": ({"features": np.zeros((2, 2, 3))}, r"features.shape=\(2, 2, 3\)"),
    "a kernel that does not fit": ({"kernel": np.zeros((2, 5))}, r"kernel.shape=\(2, 5\), feat"),
    "a bias that does not fit": ({"bias": np.zeros(4)}, r"bias.shape=\(4,\)"),
    "labels of another width": ({"y_true": np.zeros((2, 4))}, r"y_true.shape=\(2, 4\), 5 labels"),
    "labels of another batch": ({"y_true": np.zeros((1, 5))}, "a batch of 2"),
    "an impossible label": ({"y_true": np.full((2, 5), 255)}, r"y_true\[0, 0\]=255"),
    "both": ({"positives": [[0], [1]]}, "Received: both"),
    "neither": ({"y_true": None}, "Received: neither"),
    "float positives": ({"y_true": None, "positives": [[0.0], [1.0]]}, "of dtype float64"),
    "bool positives": ({"y_true": None, "positives": np.ones((2, 5), bool)}, "of dtype bool"),
    "positives of rank 1": ({"y_true": None, "positives": [0, 1]}, r"positives.shape=\(2,\)"),
    "missing positives": (
        {"y_true": None, "positives": [[0], [1]], "ignore_class": -1},
        "Received: ignore_class=-1.0",
    ),
    "a chunk of none": ({"chunk_size": 0}, "Received: chunk_size=0"),
    "weights of other labels": ({"label_weights": [1.0, 2.0]}, "Received: 2 entries"),
}


@pytest.mark.parametrize(("arguments", "message"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_an_error(arguments, message):
    fits = {
        "y_true": np.zeros((2, 5)), "features": np.zeros((2, 3)), "kernel": np.zeros((3, 5))
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        linear_binary_crossentropy(**(fits | arguments))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones((ROWS, LABELS)), "one value per sample"),
        (np.ones(3), r"sample_weight.shape=\(3,\)"),
    ],
)
def test_weights_are_of_samples(weights, message):
    features, _, _, y = data()
    with pytest.raises(ValueError, match=message):
        LinearBinaryCrossentropy(built())(y, features, weights)


class Doubled(keras.layers.Dense):
    def call(self, inputs):
        return 2.0 * super().call(inputs)


@pytest.mark.parametrize(
    ("head", "received"),
    [
        (keras.layers.Dense(3, "sigmoid"), "the activation 'sigmoid'"),
        (keras.layers.Dense(3, activity_regularizer="l2"), "an activity_regularizer"),
        (Doubled(3), "Received: a Doubled"),
        (keras.layers.Dropout(0.5), "Received: a Dropout"),
    ],
)
def test_a_head_that_is_no_plain_dense_layer_is_an_error(head, received):
    with pytest.raises(ValueError, match=received):
        LinearBinaryCrossentropy(head)


def test_a_head_without_weights_is_an_error():
    loss = LinearBinaryCrossentropy(keras.layers.Dense(3, name="tags"))
    with pytest.raises(ValueError, match="Received: head='tags'"):
        loss(np.zeros((1, 3)), np.zeros((1, 2)))


def test_config_comes_back_equal():
    arguments = {
        "positives": True,
        "label_smoothing": 0.1,
        "reduction": "sum",
        "name": "named",
        "dtype": "float16",
        "pos_weight": 2.0,
        "label_weights": [1.0, 2.0],
        "ignore_class": None,
        "chunk_size": 7,
    }
    loss = LinearBinaryCrossentropy(keras.layers.Dense(2, use_bias=False), **arguments)
    config = loss.get_config()
    assert {**config, **arguments} == config
    revived = LinearBinaryCrossentropy.from_config(json.loads(json.dumps(config)))
    assert revived.get_config() == config
    assert not revived.head.use_bias
    registered = keras.saving.get_registered_name(LinearBinaryCrossentropy)
    assert registered == "keras_bce.losses>LinearBinaryCrossentropy"


def test_a_functional_model_may_compute_it():
    head = built()
    loss = LinearBinaryCrossentropy(head, reduction=None)
    features, _, _, y = data()
    inputs = keras.Input((WIDTH,)), keras.Input((LABELS,))
    model = keras.Model(inputs, loss(inputs[1], inputs[0]))
    assert model.output.shape == (None,)
    got = model([tensor(features), tensor(y)])
    np.testing.assert_allclose(to_numpy(got), to_numpy(loss(y, features)), rtol=1e-5)
