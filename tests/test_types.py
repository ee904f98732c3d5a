"""The types: as a stranger's type checker sees them, and that the checks of them can fail."""

import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]

STRANGER = """
import keras
import numpy as np
from matplotlib.axes import Axes

import keras_bce
from keras_bce import initializers, layers, losses, metrics, plotting, reference

y, p = [[0, 1], [1, 0]], np.array([[0.6, 0.4], [0.4, 0.6]])

version: str = keras_bce.__version__
keras_bce.check_inputs(y, p, ignore_class=-1)
keras_bce.check_inputs(iter([(p, y)]), verbose=0)
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, "sigmoid")])
keras_bce.check_inputs((p, np.array(y)), model=model, from_logits=False)
pos_weight: float | list[float] = keras_bce.balanced_pos_weight(y, ignore_class=-1)

bce = losses.BinaryCrossentropy(label_smoothing=0.1, reduction="mean", pos_weight=pos_weight)
focal = losses.BinaryFocalCrossentropy(True, gamma=1.5, label_weights=[1.0, 2.0], reduction=None)
asymmetric = losses.AsymmetricBinaryCrossentropy(clip=0.0, ignore_class=float("nan"), name="asl")
for loss in (bce, focal, asymmetric):
    each = loss(keras.ops.convert_to_tensor(y), p, sample_weight=[0.8, 0.2])
    smoothing: float = loss.label_smoothing
    again = type(loss).from_config(loss.get_config())(y, p)
for each in (
    losses.binary_crossentropy(y, p, axis=-1),
    losses.binary_focal_crossentropy(y, p, gamma=1.0),
    losses.asymmetric_binary_crossentropy(y, p, clip=0.1, from_logits=True),
):
    first: float = float(each[0])

network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(9)])
trainer: keras.Model = keras_bce.split_head(network)
head_loss = losses.LinearBinaryCrossentropy(network.layers[-1], positives=True, chunk_size=4)
head_value = head_loss([[0], [8]], p, sample_weight=[1.0, 2.0])
losses.linear_binary_crossentropy(y, p, np.ones((2, 2)), None, pos_weight=2.0)
losses.linear_binary_crossentropy(None, p, np.ones((2, 2)), [0.0, 0.0], positives=[[0], [1]])
losses.pairwise_sigmoid_crossentropy(p, p, scale=10.0, bias=np.float32(-10.0))
numbers, logits = keras_bce.top_labels(network, p, k=3, verbose=0)
largest: int = int(numbers[0, 0])

metric = metrics.BinaryCrossentropy(label_names=["cat", "dog"])
metric.update_state(y, p, sample_weight=None)
metric.merge_state([metrics.BinaryCrossentropy(label_names=["cat", "dog"])])
of_each_label = metric.result()
metric.reset_states()
entropy = float(metrics.NormalizedEntropy(from_logits=True)(y, p))
ratio = float(metrics.CalibrationRatio(name="ratio", dtype="float32")(y, p))
accuracy = float(metrics.FromLogits(keras.metrics.BinaryAccuracy(), name="accuracy")(y, p))
brier = metrics.BrierScore(from_logits=False, ignore_class=-1)
mean_focal = metrics.MeanLoss(focal, name="focal")
difference = metrics.LossDifference(bce, dtype="float32")
difference.update_state(y, (p, p), sample_weight=None)
sliced = metrics.Sliced(difference, ["north", "south"])
sliced.update_state(y, (p, p), slices=np.array([0, 1]))
of_each_slice: dict[str, object] = sliced.result()
low, high = mean_focal.interval(level=0.9)
fed: metrics.LossDifference = keras_bce.compare(model, model, p, np.array(y), loss=bce, verbose=0)
error = metrics.ExpectedCalibrationError(num_bins=10)
error.update_state(y, p)
weight: float = error.bins()["weight"].sum()
curve = metrics.CalibrationCurve(num_bins=1024, ignore_class=-1)
curve.update_state(y, p)
binned: float = curve.error(10, "quantile", norm=2, debiased=True)
lost: float = curve.decomposition("brier")["miscalibration"]
lowest: np.ndarray = curve.curve(level=0.9)["low"]

rate: float | list[float] = keras_bce.base_rate(y, ignore_class=-1)
bias = initializers.LogOdds(rate)((2,))
correction = layers.PriorCorrection(pos_weight=pos_weight, from_logits=False, name="correction")
corrected = correction(p)
logits = np.linspace(-1.0, 1.0, 40).reshape(20, 2)
labels = logits + np.sin(9.0 * logits) > 0.0
for layer in (
    layers.TemperatureScaling(per_label=False),
    layers.PlattScaling(per_label=True),
    layers.BetaCalibration(to_logits=False),
    layers.IsotonicCalibration(dtype="float32"),
):
    layer.adapt(logits, labels, sample_weight=None, ignore_class=-1)
    again = layer(logits)
calibrated: keras.Model = keras_bce.recalibrate(model, logits, labels, method="beta", verbose=0)

mean: float = reference.mse(y, p)
derivative: np.ndarray = reference.mse_derivative(y, p)
one_or_more: float | np.ndarray = reference.binary_cross_entropy(y, p, per_example=True)
clipped = reference.clipped_binary_cross_entropy(y, p, epsilon=1e-3)
old: np.ndarray = reference.tf24_binary_crossentropy(y, p)

axes: Axes = plotting.reliability_diagram(error, label="model", colour=plotting.COLOURS[1])
axes = plotting.reliability_diagram(curve, num_bins=10, level=0.9, ax=axes)
plotting.intervals({"a": brier, "b": (0.5, (0.4, 0.6))}, ax=axes)
plotting.intervals(sliced)
curves = {
    "log loss": losses.BinaryCrossentropy(reduction=None),
    "focal loss": losses.BinaryFocalCrossentropy(reduction=None),
}
plotting.loss_curves(curves, np.array([0.1, 0.9]), ax=axes).set_title("losses")
plotting.loss_curves({"log loss": losses.binary_crossentropy}, [0.1, 0.9], y_true=0.0)
"""


