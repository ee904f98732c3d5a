"""Loss and metrics on several devices and processes equal those on one."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from differentiation import BACKEND
from instances import METRICS, batch

import keras_bce

SAMPLES = 64


def data():
    y, _ = batch(0, SAMPLES, 3)
    return np.random.default_rng(1).normal(size=(SAMPLES, 5)).astype("float32"), y


def evaluated():
    """Two epochs of training, and an evaluation: every number that Keras prints."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.layers.Input((5,)), keras.layers.Dense(3)])
    metrics = [
        cls(**{k: v for k, v in arguments.items() if k not in ("name", "dtype")})
        for cls, arguments in METRICS.values()
    ]
    model.compile(
        keras.optimizers.SGD(0.5),
        loss=keras_bce.losses.BinaryCrossentropy(True, pos_weight=[2.0, 0.5, 1.0], ignore_class=-1),
        weighted_metrics=metrics,
    )
    x, y = data()
    weights = np.linspace(0.5, 1.5, SAMPLES).astype("float32")
    model.fit(x, y, sample_weight=weights, epochs=2, batch_size=16, verbose=0, shuffle=False)
    return model.evaluate(x, y, sample_weight=weights, batch_size=16, verbose=0, return_dict=True)


def close(left, right):
    assert set(left) == set(right)
    for name in left:
        assert left[name] == pytest.approx(right[name], rel=1e-6, abs=1e-7), name


@pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.distribute")
def test_mirrored_strategy_equals_one_device():
    import tensorflow as tf

    expected = evaluated()
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    assert strategy.num_replicas_in_sync == 2
    with strategy.scope():
        close(evaluated(), expected)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.distribute")
@pytest.mark.parametrize("reduction", ["sum", "mean", "mean_with_sample_weight"])
def test_means_are_divided_by_the_replicas_and_sums_are_not(reduction):
    import tensorflow as tf

    y, x = batch()
    loss = keras_bce.losses.BinaryCrossentropy(True, reduction=reduction)
    theirs = keras.losses.BinaryCrossentropy(True, reduction=reduction)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

    def summed(loss):
        return strategy.reduce("sum", strategy.run(tf.function(lambda: loss(y, x))), axis=None)

    assert float(summed(loss)) == pytest.approx(float(summed(theirs)), rel=1e-6)
    assert float(summed(loss)) == pytest.approx(
        float(loss(y, x)) * (2 if reduction == "sum" else 1), rel=1e-6
    )


@pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.distribute")
def test_replicas_are_counted_at_every_call():
    """Not when the graph was made that an eager call runs."""
    import tensorflow as tf

    y, x = batch()
    ours, theirs = keras_bce.losses.BinaryCrossentropy(True), keras.losses.BinaryCrossentropy(True)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    for _ in range(2):
        assert float(ours(y, x)) == pytest.approx(float(theirs(y, x)), rel=1e-6)
        with strategy.scope():
            assert float(ours(y, x)) == pytest.approx(float(theirs(y, x)), rel=1e-6)


@pytest.mark.skipif(BACKEND != "jax", reason="keras.distribution")
def test_data_parallel_equals_one_device():
    devices = keras.distribution.list_devices()
    assert len(devices) == 2
    expected = evaluated()
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    try:
        close(evaluated(), expected)
    finally:
        keras.distribution.set_distribution(None)


PROCESS = """
import json, sys
import keras
keras.distribution.initialize(sys.argv[1], 2, int(sys.argv[2]))
import jax
assert jax.process_count() == 2 and jax.device_count() == 2, jax.devices()
keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
from test_distribution import evaluated
print("RESULT", json.dumps(evaluated()))
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.mark.skipif(BACKEND != "jax", reason="keras.distribution")
def test_two_processes_equal_one():
    environment = os.environ | {
        "PYTHONPATH": str(Path(__file__).parent),
        "XLA_FLAGS": "",
        "JAX_CPU_COLLECTIVES_IMPLEMENTATION": "gloo",
    }
    address = f"127.0.0.1:{free_port()}"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, address, str(i)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(2)
    ]
    outputs = [process.communicate(timeout=300) for process in processes]
    expected = evaluated()
    for process, (out, err) in zip(processes, outputs, strict=True):
        assert process.returncode == 0, err[-3000:]
        (line,) = [line for line in out.splitlines() if line.startswith("RESULT")]
        close(json.loads(line.removeprefix("RESULT")), expected)
