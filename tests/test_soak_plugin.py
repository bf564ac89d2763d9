"""The marker ``leakdiff_soak``: a test returns its scenarios, and fails by what a soak of them finds."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest

MIX = """
import pytest
import leakdiff

kept = []


def adds():
    kept.append(object())


def nothing():
    pass


@pytest.fixture
def scenarios():
    return [leakdiff.Scenario(nothing, weight=3), leakdiff.Scenario(adds)]
"""


def run(pytester: pytest.Pytester, source: str, *arguments: str) -> pytest.RunResult:
    """Run tests with a source, in another process: soaks freeze the heap and walk it."""
    pytester.makepyfile(source)
    return pytester.runpytest_subprocess(
        "-p", "no:randomly", "-p", "no:schemathesis", "-p", "no:cacheprovider", *arguments
    )


def test_a_test_that_returns_leaking_scenarios_fails_with_the_report(pytester: pytest.Pytester) -> None:
    """Owner and scenario are the failure's text, without a traceback of ours; JUnit gets verdict and owner."""
    source = (
        f"{MIX}\n@pytest.mark.leakdiff_soak(duration='3s', seed=3)\ndef test_mix(scenarios):\n    return scenarios\n"
    )
    result = run(pytester, source, "--junitxml=junit.xml")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["leakdiff: LEAK  *.kept grows by 0.25 entries per unit*", "*grows  1.00 per adds, 0 per nothing", "*seed 3: *"]
    )
    assert "soaks.py" not in result.stdout.str()
    properties = ET.parse(pytester.path / "junit.xml").iter("property")  # noqa: S314 - pytest wrote it
    assert ("leakdiff.verdict", "LEAK") in [(one.get("name"), one.get("value")) for one in properties]


def test_a_clean_mix_passes_and_is_counted(pytester: pytest.Pytester) -> None:
    """One scenario will do, and methods of classes may return it; returning something is no fault here."""
    source = """
    import pytest


    def nothing():
        pass


    class TestMix:
        @pytest.mark.leakdiff_soak(units=1000)
        def test_one(self):
            return nothing
    """
    result = run(pytester, source)

    result.assert_outcomes(passed=1)
    assert "LEAK" not in result.stdout.str()


def test_coroutine_functions_are_soaked_from_a_plain_test(pytester: pytest.Pytester) -> None:
    """The test itself need not be a coroutine function, and no plugin for event loops is needed."""
    source = """
    import asyncio
    import pytest
    from leakdiff import Scenario, cancel_midway

    open_calls = set()


    async def call():
        number = object()
        open_calls.add(number)
        await asyncio.sleep(0)
        open_calls.discard(number)


    @pytest.mark.leakdiff_soak(duration="4s", concurrency=4)
    def test_calls():
        return [Scenario(call, weight=9), Scenario(cancel_midway(call), name="hangs up")]
    """
    result = run(pytester, source, "-p", "no:asyncio", "-p", "no:anyio")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*.open_calls grows by 0.* entries per unit*", "*1.00 per hangs up, 0 per call"])


REFUSED = [
    ("duration='2s'", "def test_0():\n    assert True", "the test returned a NoneType. Return a function*"),
    ("duration='2s'", "def test_1():\n    return [3]", "a int is among them*[[]bad-scenario]"),
    ("duration='2s'", "async def test_2():\n    return adds", "it is a coroutine function; a plain one can return*"),
    ("duration='soon'", "def test_3():\n    return adds", "duration='soon' cannot work*[[]bad-option]"),
    ("rounds=3", "def test_4():\n    return adds", "rounds=3 cannot work: rounds must be one of *"),
    ("'2s'", "def test_5():\n    return adds", "must be given arguments by name: duration=*"),
    ("duration='2s', verdicts='BAD'", "def test_6():\n    return adds", "verdicts='BAD' cannot work*"),
]


def test_what_cannot_be_soaked_fails_with_one_sentence(pytester: pytest.Pytester) -> None:
    """A test that returns something else, and a marker that cannot work, are never skipped silently."""
    tests = [f"@pytest.mark.leakdiff_soak({marker})\n{test}\n" for marker, test, _ in REFUSED]
    result = run(pytester, "\n".join([MIX, *tests]))

    result.assert_outcomes(failed=len(REFUSED))
    result.stdout.fnmatch_lines([f"leakdiff: *{said}" for _, _, said in REFUSED])
    assert "Traceback" not in result.stdout.str()


def test_a_scenario_that_fails_is_shown_from_the_test_down(pytester: pytest.Pytester) -> None:
    """Its name, and the lines of the program that led to the error; none of ours."""
    source = f"""{MIX}
def breaks():
    raise LookupError("no such rider")


@pytest.mark.leakdiff_soak(duration="2s")
def test_mix():
    return [breaks]
"""
    result = run(pytester, source)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["leakdiff: scenario 'breaks' raised LookupError*", "LookupError: no such rider"])
    assert "traffic.py" not in result.stdout.str()


def test_what_a_marker_accepts_does_not_fail(pytester: pytest.Pytester) -> None:
    """``ignore`` and ``max_growth`` hold for soaks too; what was found is still told at the end."""
    marker = "@pytest.mark.leakdiff_soak(units=4000, ignore='*.kept')"
    result = run(pytester, f"{MIX}\n{marker}\ndef test_mix(scenarios):\n    return scenarios\n")

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*test_mix: LEAK  *.kept grows*"])


def test_results_cross_from_workers_of_xdist(pytester: pytest.Pytester) -> None:
    """What a soak in a worker found is told in the summary, and written to the report with its scenario."""
    source = f"{MIX}\n@pytest.mark.leakdiff_soak(units=4000)\ndef test_mix(scenarios):\n    return scenarios\n"
    result = run(pytester, source, "-n1", "--leakdiff-report=leaks.json")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*test_mix: LEAK  *.kept grows*"])
    written = json.dumps(json.loads((pytester.path / "leaks.json").read_text()))
    assert '"grows": "1.00 per adds, 0 per nothing"' in written
