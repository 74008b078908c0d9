"""The documentation site: Sphinx with MyST and Furo, which is what people of Django know.

The pages are the Markdown that also reads on GitHub. Nothing is fetched while it is built, and
nothing from another host while it is read. ``make docs`` builds it.
"""

import sys
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

project = "signal_tracer"
author = "signal_tracer contributors"
project_copyright = (
    f"{author}. The traces on these pages were made when they were built, by Python "
    f"{sys.version_info[0]}.{sys.version_info[1]} and Django {metadata.version('django')}"
)
html_title = "signal_tracer"

extensions = [
    *("myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "sphinx_copybutton"),
    *("directives", "from_code"),
]
myst_enable_extensions = ["attrs_inline", "deflist"]
# Every heading has the anchor that GitHub gives it.
myst_heading_anchors = 4
nitpicky = True
# Python's and Django's names have no page here, and are not looked up elsewhere.
nitpick_ignore_regex = [("py:.*", r"(?!signal_tracer\.).*")]
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
toc_object_entries_show_parents = "hide"
maximum_signature_line_length = 80
# What a number counts in is said by its name; its limits are in the schema.
autodoc_type_aliases = {"Seconds": "Seconds", "Count": "int", "Ordinal": "int", "Share": "float"}
exclude_patterns = ["_build", "examples"]

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": False}
pygments_style = "a11y-light"
pygments_dark_style = "a11y-dark"
copybutton_exclude = ".linenos, .gp, .go"
