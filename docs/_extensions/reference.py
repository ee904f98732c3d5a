"""The reference: a page for each public name, with the version that it came with."""

import ast
import inspect
import re
import sys
import textwrap
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.pycode import ModuleAnalyzer
from sphinx.util import logging
from sphinx.util.nodes import make_refnode

#: The public names that came after version 0.1.0.
ADDED = {
    "0.2.0": {
        "BetaCalibration",
        "BrierScore",
        "CalibrationCurve",
        "IsotonicCalibration",
        "LinearBinaryCrossentropy",
        "LogOdds",
        "LossDifference",
        "MeanLoss",
        "PlattScaling",
        "PriorCorrection",
        "Sliced",
        "TemperatureScaling",
        "base_rate",
        "compare",
        "intervals",
        "linear_binary_crossentropy",
        "pairwise_sigmoid_crossentropy",
        "recalibrate",
        "split_head",
        "top_labels",
    },
}

#: What Keras calls, rather than a user.
_FOR_KERAS = {
    "build",
    "call",
    "compute_output_spec",
    "from_config",
    "get_config",
    "load_own_variables",
    "save_own_variables",
}


def _as_written(app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str | None,
                returns: str | None) -> tuple[str | None, str | None]:  # fmt: skip
    """The signature as it stands in the source, its types under their names."""
    function = inspect.unwrap(obj.__init__ if inspect.isclass(obj) else obj)
    if not inspect.isfunction(function) or not function.__module__.startswith("keras_bce"):
        return signature, returns
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    definition: Any = tree.body[0]
    arguments = definition.args
    if inspect.isclass(obj) or what == "method":
        (arguments.posonlyargs or arguments.args).pop(0)
    for node in ast.walk(definition):
        if isinstance(node, ast.arg) and node.annotation:
            node.annotation = _unquoted(node.annotation)
    returned = None if inspect.isclass(obj) else ast.unparse(_unquoted(definition.returns))
    return f"({ast.unparse(arguments)})", returned


def _unquoted(annotation: ast.expr) -> ast.expr:
    is_quoted = isinstance(annotation, ast.Constant) and isinstance(annotation.value, str)
    return ast.parse(annotation.value, mode="eval").body if is_quoted else annotation


def _skips(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leaves out what Keras defines or calls, and attributes that are arguments."""
    function = inspect.unwrap(getattr(obj, "fget", None) or obj)
    ours = str(getattr(function, "__module__", None)).startswith("keras_bce")
    is_argument = isinstance(obj, property) and name in _ARGUMENTS
    return None if ours and not is_argument and name not in _FOR_KERAS else True


def _arguments_of_classes() -> set[str]:
    import keras_bce

    rooms = (keras_bce.losses, keras_bce.metrics, keras_bce.layers)
    classes = [getattr(room, name) for room in rooms for name in room.__all__]
    inits = (inspect.unwrap(c.__init__) for c in classes if inspect.isclass(c))
    return {name for init in inits for name in inspect.signature(init).parameters}


_ARGUMENTS = _arguments_of_classes()


def _resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    """Finds a public name from another module: `losses.X`, or `X` if only one module has it.

    Names of the same module have been found before.
    """
    if node.get("refdomain") != "py":
        return None
    target, objects = node["reftarget"], env.domains.python_domain.objects
    modules = {name for name, entry in objects.items() if entry.objtype == "module"}
    found = [name for name in (f"{module}.{target}" for module in modules) if name in objects]
    if target.startswith("keras_bce.") and node["reftype"] == "obj":
        logging.getLogger(__name__).warning("no page has %s", target, location=node)
    if len(found) != 1:
        return None
    entry = objects[found[0]]
    return make_refnode(
        app.builder, node["refdoc"], entry.docname, entry.node_id, [content], found[0]
    )


def _source_of(app: Sphinx, module: str, name: str) -> str | None:
    """The module whose source defines a name, where the object names the one that shows it."""
    for submodule in [each for each in sys.modules if each.startswith(f"{module}.")]:
        analyzer = ModuleAnalyzer.for_module(submodule)
        if name in analyzer.find_tags():
            return submodule
    return None


#: Where names stand alone in a page: in its title, and in the signature.
_NAMES = r'(?<=<h1>)[\w.]+|(?<=<span class="sig-name descname"><span class="pre">)\w+'


def _breakable(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: Any) -> None:
    """Lets long names break between their words."""
    navigation = context.get("furo_navigation_tree") or ""
    context["furo_navigation_tree"] = re.sub(r'(?<=">)[\w.]+(?=</a>)', _broken, navigation)
    context["body"] = re.sub(_NAMES, _broken, context.get("body") or "")
    for key in ("prev", "next"):
        if context.get(key):
            title = re.sub(r"^[\w.]+$", _broken, context[key]["title"])
            context[key] = {**context[key], "title": title}


def _broken(name: re.Match[str]) -> str:
    return re.sub(r"(?<=[._])(?=\w)|(?<=[a-z])(?=[A-Z])", "<wbr>", name[0])


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-signature", _as_written)
    app.connect("autodoc-skip-member", _skips)
    app.connect("missing-reference", _resolve)
    app.connect("viewcode-follow-imported", _source_of)
    app.connect("html-page-context", _breakable, priority=900)  # After the theme.
    app.config.autosummary_context = {
        "added": {name: version for version, names in ADDED.items() for name in names}
    }
    return {"parallel_read_safe": True}
