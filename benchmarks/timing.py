"""Medians of interleaved runs: ratios that a noisy machine cannot tilt."""

import statistics
import subprocess
import sys
import time


def seconds(function, repeat):
    start = time.perf_counter()
    for _ in range(repeat):
        function()
    return (time.perf_counter() - start) / repeat


def interleaved(contenders, pairs=11, least=0.02, most=10.0):
    """How long contenders take, next to the first of them.

    Args:
        contenders: Functions by name; each must finish what it starts.
        pairs: Rounds, in each of which every contender runs once, in turning order.
        least: Seconds that one measurement lasts at least, by repetition.
        most: Seconds that all rounds may last. There are fewer rounds then, but three, if so many
            were asked for.

    Returns:
        A pair: by name, the median over the rounds of (time of this one) / (time of the first),
        above 1 if the first is faster; and the median time of the first, in seconds.
    """
    names = list(contenders)
    repeats, one_round = {}, 0.0
    for name, function in contenders.items():
        function()  # Compiles, and warms the caches.
        function()
        once = max(seconds(function, 1), 1e-7)
        repeats[name] = max(1, min(1000, int(least / once)))
        one_round += once * repeats[name]
    pairs = min(pairs, max(3, int(most / one_round)))
    times = {name: [] for name in names}
    for i in range(pairs):
        turn = i % len(names)
        for name in names[turn:] + names[:turn]:
            contenders[name]()  # Untimed: the contender before has emptied the caches.
            times[name].append(seconds(contenders[name], repeats[name]))
    first = times[names[0]]
    ratios = {
        name: statistics.median(a / b for a, b in zip(times[name], first, strict=True))
        for name in names[1:]
    }
    return ratios, statistics.median(first)


def with_progress(cases):
    """The cases, with a bar on the standard error that says which one runs."""
    cases = list(cases)
    for i, case in enumerate(cases):
        done = 30 * i // len(cases)
        bar = f"[{'#' * done}{'.' * (30 - done)}] {i + 1}/{len(cases)}"
        print(f"\r\033[K{bar}", end="", file=sys.stderr, flush=True)
        yield case
    print("\r\033[K", end="", file=sys.stderr, flush=True)


def output(command):
    """What a command writes to the standard output."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
