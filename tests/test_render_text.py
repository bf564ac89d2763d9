"""The text report: the shape people know leakdiff by, and safe whatever stands in a name."""

from __future__ import annotations

import textwrap
from pathlib import Path

import attrs
import pytest
from hypothesis import given

from builder import one_round
from leakdiff.model.cause import Cause
from leakdiff.model.code import Code, CodeSite
from leakdiff.model.heap import Bound, Site, Step
from leakdiff.model.native import CCall, NativeEvidence
from leakdiff.model.report import Finding, Novelty, Report, TypeGrowth, Verdict
from leakdiff.model.signals import Phase, Rate
from leakdiff.render.plain import printable, size
from leakdiff.render.text import headline, render_text, short_path
from strategies import reports, texts

INFLIGHT = Finding(
    verdict=Verdict.LEAK,
    because="grew in 5 of 5 further rounds by 1.00 entries per unit, up to 1,512, and no bound was found",
    fingerprint="3f9a2c",
    owner="app.matching._inflight",
    owner_type="dict",
    length=1_512,
    path=(Step("app.matching", "module"), Step("._inflight", "dict"), Step("[*]", "app.matching.Result")),
    depth=2,
    types=tuple(TypeGrowth(name, 1.0, 303, per_entry=1.0) for name in ("app.matching.Result", "dict", "bytes")),
    key_shape="str 'req-' + 8 hex",
    sites=(Site("app/matching.py", 41, "find_driver", "result = Result(rid, driver)"),),
    per_unit=Rate(objects=3.0, bytes=2_355.2, blocks=6.0),
    per_entry=2_355.2,
    entries_per_unit=1.0,
    advice="remove the entry on every path (try/finally), or bound the container (maxsize, TTL)",
)
C_HEAP = Finding(
    verdict=Verdict.NATIVE,
    because="32.0 bytes per unit of the C heap stay in use in every round",
    fingerprint="c0ffee",
    owner=None,
    owner_type="C heap",
    length=0,
    path=(Step("native: C heap, no referrer", "native"),),
    depth=1,
    types=(),
    key_shape=None,
    sites=(),
    per_unit=Rate(native_bytes=32.0),
)
DEEP = tuple(one_round(Phase.DEEP, blocks=606) for _ in range(3))


def report_of(*findings: Finding, notes: tuple[str, ...] = ()) -> Report:
    """Return a report whose verdict is that of its first finding."""
    return Report(findings[0].verdict, findings[0].because, findings, DEEP, notes)


def text_of(expected: str) -> str:
    """Return text as it is written in a test, without its margin."""
    return textwrap.dedent(expected).strip("\n")


# -- whole reports ---------------------------------------------------------------------------------


def test_a_leak_is_told_on_the_first_screen() -> None:
    """Claim, types, owner, path, line, reason and advice, in this order."""
    assert render_text(report_of(INFLIGHT)) == text_of("""
        leakdiff: LEAK  app.matching._inflight grows by 1.00 entries per unit, 2.3 KiB each, never shrinks    [3f9a2c]

          what   +303 app.matching.Result   +303 dict   +303 bytes      in 303 units
          owner  app.matching._inflight     dict, 1,512 entries         keys: str 'req-' + 8 hex
          each   1.00 app.matching.Result, 1.00 dict, 1.00 bytes: 2.3 KiB
          path   module app.matching ─ _inflight ─ [*] ─ app.matching.Result
          born   app/matching.py:41  in find_driver        result = Result(rid, driver)
          why    grew in 5 of 5 further rounds by 1.00 entries per unit, up to 1,512, and no bound was found
          fix    remove the entry on every path (try/finally), or bound the container (maxsize, TTL)
    """)


PUT = CodeSite(Site("app/matching.py", 44, "find_driver", "_inflight[rid] = result"), "[key] =", per_unit=1.0)
GONE = CodeSite(
    Site("app/matching.py", 57, "find_driver", "del _inflight[rid]"), "del", "only if driver.accepted (line 56)"
)
CODE = Code(
    (PUT,),
    (GONE,),
    "1 insert, 1 removal, and the removal runs only if driver.accepted (line 56)",
    pending="nobody cancels `answer`: no line of this file calls cancel()",
)
CAUSE = Cause("module-cache", "unbounded cache in a module", "Its entries stay.", "bound it", "pass")


