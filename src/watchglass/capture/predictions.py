"""A served prediction, or the truth that comes later → row events; a model's columns are announced before their first row."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from watchglass.capture import drops, recorder
from watchglass.capture.encode import plain, shown
from watchglass.capture.events import name, outcome, text_of
from watchglass.capture.ids import new_id
from watchglass.capture.runs import put_run
from watchglass.capture.schema import announce, apart, put
from watchglass.capture.times import micros, now
from watchglass.errors import BadInput

if TYPE_CHECKING:
    from watchglass.capture.recorder import Recorder
    from watchglass.capture.runs import Run
    from watchglass.capture.sampling import Sampler
    from watchglass.records import Time

_NO_TAGS: Final[Mapping[str, object]] = {}


def log_prediction(  # noqa: PLR0913 - the settled public face
    model: str,
    *,
    version: str | None = None,
    features: Mapping[str, object] | None = None,
    prediction: object = None,
    score: object = None,
    id: str | None = None,  # noqa: A002 - the settled public face
    time: Time | None = None,
    tags: Mapping[str, object] | None = None,
    environment: str = "live",
    latency: float | None = None,
    run: Run | str | None = None,
    error: BaseException | str | None = None,
) -> str:
    """Record one prediction; gives its id, by which its label is recorded later.

    `score` is a number or {class: number}. `latency` is in seconds. `time` is now, `run` the run around, unless given.
    `error` is what kept the model from predicting. A rule of sampling may leave the row out; its id is given all the same.
    Nothing that the disk does is raised here; a missing model name or a time that cannot be read is.
    """
    here = recorder.current()
    fields = _mapping(features, "features")
    labels = _tags(tags) if tags else _NO_TAGS
    event: dict[str, object] = {
        "kind": "prediction",
        "model": model if type(model) is str and model else name(model, "model"),
        "id": new_id() if id is None else name(id, "id"),
        "time": now() if time is None else micros(time),
        "environment": environment if type(environment) is str and environment else name(environment, "environment"),
        "features": fields,
        "tags": labels,
    }
    if version is not None:
        event["version"] = name(version, "version")
    if prediction is not None:
        event["prediction"] = prediction
    if score is not None:
        event["score"] = score if type(score) is float else _score(score)
    if latency is not None:
        event["latency"] = _seconds(latency)
    put_run(event, run)
    if error is not None:
        event["error"] = _error(error)
    sampler = here.sampler
    if sampler is not None:
        _sample(here, sampler, event)
    # as `put` does, without its call: this is the path of every prediction
    elif announce(here, event["model"], fields, labels):  # type: ignore[arg-type]  # a text by now
        here.row(event)
    else:
        apart(here, event)
    return event["id"]  # type: ignore[return-value]  # likewise


def _error(error: object) -> str:
    if isinstance(error, BaseException):
        return outcome(error)[1] or type(error).__name__
    return text_of(error)


def _sample(here: Recorder, sampler: Sampler, event: dict[str, object]) -> None:
    """Write a row if a rule keeps it."""
    here.start()  # it ends the intervals of reservoirs
    if here.disabled or sampler.decide(event):
        put(here, event)


def _score(score: object) -> object:
    if issubclass(type(score), (str, bytes)):
        message = f"score cannot be {shown(score)}: a number, or {{class: number}}, would do"
        raise BadInput(message)
    return score


def _mapping(values: object, what: str) -> Mapping[str, object]:
    if type(values) is dict:
        return values
    if values is None:
        return {}
    if isinstance(values, Mapping):
        return drops.shielded("encode", f"{what} are left out of an event", lambda: dict(values), _NO_TAGS)
    message = f"{what} cannot be a {type(values).__name__}: a dict such as {{'ink': 0.3}} would do"
    raise BadInput(message)


def _tags(tags: Mapping[str, object]) -> Mapping[str, object]:
    """Make tags texts; one that is None is not there."""
    found = _mapping(tags, "tags")
    for value in found.values():
        if type(value) is not str:
            return {key: text_of(value) for key, value in found.items() if value is not None}
    return found


def _seconds(latency: object) -> float:
    if type(latency) is float:
        return latency
    if isinstance(latency, timedelta):
        return latency.total_seconds()
    try:
        return float(latency)  # type: ignore[arg-type]  # a number of some library, or refused
    except Exception:  # noqa: BLE001 - the value's own methods may raise anything
        message = f"latency cannot be {shown(latency)}: seconds such as 0.012 would do"
        raise BadInput(message) from None


def log_label(model: str, id: str, label: object, *, time: Time | None = None, environment: str = "live") -> None:  # noqa: A002 - the settled public face
    """Record the truth for a prediction, by its id, when it becomes known (now).

    It may come any number of times, and before its prediction: the label with the latest time counts, the history stays.
    A label that is None or NaN says nothing yet: it is not recorded, which a warning tells; `retract_label` takes one back.
    """
    if plain(label) is None:
        said = f"a label of model {model!r} that is {shown(label)} says nothing and is not recorded; retract_label takes one back"
        drops.warn("missing label", said)
        return
    _label(model, id, label, time, environment)


def retract_label(model: str, id: str, *, time: Time | None = None, environment: str = "live") -> None:  # noqa: A002 - the settled public face
    """Take back what was said of a prediction up to a time (now): it counts as not labelled, until a later label comes.

    The history keeps what was said, and when it was taken back.
    """
    _label(model, id, None, time, environment)


def _label(model: str, ident: str, label: object, time: Time | None, environment: str) -> None:
    event = {
        "kind": "label",
        "model": name(model, "model"),
        "environment": name(environment, "environment"),
        "id": name(ident, "id"),
        "label": label,
        "time": now() if time is None else micros(time),
    }
    recorder.current().row(event)
