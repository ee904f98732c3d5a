"""Finds the values in data, and in what a model predicts for it, that make a loss NaN."""

import itertools
import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_bce import _arguments, _faults, _origin, _prepare
from keras_bce._data import (
    Batches,
    Outputs,
    Progress,
    Verbose,
    check_verbose,
    is_batches,
    located,
    outputs,
    readable,
    unpacked,
)

__all__ = ["check_inputs"]


def __dir__() -> list[str]:
    return sorted(__all__)


#: The most batches that are read, of data that does not tell how many it has.
MOST_BATCHES = 10_000


def check_inputs(
    y_true: Any,
    y_pred: Any = None,
    *,
    from_logits: bool = False,
    ignore_class: float | None = None,
    model: Any = None,
    verbose: Verbose = "auto",
) -> None:
    """Raises a `ValueError` that names everything wrong with labels and predictions.

    Call it when `fit` prints `loss: nan`. The losses and metrics check lists and NumPy arrays by
    themselves. But `fit` makes tensors of everything, and they never copy tensors to the host: an
    impossible value in a tensor makes the loss of its sample NaN. This function copies tensors, and
    says which value it is.

    Args:
        y_true: One of three things. Labels in [0, 1], of any shape: a tensor, array or list. Or
            batches, each `(x, y)` or `(x, y, sample_weight)`: a `tf.data.Dataset`, a
            `keras.utils.PyDataset`, a torch `DataLoader`, a generator or another iterable. Or, with
            `model`, one such tuple that holds all samples. `y` may be a dict, list or tuple of one
            array per output of the model.
        y_pred: Predictions, of the shape of the labels; `(N, 1)` and `(N,)` go together.
        from_logits: Whether predictions are logits. Any number is a logit, NaN is not.
        ignore_class: The label that stands for "missing": a number or NaN. Neither a missing label
            nor its prediction is checked.
        model: A Keras model. Its predictions are checked, for each output that has labels.
        verbose: 1 shows a progress bar, 0 does not, and `"auto"` does after a second.

    Batches are counted from 0. They are read up to the first one whose labels are at fault. If
    their number is unknown, at most 10,000 are read, and a warning says so. A generator is used up.
    A label or prediction with a weight of 0 is not checked. One that a mask of the model leaves out
    is checked: give it a weight of 0, or the label `ignore_class`.

    Returns:
        `None`, if nothing is at fault.

    Raises:
        ValueError: if anything is at fault. It says of each fault what is wrong, how many values
            are, the first place and value, and what has likely happened. Also if there are no
            batches, or batches without labels.

    >>> import keras
    >>> import numpy as np
    >>> import keras_bce
    >>> keras_bce.check_inputs([0, 1, 1], y_pred=[0.1, 0.9, 0.6])
    >>> x = np.array([[0.5], [float("nan")]])
    >>> keras_bce.check_inputs([(x, np.array([[0], [1]])), (x, np.array([[1], [2]]))])
    Traceback (most recent call last):
    ...
    ValueError: `y_true` must hold labels in [0, 1]. Received: 1 of 2 outside, the first in batch 1
    at y_true[1, 0]=2... Labels of several classes need one column per class, of 0 and 1.
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, "sigmoid")])
    >>> keras_bce.check_inputs((x, [0, 1]), model=model, verbose=0)
    Traceback (most recent call last):
    ...
    ValueError: `y_pred` must hold probabilities in [0, 1]. Received: 1 of 2 outside or NaN, the
    first at y_pred[1, 0]=nan. The model itself gives NaN: look at its inputs, ...

    Beside `fit()`:

    ```python
    keras_bce.check_inputs(dataset)  # The labels, before training.
    model.fit(dataset)
    keras_bce.check_inputs(dataset, model=model)  # What the model predicts, too.
    ```
    """
    _check_arguments(y_true, y_pred, model, verbose)
    check = _Check(from_logits, _arguments.ignore_class(ignore_class), model, verbose)
    if model is not None and isinstance(y_true, tuple):
        found = check.pair(y_true)
    elif is_batches(y_true):
        found = check.batches(y_true)
    else:
        found = check.arrays(y_true, y_pred)
    if found:
        raise ValueError("\n".join(found))


