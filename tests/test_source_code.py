"""What the source says of an owner: the demo's two leaks, real modules, other files, limits and what was seen."""

from __future__ import annotations

import linecache
import logging
import os
import py_compile
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leakdiff.demo import matching, matching_fixed
from leakdiff.model.code import Home, Moves, NameKind, Scope
from leakdiff.model.heap import Bound
from leakdiff.source.read import read_code
from source_programs import told, write


def test_the_demo_deletes_only_if_the_driver_accepts() -> None:
    """The first story: the delete wandered into an ``if``; setup and teardown do not count."""
    home = Home(NameKind.GLOBAL, "_inflight", matching.__name__, matching.__file__, owner_type="dict")

    assert told(home) == [
        "put 91 find_driver: [key] =",
        "gone 101 find_driver: del, only if driver.accepted (line 100)",
        "gone 139 setup: clear, only in setup(), which nothing in leakdiff calls",
        "gone 157 teardown: clear, only in teardown(), which nothing in leakdiff calls",
        "=> 1 insert, 1 removal, and the removal runs only if driver.accepted (line 100)",
    ]


def test_the_demos_task_is_discarded_only_when_it_is_done() -> None:
    """The second story: the callback runs when the task is done, which it never is."""
    home = Home(NameKind.GLOBAL, "_background", matching.__name__, matching.__file__, owner_type="set")

    assert told(home) == [
        "put 94 find_driver: add",
        "gone 95 find_driver: discard, as a callback, only when answer is done (line 95)",
        "=> 1 insert, 1 removal, and the removal runs only when answer is done (line 95)",
    ]


def test_the_mended_demo_deletes_in_every_case() -> None:
    """A removal in a ``finally`` has no condition."""
    home = Home(NameKind.GLOBAL, "_inflight", matching_fixed.__name__, matching_fixed.__file__, owner_type="dict")

    assert told(home)[:2] == ["put 86 find_driver: [key] =", "gone 103 find_driver: del"]
    assert told(home)[-1] == "=> 1 insert, 1 removal"


def test_the_mended_demos_task_is_discarded_when_it_is_done() -> None:
    """The callback reads the same in the twin, where the task does end."""
    home = Home(NameKind.GLOBAL, "_background", matching_fixed.__name__, matching_fixed.__file__, owner_type="set")

    assert told(home) == [
        "put 90 find_driver: add",
        "gone 91 find_driver: discard, as a callback, only when answer is done (line 91)",
        "=> 1 insert, 1 removal, and the removal runs only when answer is done (line 91)",
    ]


# -- modules of the standard library, whose lines differ from version to version ------------------


def test_loggers_are_never_removed() -> None:
    """``Manager.loggerDict`` is put into by ``getLogger`` and never emptied."""
    scopes = (Scope("Manager", logging.__file__),)
    code = read_code(Home(NameKind.ATTRIBUTE, "loggerDict", "logging", logging.__file__, scopes, owner_type="dict"))

    assert {site.site.function for site in code.puts} == {"Manager.getLogger", "Manager._fixupParents"}
    assert code.gones == ()
    assert code.summary == "3 inserts, no removal anywhere in logging"


def test_linecache_is_put_into_and_cleared() -> None:
    """``linecache.cache`` has both, each at a line that says so."""
    code = read_code(Home(NameKind.GLOBAL, "cache", "linecache", linecache.__file__, owner_type="dict"))

    assert {site.site.function for site in code.puts} >= {"updatecache", "lazycache"}
    assert sum(site.site.code.startswith("cache[filename] =") for site in code.puts) >= 2
    assert {"clear", "pop"} <= {site.how for site in code.gones}


