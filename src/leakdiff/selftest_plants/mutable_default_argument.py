"""A list that is the default value of an argument, and so lives with the function."""

from __future__ import annotations


class Rule:
    """One compiled rule."""

    def __init__(self, source: str) -> None:
        self.source = source


def compile_rule(source: str, compiled: list[Rule] = []) -> Rule:  # noqa: B006 - the leak
    """Compile one rule, and add it to the list."""
    compiled.append(Rule(source))
    return compiled[-1]


def leak(units: int) -> None:
    """Compile rules into the default list."""
    for _ in range(units):
        compile_rule("x > 1")


def clean(units: int) -> None:
    """Compile rules into a list that ends with the unit."""
    for _ in range(units):
        compile_rule("x > 1", [])


def teardown() -> None:
    """Empty the default list."""
    for default in compile_rule.__defaults__ or ():
        default.clear()
