"""Models with many labels: trained without logits as with them, and asked for the best labels."""

import keras
import numpy as np
import pytest
from support.differentiation import BACKEND, tensor, to_numpy

from keras_bce import losses, split_head, top_labels

ROWS, INPUTS, LABELS = 32, 5, 37


def data():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(ROWS, INPUTS)).astype("float32")
    y = (generator.random((ROWS, LABELS)) < 0.1).astype("float32")
    positives = np.full((ROWS, 15), -1)
    for row, labels in zip(positives, y, strict=True):
        numbers = np.flatnonzero(labels)
        row[: len(numbers)] = numbers
    return x, y, positives, generator.integers(0, 3, ROWS).astype("float32")


def sequential(use_bias=True, **arguments):
    keras.utils.set_random_seed(1)
    head = keras.layers.Dense(LABELS, use_bias=use_bias, name="head", **arguments)
    return keras.Sequential([keras.Input((INPUTS,)), keras.layers.Dense(8, "tanh"), head])


def functional():
    keras.utils.set_random_seed(1)
    inputs = {"a": keras.Input((INPUTS,), name="a"), "b": keras.Input((INPUTS,), name="b")}
    features = keras.layers.Dense(8, "tanh")(inputs["a"] + inputs["b"])
    return keras.Model(inputs, keras.layers.Dense(LABELS, name="head")(features))


#: What is trained, and arguments of the loss, of the optimizer and of `compile`.
TRAININGS = {
    "labels": (sequential, {}, {}, {}),
    "positives": (sequential, {"positives": True}, {}, {}),
    "without bias": (lambda: sequential(use_bias=False), {"positives": True}, {}, {}),
    "pos_weight, mean": (
        sequential,
        {"pos_weight": 3.0, "reduction": "mean_with_sample_weight"},
        {},
        {},
    ),
    "accumulated": (sequential, {"positives": True}, {"gradient_accumulation_steps": 2}, {}),
    "jit_compile": (sequential, {}, {}, {"jit_compile": True}),
}


def trained(model, trainer, loss, y, optimizer, arguments):
    """The weights after four epochs, and the loss as `fit` and `evaluate` give it."""
    x, *_, weights = data()
    trainer.compile(keras.optimizers.Adam(0.01, **optimizer), loss=loss, **arguments)
    fit = {"sample_weight": weights, "batch_size": 8, "verbose": 0}
    history = trainer.fit(x, y, epochs=4, shuffle=False, **fit).history["loss"]
    return model.get_weights(), [*history, trainer.evaluate(x, y, **fit)]


