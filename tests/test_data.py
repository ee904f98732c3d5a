"""Batches of what `fit` takes."""

import keras
import numpy as np
import pytest
from support.differentiation import to_numpy

from keras_bce._data import Batches, check_verbose


def test_arrays_are_cut_into_batches_of_rows():
    batches = Batches(np.arange(70), list(range(70)), batch_size=30)
    assert batches.length == 3
    sizes = [(len(x), len(y), weight) for x, y, weight in batches]
    assert sizes == [(30, 30, None), (30, 30, None), (10, 10, None)]
    assert [len(x) for x, _, _ in Batches(np.arange(33))] == [32, 1]


def test_every_array_of_a_structure_is_cut():
    x = {"a": np.arange(4), "b": keras.ops.arange(4)}
    (first, (y, _), weight), _ = Batches(x, [np.arange(4), np.zeros(4)], np.ones(4), batch_size=2)
    assert to_numpy(first["a"]).tolist() == to_numpy(first["b"]).tolist() == y.tolist() == [0, 1]
    assert weight.tolist() == [1, 1]


def test_arrays_of_different_lengths_are_an_error():
    with pytest.raises(ValueError, match=r"the same number of rows. Received: \[2, 3\] rows"):
        Batches(np.zeros(3), np.zeros(2))


def test_batches_are_handed_on_with_none_for_what_they_have_not():
    given = [(np.zeros(2), np.ones(2)), (np.zeros(2), np.ones(2), np.ones(2))]
    batches = Batches(given)
    assert batches.length == 2
    assert [weight is None for _, _, weight in batches] == [True, False]
    generator = Batches(np.zeros(2) for _ in range(3))
    assert generator.length is None
    assert [y for _, y, _ in generator] == [None] * 3


def test_a_batch_without_labels_is_an_error_where_they_are_needed():
    batches = iter(Batches((np.zeros(2) for _ in range(3)), labelled=True))
    with pytest.raises(ValueError, match="Received in batch 0: "):
        next(batches)


@pytest.mark.parametrize("verbose", [2, "no", None])
def test_verbose_is_checked(verbose):
    with pytest.raises(ValueError, match=f"Received: verbose={verbose!r}"):
        check_verbose(verbose)
