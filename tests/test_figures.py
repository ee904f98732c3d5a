"""Numbers on speed, memory and accuracy come from result files, never from a typing hand."""

import ast
import inspect
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
if not (BENCHMARKS.exists() and (ROOT / "docs").exists()):
    pytest.skip("outside of a source tree", allow_module_level=True)
sys.path.insert(0, str(BENCHMARKS))

import report  # noqa: E402
import results  # noqa: E402
from blocks import blocks, coverage  # noqa: E402

sys.path.remove(str(BENCHMARKS))  # It has modules of common names.

from keras_bce.metrics import BinaryCrossentropy  # noqa: E402

FOUND = results.all_loaded()
BLOCKS = blocks(FOUND, results.all_loaded("gpu_"))
#: Records of what was measured once; what they say of the past stays.
RECORDS = ("CHANGELOG.md", "changelog.md", "TRIALS.md")
PAGES = [page for page in report.pages() if page.name not in RECORDS]
SOURCES = sorted((ROOT / "keras_bce").rglob("*.py"))

_NUMBER = r"(?:\d[\d,.]*(?:\^\d+)?|two|three|four|five|six|seven|eight|nine|ten|a hundred)"
_PART = r"(?:half|(?:a|one|two|three) (?:third|quarter|fifth|sixth|eighth|tenth)s?)"
_UNIT = (
    r"(?:[KMG]i?B|kB|bytes?|ns|us|[µμ]s|ms|s|(?:nano|micro|milli)?seconds?|minutes?|hours?"
    r"|eps(?:ilons?)?|ulps?)"
)
_SPEED = (
    r"(?:faster|slower|quicker|longer|smaller|(?:less|more|of the|the|as much) (?:time|memory))"
)
_AS = r"as (?:fast|quick|long|slow|much (?:time|memory))"
#: What a number on speed, memory or accuracy looks like.
FIGURE = re.compile(
    rf"\b{_NUMBER}(?: (?:to|and|or) {_NUMBER})?[ -]?{_UNIT}\b"
    rf"|\b(?:twice|{_NUMBER} ?(?:times|x|-?fold|%|percent)|{_PART}) (?:{_AS}|{_SPEED})"
    r"|\b\d[\d.]* of Keras's"
    r"|\b(?:to|by|within|than|of) (?:up to |at most |about )?\d[\d.]*e-\d+"
    r"|\b(?:to|by) a tenth\b|\border of magnitude",
    re.IGNORECASE,
)

#: What looks like one and is none, with the reason.
EXCEPTIONS = {
    r"in at most two minutes": "a limit for the examples",
    r"after a second": "when a progress bar appears",
    r"(?:by|of|to|than) 1(?:\.5)?e-7": "Keras's epsilon, and a little more",
    r"`epsilon` of Adam.*?Set it to 1e-12": "a setting of Adam, and the sizes of gradients",
}


def without_blocks(text):
    """A page without what `report.py` writes, and without code, whose output other tests check."""
    text = re.sub(report.BLOCK, "", text)
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def figures(text):
    """The numbers on speed, memory or accuracy in a text, each with what stands around it."""
    text = " ".join(text.split())
    for pattern in EXCEPTIONS:
        text = re.sub(pattern, "", text)
    return [text[max(0, m.start() - 40) : m.end() + 20] for m in FIGURE.finditer(text)]


def name(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_blocks_of_a_page_say_what_was_measured(page):
    text = page.read_text()
    assert report.written(text, BLOCKS) == text, "run `python benchmarks/report.py`"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_other_number_is_typed_in_a_page(page):
    assert figures(without_blocks(page.read_text())) == []


@pytest.mark.parametrize("source", SOURCES, ids=name)
def test_no_number_is_typed_in_a_docstring(source):
    tree = ast.parse(source.read_text())
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef
    docs = [ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, kinds)]
    assert [found for doc in docs for found in figures(doc)] == []


def test_the_table_of_coverage_in_a_docstring_is_what_was_measured():
    assert coverage(FOUND) in inspect.getdoc(BinaryCrossentropy.interval)


@pytest.mark.parametrize("backend", results.BACKENDS)
def test_all_parts_were_measured_on_every_backend(backend):
    parts = ast.parse((BENCHMARKS / "parts.py").read_text())
    chosen = ("TIMED_HERE", "TIMED_ELSEWHERE")
    names = [
        element.id
        for node in parts.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in chosen
        for element in node.value.elts
    ]
    assert set(FOUND[backend]["parts"]) == set(names)
    for part in FOUND[backend]["parts"].values():
        assert {"measured", "versions", "machine", "processes", "pairs", "rows"} <= set(part)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_stands_in_a_page(block):
    assert any(f"<!-- {block} -->" in page.read_text() for page in PAGES)


@pytest.mark.parametrize(
    "planted",
    [
        "A step takes 22 MiB.",
        "It takes 22 bytes a prediction.",
        "This is 0.1 seconds longer.",
        "NumPy takes 2 us.",
        "It takes 30 µs for 10.",
        "Ours is 2.3 times as fast.",
        "It takes up to four\ntimes as long.",
        "It is 30% faster.",
        "It is ten times slower.",
        "It takes twice the memory.",
        "It needs half the time.",
        "It takes a quarter more time.",
        "As fast, to a tenth.",
        "The time is 0.7 of Keras's.",
        "The worst error is 4.5 epsilons.",
        "Between 1 and 2 ulp.",
        "It is exact to 2e-6.",
        "Values agree within 1e-6.",
        "An order of magnitude faster.",
        "It takes 3 to 5 seconds.",
    ],
)
def test_a_planted_number_is_found(planted):
    text = f"# Title\n\nPlain text.\n{planted}\n\n<!-- speed -->\n| 1.0 ms |\n<!-- end -->\n"
    assert len(figures(without_blocks(text))) == 1


def test_a_planted_change_of_a_block_is_found():
    text = (ROOT / "docs" / "about" / "performance.md").read_text()
    changed = text.replace("| TF eager |", "| TF eager, changed |", 1)
    assert changed != text
    assert report.written(changed, BLOCKS) == text


@pytest.mark.parametrize(
    "fine",
    [
        "A count passes 2^24 samples.",
        "A chunk has 2^18 logits by default, and 1000 rows.",
        "`eps = 1e-7` stands in `keras.config.epsilon()`.",
        "A missed positive costs three times as much as a false alarm.",
        "The model predicts ten times as many positives as there are.",
        "40,000 rows of 100 labels, batch 256, width 64.",
        "```python\ntime.sleep(0.1)  # 0.1 seconds\n```",
        "<!-- memory -->\n22 bytes\n<!-- end -->",
    ],
)
def test_other_numbers_are_left_alone(fine):
    assert figures(without_blocks(fine)) == []
