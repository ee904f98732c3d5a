"""Programs in the manner of Keras's guides, with our pair and with Keras's: the same results.

Each program takes the library that its losses and metrics come from. Where Keras's
answer is wrong, or an error, the comparison is with a plain formula.
"""

import keras
import numpy as np
import pytest
from keras import layers, ops
from support.differentiation import BACKEND, gradient, tensor, to_numpy
from support.guides import both, close, compiled, samples, seeded, trained

import keras_bce


def textbook(y_true, y_pred):
    """The loss of each sample, in plain operations."""
    return -ops.mean(y_true * ops.log(y_pred) + (1 - y_true) * ops.log(1 - y_pred), axis=-1)


def discriminator_loss(loss, judge, generate, batch):
    """Generated rows are labelled 1 and real ones 0; the noise takes labels as far as 1.05."""
    rows = ops.concatenate([generate(batch["latent"]), batch["real"]])
    ones = ops.ones_like(batch["real"][:, :1])
    return loss(ops.concatenate([ones, 0 * ones]) + 0.05 * batch["noise"], judge(rows))


def generator_loss(loss, judge, generate, batch):
    """The generator wants its rows to be taken for real ones."""
    scores = judge(generate(batch["latent"]))
    return loss(ops.zeros_like(scores), scores)


class GAN(keras.Model):
    """Two players, the discriminator and the generator, learn in turn from one loss."""

    def __init__(self, loss):
        super().__init__()
        self.loss_function = loss
        self.players = [
            keras.Sequential([layers.Input((2,)), layers.Dense(8, "leaky_relu"), layers.Dense(1)]),
            keras.Sequential([layers.Input((3,)), layers.Dense(8, "tanh"), layers.Dense(2)]),
        ]
        self.optimizers = [keras.optimizers.Adam(0.01, beta_1=0.5) for _ in self.players]
        for player, optimizer in zip(self.players, self.optimizers, strict=True):
            optimizer.build(player.trainable_variables)
        self.built = True

    def train_step(self, data):
        """On TensorFlow and torch."""
        batch, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        losses = enumerate((discriminator_loss, generator_loss))
        return {loss.__name__: self.turn(i, loss, batch) for i, loss in losses}

    def turn(self, number, function, batch):
        weights = self.players[number].trainable_variables
        if BACKEND == "tensorflow":
            import tensorflow as tf

            with tf.GradientTape() as tape:
                value = function(self.loss_function, *self.players, batch)
            slopes = tape.gradient(value, weights)
        else:
            self.zero_grad()
            value = function(self.loss_function, *self.players, batch)
            value.backward()
            slopes = [weight.value.grad for weight in weights]
        self.optimizers[number].apply(slopes, weights)
        return ops.stop_gradient(value)

    def stateless_step(self, d, g, d_state, g_state, batch):
        """On JAX."""
        import jax

        def value_of(function):
            def value(d, g):
                return function(
                    self.loss_function,
                    lambda x: self.players[0].stateless_call(d, [], x)[0],
                    lambda x: self.players[1].stateless_call(g, [], x)[0],
                    batch,
                )

            return value

        d_value, slopes = jax.value_and_grad(value_of(discriminator_loss), 0)(d, g)
        d, d_state = self.optimizers[0].stateless_apply(d_state, slopes, d)
        g_value, slopes = jax.value_and_grad(value_of(generator_loss), 1)(d, g)
        g, g_state = self.optimizers[1].stateless_apply(g_state, slopes, g)
        losses = {"discriminator_loss": d_value, "generator_loss": g_value}
        return (d, g, d_state, g_state), losses


def adversarial_training(library, batches):
    """The losses of both players at every step."""
    gan = GAN(library.losses.BinaryCrossentropy(from_logits=True))
    if BACKEND != "jax":
        gan.compile()
        return [gan.train_on_batch(batch, return_dict=True) for batch in batches]
    import jax

    step, logs = jax.jit(gan.stateless_step), []
    state = [[v.value for v in owner.variables] for owner in (*gan.players, *gan.optimizers)]
    for batch in batches:
        state, values = step(*state, batch)
        logs.append(keras.tree.map_structure(float, values))
    return logs


