"""Loss and metrics on several devices and processes equal those on one."""

import keras
import pytest
from support.differentiation import BACKEND
from support.instances import batch
from support.processes import Call, free_port, in_processes
from support.training import close, evaluated

import keras_bce


@pytest.fixture(scope="module")
def on_one_device():
    return evaluated()


@pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.distribute")
def test_mirrored_strategy_equals_one_device(on_one_device):
    import tensorflow as tf

    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    assert strategy.num_replicas_in_sync == 2
    with strategy.scope():
        close(evaluated(), on_one_device)


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
def test_data_parallel_equals_one_device(on_one_device):
    devices = keras.distribution.list_devices()
    assert len(devices) == 2
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    try:
        close(evaluated(), on_one_device)
    finally:
        keras.distribution.set_distribution(None)


def in_one_of_two(address, number):
    keras.distribution.initialize(address, 2, number)
    import jax

    assert jax.process_count() == jax.device_count() == 2, jax.devices()
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    return evaluated()


@pytest.mark.skipif(BACKEND != "jax", reason="keras.distribution")
def test_two_processes_equal_one(tmp_path, on_one_device):
    address = f"127.0.0.1:{free_port()}"
    environment = {
        "JAX_CPU_COLLECTIVES_IMPLEMENTATION": "gloo",
        # One device a process; and little to compute, so that optimising takes the longest.
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
    }
    calls = [Call(in_one_of_two, (address, number), environment) for number in range(2)]
    # Each process gives all of the data, which is then seen twice: errors would be smaller.
    means = {name for name in on_one_device if not name.startswith("standard error")}
    for result in in_processes(tmp_path, *calls):
        close(*({name: values[name] for name in means} for values in (result, on_one_device)))
