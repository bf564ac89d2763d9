"""Who keeps one object alive: its holders by name, those of whoever asks told apart, and what nobody can see."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import Any

import attrs
import pytest

import leakdiff
from fresh import run_fresh
from leakdiff.model.alive import Alive, Holder, InstanceOwner, InstanceOwners, Whose
from leakdiff.model.heap import Step
from leakdiff.render.sheets import sheets_of, sheets_text

_APP = '''
import gc, json, sys, types
import leakdiff

app = types.ModuleType("app")
sys.modules["app"] = app
exec("""
class Result:
    def __init__(self, driver=None):
        self.driver = driver

class Child:
    def __init__(self, parent):
        self.parent = parent

_inflight = {}

def handler(result):
    def again():
        return result
    return again
""", app.__dict__)
'''


def ask(script: str) -> Any:
    """Run a script that knows a small module ``app``, and return what it printed last."""
    return run_fresh(_APP + textwrap.dedent(script))


# -- one object ------------------------------------------------------------------------------------


def test_an_object_is_told_row_by_row() -> None:
    """The path from a root, each holder, whoever asks, cycles, and the count of references."""
    text = ask(
        """
        app._inflight.update((f"req-{number}", app.Result()) for number in range(3))

        def caller():
            result = app._inflight["req-1"]
            result.driver = app.Child(result)
            return leakdiff.why_alive(result).text()

        print(json.dumps(caller()))
        """
    )

    assert text == (
        "leakdiff: ALIVE  app.Result is held by app._inflight alone\n"
        "\n"
        "  path   module app ─ _inflight ─ [*] ─ app.Result\n"
        "  held   app._inflight[*]     dict, 3 entries     1 reference\n"
        "  also   the caller: caller() local result\n"
        "  cycle  itself.driver.parent     app.Child     1 reference; reached through the object only: "
        "does not keep it alive\n"
        "  count  3 references: 3 of them seen\n"
        "  would  it goes when app._inflight[*] and the caller let go"
    )


def test_every_holder_is_told_with_its_own_path() -> None:
    """Attributes, slots, closures, defaults, globals and entries each have their label."""
    told = ask(
        """
        class Slotted:
            __slots__ = ("kept",)

        def sample():
            result = app.Result()
            app.last = result
            app.slotted = Slotted()
            app.slotted.kept = result
            app.again = app.handler(result)
            app.outer = app.Result(result)
            app.jobs = [(1, result), result, result]
            return result

        alive = leakdiff.why_alive(sample())
        print(json.dumps([[held.where, held.type, held.references, held.is_alone] for held in alive.holders]))
        """
    )

    assert told == [
        ["app.last", "module", 1, False],
        ["app.jobs[*]", "list", 2, False],
        ["app.outer.driver", "app.Result", 1, False],
        ["app.slotted.kept", "__main__.Slotted", 1, False],
        ["app.jobs[*][*]", "tuple", 1, False],
        ["app.again closure result", "function handler.<locals>.again", 1, False],
    ]


def test_attributes_that_no_code_names_are_named_all_the_same() -> None:
    """What ``setattr`` gave an instance is found in its ``__dict__``, which is made for the few that are told."""
    told = ask(
        """
        app.other = app.Child(None)
        setattr(app.other, "given" + "_later", app.Result())
        print(json.dumps(leakdiff.why_alive(app.other.given_later).holders.names()))
        """
    )

    assert told == ["app.other.given_later"]


def test_an_object_that_only_c_code_holds_is_said_to_have_no_holder() -> None:
    """The reference count says that something holds it, and no walk can say what."""
    told = ask(
        """
        import ctypes

        result = app.Result()
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(result))
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(result))
        kept = [result]
        del result
        alive = leakdiff.why_alive(kept.pop())
        print(json.dumps([alive.text(), repr(alive), alive.unexplained, len(alive.path), len(alive.holders)]))
        """
    )

    assert told[0] == (
        "leakdiff: ALIVE  nothing that Python can see holds app.Result; reference count 2, visible 0\n"
        "\n"
        "  count  2 references: 0 of them seen, "
        "2 by C code, the interpreter, or a running function that has not named it"
    )
    assert told[1:] == ["<Alive app.Result: no holder that Python can see>", 2, 0, 0]


def test_a_holder_that_no_root_reaches_is_said_to_be_that() -> None:
    """Garbage that was not collected yet refers to it, and no path leads there."""
    told = ask(
        """
        gc.disable()
        result = app.Result()
        ring = [result]
        ring.append(ring)
        del ring
        alive = leakdiff.why_alive(result)
        app.kept = result
        print(json.dumps([[[o.whose, o.where] for o in alive.holders], leakdiff.why_alive(result).text()]))
        """
    )

    assert told[0] == [["caller", "__main__.result"], ["unreached", "a list that no root reaches"]]
    assert told[1].splitlines()[-1] == "  would  it goes when app.kept, the caller and what no root reaches let go"


def test_locals_of_other_threads_and_suspended_coroutines_are_holders_of_the_program() -> None:
    """Whoever asks is one thread only."""
    told = ask(
        """
        import threading

        ready, done = threading.Event(), threading.Event()

        def work(result):
            ready.set()
            done.wait(30)

        async def wait(result):
            await later()

        @types.coroutine
        def later():
            yield

        kept = [app.Result()]
        thread = threading.Thread(target=work, args=(kept[0],), name="worker")
        thread.start()
        ready.wait(30)
        app.waiting = wait(kept[0])
        app.waiting.send(None)
        alive = leakdiff.why_alive(kept.pop())
        done.set()
        print(json.dumps([[one.where, one.whose] for one in alive.holders]))
        app.waiting.close()
        """
    )

    assert ["app.waiting local result", "program"] in told
    assert ["work() in thread 'worker' local result", "program"] in told


SUBJECTS = {
    "a module": "app",
    "a function": "app.handler",
    "a frame": "suspended.gi_frame",
    "a generator": "suspended",
    "a dict": "app._inflight",
    "a tuple of atoms": "app.atoms",
    "a bytes": "app.atoms[1]",
    "a large int": "app.atoms[0]",
    "a weak proxy": "proxy",
    "a mock that claims a class": "mock",
    "a lazy object": "lazy",
    "an object of which every method raises": "hostile",
    "a class with a hostile metaclass": "Hostile",
}


def test_any_object_can_be_asked_about_and_none_of_its_code_runs() -> None:
    """Proxies, mocks, lazy objects and hostile ones are held by the list they lie in, as everything else."""
    told = ask(
        f"""
        import unittest.mock, weakref

        ran = []

        def raising(*_, **__):
            ran.append(1)
            raise RuntimeError("somebody's code ran")

        class Meta(type):
            __eq__ = __instancecheck__ = __subclasscheck__ = __getattribute__ = __repr__ = raising
            __hash__ = type.__hash__

        names = "repr str eq hash len bool getattr getattribute setattr iter contains sizeof format dir call index"
        Hostile = Meta("Hostile", (), {{f"__{{name}}__": raising for name in names.split()}})
        lazy_type = type("Lazy", (), {{"__class__": property(raising), "__getattr__": raising}})

        def generate():
            yield

        suspended = generate()
        app.atoms = (1 << 99, b"some bytes" * 9)
        subject = app.Result()
        proxy = weakref.proxy(subject)
        mock = unittest.mock.Mock(spec=dict)
        lazy, hostile = lazy_type(), object.__new__(Hostile)
        app.kept = [{", ".join(SUBJECTS.values())}]
        answers = []
        for number in range(len(app.kept)):
            alive = leakdiff.why_alive(app.kept[number], itself=True)
            answers.append("app.kept[*]" in alive.holders.names() and bool(alive.text()))
        print(json.dumps([answers, ran]))
        """
    )

    assert dict(zip(SUBJECTS, told[0], strict=True)) == dict.fromkeys(SUBJECTS, True)
    assert told[1] == []


def test_what_the_interpreter_never_frees_is_said_to_be_that() -> None:
    """``None``, small numbers and empty texts are held by the interpreter; who else refers to them says nothing."""
    told = [leakdiff.why_alive(subject, itself=True).text().partition("\n")[0] for subject in (None, True, 7)]

    one = "there is one of it, which the interpreter itself holds"
    small = "whole numbers from -5 to 256 are made once, and the interpreter itself holds them"
    assert told == [
        f"leakdiff: ALIVE  NoneType is never freed: {one}",
        f"leakdiff: ALIVE  bool is never freed: {one}",
        f"leakdiff: ALIVE  int is never freed: {small}",
    ]
    assert repr(leakdiff.why_alive(None)) == "<Alive NoneType: the interpreter itself holds it>"


def test_texts_are_found_as_keys_as_constants_and_as_attributes() -> None:
    """Neither the keys of a dict of texts nor what code keeps is shown by gc."""
    told = ask(
        """
        exec("def ask_for():\\n    return 'a constant of code'", app.__dict__)
        constant = leakdiff.why_alive(app.ask_for(), itself=True)
        app._inflight["req-" + str(len(app.__dict__))] = 1
        key = leakdiff.why_alive(next(iter(app._inflight)), itself=True)
        print(json.dumps([constant.holders.names(), key.holders.names()]))
        """
    )

    assert told == [["app.ask_for constant"], ["app._inflight key"]]


def test_a_class_itself_can_be_asked_about() -> None:
    """Its instances are counted, not listed; its own parts lead back to it only."""
    told = ask(
        """
        app._inflight["one"] = app.Result()
        app._inflight["two"] = app.Result()
        app.Special = type("Special", (app.Result,), {})
        alive = leakdiff.why_alive(app.Result, itself=True)
        print(json.dumps([alive.type, alive.instances, alive.unexplained, [[o.where, o.whose] for o in alive.holders]]))
        """
    )

    assert told[:3] == ["class app.Result", 2, 0]
    assert [where for where, whose in told[3] if whose == "program"] == [
        "app.Result",
        "app.Special.__base__",
        "app.Special.__bases__[*]",
        "app.Special.__mro__[*]",
    ]


def test_the_answer_is_right_while_the_heap_is_frozen() -> None:
    """``gc.freeze()`` hides everything from a backward search; the walk goes forward."""
    told = ask(
        """
        app._inflight["one"] = app.Result()
        gc.freeze()
        print(json.dumps(leakdiff.why_alive(app._inflight["one"]).holders.names()))
        """
    )

    assert told == ["app._inflight[*]"]


def test_asking_leaves_nothing_behind() -> None:
    """The object goes as before, the answer keeps names only, and no instance was made to keep a ``__dict__``."""
    told = ask(
        """
        import weakref

        app._inflight["one"] = app.Result(app.Result())
        alive = leakdiff.why_alive(app._inflight["one"].driver)
        kept_in_place = not any(type(ref) is dict for ref in gc.get_referents(app._inflight["one"]))
        gone = weakref.ref(app._inflight.pop("one").driver)
        print(json.dumps([gone() is None, kept_in_place, alive.holders.names()]))
        """
    )

    assert told == [True, True, ["app._inflight[*].driver"]]


def test_a_walk_that_runs_out_of_time_says_so_and_claims_nothing() -> None:
    """What was not reached may hold it: neither is it garbage, nor held by one object alone, nor by the caller only."""
    told = ask(
        """
        app._inflight["one"] = app.Result()
        alive = leakdiff.why_alive(app._inflight["one"], budget=1e-9)
        whole = leakdiff.why_alive(app._inflight["one"])
        print(json.dumps([alive.text(), repr(alive), len(alive.holders), whole.stopped]))
        """
    )
    text, line, holders, stopped = told

    assert text.startswith("leakdiff: ALIVE  what holds app.Result is not known: the walk stopped after ")
    assert " 0 of them seen, 1 by what the walk did not come to, C code, the interpreter, or a " in text
    assert text.endswith(" and 1e-09 s (max_seconds): there may be more holders")
    assert line.startswith("<Alive app.Result: not known: the walk stopped after ")
    assert (holders, stopped) == (0, "")


def test_what_a_stopped_walk_found_is_at_least_that() -> None:
    """The claims of an answer that is not whole say what is not known."""
    steps = Step("app", "module"), Step(".last", "app.Result")
    own, local = (
        Holder("app", ".last", "module", steps),
        Holder("look()", " local r", "frame", steps, whose=Whose.CALLER),
    )
    one = Alive(type="app.Result", holders=(own,), held=1, references=3, seen=1, stopped="it stopped", notes=("so",))
    two, asking = attrs.evolve(one, held=2), attrs.evolve(one, holders=(local,))

    assert str(one).endswith("is held by app.last; what else holds it is not known: it stopped")
    assert str(two).endswith("is held by at least 2 objects, app.last the nearest")
    assert str(asking).endswith("is held by the caller; what else holds it is not known: it stopped")
    assert [repr(one), repr(asking)] == [
        "<Alive app.Result: at least 1 holder, app.last>",
        "<Alive app.Result: no holder known but the caller, look() local r>",
    ]


def test_nothing_is_the_only_holder_where_a_reference_is_unexplained() -> None:
    """A local, or one attribute, and a reference of C code, or a list that a loop goes through."""
    told = ask(
        """
        import ctypes

        def caller():
            result = app.Result()
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(result))
            return leakdiff.why_alive(result)

        def loop():
            for result in [app.Result()]:
                return leakdiff.why_alive(result)

        app.kept = app.Result()
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(app.kept))
        answers = [caller(), loop(), leakdiff.why_alive(app.kept)]
        told = [[str(one).partition("  ")[2], repr(one)] for one in answers]
        print(json.dumps([told, [held.is_alone for one in answers for held in one.holders]]))
        """
    )

    assert told[0] == [
        [
            "app.Result is held by the caller and what Python cannot see",
            "<Alive app.Result: no holder known but the caller, caller() local result, besides what Python cannot see>",
        ],
        [
            "app.Result is held by the caller and what no root reaches",
            "<Alive app.Result: no holder known but the caller, loop() local result, besides what no root reaches>",
        ],
        ["app.Result is held by app.kept and what Python cannot see", "<Alive app.Result: 1 holder, app.kept>"],
    ]
    assert not any(told[1])


def test_many_holders_are_all_seen_though_few_are_named() -> None:
    """C code is not blamed for those beyond the first thousand, and whoever asks is told though it comes last."""
    told = ask(
        """
        def caller():
            kept = app.Result()
            app.jobs = [[kept] for _ in range(1_500)]
            return leakdiff.why_alive(kept)

        alive = caller()
        print(json.dumps([alive.held, alive.seen, alive.unexplained, alive.programs, alive.holders[-1].where]))
        """
    )

    assert told == [1_501, 1_501, 0, 1_500, "caller() local kept"]


def test_a_constant_is_held_by_code_once_however_many_functions_are_made_of_it() -> None:
    """So a reference of C code is not taken for one of the closures'; the code of inner functions counts as well."""
    told = ask(
        """
        import ctypes

        exec("def make():\\n    def inner(): return 'a constant of code'\\n    return inner", app.__dict__)
        app.made = [app.make() for _ in range(5)]

        def caller():
            constant = app.made[0]()
            before = leakdiff.why_alive(constant, itself=True)
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(constant))
            return before, leakdiff.why_alive(constant, itself=True)

        print(json.dumps([[one.held, one.references, one.unexplained, one.notes] for one in caller()]))
        """
    )

    assert told == [[2, 2, 0, []], [2, 3, 1, []]]


