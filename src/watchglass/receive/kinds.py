"""An event as a client sends it → the same, complete and with every field of its type, or `BadInput` with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from watchglass.capture.declaring import declared
from watchglass.capture.encode import canonical
from watchglass.capture.feedback import written
from watchglass.capture.traceparent import parsed
from watchglass.errors import BadInput
from watchglass.receive.moments import MICROSECONDS_FROM, moment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Event: TypeAlias = "dict[str, object]"
_NONE: Final = type(None)
_DAY: Final = 86_400_000_000
_LONG_END: Final = 1 << 53  # whole numbers are exact in a double up to there
_LEVELS: Final = {
    **{level: level for level in ("debug", "info", "warning", "error", "critical")},
    "warn": "warning",
    "fatal": "critical",
    "trace": "debug",
}
_STATUSES: Final = ("running", "ok", "error", "crashed")


@dataclass(frozen=True, slots=True)
class Field:
    """What a field may be: values of the types `fits` as they are, others when `mend` gives one that will do."""

    fits: frozenset[type]
    mend: Callable[[str, object], object]


def _refuse(name: str, value: object, would_do: str) -> BadInput:
    return BadInput(f"{name} cannot be {value!r:.80}: {would_do} would do")


def _texted(name: str, value: object) -> object:
    """Take a number as its text: a version 3, an id 17."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise _refuse(name, value, "a text")


def _written(_: str, value: object) -> object:
    """Write any value as text; an error may come as an object."""
    return canonical(value)


def _refused(would_do: str) -> Callable[[str, object], object]:
    def refuse(name: str, value: object) -> object:
        raise _refuse(name, value, would_do)

    return refuse


def _whole(lowest: int) -> Callable[[str, object], object]:
    def mend(name: str, value: object) -> object:
        whole = int(value) if isinstance(value, float) and value.is_integer() else value
        if isinstance(whole, int) and not isinstance(whole, bool) and lowest <= whole < _LONG_END:
            return whole
        raise _refuse(name, value, f"a whole number from {lowest} on" if lowest > -_LONG_END else "a whole number")

    return mend


def _level(name: str, value: object) -> object:
    found = _LEVELS.get(str(value).lower())
    if found is None:
        raise _refuse(name, value, "debug, info, warning, error or critical")
    return found


def _status(name: str, value: object) -> object:
    if value in _STATUSES:
        return value
    raise _refuse(name, value, "running, ok, error or crashed")


def _edges(name: str, value: object) -> object:
    """Take what a run read or wrote: names, or objects with a name."""
    if not isinstance(value, list):
        raise _refuse(name, value, 'a list such as ["raw.csv"] or [{"name": "rows", "version": "a1"}]')
    found: list[object] = []
    for item in value:
        edge = {"name": item} if isinstance(item, str) else item
        if not isinstance(edge, dict) or not isinstance(edge.get("name"), str) or not edge["name"]:
            what = f"an entry of {name}"
            raise _refuse(what, item, 'a name, or an object such as {"name": "rows", "version": "a1"}')
        for part in ("version", "rule"):
            if not isinstance(edge.get(part), (str, _NONE)):
                edge[part] = _texted(f"{part} in {name}", edge[part])
        if not isinstance(edge.get("artifact"), (dict, _NONE)):
            what = f"artifact in {name}"
            raise _refuse(what, edge["artifact"], "an object")
        found.append(edge)
    return found


def _columns(name: str, value: object) -> object:
    """Take a schema's columns: [role, name, type] each."""
    if isinstance(value, list) and all(
        isinstance(item, list) and len(item) == 3 and all(type(part) is str for part in item)  # noqa: PLR2004 - a triple
        for item in value
    ):
        return value
    raise _refuse(name, value, 'a list such as [["feature", "amount", "number"]]')


def _rule(_: str, value: object) -> object:
    """Take the rule that makes labels of feedback, as `log_model` does."""
    return written(value)


def _schema(_: str, value: object) -> object:
    """Take what is said of a model's columns, as `log_model` does."""
    return declared(value)


