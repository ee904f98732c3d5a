"""Draws formulas as MathML, which browsers show without a script."""

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx

_SPACE = '<mspace width="0.167em" />'
_LOG = "<mi>(?:log|exp|ln)</mi>"
#: What a name of a function needs a space from, which browsers leave out between two names.
_AFTER = r"(?:</mi>|</mn>|</msub>|</msup>|</msubsup>|</mfrac>)"
_BEFORE = "(?:<mi|<mn|<msub|<msup|<mfrac)"
_OPEN = '<mo stretchy="false">&#x00028;'


def mathml(latex: str, display: str) -> str:
    """A formula as MathML."""
    drawn = convert(latex, display=display).replace(r"\_", "_")
    drawn = re.sub(rf"<mo>(min|max)</mo>(?={_OPEN})", r"<mi>\1</mi>", drawn)
    drawn = re.sub(rf"({_LOG})(?={_BEFORE})", rf"\1{_SPACE}", drawn)
    return re.sub(rf"({_AFTER})(?={_LOG})", rf"\1{_SPACE}", drawn)


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
