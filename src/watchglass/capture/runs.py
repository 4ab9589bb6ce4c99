"""What a piece of code does while it runs → run events: when it began and ended, what it read and wrote, how it went."""

from __future__ import annotations

import os
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, cast

from watchglass.capture import drops, known, recorder
from watchglass.capture.events import name as checked
from watchglass.capture.events import optional_name, outcome, present, text_of
from watchglass.capture.forking import whole
from watchglass.capture.ids import new_id
from watchglass.capture.times import now
from watchglass.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from contextvars import Token
    from types import ModuleType, TracebackType
    from typing import Self

    from watchglass.capture.around import Surroundings
    from watchglass.capture.beats import Beats
    from watchglass.capture.code import Code
    from watchglass.capture.queries import Query
    from watchglass.capture.subjects import Mark
    from watchglass.capture.traceparent import Remote
    from watchglass.records import RunId

_current: ContextVar[Run | None] = ContextVar("watchglass_run", default=None)
_elsewhere: ContextVar[Remote | None] = ContextVar("watchglass_remote", default=None)


def surroundings(budget: object = None, code: Code | None = None, keep: str | None = None) -> Surroundings:
    """Give what a run says of the code, the machine and the process around it, and what it may spend on that."""
    return _surroundings()(budget, code, keep)


# A process that only predicts does without these 10 ms of imports; no child inherits them half done.
@lru_cache(maxsize=1)
def _surroundings() -> type[Surroundings]:
    with whole:
        from watchglass.capture.around import Surroundings  # noqa: PLC0415 - above
    return Surroundings


def _remote(given: object) -> Remote | None:
    with whole:
        from watchglass.capture.traceparent import taken  # noqa: PLC0415 - above
    return taken(given)


@lru_cache(maxsize=1)
def quarantines() -> ModuleType:
    """Give the module that keeps the marks of quarantine."""
    with whole:
        from watchglass.capture import quarantine as found  # noqa: PLC0415 - above
    return found


@lru_cache(maxsize=1)
def of_subjects() -> ModuleType:
    """Give the module that knows of whom data is."""
    with whole:
        from watchglass.capture import subjects as found  # noqa: PLC0415 - above
    return found


def beats() -> Beats:
    """Give the runs of this process that a server must hear of while they last."""
    with whole:
        from watchglass.capture.beats import BEATS  # noqa: PLC0415 - above
    return BEATS


def current_run() -> Run | None:
    """Give the run that this code is in, as contextvars see it: each thread and task has its own."""
    return _current.get()


@lru_cache(maxsize=1)
def _inherited() -> Remote | None:
    """Give the trace that this process was started in, as its environment tells it."""
    if "TRACEPARENT" not in os.environ:
        return None
    with whole:
        from watchglass.capture.traceparent import around  # noqa: PLC0415 - above
    return around()


def elsewhere() -> Remote | None:
    """Give the run of another process that this code is a part of: as carried here, else as the environment tells."""
    return _elsewhere.get() or _inherited()


@contextmanager
def inside(run: Run | None, remote: Remote | None) -> Iterator[None]:
    """Be inside a run of this process, or a part of one elsewhere, for a while; with neither, stay where you are."""
    here = _current.set(run) if run is not None else None
    there = _elsewhere.set(remote) if remote is not None else None
    try:
        yield
    finally:
        if there is not None:
            _elsewhere.reset(there)
        if here is not None:
            _current.reset(here)


def put_run(event: dict[str, object], run: Run | str | None) -> None:
    """Put the run that an event belongs to into it: the one given, else the one around, if any."""
    around = _current.get() if run is None else run
    if isinstance(around, Run):
        event["run"], event["trace"] = around.id, around.trace
    elif around is not None:
        event["run"] = checked(around, "run")
    elif (remote := elsewhere()) is not None:
        event["trace"] = remote.trace
        if remote.parent is not None:
            event["run"] = remote.parent