@pytest.mark.parametrize("made", ["dict", "type('D', (dict,), {})", "OrderedDict", "lambda: defaultdict(list)"])
def test_a_key_is_found_in_any_kind_of_dict(made: str) -> None:
    """Of a dict of texts gc shows no keys, but the class of a mapping, or what makes its values."""
    told = ask(
        f"""
        from collections import OrderedDict, defaultdict

        app.mapping = ({made})()
        app.mapping["req-" + str(len(app.__dict__))] = 1
        alive = leakdiff.why_alive(next(iter(app.mapping)), itself=True)
        print(json.dumps([[[held.where, held.is_alone] for held in alive.holders], alive.unexplained]))
        """
    )

    assert told == [[["app.mapping key", True]], 0]


def test_ctrl_c_keeps_nothing_alive() -> None:
    """Neither the object nor what the walk was at, though the exception and its traceback are kept."""
    told = ask(
        """
        import weakref
        from leakdiff.capture.walk import Pacer

        def interrupt(pacer):
            times.append(1)
            if len(times) > 100:
                raise KeyboardInterrupt

        class Small:
            pass

        Pacer.breathe, times, kept = interrupt, [], []
        app.many = [Small() for _ in range(100_000)]
        app.kept = app.Result()
        gone = [weakref.ref(app.many[at]) for at in range(0, 100_000, 100)]
        result = weakref.ref(app.kept)
        for ask in (lambda: leakdiff.why_alive(app.kept), lambda: leakdiff.owners(app.Result), leakdiff.why_alive):
            times.clear()
            try:
                ask() if ask is not leakdiff.why_alive else ask("Result")
            except KeyboardInterrupt as error:
                kept.append(error)
        app.many.clear()
        app.kept = None
        print(json.dumps([len(kept), sum(one() is not None for one in gone), result() is None]))
        """
    )

    assert told == [3, 0, True]


