"""The lines that put entries into an owner and take them out, read off programs of many shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from leakdiff.model.code import NameKind
from source_programs import told, write

TABLE = [
    pytest.param(
        """
        o = {}
        def put(k, v):
            o[k] = v
        def other(o):
            o["x"] = 1
        def third():
            o = {}
            o["y"] = 1
        def lose():
            global o
            o = {}
        """,
        "o",
        {},
        """
        put 3 put: [key] =
        gone 11 lose: rebinding
        => 1 insert, 1 removal
        """,
        id="a_global_but_not_what_shadows_it",
    ),
    pytest.param(
        """
        o = set()
        def f(x, y):
            global o
            o |= {x}
            o.update(y)
            o -= y
            o.difference_update(y)
        """,
        "o",
        {"owner_type": "set"},
        """
        put 4 f: |=
        put 5 f: update
        gone 6 f: -=
        gone 7 f: difference_update
        => 2 inserts, 2 removals
        """,
        id="augmented_assignments_and_methods_of_a_set",
    ),
    pytest.param(
        """
        import heapq, bisect
        class C:
            def __init__(self):
                self._x = []
            def a(self, v):
                self._x.append(v)
                self._x += [v]
                self._x = [*self._x, v]
                self._x = self._x + [v]
                heapq.heappush(self._x, v)
                bisect.insort(self._x, v)
                self._x.insert(0, v)
                self._x[0] = v
            def b(self):
                self._x = [i for i in self._x if i.alive]
                self._x[:] = self._x[-3:]
                del self._x[0]
                heapq.heappop(self._x)
                self._x = []
                self._x, old = [], self._x
                self._x = self._x[1:]
        """,
        "_x",
        {"kind": NameKind.ATTRIBUTE, "scope": "C", "owner_type": "list"},
        """
        put 6 C.a: append
        put 7 C.a: +=
        put 8 C.a: rebinding
        put 9 C.a: rebinding
        put 10 C.a: heappush
        put 11 C.a: insort
        put 12 C.a: insert
        gone 15 C.b: rebinding
        gone 16 C.b: [:] =
        gone 17 C.b: del
        gone 18 C.b: heappop
        gone 19 C.b: rebinding
        gone 20 C.b: rebinding
        gone 21 C.b: rebinding
        => 7 inserts, 7 removals
        """,
        id="every_way_to_change_a_list",
    ),
    pytest.param(
        """
        class H:
            def __init__(self):
                self.head = None
            def push(self, c):
                self.head = Node(c, self.head)
            def pop(self):
                if self.head is not None:
                    self.head = self.head.before
        """,
        "head",
        {"kind": NameKind.ATTRIBUTE, "scope": "H", "owner_type": "Node"},
        """
        put 5 H.push: rebinding
        gone 8 H.pop: rebinding
        => 1 insert, 1 removal
        """,
        id="a_linked_list_is_rebound_to_what_mentions_it",
    ),
    pytest.param(
        """
        from collections import defaultdict
        class E:
            def __init__(self):
                self._events = defaultdict(list)
            def on(self, e, f):
                self._events[e].append(f)
            def off(self, e, f):
                handlers = self._events.get(e)
                if handlers:
                    handlers.remove(f)
            def off_all(self):
                for hs in self._events.values():
                    hs.clear()
                for e, hs in list(self._events.items()):
                    hs.clear()
            def drop(self, e):
                del self._events[e]
        """,
        "_events",
        {"kind": NameKind.ATTRIBUTE, "scope": "E", "below": 1, "owner_type": "list"},
        """
        put 6 E.on: append
        gone 10 E.off: remove
        gone 13 E.off_all: clear
        gone 15 E.off_all: clear
        gone 17 E.drop: del
        => 1 insert, 4 removals
        """,
        id="entries_of_entries_through_local_names",
    ),
    pytest.param(
        """
        from collections import defaultdict
        class E:
            def __init__(self):
                self._events = defaultdict(list)
            def on(self, e, f):
                self._events[e].append(f)
            def drop(self, e):
                del self._events[e]
        """,
        "_events",
        {"kind": NameKind.ATTRIBUTE, "scope": "E", "owner_type": "collections.defaultdict"},
        """
        put 6 E.on: [key] of a defaultdict
        gone 8 E.drop: del
        => 1 insert, 1 removal
        """,
        id="a_defaultdict_is_put_into_by_being_read",
    ),
    pytest.param(
        """
        o = {}
        def f(k, v):
            o.setdefault(k, []).append(v)
        def g(k, v):
            if v not in o[k]:
                return
            o[k].remove(v)
            if not o[k]:
                del o[k]
        """,
        "o",
        {},
        """
        put 3 f: setdefault
        gone 9 g: del, only if not o[k] (line 8)
        => 1 insert, 1 removal, and the removal runs only if not o[k] (line 8)
        """,
        id="setdefault_puts_into_the_dict",
    ),
    pytest.param(
        """
        o = {}
        def f(k, v):
            o.setdefault(k, []).append(v)
        def g(k, v):
            if v not in o[k]:
                return
            o[k].remove(v)
            if not o[k]:
                del o[k]
        """,
        "o",
        {"below": 1, "owner_type": "list"},
        """
        put 3 f: append
        gone 7 g: remove
        gone 9 g: del, only if not o[k] (line 8)
        => 1 insert, 2 removals
        """,
        id="setdefault_leads_to_the_list_below",
    ),
    pytest.param(
        """
        def make():
            seen = []
            def handler(x):
                seen.append(x)
                return len(seen)
            def reset():
                nonlocal seen
                seen = []
            return handler, reset
        """,
        "seen",
        {"kind": NameKind.LOCAL, "scope": "make", "owner_type": "list"},
        """
        put 4 make.handler: append
        gone 8 make.reset: rebinding
        => 1 insert, 1 removal
        """,
        id="a_closure_variable_with_nonlocal",
    ),
    pytest.param(
        """
        async def consume(queue):
            by_id = {}
            while True:
                q = await queue.get()
                by_id[q.id] = q
                if q.done:
                    by_id.pop(q.id)
        """,
        "by_id",
        {"kind": NameKind.LOCAL, "scope": "consume"},
        """
        put 5 consume: [key] =
        gone 7 consume: pop, only if q.done (line 6)
        => 1 insert, 1 removal, and the removal runs only if q.done (line 6)
        """,
        id="a_local_of_a_coroutine",
    ),
    pytest.param(
        """
        def compile_rules(rules, compiled=[]):
            for rule in rules:
                compiled.append(rule)
            return compiled
        """,
        "compiled",
        {"kind": NameKind.DEFAULT, "scope": "compile_rules", "owner_type": "list"},
        """
        put 3 compile_rules: append
        => 1 insert, no removal anywhere in app
        """,
        id="a_mutable_default",
    ),
    pytest.param(
        """
        import functools
        class Invoice:
            @functools.cache
            def total(self):
                return 1
        def clear():
            Invoice.total.cache_clear()
        """,
        "total",
        {"kind": NameKind.CACHE, "scope": "Invoice", "owner_type": "functools._lru_cache_wrapper"},
        """
        put 3 Invoice.total: calls are cached
        gone 7 clear: cache_clear
        => 1 insert, 1 removal
        """,
        id="a_cached_method",
    ),
    pytest.param(
        """
        from functools import lru_cache
        @lru_cache(maxsize=None)
        def parse(x):
            return x
        def reset():
            parse.cache_clear()
        reset()
        """,
        "parse",
        {"kind": NameKind.CACHE},
        """
        put 2 parse: calls are cached
        gone 6 reset: cache_clear
        gone 7 : reset()
        => 1 insert, 1 removal
        """,
        id="a_cached_function",
    ),
    pytest.param(
        """
        o = {}
        def f(k, call):
            o[k] = call
            if call.dropped:
                return None
            del o[k]
        """,
        "o",
        {},
        """
        put 3 f: [key] =
        gone 6 f: del, not if line 5 returns first: call.dropped
        => 1 insert, 1 removal, and the removal does not run if line 5 returns first: call.dropped
        """,
        id="an_early_return_before_the_removal",
    ),
    pytest.param(
        """
        o = {}
        async def f(k, call):
            o[k] = call
            x = build(k)
            await call.wait()
            o.pop(k)
        """,
        "o",
        {},
        """
        put 3 f: [key] =
        gone 6 f: pop, not if line 5 raises: not in a finally
        => 1 insert, 1 removal, and the removal does not run if line 5 raises: not in a finally
        """,
        id="an_await_between_put_and_removal",
    ),
    pytest.param(
        """
        o = {}
        async def f(k, call):
            o[k] = call
            try:
                if k:
                    return
                await call.wait()
            finally:
                o.pop(k)
        """,
        "o",
        {},
        """
        put 3 f: [key] =
        gone 9 f: pop
        => 1 insert, 1 removal
        """,
        id="a_finally_misses_nothing",
    ),
    pytest.param(
        """
        o = {}
        async def f(k, call):
            o[k] = call
            try:
                await call.wait()
            except TimeoutError:
                o.pop(k)
            else:
                if k in x: pass
                elif call.ok and call.done:
                    o.pop(k)
                else:
                    o.pop(k, None)
        """,
        "o",
        {},
        """
        put 3 f: [key] =
        gone 7 f: pop, only if TimeoutError is caught (line 6)
        gone 11 f: pop, only if call.ok and call.done (line 10) and if nothing is raised in the try of line 4
        gone 13 f: pop, only if not (call.ok and call.done) (line 10) and if nothing is raised in the try of line 4
        => 1 insert, 3 removals, each only in some cases, such as only if TimeoutError is caught (line 6)
        """,
        id="handlers_and_else_branches",
    ),
    pytest.param(
        """
        o = {}
        def f(k, m):
            o[k] = m
        def g(m, ks):
            match m.kind:
                case "done":
                    o.pop(m.k)
            while len(o) > 100:
                o.popitem()
            [o.pop(k) for k in ks if k.old]
            m.ok and o.pop(m)
            o.pop(m) if m.x else None
            for k in ks:
                o.pop(k)
        f(1, g)
        """,
        "o",
        {},
        """
        put 3 f: [key] =
        gone 7 g: pop, only if m.kind matches 'done' (line 6)
        gone 9 g: popitem, only while len(o) > 100 (line 8)
        gone 10 g: pop, only if k.old (line 10)
        gone 11 g: pop, only if m.ok (line 11)
        gone 12 g: pop, only if m.x (line 12)
        gone 14 g: pop, only for k in ks (line 13)
        => 1 insert, 6 removals, each only in some cases, such as only if m.kind matches 'done' (line 6)
        """,
        id="match_loops_and_expressions",
    ),
    pytest.param(
        """
        import functools, weakref, atexit
        o = {}
        def f(loop, obj, k):
            o[k] = obj
            weakref.finalize(obj, o.pop, k, None)
            loop.call_later(1, o.pop, k)
            obj.on_close(functools.partial(o.pop, k))
            obj.on_close(lambda: o.pop(k))
        """,
        "o",
        {},
        """
        put 4 f: [key] =
        gone 5 f: pop, as a callback, only when obj is freed (line 5)
        gone 6 f: pop, as a callback
        gone 7 f: pop, as a callback
        gone 8 f: pop, in a lambda
        => 1 insert, 4 removals
        """,
        id="removals_handed_over_as_callbacks",
    ),
    pytest.param(
        """
        import queue, threading
        jobs = queue.Queue()
        def worker(q):
            while True:
                job = q.get()
                job()
        def start():
            threading.Thread(target=worker, args=(jobs,)).start()
        def submit(j):
            jobs.put(j)
        """,
        "jobs",
        {"owner_type": "queue.Queue"},
        """
        put 10 submit: put
        gone 5 worker: get
        => 1 insert, 1 removal
        """,
        id="a_queue_read_in_a_thread",
    ),
    pytest.param(
        """
        table = {}
        class W:
            def __init__(self, t):
                self.t = t
            def add(self, k):
                self.t[k] = 1
        def remember(d, k):
            d[k] = 1
        def main(k):
            w = W(table)
            w.add(k)
            remember(table, k)
            put = table.pop
            put(k)
        """,
        "table",
        {},
        """
        put 6 W.add: [key] =
        put 8 remember: [key] =
        gone 14 main: pop
        => 2 inserts, 1 removal
        """,
        id="arguments_and_attributes_of_others",
    ),
    pytest.param(
        """
        class Cls:
            def __init__(self):
                self.__x = []
            def add(self, v):
                self.__x.append(v)
        class Other:
            def add(self, v):
                self.__x.append(v)
        """,
        "_Cls__x",
        {"kind": NameKind.ATTRIBUTE, "scope": "Cls", "owner_type": "list"},
        """
        put 5 Cls.add: append
        => 1 insert, no removal anywhere in app
        """,
        id="a_private_name",
    ),
    pytest.param(
        """
        class Base:
            registry = {}
            @classmethod
            def reg(cls, k):
                cls.registry[k] = cls
            def z(self):
                type(self).registry[1] = 2
                self.__class__.registry[1] = 2
                Base.registry[3] = 4
        class Sub(Base):
            def q(self):
                self.registry["q"] = 1
        def un(b):
            b.registry.pop("x")
            Sub.registry.pop("x")
        base = Base()
        def un2():
            base.registry.clear()
        """,
        "registry",
        {"kind": NameKind.ATTRIBUTE, "scope": "Base"},
        """
        put 5 Base.reg: [key] =
        put 7 Base.z: [key] =
        put 8 Base.z: [key] =
        put 9 Base.z: [key] =
        put 12 Sub.q: [key] =
        gone 15 un: pop, only in un(), which nothing in app calls
        gone 18 un2: clear, only in un2(), which nothing in app calls
        gone 14 un: pop, only in un(), which nothing in app calls (unsure)
        => 5 inserts, 2 removals, each only in some cases, such as only in un(), which nothing in app calls
        """,
        id="a_class_attribute_and_derived_classes",
    ),
    pytest.param(
        """
        class E:
            def __init__(self):
                self._items = []
            @property
            def items(self):
                return self._items
            def add(self, x):
                self.items.append(x)
        def drop(e: E, x):
            e.items.remove(x)
            e._items.remove(x)
        """,
        "_items",
        {"kind": NameKind.ATTRIBUTE, "scope": "E", "owner_type": "list"},
        """
        put 8 E.add: append
        gone 11 drop: remove
        gone 10 drop: remove (unsure)
        => 1 insert, 1 removal
        """,
        id="a_property",
    ),
    pytest.param(
        """
        bus = Bus()
        class Conn:
            def __init__(self):
                bus.on("x", self.deliver)
            def close(self):
                bus.off("x", self.deliver)
        """,
        "bus",
        {"owner_type": "Bus"},
        """
        put 4 Conn.__init__: on
        gone 6 Conn.close: off, only in close(), which nothing in app calls
        => 1 insert, 1 removal, and the removal runs only in close(), which nothing in app calls
        """,
        id="registering_where_nothing_better_is_found",
    ),
    pytest.param(
        """
        class S:
            def __init__(self):
                self.c = {}
            def open(self, k):
                self.c[k] = 1
            def close(self, k):
                self.c.pop(k)
        s = S()
        s.open(1)
        """,
        "c",
        {"kind": NameKind.ATTRIBUTE, "scope": "S"},
        """
        put 5 S.open: [key] =
        gone 7 S.close: pop, only in close(), which nothing in app calls
        => 1 insert, 1 removal, and the removal runs only in close(), which nothing in app calls
        """,
        id="a_removal_nobody_calls",
    ),
    pytest.param(
        """
        class Log:
            def __init__(self):
                self.text = ""
            def add(self, x):
                self.text += x
                self.text = f"{self.text}{x}"
                self.text = self.text + x
            def reset(self):
                self.text = ""
        """,
        "text",
        {"kind": NameKind.ATTRIBUTE, "scope": "Log", "owner_type": "str"},
        """
        put 5 Log.add: +=
        put 6 Log.add: rebinding
        put 7 Log.add: rebinding
        gone 9 Log.reset: rebinding
        => 3 inserts, 1 removal
        """,
        id="a_growing_string",
    ),
    pytest.param(
        """
        class H:
            def __init__(self): self._h = {}
            def add(self, k, v):
                new = dict(self._h)
                new[k] = v
                self._h = new
            def add2(self, k, v):
                self._h = {**self._h, k: v}
            def rem(self, k):
                self._h = {a: b for a, b in self._h.items() if a != k}
        """,
        "_h",
        {"kind": NameKind.ATTRIBUTE, "scope": "H"},
        """
        put 5 H.add: [key] =
        put 8 H.add2: rebinding
        gone 10 H.rem: rebinding
        => 2 inserts, 1 removal
        """,
        id="copy_on_write",
    ),
    pytest.param(
        """
        class Table(dict):
            def add(self, key, item):
                self[key] = item
            def drop(self, key):
                self.pop(key)
            def set2(self, key, v):
                super().__setitem__(key, v)
                dict.__setitem__(self, key, v)
        t = Table()
        def f(k):
            t.add(k, 1)
            t.drop(k)
        """,
        "t",
        {"owner_type": "app.Table"},
        """
        put 3 Table.add: [key] =
        put 7 Table.set2: __setitem__
        put 8 Table.set2: __setitem__
        put 11 f: add
        gone 5 Table.drop: pop
        gone 12 f: drop()
        => 3 inserts, 1 removal
        """,
        id="a_container_class_of_the_programs_own",
    ),
    pytest.param(
        """
        _c = None
        def get(k):
            global _c
            if _c is None:
                _c = {}
            _c[k] = 1
        def setup():
            global _c
            _c = {}
        """,
        "_c",
        {},
        """
        put 6 get: [key] =
        gone 9 setup: rebinding
        => 1 insert, 1 removal
        """,
        id="making_it_when_first_needed_is_no_removal",
    ),
    pytest.param(
        """
        import threading
        local = threading.local()
        def f(x):
            if not hasattr(local, "items"):
                local.items = []
            local.items.append(x)
        """,
        "items",
        {"kind": NameKind.ATTRIBUTE, "owner_type": "list"},
        """
        put 6 f: append
        => 1 insert, no removal anywhere in app
        """,
        id="an_attribute_of_something_without_a_class",
    ),
    pytest.param(
        """
        import contextlib
        active = []
        @contextlib.contextmanager
        def track(x):
            active.append(x)
            yield x
            active.remove(x)
        """,
        "active",
        {"owner_type": "list"},
        """
        put 5 track: append
        gone 7 track: remove, not if line 6 raises: not in a finally
        => 1 insert, 1 removal, and the removal does not run if line 6 raises: not in a finally
        """,
        id="a_yield_between_put_and_removal",
    ),
]


@pytest.mark.parametrize(("source", "name", "where", "expected"), TABLE)
def test_reads(tmp_path: Path, source: str, name: str, where: dict[str, Any], expected: str) -> None:
    """Every operation is found at its line, with the function it is in and when it runs."""
    home = write(tmp_path, source, name, **where)

    assert told(home) == [line.strip() for line in expected.strip().splitlines()]
