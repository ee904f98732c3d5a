"""The bias that starts a model at the base rate."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_bce import _arguments
from keras_bce._links import log_odds
from keras_bce._typing import LabelFactors, Tensor

__all__ = ["LogOdds"]


def __dir__() -> list[str]:
    return sorted(__all__)


@keras.saving.register_keras_serializable(package="keras_bce.initializers")
class LogOdds(keras.initializers.Initializer):
    r"""The bias with which a model predicts the base rate before it is trained.

    $$
    b = \log \frac{r}{1 - r}
    $$

    where $r$ is `rate`. The first loss of an imbalanced problem is then about the entropy of the
    base rate, rather than log(2), and the first epochs need not be spent on learning the bias.

    Args:
        rate: The share of positives, in (0, 1): a number, or a list of one per label, the last axis
            of the bias. See `keras_bce.base_rate`.

    Called with the `shape` of the bias and a `dtype`, by default `keras.config.floatx()`.

    Raises:
        ValueError: for a rate outside of (0, 1), and for a bias of another number of labels.

    Examples:

    >>> import keras_bce
    >>> initializer = keras_bce.initializers.LogOdds([0.5, 0.01])
    >>> print([f"{float(bias):.3f}" for bias in initializer((2,))])
    ['0.000', '-4.595']

    In a model:

    ```python
    rate = keras_bce.base_rate(y_train)
    head = keras.layers.Dense(1, bias_initializer=keras_bce.initializers.LogOdds(rate))
    model = keras.Sequential([keras.Input((30,)), head])
    model.compile("adam", loss=keras_bce.losses.BinaryCrossentropy(from_logits=True))
    ```

    With `pos_weight` the best constant prediction has `pos_weight` times the odds of the base rate.
    With `keras_bce.balanced_pos_weight` that is a bias of 0, which needs no initializer.

    References: Karpathy, 2019,
    [A Recipe for Training Neural Networks](https://karpathy.github.io/2019/04/25/recipe/); Lin et
    al., 2017, "Focal Loss for Dense Object Detection", section 3.3,
    https://arxiv.org/abs/1708.02002.
    """

    def __init__(self, rate: LabelFactors) -> None:
        valid = _arguments.rates("rate", rate)
        if valid is None:
            raise ValueError("`rate` must be a number in (0, 1). Received: rate=None.")
        self.rate = valid

    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """The bias, a tensor of this shape."""
        bias = log_odds(self.rate)
        if np.ndim(bias) and (not shape or shape[-1] != len(bias)):
            raise ValueError(
                "`rate` must be a number, or have one entry per label, the last axis of the bias. "
                f"Received: {len(bias)} entries, shape {tuple(shape)}."
            )
        return ops.convert_to_tensor(np.broadcast_to(bias, shape).copy(), dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments, from which `from_config` makes an equal initializer."""
        return {"rate": self.rate}
