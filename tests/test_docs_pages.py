"""What the documents promise of themselves: examples that run, figures with their date, a reference that is whole."""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import leakdiff
import leakdiff.errors
import leakdiff.web
from leakdiff.cli import make_parser
from leakdiff.errors import LeakdiffError
from leakdiff.options import Options

REPOSITORY = Path(__file__).resolve().parent.parent
DOCS = REPOSITORY / "docs"
REFERENCE = DOCS / "reference"
PAGES = tuple(sorted([REPOSITORY / "README.md", *DOCS.rglob("*.md")]))
MEASURED = tuple(
    sorted(set((DOCS / "explanation" / "measured").glob("*.md")) - {DOCS / "explanation/measured/index.md"})
)

# A block of Python is marked as such, so that it is run; what stands in the others is not Python, or is output.
LANGUAGES = {
    "bash",
    "console",
    "css",
    "dot",
    "html",
    "ini",
    "json",
    "markdown",
    "mermaid",
    "python",
    "text",
    "toml",
    "yaml",
}
DIRECTIVES = {"{toctree}", "{eval-rst}", "{include}"}
FENCE = re.compile(r"^ *(```+)(.*)$", re.MULTILINE)


def fences(text: str) -> Iterator[str]:
    """Yield what each block of code says it is."""
    marks = iter(FENCE.findall(text))
    for ticks, said in marks:
        yield said.split(" ")[0].strip()
        for closing, rest in marks:
            if closing == ticks and not rest.strip():
                break


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_block_of_code_says_its_language(page: Path) -> None:
    """Python is called python, which conftest.py runs, and nothing else that it would not run."""
    unknown = set(fences(page.read_text("utf-8"))) - LANGUAGES - DIRECTIVES

    assert unknown == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_an_example_that_is_not_run_says_why(page: Path) -> None:
    """As in <!-- skip: next "needs numpy" -->; and no more than the next one is left out."""
    skips = re.findall(r"<!--+ *skip.*", page.read_text("utf-8"))
    reason = re.compile(r'<!-- skip: next ("[^"]{8,}"|if\(.+, reason="[^"]{8,}"\)) -->')

    assert [skip for skip in skips if not reason.fullmatch(skip)] == []


@pytest.mark.parametrize("page", MEASURED, ids=lambda page: page.name)
def test_figures_say_when_and_where_they_were_measured(page: Path) -> None:
    """Each page of figures begins with the command, the date, the interpreter and the machine."""
    said = page.read_text("utf-8")

    assert re.search(r"`(make [a-z-]+|python benchmarks/\w+\.py)`", said)
    assert re.search(r"\bon 20\d\d-\d\d-\d\d\b", said)
    assert re.search(r"\bCPython 3\.\d+\.\d+", said)
    assert re.search(r"\b\d+ (CPUs|cores)\b", said)


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "SECURITY.md"])
def test_links_from_beside_the_documents_lead_somewhere(name: str) -> None:
    """To a file, and to a heading of it; Sphinx looks after those within the documents."""
    links = re.findall(r"\]\(([^)#\s]+)(?:#([^)\s]+))?\)", (REPOSITORY / name).read_text("utf-8"))
    inside = [(path, anchor) for path, anchor in links if "://" not in path]

    assert [path for path, _ in inside if not (REPOSITORY / path).is_file()] == []
    assert [f"{path}#{at}" for path, at in inside if at and at not in anchors(REPOSITORY / path)] == []


def anchors(page: Path) -> set[str]:
    """Return what the headings of a page are called in links, as code hosts do."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_public_name_has_an_entry() -> None:
    """In the API: those of leakdiff and leakdiff.web, and all errors with their slugs."""
    page = (REFERENCE / "api.md").read_text("utf-8")
    named = [f"leakdiff.{name}" for name in leakdiff.__all__ if not name.startswith("__")]
    named += [f"leakdiff.web.{name}" for name in leakdiff.web.__all__]
    documented = set(re.findall(r"^\.\. auto\w+:: (\S+)$", page, re.MULTILINE))
    errors = {"leakdiff.LeakdiffError", "leakdiff.LeakFound"}  # with the others of their module

    assert sorted(set(named) - documented - errors) == []
    assert ".. automodule:: leakdiff.errors" in page
    assert [error.slug for error in all_errors() if f"`{error.__name__}` |" not in page] == []


def all_errors() -> list[type[LeakdiffError]]:
    """Return all errors but their base."""
    classes = (found for _, found in inspect.getmembers(leakdiff.errors, inspect.isclass))
    return [found for found in classes if issubclass(found, LeakdiffError) and found is not LeakdiffError]


def test_every_message_is_explained_by_its_slug() -> None:
    """Those of errors.py and those of the debug endpoint."""
    headings = re.findall(r"^## (\S+)$", (REFERENCE / "messages.md").read_text("utf-8"), re.MULTILINE)
    refusals = importlib.import_module("leakdiff.web.refusals")
    slugs = {error.slug for error in all_errors()}
    slugs |= {found.slug for _, found in inspect.getmembers(refusals, inspect.isclass) if hasattr(found, "slug")}

    assert sorted(slugs - set(headings)) == []
    assert len(headings) == len(set(headings))


def test_every_option_of_the_command_line_is_explained() -> None:
    """Under its command, or with those that all commands have."""
    page = (REFERENCE / "cli.md").read_text("utf-8")
    parts = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    common = parts["Options of every command"]
    missing = []
    for name, parser in parsers():
        part = parts.get(f"leakdiff {name.split()[0]}", "") if name else common
        missing += [
            f"{name} {option}"
            for option in options_of(parser)
            if f"`{option}" not in part + common and f"[{option}" not in part
        ]

    assert missing == []


def test_the_help_of_each_command_leads_to_a_page_that_is_there() -> None:
    """Where it says that a page has more."""
    pages = {page for _, parser in parsers() if (page := getattr(parser, "page", ""))}

    assert "how-to/check" in pages
    assert [page for page in sorted(pages) if not (DOCS / f"{page}.md").is_file() and not is_folder(page)] == []


def is_folder(page: str) -> bool:
    """Tell whether a page stands for all in a folder."""
    return (DOCS / page / "index.md").is_file()


def parsers() -> list[tuple[str, argparse.ArgumentParser]]:
    """Return every command with its parser, those below a command too."""
    found: list[tuple[str, argparse.ArgumentParser]] = []

    def walk(name: str, parser: argparse.ArgumentParser) -> None:
        found.append((name, parser))
        for action in parser._actions:  # noqa: SLF001 - argparse has no other way to list them
            if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
                for below, one in action.choices.items():
                    walk(f"{name} {below}".strip(), one)

    walk("", make_parser())
    return found


def options_of(parser: argparse.ArgumentParser) -> list[str]:
    """Return the long options of a command."""
    named = (option for action in parser._actions for option in action.option_strings)  # noqa: SLF001
    return [option for option in named if option.startswith("--")]


def test_every_option_of_a_check_is_explained() -> None:
    """By the docstring that the API page shows."""
    names = set(inspect.signature(Options).parameters)

    assert names <= set(re.findall(r"^ +(\w+): ", Options.__doc__ or "", re.MULTILINE))


def test_every_option_of_the_plugin_is_explained() -> None:
    """By its name on the command line."""
    page = (REFERENCE / "pytest.md").read_text("utf-8")
    plugin = (REPOSITORY / "src" / "leakdiff" / "pytest_plugin.py").read_text("utf-8")
    options = set(re.findall(r'"(--leakdiff[a-z-]*)"', plugin))

    assert options
    assert sorted(option for option in options if f"`{option}" not in page) == []
