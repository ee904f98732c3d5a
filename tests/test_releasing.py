"""The places that name the version agree, as a release checks before it is published."""

import subprocess

import pytest
from support.snippets import ROOT

import keras_bce

SCRIPT = ROOT / ".ci" / "version"


def named(tag):
    done = subprocess.run(["bash", SCRIPT, tag], capture_output=True, text=True, check=False)
    return done.returncode == 0


@pytest.mark.skipif(not SCRIPT.exists(), reason="only in a clone")
def test_the_version_is_named_everywhere():
    assert named(f"v{keras_bce.__version__}")


@pytest.mark.skipif(not SCRIPT.exists(), reason="only in a clone")
@pytest.mark.parametrize("tag", ["v9.9.9", "v0.1.0", "v"])
def test_a_tag_of_another_version_is_refused(tag):
    assert not named(tag)
