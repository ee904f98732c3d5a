"""Cross-entropy and normalized entropy against their formulas in float64."""

import numpy as np
import pytest
from support import oracle
from support.instances import numbers, weighted_batch

from keras_bce import metrics


@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_normalized_entropy(from_logits, weighted):
    y, given, p, weights = weighted_batch(from_logits=from_logits)
    w = np.repeat(weights[:, None], 2, 1) if weighted else np.ones_like(y)
    mean = (w * y).sum() / w.sum()
    entropy = -mean * np.log(mean) - (1 - mean) * np.log(1 - mean)
    bce = (w * -(y * np.log(p) + (1 - y) * np.log(1 - p))).sum() / w.sum()
    metric = metrics.NormalizedEntropy(from_logits=from_logits)
    result = numbers(metric(y, given, weights if weighted else None))
    assert result["result"] == pytest.approx(bce / entropy, rel=1e-6)


@pytest.mark.parametrize("from_logits", [True, False])
def test_label_names_give_each_label_its_own_mean(from_logits):
    y, given, _, weights = weighted_batch(from_logits=from_logits)
    y[5, 0] = -1
    metric = metrics.BinaryCrossentropy(
        "bce", from_logits=from_logits, ignore_class=-1, label_names=["cat", "dog"]
    )
    labels = np.maximum(y, 0)
    elements = oracle.elementwise(oracle.crossentropy, labels, given, from_logits=from_logits)
    w = np.where(y == -1, 0, weights[:, None])
    n, v, counted = oracle.per_sample(elements, np.repeat(weights[:, None], 2, 1), y != -1)
    each = (elements * w).sum(0) / w.sum(0)
    expected = {"bce": oracle.reduced(n, v, counted, "metric"), "bce_cat": each[0]}
    assert numbers(metric(y, given, weights)) == pytest.approx(
        expected | {"bce_dog": each[1]}, rel=1e-6
    )


def test_the_results_of_labels_come_in_the_order_of_their_names():
    metric = metrics.BinaryCrossentropy("bce", label_names=["dog", "cat"])
    metric.update_state([[0, 1]], [[0.2, 0.3]])
    assert list(metric.result()) == ["bce", "bce_dog", "bce_cat"]