def test_a_gan_with_noisy_labels_has_the_same_losses_at_every_step():
    generator = np.random.default_rng(0)
    shapes = {"real": (16, 2), "latent": (16, 3), "noise": (32, 1)}

    def batch():
        return {name: tensor(generator.random(shape)) for name, shape in shapes.items()}

    batches = [batch() for _ in range(40)]
    ours, theirs = both(lambda library: adversarial_training(library, batches))
    apart = keras.tree.map_structure(lambda a, b: float(abs(a - b)), ours, theirs)
    print(f"largest difference of a loss in 40 steps: {max(keras.tree.flatten(apart)):.1e}")
    for player in theirs[0]:
        assert np.ptp([losses[player] for losses in theirs]) > 0.03  # It learns.
    close(ours, theirs)


class VAE(keras.Model):
    """An image costs the sum over its pixels, and what sets its code apart from a normal one."""

    def __init__(self, library):
        super().__init__()
        self.crossentropy = library.losses.binary_crossentropy
        self.seeds = keras.random.SeedGenerator(1)
        self.encode = keras.Sequential([layers.Flatten(), layers.Dense(8, "relu"), layers.Dense(4)])
        self.decode = keras.Sequential([layers.Dense(64, "relu"), layers.Reshape((4, 4, 4))])
        self.decode.add(layers.Conv2DTranspose(1, 3, 2, "same", activation="sigmoid"))

    def call(self, images):
        mean, log_variance = ops.split(self.encode(images), 2, axis=-1)
        noise = keras.random.normal(ops.shape(mean), seed=self.seeds)
        return self.decode(mean + ops.exp(0.5 * log_variance) * noise), mean, log_variance

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        image, mean, log_variance = y_pred
        pixels = ops.sum(self.crossentropy(x, image), axis=(1, 2))
        divergence = -0.5 * (1 + log_variance - ops.square(mean) - ops.exp(log_variance))
        return ops.mean(pixels) + ops.mean(ops.sum(divergence, axis=1))


def test_a_variational_autoencoder_trains_to_the_same_weights():
    images = np.random.default_rng(0).random((32, 8, 8, 1)).astype("float32") ** 2

    def program(library):
        model = VAE(library)
        model.compile(keras.optimizers.Adam(0.01))
        result = trained(model, images)
        # By pixel: their sum is some 45, of which float32 holds six digits.
        result["history"] = np.divide(result["history"]["loss"], 64)
        return result

    ours, theirs = both(program)
    assert ours["history"][-1] < ours["history"][0]
    close(ours, theirs)


def test_padded_steps_do_not_count_whatever_the_rank_of_the_labels():
    generator = np.random.default_rng(0)
    tokens = generator.integers(1, 10, (16, 6))
    tokens *= np.arange(6) < generator.integers(2, 7, (16, 1))  # 0 stands for no token.
    labels = (tokens % 3 == 1).astype("float32")

    def tagger():
        model = keras.Sequential([layers.Input((6,)), layers.Embedding(10, 4, mask_zero=True)])
        model.add(layers.GRU(4, return_sequences=True))
        model.add(layers.Dense(1, "sigmoid"))
        return model

    model = seeded(tagger)
    outputs = model(tokens)
    p = to_numpy(outputs)[..., 0]
    each = -np.log(np.where(labels == 1, p, 1 - p))
    expected = each[tokens != 0].mean()
    assert expected != pytest.approx(each.mean(), rel=1e-4)
    # With labels (N, T) Keras's gives an error. On JAX `fit` hands no mask on to metrics.
    theirs = trained(compiled(model, keras), tokens, labels[..., None], batch_size=16)
    for y in (labels, labels[..., None]):
        for ours in (keras_bce.losses.BinaryCrossentropy(), keras_bce.metrics.BinaryCrossentropy()):
            assert float(to_numpy(ours(y, outputs))) == pytest.approx(expected, rel=1e-5)
        ours = trained(compiled(seeded(tagger), keras_bce), tokens, y, batch_size=16)
        assert ours["history"]["loss"][0] == pytest.approx(expected, rel=1e-5)
        if not keras.__version__.startswith("3.10."):  # Where padded steps count in Keras's loss.
            close(ours, theirs)


