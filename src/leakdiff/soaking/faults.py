"""Faults that strike a scenario midway: it is cancelled, its time runs out, an error comes, its peer is gone."""

from __future__ import annotations

import enum
import functools
import inspect
import types
from collections.abc import Callable
from typing import Any

import attrs

from leakdiff.capture.kinds import dict_of_type, mro_of, qualname_of
from leakdiff.errors import BadScenario

Function = Callable[[], Any]


class Fault(enum.StrEnum):
    """What strikes, by the name of the function that asks for it."""

    CANCEL = "cancel_midway"
    TIMEOUT = "timeout_midway"
    ERROR = "raise_midway"
    DISCONNECT = "disconnect"


_SAID = {
    Fault.CANCEL: "cancelled",
    Fault.TIMEOUT: "timed out",
    Fault.ERROR: "raising",
    Fault.DISCONNECT: "disconnected",
}


@attrs.frozen(eq=False)
class Faulty:
    """A function that a fault strikes midway, each time at another place."""

    function: Function
    fault: Fault
    error: Callable[[], BaseException] = ConnectionResetError

    @property
    def name(self) -> str:
        """What a scenario of it is called unless it is given a name."""
        return f"{name_of(self.function)} {_SAID[self.fault]}"


def cancel_midway(function: Function) -> Faulty:
    """Cancel the task that runs a coroutine function while it waits, as when a client goes away.

    Args:
        function: A coroutine function without arguments.

    Returns:
        What ``leakdiff.Scenario`` takes. Where it strikes is drawn anew each time, from the places where a plain run of
        the function was seen to wait.

    Raises:
        BadScenario: If it is no coroutine function.
    """
    return _of_coroutine(function, Fault.CANCEL)


def timeout_midway(function: Function) -> Faulty:
    """Let an ``asyncio.timeout`` around a coroutine function expire while it waits.

    Args:
        function: A coroutine function without arguments.

    Returns:
        What ``leakdiff.Scenario`` takes, as of ``cancel_midway``.

    Raises:
        BadScenario: If it is no coroutine function.
    """
    return _of_coroutine(function, Fault.TIMEOUT)


def disconnect(function: Function) -> Faulty:
    """Raise ``ConnectionResetError`` where a coroutine function waits, and wherever it waits after that.

    Args:
        function: A coroutine function without arguments.

    Returns:
        What ``leakdiff.Scenario`` takes, as of ``cancel_midway``.

    Raises:
        BadScenario: If it is no coroutine function.
    """
    return _of_coroutine(function, Fault.DISCONNECT)


def raise_midway(function: Function, error: Callable[[], BaseException] = ConnectionResetError) -> Faulty:
    """Raise an error inside a function: where a coroutine function waits, or in a call that a plain one makes.

    Args:
        function: A function or a coroutine function without arguments.
        error: An exception class, or a function that makes an exception.

    Returns:
        What ``leakdiff.Scenario`` takes, as of ``cancel_midway``.

    Raises:
        BadScenario: If the function or the error cannot be used so.
    """
    _refuse_unusable(function, Fault.ERROR)
    made = error() if callable(error) else None
    if BaseException not in mro_of(type(made)):
        must = "Give an exception class, or a function without arguments that makes an exception."
        raise BadScenario(name_of(function), f"the error of raise_midway makes a {type(made).__name__}", must)
    return Faulty(function, Fault.ERROR, error)


def _of_coroutine(function: Function, fault: Fault) -> Faulty:
    _refuse_unusable(function, fault)
    if not is_coroutine_function(function):
        todo = "Use raise_midway, which works with plain functions, or make it a coroutine function."
        raise BadScenario(name_of(function), f"{fault.value} strikes where a task waits, and it is plain", todo)
    return Faulty(function, fault)


def _refuse_unusable(function: object, fault: Fault) -> None:
    if type(function) is Faulty:
        raise BadScenario(
            function.name, f"{fault.value} is put around another fault", "Give each fault its own scenario."
        )
    if not callable(function):
        raise BadScenario(fault.value, f"it is given a {type(function).__name__}", "Give it a function.")


def name_of(function: Any) -> str:
    """Return what to call a function: its name, or its class's where it is no function."""
    while type(function) is functools.partial:
        function = function.func
    if type(function) is types.MethodType:
        function = function.__func__
    is_function = type(function) is types.FunctionType or type(function) is types.BuiltinFunctionType
    return str(function.__name__) if is_function else qualname_of(type(function))


def is_coroutine_function(function: object) -> bool:
    """Tell whether calling something returns a coroutine."""
    call = next(
        (dict_of_type(base)["__call__"] for base in mro_of(type(function)) if "__call__" in dict_of_type(base)), None
    )
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)
