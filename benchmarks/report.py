"""Writes the tables and the sentences with numbers in all pages, from the files of results.

    python benchmarks/report.py

What is written stands between `<!-- NAME -->` and `<!-- end -->`, where NAME is one of
`blocks.py`. It also draws sizes.png, if matplotlib is installed.
"""

import importlib.util
import pathlib
import re

import results
from blocks import blocks

ROOT = pathlib.Path(__file__).parents[1]
BLOCK = re.compile(r"(<!-- (?!end)([^>]+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def pages():
    """The pages in which there may be numbers."""
    return [
        ROOT / "README.md",
        ROOT / "benchmarks" / "README.md",
        *sorted(ROOT.glob("docs/**/*.md")),
    ]


def written(text, texts):
    """A page with its blocks written anew.

    Raises:
        KeyError: for a block that there is none of.
    """
    return BLOCK.sub(lambda match: f"{match[1]}{texts[match[2]]}\n{match[3]}", text)


def main():
    found = results.all_loaded()
    texts = blocks(found, results.all_loaded("gpu_"))
    for page in pages():
        before = page.read_text()
        after = written(before, texts)
        if after != before:
            page.write_text(after)
            print(f"Written anew: {page.relative_to(ROOT)}")
    if importlib.util.find_spec("matplotlib"):
        import pictures

        pictures.draw_sizes(found, ROOT / "benchmarks" / "sizes.png")


if __name__ == "__main__":
    main()
