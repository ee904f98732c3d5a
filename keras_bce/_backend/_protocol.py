"""What each backend gives. mypy checks every module of `_backend` against it."""

from collections.abc import Callable
from typing import Any, Protocol

from keras_bce._typing import Array, Function, Tensor

#: `(low, high)`
Limits = tuple[float, float]
Axis = int | tuple[int, ...] | None


class Backend(Protocol):
    """Elementwise mathematics, and what each framework does differently.

    Where `keras.ops` does it as exactly and as fast, it is not here.
    """

    def log(self, x: Tensor, /) -> Tensor:
        """The natural logarithm."""

    def log1p(self, x: Tensor, /, overwrite: bool = False) -> Tensor:
        """`log(1 + x)`, exact for small `x`. With `overwrite`, it may change `x` in place."""

    def power(self, x: Tensor, y: Any, /) -> Tensor:
        """`x ** y`."""

    def where(self, condition: Tensor, x: Any, y: Any, /) -> Tensor:
        """`x` where the condition is true, else `y`; one of them may be a number."""

    def is_known(self, x: Tensor, /) -> bool:
        """Whether the values of a tensor can be read now, as they cannot while compiling."""

    def from_host(self, values: Array, /) -> Tensor:
        """A tensor on Keras's default device."""

    def ones_like(self, x: Tensor, /) -> Tensor:
        """Ones on the device of `x`; Keras's are on the default device."""

    def at_least(self, x: Tensor, low: float, /) -> Tensor:
        """The larger of both; NaN stays NaN."""

    def at_most(self, x: Tensor, high: float, /) -> Tensor:
        """The smaller of both; NaN stays NaN."""

    def between(self, x: Tensor, low: float, high: float, /) -> Tensor:
        """`x`, at least `low` and at most `high`; NaN stays NaN."""

    def is_within(self, x: Tensor, limits: Limits, /) -> Tensor:
        """Whether each number is within the limits, bool."""

    def minus_abs(self, x: Tensor, /) -> Tensor:
        """`-|x|`.

        At 0 the slopes of this, `minus_sigmoid_minus_abs`, `softplus_minus_abs`, `step_minus` and
        `with_sign` agree: all are those of one side, or all are halfway.
        """

    def minus_sigmoid_minus_abs(self, x: Tensor, /) -> Tensor:
        """`-sigmoid(-|x|)`."""

    def softplus_minus_abs(self, x: Tensor, /) -> Tensor:
        """`log(1 + exp(-|x|))`."""

    def step_minus(self, x: Tensor, y: Tensor | None = None, /) -> Tensor:
        """`1 - y` where `x > 0`, `-y` where `x < 0`; `None` counts as `y = 0`."""

    def with_sign(self, size: Tensor, x: Tensor, plus: Tensor | None = None, /) -> Tensor:
        """`plus + size` where `x > 0`, `plus - size` where `x < 0`; `None` counts as `plus = 0`."""

    def multiply_no_nan(self, x: Tensor, weight: Tensor, /, overwrite: bool = False) -> Tensor:
        """`x * weight`, and 0 where the weight is 0; where `x` is NaN, it may be 0.

        With `overwrite`, it may change the weight in place.
        """

    def divide_no_nan(self, x: Tensor, size: Tensor, /) -> Tensor:
        """`x / size`, and 0 where the size is 0."""

    def within(self, x: Tensor, limits: Limits, /) -> Tensor:
        """`x`, and NaN where it is outside of the limits.

        On valid data no intermediate result is NaN, which debuggers for NaN would report.
        """

    def clipped(self, p: Tensor, limits: Limits, /) -> Tensor:
        """Probabilities clipped to [0, 1], and NaN where they are outside of the limits."""

    def differentiable(self, formula: Callable[..., Any], /) -> Callable[..., Tensor]:
        """Gives a pointwise loss its own derivatives, in the manner of `jax.custom_jvp`.

        Args:
            formula: `formula(loss, link, y, prediction, pos_weight, check="first")` gives an
                object with `value`, `slope` and `label_slope`; see `_pointwise.losses`.

        Returns:
            `losses(loss, link, y, prediction, pos_weight, axis)`: the value, averaged over `axis`
            (`None` keeps the elements), with its derivatives attached. Where it is NaN, they are
            NaN.
        """

    def with_gradient(
        self, value: Callable[..., Tensor], gradient: Callable[..., Any], /
    ) -> Callable[..., Tensor]:
        """Gives a function a gradient that is computed anew, so that nothing is kept for it.

        Args:
            value: `value(inputs, constants, plan)`: a tensor, from a tuple of tensors, a tuple
                of tensors that get no gradient, and a tuple of numbers. A tensor may be `None`.
            gradient: `gradient(inputs, constants, plan, upstream)`: one for each input.

        Returns:
            `function(inputs, constants, plan)`.
        """

    def loop(self, count: Any, body: Callable[[Any, Any], Any], state: Any, /) -> Any:
        """The state after `state = body(i, state)` for each `i` in `range(count)`.

        Where it is compiled, it stays a loop. A state is a tuple of tensors.
        """

    def columns(self, x: Tensor, start: Any, size: Any, /) -> Tensor:
        """`x[..., start : start + size]`."""

    def with_columns(self, x: Tensor, part: Tensor, start: Any, /) -> Tensor:
        """`x` with `part` in the place of its columns from `start` on; `x` itself may change."""

    def marks(self, places: Tensor, size: Any, like: Tensor, /) -> Tensor:
        """A matrix of `size` columns, 1 at the places named in each row, 0 elsewhere.

        Args:
            places: Integers (rows, K), int32; those that are no column of the matrix mark nothing.
            size: The number of columns.
            like: A tensor of the dtype of the matrix.
        """

    def unconverted(self, function: Function, /) -> Function:
        """The function, which TensorFlow's AutoGraph calls as it is.

        AutoGraph rewrites the source of what a `tf.function` calls, which takes longer than all
        the rest of a trace.
        """

    def compiled(self, function: Callable[..., Tensor], /) -> Callable[..., Tensor]:
        """Compiles a whole computation for standalone calls, where the backend compiles.

        Args:
            function: `function(tensors, loss, *static)`: a tensor, from a (nested) tuple of
                tensors, a `Pointwise` loss and hashable arguments. Calls that differ in tensors
                and numbers of the loss alone share what is compiled.
        """

    def compiled_update(self, function: Callable[..., Tensor], /) -> Callable[..., Tensor]:
        """Like `compiled`, for a function that is never differentiated."""

    def compiled_result(
        self, function: Callable[[Tensor], Any], on_host: Callable[[Array], Array | None], /
    ) -> Callable[[Tensor], Any]:
        """Like `compiled`, for what makes a metric's result of its state.

        Args:
            function: The result of a tensor.
            on_host: The same of an array, or `None` if only the function does it. A backend may
                call it in the function's place where that takes less time.
        """

    def compiled_result_of_columns(
        self, function: Callable[[Tensor], Any], /
    ) -> Callable[[Tensor], list[Any]]:
        """The function of each column of a matrix, compiled once for all of them."""

    def result(self, x: Tensor, dtype: str, /) -> Tensor:
        """`x` in this dtype, with 0.0 in the place of -0.0, and the derivative of `x`."""

    def exact_sum(self, values: Tensor, axis: Axis = None, /) -> Any:
        """A sum with more digits than float32 has, for `add_exactly`; also of an exact product."""

    def exact_product(self, a: Tensor, b: Tensor, /) -> Any:
        """`a * b` without rounding, for `exact_sum` and `exact_segment_sums`."""

    def exact_segment_sum(self, values: Tensor, segments: Tensor, count: int, /) -> Any:
        """The exact sum of each of `count` segments, for `add_exactly`.

        Args:
            values: Of rank 1.
            segments: int32, of the same shape: the segment of each value, from 0 on.
        """

    def exact_segment_sums(self, columns: list[Any], segments: Tensor, count: int, /) -> Any:
        """The sum of each column over each of `count` segments, column by column.

        As exact as `exact_sum`, where `exact_segment_sum` is fast and may round sums of some
        thousand values.

        Args:
            columns: Tensors of rank 1 or 2, or exact products of such, with a row for each of the
                segments.
            segments: int32, of rank 1: the segment of each row, from 0 on.
        """

    def add_exactly(self, state: Tensor, added: list[Any], /) -> Tensor:
        """A state of K pairs, of shape (2, K), with K numbers added.

        Args:
            state: High parts and low parts.
            added: Exact sums of rank 0 or 1, floats, and integer tensors; K numbers together.
        """

    def sums(self, state: Tensor, /) -> Tensor:
        """The K sums of a state, each rounded once."""

    def find_logits(self, y_pred: Any, /, even_if_costly: bool = False) -> Tensor | None:
        """The logits that a sigmoid made `y_pred` from, where that is certain."""

    def find_notes(self, y_pred: Any, /, even_if_costly: bool = False) -> tuple[Any, Any]:
        """The mask that Keras attached to `y_pred`, and its logits as `find_logits` gives them."""

    def follow(self, x: Tensor, like: Tensor, /) -> Tensor:
        """`x` on the device of `like`."""

    def has_float64(self) -> bool:
        """Whether it computes in float64 when asked to."""

    def infers_shapes(self) -> bool:
        """Whether Keras runs this on uninitialised arrays, only to see the shape of the result."""

    def replica_count(self) -> int:
        """The number of replicas whose losses will be summed."""
