"""What goes wrong with Keras's own pair, and right with ours: one test a failure.

Each runs on both libraries, and must fail on Keras's, on the backends named, so
that the claim "Keras gets this wrong" is tested as well: the day it is mended
there, the strict `xfail` says so. Threads are `repository#number` on GitHub.
"""

import pickle
from typing import NamedTuple

import keras
import numpy as np
import pytest
from support.differentiation import (
    BACKEND,
    compiled,
    gradient,
    masked,
    number,
    tensor,
    tensors_are_unchecked,
)

import keras_bce

Y, P = [1, 0, 1, 0], [0.9, 0.2, 0.3, 0.6]


class Library(NamedTuple):
    Loss: type
    Metric: type
    Focal: type


KERAS = Library(
    keras.losses.BinaryCrossentropy,
    keras.metrics.BinaryCrossentropy,
    keras.losses.BinaryFocalCrossentropy,
)
OURS = Library(
    keras_bce.losses.BinaryCrossentropy,
    keras_bce.metrics.BinaryCrossentropy,
    keras_bce.losses.BinaryFocalCrossentropy,
)
#: The release whose failures these are; on others only ours is tested.
TESTED_RELEASE = "3.15."


def keras_fails(on=("tensorflow", "jax", "torch")):
    """Runs a test on both libraries; Keras's must fail it on these backends, and pass elsewhere."""
    marks = []
    if not keras.__version__.startswith(TESTED_RELEASE):
        marks.append(pytest.mark.skip(reason=f"tested on Keras {TESTED_RELEASE}x"))
    elif BACKEND in on:
        marks.append(pytest.mark.xfail(strict=True, reason="what Keras does"))
    libraries = [pytest.param(OURS, id="keras_bce"), pytest.param(KERAS, marks=marks, id="keras")]
    if BACKEND == "numpy":  # Keras's failures there are not listed.
        libraries.pop()
    return pytest.mark.parametrize("library", libraries)


def saturated(dtype="float32", logit=20.0):
    """A model of one weight that puts out sigmoid(logit) for an input of 1."""
    layer = keras.layers.Dense(1, "sigmoid", use_bias=False, dtype=dtype)
    model = keras.Sequential([keras.layers.Input((1,)), layer])
    layer.kernel.assign([[logit]])
    return model


def trained(library, dtype, steps=20):
    """The weight of a model at logit 20 after training on a label of 0."""
    model = saturated(dtype)
    model.compile(keras.optimizers.SGD(1.0), loss=library.Loss(), jit_compile=False)
    model.fit(np.ones((1, 1)), np.zeros((1, 1)), epochs=steps, verbose=0)
    return number(model.layers[0].kernel)


knows_logits = pytest.mark.skipif(
    BACKEND in ("jax", "numpy"), reason=f"{BACKEND} cannot know logits; documented"
)


@knows_logits
@keras_fails()
@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_01_a_saturated_wrong_prediction_learns_in_mixed_precision(library, dtype):
    assert trained(library, dtype) < 10.0  # The gradient is 1, and so is the learning rate.


@keras_fails()
def test_02_loss_and_metric_agree_in_one_evaluation(library):
    model = saturated("mixed_float16", logit=50.0)
    model.compile(loss=library.Loss(), metrics=[library.Metric()])
    loss, metric = model.evaluate(np.ones((1, 1)), np.zeros((1, 1)), verbose=0)
    assert np.isfinite(metric)
    assert loss == pytest.approx(metric, rel=1e-6)


@keras_fails()
def test_03_half_precision_gives_numbers_keras_377_9582(library):
    loss = library.Loss(dtype="float16")
    assert number(loss([[1.0]], [[1.0]])) == 0.0
    assert number(loss([[0.0]], [[1.0]])) == pytest.approx(15.94, abs=0.01)


@keras_fails()
def test_03_bfloat16_gives_numbers(library):
    loss = library.Loss(dtype="bfloat16")
    assert number(loss([[1.0]], [[1.0]])) == 0.0
    assert number(loss([[0.0]], [[1.0]])) == pytest.approx(15.94, abs=0.1)


@keras_fails()
def test_04_a_float16_reduction_does_not_overflow(library):
    loss = library.Loss(dtype="float16")(np.ones((100_000, 1)), np.full((100_000, 1), 0.3))
    assert number(loss) == pytest.approx(-np.log(0.3), rel=1e-3)