@pytest.mark.parametrize(("knobs", "name"), [({"budget": 0}, "budget"), ({"itself": "yes"}, "itself")])
def test_arguments_that_cannot_work_are_refused(knobs: dict[str, Any], name: str) -> None:
    """The message names the argument."""
    with pytest.raises(leakdiff.LeakdiffError, match=f"^{name}="):
        leakdiff.why_alive([], **knobs)


# -- whoever asks ----------------------------------------------------------------------------------


_ASKED_FROM = {
    "a coroutine": """
        async def caller(result):
            return leakdiff.why_alive(result)

        alive = asyncio.run(caller(SUBJECT))
    """,
    "an asynchronous generator": """
        async def caller(result):
            yield leakdiff.why_alive(result)

        async def main(asking):
            return [one async for one in asking][0]

        alive = asyncio.run(main(caller(SUBJECT)))
    """,
    "a generator": """
        def caller(result):
            yield leakdiff.why_alive(result)

        alive = list(caller(SUBJECT))[0]
    """,
    "a context manager": """
        @contextlib.contextmanager
        def caller(result):
            yield leakdiff.why_alive(result)

        def main(manager):
            with manager as alive:
                return alive

        alive = main(caller(SUBJECT))
    """,
    "a comprehension": """
        def caller(result):
            return [leakdiff.why_alive(result) for _ in "1"]

        alive = caller(SUBJECT)[0]
    """,
}


