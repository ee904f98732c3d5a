"""Reads the docstrings, which are Markdown as Keras's are, as reStructuredText.

What they use of Markdown: code in backticks, fenced code, indented code after a colon, tables,
lists, links, and LaTeX between dollars.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from sphinx.application import Sphinx

#: Code between backticks, a formula between dollars, a link.
_MARKED = re.compile(r"(`[^`]+`|\$[^$]+\$|\[[^\]]+\]\([^)\s]+\))")
_ITEM = re.compile(r"(\s*(?:[-*+]|\d+\.) +)(.*)")


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
        elif text == "Returns:":
            # Napoleon would take what stands before a colon for the type: here that is nothing.
            yield line
            yield re.sub(r"^(\s+)(?=\S)", r"\1: ", _inline(lines[i + 1]))
            i += 1
        elif re.fullmatch("Examples?:", text):
            yield from _directive("rubric", text[:-1], [], indent)
        elif text.endswith(":") and not lines[i + 1].strip() and _next_indent(lines, i) > indent:
            inside = (k for k in range(i + 2, len(lines)) if lines[k].strip())
            end = next((k for k in inside if _indent(lines[k]) <= indent), len(lines) - 1)
            yield _inline(line)
            yield ""
            yield from _directive("code-block", "python", lines[i + 2 : end], indent)
            i = end - 1
        elif item := _ITEM.fullmatch(line):
            if i and lines[i - 1].strip():
                yield ""  # reStructuredText has no list directly under a line of another kind.
            yield item[1] + _inline(item[2])
        else:
            yield re.sub(r"^(\s*)(References?:)(?= )", r"\1**\2**", _inline(line))
        i += 1


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _next_indent(lines: list[str], i: int) -> str:
    """The indentation of the next line that is not empty."""
    return next((_indent(line) for line in lines[i + 1 :] if line.strip()), "")


def _directive(name: str, argument: str, content: list[str], indent: str) -> Iterator[str]:
    margin = min((len(_indent(line)) for line in content if line.strip()), default=0)
    yield ""
    yield f"{indent}.. {name}:: {argument}".rstrip()
    yield ""
    yield from (f"{indent}   {line[margin:]}".rstrip() for line in content)
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
    """What is marked within one line; all else is plain text."""
    parts = _MARKED.split(line)
    if any("`" in text for text in parts[::2]):
        raise ValueError(f"Code must end on the line on which it begins. Received: {line!r}.")
    parts[::2] = [re.sub(r"[*|]|(?<=\w)_(?!\w)", r"\\\g<0>", text) for text in parts[::2]]
    parts[1::2] = [_marked(part) for part in parts[1::2]]
    return "".join(parts)


def _marked(part: str) -> str:
    if part.startswith("$"):
        return f":math:`{part[1:-1]}`"
    if part.startswith("["):
        text, address = part[1:-1].split("](")
        return f"`{text} <{address}>`__"
    return f":py:obj:{part}" if re.fullmatch(r"`[\w.]+`", part) else f"`{part}`"


def _process(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = convert(lines)


def setup(app: Sphinx) -> dict[str, Any]:
    # Before napoleon, which reads the sections.
    app.connect("autodoc-process-docstring", _process, priority=400)
    return {"parallel_read_safe": True}
