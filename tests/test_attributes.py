"""Names of instance attributes: found without a ``__dict__`` that was not there, and without running any code."""

from __future__ import annotations

import enum
import functools
import gc
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import attrs
import pytest

from leakdiff.capture.attributes import (
    MISSING,
    AttributeNames,
    attribute_of,
    is_instance_dict,
    known_attributes,
    read_in_place,
)

calls: list[str] = []


def noted(name: str) -> Callable[..., Any]:
    """Return a method that notes that it was called."""

    def method(*_: object) -> Any:
        calls.append(name)
        raise RuntimeError(name)

    return method


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a method, so that only its closure knows the names in it."""

    @functools.wraps(function)
    def wrapper(*arguments: Any) -> Any:
        return function(*arguments)

    return wrapper


class Service:
    """Keeps attributes of every kind in place."""

    limit = 10
    default: dict[str, int] | None = None
    shared: ClassVar[list[int]] = [1, 2, 3]

    def __init__(self) -> None:
        self.inflight: dict[str, int] = {}
        self.default = {"own": 1}
        self.__private: list[int] = []
        self._fill()
        self._prepare()

    @decorated
    def _fill(self) -> None:
        self.filled_by_a_decorated_method = [1]

    def _prepare(self) -> None:
        def inner() -> None:
            self.set_in_an_inner_function = [2]

        inner()

    @property
    def lazy(self) -> list[int]:
        """Note that somebody asked."""
        calls.append("property")
        return self.behind_a_property

    @lazy.setter
    def lazy(self, value: list[int]) -> None:
        self.behind_a_property = value

    @classmethod
    def create(cls) -> Service:
        """Make one with an attribute more."""
        made = cls()
        made.set_by_a_class_method = {"made": True}
        return made

    set_by_a_class_method: dict[str, bool]
    behind_a_property: list[int]


@dataclass
class Order:
    """A dataclass, one field of which has a default."""

    number: int = 0
    lines: list[int] = field(default_factory=list)
    notes: dict[str, str] | None = None


@dataclass(slots=True)
class Narrow:
    """A dataclass with slots."""

    lines: list[int] = field(default_factory=list)
    maxsize: int = 5


@attrs.define
class Cache:
    """An attrs class, which has slots."""

    entries: dict[str, int] = attrs.field(factory=dict)
    maxsize: int = 100


@attrs.define(slots=False)
class Wide:
    """An attrs class without slots."""

    entries: dict[str, int] = attrs.field(factory=dict)
    more: dict[str, int] | None = None


class Waiters(list[Any]):
    """A list with attributes of its own."""

    def __init__(self) -> None:
        super().__init__([1, 2])
        self.waiting = {"first": 1}


class Failed(Exception):
    """An exception with an attribute of its own."""

    def __init__(self) -> None:
        super().__init__("failed")
        self.context_of_it = {"request": 1}


def wide() -> Wide:
    """Return an attrs object whose second field is no longer its default."""
    made = Wide()
    made.more = {}
    return made


def order() -> Order:
    """Return a dataclass object whose third field is no longer its default."""
    made = Order()
    made.notes = {}
    return made


def keeps_a_dict(obj: object) -> bool:
    """Tell whether an instance refers to a dict that is its ``__dict__``."""
    return any(type(ref) is dict and is_instance_dict(obj, ref) for ref in gc.get_referents(obj))


NAMED: list[tuple[str, Callable[[], Any], str]] = [
    ("in the constructor", Service, "inflight"),
    ("over a default of the class", Service, "default"),
    ("mangled", Service, "_Service__private"),
    ("in a decorated method", Service, "filled_by_a_decorated_method"),
    ("in an inner function", Service, "set_in_an_inner_function"),
    ("by a class method", Service.create, "set_by_a_class_method"),
    ("a dataclass's field", Order, "lines"),
    ("a dataclass's field with a default", order, "notes"),
    ("an attrs field", Wide, "entries"),
    ("an attrs field with a default", wide, "more"),
    ("of a list", Waiters, "waiting"),
    ("of an exception", Failed, "context_of_it"),
]


@pytest.mark.parametrize(("make", "name"), [case[1:] for case in NAMED], ids=[case[0] for case in NAMED])
def test_an_attribute_is_named_by_the_code_of_its_class(make: Callable[[], Any], name: str) -> None:
    """However a class sets an attribute, its name is found, and the instance keeps no ``__dict__`` for that."""
    obj = make()
    before = keeps_a_dict(obj)
    value = object.__getattribute__(obj, name)

    assert AttributeNames().name_of(obj, value) == name
    assert (name, value) in known_attributes(obj)
    assert read_in_place(obj, name) is value
    assert keeps_a_dict(obj) == before


def test_an_attribute_that_no_code_mentions_has_no_name() -> None:
    """A name made up at run time is not guessed."""
    service = Service()
    value = [1]
    setattr(service, "made" + "_up", value)

    assert AttributeNames().name_of(service, value) is None
    assert not keeps_a_dict(service)


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="the dict shares what the instance keeps in place")
def test_an_attribute_that_no_code_mentions_is_known_once_there_is_a_dict() -> None:
    """Who asked for ``__dict__`` has named them all."""
    service = Service()
    setattr(service, "made" + "_up", [1])
    assert vars(service)

    assert ("made_up", [1]) in known_attributes(service)


@pytest.mark.parametrize("make", [Narrow, Cache])
def test_slots_are_known(make: Callable[[], Any]) -> None:
    """Slots have names in any case; one that was never set is left out."""
    obj = make()
    names = {name for name, _ in known_attributes(obj)}
    del obj.maxsize

    assert "maxsize" in names
    assert "maxsize" not in {name for name, _ in known_attributes(obj)}
    assert attribute_of(obj, "maxsize") is MISSING
    assert attribute_of(obj, next(iter(names - {"maxsize"}))) is not MISSING


def test_a_default_of_the_class_is_not_the_instances_own() -> None:
    """What all instances share belongs to the class."""
    service = Service()

    assert read_in_place(service, "limit") is MISSING
    assert read_in_place(service, "shared") is MISSING
    assert AttributeNames().name_of(service, service.inflight) == "inflight"


def test_properties_and_descriptors_are_not_asked() -> None:
    """A name under which the class has a descriptor is passed by."""
    service = Service()
    service.lazy = [1]

    assert read_in_place(service, "lazy") is MISSING
    assert attribute_of(service, "lazy") is MISSING
    assert AttributeNames().name_of(service, service.behind_a_property) == "behind_a_property"
    assert calls == []


WICKED = {
    name: noted(name)
    for name in ("__getattribute__", "__getattr__", "__eq__", "__hash__", "__repr__", "__len__", "__bool__", "__dir__")
}


class Descriptor:
    """A descriptor without ``__set__``: an instance's own attribute comes before it, but only after it was asked."""

    __get__ = noted("__get__")


