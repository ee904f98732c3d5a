"""The README's code runs, and prints what its comments say."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def blocks(language):
    if not README.exists():
        pytest.skip("only in the source tree")
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(), re.M | re.S)


def test_every_block_of_python_runs_and_prints_what_it_says(capsys):
    pytest.importorskip("sklearn")
    namespace = {}
    code = blocks("python")
    assert len(code) >= 4
    for block in code:
        exec(block, namespace)
        printed = capsys.readouterr().out.split()
        assert printed == re.findall(r"^print.*# (.*)$", block, re.M)


def test_the_first_two_shell_blocks_are_one_command_each():
    first, second = blocks("sh")[:2]
    assert first.count("\n") == second.count("\n") == 1
    assert "quickstart.py" in first
    assert "pytest" in second


def test_the_failures_it_lists_are_tested():
    tests = (Path(__file__).parent / "test_keras_failures.py").read_text()
    assert len(re.findall(r"^def test_\d\d_", tests, re.M)) >= 32
