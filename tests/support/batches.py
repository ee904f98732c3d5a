"""Data in every form that `fit` takes, and what `check_inputs` must say of it."""

import re

import keras
import numpy as np
import pytest

import keras_bce
from support.differentiation import tensor

NAN = float("nan")
SAMPLES, BATCH = 40, 8


def features(samples=SAMPLES):
    return np.linspace(0, 1, 3 * samples, dtype="float32").reshape(samples, 3)


def labels(**impossible):
    """0 and 1 for 40 samples, with the values given at `at`."""
    y = np.arange(SAMPLES, dtype="float32").reshape(-1, 1) % 2
    for place, value in impossible.get("at", {}).items():
        y[place] = value
    return y


def dense(*, bias=0.0, units=1, activation="sigmoid"):
    """A model that says the same of every sample."""
    layer = keras.layers.Dense(
        units,
        activation,
        kernel_initializer="zeros",
        bias_initializer=keras.initializers.Constant(bias),
    )
    return keras.Sequential([keras.Input((3,)), layer])


def split(*arrays):
    """Batches of 8 samples."""
    return [
        tuple(array[start : start + BATCH] for array in arrays)
        for start in range(0, len(arrays[0]), BATCH)
    ]


class Indexed(keras.utils.PyDataset):
    def __init__(self, batches, endless=False):
        super().__init__()
        self.batches, self.endless = batches, endless

    @property
    def num_batches(self):
        return None if self.endless else len(self.batches)

    def __getitem__(self, index):
        return self.batches[index % len(self.batches)]


class Iterable:
    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        return iter(self.batches)


def as_tf_data(*arrays):
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices(arrays).batch(BATCH)


def as_data_loader(*arrays):
    data = pytest.importorskip("torch.utils.data")
    torch = pytest.importorskip("torch")
    dataset = data.TensorDataset(*(torch.from_numpy(array) for array in arrays))
    return data.DataLoader(dataset, batch_size=BATCH)


FORMS = {
    "tf.data": as_tf_data,
    "DataLoader": as_data_loader,
    "PyDataset": lambda *arrays: Indexed(split(*arrays)),
    "generator": lambda *arrays: (batch for batch in split(*arrays)),
    "iterable": lambda *arrays: Iterable(split(*arrays)),
    "list": split,
    "list of lists": lambda *arrays: [list(batch) for batch in split(*arrays)],
    "tensors": lambda *arrays: [tuple(map(tensor, batch)) for batch in split(*arrays)],
}


every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


def refused(message, *arguments, **settings):
    """Checks that `check_inputs` raises just this."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        keras_bce.check_inputs(*arguments, **settings)


CLASSES = "Labels of several classes need one column per class, of 0 and 1."
#: A batch without a fault.
X, Y = features(8), labels()[:8]
BATCH_RULE = "A batch must be `(x, y)` or `(x, y, sample_weight)`, with an array of labels `y`."