def test_a_cache_that_drops_its_oldest_is_bounded(tmp_path: Path) -> None:
    """As ``re`` does up to 3.11: it drops its oldest pattern when there are ``_MAXCACHE``."""
    file = tmp_path / "patterns.py"
    file.write_text(
        "_MAXCACHE = 512\n"
        "_cache = {}\n"
        "def compile_(pattern):\n"
        "    if len(_cache) >= _MAXCACHE:\n"
        "        try:\n"
        "            del _cache[next(iter(_cache))]\n"
        "        except (StopIteration, RuntimeError, KeyError):\n"
        "            pass\n"
        "    _cache[pattern] = [pattern]\n"
    )
    bound = read_code(Home(NameKind.GLOBAL, "_cache", "patterns", str(file), owner_type="dict")).bound

    assert bound is not None
    assert (bound.limit, bound.kind) == (512, "len(_cache) >= _MAXCACHE at line 4")


# -- other files -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("importing", "named"),
    [
        ("import app", "app._jobs"),
        ("import app as state", "state._jobs"),
        ("from app import _jobs", "_jobs"),
        ("from app import _jobs as jobs", "jobs"),
    ],
)
def test_a_global_is_known_by_how_it_is_imported(tmp_path: Path, importing: str, named: str) -> None:
    """Other files call it by what they import it as."""
    other = f"{importing}\n\ndef done(key):\n    {named}.pop(key)\n\ndef main():\n    done(1)"
    home = write(tmp_path, "_jobs = {}\ndef start(key):\n    _jobs[key] = 1\n", "_jobs", others={"other": other})

    assert told(home)[:2] == ["put 3 start: [key] =", "gone other.py:4 done: pop"]


def test_what_shadows_an_import_is_not_the_owner(tmp_path: Path) -> None:
    """An argument of the same name is something else."""
    other = "from app import _jobs\n\ndef done(_jobs, key):\n    _jobs.pop(key)"
    home = write(tmp_path, "_jobs = {}\ndef start(key):\n    _jobs[key] = 1\n", "_jobs", others={"other": other})

    assert told(home) == ["put 3 start: [key] =", "=> 1 insert, no removal anywhere in the package app"]


REGISTRY = """
class Registry:
    def __init__(self):
        self.items = {}

    def register(self, key):
        self.items[key] = 1

    def release(self, key):
        self.items.pop(key)

    def release_all(self):
        self.items.clear()

registry = Registry()
"""


def test_a_removal_runs_when_its_method_is_called(tmp_path: Path) -> None:
    """Where the method has no condition of its own, that of its only call counts, and the call is shown."""
    other = """
    from app import registry

    def serve(key, ok):
        registry.register(key)
        if ok:
            registry.release(key)
    """
    home = write(tmp_path, REGISTRY, "items", kind=NameKind.ATTRIBUTE, scope="Registry", others={"other": other})

    assert told(home) == [
        "put 6 Registry.register: [key] =",
        "gone 9 Registry.release: pop, only if ok (line 5), where release() is called in other.py",
        "gone other.py:6 serve: release(), only if ok (line 5)",
        "gone 12 Registry.release_all: clear, only in release_all(), which nothing in app calls",
        "=> 1 insert, 1 removal, and the removal runs only if ok (line 5), where release() is called in other.py",
    ]


def test_an_attribute_of_something_else_is_not_sure(tmp_path: Path) -> None:
    """In other files an attribute of the same name may belong to anything, unless it is of an instance."""
    other = """
    from app import registry

    def drop(thing, key):
        thing.items.pop(key)

    def forget(key):
        registry.items.pop(key)

    class Basket:
        def __init__(self):
            self.items = {}

        def put(self, key):
            self.items[key] = 1
    """
    home = write(tmp_path, REGISTRY, "items", kind=NameKind.ATTRIBUTE, scope="Registry", others={"other": other})
    sites = {site.site.code: site.is_sure for site in read_code(home).gones}

    assert sites["thing.items.pop(key)"] is False
    assert sites["registry.items.pop(key)"] is True
    assert len(read_code(home).puts) == 1


def test_removals_that_are_not_sure_are_said_to_be(tmp_path: Path) -> None:
    """The summary counts them apart."""
    source = """
    class Box:
        def put(self, key):
            self.items[key] = 1

    def drop(thing, key):
        thing.items.pop(key)

    drop(Box(), 1)
    """
    home = write(tmp_path, source, "items", kind=NameKind.ATTRIBUTE, scope="Box")

    assert read_code(home).summary == "1 insert, 1 removal of an attribute of this name, on an object of unknown type"


