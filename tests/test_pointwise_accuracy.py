"""Values and slopes against 60 digits, in units of the result's epsilon."""

import pytest
from support.accuracy import LIMITS, errors
from support.differentiation import BACKEND, compiled


@pytest.mark.parametrize(
    ("dtype", "xla"), [*((dtype, None) for dtype in LIMITS), ("float32", False), ("float32", True)]
)
@pytest.mark.parametrize("from_logits", [True, False], ids=["logits", "probabilities"])
def test_values_and_slopes_keep_their_digits(from_logits, dtype, xla, record_property):
    """`xla` is `None` for the loss as it is called, else the way in which it is compiled."""
    compiler = None if xla is None else lambda function: compiled(function, xla)
    value, slope = errors(from_logits, dtype, compiler)
    record_property("worst", f"{BACKEND} {dtype} value {value:.2f} slope {slope:.2f} eps")
    print(f"{BACKEND} {dtype} {from_logits=} {xla=} value {value:.2f} slope {slope:.2f} eps")
    assert value <= LIMITS[dtype]
    assert slope <= LIMITS[dtype]


@pytest.mark.parametrize("from_logits", [True, False], ids=["logits", "probabilities"])
def test_few_predictions_have_as_many_digits(from_logits):
    """JAX computes `log1p` in another way for up to 1024 numbers."""
    assert max(errors(from_logits, "float32", count=200)) <= LIMITS["float32"]
