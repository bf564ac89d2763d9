"""Who keeps the instances of a class alive: how many there are, by owner, and what no root reaches."""

from __future__ import annotations

from typing import Any

import pytest

import leakdiff
from leakdiff.errors import OwnerNotFound
from leakdiff.model.alive import InstanceOwner, InstanceOwners
from test_alive import ask

_ROWS = "[[one.path, one.count] for one in alive.owners]"


def test_instances_are_counted_by_owner() -> None:
    """A table by path, those of most instances first, and the path of the first."""
    text = ask(
        """
        app._inflight.update((number, app.Result()) for number in range(30))
        app.jobs = [(number, app.Result()) for number in range(10)]
        print(json.dumps(leakdiff.why_alive("app.Result").text()))
        """
    )
    lines = text.splitlines()

    assert lines[0] == "leakdiff: ALIVE  40 instances of app.Result, 30 of them held by app._inflight"
    assert lines[2].startswith("  what   40 instances, ")
    assert [line.split() for line in lines[3:5]] == [
        ["held", "30", "75.0%", *lines[3].split()[3:5], "app._inflight", "dict"],
        ["held", "10", "25.0%", *lines[4].split()[3:5], "app.jobs[*]", "tuple"],
    ]
    assert lines[5] == "  path   module app ─ _inflight ─ [*] ─ app.Result"


@pytest.mark.parametrize("subject", ["app.Result", "'app.Result'", "'Result'"])
def test_a_class_is_given_as_such_or_by_its_name(subject: str) -> None:
    """The end of a name will do, where one class only is called so."""
    told = ask(f"app.kept = app.Result()\nalive = leakdiff.why_alive({subject})\nprint(json.dumps({_ROWS}))")

    assert told == [["app.kept", 1]]


def test_instances_that_only_instances_hold_count_for_the_owner_of_the_topmost() -> None:
    """A linked list of a thousand is one owner's, as is what a tree holds."""
    told = ask(
        f"""
        app.head = None
        for _ in range(1_000):
            app.head = app.Result(app.head)
        app.roots = [app.Result([app.Result(), app.Result()])]
        alive = leakdiff.why_alive(app.Result)
        print(json.dumps([alive.count, {_ROWS}]))
        """
    )

    assert told == [1_003, [["app.head", 1_000], ["app.roots", 3]]]


def test_an_instance_that_several_hold_counts_for_each() -> None:
    """The total says how many do."""
    told = ask(
        f"""
        app.jobs = [app.Result() for _ in range(4)]
        app._inflight.update(enumerate(app.jobs[:2]))
        alive = leakdiff.why_alive(app.Result)
        print(json.dumps([alive.count, alive.several, {_ROWS}, "2 instances of these held by several" in alive.text()]))
        """
    )

    assert told == [4, 2, [["app.jobs", 4], ["app._inflight", 2]], True]


def test_instances_that_no_root_reaches_are_said_to_be_that() -> None:
    """Garbage that waits for gc is counted, and nobody is accused of it."""
    told = ask(
        f"""
        gc.disable()
        for _ in range(3):
            ring = app.Result()
            ring.driver = ring
        del ring
        alive = leakdiff.why_alive(app.Result)
        app.kept = app.Result()
        more = leakdiff.why_alive(app.Result)
        print(json.dumps([alive.count, alive.stray, {_ROWS}, str(alive), str(more)]))
        """
    )

    assert told[:3] == [3, 3, []]
    assert told[3] == "leakdiff: ALIVE  3 instances of app.Result, which no root reaches"
    assert told[4] == "leakdiff: ALIVE  4 instances of app.Result, 3 of them reached by no root"


def test_instances_in_locals_count_for_the_frame() -> None:
    """Each variable has a row of its own."""
    told = ask(
        f"""
        def caller():
            first, second = app.Result(), app.Result()
            return leakdiff.why_alive(app.Result)

        alive = caller()
        print(json.dumps({_ROWS}))
        """
    )

    assert told == [["caller() local first", 1], ["caller() local second", 1]]


