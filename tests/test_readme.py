"""What the README promises: two commands, and failures that are tested."""

import re
from pathlib import Path

import pytest
from support import snippets

README = snippets.ROOT / "README.md"
pytestmark = pytest.mark.skipif(not README.exists(), reason="only in the source tree")


def test_the_first_two_shell_blocks_are_one_command_each():
    first, second = snippets.blocks(README, "sh")[:2]
    assert first.count("\n") == second.count("\n") == 1
    assert "quickstart.py" in first
    assert "pytest" in second


def test_the_failures_it_lists_are_tested():
    tests = (Path(__file__).parent / "test_keras_failures.py").read_text()
    assert len(re.findall(r"^def test_\d\d_", tests, re.M)) >= 32
