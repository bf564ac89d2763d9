"""Subtests of a test case whose body is repeated: each is told once."""

from __future__ import annotations

import pytest

INNER = """
import unittest

import pytest

kept = []


@pytest.mark.leakdiff(units=5)
class Case(unittest.TestCase):
    def test_fails(self):
        with self.subTest(n=1):
            self.fail("of its own")
        kept.append([1])

    def test_leaks(self):
        with self.subTest(n=1):
            kept.append([1])

    def test_passes(self):
        for n in range(2):
            with self.subTest(n=n):
                pass
"""


def test_subtests_are_told_once(pytester: pytest.Pytester) -> None:
    """A body in which one fails is not repeated: the test has failed; a leak in one is that of the test."""
    pytester.makepyfile(INNER)

    result = pytester.runpytest_subprocess(
        "-q", "-pno:randomly", "-pno:schemathesis", "-pno:asyncio", "-pno:cacheprovider"
    )

    text = result.stdout.str()
    assert text.count("of its own") <= 3  # where it failed, and in the short summary
    assert "2 checks: 1 LEAK, 1 STABLE; 1 failed" in text
    assert "LEAK  test_subtests_are_told_once.kept grows by 1.00 entries per unit" in text
