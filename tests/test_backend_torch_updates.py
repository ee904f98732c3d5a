"""On torch, a metric takes the loss that was computed of the same tensors."""

import gc
import io
import weakref

import keras
import numpy as np
import pytest

from keras_bce import losses, metrics

if keras.config.backend() != "torch":
    pytest.skip("torch's eager calls", allow_module_level=True)

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from keras_bce._backend import _torch_formulas

Y = np.array([[0.0, 1.0], [1.0, 0.25]], "float32")
X = np.array([[-2.0, 0.5], [3.0, 4.0]], "float32")
P = 1.0 / (1.0 + np.exp(-X))


class Counted(TorchDispatchMode):
    """Counts the logarithms that torch computes."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += "log" in function.__name__
        return function(*args, **(kwargs or {}))


def tensors(predictions=X, requires_grad=False):
    y, predictions = torch.tensor(Y), torch.tensor(predictions, requires_grad=requires_grad)
    # Computed, as the outputs of a model are: not a leaf.
    return y, predictions * 1.0 if requires_grad else predictions


def pair(**arguments):
    return losses.BinaryCrossentropy(**arguments), metrics.BinaryCrossentropy(**arguments)


def updated(metric, *batch):
    """The metric's result of this batch alone, and how many logarithms that took."""
    metric.reset_state()
    with Counted() as counted:
        metric.update_state(*batch)
    return float(metric.result()), counted.count


def alone(y, predictions, **arguments):
    """A metric's result of copies of tensors, of which no loss was computed."""
    _, metric = pair(**arguments)
    return updated(metric, y.clone(), predictions.detach().clone())[0]


@pytest.mark.parametrize("grad", [False, True], ids=["no_grad", "grad"])
@pytest.mark.parametrize("from_logits", [True, False], ids=["logits", "probabilities"])
def test_a_metric_does_not_compute_anew_what_the_loss_has_computed(from_logits, grad):
    y, predictions = tensors(X if from_logits else P, grad)
    loss, metric = pair(from_logits=from_logits)
    assert updated(metric, y, predictions)[1] > 0
    with torch.set_grad_enabled(grad):
        loss(y, predictions)
    for _ in range(2):
        result, logarithms = updated(metric, y, predictions)
        assert logarithms == 0
        assert result == pytest.approx(alone(y, predictions, from_logits=from_logits), rel=1e-6)


@pytest.mark.parametrize("from_logits", [True, False], ids=["logits", "sigmoid"])
def test_in_fit_and_evaluate_the_formula_is_evaluated_once_a_step(from_logits, monkeypatch):
    calls = []
    monkeypatch.setattr(
        _torch_formulas._At,
        "value",
        lambda *args, take=_torch_formulas._At.value: calls.append(1) or take(*args),
    )
    activation = None if from_logits else "sigmoid"
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, activation)])
    loss, metric = pair(from_logits=from_logits)
    model.compile("sgd", loss, metrics=[metric])
    data = {"x": X, "y": Y, "batch_size": 1, "verbose": 0}
    model.evaluate(**data)  # The first time, Keras builds the metric with zeros.
    for run in (model.fit, model.evaluate):
        calls.clear()
        run(**data)
        assert len(calls) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda y, x: y.mul_(0.5),
        lambda y, x: x.mul_(0.5),
        lambda y, x: y.copy_(1.0 - y),
        lambda y, x: y[0].fill_(1.0),
    ],
    ids=["labels", "predictions", "copied", "view"],
)
def test_a_metric_of_tensors_changed_in_place_computes_anew(change):
    y, x = tensors()
    loss, metric = pair(from_logits=True)
    loss(y, x)
    change(y, x)
    assert updated(metric, y, x)[0] == pytest.approx(alone(y, x, from_logits=True), rel=1e-6)


@pytest.mark.parametrize(
    ("of_loss", "of_metric"),
    [
        ({}, {"pos_weight": 2.0}),
        ({"pos_weight": 2.0}, {}),
        ({"pos_weight": 2.0}, {"pos_weight": 3.0}),
        ({}, {"label_smoothing": 0.2}),
        ({}, {"ignore_class": 0}),
        ({}, {"axis": 0}),
        ({"from_logits": True}, {}),
        ({}, {"label_weights": [1.0, 2.0]}),
    ],
    ids=str,
)
def test_a_metric_does_not_take_another_loss(of_loss, of_metric):
    y, p = tensors(P)
    pair(**of_loss)[0](y, p)
    _, metric = pair(**of_metric)
    assert updated(metric, y, p)[0] == pytest.approx(alone(y, p, **of_metric), rel=1e-6)