def test_the_code_behind_an_owner_stands_below_its_birth() -> None:
    """The lines that put entries in and take them out, with what they hang on, who else holds them, and the cause."""
    finding = attrs.evolve(
        INFLIGHT,
        per_entry=None,
        waiting=(Site("app/matching.py", 61, "wait", "await call.answer"),),
        code=CODE,
        cause=CAUSE,
        artefact="pytest keeps it",
        shared_with=("app.index",),
        retained=64.0,
        novelty=Novelty.NEW,
    )
    report = attrs.evolve(report_of(finding), confidence="sure: memory blocks grew in 12 of 12 rounds")

    assert render_text(report) == text_of("""
        leakdiff: LEAK NEW  app.matching._inflight grows by 1.00 entries per unit, never shrinks    [3f9a2c]

          what   +303 app.matching.Result   +303 dict   +303 bytes      in 303 units
          owner  app.matching._inflight     dict, 1,512 entries         keys: str 'req-' + 8 hex
          also   held by app.index: without app.matching._inflight alone, 64 B per unit would go
          path   module app.matching ─ _inflight ─ [*] ─ app.matching.Result
          born   app/matching.py:41  in find_driver        result = Result(rid, driver)
          waits  app/matching.py:61  in wait               await call.answer
          put    app/matching.py:44  in find_driver        _inflight[rid] = result
          gone   app/matching.py:57  in find_driver        del _inflight[rid]      only if driver.accepted (line 56)
          ends   nobody cancels `answer`: no line of this file calls cancel()
          code   1 insert, 1 removal, and the removal runs only if driver.accepted (line 56)
          why    grew in 5 of 5 further rounds by 1.00 entries per unit, up to 1,512, and no bound was found
          known  pytest keeps it
          cause  unbounded cache in a module: Its entries stay. (leakdiff cause module-cache)
          fix    remove the entry on every path (try/finally), or bound the container (maxsize, TTL)

          sure: memory blocks grew in 12 of 12 rounds

          beside the baseline: 1 leak is NEW, 0 KNOWN to the baseline
    """)


def test_a_native_leak_names_the_c_function_and_its_version() -> None:
    """Which function leaves how much, from which release, what the reference counts say, and how to see it again."""
    call = CCall("ujson.dump", "ujson", "ujson 5.12.0", calls=1.0, bytes=3_216.0, blocks=0.0)
    native = NativeEvidence("C heap", (call,), "reference count 2, 1 visible referrer", "leakdiff check case.py:step")
    text = render_text(report_of(attrs.evolve(C_HEAP, native=native)))

    assert text.splitlines()[3:6] == [
        "  call   ujson.dump()  leaves 3.1 KiB of the C heap per unit, called 1.00 times     ujson 5.12.0",
        "  refs   reference count 2, 1 visible referrer",
        "  again  leakdiff check case.py:step",
    ]


def test_a_set_has_members_and_no_keys() -> None:
    """Words follow the type of the owner."""
    seen = attrs.evolve(INFLIGHT, owner="app.seen", owner_type="set", key_shape="int sequential", per_entry=None)

    assert render_text(report_of(seen)) == text_of("""
        leakdiff: LEAK  app.seen grows by 1.00 entries per unit, never shrinks    [3f9a2c]

          what   +303 app.matching.Result   +303 dict   +303 bytes      in 303 units
          owner  app.seen     set, 1,512 entries         members: int sequential
          path   module app.matching ─ _inflight ─ [*] ─ app.matching.Result
          born   app/matching.py:41  in find_driver        result = Result(rid, driver)
          why    grew in 5 of 5 further rounds by 1.00 entries per unit, up to 1,512, and no bound was found
          fix    remove the entry on every path (try/finally), or bound the container (maxsize, TTL)
    """)


