"""What a piece of code does while it runs → run events: when it began and ended, what it read and wrote, how it went."""

from __future__ import annotations

import os
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal, cast

from watchglass.capture import drops, recorder
from watchglass.capture.events import name as checked
from watchglass.capture.events import optional_name, present, text_of
from watchglass.capture.forking import whole
from watchglass.capture.ids import new_id
from watchglass.capture.times import micros, now
from watchglass.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextvars import Token
    from types import TracebackType
    from typing import Self

    from watchglass.capture.artifacts import Artifact, Item
    from watchglass.records import RunId, Time

_STATUSES = ("running", "ok", "error", "crashed")
_current: ContextVar[Run | None] = ContextVar("watchglass_run", default=None)


# A process that only predicts does without these 10 ms of imports; no child inherits them half done.
def _given(thing: object, name: str | None) -> Artifact:
    with whole:
        from watchglass.capture.artifacts import given  # noqa: PLC0415 - above
    return given(thing, name)


def _declared(item: Item) -> Artifact:
    with whole:
        from watchglass.capture.artifacts import declared  # noqa: PLC0415 - above
    return declared(item)


def _origin(function: Callable[..., object] | None) -> tuple[dict[str, object], str]:
    """Say where the code comes from, and the name of this machine."""
    with whole:
        from watchglass.capture.origin import code_of, host  # noqa: PLC0415 - above
    return code_of(function), host()


def current_run() -> Run | None:
    """Give the run that this code is in, as contextvars see it: each thread and task has its own."""
    return _current.get()


def put_run(event: dict[str, object], run: Run | str | None) -> None:
    """Put the run that an event belongs to into it: the one given, else the one around, if any."""
    around = _current.get() if run is None else run
    if isinstance(around, Run):
        event["run"], event["trace"] = around.id, around.trace
    elif around is not None:
        event["run"] = checked(around, "run")