class _Check(NamedTuple):
    """The arguments of `check_inputs`. Each method returns a list of faults, each a sentence."""

    from_logits: bool
    ignore_class: float | None
    model: Any
    verbose: Verbose

    def pair(self, pair: tuple[Any, ...]) -> list[str]:
        """Faults of `(x, y)` or `(x, y, sample_weight)` that hold all samples."""
        batch = unpacked(pair)
        samples = len(next(iter(outputs(batch[1]).values())))
        with Progress(math.ceil(samples / 32), self.verbose) as bar:
            return self.batch(batch, partial(self.model.predict, verbose=0, callbacks=[bar]))

    def batches(self, data: Any) -> list[str]:
        """Faults of the first labels that have any, and of the first predictions before these."""
        found: list[str] = []
        count = 0
        batches = Batches(data, labelled=True)
        length = batches.length
        most = MOST_BATCHES if length is None else length
        predict = getattr(self.model, "predict_on_batch", None)
        with Progress(length, self.verbose) as bar:
            for count, batch in enumerate(itertools.islice(batches, most), 1):
                new = self.batch(batch, predict, count - 1)
                found = [*new, *found]
                if any("`y_pred" not in fault for fault in new):
                    break
                # One impossible label, once fitted, makes all predictions NaN: read on to find it.
                predict = None if found else predict
                bar.update(count)
        if count == 0:
            fault = f"`y_true` must have a batch. Received: none from a {type(data).__name__}."
            raise ValueError(f"{fault} If it was read before, make it anew.")
        if length is None and count == most and not found:
            _origin.warn(f"`check_inputs` found no fault in {count:,} batches, and stopped there.")
        return found

    def batch(
        self,
        batch: tuple[Any, Any, Any],
        predict: Callable[[Any], Any] | None,
        number: int | None = None,
    ) -> list[str]:
        """Faults of each output of one batch; `number` is its place among the batches, if any."""
        x, y_true, sample_weight = batch
        labels, weights = outputs(y_true), outputs(sample_weight)
        predictions: Outputs = {}
        if predict is not None:
            predicted = predict(keras.tree.map_structure(readable, x))
            predictions = _predictions_of(labels, predicted, self.model)
        found = []
        for name, values in labels.items():
            weight = weights.get(name, weights.get(None))  # One per output, or one for all.
            try:
                sentences = self.arrays(values, predictions.get(name), weight)
            except ValueError as error:  # They are not even numbers.
                sentences = [str(error)]
            found += [located(sentence, number, name) for sentence in sentences]
        return found

    def arrays(self, y_true: Any, y_pred: Any = None, sample_weight: Any = None) -> list[str]:
        """Faults of labels, predictions and weights."""
        y_true = _faults.on_host(y_true, "y_true")
        unweighted, weight_faults = _weighted(sample_weight, y_true.shape)
        left_out = _faults.missing(y_true, self.ignore_class) | unweighted
        found = _faults.label_faults(y_true, left_out)
        if y_pred is not None:
            y_pred = _faults.on_host(y_pred, "y_pred")
            shorter, longer = sorted((y_true.shape, y_pred.shape), key=len)
            fits = longer in (shorter, (*shorter, 1))
            found += [] if fits else [_faults.shape_fault(y_true.shape, y_pred.shape)]
            left_out = left_out.reshape(y_pred.shape) if fits else np.False_
            found += _faults.prediction_faults(y_pred, self.from_logits, left_out)
        return found + weight_faults


def _check_arguments(y_true: Any, y_pred: Any, model: Any, verbose: Any) -> None:
    """Raises for arguments that do not go together."""
    check_verbose(verbose)
    if model is not None and not isinstance(model, keras.Model):
        raise ValueError(f"`model` must be a Keras model. Received: model={model!r}.")
    if y_pred is not None and (model is not None or is_batches(y_true)):
        raise ValueError(
            "`y_pred` goes with labels alone. Received: y_pred beside "
            f"{'batches' if model is None else 'a model'}. Leave it out, and pass `model=model`."
        )
    if model is not None and not (isinstance(y_true, tuple) or is_batches(y_true)):
        raise ValueError(
            "`model` needs its inputs beside the labels. Received: y_true of type "
            f"{type(y_true).__name__}. Pass `check_inputs((x, y), model=model)`, or batches."
        )


def _predictions_of(labels: Outputs, predicted: Any, model: Any) -> Outputs:
    """The predictions by the keys of the labels, also where only one of both has names."""
    predictions = outputs(predicted)
    if not labels.keys() <= predictions.keys():
        names = getattr(model, "output_names", ()) if str in map(type, labels) else labels
        arrays = keras.tree.flatten(predicted)
        predictions = dict(zip(names, arrays, strict=True)) if len(names) == len(arrays) else {}
    if not labels.keys() <= predictions.keys():
        raise ValueError(
            "`y` must hold labels by the names of outputs of the model, or one array per output. "
            f"Received: labels {[*labels]}, outputs {[*outputs(predicted)]}."
        )
    return predictions


def _weighted(sample_weight: Any, shape: tuple[int, ...]) -> tuple[Any, list[str]]:
    """Where labels of this shape have a weight of 0, and what is wrong with the weights."""
    if sample_weight is None:
        return np.False_, []
    weight = given = _faults.on_host(sample_weight, "sample_weight")
    shape_2d = (*shape, 1)[: max(len(shape), 2)]  # Labels (N,) are (N, 1).
    if weight.ndim > len(shape_2d) and weight.shape[-1] == 1:
        weight = weight[..., 0]
    try:
        weight = _prepare.align_weight("sample_weight", weight, shape_2d, -1)
    except ValueError:  # It names `shape_2d`; this names the shapes that were passed.
        fault = _faults.weight_fault("sample_weight", given.shape, shape)
        return np.False_, [fault.replace("y_pred", "y_true")]
    wrong = np.argwhere(~np.isfinite(given))
    return np.broadcast_to(weight == 0, shape_2d).reshape(shape), [
        f"`sample_weight` must hold finite numbers. Received: {len(wrong)} of {given.size} NaN or "
        f"infinite, the first at sample_weight{place.tolist()}={given[tuple(place)]}. To leave a "
        "sample out, give it a weight of 0."
        for place in wrong[:1]
    ]