def test_an_owner_without_entries_is_told_by_its_objects() -> None:
    """A linked list has no length; what hangs on it is counted."""
    queue = attrs.evolve(
        INFLIGHT,
        owner="app.queue.head",
        owner_type="app.Node",
        path=(Step("app", "module"), Step(".queue", "app.Queue"), Step(".head", "app.Node")),
        depth=3,
        types=(TypeGrowth("app.Node", 0.003, 1),),
        key_shape=None,
        sites=(),
        per_unit=Rate(objects=0.003, bytes=0.2),
        entries_per_unit=None,
        per_entry=None,
        advice="",
    )

    assert render_text(report_of(queue)) == text_of("""
        leakdiff: LEAK  app.queue.head grows by 0.003 objects per unit, 0 B, never shrinks    [3f9a2c]

          what   +1 app.Node      in 303 units
          owner  app.queue.head     app.Node
          path   module app ─ queue ─ head
          why    grew in 5 of 5 further rounds by 1.00 entries per unit, up to 1,512, and no bound was found
    """)


def test_a_filling_cache_says_how_far_it_is() -> None:
    """A bound is the claim: so much of so much, then it stops."""
    parse = attrs.evolve(
        INFLIGHT,
        verdict=Verdict.FILLING,
        because="312 of 1,000 entries filled; lru_cache(maxsize) stops it there",
        bound=Bound("lru_cache(maxsize)", 1_000, 312),
        owner="app.parse cache",
        owner_type="dict",
        length=312,
        key_shape=None,
        path=(Step("app", "module"), Step(".parse", "functools._lru_cache_wrapper"), Step(" cache", "dict")),
        depth=3,
        types=(),
        sites=(),
        advice="",
    )

    assert render_text(report_of(parse)) == text_of("""
        leakdiff: FILLING  app.parse cache fills up: 312 of 1,000 entries, then it stops    [3f9a2c]

          owner  app.parse cache     dict, 312 entries
          path   module app ─ parse ─ cache
          why    312 of 1,000 entries filled; lru_cache(maxsize) stops it there
    """)


def test_a_native_leak_names_no_owner() -> None:
    """Where C code holds the memory the report has a reason and no invented path."""
    assert render_text(report_of(C_HEAP, notes=("the first 40,000 new objects only were looked at",))) == text_of("""
        leakdiff: NATIVE  the C heap grows by 32 B per unit    [c0ffee]

          path   native: C heap, no referrer
          why    32.0 bytes per unit of the C heap stay in use in every round

          note   the first 40,000 new objects only were looked at
    """)


def test_objects_without_an_owner_are_told_by_their_type() -> None:
    """What stays alive and nobody refers to is named by what it is."""
    leaked = attrs.evolve(
        C_HEAP,
        owner_type="app.Leaked",
        types=(TypeGrowth("app.Leaked", 1.0, 303), TypeGrowth("dict", 1.0, 303)),
        path=(Step("no referrer: held by C code", "native"), Step("app.Leaked", "app.Leaked")),
        because="gc sees them but nothing refers to them",
    )

    assert render_text(report_of(leaked)) == text_of("""
        leakdiff: NATIVE  1.00 app.Leaked per unit stay alive without a Python owner    [c0ffee]

          what   +303 app.Leaked   +303 dict      in 303 units
          path   no referrer: held by C code ─ app.Leaked ─ app.Leaked
          why    gc sees them but nothing refers to them
    """)


def test_a_clean_run_is_one_line() -> None:
    """Good news is short."""
    clean = Report(Verdict.STABLE, "nothing grew in 3 rounds of 101 units (303 units)")

    assert render_text(clean) == "leakdiff: STABLE  nothing grew in 3 rounds of 101 units (303 units)"
    assert str(clean) == render_text(clean)


def test_stable_findings_are_not_told() -> None:
    """A full cache is in the JSON; the screen is for what matters."""
    full = attrs.evolve(INFLIGHT, verdict=Verdict.STABLE, because="stopped growing at 404 entries")

    assert render_text(report_of(full)) == "leakdiff: STABLE  stopped growing at 404 entries"


def test_many_findings_end_with_their_number() -> None:
    """Five fit the screen; of the others it is said how many there are."""
    ends = render_text(report_of(*[C_HEAP] * 7)).split("\n\n")[-1]

    assert ends == "  and 2 smaller findings (--json has them all)"


