"""Recalibrates a whole model: predicts, adapts a layer, and puts it at the end."""

import contextlib
from collections.abc import Iterator
from typing import Any, Literal

import keras

from keras_bce import _arguments, layers
from keras_bce._data import Batches, Progress, Verbose, check_verbose, outputs, readable
from keras_bce._prepare import computing_dtype
from keras_bce._recalibrated import DenseLogits, Recalibrated

__all__ = ["recalibrate"]


def __dir__() -> list[str]:
    return sorted(__all__)


_METHODS = {
    "temperature": layers.TemperatureScaling,
    "platt": layers.PlattScaling,
    "beta": layers.BetaCalibration,
    "isotonic": layers.IsotonicCalibration,
}


_SIGMOIDS = (keras.activations.sigmoid, keras.ops.sigmoid)
_SOFTMAXES = (keras.activations.softmax, keras.ops.softmax)


def recalibrate(
    model: keras.Model,
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    method: Literal["temperature", "platt", "beta", "isotonic"] = "platt",
    from_logits: bool = True,
    per_label: bool = False,
    ignore_class: float | None = None,
    batch_size: int | None = None,
    verbose: Verbose = "auto",
) -> keras.Model:
    r"""A model that ends in a recalibration layer, adapted to the predictions of `model`.

    It shares the layers of `model`, and puts out what `model` does: logits, or probabilities if it
    ends in a sigmoid.

    Give it rows that the model was not trained on, and judge the result on others again, with
    `metrics.NormalizedEntropy` say. Where the reason of the miscalibration is known, as after
    training with `pos_weight`, `layers.PriorCorrection` needs no rows.

    Args:
        model: A built model of one output: sequential, functional or subclassed.
        x: The inputs, as `fit` takes them: arrays, or, without `y`, batches `(x, y)` or
            `(x, y, sample_weight)` that come to an end.
        y: The labels, in [0, 1].
        sample_weight: Weights, one per row or one per prediction.
        method: The layer, see the table. Platt's needs the fewest rows among those that can move
            the mean.
        from_logits: Whether the model puts out logits. A model that is seen to end in a sigmoid
            puts out probabilities, whatever this says.
        per_label: Whether each label has parameters of its own.
        ignore_class: The label that stands for "missing": a number or NaN.
        batch_size: Rows of a batch that is cut from arrays, 32 by default.
        verbose: 1 shows a progress bar, 0 does not, and `"auto"` does after a second.

    | `method` | layer | logit $z$ becomes |
    | --- | --- | --- |
    | `"temperature"` | `layers.TemperatureScaling` | $a z$ |
    | `"platt"` | `layers.PlattScaling` | $a z + b$ |
    | `"beta"` | `layers.BetaCalibration` | $a \log \sigma(z) - b \log \sigma(-z) + c$ |
    | `"isotonic"` | `layers.IsotonicCalibration` | a non-decreasing, piecewise linear curve |

    A final sigmoid is looked through to its logits: an `Activation`, the activation of a `Dense`
    layer, or `keras.ops.sigmoid`, in a sequential or functional model. Elsewhere, as in a
    subclassed model, pass `from_logits=False`: the logits are computed from the probabilities,
    between -16.1 and 15.9. If logits are expected, but all predictions are in [0, 1], a warning
    says so.

    Returns:
        The recalibrated `keras.Model`. Its last layer is the recalibration; it is not compiled.

    Raises:
        ValueError: for a model that is not built, or ends in a softmax, or has several outputs, and
            for what `adapt` of the layer refuses: too few rows, one class, NaN.
        ImportError: without SciPy.

    >>> import keras
    >>> import numpy as np
    >>> import keras_bce
    >>> x = np.linspace(-1.0, 1.0, 100).reshape(-1, 1)
    >>> y = np.arange(100) % 10 == 0  # One in ten, whatever x is.
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, "sigmoid")])
    >>> calibrated = keras_bce.recalibrate(model, x, y, verbose=0)
    >>> print(f"{calibrated.predict(x, verbose=0).mean():.2f}")
    0.10

    After `fit()`; the result is saved, loaded and served as one model:

    ```python
    model.fit(x_train, y_train)
    calibrated = keras_bce.recalibrate(model, x_valid, y_valid)
    calibrated.save("calibrated.keras")  # To load it, `import keras_bce` first.
    ```
    """
    check_verbose(verbose)
    if not isinstance(model, keras.Model) or not model.built:
        raise ValueError(
            "`model` must be a Keras model that is built. Received: "
            f"model={model!r}. Train it, or call it on a batch."
        )
    method = _arguments.choice("method", method, tuple(_METHODS))
    source, reading = model, {"from_logits": from_logits}
    if _ends_in_sigmoid(model):
        behind = _behind_sigmoid(model)
        reading = {"from_logits": behind is not None, "to_logits": False}
        source = model if behind is None else behind
    dtype = source.outputs[0].dtype if _is_graph(source) else source.compute_dtype
    layer = _METHODS[method](per_label=per_label, dtype=computing_dtype(dtype), **reading)
    batches = Batches(x, y, sample_weight, batch_size=batch_size, labelled=True)
    layer.adapt(_predicted(source, batches, verbose), ignore_class=ignore_class)
    if _is_graph(source):
        return keras.Model(_inputs(source), layer(source.outputs[0]))
    return Recalibrated(source, layer)