def test_a_decoder_trains_on_resized_images_that_overshoot():
    small = (np.random.default_rng(0).random((32, 4, 4, 1)) < 0.5).astype("float32")
    targets = to_numpy(ops.image.resize(small, (8, 8), interpolation="bicubic"))
    assert -0.5 < targets.min() < 0.0 < 1.0 < targets.max() < 1.5

    def program(loss):
        model = keras.Sequential([layers.Input((4, 4, 1))])
        model.add(layers.Conv2DTranspose(4, 3, 2, "same", activation="relu"))
        model.add(layers.Conv2D(1, 3, padding="same", activation="sigmoid"))
        model.compile(keras.optimizers.Adam(0.01), loss=loss)
        return trained(model, small, targets)

    ours = seeded(program, keras_bce.losses.BinaryCrossentropy())
    # On torch Keras's refuses such targets.
    theirs = textbook if BACKEND == "torch" else keras.losses.BinaryCrossentropy()
    close(ours, seeded(program, theirs))
    assert ours["history"]["loss"][-1] < ours["history"]["loss"][0]


def test_a_softmax_of_two_classes_is_read_as_probabilities():
    x, y = samples(32, 4, 1)
    one_hot = np.hstack([1 - y, y])

    def program(loss, metric):
        model = keras.Sequential([layers.Input((4,)), layers.Dense(2, "softmax")])
        before = value(model.predict(x, verbose=0))
        model.compile(keras.optimizers.SGD(0.5), loss=loss, metrics=[metric])
        result = trained(model, x, one_hot, batch_size=32)
        evaluated = model.evaluate(x, one_hot, verbose=0, return_dict=True)
        return result, evaluated, before, value(model.predict(x, verbose=0)), model(x)

    def value(p):
        return -np.log(np.where(one_hot == 1, p, 1 - p)).mean()

    loss, metric = keras_bce.losses.BinaryCrossentropy(), keras_bce.metrics.BinaryCrossentropy
    result, evaluated, before, after, p = seeded(program, loss, metric("bce"))
    assert after < before
    for name in ("loss", "bce"):
        assert result["history"][name][0] == pytest.approx(before, rel=1e-5)
        assert evaluated[name] == pytest.approx(after, rel=1e-5)
    for function in (loss, metric(), keras_bce.losses.binary_crossentropy):
        assert to_numpy(function(one_hot, p)).mean() == pytest.approx(after, rel=1e-5)
    # On TensorFlow Keras's takes the inputs of the softmax for those of a sigmoid.
    theirs = textbook if BACKEND == "tensorflow" else keras.losses.BinaryCrossentropy()
    of_probabilities = keras.metrics.MeanMetricWrapper(textbook, "bce")
    close(result, seeded(program, theirs, of_probabilities)[0])


def test_outputs_in_a_dictionary_give_the_same_history():
    x, y = samples(48, 6, 4)
    targets = {"tags": y[:, :3], "spam": y[:, 3:]}
    weights = {"tags": np.linspace(0.5, 2, 48), "spam": np.linspace(2, 0, 48)}

    def program(library):
        inputs = keras.Input((6,))
        hidden = layers.Dense(8, "tanh")(inputs)
        tags = layers.Dense(3, name="tags")(hidden)
        outputs = {"tags": tags, "spam": layers.Dense(1, "sigmoid", name="spam")(hidden)}
        model = keras.Model(inputs, outputs)
        loss, metric = library.losses.BinaryCrossentropy, library.metrics.BinaryCrossentropy
        model.compile(
            keras.optimizers.Adam(0.01),
            loss={"tags": loss(from_logits=True), "spam": loss()},
            loss_weights={"tags": 1.0, "spam": 0.3},
            metrics={"tags": [metric("bce", from_logits=True)], "spam": [metric("bce")]},
            weighted_metrics={"spam": [metric("weighted")]},
        )
        return trained(model, x, targets, sample_weight=weights)

    ours, theirs = both(program)
    names = {"loss", "tags_loss", "spam_loss", "tags_bce", "spam_bce", "spam_weighted"}
    assert set(ours["history"]) == names
    close(ours, theirs)


