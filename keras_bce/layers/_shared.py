"""What all recalibration layers have in common: how they read inputs, and how they are adapted."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_bce import _faults, _fitting, _origin
from keras_bce._arguments import Arguments
from keras_bce._backend import backend
from keras_bce._data import Batches, is_batches, located, outputs
from keras_bce._links import Logits, Probabilities
from keras_bce._prepare import cast, computing_dtype, prepare, warn_of_sigmoid
from keras_bce._typing import Array, ArrayLike, Tensor
from keras_bce._weighting import exclude, weights_or_ones

register = keras.saving.register_keras_serializable(package="keras_bce.layers")


class Recalibration(keras.layers.Layer):
    """A layer that maps logits to logits, computed in float32 at least.

    Subclasses give the map, `_mapped`.
    """

    def __init__(self, from_logits: bool, to_logits: bool | None, **kwargs: Any) -> None:
        # Without `autocast`: a cast would lose the logits behind a sigmoid, and digits.
        super().__init__(autocast=False, **kwargs)
        self.from_logits = bool(from_logits)
        self.to_logits = self.from_logits if to_logits is None else bool(to_logits)
        self.supports_masking = True

    def call(self, inputs: Tensor) -> Tensor:
        """Recalibrated logits, or with `to_logits=False` probabilities, in the inputs' shape."""
        logits = self._mapped(self._logits(inputs))
        result = logits if self.to_logits else keras.activations.sigmoid(logits)
        return cast(result, self.compute_dtype)

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        """The inputs' shape, in the dtype that the layer computes in."""
        return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments, from which `from_config` makes a layer that can load the state."""
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "to_logits": self.to_logits,
        }

    def _logits(self, inputs: Tensor) -> Tensor:
        """The logits of inputs; those behind a sigmoid, where they are known."""
        dtype = computing_dtype(self.compute_dtype)
        known = backend.find_logits(inputs, even_if_costly=True)
        if known is not None:
            if self.from_logits:
                warn_of_sigmoid()
            return cast(known, dtype)
        link = Logits() if self.from_logits else Probabilities(keras.config.epsilon())
        return link.checked(cast(inputs, dtype)).logit

    def _mapped(self, logits: Tensor) -> Tensor:
        """The recalibrated logits."""
        raise NotImplementedError


class FittedRecalibration(Recalibration):
    """A recalibration whose parameters are fitted by `adapt`, and kept in weights.

    Until then the weights are NaN. Subclasses name their parameters, each of which becomes a
    weight and an attribute of that name, and give the fit of one label's rows, `_fitted`.
    """

    _weight_names: tuple[str, ...]
    #: The shape of a parameter for one label.
    _weight_shape: tuple[int, ...] = ()

    def __init__(
        self,
        from_logits: bool = True,
        per_label: bool = False,
        *,
        to_logits: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(from_logits, to_logits, **kwargs)
        self.per_label = bool(per_label)
        self._is_adapted = False

    def build(self, input_shape: Any) -> None:
        """Makes the weights: one for all labels, or one for each entry of the last axis."""
        if self.per_label and input_shape[-1] is None:
            raise ValueError(
                "`per_label=True` needs a known number of labels, the last axis of the inputs. "
                f"Received: input shape {tuple(input_shape)}."
            )
        labels = (input_shape[-1],) if self.per_label else ()
        for name in self._weight_names:
            weight = self.add_weight(
                name=name,
                shape=(*self._weight_shape, *labels),
                initializer=keras.initializers.Constant(np.nan),
                dtype=computing_dtype(self.variable_dtype),
                trainable=False,
                autocast=False,
            )
            setattr(self, name, weight)

    def adapt(
        self,
        y_pred: Any,
        y_true: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        ignore_class: float | None = None,
    ) -> None:
        r"""Fits the parameters to predictions and their labels, and forgets earlier ones.

        All but `IsotonicCalibration` minimise the weighted cross-entropy

        $$
        \sum_i w_i \left( \log (1 + e^{r_i}) - y_i r_i \right)
        $$

        over all predictions i whose label is not missing, or over those of each label with
        `per_label=True`. r is the recalibrated logit, y the label and w its weight. The fit runs on
        the host in float64, with SciPy.

        Args:
            y_pred: Predictions of a model, on rows that it was not trained on,
                `(batch, ..., labels)`: logits or probabilities, as `from_logits` says. Or, without
                `y_true`, batches `(y_pred, y_true)` or `(y_pred, y_true, sample_weight)`, in any
                form that `fit` takes.
            y_true: Labels in [0, 1], in the shape of `y_pred`.
            sample_weight: Weights w, one per row or one per prediction. Only their ratios count.
            ignore_class: The label that stands for "missing": a number or NaN.

        Raises:
            ValueError: for values and shapes that a loss refuses, for NaN in tensors as well; and,
                for each label with `per_label=True`, for fewer than 10 rows, rows of one class, and
                infinite logits.
            ImportError: without SciPy, the extra `calibration`.
        """
        arguments = Arguments(from_logits=self.from_logits, ignore_class=ignore_class)
        logits, labels, weights = _read(arguments, y_pred, y_true, sample_weight)
        count = logits.shape[1]
        if not self.built:
            self.build((None, count))
        elif self.per_label and getattr(self, self._weight_names[0]).shape[-1] != count:
            raise ValueError(
                "`y_pred` must have as many labels as the layer's inputs. Received: "
                f"{count} labels where the layer has "
                f"{getattr(self, self._weight_names[0]).shape[-1]}."
            )
        if not self.per_label:
            rows = _fitting.usable(logits.ravel(), labels.ravel(), weights.ravel())
            fitted = self._fitted(rows)
        else:
            columns = zip(logits.T, labels.T, weights.T, strict=True)
            each = [
                self._fitted(_fitting.usable(*column, place=f" in column {j}"))
                for j, column in enumerate(columns)
            ]
            fitted = [np.stack(values, -1) for values in zip(*each, strict=True)]
        for name, values in zip(self._weight_names, fitted, strict=True):
            getattr(self, name).assign(values)
        self._is_adapted = True

    def call(self, inputs: Tensor) -> Tensor:
        """Recalibrated logits, or with `to_logits=False` probabilities, in the inputs' shape.

        Raises:
            ValueError: if the layer is not adapted. Compiled, the result is NaN then.
        """
        if not self._is_adapted:
            self._check_adapted(inputs)
        return super().call(inputs)

    def get_config(self) -> dict[str, Any]:
        """The arguments, from which `from_config` makes a layer that can load the state."""
        return {**super().get_config(), "per_label": self.per_label}

    def load_own_variables(self, store: Any) -> None:
        """Loads the state of a saved layer, adapted or not."""
        super().load_own_variables(store)
        self._is_adapted = not self._holds_nan()

    def _holds_nan(self) -> bool:
        return any(np.isnan(ops.convert_to_numpy(weight)).any() for weight in self.weights)

    def _check_adapted(self, inputs: Tensor) -> None:
        tensors = (inputs, *map(ops.convert_to_tensor, self.weights))
        if backend.infers_shapes() or not all(map(backend.is_known, tensors)):
            return
        if self._holds_nan():
            raise ValueError(
                f"A {type(self).__name__} must be adapted before it is called. Call "
                "`adapt(y_pred, y_true)`, or use `keras_bce.recalibrate`."
            )
        self._is_adapted = True

    def _fitted(self, rows: _fitting.Rows) -> Iterable[Any]:
        """The parameters, in their order."""
        raise NotImplementedError


def _read(
    arguments: Arguments, y_pred: Any, y_true: Any, sample_weight: Any
) -> tuple[Array, Array, Array]:
    """Logits, labels and weights on the host, of shape `(rows, labels)`; a weight of 0 excludes."""
    batches: Iterable[tuple[int | None, Any]]
    if y_true is not None:
        batches = [(None, (y_pred, y_true, sample_weight))]
    elif is_batches(y_pred):
        batches = enumerate(Batches(y_pred, labelled=True))
    else:
        raise ValueError(
            "`y_true` must be given beside an array of predictions. Received: y_true=None, y_pred "
            f"of type {type(y_pred).__name__}."
        )
    parts = []
    for number, batch in batches:
        try:
            parts.append(_read_batch(arguments, *batch))
        except ValueError as error:
            raise ValueError(located(str(error), number)) from error
    if not parts:
        raise ValueError(
            f"`y_pred` must have a batch. Received: none from a {type(y_pred).__name__}. If it was "
            "read before, make it anew."
        )
    logits, labels, weights = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    if arguments.from_logits and logits.size and logits.min() >= 0 and logits.max() <= 1:
        _origin.warn(
            "`from_logits=True`, but all predictions are in [0, 1], as probabilities are. If they "
            "are probabilities, pass `from_logits=False`."
        )
    return logits, labels, weights


def _read_batch(
    arguments: Arguments, y_pred: Any, y_true: Any, sample_weight: Any
) -> tuple[Array, Array, Array]:
    of_outputs = outputs(y_true)
    if len(of_outputs) == 1:
        (y_true,) = of_outputs.values()
    batch, reading = prepare(arguments, y_true, y_pred, sample_weight)
    batch = exclude(batch, reading)
    shape = (-1, batch.predictions.shape[-1])
    logits, predictions, labels, weights = (
        ops.convert_to_numpy(values).reshape(shape).astype("float64")
        for values in (
            reading.link.checked(batch.predictions).logit,
            batch.predictions,
            batch.labels,
            weights_or_ones(batch),
        )
    )
    faults = _faults.label_faults(labels) + _faults.prediction_faults(
        predictions, isinstance(reading.link, Logits)
    )
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        faults.append(
            "`sample_weight` must hold finite numbers, 0 or greater. Received: "
            f"{int(wrong.sum())} of {weights.size} that are not, the first "
            f"sample_weight={weights[wrong][0]}."
        )
    if faults:
        raise ValueError("\n".join(faults))
    return logits, labels, weights
