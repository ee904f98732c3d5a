"""What all metrics have in common: unfed, masked, small, and part of what is differentiated."""

import keras
import numpy as np
import pytest
from support.differentiation import BACKEND, masked, only_on_jax, tensor
from support.instances import METRICS, batch, numbers

from keras_bce import losses, metrics

Bce = losses.BinaryCrossentropy


def test_unfed_metrics():
    zero = [
        metrics.BinaryCrossentropy(),
        metrics.ExpectedCalibrationError(),
        metrics.CalibrationCurve(),
    ]
    for metric in zero:
        assert numbers(metric.result()) == {"result": 0.0}
    assert numbers(metrics.BinaryCrossentropy(label_names=["a"]).result()) == {
        "binary_crossentropy": 0.0,
        "binary_crossentropy_a": 0.0,
    }
    for metric in (metrics.NormalizedEntropy(), metrics.CalibrationRatio()):
        assert np.isnan(numbers(metric.result())["result"])
    one_class = metrics.NormalizedEntropy()([1, 1], [0.5, 0.5])
    assert np.isnan(numbers(one_class)["result"])


def test_masks_reach_every_metric():
    y, x = batch(0, 6, 3)
    mask = np.arange(6) % 3 != 1
    for cls in (
        metrics.NormalizedEntropy,
        metrics.CalibrationRatio,
        metrics.ExpectedCalibrationError,
        metrics.CalibrationCurve,
    ):
        given = numbers(cls(from_logits=True)(y, masked(tensor(x), mask)))
        kept = numbers(cls(from_logits=True)(y[mask], x[mask]))
        assert given == pytest.approx(kept, rel=1e-6)


def test_the_state_is_small():
    for metric in (metrics.BinaryCrossentropy(), metrics.NormalizedEntropy()):
        assert sum(np.prod(v.shape) * 4 for v in metric.variables) <= 32


@pytest.mark.skipif(BACKEND != "torch", reason="elsewhere a variable keeps no graph")
def test_a_metric_keeps_no_graph():
    metric = metrics.BinaryCrossentropy(from_logits=True)
    metric.update_state(tensor([1.0]), tensor([0.5]).requires_grad_())
    assert not metric.result().requires_grad


@only_on_jax
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("p", [0.3, 1.0, np.nan])
@pytest.mark.parametrize("weight", [0.0, 0.7])
def test_a_result_is_the_same_inside_of_a_compiled_function(dtype, p, weight):
    import jax

    metric = metrics.BinaryCrossentropy(dtype=dtype)
    metric.update_state(tensor([[1.0]]), tensor([[p]]), tensor([weight]))
    compiled = jax.jit(metric.stateless_result)([v.value for v in metric.variables])
    for result in (metric.result(), metric.result()):  # By NumPy, then compiled.
        assert result.dtype == compiled.dtype == dtype
        assert float(result) == pytest.approx(float(compiled), abs=0, nan_ok=True)


@only_on_jax
def test_a_new_metric_and_its_result_compile_no_computation():
    import jax

    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, *_, fun_name="", **__: (
            compiled.append(fun_name) if "backend_compile" in event else None
        )
    )
    metric = metrics.BinaryCrossentropy(uncertainty=True)
    metric.reset_state()
    metric.result()
    # A copy of an array from NumPy is a program as well, in some versions of JAX.
    assert set(compiled) <= {"jit(stage)", "stage", "jit(_array_copy)"}


@only_on_jax
@pytest.mark.parametrize("samples", [4, 100])
@pytest.mark.parametrize("kind", METRICS)
def test_a_metric_may_be_updated_inside_of_what_is_differentiated(kind, samples):
    import jax

    cls, arguments = METRICS[kind]
    metric = cls(**(arguments | {"dtype": "float32"}))
    y, x = map(tensor, batch(0, samples))

    def value(x):
        state = metric.stateless_update_state(metric.stateless_reset_state(), y, x)
        return Bce(True)(y, x), state

    (_, state), derivative = jax.value_and_grad(value, has_aux=True)(x)
    expected = numbers(metric(y, x))
    assert numbers(metric.stateless_result(state)) == pytest.approx(expected, rel=1e-6)
    np.testing.assert_array_equal(derivative, jax.grad(lambda x: Bce(True)(y, x))(x))


def test_metrics_of_symbolic_tensors_say_where_they_belong():
    with pytest.raises(ValueError, match=r"model\.compile\(metrics"):
        metrics.BinaryCrossentropy().update_state(keras.Input((1,)), keras.Input((1,)))


@pytest.mark.parametrize("total", [3e38, np.inf])
def test_a_result_beyond_the_largest_float_is_infinite_without_a_warning(total):
    metric = metrics.BinaryCrossentropy()
    metric.update_state([1.0], [0.5])
    for variable in metric.variables:
        variable.assign(np.array([[total, 1e-6], [0.0, 0.0]], "float32"))
    assert numbers(metric.result()) == {"result": np.inf}
