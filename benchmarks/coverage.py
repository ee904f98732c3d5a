"""How often intervals of 95% hold the true value, over simulated data sets of 400 rows.

    KERAS_BACKEND=torch python benchmarks/coverage.py [--rows 400] [--sets 2000]

Prints a Markdown table. Logits of the truth are normal; the models see them through noise, so that
they are somewhat wrong and differ a little. Heavy-tailed weights are drawn from a Pareto
distribution of exponent 2.5. Each data set is a slice of one metric.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from timing import with_progress

from keras_bce import metrics

#: By base rate, the mean of the logits that gives it.
MEANS = {0.5: 0.0, 0.08: -3.251, 0.02: -4.905}
TRUTH = 4_000_000


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def drawn(generator, mean, count):
    """True probabilities, and the logits of two models."""
    logits = generator.normal(mean, 1.5, count)
    noise, other = generator.normal(0, 0.7, (2, count))
    return sigmoid(logits), logits + noise, logits + 0.9 * noise + 0.3 * other


def true_values(mean):
    """The true values of the metrics, from many rows and true probabilities."""
    chance, a, b = drawn(np.random.default_rng(0), mean, TRUTH)
    losses = [np.logaddexp(0, x) - chance * x for x in (a, b)]
    rate = chance.mean()
    entropy = -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate))
    return {
        "log loss": losses[0].mean(),
        "difference": (losses[0] - losses[1]).mean(),
        "Brier score": ((sigmoid(a) - chance) ** 2 + chance * (1 - chance)).mean(),
        "normalized entropy": losses[0].mean() / entropy,
        "calibration ratio": sigmoid(a).mean() / rate,
    }


def new_metrics():
    sure = {"from_logits": True, "uncertainty": True}
    return {
        "log loss": metrics.BinaryCrossentropy(**sure),
        "difference": metrics.LossDifference(from_logits=True),
        "Brier score": metrics.BrierScore(from_logits=True),
        "normalized entropy": metrics.NormalizedEntropy(**sure),
        "calibration ratio": metrics.CalibrationRatio(**sure),
    }


def coverage(mean, heavy, rows, sets):
    """By metric, the share of data sets whose interval holds the true value."""
    generator = np.random.default_rng(1)
    chance, a, b = drawn(generator, mean, rows * sets)
    y = (generator.random(rows * sets) < chance).astype("float32")
    weights = generator.pareto(2.5, rows * sets) + 1 if heavy else None
    numbers = np.arange(rows * sets, dtype="int32") % sets
    found = {}
    for (name, metric), true in zip(new_metrics().items(), true_values(mean).values(), strict=True):
        sliced = metrics.Sliced(metric, [str(i) for i in range(sets)])
        given = (a, b) if name == "difference" else a
        sliced.update_state(y, given, weights, slices=numbers)
        bounds = np.array(list(sliced.interval().values()))
        # An interval of NaN counts as a miss.
        found[name] = np.mean((bounds[:, 0] <= true) & (true <= bounds[:, 1]))
    return found


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--sets", type=int, default=2000)
    arguments = parser.parse_args()
    names = list(new_metrics())
    print(f"| base rate | weights | {' | '.join(names)} |")
    print(f"| ---: | --- |{' ---: |' * len(names)}")
    cases = [(rate, heavy) for rate in MEANS for heavy in (False, True)]
    for rate, heavy in with_progress(cases):
        found = coverage(MEANS[rate], heavy, arguments.rows, arguments.sets)
        cells = " | ".join(f"{found[name]:.1%}" for name in names)
        print(f"| {rate} | {'heavy-tailed' if heavy else 'plain'} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