def test_a_metric_does_not_take_a_focal_loss():
    y, x = tensors()
    losses.BinaryFocalCrossentropy(from_logits=True)(y, x)
    _, metric = pair(from_logits=True)
    assert updated(metric, y, x)[0] == pytest.approx(alone(y, x, from_logits=True), rel=1e-6)


def test_a_metric_does_not_take_the_loss_of_other_labels_or_predictions():
    y, x = tensors()
    loss, metric = pair(from_logits=True)
    loss(y, x)
    for batch in ((1.0 - y, x), (y, x + 1.0)):
        assert updated(metric, *batch)[0] == pytest.approx(alone(*batch, from_logits=True))


def test_a_variable_that_weighs_positives_is_read_anew():
    y, p = tensors(P)
    weight = keras.Variable(2.0)
    loss, metric = pair(pos_weight=weight)
    loss(y, p)
    weight.assign(5.0)
    assert updated(metric, y, p)[0] == pytest.approx(alone(y, p, pos_weight=5.0), rel=1e-6)


def test_impossible_labels_stay_nan():
    y, x = tensors()
    y[0, 0] = 3.0
    loss, metric = pair(from_logits=True)
    loss(y, x)
    assert np.isnan(updated(metric, y, x)[0])


def test_nothing_outlives_the_predictions():
    y, x = tensors(requires_grad=True)
    loss, _ = pair(from_logits=True)
    loss(y, x)
    entries = _torch_formulas._kept._by_id
    assert id(x) in entries
    place, labels, predictions = id(x), weakref.ref(y), weakref.ref(x)
    del y
    gc.collect()
    assert labels() is None
    assert place not in entries
    loss(torch.tensor(Y), x)
    del x
    gc.collect()
    assert predictions() is None
    assert place not in entries


def test_labels_that_were_computed_of_the_predictions_do_not_keep_them_alive():
    _, x = tensors(requires_grad=True)
    y = x.sigmoid()
    losses.BinaryCrossentropy(from_logits=True)(y, x)
    predictions = weakref.ref(x)
    del y, x
    gc.collect()
    assert predictions() is None


def test_predictions_are_saved_as_before():
    y, x = tensors()
    file = io.BytesIO()
    pair(from_logits=True)[0](y, x)
    torch.save(x, file)
    file.seek(0)
    assert torch.equal(torch.load(file), x)


@pytest.mark.parametrize("inside", [True, False])
def test_where_changes_are_not_counted_nothing_is_kept(inside):
    loss, metric = pair(from_logits=True)
    with torch.inference_mode():
        y, x = (tensor.clone() for tensor in tensors())
    with torch.inference_mode(inside):
        loss(y, x)
    with torch.inference_mode():
        y.copy_(1.0 - y)
    with torch.inference_mode(inside):
        metric.update_state(y, x)
    assert float(metric.result()) == pytest.approx(alone(y, x, from_logits=True), rel=1e-6)


ONE = torch.ones(1)
TRANSFORMED = {
    "grad": lambda f: torch.func.grad(f)(ONE),
    "grad of grad": lambda f: torch.func.grad(lambda w: torch.func.grad(f)(w).sum())(ONE),
    "vmap": lambda f: torch.func.vmap(f)(torch.ones(3, 1)),
}


@pytest.mark.parametrize("transform", TRANSFORMED.values(), ids=TRANSFORMED)
def test_what_a_loss_keeps_under_a_transformation_is_right_outside(transform):
    y, x = tensors()
    loss, metric = pair(from_logits=True)
    transform(lambda w: loss(y, x) + (w * w).sum())
    for _ in range(2):
        result, logarithms = updated(metric, y, x)
        assert logarithms == 0
        assert result == pytest.approx(alone(y, x, from_logits=True), rel=1e-6)


def test_of_parameters_nothing_is_kept():
    """A fused optimizer changes a parameter, but not the version that torch counts."""
    y, x = torch.tensor([[0.0], [1.0]]), torch.nn.Parameter(torch.zeros(2, 1))
    loss, metric = pair(from_logits=True)
    optimizer = torch.optim.SGD([x], lr=1.0, fused=True)
    loss(y, x).backward()
    optimizer.step()
    assert updated(metric, y, x)[0] == pytest.approx(alone(y, x, from_logits=True), rel=1e-6)