@keras_fails()
def test_05_a_wrong_probability_of_0_or_1_has_a_gradient_pytorch_103316(library):
    for label, p in ((0.0, 1.0), (1.0, 0.0)):
        (slope,) = gradient(lambda p, y=label: library.Loss()(tensor([[y]]), p), tensor([[p]]))
        assert 1e6 < abs(slope.item()) < 1e8
        assert np.sign(slope.item()) == np.sign(p - label)


@knows_logits
@keras_fails(on=("torch",))
def test_05_a_saturated_sigmoid_model_learns(library):
    assert trained(library, "float32") < 10.0


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow's graphs")
def test_06_what_a_graph_knows_is_documented_tensorflow_118313():
    import tensorflow as tf

    logits = tensor([[50.0]])

    def loss(logits, cast=False):
        p = tf.nn.sigmoid(logits)
        p = tf.cast(tf.cast(p, "float16"), "float32") if cast else p
        return OURS.Loss()([[0.0]], p)

    assert number(loss(logits)) == pytest.approx(15.94, abs=0.01)
    assert number(tf.function(loss)(logits)) == pytest.approx(50.0)
    assert number(tf.function(loss)(logits, cast=True)) == pytest.approx(50.0)
    assert "graph" in OURS.Loss.__doc__


@keras_fails(on=("torch",))
def test_07_saturated_models_cost_the_same_on_every_backend_keras_15271(library):
    model = saturated(logit=50.0)
    model.compile(loss=library.Loss())
    loss = model.evaluate(np.ones((1, 1)), np.zeros((1, 1)), verbose=0)
    assert loss == pytest.approx(50.0 if BACKEND in ("tensorflow", "torch") else 15.942, abs=1e-3)


@keras_fails(on=("jax", "torch"))
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_08_focal_loss_is_uncapped_and_alive_tensorflow_70326(library, gamma):
    loss = library.Focal(gamma=gamma, from_logits=True)
    for logit in (17.0, 50.0):
        assert number(loss([[0.0]], [[logit]])) == pytest.approx(logit, rel=1e-5)
        (slope,) = gradient(lambda x: loss(tensor([[0.0]]), x), tensor([[logit]]))
        assert slope.item() == pytest.approx(1.0, rel=1e-5)


@keras_fails()
@pytest.mark.parametrize("gamma", [0.0, 0.5])
def test_08_focal_loss_has_no_nan_where_it_is_right(library, gamma):
    loss = library.Focal(gamma=gamma, from_logits=True)
    (slope,) = gradient(lambda x: loss(tensor([[1.0]]), x), tensor([[17.0]]))
    assert slope.item() == pytest.approx(-(1 + gamma) * np.exp(-17 * (1 + gamma)), rel=1e-4)


@keras_fails()
def test_09_an_infinite_logit_is_right_or_wrong_pytorch_49844(library):
    loss = library.Loss(from_logits=True)
    assert number(loss([[1.0]], [[np.inf]])) == 0.0
    assert number(loss([[0.0]], [[-np.inf]])) == 0.0
    assert number(loss([[0.0]], [[np.inf]])) == np.inf
    (slope,) = gradient(lambda x: loss(tensor([[1.0]]), x), tensor([[np.inf]]))
    assert slope.item() == 0.0


@keras_fails(on=("tensorflow", "jax"))
def test_10_small_probabilities_keep_their_digits(library):
    assert number(library.Loss()([[0.0]], [[1e-6]])) == pytest.approx(1e-6, rel=1e-5)


@tensors_are_unchecked
@keras_fails()
def test_11_logits_taken_for_probabilities_are_noticed_keras_4744(library):
    with pytest.raises(ValueError, match="from_logits=True"):
        library.Loss()([[1.0]], [[5.0]])
    assert np.isnan(number(library.Loss()([[1.0]], tensor([[5.0]]))))


@knows_logits
@keras_fails(on=("torch",))
def test_12_a_double_sigmoid_is_warned_of_and_mended(library):
    p = keras.activations.sigmoid(tensor([[3.0]]))
    with pytest.warns(UserWarning, match="from_logits=True"):
        loss = library.Loss(from_logits=True)(tensor([[0.0]]), p)
    assert number(loss) == pytest.approx(np.log1p(np.exp(3.0)), rel=1e-6)


