"""Who keeps the instances of a class alive: how many there are, by owner, and what no root reaches."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

import leakdiff
from leakdiff.errors import OwnerNotFound
from leakdiff.model.alive import Alive, InstanceOwner, InstanceOwners
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
    """Thousands of attributes have one path; claim, table and note say how many were not read."""
    told = ask(
        f"""
        app._inflight.update((number, app.Child(app.Result())) for number in range(6_000))
        alive = leakdiff.why_alive(app.Result)
        print(json.dumps([{_ROWS}, alive.owners[0].unread, alive.text()]))
        """
    )
    rows, unread, text = told

    assert rows == [["app._inflight[*].parent", 6_000]]
    assert 5_900 < unread < 6_000
    assert text.splitlines()[0] == (
        "leakdiff: ALIVE  6,000 instances of app.Result, all of them held by app._inflight[*].parent, "
        f"as far as was read: {unread:,} of their paths were not"
    )
    assert "  held   ~6,000  100.0%" in text
    assert (
        f"  note   6,000 objects hold them: the paths of {6_000 - unread:,} were read; each other (~) counts " in text
    )


def test_many_holders_of_several_kinds_are_told_apart() -> None:
    """Two classes of holders in one map, and one class that holds them by either of two attributes."""
    told = ask(
        f"""
        class Either:
            def __init__(self, is_first):
                if is_first:
                    self.one = app.Result()
                else:
                    self.two = app.Result()

        app._inflight.update((number, app.Child(app.Result())) for number in range(3_000))
        app._inflight.update((-number, app.Result()) for number in range(1, 3_001))
        for holder in range(1, 3_001):
            app._inflight[-holder].driver = app.Child(None)
        alive = leakdiff.why_alive(app.Child)
        app.mixed = [Either(number % 2) for number in range(11_000)]
        mixed = leakdiff.why_alive(app.Result)
        print(json.dumps([{_ROWS}, [[one.path, one.count, one.unread] for one in mixed.owners]]))
        """
    )
    mixed = {path: (count, unread) for path, count, unread in told[1]}

    assert sorted(told[0]) == [["app._inflight", 3_000], ["app._inflight[*].driver", 3_000]]
    assert mixed["app.mixed[*]..."][0] == mixed["app.mixed[*]..."][1] > 5_000
    assert sum(mixed[f"app.mixed[*].{name}"][0] for name in ("one", "two")) + mixed["app.mixed[*]..."][0] == 11_000


def test_more_attributes_of_one_object_than_are_read_are_not_given_the_name_of_the_first() -> None:
    """What is common to their paths is all that is known of the rest."""
    told = ask(
        f"""
        for number in range(1_200):
            setattr(app, f"kept_{{number}}", app.Result())
        alive = leakdiff.why_alive(app.Result)
        print(json.dumps({_ROWS}[:2]))
        """
    )

    assert told == [["app...", 200], ["app.kept_0", 1]]


def test_classes_are_instances_of_their_metaclass() -> None:
    """Also those that were visited as the class of some instance first, or that nothing but an instance leads to."""
    told = ask(
        f"""
        import abc, enum

        class Meta(type):
            pass

        app.early = Meta("Early", (), {{}})()
        app.Late = Meta("Late", (), {{}})
        app.late = app.Late()
        alive = leakdiff.why_alive(Meta)
        others = [leakdiff.why_alive(one).count > 3 for one in (type, abc.ABCMeta, enum.EnumMeta)]
        print(json.dumps([alive.count, sorted({_ROWS}), others]))
        """
    )

    assert told == [2, [["app.Late", 1], ["app.early.__class__", 1]], [True, True, True]]


def test_every_builtin_type_can_be_asked_about() -> None:
    """Namespaces of modules and classes are dicts as well, and roots at the same time."""
    told = ask(
        """
        app.kept = [{}, [], (1, []), lambda: 0, types.ModuleType("m"), "a text " + str(len(app.__dict__)), object()]
        answers = [leakdiff.why_alive(type(one)) for one in app.kept]
        print(json.dumps([[any(one.path == "app.kept" for one in each.owners), bool(each.text())] for each in answers]))
        """
    )

    assert told == [[True, True]] * 7


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
        ("collections.OrderedDit", "there are collections.OrderedDict"),
        ("leakdiff.model.report.Findng", "is called so"),
        ("sys.modules", "it is no class, but an object of type dict. Ask of it: leakdiff.why_alive(sys.modules)."),
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

    frames = [frame for frame, _ in traceback.walk_tb(refused.value.__traceback__)][1:]

    assert said in str(refused.value)
    assert "there are leakdiff." not in str(refused.value)
    assert not any("by_name" in frame.f_locals or "subject" in frame.f_locals for frame in frames)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 1_000


@pytest.mark.parametrize("text", ["x" * 10_000_000, "\x1b[2J", "a\nb", "\ud800", "\u202e"])
def test_whatever_was_not_found_is_told_in_a_harmless_line(text: str) -> None:
    """The error itself bounds what it is given: others raise it as well."""
    told = str(OwnerNotFound(text, text, "Give another."))

    assert told.isprintable()
    assert len(told) < 1_500
    assert told.endswith(" Give another.")


def test_owners_of_an_instance_are_refused() -> None:
    """It takes a class; ``why_alive`` takes any object."""
    subject: Any = []
    with pytest.raises(leakdiff.LeakdiffError, match="a class or its name"):
        leakdiff.owners(subject)


def test_a_class_without_instances_is_no_trouble() -> None:
    """It says so, and the table is empty with its reason."""
    alive = leakdiff.why_alive(_Never)

    assert str(alive) == f"leakdiff: ALIVE  no instance of {__name__}._Never was found"
    assert "no instance" in repr(alive.owners)


def test_what_a_stopped_walk_did_not_find_is_not_known() -> None:
    """Neither that there are no instances, nor how many."""
    alive = leakdiff.why_alive(_Never, budget=1e-9)
    found = Alive(type="app.Result", of_class=True, count=3, stopped="it stopped")

    assert str(alive).startswith(f"leakdiff: ALIVE  whether there are instances of {__name__}._Never is not known: the")
    assert repr(alive).startswith(f"<Alive {__name__}._Never: not known: the walk stopped after")
    assert "no instance" not in repr(alive.owners)
    assert str(found) == "leakdiff: ALIVE  at least 3 instances of app.Result; it stopped"
    assert repr(found) == "<Alive app.Result: at least 3 instances>"


def test_instances_on_the_stack_of_a_loop_are_not_called_garbage() -> None:
    """The list that a loop goes through has no name: that is said."""
    text = ask(
        """
        def caller():
            for result in [app.Result() for _ in range(5)]:
                return leakdiff.why_alive(app.Result).text()

        print(json.dumps(caller()))
        """
    )

    assert (
        "  stray  4 instances that no root reaches: garbage that gc has not collected yet, or held by C code, the "
        "interpreter, or a running function that has not named it" in text
    )


class _Never:
    """Nobody makes one."""


@pytest.mark.parametrize("name", ["\x1b[2J", "\u202e", "x" * 10_000_000, "\ud800", "a\nb"])
def test_hostile_names_are_harmless_in_the_table(name: str) -> None:
    """Rows stay one line each, printable and bounded."""
    owners = InstanceOwners([InstanceOwner(name, name, name, 1, 2, 0.5)])

    for text in (repr(owners), repr(owners[0]), owners.why()):
        assert text.isprintable()
        assert len(text) < 600