# -- limits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "bound"),
    [
        ("o[k] = 1\n    while len(o) > 100:\n        o.popitem()", Bound("len(o) > 100 at line 5", 100, 0)),
        ("if len(o) >= LIMIT:\n        o.clear()\n    o[k] = 1", Bound("len(o) >= LIMIT at line 4", 32, 0)),
        ("if LIMIT <= len(o):\n        return\n    o[k] = 1", Bound("LIMIT <= len(o) at line 4", 32, 0)),
        ("if len(o) < 64:\n        o[k] = 1", Bound("len(o) < 64 at line 4", 64, 0)),
        ("o[k] = 1\n    if len(o) <= 5:\n        return\n    o.popitem()", Bound("len(o) <= 5 at line 5", 5, 0)),
        ("o[k] = 1\n    if len(o) > 5 and k:\n        o.popitem()", None),
        ("o[k] = 1\n    if k:\n        while len(o) > 5:\n            o.popitem()", None),
        ("o[k] = 1\n    if len(o) > 5:\n        o.pop(k.old, None)", None),
        ("o[k] = 1\n    if len(o) > limit():\n        o.popitem()", None),
        ("o[k] = 1\n    if len(o) < 5:\n        o.popitem()", None),
        ("o[k] = 1\n    if len(o) > 10 ** 9:\n        o.popitem()", None),
    ],
)
def test_a_limit_counts_if_every_put_keeps_to_it(tmp_path: Path, body: str, bound: Bound | None) -> None:
    """An eviction or a refusal is a bound where it surely runs and its number can be read off the source."""
    home = write(tmp_path, f"LIMIT = 4 * 8\no = {{}}\ndef put(k):\n    {body}\n", "o")

    assert read_code(home).bound == bound


def test_a_limit_beside_an_unlimited_put_is_none(tmp_path: Path) -> None:
    """One way to put without a limit is enough to grow."""
    source = """
    o = []
    def put(v):
        o.append(v)
        del o[:-10]
    def put_too(v):
        o.append(v)
    """

    assert read_code(write(tmp_path, source, "o", owner_type="list")).bound is None


@pytest.mark.parametrize("limit", ["self.size", "self.SIZE", "Cache.SIZE", "SIZE"])
def test_a_limit_may_be_an_attribute_or_a_constant(tmp_path: Path, limit: str) -> None:
    """Defaults of arguments, constants of classes and of modules are numbers too, and a method may evict."""
    source = f"""
    SIZE = 50
    class Cache:
        SIZE = 50
        def __init__(self, size=50):
            self.entries = {{}}
            self.size = size
        def put(self, key, value):
            self.entries[key] = value
            self._evict()
        def _evict(self):
            while len(self.entries) > {limit}:
                self.entries.pop(next(iter(self.entries)))
    """
    home = write(tmp_path, source, "entries", kind=NameKind.ATTRIBUTE, scope="Cache")

    assert read_code(home).bound == Bound(f"len(self.entries) > {limit} at line 11", 50, 0)


def test_a_container_class_that_evicts_is_bounded(tmp_path: Path) -> None:
    """The limit is what the only object of the class was made with; puts from outside go through its method."""
    source = """
    import collections

    class Recent(collections.OrderedDict):
        def __init__(self, limit):
            super().__init__()
            self.limit = limit

        def __setitem__(self, key, value):
            super().__setitem__(key, value)
            while len(self) > self.limit:
                self.popitem(last=False)

    recent = Recent(125)

    def visit(page):
        recent[page] = 1
    """
    home = write(tmp_path, source, "recent", owner_type="app.Recent")

    assert read_code(home).bound == Bound("len(self) > self.limit at line 10", 125, 0)
    assert told(home)[:2] == ["put 9 Recent.__setitem__: __setitem__", "put 16 visit: [key] ="]


