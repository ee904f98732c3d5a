"""The rooms: what may import what, what is public, and that the checks of it can fail."""

import doctest
import importlib
import inspect
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import keras_bce
from keras_bce._backend import _load

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
    "from a layer to the models that end in it": (
        "layers/prior.py",
        "from keras_bce import recalibration",
    ),
    "from one layer to another": ("layers/prior.py", "from keras_bce.layers import scaling"),
    "sideways": ("losses/pointwise.py", "from keras_bce import metrics"),
    "from loss to loss": ("losses/pairwise.py", "from keras_bce.losses import linear"),
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


#: The public names of each public module, so that none comes or goes unnoticed.
PUBLIC = {
    "keras_bce": {
        "__version__",
        "balanced_pos_weight",
        "base_rate",
        "check_inputs",
        "compare",
        "initializers",
        "layers",
        "losses",
        "metrics",
        "plotting",
        "recalibrate",
        "reference",
        "split_head",
        "top_labels",
    },
    "keras_bce.balance": {"balanced_pos_weight", "base_rate"},
    "keras_bce.checks": {"check_inputs"},
    "keras_bce.comparison": {"compare"},
    "keras_bce.initializers": {"LogOdds"},
    "keras_bce.layers": {
        "BetaCalibration",
        "IsotonicCalibration",
        "PlattScaling",
        "PriorCorrection",
        "TemperatureScaling",
    },
    "keras_bce.heads": {"split_head", "top_labels"},
    "keras_bce.losses": {
        "AsymmetricBinaryCrossentropy",
        "BinaryCrossentropy",
        "BinaryFocalCrossentropy",
        "LinearBinaryCrossentropy",
        "asymmetric_binary_crossentropy",
        "binary_crossentropy",
        "binary_focal_crossentropy",
        "linear_binary_crossentropy",
        "pairwise_sigmoid_crossentropy",
    },
    "keras_bce.metrics": {
        "BinaryCrossentropy",
        "BrierScore",
        "CalibrationCurve",
        "CalibrationRatio",
        "ExpectedCalibrationError",
        "FromLogits",
        "LossDifference",
        "MeanLoss",
        "NormalizedEntropy",
        "Sliced",
    },
    "keras_bce.plotting": {
        "COLOURS",
        "DASHES",
        "STYLE",
        "intervals",
        "loss_curves",
        "reliability_diagram",
    },
    "keras_bce.recalibration": {"recalibrate"},
    "keras_bce.reference": {
        "binary_cross_entropy",
        "clipped_binary_cross_entropy",
        "cross_entropy",
        "hinge",
        "huber",
        "kl_divergence",
        "l1",
        "l2",
        "mse",
        "mse_derivative",
        "tf24_binary_crossentropy",
    },
}


def public_modules():
    """The modules without an underscore, and the package itself."""
    files = Path(keras_bce.__file__).parent.iterdir()
    names = {path.stem for path in files if path.suffix == ".py" or (path / "__init__.py").exists()}
    return {"keras_bce"} | {f"keras_bce.{name}" for name in names if not name.startswith("_")}


def is_class_or_function(value):
    return inspect.isclass(value) or inspect.isfunction(value)


def defined_in(module):
    """The names of the public classes and functions that a module defines."""
    return {
        name
        for name, value in vars(module).items()
        if is_class_or_function(value)
        and value.__module__ == module.__name__
        and not name.startswith("_")
    }


def public_objects():
    """The public classes and functions, by their full names."""
    for module in map(importlib.import_module, sorted(PUBLIC)):
        for name in sorted(defined_in(module)):
            yield f"{module.__name__}.{name}", getattr(module, name)


def function_of(member):
    """The function behind a method or a property; `None` of anything else."""
    for attribute in ("fget", "func", "__func__"):
        member = getattr(member, attribute, member)
    return member if inspect.isfunction(member) else None


