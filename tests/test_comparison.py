"""Two models on the same samples: the paired difference, and `compare`, which runs both."""

import keras
import numpy as np
import pytest
from support.differentiation import BACKEND, compiled, masked, number, tensor
from support.instances import batch

import keras_bce
from keras_bce import losses, metrics


def log_losses(y, x):
    y, x = (np.asarray(a, "float64") for a in (y, x))
    return np.maximum(x, 0) - x * y + np.log1p(np.exp(-np.abs(x)))


def two(samples=500, seed=1):
    """Labels, and the logits of two models that differ a little."""
    y, a = batch(seed, samples, 2)
    noise = np.random.default_rng(7).normal(0, 0.1, a.shape).astype("float32")
    return y, a, a + noise


@pytest.mark.parametrize("parts", [1, 7])
@pytest.mark.parametrize("xla", [None, False, True], ids=["eager", "compiled", "xla"])
def test_the_difference_is_that_of_a_paired_t_test(parts, xla):
    stats = pytest.importorskip("scipy.stats")
    y, a, b = two()
    metric = metrics.LossDifference(from_logits=True)

    def update(state, y, a, b):
        return metric.stateless_update_state(state, y, (a, b))

    update = update if xla is None else compiled(update, xla)
    state = [v.value for v in metric.variables]
    for rows in np.array_split(np.arange(len(y)), parts):
        state = update(state, *(tensor(x[rows]) for x in (y, a, b)))
    metric.variables[0].assign(state[0])
    difference = log_losses(y, a).mean(-1), log_losses(y, b).mean(-1)
    theirs = stats.ttest_rel(*difference)
    value = number(metric.result())
    assert value == pytest.approx(np.subtract(*difference).mean(), rel=1e-4)
    assert metric.standard_error() == pytest.approx(value / theirs.statistic, rel=1e-4)
    low, high = metric.interval()
    bounds = theirs.confidence_interval(0.95)
    assert (low, high) == pytest.approx((bounds.low, bounds.high), rel=1e-2)


def test_any_loss_weights_and_missing_labels():
    y, a, b = two()
    y[::5, 0] = -1
    weights = np.random.default_rng(0).integers(0, 3, len(y)).astype("float32")
    loss = losses.BinaryFocalCrossentropy(
        from_logits=True, gamma=1.5, ignore_class=-1, pos_weight=2.0, reduction="sum"
    )
    metric = metrics.LossDifference(loss)
    metric.update_state(y, (a, b), weights)
    means = []
    for x in (a, b):
        single = metrics.MeanLoss(loss)
        single.update_state(y, x, weights)
        means.append(number(single.result()))
    assert number(metric.result()) == pytest.approx(means[0] - means[1], rel=1e-3)
    config = metric.get_config()
    assert metrics.LossDifference.from_config(config).get_config() == config


def test_a_sample_that_one_model_masks_is_no_pair():
    y, a, b = two(40)
    first, second = np.arange(40) % 3 != 1, np.arange(40) % 5 != 1
    metric, kept = (metrics.LossDifference(from_logits=True) for _ in range(2))
    metric.update_state(y, (masked(tensor(a), first), masked(tensor(b), second)))
    both = first & second
    kept.update_state(y[both], (a[both], b[both]))
    assert metric.interval() == pytest.approx(kept.interval(), rel=1e-5)
    one, kept = (metrics.LossDifference(from_logits=True) for _ in range(2))
    one.update_state(y, (tensor(a), masked(tensor(b), second)))
    kept.update_state(y[second], (a[second], b[second]))
    assert one.interval() == pytest.approx(kept.interval(), rel=1e-5)


NO_PAIRS = {
    "one": np.zeros((4, 1)),
    "three": (np.zeros((4, 1)),) * 3,
    "a pair as one array": np.zeros((2, 4, 1)),
}


@pytest.mark.parametrize("given", NO_PAIRS.values(), ids=NO_PAIRS)
def test_what_is_no_pair_is_an_error(given):
    with pytest.raises(ValueError, match=r"`y_pred` must be a pair .*\(y_pred_a, y_pred_b\)"):
        metrics.LossDifference().update_state(np.zeros((4, 1)), given)


def test_predictions_of_another_shape_are_an_error():
    with pytest.raises(ValueError, match="must have the same shape"):
        metrics.LossDifference().update_state(np.zeros(4), (np.zeros(4), np.zeros(5)))


def sigmoid_model(scale, activation="sigmoid"):
    """A model whose output is a sigmoid of `scale` times the sum of its inputs."""
    kernel = keras.initializers.Constant(scale)
    dense = keras.layers.Dense(1, activation, kernel_initializer=kernel)
    model = keras.Sequential([keras.layers.Input((2,)), dense])
    model.compile("sgd", "mse")
    return model


