"""Any metric, made to take logits."""

import copy
import pickle

import keras
import numpy as np
import pytest
from support.differentiation import masked, number, tensor, to_numpy
from support.instances import batch, numbers

from keras_bce import losses, metrics
from keras_bce._backend import backend


def test_from_logits_wraps_any_metric():
    y, x = batch(0, 100, 1)
    wrapped = metrics.FromLogits(keras.metrics.AUC(), name="auc_of_logits")
    plain = keras.metrics.AUC()
    p = 1 / (1 + np.exp(-x))
    assert numbers(wrapped(y, x)) == pytest.approx(numbers(plain(y, p)), rel=1e-6)
    assert wrapped.name == "auc_of_logits"
    assert wrapped.variables
    revived = metrics.FromLogits.from_config(wrapped.get_config())
    assert revived.get_config() == wrapped.get_config()
    assert numbers(revived(y, x)) == numbers(wrapped.result())
    wrapped.reset_states()
    with np.errstate(invalid="ignore"):  # NumPy warns of what Keras does with no data.
        assert numbers(wrapped.result()) == {"result": 0.0}
    for copied in (pickle.loads(pickle.dumps(revived)), copy.deepcopy(revived)):
        assert numbers(copied.result()) == numbers(revived.result()) != {"result": 0.0}
    with pytest.raises(ValueError, match="Received: a AUC, which has no `merge_state`"):
        revived.merge_state([revived])
    first, second = (metrics.FromLogits(metrics.NormalizedEntropy()) for _ in range(2))
    first.update_state(y[:50], x[:50])
    second.update_state(y[50:], x[50:])
    first.merge_state([second])
    whole = metrics.NormalizedEntropy(from_logits=True)(y, x)
    assert numbers(first.result()) == pytest.approx(numbers(whole), rel=1e-6)


@pytest.mark.parametrize("name", ["accuracy", "acc"])
def test_accuracy_by_name_is_binary_accuracy_of_the_logits(name):
    metric = metrics.FromLogits(name)
    assert metric.name == name
    assert number(metric([[0], [1], [1]], [[-2.0], [0.2], [-0.2]])) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.metrics.BinaryCrossentropy(from_logits=True),
        lambda: keras.metrics.AUC(from_logits=True),
        lambda: metrics.NormalizedEntropy(from_logits=True),
        lambda: metrics.FromLogits(keras.metrics.AUC()),
        lambda: keras.metrics.MeanMetricWrapper(losses.binary_crossentropy, from_logits=True),
    ],
)
def test_a_metric_that_takes_logits_itself_is_not_wrapped(make):
    with pytest.raises(ValueError, match="a metric that takes logits would get the sigmoid of"):
        metrics.FromLogits(make())


def test_a_wrapped_metric_merges_its_like_alone():
    wrapped = metrics.FromLogits(metrics.NormalizedEntropy())
    with pytest.raises(ValueError, match=r"FromLogits\. Received: a NormalizedEntropy"):
        wrapped.merge_state([metrics.NormalizedEntropy()])
    with pytest.raises(ValueError, match=r"ignore_class=-1\.0 where this has None"):
        wrapped.merge_state([metrics.FromLogits(metrics.NormalizedEntropy(ignore_class=-1))])


def test_a_wrapped_metric_sees_the_mask_that_it_would_see_without():
    y, x = batch(0, 6, 3)
    mask = np.arange(6) % 3 != 1
    wrapped = metrics.FromLogits(keras.metrics.MeanSquaredError())
    given = numbers(wrapped(y, masked(tensor(x), mask)))
    p = masked(keras.ops.sigmoid(tensor(x)), mask)
    assert given == pytest.approx(numbers(keras.metrics.MeanSquaredError()(y, p)), rel=1e-6)


def test_a_wrapped_metric_is_handed_the_mask_itself():
    class Recorder(keras.metrics.Mean):
        def update_state(self, y_true, y_pred, sample_weight=None):
            self.seen.append(to_numpy(backend.find_notes(y_pred)[0]))

    y, x = batch(0, 6, 3)
    mask = np.arange(6) % 3 != 1
    recorder = Recorder()
    recorder.seen = []
    metrics.FromLogits(recorder).update_state(y, masked(tensor(x), mask))
    (seen,) = recorder.seen
    np.testing.assert_array_equal(np.ravel(seen).astype(bool), mask)


def test_early_stopping_asks_for_a_mode_where_the_wrapped_metric_has_no_direction():
    class Undirected(keras.metrics.Mean):
        def update_state(self, y_true, y_pred, sample_weight=None):
            super().update_state(y_pred)

    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    metric = metrics.FromLogits(Undirected(name="undirected"))
    model.compile("sgd", "mse", metrics=[metric])
    stop = keras.callbacks.EarlyStopping("undirected")
    with pytest.raises(ValueError, match="monitor=undirected"):
        model.fit(np.zeros((4, 1)), np.zeros((4, 1)), verbose=0, callbacks=[stop])
