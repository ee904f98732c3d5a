"""Medians of interleaved runs: ratios that a noisy machine cannot tilt."""

import statistics
import time


def seconds(function, repeat):
    start = time.perf_counter()
    for _ in range(repeat):
        function()
    return (time.perf_counter() - start) / repeat


def ratios(contenders, pairs=11, least=0.02):
    """How long each contender takes, relative to the first: the medians over interleaved rounds.

    Args:
        contenders: Functions by name; each must finish what it starts.
        pairs: Rounds, in each of which every contender runs once, in turning order.
        least: Seconds that one measurement lasts at least, by repetition.

    Returns:
        By name, the median of (time of the first) / (time of this one): above 1 is faster than
        the first; and under `"seconds"` the median time of the first.
    """
    names = list(contenders)
    repeats = {}
    for name, function in contenders.items():
        function()  # Compiles, and warms the caches.
        function()
        repeats[name] = max(1, min(1000, int(least / max(seconds(function, 1), 1e-7))))
    times = {name: [] for name in names}
    for i in range(pairs):
        for name in names[i % len(names) :] + names[: i % len(names)]:
            times[name].append(seconds(contenders[name], repeats[name]))
    first = times[names[0]]
    medians = {
        name: statistics.median(a / b for a, b in zip(first, times[name], strict=True))
        for name in names[1:]
    }
    return medians | {"seconds": statistics.median(first)}
