"""The code in the README and in the pages of the site."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def pages():
    """The Markdown pages that have code; none outside of a source tree."""
    written = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in written if page.exists() and blocks(page, "python")]


def blocks(page, language):
    """The fenced blocks of a language, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S)


def imported(code):
    """The packages that a page's code imports."""
    found = re.findall(r"^\s*(?:import|from) (\w+)", "\n".join(code), re.M)
    return sorted(set(found))


def expected(block):
    """What a block says that it prints: the comments behind its calls of `print`."""
    return re.findall(r"^print\(.*\)  # (.*)$", block, re.M)
