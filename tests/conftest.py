"""One backend a run, `KERAS_BACKEND=tensorflow|jax|torch|numpy`; everything seeded."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Two devices, for the tests of distribution; they change nothing for the others.
os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=2")

import keras
import pytest

# Written for the tests of 0.1.0: not a module of these.
collect_ignore = ["saved/write.py"]
pytest.register_assert_rewrite("support")

if keras.config.backend() == "tensorflow":
    import tensorflow as tf

    (_cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(_cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(0)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Skips on NumPy what needs `fit`, which Keras does not have there."""
    try:
        return (yield)
    except NotImplementedError as error:
        if keras.config.backend() != "numpy" or "for NumPy backend" not in str(error):
            raise
        pytest.skip(str(error))


def pytest_report_header():
    return f"keras {keras.__version__} on {keras.config.backend()}"