class Fault(NamedTuple):
    """A fault to plant, and what mypy must say of it."""

    file: str
    old: str  # What the fault takes the place of; "" puts it at the end of the file.
    new: str
    says: str  # A regular expression.
    at: tuple[str, str] | None = None  # The file and line that mypy names, if they are others.

    def is_reported_by(self, file, line, words):
        at_file, at_line = self.at or (self.file, self.new)
        is_there = file == at_file and at_line in line
        return is_there and re.search(self.says, words, re.DOTALL) is not None


PLANTED = {
    "a wrong type in a stranger's program": Fault(
        "stranger.py",
        "label_smoothing=0.1",
        'label_smoothing="much"',
        'Argument "label_smoothing" to "BinaryCrossentropy" has incompatible type "str"',
    ),
    "an unknown name in a stranger's program": Fault(
        "stranger.py",
        "keras_bce.balanced_pos_weight(",
        "keras_bce.balanced_weight(",
        'Module has no attribute "balanced_weight"',
    ),
    "a wrong type in the package": Fault(
        "keras_bce/_arguments.py",
        "label_smoothing: float = 0.0",
        'label_smoothing: float = ""',
        'expression has type "str", variable has type "float"',
    ),
    "an unknown method of a loss": Fault(
        "keras_bce/_pointwise.py",
        "",
        "def planted(loss: Pointwise) -> Tensor: return loss.vlaue",
        '"Pointwise" has no attribute "vlaue"',
    ),
    "an unknown function of the backend": Fault(
        "keras_bce/_links.py",
        "",
        "planted = backend.lg1p",
        '"Backend" has no attribute "lg1p"',
    ),
    "a backend that lacks a function": Fault(
        "keras_bce/_backend/torch.py",
        "def log1p(",
        "def lg1p(",
        'got Module, expected "Backend".*is missing.* log1p$',
        at=("keras_bce/_backend/__init__.py", "return torch"),
    ),
}