def public_methods():
    """The public methods and properties that the package defines, by their full names."""
    for full_name, value in public_objects():
        for base in value.__mro__ if inspect.isclass(value) else ():
            if not base.__module__.startswith("keras_bce"):
                continue
            for name, member in vars(base).items():
                function = function_of(member)
                is_public = not name.startswith("_") or name in ("__init__", "__call__")
                if function is not None and is_public:
                    yield f"{full_name}.{name}", function


def test_public_modules_are_complete():
    assert public_modules() == set(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_are_complete(name):
    module = importlib.import_module(name)
    assert len(module.__all__) == len(set(module.__all__))
    assert set(module.__all__) == PUBLIC[name]
    assert dir(module) == sorted(module.__all__)
    if name == "keras_bce":
        return
    # A constant has no `__module__`: that it is public says `__all__` alone.
    assert defined_in(module) == {public for public in PUBLIC[name] if not public.isupper()}


def test_the_package_shows_what_its_modules_define():
    for name in PUBLIC["keras_bce"] - {"__version__"}:
        value = getattr(keras_bce, name)
        if inspect.ismodule(value):
            assert value.__name__ == f"keras_bce.{name}"
        else:
            assert name in PUBLIC[value.__module__]


@pytest.mark.parametrize("name", ["losses", "metrics", "layers", "initializers"])
def test_public_classes_are_keras_classes(name):
    base = {
        "losses": keras.losses.Loss,
        "metrics": keras.metrics.Metric,
        "layers": keras.layers.Layer,
        "initializers": keras.initializers.Initializer,
    }[name]
    for public in PUBLIC[f"keras_bce.{name}"]:
        value = getattr(importlib.import_module(f"keras_bce.{name}"), public)
        assert inspect.isfunction(value) or issubclass(value, base)


def test_public_objects_have_a_docstring_with_an_example():
    examples = doctest.DocTestParser().get_examples
    lacking = [
        name
        for name, value in public_objects()
        if not any(example.want for example in examples(value.__doc__ or ""))
    ]
    assert not lacking


def test_public_methods_have_a_docstring():
    lacking = {
        name
        for name, method in public_methods()
        if not method.__doc__ and not name.endswith(".__init__")
    }
    assert not lacking


def test_the_docstrings_say_what_a_user_meets():
    loss, metric = (
        keras_bce.losses.BinaryCrossentropy.__doc__,
        keras_bce.metrics.BinaryCrossentropy.__doc__,
    )
    assert "loss: nan" in loss
    assert "check_inputs" in loss
    assert "`keras.saving.load_model` must `import keras_bce` first" in loss
    assert 'mode="min"' in metric
    assert "different names" in metric


def unannotated(function):
    """The parameters of a function that have no annotation, and `return`."""
    signature = inspect.signature(function)
    lacking = [
        name
        for name, parameter in signature.parameters.items()
        if parameter.annotation is parameter.empty and name not in ("self", "cls")
    ]
    return lacking + ["return"] * (signature.return_annotation is signature.empty)


def test_public_signatures_are_annotated():
    functions = [(name, value) for name, value in public_objects() if inspect.isfunction(value)]
    lacking = {name: unannotated(value) for name, value in (*functions, *public_methods())}
    assert len(lacking) > 50
    assert not {name: names for name, names in lacking.items() if names}


def test_only_public_keras_is_used():
    for path in Path(keras_bce.__file__).parent.rglob("*.py"):
        assert "keras.src" not in path.read_text(), path


def test_no_module_is_long():
    for path in Path(keras_bce.__file__).parent.rglob("*.py"):
        # The docstrings of the public classes are most of the longest.
        assert len(path.read_text().splitlines()) <= 420, path


def test_types_are_shipped():
    assert (Path(keras_bce.__file__).parent / "py.typed").exists()


def test_an_unknown_backend_is_named():
    with pytest.raises(ImportError, match="Received: backend='openvino'"):
        _load("openvino")