class Run:
    """A run under way: made by `watchglass.run` and entered with `with` or `async with`."""

    def __init__(
        self,
        component: str,
        params: Mapping[str, object] | None = None,
        version: str | None = None,
        function: Callable[..., object] | None = None,
    ) -> None:
        self.component = component
        self.version = version
        self.id = cast("RunId", new_id())
        self.trace = self.id.replace("-", "")
        self.parent: RunId | None = None
        self.started: int | None = None
        self.ended: int | None = None
        self._status = "running"
        self._error: str | None = None
        self._function = function
        self._code: dict[str, object] | None = None
        self._host: str | None = None
        self._params = dict(params or {})
        self._metrics: dict[str, object] = {}
        self._notes: list[str] = []
        self._reads: list[dict[str, object]] = []
        self._writes: list[dict[str, object]] = []
        self._token: Token[Run | None] | None = None

    def read(self, thing: object, name: str | None = None) -> str | None:
        """Record that this run reads something now; gives the version of its content, None when only a name is known.

        A text that is an existing file's path is that file, another text alone a name without content; with `name`
        (or as a pair (name, value)) any value is its content: a frame, an array, a dict, a fitted model, a text.
        """
        return self._edge("read", _given(thing, name), self._reads)

    def write(self, thing: object, name: str | None = None) -> str | None:
        """Record that this run writes something now; takes and gives what `read` does."""
        return self._edge("write", _given(thing, name), self._writes)

    def param(self, name: str, value: object) -> None:
        """Record a parameter; the latest value of a name stays."""
        self._check_open()
        self._params[checked(name, "a parameter's name")] = value

    def metric(self, name: str, value: object, step: int | None = None) -> None:
        """Record a number that the run measured; the latest value of a name stays with the run."""
        self._check_open()
        if step is not None and (isinstance(step, bool) or not isinstance(step, int)):
            message = f"step of metric {name!r} cannot be {step!r}: a whole number would do"
            raise BadInput(message)
        self._metrics[checked(name, "a metric's name")] = value

    def note(self, text: str) -> None:
        """Record a sentence."""
        self._check_open()
        self._notes.append(text_of(text))

    def __enter__(self) -> Self:
        self.start()
        return self.activate()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.deactivate()
        self.end(error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def start(self) -> None:
        """Begin: take the run around as the parent, and say that this one is under way."""
        if self.started is not None:
            message = f"run {self.component!r} was entered before: each wg.run(…) is one run, make another"
            raise BadInput(message)
        around = _current.get()
        if around is not None:
            self.parent, self.trace = around.id, around.trace
        self.started = now()
        self._code, self._host = _origin(self._function)
        recorder.current().graph(self.event())

    def activate(self) -> Self:
        """Make this the run that code is in."""
        self._token = _current.set(self)
        return self

    def deactivate(self) -> None:
        """Go back to the run around."""
        token, self._token = self._token, None
        if token is None:
            return
        try:
            _current.reset(token)
        except ValueError:  # left in another context than entered, as an event loop may close a generator
            if _current.get() is self:
                _current.set(token.old_value if isinstance(token.old_value, Run) else None)

    def end(self, error: BaseException | None = None) -> None:
        """End, well or with an error; ended again, nothing more is said."""
        if self.ended is not None:
            return
        self._status, self._error = outcome(error)
        self.ended = max(now(), self.started or 0)
        recorder.current().graph(self.event())

    def _edge(self, kind: Literal["read", "write"], artifact: Artifact, edges: list[dict[str, object]]) -> str | None:
        self._check_open()
        edge = artifact.edge(now())
        edges.append(edge)
        recorder.current().graph({"kind": kind, "run": self.id, **edge})
        return artifact.version

    def _check_open(self) -> None:
        if self.started is None:
            message = f"run {self.component!r} has not begun: use it as `with wg.run({self.component!r}) as run:`"
            raise BadInput(message)
        if self.ended is not None:
            drops.warn(
                "ended run",
                f"run {self.component!r} ({self.id}) has ended; what is read or written after it is kept, what is noted is not",
            )

    def event(self) -> dict[str, object]:
        """Write the run as it stands."""
        return present(
            {
                "kind": "run",
                "id": self.id,
                "component": self.component,
                "version": self.version,
                "parent": self.parent,
                "trace": self.trace,
                "started": self.started,
                "ended": self.ended,
                "status": self._status,
                "error": self._error,
                "params": dict(self._params),
                "metrics": dict(self._metrics),
                "code": self._code,
                "host": self._host or os.uname().nodename,
                "pid": os.getpid(),
                "notes": list(self._notes),
                "reads": list(self._reads),
                "writes": list(self._writes),
            }
        )


def outcome(error: BaseException | None) -> tuple[str, str | None]:
    """Say how a run ended: a generator closed early and an exit with code 0 are no errors.

    >>> outcome(KeyError("ink")), outcome(SystemExit(0))
    (('error', "KeyError: 'ink'"), ('ok', None))
    """
    if error is None or isinstance(error, GeneratorExit) or (isinstance(error, SystemExit) and error.code in (None, 0)):
        return "ok", None
    text = text_of(error)
    return "error", f"{type(error).__name__}: {text}" if text else type(error).__name__


def run(name: str, params: Mapping[str, object] | None = None, version: str | None = None) -> Run:
    """Record a block of code as a run of a component: `with wg.run("train", params={"lr": .1}) as run: …`.

    Inside it the run is the parent of other runs and the run of predictions. Also for `async with`.
    """
    return Run(checked(name, "the name of a run's component"), params, optional_name(version, "version"))


def log_run(  # noqa: PLR0913 - the settled public face
    name: str,
    *,
    started: Time,
    ended: Time,
    inputs: Iterable[Item] = (),
    outputs: Iterable[Item] = (),
    status: str = "ok",
    params: Mapping[str, object] | None = None,
    version: str | None = None,
    error: str | None = None,
    parent: Run | str | None = None,
) -> RunId:
    """Record a run that is over; gives its id.

    `inputs` and `outputs` are paths that exist (the file), other texts (names without content) and pairs
    (name, value). `parent` defaults to the run around. Raises `BadInput` when it ended before it started,
    for an unknown status, and for a value without a name.
    """
    begun, over = micros(started, "started"), micros(ended, "ended")
    if over < begun:
        message = f"run {name!r} cannot end ({ended}) before it starts ({started}); are the two swapped?"
        raise BadInput(message)
    if status not in _STATUSES:
        message = f"status of run {name!r} cannot be {status!r}; known: {', '.join(_STATUSES)}"
        raise BadInput(message)
    made = Run(checked(name, "the name of a run's component"), params, optional_name(version, "version"))
    around = _current.get() if parent is None else parent
    made.parent = (
        around.id if isinstance(around, Run) else None if around is None else cast("RunId", checked(around, "parent"))
    )
    event = made.event() | {
        "trace": around.trace if isinstance(around, Run) else made.trace if around is None else None,
        "started": begun,
        "ended": over,
        "status": status,
        "error": error if error is None else text_of(error),
        "reads": [_declared(item).edge(begun) for item in _items(inputs, "inputs")],
        "writes": [_declared(item).edge(over) for item in _items(outputs, "outputs")],
    }
    recorder.current().graph(present(event))
    return made.id


def _items(items: Iterable[Item], what: str) -> Iterable[Item]:
    if isinstance(items, (str, os.PathLike)):
        message = f"{what} cannot be {items!r} alone: a list would do, [{items!r}]"
        raise BadInput(message)
    return items