@pytest.mark.parametrize("asked_from", _ASKED_FROM)
def test_locals_of_whoever_asks_are_the_callers(asked_from: str) -> None:
    """Also of what runs as a coroutine or generator, which refers to the locals of its frame: once, not twice."""
    asks = textwrap.dedent(_ASKED_FROM[asked_from])
    tells = """
told.append([str(alive).partition(" by ")[2], alive.unexplained, alive.notes])
told[-1] += [one.where for one in alive.holders if one.whose == "caller"][:1]
"""
    told = ask(
        "import asyncio, contextlib\napp.kept, told = app.Result(), []\n"
        + "".join(asks.replace("SUBJECT", subject) + tells for subject in ("app.kept", "app.Result()"))
        + "print(json.dumps(told))"
    )

    assert told == [
        ["app.kept alone", 0, [], "caller() local result"],
        ["the caller only", 0, [], "caller() local result"],
    ]


def test_a_coroutine_that_waits_for_whoever_asks_is_the_programs() -> None:
    """It counts as one holder: what runs, and its frame, are the same."""
    told = ask(
        """
        import asyncio

        async def look(result):
            return leakdiff.why_alive(result)

        async def main():
            result = app.Result()
            return await look(result)

        alive = asyncio.run(main())
        holders = [[one.where, one.whose] for one in alive.holders]
        print(json.dumps([holders, alive.held, alive.references, alive.seen, str(alive)]))
        """
    )

    assert told[0] == [["main() local result", "program"], ["look() local result", "caller"]]
    assert told[1:4] == [2, 2, 2]
    assert told[4].endswith("is held by main() local result alone")