@pytest.mark.parametrize("name", TRAININGS)
def test_training_equals_that_with_logits(name):
    new, arguments, optimizer, compiling = TRAININGS[name]
    if BACKEND == "torch" and compiling:
        pytest.skip("Keras's step alone takes a minute to compile; test_linear compiles the loss")
    _, y, positives, _ = data()
    dense = {k: v for k, v in arguments.items() if k != "positives"}
    model = new()
    loss = losses.BinaryCrossentropy(True, **dense)
    want = trained(model, model, loss, y, optimizer, compiling)
    model = new()
    trainer = split_head(model)
    loss = losses.LinearBinaryCrossentropy(trainer.head, chunk_size=10, **arguments)
    labels = positives if "positives" in arguments else y
    got = trained(model, trainer, loss, labels, optimizer, compiling)
    for ours, theirs in zip(got[0], want[0], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    np.testing.assert_allclose(got[1], want[1], rtol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_trains_float32_weights(policy):
    x, _, positives, _ = data()
    trained = []
    for dtype in (None, policy):
        keras.utils.set_random_seed(1)
        layers = [
            keras.layers.Dense(8, "tanh", dtype=dtype),
            keras.layers.Dense(LABELS, dtype=dtype),
        ]
        model = keras.Sequential([keras.Input((INPUTS,)), *layers])
        trainer = split_head(model)
        loss = losses.LinearBinaryCrossentropy(trainer.head, positives=True, chunk_size=10)
        optimizer = keras.optimizers.SGD(0.5)
        if dtype == "mixed_float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        trainer.compile(optimizer, loss=loss)
        trainer.fit(x, positives, epochs=2, shuffle=False, verbose=0)
        trained.append(model.get_weights())
    for half, whole in zip(*trained, strict=True):
        assert half.dtype == np.float32
        np.testing.assert_allclose(half, whole, atol=1e-2)


def test_the_model_that_was_split_has_the_weights_and_is_saved(tmp_path):
    x, _, positives, _ = data()
    model = functional()
    trainer = split_head(model)
    assert trainer.head is model.get_layer("head")
    loss = losses.LinearBinaryCrossentropy(trainer.head, positives=True)
    trainer.compile("adam", loss=loss)
    before = model.get_weights()
    path = tmp_path / "trained.weights.h5"
    stop = keras.callbacks.EarlyStopping("loss", patience=5)
    save = keras.callbacks.ModelCheckpoint(path, save_weights_only=True)
    trainer.fit({"a": x, "b": x}, positives, epochs=2, callbacks=[stop, save], verbose=0)
    after = model.get_weights()
    assert all((a != b).any() for a, b in zip(before, after, strict=True))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    predicted = model.predict({"a": x, "b": x}, verbose=0)
    np.testing.assert_allclose(loaded.predict({"a": x, "b": x}, verbose=0), predicted, rtol=1e-5)
    model.set_weights(before)
    split_head(model).load_weights(path)
    for restored, weight in zip(model.get_weights(), after, strict=True):
        np.testing.assert_array_equal(restored, weight)
    with pytest.raises(ValueError, match="Save the model that was split"):
        trainer.save(tmp_path / "trainer.keras")


def test_a_head_alone_is_trained():
    x, _, positives, _ = data()
    model = keras.Sequential([keras.Input((INPUTS,)), keras.layers.Dense(LABELS)])
    trainer = split_head(model)
    loss = losses.LinearBinaryCrossentropy(trainer.head, positives=True)
    trainer.compile(keras.optimizers.Adam(0.1), loss=loss)
    history = trainer.fit(x, positives, epochs=3, verbose=0).history["loss"]
    assert history[2] < history[0]


def two_outputs():
    inputs = keras.Input((3,))
    return keras.Model(inputs, [keras.layers.Dense(2)(inputs), keras.layers.Dense(2)(inputs)])


def nested():
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)], name="inner")
    return keras.Sequential([keras.Input((3,)), inner])


@pytest.mark.parametrize(
    ("new", "received"),
    [
        (lambda: sequential(activation="sigmoid"), "the activation 'sigmoid'"),
        (lambda: keras.Sequential([keras.layers.Dense(2)]), "Received: a Sequential"),
        (two_outputs, "Received: 2 outputs"),
        (nested, "Received: a Sequential"),
        (lambda: keras.layers.Dense(2), "Received: a Dense"),
    ],
)
def test_a_model_that_cannot_be_split_is_an_error(new, received):
    with pytest.raises(ValueError, match=received):
        split_head(new())


@pytest.mark.parametrize("form", ["array", "batches", "trainer"])
@pytest.mark.parametrize("use_bias", [True, False])
def test_the_top_labels_are_those_of_the_largest_logits(form, use_bias):
    x, *_ = data()
    model = sequential(use_bias, bias_initializer="normal")
    logits = to_numpy(model(tensor(x)))
    given = (batch for batch in np.split(x, 4)) if form == "batches" else x
    asked = split_head(model) if form == "trainer" else model
    labels, best = top_labels(asked, given, 12, chunk_size=10)
    order = np.argsort(-logits, axis=1)[:, :12]
    np.testing.assert_array_equal(labels, order)
    np.testing.assert_allclose(best, np.take_along_axis(logits, order, 1), rtol=1e-5, atol=1e-6)


def test_top_labels_show_their_progress(capsys):
    top_labels(sequential(), data()[0], 1, batch_size=8, verbose=1)
    assert "4/4" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "received"),
    [
        ({"k": 0}, "k=0"),
        ({"k": LABELS + 1}, f"number of labels, {LABELS}. Received: k={LABELS + 1}"),
        ({"k": 1, "chunk_size": 0}, "chunk_size=0"),
        ({"k": 1, "verbose": 2}, "verbose=2"),
    ],
)
def test_arguments_of_top_labels_are_checked(arguments, received):
    with pytest.raises(ValueError, match=received):
        top_labels(sequential(), data()[0], **arguments)