def test_13_accuracy_on_logits_has_a_wrapper_tensorflow_42182():
    y, logits = [[0], [1], [1]], [[-0.2], [0.2], [3.0]]
    accuracy = keras.metrics.BinaryAccuracy()
    assert number(accuracy(y, logits)) == pytest.approx(2 / 3)
    wrapped = keras_bce.metrics.FromLogits(keras.metrics.BinaryAccuracy())
    assert number(wrapped(y, logits)) == 1.0


@keras_fails()
def test_14_the_metric_aligns_labels_with_predictions_tensorflow_75194(library):
    expected = -np.log([0.9, 0.8, 0.3, 0.4]).mean()
    column = np.array(P)[:, None]
    assert number(library.Metric()(np.array(Y), column)) == pytest.approx(expected, rel=1e-6)
    assert number(library.Metric()(np.array(Y)[:, None], P)) == pytest.approx(expected, rel=1e-6)


@keras_fails()
def test_15_one_dimensional_inputs_keep_their_weights(library):
    loss = number(library.Loss()(Y, P, sample_weight=[1, 0, 3, 0]))
    assert loss == pytest.approx((-np.log(0.9) - 3 * np.log(0.3)) / 4, rel=1e-6)


@keras_fails()
def test_15_in_the_metric_too(library):
    result = number(library.Metric()(np.array(Y), np.array(P), sample_weight=[1, 0, 3, 0]))
    assert result == pytest.approx((-np.log(0.9) - 3 * np.log(0.3)) / 4, rel=1e-6)


def test_16_subclasses_see_aligned_shapes_keras_19662():
    class Doubled(keras_bce.losses.BinaryCrossentropy):
        def __call__(self, *arguments):
            return 2 * super().__call__(*arguments)

    y, p = np.array(Y), np.array(P)[:, None]
    assert number(Doubled()(y, p)) == pytest.approx(2 * number(OURS.Loss()(y, p[:, 0])))


@keras_fails()
def test_17_a_weight_per_sample_fits_sequences(library):
    for steps in (4, 3):
        y, p = np.ones((4, steps, 1)), np.full((4, steps, 1), 0.5)
        loss = number(library.Loss()(y, p, sample_weight=np.array([1.0, 0, 0, 0])))
        assert loss == pytest.approx(np.log(2) / 4, rel=1e-6)
        p[1:] = 0.25
        loss = number(library.Loss()(y, p, sample_weight=np.array([1.0, 0, 0, 0])))
        assert loss == pytest.approx(np.log(2) / 4, rel=1e-6)


@keras_fails()
def test_18_a_weight_per_prediction_keras_2408_17766(library):
    for labels in (2, 4):
        y, p = np.ones((4, labels)), np.tile([0.5] + [0.25] * (labels - 1), (4, 1))
        weights = np.tile([1.0] + [0.0] * (labels - 1), (4, 1))
        expected = np.log(2) / labels
        assert number(library.Loss()(y, p, weights)) == pytest.approx(expected, rel=1e-6)
        metric = number(library.Metric()(y, p, weights))
        assert metric == pytest.approx(np.log(2), rel=1e-6)


def test_19_20_loss_and_weighted_metric_are_made_equal_by_a_reduction_keras_15323():
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    model.compile(
        loss=OURS.Loss(from_logits=True, reduction="mean_with_sample_weight"),
        metrics=[OURS.Metric("unweighted", from_logits=True)],
        weighted_metrics=[OURS.Metric("weighted", from_logits=True)],
    )
    x, y = np.array([[1.0], [-2.0], [3.0]]), np.array([0.0, 1.0, 1.0])
    weights = np.array([1.0, 2.0, 0.5])
    results = model.evaluate(x, y, sample_weight=weights, verbose=0, return_dict=True)
    assert results["loss"] == pytest.approx(results["weighted"], rel=1e-6)
    assert results["unweighted"] != pytest.approx(results["weighted"], rel=1e-2)


@keras_fails()
def test_21_weights_of_labels_keras_8011_15984(library):
    y, p = [[1, 0], [1, 1]], [[0.5, 0.2], [0.5, 0.4]]
    loss = number(library.Loss(label_weights=[1.0, 0.0])(y, p))
    assert loss == pytest.approx(np.log(2) / 2, rel=1e-6)


@keras_fails()
def test_22_a_weight_of_positives_keras_12605_tensorflow_41684(library):
    loss = number(library.Loss(pos_weight=3.0)(Y, P))
    expected = -(3 * np.log([0.9, 0.3]).sum() + np.log([0.8, 0.4]).sum()) / 4
    assert loss == pytest.approx(expected, rel=1e-6)