@pytest.mark.parametrize(
    "asks", ["lambda: leakdiff.why_alive(app.kept)", "(leakdiff.why_alive(o) for o in [app.kept])"]
)
def test_what_a_function_calls_is_not_written_within_it(asks: str) -> None:
    """A function that is given a lambda, or goes through a generator expression, is the program's."""
    told = ask(
        f"""
        def retry(asks, payload):
            return asks() if callable(asks) else list(asks)[0]

        def caller():
            return retry({asks}, app.kept)

        app.kept = app.Result()
        print(json.dumps([[one.where, one.whose] for one in caller().holders if "retry" in one.where]))
        """
    )

    assert told == [["retry() local payload", "program"]]


def test_a_prompt_is_told_apart() -> None:
    """What was typed at a prompt, and ``_``, are the session's."""
    told = ask(
        """
        import builtins

        sys.ps1 = ">>> "
        app._inflight["one"] = app.Result()
        result = other = app._inflight["one"]
        builtins._ = result
        alive = leakdiff.why_alive(result)
        print(json.dumps([alive.text().splitlines()[0], [[o.where, o.whose, o.said] for o in alive.holders]]))
        """
    )

    assert told[0] == "leakdiff: ALIVE  app.Result is held by app._inflight alone"
    assert told[1] == [
        ["app._inflight[*]", "program", ""],
        ["__main__.result", "session", "your session itself holds it: __main__.result, __main__.other"],
        ["builtins._", "session", "the prompt keeps it in builtins._"],
    ]


