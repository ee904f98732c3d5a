"""Draws formulas as MathML, which browsers show without a script."""

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx


def mathml(latex: str, display: str) -> str:
    """A formula as MathML."""
    drawn = convert(latex, display=display).replace(r"\_", "_")
    # `\log p` needs a space, which a browser leaves out between two names.
    return re.sub(
        r"<mi>(log|exp|ln|max|min)</mi>(?=<m[inst]|<mfrac)",
        r'<mi>\1</mi><mspace width="0.167em" />',
        drawn,
    )


def _inline(self: Any, node: nodes.math) -> None:
    self.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def _block(self: Any, node: nodes.math_block) -> None:
    self.body.append(f'<div class="formula">{mathml(node.astext(), "block")}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True}
