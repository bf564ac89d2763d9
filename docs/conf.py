"""How Sphinx builds these documents: make docs, and make man."""

import sys
from pathlib import Path
from typing import Any

import leakdiff

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "leakdiff"
author = "the authors of leakdiff"
copyright = "the authors of leakdiff"  # noqa: A001 - Sphinx wants this name
version = release = leakdiff.__version__
today = release  # for the manual page: the same sources make the same page on any day

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "manual_page"]
nitpicky = True
smartquotes = False  # so that pages and manual page are made of the same texts

myst_heading_anchors = 4
myst_enable_extensions = ["attrs_inline"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
add_module_names = False
toc_object_entries = False  # each page has the tree of all pages, and would have them in it
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
# Names in signatures that have no entry here: those of Python and of what leakdiff stands on, and what stays inside.
nitpick_ignore_regex = [
    ("py:.*", r"(asyncio|collections\.abc|networkx|nx|os|pathlib|types|typing|web)\..*"),
    ("py:.*", r"CollectorRegistry|MeterProvider|tuple\[.*"),
    ("py:.*", r"(Asgi|Wsgi)(App|Dispatch)|Deep|Kind|Place|(.*\.)?(Endpoint|Faulty|T|WeakWork|World)"),
]

html_theme = "furo"
html_title = f"leakdiff {release}"
html_static_path = ["_static"]
html_js_files = ["accessible.js"]
html_css_files = ["pages.css"]
html_copy_source = False
html_show_sphinx = False
html_show_search_summary = False  # it fetches the pages found, which a browser forbids where they are files

man_pages = [("reference/cli", "leakdiff", "whether a Python process leaks, what grows, and who holds it", "", 1)]


def setup(app: Any) -> None:
    """Mend what the extensions cannot know."""
    app.connect("source-read", _link_inside)
    app.connect("autodoc-process-docstring", _keep_sentence, priority=1)


def _link_inside(_: object, __: str, content: list[str]) -> None:
    """Let links to a file beside docs/ lead to the page that includes it."""
    content[0] = content[0].replace("](../../SECURITY.md", "](/security.md")


def _keep_sentence(_: object, what: str, __: str, ___: object, ____: object, lines: list[str]) -> None:
    """Keep napoleon from taking a property's first words up to a colon for its type."""
    if what in ("attribute", "property"):
        lines.insert(0, "\\")  # an escaped end of line, which is nothing