def test_a_buffer_that_is_flushed_by_count_is_bounded(tmp_path: Path) -> None:
    """A counter beside it stands for its length where all of it goes at once."""
    source = """
    class Log:
        def __init__(self):
            self.lines = []
            self.pending = 0

        def write(self, line):
            self.lines.append(line)
            self.pending += 1
            if self.pending >= 9:
                self.flush()

        def flush(self):
            self.pending = 0
            self.lines.clear()
    """
    home = write(tmp_path, source, "lines", kind=NameKind.ATTRIBUTE, scope="Log", owner_type="list")

    assert read_code(home).bound == Bound("self.pending >= 9 at line 9", 9, 0)


# -- what was seen ---------------------------------------------------------------------------------

SEEN = """
o = {}
def put(k):
    o[k] = 1
def put_rarely(k):
    o[k] = 1
def lose(k):
    o.pop(k)
def fill(k):
    library.fill(k)
def work(k):
    put(k); put_rarely(k); fill(k); lose(k)
"""


def test_lines_that_were_seen_come_first(tmp_path: Path) -> None:
    """What ran is confirmed, what did not says so, and what the source does not show is added."""
    home = write(tmp_path, SEEN, "o")
    moves = [Moves(home.file, 9, 2.0, 0.0), Moves(home.file, 5, 0.5, 0.0), Moves(home.file, 11, 0.01, 0.0)]

    assert told(home, moves) == [
        "put 9 fill: call [+2.00]",
        "put 5 put_rarely: [key] = [+0.50]",
        "put 3 put: [key] = [+0.00]",
        "gone 7 lose: pop [+0.00]",
        "gone 11 work: lose()",
        "=> 3 inserts, and the removal ran in none of the units measured",
    ]


def test_removals_that_were_seen_have_a_rate(tmp_path: Path) -> None:
    """What was taken out per unit is negative."""
    home = write(tmp_path, SEEN, "o")
    moves = [Moves(home.file, 3, 1.0, 0.0), Moves(home.file, 7, 0.0, 0.75)]

    assert "gone 7 lose: pop [-0.75]" in told(home, moves)


def test_lines_elsewhere_were_not_measured(tmp_path: Path) -> None:
    """Of a file in a folder where nothing was seen nothing is said."""
    home = write(tmp_path, SEEN, "o")

    assert told(home, [Moves("/elsewhere/main.py", 1, 1.0, 0.0)])[:2] == [
        "put main.py:1 : call [+1.00]",
        "put 3 put: [key] =",
    ]


# -- nothing to read -------------------------------------------------------------------------------


def test_a_home_without_a_name_has_no_code() -> None:
    """What no name leads to cannot be looked for."""
    code = read_code(Home(NameKind.ATTRIBUTE, "", "", ""))

    assert (code.puts, code.missing) == ((), "no name in the source leads to it")


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    """A source that is gone is no reason to fail."""
    code = read_code(Home(NameKind.GLOBAL, "o", "app.state", str(tmp_path / "state.py")))

    assert (
        code.summary == code.missing == "the source of app is not there to be read, or has changed since it was loaded"
    )


def test_a_source_of_another_python_is_said_to_be_unreadable(tmp_path: Path) -> None:
    """So is one that this interpreter cannot parse."""
    home = write(tmp_path, "o = {}\nlet o grow", "o")

    assert read_code(home).missing == "the source of app cannot be parsed by this Python"


def test_a_source_that_never_names_it_says_so(tmp_path: Path) -> None:
    """An owner that is set from elsewhere is not in the file."""
    assert read_code(write(tmp_path, "x = 1", "o")).missing == "the source of app does not mention o"


def test_leakdiffs_own_files_are_not_read() -> None:
    """Its machinery has no part in what a workload does; the workloads that it ships do."""
    home = Home(NameKind.GLOBAL, "_TOO_DEEP", read_code.__module__, sys.modules[read_code.__module__].__file__ or "")

    assert read_code(home).missing.startswith("the source of leakdiff is not there to be read")


def test_deep_nesting_is_survived(tmp_path: Path) -> None:
    """An expression of many thousand operators is read, or said to be missing."""
    home = write(tmp_path, "o = {}\ndef f():\n    o[1] = " + "+".join(["1"] * 20_000), "o")

    assert read_code(home).summary