def test_what_ipython_keeps_is_told_apart() -> None:
    """``Out[2]``, ``_`` and ``_2`` are IPython's, whose names it has for its own use."""
    pytest.importorskip("IPython", reason="needs IPython: pip install ipython")
    told = ask(
        """
        from IPython.core.interactiveshell import InteractiveShell

        app._inflight["one"] = app.Result()
        shell = InteractiveShell.instance()
        shell.run_cell("import app, leakdiff", store_history=True)
        shell.run_cell("app._inflight['one']", store_history=True)
        shell.run_cell("alive = leakdiff.why_alive(_)", store_history=True)
        alive = shell.user_ns["alive"]
        print(json.dumps([[one.where, one.whose, one.said] for one in alive.holders]))
        """
    )

    assert told[0] == ["app._inflight[*]", "program", ""]
    assert {whose for _, whose, _ in told[1:]} == {"session"}
    assert "IPython keeps it in Out[2]" in [said for _, _, said in told]
    hidden = [said for _, _, said in told if "user_ns_hidden" in said]
    assert [said.partition(" it in ")[0] for said in hidden] == ["IPython keeps"]


def test_python_with_a_prompt_tells_what_it_keeps_itself() -> None:
    """In ``python -i``: what was typed, and the last result; the answer shows itself in one line."""
    typed = """
import leakdiff, leakdiff.demo.matching as matching
matching._inflight["one"] = set()
matching._inflight["one"]
leakdiff.why_alive(_)
_.why()
try: print(1 / 0)
except ZeroDivisionError: thing = []

leakdiff.why_alive(thing)
"""
    command = [sys.executable, "-i", "-q", "-W", "error"]
    ended = subprocess.run(command, input=typed, capture_output=True, text=True, timeout=60, check=True)
    lines = ended.stdout.splitlines()

    assert lines[1] == "<Alive set: 1 holder, leakdiff.demo.matching._inflight[*]>"
    assert "  also   the prompt keeps it in builtins._" in lines
    assert lines[-1] == "<Alive list: no holder but your session, __main__.thing>"


