"""The rooms: what may import what, what is public, and that the checks of it can fail."""

import shutil
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import keras_bce

ROOT = Path(__file__).parents[1]


def contract(root):
    """The exit status and output of the import contract, run on a tree."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    done = subprocess.run(
        [*command, "--no-cache"], cwd=root, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


PLANTED = {
    "upwards": ("_pointwise.py", "from keras_bce import _weighting"),
    "sideways": ("losses.py", "from keras_bce import metrics"),
    "a backend outside its room": ("_prepare.py", "import torch"),
    "a backend in a picture": ("plotting.py", "import torch"),
    "the reference": ("_loss.py", "from keras_bce import reference"),
    "the reference in a helper": ("balance.py", "from keras_bce import reference"),
    "a module without a layer": ("newcomer.py", "import numpy"),
}


@pytest.fixture
def tree(tmp_path):
    pytest.importorskip("importlinter")
    if not (ROOT / "pyproject.toml").exists() or not (ROOT / "keras_bce").exists():
        pytest.skip("only in the source tree")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "keras_bce", tmp_path / "keras_bce", ignore=ignore)
    return tmp_path


def test_the_import_contract_holds(tree):
    status, output = contract(tree)
    assert status == 0, output


@pytest.mark.parametrize(("module", "line"), PLANTED.values(), ids=PLANTED)
def test_the_import_contract_fails_on_a_planted_import(tree, module, line):
    path = tree / "keras_bce" / module
    before = path.read_text() if path.exists() else ""
    path.write_text(f"{before}\n{line}\n")
    status, output = contract(tree)
    assert status != 0
    assert "BROKEN" in output or "not listed as layers" in output


def test_public_names_are_complete():
    assert set(keras_bce.__all__) == {
        "__version__",
        "balanced_pos_weight",
        "check_inputs",
        "losses",
        "metrics",
        "plotting",
        "reference",
    }
    assert {keras_bce.reference.__name__, keras_bce.plotting.__name__} == {
        "keras_bce.reference",
        "keras_bce.plotting",
    }
    for room, base in ((keras_bce.losses, keras.losses.Loss), (keras_bce.metrics, keras.Metric)):
        classes = {n for n, v in vars(room).items() if isinstance(v, type) and issubclass(v, base)}
        public = {name for name in classes if not name.startswith("_")}
        assert (
            public
            == {
                keras_bce.losses: {
                    "BinaryCrossentropy",
                    "BinaryFocalCrossentropy",
                    "AsymmetricBinaryCrossentropy",
                },
                keras_bce.metrics: {
                    "BinaryCrossentropy",
                    "NormalizedEntropy",
                    "CalibrationRatio",
                    "ExpectedCalibrationError",
                    "FromLogits",
                },
            }[room]
        )


def test_only_public_keras_is_used():
    for path in Path(keras_bce.__file__).parent.rglob("*.py"):
        assert "keras.src" not in path.read_text(), path


def test_no_module_is_long():
    for path in Path(keras_bce.__file__).parent.rglob("*.py"):
        # The docstrings of the public classes are most of the two longest.
        assert len(path.read_text().splitlines()) <= 480, path


def test_types_are_shipped():
    assert (Path(keras_bce.__file__).parent / "py.typed").exists()


def test_an_unknown_backend_is_named():
    code = (
        "import keras\n"
        "keras.config.backend = lambda: 'openvino'\n"
        "try:\n    import keras_bce\n"
        "except ImportError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Received: backend='openvino'" in done.stdout