_TEXT: Final = Field(frozenset((str, _NONE)), _texted)
_ANY_TEXT: Final = Field(frozenset((str, _NONE)), _written)
_OBJECT: Final = Field(frozenset((dict, _NONE)), _refused("an object"))
_NUMBER: Final = Field(frozenset((int, float, _NONE)), _refused("a number"))
_SCORE: Final = Field(frozenset((int, float, dict, _NONE)), _refused("a number, or an object {class: number},"))
_STEP: Final = Field(frozenset((_NONE,)), _whole(-_LONG_END))
_WEIGHT: Final = Field(frozenset((_NONE,)), _whole(1))
_LEVEL: Final = Field(frozenset((_NONE,)), _level)
_LIST: Final = Field(frozenset((list, _NONE)), _refused("a list"))
_EDGES: Final = Field(frozenset((_NONE,)), _edges)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of event: its log, the texts it cannot do without, what its fields may be, and its times."""

    log: str
    needs: tuple[str, ...]
    fields: Mapping[str, Field]
    times: tuple[str, ...] = ("time",)
    about: str | None = None
    """The one field, of any type, that it is about and cannot do without."""
    gets_id: bool = False
    """Whether one without an id gets one."""


def _texts(*names: str) -> dict[str, Field]:
    return dict.fromkeys(names, _TEXT)


_CONTEXT: Final = _texts("run", "trace")
_PREDICTION: Final = {
    **_texts("model", "id", "version", "environment"),
    **_CONTEXT,
    **dict.fromkeys(("features", "tags"), _OBJECT),
    "score": _SCORE,
    "latency": _NUMBER,
    "weight": _WEIGHT,
    "error": _ANY_TEXT,
}
_RUN: Final = {
    **_texts("id", "component", "version", "parent", "trace", "host", "environment", "traceparent", "tracestate"),
    **dict.fromkeys(("params", "metrics", "code", "resources", "links"), _OBJECT),
    "status": Field(frozenset((_NONE,)), _status),
    "error": _ANY_TEXT,
    "pid": _STEP,
    **dict.fromkeys(("notes", "left_out", "tests", "upstream"), _LIST),
    **dict.fromkeys(("reads", "writes", "inputs", "outputs"), _EDGES),
}
_SAID: Final = {"inputs": "reads", "outputs": "writes"}
"""What the same is called where a run is told in one call of Python or of the command line."""
_EDGE: Final = {**_texts("run", "name", "version", "rule"), "artifact": _OBJECT}
_MODEL: Final = {
    **_texts("name", "version", "task", "window", "label_delay", "run"),
    "artifact": _OBJECT,
    "slices": _LIST,
    "reference": _WEIGHT,
    "false_alerts_per_year": _NUMBER,
    "feedback": Field(frozenset((_NONE,)), _rule),
    "schema": Field(frozenset((_NONE,)), _schema),
}
KINDS: Final[Mapping[str, Kind]] = {
    "prediction": Kind("rows", ("model", "id"), _PREDICTION, gets_id=True),
    "label": Kind("rows", ("model", "id"), _texts("model", "id", "environment"), about="label"),
    "feedback": Kind("rows", ("model", "id", "event"), _texts("model", "id", "environment", "event")),
    "metric": Kind(
        "rows",
        ("name",),
        {**_texts("name"), **_CONTEXT, "value": _NUMBER, "step": _STEP, "labels": _OBJECT},
        about="value",
    ),
    "log": Kind(
        "rows", ("message",), {"message": _ANY_TEXT, **_texts("logger"), **_CONTEXT, "level": _LEVEL, "tags": _OBJECT}
    ),
    "run": Kind("graph", ("id", "component"), _RUN, ("started", "ended"), gets_id=True),
    "environment": Kind("graph", ("id",), {**_texts("id"), "record": _OBJECT}, about="record"),
    "source": Kind("graph", ("id", "text"), _texts("id", "text", "name")),
    "component": Kind("graph", ("name",), {**_texts("name", "description", "owner"), "tags": _LIST}),
    "read": Kind("graph", ("run", "name"), _EDGE),
    "write": Kind("graph", ("run", "name"), _EDGE),
    "model": Kind("graph", ("name",), _MODEL),
    "schema": Kind("graph", ("model",), {**_texts("model"), "columns": Field(frozenset(), _columns)}, about="columns"),
    "deployment": Kind("graph", ("model", "version"), _texts("model", "version", "environment", "run")),
    "subject_tag": Kind("graph", ("name",), _texts("name", "version", "tag", "run"), about="tag"),
    "drops": Kind("graph", ("writer",), {**_texts("writer"), "reasons": _OBJECT}, about="reasons"),
}
_EMPTY_WILL_DO: Final = ("message",)


def completed(event: Event, kind: Kind, newest: int, *, exact: bool = False) -> None:
    """Check an event in place and make it complete; its id must be there. Raises `BadInput`."""
    fields = kind.fields
    for name, value in event.items():
        field = fields.get(name)
        if field is not None and type(value) not in field.fits:
            event[name] = field.mend(name, value)
    for name in kind.needs:
        if not event.get(name):
            _fault(event, name)
    if kind.about is not None and kind.about not in event:
        message = f"{kind.about} is missing"
        raise BadInput(message)
    found = event.get("time")
    if type(found) is not int or not MICROSECONDS_FROM <= found <= newest:
        _timed(event, kind, newest, exact=exact)


def _fault(event: Event, name: str) -> None:
    """Refuse an event for a text that it cannot do without."""
    if name not in event:
        message = f"{name} is missing"
        raise BadInput(message)
    if not (name in _EMPTY_WILL_DO and event[name] == ""):
        raise _refuse(name, event[name], "a text that is not empty")


def _timed(event: Event, kind: Kind, newest: int, *, exact: bool) -> None:
    for name in kind.times:
        value = event.get(name)
        if value is not None:
            event[name] = moment(value, name, newest, exact=exact)
        elif name != "ended":
            event[name] = newest - _DAY  # now: the newest time that will do lies a day ahead


def finished(event: Event, newest: int, *, exact: bool = False) -> None:
    """Say how a run stands that does not say so itself, what trace it is in, and the times of what it read and wrote."""
    _traced(event)
    for said, name in _SAID.items():
        if edges := event.pop(said, None):
            event[name] = [*_listed(event.get(name)), *_listed(edges)]
    resources = event.get("resources")
    if isinstance(resources, dict) and "beat" in resources:
        resources["seen"] = newest - _DAY  # by this clock, as the sender's may be wrong
    if event.get("status") is None:
        event["status"] = "running" if event.get("ended") is None else "error" if event.get("error") else "ok"
    ended, started = event.get("ended"), event.get("started")
    if isinstance(ended, int) and isinstance(started, int) and ended < started:
        message = "a run cannot end before it starts; are started and ended swapped?"
        raise BadInput(message)
    for name in ("reads", "writes"):
        for edge in _listed(event.get(name)):
            if edge.get("time") is None:
                edge.pop("time", None)
            else:
                edge["time"] = moment(edge["time"], f"time in {name}", newest, exact=exact)


def _listed(value: object) -> list[Event]:
    """Give edges that were checked, or none."""
    return value if isinstance(value, list) else []


def _traced(event: Event) -> None:
    """Put a run into the trace of who called it; where that cannot be read, it is as if nothing had been said."""
    text, state = event.pop("traceparent", None), event.pop("tracestate", None)
    remote = parsed(text, state if isinstance(state, str) else "") if isinstance(text, str) else None
    if remote is None:
        return
    links = event.get("links")
    event["links"] = {**(links if isinstance(links, dict) else {}), "traceparent": remote.text}
    if event.get("trace") is None:
        event["trace"] = remote.trace
    if event.get("parent") is None and remote.parent is not None:
        event["parent"] = remote.parent
