"""The lines that make an owner, read off programs of many shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from leakdiff.model.code import NameKind
from leakdiff.source.read import read_code
from source_programs import write

OF_C = {"kind": NameKind.ATTRIBUTE, "scope": "C"}
TABLE = [
    pytest.param("o = {}\ndef f(k):\n    o[k] = 1\n", "o", {}, ["1 : dict()"], id="a_module"),
    pytest.param(
        """
        import collections
        class C:
            def __init__(self):
                self.x = collections.deque()
            def put(self, v):
                self.x.append(v)
            def reset(self):
                self.x = collections.deque(maxlen=5)
        """,
        "x",
        OF_C,
        ["4 C.__init__: deque() without maxlen", "8 C.reset: deque()"],
        id="an_initialiser_before_another_method",
    ),
    pytest.param(
        "class C:\n    x = []\n    def f(self, v):\n        self.x.append(v)\n", "x", OF_C, ["2 : list()"], id="a_class"
    ),
    pytest.param(
        """
        import queue
        def work(items):
            o = queue.Queue()
            for item in items:
                o.put(item)
        """,
        "o",
        {"kind": NameKind.LOCAL, "scope": "work", "owner_type": "queue.Queue"},
        ["3 work: Queue() without maxsize"],
        id="a_function",
    ),
    pytest.param(
        "def f(v, *, o=[]):\n    o.append(v)\n",
        "o",
        {"kind": NameKind.DEFAULT, "scope": "f", "owner_type": "list"},
        ["1 : list() as a default argument"],
        id="a_default_argument",
    ),
    pytest.param(
        """
        o = {}
        def f(k, v):
            o.setdefault(k, []).append(v)
        """,
        "o",
        {"below": 1, "owner_type": "list"},
        ["3 f: list()"],
        id="setdefault",
    ),
    pytest.param(
        """
        import collections
        o = collections.defaultdict(list)
        def f(k, v):
            o[k].append(v)
        """,
        "o",
        {"below": 1, "owner_type": "list"},
        ["2 : list() of a defaultdict"],
        id="the_factory_of_a_defaultdict",
    ),
    pytest.param(
        """
        import collections
        o = {"north": collections.deque(), "south": {}}
        def f(v):
            o["north"].append(v)
        """,
        "o",
        {"below": 1, "owner_type": "collections.deque"},
        ["2 : deque() without maxlen"],
        id="an_entry_of_a_display",
    ),
    pytest.param(
        """
        import dataclasses
        @dataclasses.dataclass
        class C:
            x: dict = dataclasses.field(default_factory=dict)
            def put(self, k):
                self.x[k] = 1
        """,
        "x",
        OF_C,
        ["4 : dict() for each instance"],
        id="a_field_of_a_dataclass",
    ),
    pytest.param(
        """
        import functools
        class C:
            @functools.cached_property
            def x(self):
                return {}
            def put(self, k):
                self.x[k] = 1
        """,
        "x",
        OF_C,
        ["5 C.x: dict()"],
        id="a_cached_property",
    ),
    pytest.param(
        """
        class C:
            instance = None
            def __new__(cls):
                if cls.instance is None:
                    cls.instance = super().__new__(cls)
                    cls.instance.x = {}
                return cls.instance
            def put(self, k):
                self.x[k] = 1
        """,
        "x",
        OF_C,
        ["6 C.__new__: dict()"],
        id="new",
    ),
    pytest.param(
        """
        import functools
        @functools.lru_cache(maxsize=None)
        def o(n):
            return n
        """,
        "o",
        {"kind": NameKind.CACHE},
        ["2 o: cache without maxsize"],
        id="the_decorator_of_a_cache",
    ),
    pytest.param(
        """
        from functools import lru_cache
        @lru_cache(maxsize=100)
        def o(n):
            return n
        """,
        "o",
        {"kind": NameKind.CACHE},
        ["2 o: lru_cache()"],
        id="the_decorator_of_a_cache_with_a_bound",
    ),
    pytest.param(
        """
        class C:
            def put(self, k):
                if self.x is None:
                    self.x = self.x or make()
                self.x[k] = 1
        """,
        "x",
        OF_C,
        ["4 C.put: make()"],
        id="a_factory_of_the_program",
    ),
]


@pytest.mark.parametrize(("source", "name", "options", "expected"), TABLE)
def test_made(tmp_path: Path, source: str, name: str, options: dict[str, Any], expected: list[str]) -> None:
    """Each program yields the lines that make the owner, with the bound it is not given."""
    home = write(tmp_path, source, name, **options)
    made = read_code(home).made

    assert [f"{one.site.line} {one.site.function}: {one.how}" for one in made] == expected
    assert all(one.only == "" for one in made)


def test_an_entry_that_is_put_is_not_the_owner(tmp_path: Path) -> None:
    """A container that is put into the owner is no line that makes it."""
    home = write(tmp_path, "o = {}\ndef f(k):\n    o[k] = {'a': 1}\n", "o")

    assert [one.site.line for one in read_code(home).made] == [1]


def test_at_most_three(tmp_path: Path) -> None:
    """A name that is bound again and again is made where it is first made."""
    again = "".join(f"def f{number}(k):\n    global o\n    o = {{}}\n    o[k] = 1\n" for number in range(9))
    home = write(tmp_path, f"o = {{}}\n{again}", "o")

    assert [one.site.line for one in read_code(home).made] == [1, 4, 8]
