"""Recalibration by what is known of the training: its weights, its sampling, its base rate."""

from typing import Any

import keras
import numpy as np

from keras_bce import _arguments
from keras_bce._backend import backend
from keras_bce._links import log_odds
from keras_bce._prepare import check_label_count
from keras_bce._typing import Array, LabelFactors, Tensor
from keras_bce.layers._shared import Recalibration, register

__all__ = ["PriorCorrection"]


@register
class PriorCorrection(Recalibration):
    r"""Undoes what training did to the odds, where it is known: nothing is fitted.

    $$
    \text{result} = z - \log w + \log r
    - \log \frac{\pi_{\text{train}}}{1 - \pi_{\text{train}}}
    + \log \frac{\pi_{\text{target}}}{1 - \pi_{\text{target}}}
    $$

    z is the logit of the input. What is not given has no term:

    - A model trained with w = `pos_weight` predicts odds that are w times too high.
    - One trained on all positives and on a share r = `negative_sampling_rate` of the negatives
      predicts odds that are 1 / r times too high.
    - One trained where a share `train_prior` is positive, and used where it is `target_prior`, is
      off by the ratio of the prior odds. Sampling changes the prior, so give either its rate or the
      priors.

    This is Bayes' rule: exact for a model that fits its training data, and otherwise as far off as
    the model is. It does not undo focal loss or over-fitting: use `PlattScaling`, which is fitted
    to rows that the model was not trained on.

    Called with floats of any shape `(batch, ..., labels)`; the result has the same shape and the
    layer's compute dtype.

    Args:
        pos_weight: The `pos_weight` of the training loss, greater than 0: a number, or a list of
            one per label, an entry of the last axis. So are the next three.
        negative_sampling_rate: The share of the negatives that training kept, in (0, 1].
        train_prior: The share of positives in training, in (0, 1).
        target_prior: The share of positives where the model is used, in (0, 1).
        from_logits: Whether inputs are logits rather than probabilities, which become logits as in
            `TemperatureScaling`.
        to_logits: Whether results are logits; by default, if inputs are.
        **kwargs: `name` and `dtype`, as of any layer. Half precision is computed in float32.

    Raises:
        ValueError: for values outside of their ranges, for one prior without the other, if there is
            nothing to correct, and for lists that differ in length or do not fit the inputs.

    Examples:

    >>> import numpy as np
    >>> from keras_bce.layers import PriorCorrection
    >>> layer = PriorCorrection(negative_sampling_rate=0.1, from_logits=False)
    >>> print(f"{float(layer(np.array([0.5]))[0]):.4f}")  # 1 / 11
    0.0909

    After training with `pos_weight`:

    ```python
    loss = keras_bce.losses.BinaryCrossentropy(from_logits=True, pos_weight=20.0)
    model.compile("adam", loss=loss)
    model.fit(x, y)
    correction = keras_bce.layers.PriorCorrection(pos_weight=20.0)
    corrected = keras.Sequential([model, correction])
    ```

    References: Saerens et al., 2002, "Adjusting the Outputs of a Classifier to New a Priori
    Probabilities", https://doi.org/10.1162/089976602753284446; He et al., 2014, "Practical Lessons
    from Predicting Clicks on Ads at Facebook", section 6.3,
    https://doi.org/10.1145/2648584.2648589.
    """

    def __init__(
        self,
        pos_weight: LabelFactors = None,
        negative_sampling_rate: LabelFactors = None,
        train_prior: LabelFactors = None,
        target_prior: LabelFactors = None,
        from_logits: bool = True,
        *,
        to_logits: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(from_logits, to_logits, **kwargs)
        self.pos_weight = _arguments.rates("pos_weight", pos_weight, below=np.inf)
        self.negative_sampling_rate = _arguments.rates(
            "negative_sampling_rate", negative_sampling_rate, up_to=1.0
        )
        self.train_prior = _arguments.rates("train_prior", train_prior)
        self.target_prior = _arguments.rates("target_prior", target_prior)
        given = {name: value for name, value in self._corrections().items() if value is not None}
        if not given or (train_prior is None) != (target_prior is None):
            raise ValueError(
                "`PriorCorrection` needs `pos_weight`, `negative_sampling_rate`, or both "
                f"`train_prior` and `target_prior`. Received: {given or 'none of them'}."
            )
        self._labels = {
            name: len(value) for name, value in given.items() if isinstance(value, list)
        }
        if len({*self._labels.values()}) > 1:
            raise ValueError(
                f"Lists of one number per label must be equally long. Received: {self._labels} "
                "numbers."
            )
        self._shift = self._shift_of_logits()

    def build(self, input_shape: Any) -> None:
        """Checks that lists have a number for each label."""
        for name, count in self._labels.items():
            check_label_count(name, count, input_shape, -1)

    def get_config(self) -> dict[str, Any]:
        """The arguments, from which `from_config` makes an equal layer."""
        return {**super().get_config(), **self._corrections()}

    def _corrections(self) -> dict[str, float | list[float] | None]:
        return {
            "pos_weight": self.pos_weight,
            "negative_sampling_rate": self.negative_sampling_rate,
            "train_prior": self.train_prior,
            "target_prior": self.target_prior,
        }

    def _mapped(self, logits: Tensor) -> Tensor:
        dtype = keras.backend.standardize_dtype(logits.dtype)
        return logits + backend.from_host(self._shift.astype(dtype))

    def _shift_of_logits(self) -> Array:
        """What is added to a logit, in float64: a number, or one per label."""
        shift = np.zeros(())
        if self.pos_weight is not None:
            shift = shift - np.log(self.pos_weight)
        if self.negative_sampling_rate is not None:
            shift = shift + np.log(self.negative_sampling_rate)
        if self.target_prior is not None:
            shift = shift + log_odds(self.target_prior) - log_odds(self.train_prior)
        return np.asarray(shift)
