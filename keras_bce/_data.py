"""What `fit` takes, read batch by batch, with a progress bar."""

import contextlib
import itertools
import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import keras
import numpy as np
from keras import ops

#: With `verbose="auto"`, the seconds after which a progress bar appears.
PROGRESS_DELAY = 1.0

Verbose: TypeAlias = Literal["auto", 0, 1] | bool

#: Arrays by the name or the position of their output; that of a single output by `None`.
Outputs: TypeAlias = dict[Any, Any]


class Batches:
    """What `fit` takes, as batches `(x, y, sample_weight)`; what is not given is `None`.

    Args:
        x: One of two things. Arrays, a structure of them as a model with several inputs takes.
            Or, without `y`, batches, each `x`, `(x,)`, `(x, y)` or `(x, y, sample_weight)`: a
            `tf.data.Dataset`, a `keras.utils.PyDataset`, a torch `DataLoader`, or an iterable.
        y: Labels beside arrays, as a model with several outputs takes them.
        sample_weight: Weights beside arrays.
        batch_size: Rows of a batch that is cut from arrays, 32 by default.
        labelled: Whether a batch without labels is an error.

    Attributes:
        length: The number of batches; `None` if it is not known.
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        batch_size: int | None = None,
        labelled: bool = False,
    ) -> None:
        self._labelled = labelled
        self._given = x
        self._rows: int | None = None
        self.length: int | None = None
        if y is None and is_batches(x):
            by_index = isinstance(x, keras.utils.PyDataset)
            with contextlib.suppress(TypeError, NotImplementedError):  # Unknown, or without end.
                self.length = x.num_batches if by_index else len(x)
            return
        self._given = tuple(_sliceable(part) for part in (x, y, sample_weight))
        self._batch_size = 32 if batch_size is None else batch_size
        sizes = {len(array) for array in keras.tree.flatten(self._given) if array is not None}
        if len(sizes) != 1:
            raise ValueError(
                "Inputs, labels and weights must have the same number of rows. "
                f"Received: {sorted(sizes)} rows."
            )
        self._rows = sizes.pop()
        self.length = math.ceil(self._rows / self._batch_size)

    def __iter__(self) -> Iterator[tuple[Any, Any, Any]]:
        if self._rows is not None:
            for start in range(0, self._rows, self._batch_size):
                rows = slice(start, start + self._batch_size)
                yield keras.tree.map_structure(
                    lambda array, rows=rows: None if array is None else array[rows], self._given
                )
            return
        by_index = isinstance(self._given, keras.utils.PyDataset)
        batches = (self._given[i] for i in itertools.count()) if by_index else self._given
        for number, batch in enumerate(itertools.islice(batches, self.length)):
            yield unpacked(batch, number, self._labelled)


def _sliceable(value: Any) -> Any:
    """A structure of arrays, whose rows can be cut; a list of numbers becomes an array."""
    if isinstance(value, (list, tuple)) and not all(rank(part) for part in value):
        return np.asarray(value)
    return keras.tree.map_structure(
        lambda x: x if x is None or ops.is_tensor(x) else np.asarray(x), value
    )


def is_batches(data: Any) -> bool:
    """Whether `data` gives batches, rather than being labels."""
    if isinstance(data, (list, tuple)):
        return len(data) > 0 and all(_is_batch(item) for item in data)
    if isinstance(data, (Sequence, Mapping)) or rank(data) is not None:
        return False
    return isinstance(data, keras.utils.PyDataset) or hasattr(data, "__iter__")


def _is_batch(item: Any) -> bool:
    """Whether an item of a list is `(x, y)` or `(x, y, sample_weight)`, rather than numbers."""
    if not isinstance(item, (list, tuple)) or len(item) not in (2, 3):
        return False
    parts = [part for part in keras.tree.flatten(list(item[:2])) if part is not None]
    return bool(parts) and all(rank(part) for part in parts)


def rank(value: Any) -> int | None:
    """The number of axes of a tensor, array or table of any library; `None` for anything else."""
    if hasattr(value, "shape"):
        return len(value.shape)
    return 1 if hasattr(value, "__array__") else None


def unpacked(batch: Any, number: int | None = None, labelled: bool = True) -> tuple[Any, Any, Any]:
    """The inputs, the labels and the weights of a batch, `None` for what it has not."""
    parts = tuple(batch) if isinstance(batch, (list, tuple)) else (batch,)
    x, y_true, sample_weight = [*parts, None, None][:3]
    no_labels = not outputs(y_true) or np.isscalar(y_true) or rank(y_true) == 0
    if (labelled and no_labels) or len(parts) > 3:
        rule = "A batch must be `(x, y)` or `(x, y, sample_weight)`, with an array of labels `y`."
        received = f"Received: ({', '.join(type(part).__name__ for part in parts)})."
        raise ValueError(located(f"{rule} {received} Give it labels, as `fit` needs.", number))
    return x, y_true, sample_weight


def outputs(values: Any) -> Outputs:
    """The arrays of a dict, a list or a tuple; `{}` for `None`, a dict of one for anything else."""
    if isinstance(values, Mapping):
        return {name: array for name, array in values.items() if array is not None}
    if isinstance(values, (list, tuple)) and values and all(rank(array) for array in values):
        return dict(enumerate(values)) if len(values) > 1 else {None: values[0]}
    return {} if values is None else {None: values}


def readable(x: Any) -> Any:
    """An input that the model can read: a tensor of another backend becomes a NumPy array."""
    return x if ops.is_tensor(x) or not hasattr(x, "__array__") else np.asarray(x)


def located(sentence: str, number: int | None, output: Any = None) -> str:
    """A fault, with the batch and the output that it is in, if these are given."""
    if number is not None:
        words = "the first" if "the first at" in sentence else "Received"
        sentence = sentence.replace(words, f"{words} in batch {number}", 1)
    if output is not None:
        sentence = re.sub(
            r"\by_true|\by_pred|\bsample_weight", lambda word: f"{word[0]}[{output!r}]", sentence
        )
    return sentence


def check_verbose(verbose: Any) -> None:
    """Raises for anything but the values that `verbose` may have."""
    if not isinstance(verbose, (str, int)) or verbose not in ("auto", 0, 1):
        raise ValueError(f"`verbose` must be 'auto', 0 or 1. Received: verbose={verbose!r}.")


class Progress(keras.callbacks.Callback):
    """A progress bar, which also follows `predict` and `evaluate`.

    With `verbose="auto"` it appears late.
    """

    def __init__(self, length: int | None, verbose: Verbose) -> None:
        super().__init__()
        self._bar = keras.utils.Progbar(length, unit_name="batch")
        delay = {"auto": PROGRESS_DELAY, 0: math.inf, 1: 0.0}[verbose]
        self._show_from = time.monotonic() + delay
        self._shown: int | None = None

    def update(self, count: int) -> None:
        if time.monotonic() >= self._show_from:
            self._bar.update(count, finalize=False)
            self._shown = count

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        self.update(batch + 1)

    on_test_batch_end = on_predict_batch_end

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error: object) -> None:
        if self._shown is not None:
            self._bar.update(self._shown, finalize=True)