def test_many_types_end_with_their_number() -> None:
    """Five types name the cause; the rest is counted."""
    types = tuple(TypeGrowth(f"app.T{number}", 1.0, 9) for number in range(7))
    lines = render_text(report_of(attrs.evolve(INFLIGHT, types=types))).splitlines()

    assert lines[2] == (
        "  what   +9 app.T0   +9 app.T1   +9 app.T2   +9 app.T3   +9 app.T4   and 2 more types      in 303 units"
    )


def test_the_headline_is_the_first_line_of_the_report() -> None:
    """``str(report)`` is what a log line needs."""
    assert headline(report_of(INFLIGHT, C_HEAP)) == render_text(report_of(INFLIGHT, C_HEAP)).splitlines()[0]


# -- parts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0 B", 0),
        ("64 B", 64),
        ("1023 B", 1_023),
        ("1.0 KiB", 1_024),
        ("2.3 KiB", 2_355.2),
        ("1.0 MiB", 1_024**2 - 1),
        ("1.1 MiB", 1_153_434),
        ("5.0 TiB", 5 * 1_024**4),
        ("5120.0 TiB", 5 * 1_024**5),
        ("-2.0 KiB", -2_048),
    ],
)
def test_sizes_have_a_unit(text: str, count: float) -> None:
    """Four digits at most, as long as there are units."""
    assert size(count) == text


@pytest.mark.parametrize(
    ("shown", "path"),
    [
        ("app/matching.py", str(Path("app/matching.py").resolve())),
        ("app/matching.py", "app/matching.py"),
        ("attr/_make.py", "/usr/lib/python3.12/site-packages/attr/_make.py"),
        ("yaml/reader.py", "/usr/lib/python3/dist-packages/yaml/reader.py"),
        ("python3.12/asyncio/tasks.py", "/opt/elsewhere/lib/python3.12/asyncio/tasks.py"),
    ],
)
def test_paths_are_as_a_reader_knows_them(shown: str, path: str) -> None:
    """Below the working folder, from the package on, or the last parts."""
    assert short_path(path) == shown


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        ("app.Größe", "app.Größe"),
        ("\\x1b[31mred", "\x1b[31mred"),
        ("\\u202egpj.exe", "\u202egpj.exe"),
        ("one\\ntwo", "one\ntwo"),
        ("\\udc80", "\udc80"),
    ],
)
def test_what_steers_a_terminal_is_escaped(shown: str, text: str) -> None:
    """A name is shown, never obeyed."""
    assert printable(text) == shown


# -- any report ------------------------------------------------------------------------------------


@given(texts)
def test_printable_text_is_one_printable_line(text: str) -> None:
    """Whatever a program calls its types, one line comes out, and the same if it comes in again."""
    shown = printable(text)

    assert shown.isprintable()
    assert printable(shown) == shown


@given(reports)
def test_any_report_is_rendered_the_same_twice(report: Report) -> None:
    """Rendering raises nothing and depends on nothing but the report."""
    assert render_text(report) == render_text(report)
    assert headline(report) == headline(report)


@given(reports)
def test_any_report_has_no_control_characters_but_newlines(report: Report) -> None:
    """No name, path, line of code, reason or note reaches the terminal unescaped."""
    assert all(char.isprintable() for char in render_text(report).replace("\n", ""))
    assert headline(report).isprintable()


@given(reports)
def test_any_report_can_be_written_as_utf_8(report: Report) -> None:
    """Halves of surrogate pairs do not end in a UnicodeEncodeError when the report is printed."""
    assert render_text(report).encode()


@given(reports)
def test_lines_of_any_report_start_as_documented(report: Report) -> None:
    """A line is a claim, a row with a known name, the number of what is left out, or empty: names break no line."""
    rows = "what owner each also path born waits made put gone miss ends code call refs again why known cause fix note"
    begins = ("leakdiff: ", "  and ", *(f"  {row:<5}  " for row in rows.split()))

    assert all(not line or line.startswith(begins) for line in render_text(report).split("\n"))
