"""The code of the README and of every page of the site runs, and prints what its comments say.

The blocks of a page are one program, in their order. A page whose packages are not installed is
skipped, unless `SNIPPETS_MUST_RUN` is set.
"""

import importlib.util
import math
import os

import keras
import pytest
from support import snippets

from keras_bce import _data

PAGES = snippets.pages()
RELEASE = tuple(map(int, keras.__version__.split(".")[:2]))


@pytest.mark.skipif(keras.config.backend() == "numpy", reason="the pages train models")
@pytest.mark.skipif(RELEASE < (3, 15), reason="the pages show what a newer Keras does")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs_and_prints_what_it_says(page, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # On a slow machine, the progress bar of `check_inputs` would be printed as well.
    monkeypatch.setattr(_data, "PROGRESS_DELAY", math.inf)
    code = snippets.blocks(page, "python")
    missing = [name for name in snippets.imported(code) if importlib.util.find_spec(name) is None]
    if missing and "SNIPPETS_MUST_RUN" not in os.environ:
        pytest.skip(f"not installed: {', '.join(missing)}")
    namespace = {}
    for block in code:
        exec(compile(block, f"{page.name}", "exec"), namespace)
        assert capsys.readouterr().out.splitlines() == snippets.expected(block)
