"""The oracle itself, against values derived by hand."""

import math
from pathlib import Path

import numpy as np
import pytest
from support import oracle


def test_an_even_prediction_costs_log_2_whatever_the_label():
    for y in (0.0, 0.25, 1.0):
        assert float(oracle.crossentropy(y, 0.5)) == pytest.approx(math.log(2), rel=1e-15)
        assert float(oracle.crossentropy(y, 0.0, from_logits=True)) == pytest.approx(math.log(2))


def test_a_quarter_and_its_logit_agree():
    logit = -math.log(3)  # sigmoid(-log 3) = 1 / (1 + 3)
    assert float(oracle.sigmoid(logit)) == pytest.approx(0.25, rel=1e-15)
    for y, expected in ((1, math.log(4)), (0, math.log(4 / 3)), (0.5, math.log(16 / 3) / 2)):
        assert float(oracle.crossentropy(y, 0.25)) == pytest.approx(expected, rel=1e-15)
        assert float(oracle.crossentropy(y, logit, from_logits=True)) == pytest.approx(expected)


def test_ceilings_are_those_of_keras():
    assert float(oracle.crossentropy(1, 0.0)) == pytest.approx(7 * math.log(10), rel=1e-15)
    assert float(oracle.crossentropy(0, 1.0)) == pytest.approx(23 * math.log(2), rel=1e-15)


def test_slopes_are_the_derivatives_of_the_values():
    for y in (0.0, 0.3, 1.0):
        for from_logits, x in ((True, 1.5), (True, -40.0), (False, 0.2), (False, 0.99)):
            arguments = {"from_logits": from_logits, "pos_weight": 2.0}
            slope = oracle.crossentropy_slope(y, x, **arguments)
            numeric = oracle.derivative(oracle.crossentropy, y, x, **arguments)
            assert float(slope) == pytest.approx(float(numeric), rel=1e-12)


def test_focal_by_hand():
    # y = 1, p = 1/4: (3/4)**2 * log 4; balanced by 1/4.
    assert float(oracle.focal(1, 0.25)) == pytest.approx(9 / 16 * math.log(4))
    assert float(oracle.focal(1, 0.25, alpha=0.25)) == pytest.approx(9 / 64 * math.log(4))
    # y = 0, p = 1/4: (1/4)**2 * log(4/3); pos_weight does not touch it.
    expected = math.log(4 / 3) / 16
    assert float(oracle.focal(0, 0.25, pos_weight=9.0)) == pytest.approx(expected)
    assert float(oracle.focal(1, 0.25, gamma=0.0)) == pytest.approx(math.log(4))


def test_asymmetric_by_hand():
    assert float(oracle.asymmetric(1, 0.25, gamma_pos=1.0)) == pytest.approx(0.75 * math.log(4))
    value = oracle.asymmetric(0, 0.75, gamma_neg=2.0, clip=0.25)  # m = 1/2
    assert float(value) == pytest.approx(math.log(2) / 4)
    assert float(oracle.asymmetric(0, 0.04)) == 0.0


def test_weighting_by_hand():
    losses = np.array([[1.0, 3.0], [5.0, 7.0]])
    present = [[True, True], [True, False]]
    n, v, counted = oracle.per_sample(losses, [[1, 0], [2, 9]], present)
    assert n.tolist() == [0.5, 10.0]
    assert v.tolist() == [0.5, 2.0]
    assert oracle.reduced(n, v, counted, "sum") == 10.5
    assert oracle.reduced(n, v, counted, "mean") == 5.25
    assert oracle.reduced(n, v, counted, "metric") == 4.2


def test_it_never_imports_the_package():
    assert "import keras" not in Path(oracle.__file__).read_text()
