"""How often intervals of 95% hold the true value, over simulated data sets of 400 rows.

    KERAS_BACKEND=torch python benchmarks/run.py coverage

Logits of the truth are normal; the models see them through noise, so that they are somewhat wrong
and differ a little. Heavy-tailed weights are drawn from a Pareto distribution of exponent 2.5.
Each data set is a slice of one metric.
"""

import numpy as np
from timing import with_progress

from keras_bce import metrics

#: By base rate, the mean of the logits that gives it.
MEANS = {0.5: 0.0, 0.08: -3.251, 0.02: -4.905}
TRUTH = 4_000_000
ROWS, SETS = 400, 2000


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
        "loss difference": (losses[0] - losses[1]).mean(),
        "Brier": ((sigmoid(a) - chance) ** 2 + chance * (1 - chance)).mean(),
        "norm. entropy": losses[0].mean() / entropy,
        "calibration": sigmoid(a).mean() / rate,
    }


def new_metrics():
    sure = {"from_logits": True, "uncertainty": True}
    return {
        "log loss": metrics.BinaryCrossentropy(**sure),
        "loss difference": metrics.LossDifference(from_logits=True),
        "Brier": metrics.BrierScore(from_logits=True),
        "norm. entropy": metrics.NormalizedEntropy(**sure),
        "calibration": metrics.CalibrationRatio(**sure),
    }


def share_held(mean, heavy):
    """By metric, the share of data sets whose interval holds the true value."""
    generator = np.random.default_rng(1)
    chance, a, b = drawn(generator, mean, ROWS * SETS)
    y = (generator.random(ROWS * SETS) < chance).astype("float32")
    weights = generator.pareto(2.5, ROWS * SETS) + 1 if heavy else None
    numbers = np.arange(ROWS * SETS, dtype="int32") % SETS
    found = {}
    for (name, metric), true in zip(new_metrics().items(), true_values(mean).values(), strict=True):
        sliced = metrics.Sliced(metric, [str(i) for i in range(SETS)])
        given = (a, b) if name == "loss difference" else a
        sliced.update_state(y, given, weights, slices=numbers)
        bounds = np.array(list(sliced.interval().values()))
        # An interval of NaN counts as a miss.
        found[name] = float(np.mean((bounds[:, 0] <= true) & (true <= bounds[:, 1])))
    return found


def coverage(_):
    """The share of 2,000 data sets of 400 rows whose interval of 95% holds the true value."""
    cases = [(rate, heavy) for rate in MEANS for heavy in (False, True)]
    for rate, heavy in with_progress(cases):
        yield {
            "case": f"{rate}",
            "mode": "heavy-tailed" if heavy else "plain",
            "ratios": {},
            "held": share_held(MEANS[rate], heavy),
        }
