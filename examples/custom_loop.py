"""A training loop of one's own, on the backend at hand: the standalone call and its gradient.

    KERAS_BACKEND=torch python examples/custom_loop.py

On TensorFlow with GradientTape, on JAX with value_and_grad, on torch with autograd. Handwritten
digits, five or greater against the rest. Ten seconds.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import keras_bce

loss_function = keras_bce.losses.BinaryCrossentropy(from_logits=True)


def tensorflow_step(model, optimizer):
    import tensorflow as tf

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = loss_function(y, model(x, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    return step


def jax_step(model, optimizer):
    import jax

    def loss_of(trainable, other, x, y):
        logits, other = model.stateless_call(trainable, other, x, training=True)
        return loss_function(y, logits), other

    @jax.jit
    def update(trainable, other, state, x, y):
        with_gradient = jax.value_and_grad(loss_of, has_aux=True)
        (loss, other), gradients = with_gradient(trainable, other, x, y)
        trainable, state = optimizer.stateless_apply(state, gradients, trainable)
        return loss, trainable, other, state

    def step(x, y):
        variables = model.trainable_variables, model.non_trainable_variables, optimizer.variables
        loss, *new = update(*([v.value for v in group] for group in variables), x, y)
        for group, values in zip(variables, new, strict=True):
            for variable, value in zip(group, values, strict=True):
                variable.assign(value)
        return loss

    return step


def torch_step(model, optimizer):
    def step(x, y):
        loss = loss_function(y, model(x, training=True))
        model.zero_grad()
        loss.backward()
        weights = model.trainable_variables
        optimizer.apply([weight.value.grad for weight in weights], weights)
        return loss.detach()

    return step


def main():
    keras.utils.set_random_seed(0)
    x, digits = load_digits(return_X_y=True)
    y = (digits >= 5).astype("float32")[:, None]
    x, x_test, y, y_test = train_test_split(x.astype("float32") / 16, y, random_state=0)
    layers = [keras.layers.Input((64,)), keras.layers.Dense(64, "relu"), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(model.trainable_variables)
    backend = keras.config.backend()
    steps = {"tensorflow": tensorflow_step, "jax": jax_step, "torch": torch_step}
    step = steps[backend](model, optimizer)

    print(f"on {backend}")
    order = np.random.default_rng(0)
    for epoch in range(10):
        rows = order.permutation(len(x))[: len(x) // 32 * 32].reshape(-1, 32)
        mean = np.mean([float(step(x[batch], y[batch])) for batch in rows])
        print(f"epoch {epoch + 1:2}: loss {mean:.4f}", flush=True)
    metric = keras_bce.metrics.BinaryCrossentropy(from_logits=True)
    metric.update_state(y_test, model(x_test))
    print(f"held-out cross-entropy {float(metric.result()):.4f}")


if __name__ == "__main__":
    main()