@keras_fails()
def test_23_nan_under_a_weight_of_zero_keras_9549_18818(library):
    y, p = np.array([[1.0], [np.nan]]), np.array([[0.5], [0.5]])
    loss = number(library.Loss()(y, p, sample_weight=np.array([1.0, 0.0])))
    assert loss == pytest.approx(np.log(2) / 2, rel=1e-6)


@keras_fails()
def test_24_missing_labels_keras_6118(library):
    loss = number(library.Loss(ignore_class=-1)([[1, -1], [0, 1]], [[0.5, 0.9], [0.5, 0.5]]))
    assert loss == pytest.approx(np.log(2), rel=1e-6)


@tensors_are_unchecked
@keras_fails()
def test_25_labels_are_checked_keras_14046(library):
    with pytest.raises(ValueError, match="255"):
        library.Loss()([[255.0]], [[0.999]])
    assert np.isnan(number(library.Loss()(tensor([[255.0]]), tensor([[0.999]]))))


@keras_fails()
@pytest.mark.parametrize("smoothing", [3.0, -1])
def test_26_label_smoothing_is_checked_keras_23504(library, smoothing):
    for cls in library:
        with pytest.raises(ValueError, match="label_smoothing"):
            cls(label_smoothing=smoothing)


@keras_fails()
def test_27_masks_go_with_a_weight_per_sample(library):
    for steps in (2, 3):
        y, p = tensor(np.ones((2, steps, 1))), tensor(np.full((2, steps, 1), 0.5))
        mask = np.ones((2, steps), bool)
        mask[0, 0] = False
        loss = number(library.Loss()(y, masked(p, mask), tensor([2.0, 1.0])))
        kept = 2 * (steps - 1) + steps
        assert loss == pytest.approx(kept / (2 * steps - 1) * np.log(2), rel=1e-6)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow's type")
@keras_fails()
def test_28_ragged_tensors_are_refused_with_advice(library):
    import tensorflow as tf

    ragged = tf.ragged.constant([[1.0], [0.0, 1.0]])
    with pytest.raises(ValueError, match="to_tensor"):
        library.Loss()(ragged, ragged)


@keras_fails()
def test_29_counters_count_past_2_to_the_24_keras_21467(library):
    metric = library.Metric(from_logits=True)
    update = metric.update_state
    chunk = np.zeros((2**22, 1), "float32")
    if BACKEND == "tensorflow":
        chunk = tensor(chunk)
    for _ in range(4):
        update(chunk, chunk)
    for _ in range(300):  # Three times as much, one by one: log 2 rises to no more than this.
        update([[0.0]], [[1000.0]])
    expected = (2**24 * np.log(2) + 300 * 1000) / (2**24 + 300)
    assert number(metric.result()) == pytest.approx(expected, rel=1.5e-7)


@keras_fails()
def test_30_metrics_merge_reset_and_survive_pickling(library):
    metric = library.Metric()
    metric.update_state([[1], [0]], [[0.5], [0.25]])
    seen = number(metric.result())
    revived = pickle.loads(pickle.dumps(metric))
    assert number(revived.result()) == seen
    metric.merge_state([revived])
    assert number(metric.result()) == seen
    metric.reset_states()
    assert number(metric.result()) == 0.0


@keras_fails()
def test_31_the_config_keeps_the_dtype(library):
    loss = library.Loss(dtype="float16")
    assert library.Loss.from_config(loss.get_config()).dtype == "float16"


@keras_fails()
def test_32_an_empty_batch_costs_0(library):
    loss = library.Loss()(np.zeros((0, 1)), np.zeros((0, 1)))
    assert tuple(loss.shape) == ()
    assert number(loss) == 0.0


@keras_fails()
def test_33_a_list_goes_with_a_tensor(library):
    loss = number(library.Loss()([[1], [0]], tensor([[0.5], [0.5]])))
    assert loss == pytest.approx(np.log(2), rel=1e-6)


def test_every_failure_has_its_test():
    named = {name[5:7] for name in globals() if name.startswith("test_") and name[5:7].isdigit()}
    # 20 shares the test of 19; 34 is the trainer's, and tested where batches split evenly.
    assert named | {"20", "34"} == {f"{row:02}" for row in range(1, 35)}


@tensors_are_unchecked
def test_the_check_itself_is_compiled_as_well():
    loss = OURS.Loss()
    assert np.isnan(number(compiled(loss)(tensor([[2.0]]), tensor([[0.5]]))))