def _predicted(model: Any, batches: Batches, verbose: Verbose) -> Iterator[tuple[Any, Any, Any]]:
    """The batches with predictions in the place of the inputs."""
    with Progress(batches.length, verbose) as bar:
        for count, (x, y_true, sample_weight) in enumerate(batches, 1):
            predictions = outputs(model.predict_on_batch(keras.tree.map_structure(readable, x)))
            if len(predictions) != 1:
                raise ValueError(
                    f"`model` must have one output. Received: {len(predictions)} outputs. "
                    "Recalibrate each one with a model that ends in it."
                )
            (y_pred,) = predictions.values()
            yield y_pred, y_true, sample_weight
            bar.update(count)


def _is_graph(model: Any) -> bool:
    """Whether a model is what its symbolic outputs say: sequential, or functional."""
    calls_its_graph = type(model).call.__module__.partition(".")[0] == "keras"
    return calls_its_graph and bool(getattr(model, "outputs", None))


def _last(model: Any) -> Any:
    """What makes the output of a sequential or functional model: a layer, or another operation.

    `None` if it is not known, since it is used in several places.
    """
    operations = getattr(model, "operations", model.layers)
    if isinstance(operations[-1], keras.Model):
        return operations[-1]
    for operation in reversed(operations):
        with contextlib.suppress(AttributeError, ValueError):  # Keras does not say which output.
            if operation.output is model.outputs[0]:
                return operation
    return None


def _inputs(model: Any) -> Any:
    """The symbolic inputs of a model, in their structure."""
    return model.inputs[0] if isinstance(model, keras.Sequential) else model.input


def _ends_in_sigmoid(model: Any) -> bool:
    """Whether a model is seen to end in a sigmoid; raises if it ends in a softmax."""
    last = model
    while isinstance(last, keras.Model):
        if not _is_graph(last):
            return False
        last = _last(last)
    activation = getattr(last, "activation", None)
    if activation in _SOFTMAXES or type(last).__name__ == "Softmax":
        raise ValueError(
            "`model` must put out logits, or probabilities of a sigmoid. Received: a model that "
            f"ends in the softmax of {last.name!r}. For two classes use one output with a sigmoid."
        )
    return activation in _SIGMOIDS or type(last).__name__ == "Sigmoid"


def _behind_sigmoid(model: Any) -> Any:
    """The model without its final sigmoid; `None` if that cannot be taken off."""
    last = _last(model)
    if isinstance(last, keras.Model):
        return None
    if isinstance(last, keras.layers.Dense) and last.quantization_mode is None:
        logits = DenseLogits(last, dtype=last.dtype_policy)(last.input)
    elif not getattr(last, "weights", None):  # An `Activation`, or `keras.ops.sigmoid`.
        logits = last.input
    else:
        return None
    return keras.Model(_inputs(model), logits)