def test_many_files_are_cut_and_it_is_said(tmp_path: Path) -> None:
    """Work is bounded: 400 files are read, the rest is counted."""
    others = {f"other_{number}": "pass" for number in range(401)}
    home = write(tmp_path, "o = {}\ndef f(k):\n    o[k] = 1", "o", others=others)

    assert read_code(home).summary == "1 insert, no removal anywhere in the package app (2 more files were not read)"


_KINDS = st.sampled_from(list(NameKind))
_TOKENS = (
    "o self . = [ ] ( ) : def class f return if else for in x pop append , del await lambda not while try: except: "
    "finally: with as += len > 5 import from global nonlocal * { } @ yield match case"
)
_WORDS = st.lists(st.sampled_from([*_TOKENS.split(), "\n", "\n    ", "\n        "]), max_size=60)


@given(source=st.one_of(st.text(max_size=200), _WORDS.map(" ".join)), kind=_KINDS, below=st.integers(0, 2))
@settings(deadline=None)
def test_no_text_is_too_broken(
    tmp_path_factory: pytest.TempPathFactory, source: str, kind: NameKind, below: int
) -> None:
    """Whatever stands in a file, an answer comes back."""
    file = tmp_path_factory.mktemp("any") / "app.py"
    file.write_bytes(source.encode("utf-8", "surrogatepass"))
    scopes = (Scope("f", str(file)), Scope("x", str(file)))
    for home in (Home(kind, "o", "app", str(file), scopes, below), Home(kind, "o", "app", str(file), (), below)):
        code = read_code(home, [Moves(str(file), 1, 1.0, 0.5)])

        assert code.summary
        assert all(site.site.line > 0 for site in (*code.puts, *code.gones))


# -- what must not be read, or told ----------------------------------------------------------------


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    """A module may come from a pipe, or from a terminal: to read it again would wait for ever."""
    pipe = tmp_path / "app.py"
    os.mkfifo(pipe)
    code = read_code(
        Home(NameKind.GLOBAL, "_kept", "app", str(pipe), owner_type="dict"), [Moves(str(pipe), 1, 1.0, 0.0)]
    )

    assert (
        code.missing == code.summary == "the source of app is not there to be read, or has changed since it was loaded"
    )


def test_a_source_that_changed_since_it_was_loaded_is_not_read(tmp_path: Path) -> None:
    """Its lines are others than those that run: what stands in them now would be told as what put entries in."""
    file = tmp_path / "app.py"
    file.write_text("_kept = {}\ndef put(key):\n    _kept[key] = key\n")
    py_compile.compile(str(file))
    home = Home(NameKind.GLOBAL, "_kept", "app", str(file), owner_type="dict")

    assert [put.site.line for put in read_code(home).puts] == [3]

    file.write_text("PASSWORD = 'hunter3'\n" + file.read_text())

    assert read_code(home).puts == ()
    assert "has changed since it was loaded" in read_code(home).missing


def test_a_huge_source_is_not_parsed(tmp_path: Path) -> None:
    """Parsing takes hundreds of times as much memory as the text: generated tables are left alone."""
    file = tmp_path / "app.py"
    file.write_text("_kept = {}\n_kept[1] = 1\n" + "x = 1  # a long, long line of a generated table\n" * 60_000)

    assert read_code(Home(NameKind.GLOBAL, "_kept", "app", str(file), owner_type="dict")).puts == ()


def test_literals_in_conditions_are_told_only_if_they_are_words(tmp_path: Path) -> None:
    """A token that a condition compares with must not get into a report that is sent around."""
    file = tmp_path / "app.py"
    file.write_text(
        "_kept = {}\n"
        "def step(key, token, state):\n"
        "    _kept[key] = key\n"
        "    if token == 'sk_live_51H8x' and state == 'accepted':\n"
        "        del _kept[key]\n"
    )
    (gone,) = read_code(Home(NameKind.GLOBAL, "_kept", "app", str(file), owner_type="dict")).gones

    assert gone.only == "only if token == '...' and state == 'accepted' (line 4)"