def checked(tree, *command):
    """The exit status and output of a type checker, run on a tree."""
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=tree, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def mypy(tree):
    return checked(tree, "mypy", "--cache-dir", str(tree / "cache"), "keras_bce", "stranger.py")


def pyrefly(tree, *arguments):
    interpreter = ("--python-interpreter-path", sys.executable)
    return checked(tree, "pyrefly", "check", *interpreter, "--output-format=min-text", *arguments)


def pyrefly_of_a_stranger(tree):
    """Without the package's configuration: Keras's own types are read as well."""
    (tree / "stranger.toml").touch()
    return pyrefly(tree, "--config", "stranger.toml", "--search-path", ".", "stranger.py")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    if not (ROOT / "pyproject.toml").exists() or not (ROOT / "keras_bce").exists():
        pytest.skip("only in the source tree")
    tree = tmp_path_factory.mktemp("tree")
    shutil.copy(ROOT / "pyproject.toml", tree)
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "keras_bce", tree / "keras_bce", ignore=ignore)
    (tree / "stranger.py").write_text(STRANGER)
    return tree


@pytest.fixture(scope="module")
def planted_tree(tree):
    """The tree with all faults; with mypy's cache, so that it reads only these files again."""
    planted = tree.with_name("planted")
    shutil.copytree(tree, planted)
    for fault in PLANTED.values():
        path = planted / fault.file
        text = path.read_text()
        if fault.old:
            assert text.count(fault.old) == 1, f"{fault.file} has changed: plant another fault"
            path.write_text(text.replace(fault.old, fault.new))
        else:
            path.write_text(f"{text}\n{fault.new}\n")
    return planted


@pytest.fixture(scope="module")
def mypy_output(tree):
    pytest.importorskip("mypy")
    return mypy(tree)


@pytest.fixture(scope="module")
def errors(mypy_output, planted_tree):
    """What mypy says of the faults: of each the file, the line and the words."""
    status, output = mypy(planted_tree)
    assert status == 1, output
    with_notes = r"^(\S+):(\d+): error: (.*(?:\n\1:\2: note: .*)*)$"
    found = re.findall(with_notes, output, re.MULTILINE)
    lines = {path: (planted_tree / path).read_text().splitlines() for path, *_ in found}
    return [(path, lines[path][int(number) - 1], words) for path, number, words in found]


def test_mypy_finds_no_fault(mypy_output):
    status, output = mypy_output
    assert status == 0, output


@pytest.mark.parametrize("fault", PLANTED.values(), ids=PLANTED)
def test_mypy_reports_a_planted_fault(errors, fault):
    assert any(fault.is_reported_by(*error) for error in errors), errors


def test_mypy_reports_nothing_else(errors):
    for error in errors:
        assert any(fault.is_reported_by(*error) for fault in PLANTED.values()), error


def test_pyrefly_finds_no_fault(tree):
    pytest.importorskip("pyrefly")
    for status, output in (pyrefly(tree), pyrefly_of_a_stranger(tree)):
        assert status == 0, output


def test_pyrefly_reports_the_planted_faults(planted_tree):
    pytest.importorskip("pyrefly")
    status, output = pyrefly_of_a_stranger(planted_tree)
    assert status != 0
    assert output.count("ERROR") == 2, output
    assert "not assignable to parameter `label_smoothing`" in output
    assert "No attribute `balanced_weight` in module `keras_bce`" in output
    status, output = pyrefly(planted_tree)
    assert status != 0
    for words in (
        "has no attribute `vlaue`",
        "has no attribute `lg1p`",
        "not assignable to `float`",
    ):
        assert words in output


def test_the_program_of_the_stranger_runs(tree):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    assert runpy.run_path(str(tree / "stranger.py"))["weight"] == 4.0
