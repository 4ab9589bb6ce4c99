"""A function that is called → its local variables as they were when it returned, without a change to its body.

A frame that somebody holds keeps its variables after it has ended. Generators and coroutines show theirs. That of a plain
call is caught as it begins: by a profile function (a trace function where a profiler is at work) that takes itself away at
the first call of the function's code, or, from Python 3.12 on, by sys.monitoring on that code alone. The body runs without any of it, beside debuggers and coverage.
"""

from __future__ import annotations

import inspect
import sys
from _thread import get_ident
from collections.abc import Mapping
from types import CodeType, FrameType, FunctionType
from typing import TYPE_CHECKING, Final

from watchglass.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from typing import Self

_OURS: Final = "watchglass"
_TOOLS: Final = range(5, -1, -1)


def code_of(function: object) -> CodeType | None:
    """Find the code that runs in the end, under decorators and partials; None when it is not Python's."""
    plain = function
    while True:
        inner = getattr(plain, "__wrapped__", None) or getattr(plain, "func", None) or getattr(plain, "__func__", None)
        if inner is None or inner is plain:
            break
        plain = inner
    if not isinstance(plain, FunctionType):
        plain = getattr(plain, "__call__", None)  # noqa: B004 - the method itself is wanted
        plain = getattr(plain, "__func__", plain)
    return plain.__code__ if isinstance(plain, FunctionType) else None


def names_of(code: CodeType) -> frozenset[str]:
    """Name the variables that a frame of some code may have."""
    return frozenset((*code.co_varnames, *code.co_cellvars, *code.co_freevars))


def renamed(
    variables: Mapping[str, str] | Iterable[str], what: str, code: CodeType | None, title: str
) -> dict[str, str]:
    """Take names of local variables, or {variable: the name that its value goes by}.

    Raises `BadInput` for one that the function does not have.
    """
    if isinstance(variables, str):
        message = f"{what} of component {title!r} cannot be {variables!r} alone: a list would do, [{variables!r}]"
        raise BadInput(message)
    found = dict(variables) if isinstance(variables, Mapping) else {name: name for name in variables}
    if found and code is None:
        message = f"{what} of component {title!r} cannot be read: what it decorates is no function of Python"
        raise BadInput(message)
    known = names_of(code) if code is not None else frozenset()
    for name, given in found.items():
        if name not in known:
            shown = ", ".join(sorted(known)) or "none"
            message = f"component {title!r} has no local variable {name!r} for {what}. It has: {shown}"
            raise BadInput(message)
        if not isinstance(given, str) or not given:
            message = f"the name of {name!r} in {what} of component {title!r} cannot be {given!r}: a text would do"
            raise BadInput(message)
    return found


def frame_of(steps: object, code: CodeType | None) -> FrameType | None:
    """Take the frame of a generator or coroutine before it runs."""
    for name in ("gi_frame", "cr_frame", "ag_frame"):
        frame = getattr(steps, name, None)
        if isinstance(frame, FrameType) and frame.f_code is code:
            return frame
    return None


def values_of(frame: FrameType | None) -> Mapping[str, object] | str:
    """Give the variables of a generator or coroutine that has ended; the reason where there is no frame."""
    return "it is no generator or coroutine of the function's own" if frame is None else frame.f_locals


class Catch:
    """Catch the frame of the next call of some code in this thread: `with Catch(code) as caught: function()`."""

    __slots__ = ("_before", "_code", "_get", "_hook", "_set", "frame", "why")

    def __init__(self, code: CodeType | None) -> None:
        self._code = code
        self._hook: Callable[[FrameType, str, object], object] | None = None
        self._before: Callable[[FrameType, str, object], object] | None = None
        self._get: Callable[[], object] = sys.getprofile
        self._set: Callable[..., object] = sys.setprofile
        self.frame: FrameType | None = None
        self.why = "the function was not called"
        """Why there is no frame, where there is none."""

    def __enter__(self) -> Self:
        if self._code is None:
            return self
        if _watched(self._code):
            _waiting.setdefault(get_ident(), []).append(self)
            return self
        before = sys.getprofile()
        if before is None or isinstance(before, FunctionType) or inspect.ismethod(before):
            self._before, self._hook = before, self._heard
            sys.setprofile(self._hook)
        elif sys.gettrace() is None:  # the profiler is not Python's, so it could not be put back
            self._hook, self._get, self._set = self._heard, sys.gettrace, sys.settrace
            sys.settrace(self._hook)
        else:
            self.why = "a profiler and a tracer are at work"
        return self

    def _heard(self, frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code is self._code:
            self.frame = frame
            self._set(self._before)
        if self._before is not None:  # a profiler that is at work hears of all it would
            self._before(frame, event, argument)

    def started(self, code: CodeType, frame: FrameType) -> bool:
        """Take the frame of a call that begins; says whether it is the one waited for."""
        if code is not self._code:
            return False
        self.frame = frame
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._hook is not None:
            if self._get() is self._hook:  # the code was never called, as from a cache
                self._set(self._before)
            self._hook = None
        elif self._code is not None and self.frame is None:
            waiting = _waiting.get(get_ident(), [])
            if self in waiting:
                waiting.remove(self)

    def values(self) -> Mapping[str, object] | str:
        """Give the variables as they are now, and let go of the frame; the reason where it was not caught."""
        frame, self.frame = self.frame, None
        return self.why if frame is None else frame.f_locals


_waiting: dict[int, list[Catch]] = {}
_tool: int | None = None
_codes: set[CodeType] = set()


def _watched(code: CodeType) -> bool:
    """Say whether sys.monitoring tells of every start of this code; have it do so where there is such a thing."""
    monitoring = getattr(sys, "monitoring", None)
    if monitoring is None:
        return False
    if code in _codes:
        return True
    global _tool  # noqa: PLW0603 - one for the process
    if _tool is None:
        free = next((number for number in _TOOLS if monitoring.get_tool(number) is None), None)
        if free is None:
            return False
        monitoring.use_tool_id(free, _OURS)
        monitoring.register_callback(free, monitoring.events.PY_START, _begun)
        _tool = free
    monitoring.set_local_events(_tool, code, monitoring.events.PY_START)
    _codes.add(code)
    return True


def _begun(code: CodeType, offset: int) -> None:
    del offset
    waiting = _waiting.get(get_ident())
    if waiting and waiting[-1].started(code, sys._getframe(1)):  # noqa: SLF001 - the frame that begins
        waiting.pop()
