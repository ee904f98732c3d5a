"""What has to be asked of TensorFlow, JAX or torch itself: the one room that imports them.

The backend that Keras runs on is chosen when the package is imported. Each
gives the same seven names:

- `evaluate(loss, y, prediction, axis)`: the value of an elementwise loss with its
  derivative attached, averaged over `axis` (`None` keeps the elements);
- `multiply_no_nan(x, weight)`: their product, and 0 where the weight is 0;
- `find_logits(y_pred)`: the logits that a sigmoid made `y_pred` from, or `None`;
- `find_mask(y_pred)`: the mask that Keras attached to `y_pred`, or `None`;
- `exact_sum(values, axis)`: a sum as an unevaluated pair (high, low);
- `has_float64()`: whether it computes in float64 when asked to;
- `replica_count()`: the number of replicas whose losses will be summed.

The rule that `evaluate` keeps on every backend: a label outside [0, 1] makes the
loss it enters NaN, and a loss that is NaN has a derivative that is NaN.
"""

import keras

if keras.config.backend() == "tensorflow":
    from keras_bce.backend.tensorflow import (
        evaluate,
        exact_sum,
        find_logits,
        find_mask,
        has_float64,
        multiply_no_nan,
        replica_count,
    )
elif keras.config.backend() == "jax":
    from keras_bce.backend.jax import (
        evaluate,
        exact_sum,
        find_logits,
        find_mask,
        has_float64,
        multiply_no_nan,
        replica_count,
    )
elif keras.config.backend() == "torch":
    from keras_bce.backend.torch import (
        evaluate,
        exact_sum,
        find_logits,
        find_mask,
        has_float64,
        multiply_no_nan,
        replica_count,
    )
else:
    raise ImportError(
        "keras_bce runs on the TensorFlow, JAX and torch backends of Keras. "
        f"Received: backend={keras.config.backend()!r}. "
        "Set the environment variable KERAS_BACKEND to one of them."
    )

__all__ = [
    "evaluate",
    "exact_sum",
    "find_logits",
    "find_mask",
    "has_float64",
    "multiply_no_nan",
    "replica_count",
]
