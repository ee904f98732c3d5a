"""A generative adversarial network on 8x8 digits, with one loss for both players.

    python examples/gan_digits.py

The discriminator learns that digits are real (1) and samples are not (0); the generator learns
from the same loss with its labels flipped: it wins where its samples are taken for real. Under
two minutes on two cores, on TensorFlow; writes gan_digits.png, samples over time.
"""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from pathlib import Path

import keras
import matplotlib as mpl
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

mpl.use("Agg")

import matplotlib.pyplot as plt

import keras_bce
from keras_bce import plotting

NOISE, BATCH, STEPS = 16, 64, 4000
SHOWN_AT = (0, 250, 1000, STEPS)

loss_function = keras_bce.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1)


def networks():
    dense, leaky = keras.layers.Dense, keras.layers.LeakyReLU
    generator = keras.Sequential(
        [
            keras.layers.Input((NOISE,)),
            dense(128),
            leaky(0.2),
            dense(128),
            leaky(0.2),
            dense(64, "sigmoid"),
        ]
    )
    discriminator = keras.Sequential(
        [
            keras.layers.Input((64,)),
            dense(128),
            leaky(0.2),
            keras.layers.Dropout(0.3),
            dense(64),
            leaky(0.2),
            keras.layers.Dropout(0.3),
            dense(1),
        ]
    )
    return generator, discriminator


def training_step(generator, discriminator):
    ours, theirs = (keras.optimizers.Adam(0.0005, beta_1=0.5) for _ in range(2))

    @tf.function
    def step(real):
        noise = tf.random.normal((BATCH, NOISE))
        with tf.GradientTape() as tape:
            samples = generator(noise, training=True)
            both = discriminator(tf.concat([real, samples], 0), training=True)
            labels = tf.concat([tf.ones((BATCH, 1)), tf.zeros((BATCH, 1))], 0)
            judged = loss_function(labels, both)
        weights = discriminator.trainable_variables
        theirs.apply(tape.gradient(judged, weights), weights)
        with tf.GradientTape() as tape:
            verdict = discriminator(generator(noise, training=True), training=True)
            fooled = loss_function(tf.ones((BATCH, 1)), verdict)  # The labels, flipped.
        weights = generator.trainable_variables
        ours.apply(tape.gradient(fooled, weights), weights)
        return judged, fooled

    return step


def main():
    keras.utils.set_random_seed(0)
    digits = load_digits(return_X_y=True)[0].astype("float32") / 16
    generator, discriminator = networks()
    step = training_step(generator, discriminator)
    noise = tf.random.normal((12, NOISE))
    order = np.random.default_rng(0)
    grids = {}
    for i in range(STEPS + 1):
        if i in SHOWN_AT:
            grids[i] = generator(noise).numpy()
        judged, fooled = step(digits[order.integers(0, len(digits), BATCH)])
        if i % 500 == 0:
            print(f"step {i:4}: discriminator {judged:.3f}, generator {fooled:.3f}", flush=True)

    plt.style.use(plotting.STYLE)
    figure, axes = plt.subplots(len(grids) + 1, 12, figsize=(7.2, 3.6))
    title = "What the generator makes of the same noise, over time"
    figure.suptitle(title, fontsize=10, x=0.01, ha="left")
    rows = grids | {"real": digits[:12]}
    for (name, images), row in zip(rows.items(), axes, strict=True):
        for image, ax in zip(images, row, strict=True):
            ax.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
        label = name if name == "real" else f"step {name}"
        row[0].set_ylabel(label, rotation=0, ha="right", va="center")
    path = Path(__file__).with_suffix(".png")
    figure.savefig(path)
    print(f"The picture is {path.name}.")


if __name__ == "__main__":
    main()
