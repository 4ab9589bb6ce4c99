"""The run around → carried to where contextvars do not reach: another thread, another process, another machine.

A function carried into a thread runs inside the very run; in another process, and behind the headers of a request, new
runs have it as parent and share its trace.
"""

from __future__ import annotations

import os
from inspect import iscoroutine
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar, cast

from watchglass.capture import traceparent as contexts
from watchglass.capture.runs import current_run, elsewhere, inside

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from watchglass.capture.runs import Run

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Carried(Generic[P, R]):
    """A function with the run around it when it was carried; it can be pickled when the function can."""

    def __init__(self, function: Callable[P, R], run: Run | None, headers: dict[str, str]) -> None:
        self._function = function
        self._run = run
        self._headers = headers

    def __call__(self, *arguments: P.args, **keywords: P.kwargs) -> R:
        """Call the function inside the run, or as a part of it in another process."""
        state = self._headers.get("tracestate", "")
        remote = contexts.parsed(self._headers["traceparent"], state) if self._headers and self._run is None else None
        with inside(self._run, remote):
            result = self._function(*arguments, **keywords)
        return cast("R", self._awaited(result, remote)) if iscoroutine(result) else result

    async def _awaited(self, steps: Coroutine[object, object, T], remote: contexts.Remote | None) -> T:
        """Run what a coroutine function gave inside the run too: it has not begun yet."""
        with inside(self._run, remote):
            return await steps

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle without the run itself, which lives in its process."""
        return Carried, (self._function, None, self._headers)


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """Carry the run around into a thread or a process that a function will be called in.

    `pool.submit(wg.carry(work), item)` for threads and processes alike, `Thread(target=wg.carry(work))`,
    `Process(target=wg.carry(work))`. Tasks of asyncio need nothing: contextvars follow them. What a generator does after
    its call is not carried.
    """
    return Carried(function, current_run(), trace_headers())


def traceparent() -> str | None:
    """Give the W3C traceparent to send on from here; None outside of any run and trace."""
    return trace_headers().get("traceparent")


def trace_headers() -> dict[str, str]:
    """Give the headers `traceparent` and `tracestate` for a request from here; empty outside of any run and trace.

    At the other end: `wg.run("serve", traceparent=request.headers)`.
    """
    run = current_run()
    if run is not None:
        return run.trace_headers
    remote = elsewhere()
    if remote is None:
        return {}
    states = (*((f"watchglass={remote.parent}",) if remote.parent is not None else ()), *remote.others)
    return {"traceparent": remote.text, **({"tracestate": ",".join(states)} if states else {})}


def trace_environment() -> dict[str, str]:
    """Give this process's environment with TRACEPARENT and TRACESTATE, for a command: `subprocess.run(…, env=wg.trace_environment())`."""
    plain = {name: value for name, value in os.environ.items() if name not in ("TRACEPARENT", "TRACESTATE")}
    return {**plain, **{name.upper(): value for name, value in trace_headers().items()}}