def inputs(samples=70):
    generator = np.random.default_rng(3)
    x = generator.normal(size=(samples, 2)).astype("float32")
    return x, (generator.random(samples) < 0.5).astype("float32"), generator.uniform(0, 2, samples)


def datasets(x, y, w):
    """What `fit` takes, by kind."""

    class Numbered(keras.utils.PyDataset):
        def __len__(self):
            return 7

        def __getitem__(self, i):
            rows = slice(10 * i, 10 * i + 10)
            return x[rows], y[rows], w[rows]

    def batches():
        yield from (Numbered()[i] for i in range(7))

    found = {"arrays": (x, y, w), "PyDataset": (Numbered(),), "generator": (batches(),)}
    if BACKEND == "tensorflow":
        import tensorflow as tf

        found["tf.data"] = (tf.data.Dataset.from_tensor_slices((x, y, w)).batch(10),)
    if BACKEND == "torch":
        import torch

        given = torch.utils.data.TensorDataset(*map(torch.tensor, (x, y, w)))
        found["DataLoader"] = (torch.utils.data.DataLoader(given, 10),)
    return found


@pytest.mark.parametrize("kind", ["arrays", "PyDataset", "generator", "tf.data", "DataLoader"])
def test_compare_runs_both_models_over_what_fit_takes(kind):
    x, y, w = inputs()
    found = datasets(x, y, w)
    if kind not in found:
        pytest.skip("of another framework")
    a, b = sigmoid_model(1.0), sigmoid_model(1.5)
    metric = keras_bce.compare(a, b, *found[kind], verbose=0)
    expected = metrics.LossDifference(from_logits=True)
    total = x.sum(1)
    expected.update_state(y, (total, 1.5 * total), w)
    assert isinstance(metric, metrics.LossDifference)
    assert number(metric.result()) == pytest.approx(number(expected.result()), rel=1e-4)
    assert metric.interval() == pytest.approx(expected.interval(), rel=1e-4)


def test_compare_leaves_the_models_as_they_were():
    x, y, _ = inputs()
    a, b = sigmoid_model(1.0), sigmoid_model(1.5)
    before = a.predict(x, verbose=0)
    metric = keras_bce.compare(a, b, x, y, verbose=0)
    again = keras_bce.compare(a, b, x, y, batch_size=9, verbose=0)
    assert metric.interval() == pytest.approx(again.interval(), rel=1e-5)
    np.testing.assert_array_equal(a.predict(x, verbose=0), before)
    a.fit(x, y, verbose=0)
    assert a.optimizer is not b.optimizer


def test_compare_with_a_loss_on_logits():
    x, y, w = inputs()
    a, b = sigmoid_model(1.0, None), sigmoid_model(1.5, None)
    loss = losses.BinaryFocalCrossentropy(from_logits=True)
    metric = keras_bce.compare(a, b, x, y, w, loss=loss, verbose=0)
    expected = metrics.LossDifference(loss)
    expected.update_state(y, (x.sum(1), 1.5 * x.sum(1)), w)
    assert metric.interval() == pytest.approx(expected.interval(), rel=1e-4)


@pytest.mark.skipif(BACKEND not in ("tensorflow", "torch"), reason="logits are not known")
def test_compare_knows_the_logits_of_a_sigmoid_that_saturates():
    x, y = np.full((4, 2), 30.0, "float32"), np.zeros(4, "float32")
    metric = keras_bce.compare(sigmoid_model(1.0), sigmoid_model(0.5), x, y, verbose=0)
    assert number(metric.result()) == pytest.approx(30.0, rel=1e-6)


def test_compare_shows_a_progress_bar(capsys):
    x, y, _ = inputs()
    keras_bce.compare(sigmoid_model(1.0), sigmoid_model(1.5), x, y, verbose=1)
    assert "3/3" in capsys.readouterr().out
    keras_bce.compare(sigmoid_model(1.0), sigmoid_model(1.5), x, y)
    assert capsys.readouterr().out == ""


def test_what_compare_cannot_run_is_an_error():
    x, y, _ = inputs()
    model = sigmoid_model(1.0)
    with pytest.raises(ValueError, match="Received: model_b=None"):
        keras_bce.compare(model, None, x, y)
    with pytest.raises(ValueError, match="`verbose` must be"):
        keras_bce.compare(model, model, x, y, verbose=2)
    with pytest.raises(ValueError, match="same number of rows"):
        keras_bce.compare(model, model, x, y[:5])
    with pytest.raises(ValueError, match="needs labels"):
        keras_bce.compare(model, model, x)
    with pytest.raises(ValueError, match="must be a loss of keras_bce"):
        keras_bce.compare(model, model, x, y, loss="mse")
