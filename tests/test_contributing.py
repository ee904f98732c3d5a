"""The recipes of CONTRIBUTING.md: what they tell to write works on every backend."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import keras
import numpy as np
import pytest
from support.differentiation import (
    BACKEND,
    compiled,
    gradient,
    needs_second_derivatives_when_compiled,
    slope,
    tensor,
    to_numpy,
)
from support.instances import batch, numbers

from keras_bce import metrics

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(
    not (ROOT / "CONTRIBUTING.md").exists(), reason="only in the source tree"
)


def recipe(title):
    """The names that the Python code of a section defines."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    section = text.split(f"## {title}\n")[1].split("\n## ")[0]
    blocks = re.findall(r"^   ```python\n(.*?)^   ```", section, re.DOTALL | re.MULTILINE)
    assert blocks
    # A module that can be looked up by its name, as compilers do.
    module = sys.modules.setdefault("recipe", types.ModuleType("recipe"))
    exec("\n".join(textwrap.dedent(block) for block in blocks), vars(module))
    return vars(module)


@pytest.mark.parametrize("mode", ["eager", "compiled"])
@pytest.mark.parametrize("from_logits", [False, True], ids=["probabilities", "logits"])
def test_a_new_loss_has_values_and_derivatives(from_logits, mode):
    loss = recipe("A new loss")["AbsoluteProbabilityError"](from_logits, reduction="sum")
    y, x = batch(from_logits=from_logits)
    p = 1 / (1 + np.exp(-x)) if from_logits else x
    p_slope = p * (1 - p) if from_logits else 1.0
    call = compiled(loss) if mode == "compiled" else loss
    labels = y.shape[1]
    value = float(to_numpy(call(tensor(y), tensor(x))))
    assert value == pytest.approx(abs(p - y).mean(-1).sum(), rel=1e-6)
    label_slope, prediction_slope = gradient(call, tensor(y), tensor(x))
    sign = np.sign(p - y)
    np.testing.assert_allclose(prediction_slope, sign * p_slope / labels, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(label_slope, -sign / labels, rtol=1e-6)

    if mode == "compiled":
        needs_second_derivatives_when_compiled()

    def first(x):
        return keras.ops.sum(slope(lambda x: call(tensor(y), x), x))

    (second,) = gradient(first, tensor(x))
    p_second = p_slope * (1 - 2 * p) if from_logits else 0.0
    expected = sign * p_second / labels
    np.testing.assert_allclose(second, expected, rtol=1e-4, atol=1e-7)


def test_a_new_loss_leaves_out_what_is_missing_and_weighs_samples():
    names = recipe("A new loss")
    arguments = names["Arguments"](True, ignore_class=-1, label_smoothing=0.5)
    formula = names["AbsoluteError"](smoothing=0.5)
    loss = names["PointwiseLoss"](formula, arguments, "sum", "absolute", None)
    value = loss(tensor([[1.0, -1.0], [0.0, 1.0]]), tensor([[0.0, 5.0], [0.0, 0.0]]), [2.0, 0.0])
    assert float(to_numpy(value)) == 2 * (0.75 - 0.5)


@pytest.mark.parametrize("mode", ["eager", "compiled"])
def test_a_new_metric_is_updated_and_merged(mode):
    cls = recipe("A new metric")["MeanLabel"]
    y, x = batch(from_logits=False)
    y[0, 0], weights = -1.0, np.arange(1.0, 1.0 + len(y))
    metric, other = cls(ignore_class=-1), cls(ignore_class=-1)
    if mode == "compiled":

        def update(state, y, x, w):
            return metric.stateless_update_state(state, y, x, w)

        state = [tensor(np.zeros((2, 2)))]
        state = compiled(update)(state, *map(tensor, (y, x, weights)))
        metric.variables[0].assign(state[0])
    else:
        metric.update_state(y, x, weights)
    other.update_state(y, x, weights)
    metric.merge_state([other])
    present = y != -1
    rows = np.broadcast_to(weights[:, None], y.shape)
    expected = np.average(y[present], weights=rows[present])
    assert numbers(metric.result())["result"] == pytest.approx(expected, rel=1e-6)


def test_a_new_metric_has_slices():
    y, x = batch(from_logits=False)
    sliced = metrics.Sliced(recipe("A new metric")["MeanLabel"](), ["even", "odd"])
    sliced.update_state(y, x, slices=np.arange(len(y)) % 2)
    expected = {"even": y[::2].mean(), "odd": y[1::2].mean()}
    assert numbers(sliced.result()) == pytest.approx(expected, rel=1e-6)


def test_a_new_backend_needs_a_module_and_a_branch(tmp_path):
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "keras_bce", tmp_path / "keras_bce", ignore=ignored)
    room = tmp_path / "keras_bce" / "_backend"
    (room / f"{BACKEND}.py").rename(room / "newcomer.py")
    branches = (room / "__init__.py").read_text()
    old = f"        from keras_bce._backend import {BACKEND}\n\n        return {BACKEND}\n"
    assert old in branches
    (room / "__init__.py").write_text(branches.replace(old, old.replace(BACKEND, "newcomer")))
    program = (
        "import keras_bce\n"
        "loss = keras_bce.losses.BinaryCrossentropy(from_logits=True)\n"
        "print(float(loss([[0.0, 1.0]], [[0.0, 0.0]])), keras_bce.__file__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"KERAS_BACKEND": BACKEND, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    value, file = done.stdout.split()
    assert float(value) == pytest.approx(np.log(2), rel=1e-6)
    assert file.startswith(str(tmp_path))