def test_no_code_of_the_instance_is_run() -> None:
    """Whatever a class overrides, its instances are read past it."""
    wicked: Any = type(
        "Wicked", (), {"plain": None, "described": Descriptor(), "names": lambda _: _.described, **WICKED}
    )
    obj = object.__new__(wicked)
    object.__setattr__(obj, "plain", [1])

    assert read_in_place(obj, "plain") == [1]
    assert read_in_place(obj, "described") is MISSING
    assert AttributeNames().name_of(obj, [2]) is None
    assert known_attributes(obj) == []
    assert calls == []


def test_classes_and_modules_are_no_instances() -> None:
    """Their namespaces are named by other rules."""
    assert read_in_place(Service, "limit") is MISSING
    assert read_in_place(types, "ModuleType") is MISSING
    assert AttributeNames().name_of(types, types.ModuleType) is None


def test_an_instances_dict_is_told_from_a_dict_that_it_holds() -> None:
    """Its keys are attributes of the instance, and have the same values."""
    service = Service()

    assert not is_instance_dict(service, service.inflight)
    assert not is_instance_dict(service, {})
    assert is_instance_dict(service, vars(service))


class Colour(enum.Enum):
    """An enum, whose members keep what the class defines as well."""

    RED = 1


def test_a_dict_of_attributes_that_the_class_defines_too_is_recognised() -> None:
    """An instance may keep under a name what the class also has under it."""
    obj = Order()
    obj.notes = None

    assert is_instance_dict(obj, vars(obj))
    assert is_instance_dict(Colour.RED, vars(Colour.RED))


def test_a_subclass_inherits_the_names_of_its_bases() -> None:
    """The code of any class it derives from may have set an attribute."""

    class Special(Service):
        pass

    special = Special()

    assert AttributeNames().name_of(special, special.inflight) == "inflight"
