"""One program with our pair and with Keras's, trained and compared."""

import keras
import numpy as np

import keras_bce
from support.differentiation import to_numpy


def both(program):
    """What a program gives with our pair, and with Keras's from the same seed."""
    return seeded(program, keras_bce), seeded(program, keras)


def seeded(program, *arguments):
    keras.utils.set_random_seed(7)
    return program(*arguments)


def close(ours, theirs, atol=1e-4):
    """Whether two results agree: arrays, numbers, or lists and dictionaries of them."""
    keras.tree.assert_same_structure(ours, theirs)
    for a, b in zip(keras.tree.flatten(ours), keras.tree.flatten(theirs), strict=True):
        np.testing.assert_allclose(a, b, atol=atol, rtol=0)


def trained(model, *data, epochs=3, batch_size=8, **arguments):
    """The history and the weights of a compiled model after training."""
    fit = model.fit(*data, epochs=epochs, batch_size=batch_size, verbose=0, **arguments)
    return {"history": fit.history, "weights": [to_numpy(w) for w in model.trainable_weights]}


def compiled(model, library, from_logits=False, optimizer="adam"):
    loss = library.losses.BinaryCrossentropy(from_logits=from_logits)
    metric = library.metrics.BinaryCrossentropy("bce", from_logits=from_logits)
    model.compile(optimizer, loss=loss, metrics=[metric])
    return model


def samples(count, features, labels):
    """Random features, and labels that depend on them."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(count, features)).astype("float32")
    noise = generator.normal(0, 0.3, (count, labels))
    return x, (x[:, :labels] + noise > 0).astype("float32")
