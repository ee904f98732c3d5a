"""Reads the docstrings, which are Markdown as Keras's are, as reStructuredText.

What they use of Markdown: code in backticks, fenced code, indented code after a colon, tables, and
LaTeX between dollars.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from sphinx.application import Sphinx


def convert(lines: Iterable[str]) -> Iterator[str]:
    """The lines of a docstring in reStructuredText."""
    lines = [*lines, ""]
    i = 0
    while i < len(lines) - 1:
        line, indent = lines[i], _indent(lines[i])
        text = line.strip()
        if text.startswith("```"):
            end = next(k for k in range(i + 1, len(lines)) if lines[k].strip() == "```")
            yield from _directive("code-block", text[3:] or "text", lines[i + 1 : end], indent)
            i = end
        elif text == "$$":
            end = next(k for k in range(i + 1, len(lines)) if lines[k].strip() == "$$")
            yield from _directive("math", "", lines[i + 1 : end], indent)
            i = end
        elif text.startswith("|"):
            end = next(k for k in range(i, len(lines)) if not lines[k].strip().startswith("|"))
            yield from _table(lines[i:end], indent)
            i = end - 1
        elif text.startswith(">>>"):
            end = next(k for k in range(i, len(lines)) if not lines[k].strip())
            yield from lines[i:end]
            i = end - 1
        elif text.endswith(":") and not lines[i + 1].strip() and _next_indent(lines, i) > indent:
            inside = (k for k in range(i + 2, len(lines)) if lines[k].strip())
            end = next((k for k in inside if _indent(lines[k]) <= indent), len(lines) - 1)
            yield _inline(line)
            yield ""
            yield from _directive("code-block", "python", lines[i + 2 : end], indent)
            i = end - 1
        else:
            yield _inline(line)
        i += 1


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _next_indent(lines: list[str], i: int) -> str:
    """The indentation of the next line that is not empty."""
    return next((_indent(line) for line in lines[i + 1 :] if line.strip()), "")


def _directive(name: str, argument: str, content: list[str], indent: str) -> Iterator[str]:
    margin = min((len(_indent(line)) for line in content if line.strip()), default=0)
    yield f"{indent}.. {name}:: {argument}".rstrip()
    yield ""
    yield from (f"{indent}   {line[margin:]}" for line in content)
    yield ""


def _table(rows: list[str], indent: str) -> Iterator[str]:
    yield f"{indent}.. list-table::"
    yield f"{indent}   :header-rows: 1"
    yield ""
    for row in (rows[0], *rows[2:]):
        for i, cell in enumerate(row.strip().strip("|").split("|")):
            yield f"{indent}   {'* -' if i == 0 else '  -'} {_inline(cell.strip())}"
    yield ""


def _inline(line: str) -> str:
    """Code between backticks, and formulas between dollars, of one line."""
    parts = re.split(r"(`[^`]+`|\$[^$]+\$)", line)
    parts[::2] = [re.sub(r"[*|]", r"\\\g<0>", text) for text in parts[::2]]
    parts[1::2] = [_marked(part) for part in parts[1::2]]
    return "".join(parts)


def _marked(part: str) -> str:
    if part.startswith("$"):
        return f":math:`{part[1:-1]}`"
    return f":py:obj:{part}" if re.fullmatch(r"`[\w.]+`", part) else f"`{part}`"


def _process(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = convert(lines)


def setup(app: Sphinx) -> dict[str, Any]:
    # Before napoleon, which reads the sections.
    app.connect("autodoc-process-docstring", _process, priority=400)
    return {"parallel_read_safe": True}