# -- pictures --------------------------------------------------------------------------------------


def test_the_graph_joins_the_paths_of_all_holders() -> None:
    """From the roots to the object, each node by the name a path gives it."""
    steps = Step("app", "module"), Step(".jobs", "dict"), Step("[*]", "app.Result")
    other = Step("app", "module"), Step(".last", "app.Result")
    held = Holder("app.jobs", "[*]", "dict", steps), Holder("app", ".last", "module", other)
    graph = Alive(type="app.Result", holders=held, held=2).graph

    assert [(name.strip(), facts["kind"], facts["said"]) for name, facts in graph.nodes(data=True)] == [
        ("app.Result", "grown", "app.Result"),
        ("module app", "root", "module app"),
        ("module app.jobs", "owner", "app.jobs"),
    ]
    assert sorted(str(facts["label"]) for _, _, facts in graph.edges(data=True)) == [".jobs", ".last", "[*]"]


def test_a_module_may_be_called_itself() -> None:
    """Only the object's own cycles start at it."""
    path = Step("itself", "module"), Step(".jobs", "dict"), Step("[*]", "app.Result")
    cycle = Step("itself", "object"), Step(".driver", "app.Child"), Step(".parent", "app.Result")
    held = Holder("itself.jobs", "[*]", "dict", path), Holder("itself.driver", ".parent", "app.Child", cycle)
    graph = Alive(type="app.Result", holders=held, held=2).graph

    assert [facts["said"] for _, facts in graph.nodes(data=True) if facts["kind"] == "root"] == ["module itself"]
    assert len(graph) == 4


def test_the_paths_are_drawn() -> None:
    """As a tree for a terminal, and in every other style that pictures have."""
    steps = Step("app", "module"), Step(".jobs", "dict"), Step("[*]", "app.Result")
    alive = Alive(type="app.Result", holders=(Holder("app.jobs", "[*]", "dict", steps),), held=1)

    assert str(alive.draw("ascii")) == "module app\n`- jobs: app.jobs  dict\n   `- [*]: app.Result"
    assert [alive.draw(style).kind for style in ("tree", "dot", "mermaid", "svg")] == ["text", "text", "text", "svg"]


def test_notebooks_and_rich_are_given_a_table() -> None:
    """The same rows as the text has."""
    steps = Step("app", "module"), Step(".jobs", "dict"), Step("[*]", "app.Result")
    alive = Alive(type="app.Result", holders=(Holder("app.jobs", "[*]", "dict", steps),), held=1)
    owners = InstanceOwners([InstanceOwner("app.jobs", "module", "dict", 3, 99, 1.0)])

    for value in (alive, alive.holders, owners):
        assert "app.jobs" in value._repr_mimebundle_()["text/html"]
        assert "app.jobs" in sheets_text(sheets_of(value))


@pytest.mark.parametrize("name", ["\x1b[2J", "<script>", "\u202e", "x" * 10_000_000, "\ud800", "a\nb"])
def test_hostile_names_are_harmless_in_text_and_repr(name: str) -> None:
    """Rows stay one line each, printable and bounded."""
    steps = Step(name, "module"), Step(f".{name}", name)
    holder = Holder(name, f".{name}", name, steps, said=name, whose=Whose.SESSION)
    alive = Alive(type=name, holders=(holder, holder), held=2, references=2, seen=1, notes=(name,))

    for text in (alive.text(), repr(alive), repr(alive.holders), alive.holders.why()):
        assert all(char.isprintable() for char in text.replace("\n", ""))
        assert max(map(len, text.splitlines())) <= 600
