"""What is asked of TensorFlow, JAX, torch or NumPy themselves: the one room that imports them.

The backend that Keras runs on when the package is imported is the one used.
Each gives the same names. Of mathematics, elementwise:

- `log`; `log1m(x)`: `log(1 - x)`, exact for small `x`; `power(x, y)`; `where(condition, x, y)`;
- `ones_like(x)`, on the device of `x`, where Keras's is on the default one;
- `positive_zero(x)`: `x`, with 0.0 in place of -0.0 and the derivative of `x`;
- `at_least(x, low)`, `at_most(x, high)`, of a number; NaN stays NaN;
- `sigmoid_minus_abs(x)` and `softplus_minus_abs(x)`, of `-|x|`; `step(x)`: 1 where `x > 0`, 0
  where `x < 0`; and `with_sign(size, x)`: `size` and `-size` there. At 0 they agree, in value
  and derivative, to be on one side or on the other, or all of them halfway;
- `multiply_no_nan(x, weight)`: their product, and 0 where the weight is 0; where `x` is NaN,
  it may be 0; `divide_no_nan(x, size)`: their quotient, and 0 where the size is 0.

Of everything else:

- `at_once(function, *arguments)`: `function(*arguments)`, in which a loss is evaluated and
  reduced. It must depend on its arguments alone, which are tensors and arrays, values that can be
  compared, and tuples of them all: calls that differ in tensors only share what is compiled;
- `evaluate(loss, y, prediction, pos_weight, axis, prediction_limits, label_limits)`: the value of
  an elementwise loss, averaged over `axis` (`None` keeps the elements), with its derivative
  attached. What is outside the limits makes the loss that it enters NaN, and a loss that is NaN
  has a derivative that is NaN. Where predictions have limits, they are clipped to [0, 1] as well;
- `within(x, limits)`: `x`, and NaN where it is outside;
- `clipped(p, limits)`: probabilities clipped to [0, 1], and NaN where they are outside the limits;
- `nan_unless(possible, values)`: `values`, and NaN where `possible` is false. On valid data no
  intermediate result is NaN, which debuggers for NaN would report;
- `exact_sum(values, axis)`: a sum in more digits than float32 has, a *term*;
- `add_exactly(state, terms, *arguments)`: a state of K pairs, of shape (2, K), with K numbers
  added to it, at once and without a derivative: the list `terms(*arguments)`, of terms of rank 0
  or 1 and of Python floats (or of integers, where a graph does not know its sizes);
- `sums(state)`: those K, each rounded once;
- `find_logits(y_pred, even_if_costly=False)`: the logits that a sigmoid made `y_pred` from, where
  that is certain, else `None`;
- `find_mask(y_pred)`: the mask that Keras attached to `y_pred`, or `None`;
- `follow(x, like)`: `x` on the device of `like`;
- `has_float64()`: whether it computes in float64 when asked to;
- `infers_shapes()`: whether Keras runs this only to see a shape, on arrays of random values;
- `replica_count()`: the number of replicas whose losses will be summed.
"""

import importlib

import keras

_BACKENDS = ("tensorflow", "jax", "torch", "numpy")
_NAMES = (
    "add_exactly",
    "at_least",
    "at_most",
    "at_once",
    "clipped",
    "divide_no_nan",
    "evaluate",
    "exact_sum",
    "find_logits",
    "find_mask",
    "follow",
    "has_float64",
    "infers_shapes",
    "log",
    "log1m",
    "multiply_no_nan",
    "nan_unless",
    "ones_like",
    "positive_zero",
    "power",
    "replica_count",
    "sigmoid_minus_abs",
    "softplus_minus_abs",
    "step",
    "sums",
    "where",
    "within",
    "with_sign",
)

if keras.config.backend() not in _BACKENDS:
    raise ImportError(
        "keras_bce runs on the TensorFlow, JAX, torch and NumPy backends of Keras. "
        f"Received: backend={keras.config.backend()!r}. "
        "Set the environment variable KERAS_BACKEND to one of them."
    )

_module = importlib.import_module(f"{__name__}.{keras.config.backend()}")
globals().update({name: getattr(_module, name) for name in _NAMES})
