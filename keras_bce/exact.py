"""Numbers as unevaluated pairs (high, low), which together hold about 48 bits in float32."""


def two_sum(a, b):
    """The rounded sum, and its rounding error, exactly (Knuth, TAOCP 4.2.2, theorem B)."""
    total = a + b
    b_seen = total - a
    return total, (a - (total - b_seen)) + (b - b_seen)


def add(left, right):
    """The sum of two pairs, as a pair."""
    total, error = two_sum(left[0], right[0])
    rest = left[1] + right[1] + error
    high = total + rest
    # The rest is far smaller than the total: what of it did not fit is exact.
    return high, rest - (high - total)
