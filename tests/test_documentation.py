"""The documentation site: what it lists, what docstrings must have, and how they are converted."""

import ast
import importlib
import inspect
import re
import sys

import pytest
from support import snippets
from test_architecture import PUBLIC

DOCS = snippets.ROOT / "docs"
EXTENSIONS = DOCS / "_extensions"

in_the_source_tree = pytest.mark.skipif(not DOCS.exists(), reason="only in the source tree")


def documented_names():
    """The public names that have a page: no modules, versions or constants.

    The package itself shows what `balance`, `checks` and others define, and has their pages.
    """
    shown = ("keras_bce", *(f"keras_bce.{room}" for room in PUBLIC["keras_bce"]))
    return {
        f"{module}.{name}"
        for module in shown
        for name in PUBLIC.get(module, ())
        if f"{module}.{name}" not in PUBLIC and name != "__version__" and not name.isupper()
    }


def listed(page):
    """The names that the lists of a page give, in full."""
    text = page.read_text()
    (module,) = re.findall(r"^\.\. module:: (\S+)$", text, re.M) or [""]
    lists = re.findall(r"^\.\. autosummary::\n((?:   .*\n|\n)*)", text, re.M)
    return [
        f"{module}.{line.strip()}"
        for lines in lists
        for line in lines.splitlines()
        if line.strip() and not line.strip().startswith(":")
    ]


@in_the_source_tree
def test_the_reference_lists_each_public_name_once():
    names = [name for page in (DOCS / "reference").glob("*.md") for name in listed(page)]
    assert len(names) == len(set(names))
    assert set(names) == documented_names()