def test_instances_of_subclasses_do_not_count() -> None:
    """Exactly the class that was named."""
    told = ask(
        f"""
        class Other(app.Result):
            pass

        app.kept, app.other = app.Result(), Other()
        alive = leakdiff.why_alive(app.Result)
        print(json.dumps({_ROWS}))
        """
    )

    assert told == [["app.kept", 1]]


def test_classes_of_one_name_are_counted_together() -> None:
    """A class that is made in a loop is the leak; the note says how many there are."""
    told = ask(
        f"""
        app.kept = []
        for _ in range(3):
            cls = type("Made", (), {{"__module__": "app"}})
            app.kept.append(cls())
        alive = leakdiff.why_alive("app.Made")
        print(json.dumps([alive.count, alive.notes[0], {_ROWS}]))
        """
    )

    assert told == [3, "3 classes have this name; the instances of all are counted", [["app.kept", 3]]]


def test_what_gc_does_not_track_is_found_by_the_walk() -> None:
    """Instances of an extension type without gc: a list of datetimes."""
    told = ask(
        f"""
        import datetime

        app.times = [datetime.datetime(2026, 1, day) for day in range(1, 9)]
        alive = leakdiff.why_alive(datetime.datetime)
        print(json.dumps([row for row in {_ROWS} if row[0].startswith("app")]))
        """
    )

    assert told == [["app.times", 8]]


def test_many_holders_are_named_by_those_that_are_alike() -> None:
    """Thousands of attributes have one path; a note says how many were read."""
    told = ask(
        f"""
        app._inflight.update((number, app.Child(app.Result())) for number in range(6_000))
        alive = leakdiff.why_alive(app.Result)
        print(json.dumps([{_ROWS}, alive.notes]))
        """
    )

    assert told == [
        [["app._inflight[*].parent", 6_000]],
        ["6,000 objects hold them: the paths of 1 were read, for all alike"],
    ]


def test_the_table_alone_is_taken_apart_by_path() -> None:
    """``owners(cls)`` is a sequence with names."""
    told = ask(
        """
        app._inflight["one"] = app.Result()
        app.kept = app.Result()
        found = leakdiff.owners("Result")
        print(json.dumps([repr(found), found["app.kept"].count, found.like("FLIGHT").names(), str(found.why())]))
        """
    )

    assert told[:3] == ["<InstanceOwners 2: app._inflight, app.kept>", 1, ["app._inflight"]]
    assert [line.split()[-2:] for line in told[3].splitlines()] == [["app._inflight", "dict"], ["app.kept", "module"]]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Nowhere", "no class of this process is called so"),
        ("leakdiff.errors.OwnerNotFond", "there are leakdiff.errors.OwnerNotFound"),
        ("Error", "classes have names that end so: "),
        ("x" * 10_000_000, "no class of this process is called so"),
        ("\x1b[2J", "no class of this process is called so"),
    ],
)
def test_a_name_that_no_class_or_several_have_is_refused(name: str, said: str) -> None:
    """The message says what is near, in one line of bounded length."""
    if said.startswith("classes"):
        _ = [type("Error", (), {"__module__": module}) for module in ("first", "second")]
    with pytest.raises(OwnerNotFound) as refused:
        leakdiff.why_alive(name)

    assert said in str(refused.value)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 1_000


def test_owners_of_an_instance_are_refused() -> None:
    """It takes a class; ``why_alive`` takes any object."""
    subject: Any = []
    with pytest.raises(leakdiff.LeakdiffError, match="a class or its name"):
        leakdiff.owners(subject)


def test_a_class_without_instances_is_no_trouble() -> None:
    """It says so, and the table is empty with its reason."""
    alive = leakdiff.why_alive(_Never)

    assert str(alive) == f"leakdiff: ALIVE  there is no instance of {__name__}._Never"
    assert "no instance" in repr(alive.owners)


class _Never:
    """Nobody makes one."""


@pytest.mark.parametrize("name", ["\x1b[2J", "\u202e", "x" * 10_000_000, "\ud800", "a\nb"])
def test_hostile_names_are_harmless_in_the_table(name: str) -> None:
    """Rows stay one line each, printable and bounded."""
    owners = InstanceOwners([InstanceOwner(name, name, name, 1, 2, 0.5)])

    for text in (repr(owners), repr(owners[0]), owners.why()):
        assert text.isprintable()
        assert len(text) < 600