class Run:
    """A run under way: made by `watchglass.run` and entered with `with` or `async with`."""

    def __init__(
        self,
        component: str,
        params: Mapping[str, object] | None = None,
        version: str | None = None,
        around: Surroundings | None = None,
        remote: Remote | None = None,
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
        self.around = surroundings() if around is None else around
        self._remote = remote
        self._quarantined = False
        self.on_retracted: str | None = None
        self.subjects: Mapping[str, tuple[str, ...]] = {}
        self.met: Mark | None = None
        self._tests: list[dict[str, object]] = []
        self._params = dict(params or {})
        self._metrics: dict[str, object] = {}
        self._notes: list[str] = []
        self._reads: list[dict[str, object]] = []
        self._writes: list[dict[str, object]] = []
        self._token: Token[Run | None] | None = None

    def read(
        self,
        thing: object,
        name: str | Query | None = None,
        keep: str | None = None,
        *,
        subjects: str | Iterable[str] | None = None,
    ) -> str | None:
        """Record that this run reads something now; gives the version of its content, None when only a name is known.

        A text that is an existing file's path is that file, another text alone a name without content; with `name`
        (or as a pair (name, value)) any value is its content: a frame, an array, a dict, a fitted model, a text.
        `keep` says how much of it the store keeps: none, hash, profile, sample or full (capture/keeping.py).
        `subjects` says of whom the data is, such as "client-17": the tag goes with it to all that is derived from it; an
        empty list says that it is of nobody. Where a tag was retracted a run is warned, and with `on_retracted="block"`
        stopped when the grace is over: raises `Blocked`, the read recorded.
        """
        return self._edge("read", thing, name, keep, subjects)

    def write(
        self,
        thing: object,
        name: str | Query | None = None,
        keep: str | None = None,
        *,
        subjects: str | Iterable[str] | None = None,
    ) -> str | None:
        """Record that this run writes something now; takes and gives what `read` does."""
        return self._edge("write", thing, name, keep, subjects)

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

    @property
    def trace_headers(self) -> dict[str, str]:
        """The headers of W3C, `traceparent` and `tracestate`, for what this run calls elsewhere."""
        with whole:
            from watchglass.capture.traceparent import headers  # noqa: PLC0415 - above
        return headers(self.id, self.trace, self._remote)

    @property
    def traceparent(self) -> str:
        """The W3C traceparent of this run: its trace of 32 hexadecimal digits, its span of 16."""
        return self.trace_headers["traceparent"]

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
        around, came = _current.get(), self._remote
        if around is not None:
            self.parent, self.trace, self._remote = around.id, around.trace, around._remote  # noqa: SLF001 - of this class
        elif came is None:
            came = elsewhere()
        if came is not None:
            self.parent, self.trace, self._remote = came.parent or self.parent, came.trace, came
        self.started = now()
        self.around.begin(None if came is None else came.text)
        here = recorder.current()
        here.graph(self.event())
        if here.sender is not None:
            beats().add(self)

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
        self.around.finish()
        self.ended = max(now(), self.started or 0)
        here = recorder.current()
        here.graph(self.event())
        if here.sender is not None:
            beats().remove(self)

    def lack(self, what: str) -> None:
        """Say by name what capture left out, and why."""
        self.around.left_out.append(what)

    def tested(self, result: dict[str, object]) -> None:
        """Keep the result of a test before or after the run's work."""
        self._tests.append(result)

    def quarantine(self) -> None:
        """Mark all that this run writes from now on: readers of it are warned."""
        self._quarantined = True

    def _edge(
        self, kind: Literal["read", "write"], thing: object, name: object, keep: object, subjects: object = None
    ) -> str | None:
        self._check_open()
        said = None if subjects is None else of_subjects().tags_of(subjects)
        moment = now()
        artifact = self.around.take(thing, name, keep)
        here = recorder.current()
        edge = artifact.edge(moment)
        if kind == "write" and self._quarantined:
            edge["artifact"] = {**artifact.about, "quarantined": moment}
            quarantines().mark(here.store, artifact.name, artifact.version)
        elif kind == "read" and artifact.version is not None and not here.disabled:
            self.warned(here.store, artifact.name, artifact.version)
        known.remember(artifact.version, artifact.name)
        (self._reads if kind == "read" else self._writes).append(edge)
        here.graph({"kind": kind, "run": self.id, **edge})
        said = self.subjects.get(artifact.name) if said is None else said
        for event in of_subjects().events(artifact.name, artifact.version, said, self.id, moment) if said else ():
            here.graph(event)
        if not here.disabled:
            of_subjects().mind(self, kind, here.store, artifact, said or ())
        return artifact.version

    def warned(self, store: str, name: str, version: str) -> None:
        """Warn of a version that is in quarantine, and keep that with the run."""
        if quarantines().is_marked(store, name, version):
            text = f"artifact {name!r} is in quarantine in its version {version}"
            drops.warn(f"quarantined {name}", f"run {self.component!r} reads what it should not: {text}")
            result = {"name": f"quarantine of {name}", "when": "before", "level": "warn", "ok": False, "message": text}
            self._tests.append(result)

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
                **self.around.event(),
                "pid": os.getpid(),
                "tests": list(self._tests) or None,
                "notes": list(self._notes),
                "reads": list(self._reads),
                "writes": list(self._writes),
            }
        )


def run(  # noqa: PLR0913 - the settled public face
    name: str,
    params: Mapping[str, object] | None = None,
    version: str | None = None,
    *,
    traceparent: str | Mapping[str, object] | None = None,
    budget: tuple[float | None, int | None] | None = None,
    keep: str | None = None,
    on_retracted: str | None = None,
) -> Run:
    """Record a block of code as a run of a component: `with wg.run("train", params={"lr": .1}) as run: …`.

    Inside it the run is the parent of other runs and the run of predictions. Also for `async with`. `traceparent` is
    a W3C trace context that it continues, or the headers of a request that carries one. `budget` is how many seconds
    and bytes of content capture may take for this run (settings capture_seconds, capture_bytes); what it leaves out
    is named on the run. `keep` says how much the store keeps of what it reads and writes (setting artifacts).
    `on_retracted` says what follows where it reads data of a subject whose tag was retracted and the grace is over:
    "warn", or "block": `watchglass.errors.Blocked` is raised where it reads (setting on_retracted).
    """
    title, given = checked(name, "the name of a run's component"), optional_name(version, "version")
    made = Run(
        title, params, given, surroundings(budget, keep=keep), None if traceparent is None else _remote(traceparent)
    )
    if on_retracted is not None:
        made.on_retracted = of_subjects().checked_reaction(on_retracted)
    return made
