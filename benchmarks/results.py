"""Files of results: read, and written part by part.

A file holds the parts of one backend. Each part says when and with what it was measured, so that
some can be measured anew and the others stay:

    {"backend": "jax", "parts": {"speed": {"measured": "2026-11-25", "versions": {...},
     "machine": "...", "device": "cpu", "processes": 3, "pairs": 11, "rows": [...]}}}
"""

import json
import pathlib

FOLDER = pathlib.Path(__file__).parent / "results"
BACKENDS = ("tensorflow", "jax", "torch")


def loaded(path):
    return json.loads(pathlib.Path(path).read_text())


def all_loaded(prefix=""):
    """The files in `results`, by backend. The prefix "gpu_" selects those measured on a GPU."""
    paths = {name: FOLDER / f"{prefix}{name}.json" for name in BACKENDS}
    return {name: loaded(path) for name, path in paths.items() if path.exists()}


def save(path, backend, parts):
    """Writes parts into a file, in which others stay.

    Raises:
        ValueError: if the file holds the results of another backend.
    """
    kept = loaded(path) if path.exists() else {"backend": backend, "parts": {}}
    if kept["backend"] != backend:
        raise ValueError(
            f"{path} holds results of {kept['backend']}. Received: results of {backend}."
        )
    written = {"backend": backend, "parts": kept["parts"] | parts}
    path.write_text(json.dumps(written, indent=1) + "\n")