def assigned(path, name):
    """The literal that a module assigns to a name, without importing the module."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    raise ValueError(f"{path} assigns nothing to {name}.")


@in_the_source_tree
def test_names_that_were_added_later_exist():
    added = assigned(EXTENSIONS / "reference.py", "ADDED")
    public = {name.rpartition(".")[2] for name in documented_names()}
    assert added
    for version, names in added.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)
        assert names <= public


#: What needs no formula, and why.
WITHOUT_FORMULA = {
    "metrics.FromLogits": "it computes what the metric that it wraps does",
    "metrics.Sliced": "likewise, for each slice",
    "metrics.MeanLoss": "its formula is the loss's",
    "layers.IsotonicCalibration": "its map is the result of an algorithm",
}

#: Metrics that `compile` cannot take, and why.
NOT_FOR_COMPILE = {
    "metrics.LossDifference": "its update takes the predictions of two models",
    "metrics.Sliced": "its update takes the slices",
}


def public(*rooms):
    """The public classes and functions of some rooms, by their names."""
    for room in rooms:
        module = importlib.import_module(f"keras_bce.{room}")
        yield from ((f"{room}.{name}", getattr(module, name)) for name in sorted(module.__all__))


def formulas(docstring):
    """The LaTeX of a docstring between markers that stand on lines of their own."""
    return re.findall(r"^\$\$\n(.+?)\n\$\$$", inspect.cleandoc(docstring), re.M | re.S)


def code(docstring):
    """The fenced code of a docstring."""
    return re.findall(r"^```python\n(.+?)^```$", inspect.cleandoc(docstring), re.M | re.S)


DESCRIBED = dict(public("losses", "metrics", "layers", "initializers"))


def test_exemptions_are_of_public_names():
    assert {*WITHOUT_FORMULA, *NOT_FOR_COMPILE} <= set(DESCRIBED)


@pytest.mark.parametrize("name", sorted(set(DESCRIBED) - set(WITHOUT_FORMULA)))
def test_losses_metrics_layers_and_initializers_state_their_formula(name):
    docstring = DESCRIBED[name].__doc__
    assert docstring.count("$$") == 2 * len(formulas(docstring)) > 0


@pytest.mark.parametrize("name", sorted({*dict(public("losses", "metrics"))} - {*NOT_FOR_COMPILE}))
def test_what_compile_takes_shows_how(name):
    value = DESCRIBED[name]
    blocks = code(value.__doc__)
    if inspect.isclass(value):
        assert any("compile(" in block for block in blocks)
    else:
        assert blocks  # A function may belong into a step of one's own.


@pytest.mark.parametrize("name", sorted(dict(public("losses", "metrics", "layers"))))
def test_fenced_code_is_python(name):
    for block in code(DESCRIBED[name].__doc__):
        compile(block, name, "exec")


@pytest.mark.parametrize("name", sorted(documented_names()))
def test_docstrings_describe_the_arguments_that_there_are(name):
    module, _, attribute = name.rpartition(".")
    value = getattr(importlib.import_module(module), attribute)
    section = re.search(r"^Args:\n((?: +.*\n|\n)+)", inspect.cleandoc(value.__doc__) + "\n", re.M)
    entries = re.findall(r"^    ([\w*][\w*, ]*):", section[1] if section else "", re.M)
    described = [entry.lstrip("*") for entry in ", ".join(entries).split(", ") if entry]
    function = value.__init__ if inspect.isclass(value) else value
    parameters = [p for p in inspect.signature(function).parameters if p != "self"]
    # The functions of `reference` take two arrays, which their formula explains.
    if described or module != "keras_bce.reference":
        assert described == parameters


@pytest.fixture(scope="module")
def convert():
    """The converter of docstrings, from lines to lines."""
    pytest.importorskip("sphinx")
    if not EXTENSIONS.exists():
        pytest.skip("only in the source tree")
    sys.path.insert(0, str(EXTENSIONS))
    try:
        converter = importlib.import_module("markdown_docstrings")
    finally:
        sys.path.remove(str(EXTENSIONS))
    return lambda text: "\n".join(converter.convert(text.splitlines())).strip()


CONVERTED = {
    "a name": ("See `losses.X` now.", "See :py:obj:`losses.X` now."),
    "code": ("The rank, `x * y`.", "The rank, ``x * y``."),
    "inline math": (r"From $w_+$ and $\ell$.", r"From :math:`w_+` and :math:`\ell`."),
    "a link": ("See [the paper](https://a.b/c_d).", "See `the paper <https://a.b/c_d>`__."),
    "a star": ("Any 2**18 of *these*.", r"Any 2\*\*18 of \*these\*."),
    "keyword arguments": ("    **kwargs: `name`.", r"\*\*kwargs: :py:obj:`name`."),
    "a bar": ("The sum of |x|.", r"The sum of \|x\|."),
    "an underscore at the end": ("As in mean_ there.", r"As in mean\_ there."),
    "an underscore within": ("As in y_true there.", "As in y_true there."),
    "a reference": ("Reference: Lin, 2017.", "**Reference:** Lin, 2017."),
    "a title": ("Examples:\n\n>>> 1", ".. rubric:: Examples\n\n\n\n>>> 1"),
    "a returned value": ("Returns:\n    A pair: x.", "Returns:\n    : A pair: x."),
    "fenced code": (
        "So:\n\n```python\nf(*x)  # `a`\n\nif x:\n    y\n```\nThen.",
        "So:\n\n\n.. code-block:: python\n\n   f(*x)  # `a`\n\n   if x:\n       y\n\nThen.",
    ),
    "math": ("$$\na * b \\\\\n  c\n$$\nThen.", ".. math::\n\n   a * b \\\\\n     c\n\nThen."),
    "indented code": (
        "So:\n\n    f(*x)\n\n    y\n\nThen.",
        "So:\n\n\n.. code-block:: python\n\n   f(*x)\n\n   y\n\n\nThen.",
    ),
    "an example": ("So:\n\n>>> f(*x)\n`a|b`\n\nThen *", "So:\n\n>>> f(*x)\n`a|b`\n\nThen \\*"),
    "a table": (
        "| a | `b` |\n| --- | --- |\n| 1 * 2 | $x$ |",
        ".. list-table::\n   :header-rows: 1\n\n"
        "   * - a\n     - :py:obj:`b`\n   * - 1 \\* 2\n     - :math:`x`",
    ),
    "a list": ("So:\n- a *\n  b\n- c", "So:\n\n- a \\*\n  b\n\n- c"),
    "a list in a list": ("- a\n  * b\n  * c\n- d", "- a\n\n  * b\n\n  * c\n\n- d"),
    "a numbered list": ("Do\n1. a\n2. b", "Do\n\n1. a\n\n2. b"),
    "a section": ("Args:\n    x: A `y`.\n        z.", "Args:\n    x: A :py:obj:`y`.\n        z."),
}


@pytest.mark.parametrize(("markdown", "expected"), CONVERTED.values(), ids=CONVERTED)
def test_docstrings_are_converted(convert, markdown, expected):
    assert convert(markdown) == expected


def test_code_that_does_not_end_on_its_line_is_refused(convert):
    with pytest.raises(ValueError, match="must end on the line"):
        convert("See `x +\ny` there.")


def guides():
    return [page for page in sorted((DOCS / "guides").glob("*.md")) if page.stem != "index"]


@in_the_source_tree
@pytest.mark.parametrize("page", guides(), ids=lambda page: page.stem)
def test_every_guide_has_code_that_runs(page):
    # `test_snippets.py` runs it.
    assert snippets.blocks(page, "python")
