"""Growth of a known kind: what the tools around a program keep, and caches that are bounded by what they are.

An artefact either excuses an owner, which then ranks below the others, or only adds a note to it: what grows without
a bound in a registry of the interpreter is a leak like any other.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import Final

import attrs

from leakdiff.model.heap import Step
from leakdiff.model.report import Finding

_PYTEST: Final = "pytest"  # the kind of root that a test and its fixtures are
_SAID: Final = (_PYTEST, "prompt")  # kinds of roots that are known where the process is, and are part of the name
_OLDEST: Final = (3, 11)
_SELF: Final = " self"  # the object that a test is a method of
_MOCK_REMEDY: Final = "call reset_mock() in the repeated body, or make the mock in it"
_OUT_REMEDY: Final = (
    "end a line with ; to keep its result out of Out; %xdel lets go of one that has a name, %reset -f out of all"
)
_CONTAINERS = re.compile(
    r"(list|dict|set|frozenset|tuple|collections\.\w+|weakref\.\w+|_weakrefset\.\w+|_io\.\w+|array\.array|"
    r"functools\._lru_cache_wrapper)"
)


@attrs.frozen
class Artefact:
    """One kind of growth that is known, and why it is there.

    Attributes:
        slug: Its stable name.
        pattern: A regular expression for the whole of the owner's name, which begins with the type of the object,
            or the function, that has it; with its module, fixture or test where there is none.
        reason: Why it grows, in a sentence.
        remedy: What to do so that it does not, where there is something to do.
        excuses: Whether it ranks the finding down; else the reason is shown and the verdict stands.
        in_tests: Whether it does so where pytest runs the work, though not elsewhere.
        since: The first version of CPython that does so.
        until: The first version of CPython that does not any more; None where all do.
    """

    slug: str
    pattern: str
    reason: str
    remedy: str = ""
    excuses: bool = True
    in_tests: bool = False
    since: tuple[int, int] = _OLDEST
    until: tuple[int, int] | None = None

    def covers(self, python: tuple[int, int]) -> bool:
        """Tell whether this version of CPython does so."""
        return self.since <= python and (self.until is None or python < self.until)

    def does_excuse(self, *, in_test: bool) -> bool:
        """Tell whether it ranks a finding down, found by a test or elsewhere."""
        return self.excuses or (in_test and self.in_tests)


ARTEFACTS: Final[tuple[Artefact, ...]] = (
    # -- kept by tools ---------------------------------------------------------------------------
    Artefact("leakdiff", r"leakdiff\.(?!selftest_plants\.|demo\.).*", "leakdiff keeps it while it looks"),
    Artefact(
        "pytest-log",
        r"_pytest\.logging\..*",
        "pytest keeps the log records of a test until it has ended",
        "log less in the repeated body, raise the level with caplog.set_level(logging.CRITICAL), or run pytest with "
        "-p no:logging; caplog.clear() does not free what is kept for the report",
    ),
    Artefact(
        "pytest-assertions", r"_pytest\.assertion\..*", "pytest keeps what it knows of the modules that it rewrote"
    ),
    Artefact(
        "pytest-capture",
        r"_pytest\.capture\..*",
        "pytest keeps the output of a test until it has ended",
        "call readouterr() of capsys in the repeated body; without that fixture, run pytest with --capture=fd, which "
        "keeps output in a file, or with -s",
    ),
    Artefact(
        "pytest-monkeypatch",
        r"_pytest\.monkeypatch\..*",
        "monkeypatch keeps what it has to put back until the test has ended",
        "use `with monkeypatch.context() as patch:` in the repeated body",
    ),
    Artefact(
        "pytest-finalizers",
        r"_pytest\.(runner\.SetupState\.stack|fixtures\.\w+\._finalizers).*",
        "pytest keeps what addfinalizer() was given until the test has ended",
        "clean up in the repeated body itself, by a with statement",
    ),
    Artefact(
        "unittest-cleanups",
        r"pytest test self\._cleanups",
        "unittest keeps what addCleanup() and enterContext() were given until the test has ended",
        "call doCleanups() at the end of the repeated body, or use a with statement",
    ),
    Artefact(
        "pytest-subtests",
        r"_pytest\.(terminal\.\w+\.stats|subtests\.).*",
        "pytest keeps a report of every subtest until the session has ended",
        "leave subtests out of the repeated body",
    ),
    Artefact(
        "pytest-properties",
        r"pytest test\.(user_properties|own_markers|extra_keyword_matches|keywords|_report_sections)|"
        r"_pytest\.junitxml\..*",
        "pytest keeps properties, markers and sections of a test for its report",
        "record them outside the repeated body",
    ),
    Artefact(
        "warnings-recorded",
        r"warnings\._showwarnmsg_impl\.__self__|_pytest\.recwarn\..*",
        "pytest keeps every warning of a test until it has ended",
        "expect them by `with pytest.warns(...)` in the repeated body, filter them out, or run pytest with "
        "-p no:warnings",
        excuses=False,
        in_tests=True,
    ),
    Artefact(
        "pytest",
        r"_pytest\.(?!stash\.Stash\._storage\[).*|pytest test\.(_request|_fixtureinfo)\b.*",
        "pytest keeps it about the tests, their fixtures and reports",
    ),
    Artefact(
        "pluggy",
        r"pluggy\..*",
        "pytest keeps its plugins, and the calls they are told of",
        "register plugins outside the repeated body",
        excuses=False,
        in_tests=True,
    ),
    Artefact(
        "mock-patches",
        r"unittest\.mock\._patch\._active_patches|pytest_mock\..*",
        "mock keeps every patch that was started until it is stopped",
        "stop it in the repeated body: with patch(...), or mocker.stopall() at the end; or patch outside it",
        excuses=False,
        in_tests=True,
    ),
    Artefact(
        "hypothesis",
        r"hypothesis\..*",
        "hypothesis keeps what it knows of examples and of the code they ran",
        "give the test few examples and no database: @settings(max_examples=5, database=None, deadline=None)",
        excuses=False,
        in_tests=True,
    ),
    Artefact(
        "coverage",
        r"coverage\..*",
        "coverage keeps the lines that ran",
        "look for leaks in a run without coverage",
        excuses=False,
        in_tests=True,
    ),
    Artefact(
        "ipython-history",
        r"(IPython|ipykernel)\..*",
        "IPython keeps the input and output of the session",
        _OUT_REMEDY,
    ),
    Artefact(
        "ipython-out",
        r"prompt \S+\._(oh|ih)",
        "IPython keeps every result in Out, and every input in In",
        _OUT_REMEDY,
    ),
    Artefact(
        "mock-calls",
        r"(unittest\.)?mock\.(mock\.)?_CallList",
        "a mock remembers every call until reset_mock()",
        _MOCK_REMEDY,
        excuses=False,
        in_tests=True,
    ),
    Artefact(
        "mock-children",
        r"(unittest\.)?mock\.(mock\.)?\w+\.(_mock_children|_mock_mock_calls|_mock_method_calls)",
        "a mock keeps a child for every attribute that it was asked for",
        "make the mock in the repeated body, or ask it for attributes of the same names",
        excuses=False,
        in_tests=True,
    ),
    Artefact("tracemalloc", r"tracemalloc\..*", "tracemalloc keeps what it traced"),
    # -- bounded by what they are ----------------------------------------------------------------
    Artefact("re-cache", r"re\._cache2?", "re keeps at most 512 compiled patterns"),
    Artefact("strptime-cache", r"_strptime\._regex_cache", "time.strptime keeps at most five formats"),
    Artefact("tokenize-cache", r"tokenize\._compile cache", "tokenize keeps a few compiled patterns of its own"),
    Artefact("re-templates", r"re\._compile_(repl|template)\W.*", "re keeps at most 512 parsed replacements"),
    Artefact(
        "typing-cache",
        r"typing\.(.* cache|_cleanups\W.*)",
        "typing keeps at most 128 results for each of its functions",
    ),
    Artefact(
        "metadata-paths",
        r"importlib\.metadata\.(FastPath|Lookup)(\W.*)?",
        "importlib.metadata keeps what it found in each of at most 128 folders",
    ),
    Artefact(
        "slot-names", r".*\.__slotnames__", "copyreg remembers the slots of each class that was pickled or copied"
    ),
    Artefact(
        "temporary-names", r"tempfile\.(_name_sequence|_RandomNameSequence).*", "tempfile draws names from one place"
    ),
    Artefact("testcase-classes", r".*\.tearDown_exceptions", "unittest notes for each class what its cleanups raised"),
    Artefact(
        "event-loop-policy", r"asyncio\.\w+\.\w*EventLoopPolicy", "asyncio makes its policy when it is first asked"
    ),
    Artefact("logging-levels", r"logging\.(Root)?Logger\._cache", "a logger remembers one answer for each level"),
    Artefact("abc-cache", r"_abc\._abc_data.*", "an abstract class remembers, weakly, each class it was asked about"),
    Artefact(
        "singledispatch-cache",
        r"singledispatch\.<locals>\.\w+ closure dispatch_cache(\.data)?",
        "functools.singledispatch remembers, weakly, the implementation for each class",
    ),
    Artefact("module-locks", r"_frozen_importlib\._module_locks", "importlib keeps weak locks of modules it imports"),
    Artefact(
        "import-paths",
        r"sys\.path_importer_cache|_frozen_importlib_external\.FileFinder\W.*",
        "importlib keeps one finder for each folder that it looked into for modules",
    ),
    # -- notes: true leaks look like this too ----------------------------------------------------
    Artefact(
        "overloads",
        r"typing\._overload_registry",
        "typing remembers the variants of each overloaded function: bounded unless functions are made",
        excuses=False,
    ),
    Artefact(
        "threads-at-exit",
        r"threading\._threading_atexits",
        "threading calls these at the end: bounded unless something goes on registering",
        excuses=False,
    ),
    Artefact(
        "linecache",
        r"linecache\.cache",
        "linecache keeps the source of every file that a traceback showed, and of generated code for good",
        excuses=False,
    ),
    Artefact(
        "warning-registry",
        r".*\.__warningregistry__",
        "a module remembers every text that it warned with: bounded only if the texts are",
        excuses=False,
    ),
    Artefact(
        "loggers",
        r"logging\.(Manager\.loggerDict|PlaceHolder\.loggerMap)",
        "logging keeps every logger by name: bounded only if the names are",
        excuses=False,
    ),
    Artefact(
        "modules",
        r"sys\.modules",
        "every imported module stays: bounded unless the program makes modules of its own",
        excuses=False,
    ),
    Artefact(
        "codecs",
        r"encodings\._cache",
        "encodings remembers every name it was asked for, unknown ones too: bounded only if the names are",
        excuses=False,
    ),
    Artefact(
        "copyreg",
        r"copyreg\.(dispatch_table|_extension_registry|_inverted_registry|_extension_cache)",
        "copyreg keeps every class that was registered: bounded only if the classes are",
        excuses=False,
    ),
    Artefact(
        "inspect",
        r"inspect\.(modulesbyfile|_filesbymodname)",
        "inspect keeps the file of every module it was asked about: bounded unless modules are made",
        excuses=False,
    ),
    Artefact(
        "ctypes-pointers",
        r"_?ctypes\._pointer_type_cache",
        "ctypes keeps every pointer type that was made: bounded only if the types are",
        excuses=False,
        until=(3, 14),
    ),
)
"""Every artefact; the first that fits is told."""


def artefact_of(finding: Finding, python: tuple[int, int]) -> Artefact | None:
    """Return the artefact that a finding is, or None.

    Args:
        finding: What grows, and who holds it.
        python: Major and minor version of the interpreter it was found in.
    """
    if finding.owner is None:
        return None
    return _CELLS_BY_IPYTHON if _is_by_ipython(finding) else artefact_at(finding.path[: finding.depth], python)


_CELLS_BY_IPYTHON: Final = Artefact(
    "ipython-cells",
    r"linecache\.cache",
    "IPython keeps the source of every cell in linecache, for tracebacks",
    _OUT_REMEDY,
)
_IPYTHON: Final = f"{os.sep}IPython{os.sep}core{os.sep}"


def _is_by_ipython(finding: Finding) -> bool:
    """Tell whether IPython alone was seen to put entries into what others may put entries into as well."""
    if re.fullmatch(_CELLS_BY_IPYTHON.pattern, finding.owner or "") is None:
        return False
    seen = [put.site.file for put in finding.code.puts if put.per_unit] if finding.code is not None else []
    return bool(seen) and all(_IPYTHON in file for file in seen)


def artefact_at(way: Sequence[Step], python: tuple[int, int]) -> Artefact | None:
    """Return the artefact at the end of a way from a root to an owner, or None."""
    name = _by_type(way)
    fitting = (known for known in ARTEFACTS if known.covers(python))
    return next((known for known in fitting if re.fullmatch(known.pattern, name)), None)


def is_excused(way: Sequence[Step]) -> bool:
    """Tell whether an owner, found in this process, is of a kind that is excused here."""
    known = artefact_at(way, sys.version_info[:2])
    return known is not None and known.does_excuse(in_test=runs_in_pytest())


def runs_in_pytest() -> bool:
    """Tell whether pytest runs a test in this process; one that a test started inherits the variable only."""
    return "PYTEST_CURRENT_TEST" in os.environ and "_pytest.runner" in sys.modules


def _by_type(way: Sequence[Step]) -> str:
    """Name an owner by the nearest function or object that is no container, and the labels from there.

    What a tool holds of a program, such as a fixture, is not the tool's: its own type comes nearer.
    """
    labels: list[str] = []
    for step in reversed(way):
        kind = step.type.removeprefix("function ")
        is_function = kind != step.type
        is_object = "." in kind and " " not in kind and not _CONTAINERS.fullmatch(kind) and step.label != _SELF
        if is_function or is_object:
            return "".join([kind, *reversed(labels)])
        labels.append(step.label)
    start = f"{way[0].type} " if way[0].type in _SAID else ""  # a module may be called ``test``, and have an ``_oh``
    return "".join([start, *reversed(labels)])
