"""The documentation site, which loads nothing from elsewhere.

sphinx-build -E -W docs build/site
"""

import os
import shutil
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path[:0] = [str(ROOT), str(DOCS / "_extensions")]

import keras_bce  # noqa: E402

project = "keras_bce"
copyright = "the keras_bce developers"  # noqa: A001
version = release = keras_bce.__version__

napoleon_custom_sections = [("Call arguments", "params_style")]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "markdown_docstrings",
    "mathml",
    "reference",
]
exclude_patterns = ["_*"]
templates_path = ["_templates"]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 88
# What is copied from an example has no prompts, and nothing that is printed.
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True
suppress_warnings = ["myst.header"]

html_theme = "furo"
# The reference lists the modules.
html_domain_indices = False
html_title = f"keras_bce {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b6e75", "color-brand-content": "#0b6e75"},
    "dark_css_variables": {"color-brand-primary": "#4fc3c7", "color-brand-content": "#4fc3c7"},
}

# The pictures that examples and benchmarks draw.
PICTURES = DOCS / "_pictures"
PICTURES.mkdir(exist_ok=True)
for picture in [*ROOT.glob("examples/*.png"), *ROOT.glob("benchmarks/*.png")]:
    shutil.copy(picture, PICTURES)