def test_a_siamese_model_trains_to_the_same_weights():
    x, y = samples(64, 6, 1)

    def program(library):
        encoder = keras.Sequential([layers.Input((6,)), layers.Dense(8, "tanh"), layers.Dense(3)])
        pair = [keras.Input((6,)), keras.Input((6,))]
        squares = ops.square(encoder(pair[0]) - encoder(pair[1]))
        distance = ops.sqrt(ops.sum(squares, axis=-1, keepdims=True) + 1e-6)
        model = keras.Model(pair, layers.Dense(1, "sigmoid")(distance))
        return trained(compiled(model, library), [x[:32], x[32:]], 1.0 * (y[:32] == y[32:]))

    close(*both(program))


@pytest.mark.parametrize("reduction", ["sum", "sum_over_batch_size", "mean_with_sample_weight"])
def test_the_gradient_of_sample_weights_comes_from_the_loss_of_each_sample(reduction):
    logits, y = samples(8, 3, 3)
    weights = np.linspace(0.25, 2, 8).astype("float32")
    each = (np.logaddexp(0, logits) - y * logits).mean(1)
    expected = {
        "sum": each,
        "sum_over_batch_size": each / 8,
        "mean_with_sample_weight": (each - np.average(each, weights=weights)) / weights.sum(),
    }[reduction]

    def program(library):
        loss = library.losses.BinaryCrossentropy(from_logits=True, reduction=reduction)
        return gradient(lambda w: loss(tensor(y), tensor(logits), w), tensor(weights))

    for (slopes,) in both(program):
        np.testing.assert_allclose(slopes, expected, rtol=1e-5, atol=1e-7)


class LogisticEndpoint(layers.Layer):
    """Takes targets and logits, adds the loss by itself, and puts out probabilities."""

    def __init__(self, loss):
        super().__init__()
        self.loss = loss

    def call(self, targets, logits):
        self.add_loss(self.loss(targets, logits))
        return ops.sigmoid(logits)


def test_a_layer_that_adds_its_loss_can_be_part_of_a_functional_model():
    # NumPy's backend infers shapes by calling the layer on uninitialised arrays.
    bce = keras_bce.losses.BinaryCrossentropy(from_logits=True)

    class AddsLoss(layers.Layer):
        def call(self, targets, logits):
            self.add_loss(bce(targets, logits))
            return logits

    for _ in range(5):
        assert AddsLoss()(keras.Input((3,)), keras.Input((3,))).shape == (None, 3)


# Keras's own sigmoid, on uninitialised arrays.
@pytest.mark.filterwarnings("ignore:overflow encountered in exp:RuntimeWarning")
def test_an_endpoint_layer_that_adds_its_loss_trains_to_the_same_weights():
    def program(library):
        inputs, targets = keras.Input((4,)), keras.Input((3,))
        endpoint = LogisticEndpoint(library.losses.BinaryCrossentropy(from_logits=True))
        model = keras.Model([inputs, targets], endpoint(targets, layers.Dense(3)(inputs)))
        model.compile(keras.optimizers.Adam(0.01))
        return trained(model, [*samples(32, 4, 3)])

    close(*both(program))


def mean_output(_, output):
    return ops.mean(output)


@pytest.mark.parametrize("form", ["function", "class"])
def test_a_loss_of_symbolic_tensors_is_the_output_of_a_model(form, tmp_path):
    data = [*samples(32, 4, 3)]

    def program(loss, shape):
        x, y = keras.Input((4,)), keras.Input((3,))
        value = loss(y, layers.Dense(3, "sigmoid")(x))
        assert tuple(value.shape) == shape
        model = keras.Model([x, y], value)
        model.compile(keras.optimizers.SGD(0.5), loss=mean_output)
        result = trained(model, data, np.zeros(32), batch_size=32)
        values = model.predict(data, verbose=0) if shape else to_numpy(model(data))
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
        close(to_numpy(loaded(data)), values, atol=1e-6)
        return result | {"mean": values.mean()}

    loss, shape = {
        "function": (keras_bce.losses.binary_crossentropy, (None,)),
        "class": (keras_bce.losses.BinaryCrossentropy(), ()),
    }[form]
    # Keras's class refuses a batch of unknown size.
    theirs = seeded(program, keras.losses.binary_crossentropy, (None,))
    close(seeded(program, loss, shape), theirs)
