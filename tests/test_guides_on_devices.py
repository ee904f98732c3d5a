"""Programs in the manner of Keras's guides on several devices and processes."""

import keras
import pytest
from keras import layers
from support.differentiation import BACKEND, tensor, to_numpy
from support.guides import close, compiled, samples, seeded, trained
from support.processes import Call, free_port, in_processes

import keras_bce


def step_on(rows, library, parallel=lambda model: model):
    """The gradients that some rows give, and a metric that has seen them."""
    x, y = (values[rows] for values in samples(32, 4, 3))
    model = keras.Sequential([layers.Input((4,)), layers.Dense(5, "tanh"), layers.Dense(3)])
    wrapped = parallel(model)  # Kept, as it averages gradients in `backward`.
    logits = wrapped(tensor(x))
    library.losses.BinaryCrossentropy(from_logits=True)(tensor(y), logits).backward()
    metric = library.metrics.BinaryCrossentropy(from_logits=True)
    metric.update_state(y, logits)
    return [to_numpy(weight.value.grad) for weight in model.trainable_weights], metric


def in_one_rank(port, rank):
    """One of two ranks on half of the rows: the gradients, and both metrics merged."""
    import torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel

    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    rows = slice(rank, None, 2)
    gradients, metric = seeded(step_on, rows, keras_bce, DistributedDataParallel)
    metrics = [None, None]
    dist.all_gather_object(metrics, metric)
    dist.barrier()  # The first to leave would close the connection of the other.
    dist.destroy_process_group()
    merged = keras_bce.metrics.BinaryCrossentropy(from_logits=True)
    merged.merge_state(metrics)
    return [*gradients, to_numpy(merged.result())]


@pytest.mark.skipif(BACKEND != "torch", reason="DistributedDataParallel")
def test_two_ranks_equal_one_process(tmp_path):
    port = free_port()
    environment = {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    calls = [Call(in_one_rank, (port, rank), environment) for rank in range(2)]
    ranks = in_processes(tmp_path, *calls)
    for library in (keras_bce, keras):
        gradients, metric = seeded(step_on, slice(None), library)
        for rank in ranks:
            close(rank, [*gradients, to_numpy(metric.result())], atol=1e-6)


def many_labels(library, place=lambda values: values):
    """A wide head's training, and value, gradient and metric of labels in their place."""
    import jax

    x, y = samples(32, 64, 64)
    head = layers.Dense(64, name="head")
    model = keras.Sequential([layers.Input((64,)), head])
    result = trained(compiled(model, library, True, "sgd"), x, y, batch_size=16)
    x, y = place(x), place(y)
    loss = library.losses.BinaryCrossentropy(from_logits=True)
    value, slopes = jax.jit(jax.value_and_grad(lambda x: loss(y, x)))(x)
    metric = library.metrics.BinaryCrossentropy(from_logits=True)
    result["direct"] = [to_numpy(values) for values in (value, slopes, metric(y, x))]
    shards = [values.addressable_shards[0] for values in (slopes, head.kernel.value)]
    return result, [shard.data.shape for shard in shards]


def on_four_devices():
    mesh = keras.distribution.DeviceMesh((1, 4), ["batch", "model"])
    layout = keras.distribution.LayoutMap(mesh)
    layout[".*head/kernel"], layout[".*head/bias"] = (None, "model"), ("model",)
    keras.distribution.set_distribution(keras.distribution.ModelParallel(layout_map=layout))
    spread = keras.distribution.TensorLayout((None, "model"), mesh)
    distribute = keras.distribution.distribute_tensor
    return seeded(many_labels, keras_bce, lambda values: distribute(tensor(values), spread))


@pytest.mark.skipif(BACKEND != "jax", reason="keras.distribution.ModelParallel")
def test_labels_spread_over_four_devices_equal_those_on_one(tmp_path):
    environment = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    call = Call(on_four_devices, environment=environment)
    ((spread, shards),) = in_processes(tmp_path, call)
    assert shards == [(32, 16), (64, 16)]  # 16 of 64 labels on a device.
    for library in (keras_bce, keras):
        close(spread, seeded(many_labels, library)[0], atol=1e-5)
