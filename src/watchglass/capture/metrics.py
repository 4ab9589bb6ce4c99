"""A number measured at a moment → a metric event: of the process, or of the run it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from watchglass.capture import recorder
from watchglass.capture.encode import plain, shown
from watchglass.capture.events import name as checked
from watchglass.capture.events import text_of
from watchglass.capture.runs import Run, put_run
from watchglass.capture.times import micros, now
from watchglass.errors import BadInput

if TYPE_CHECKING:
    from watchglass.records import Time


def log_metric(
    name: str,
    value: float,
    *,
    time: Time | None = None,
    step: int | None = None,
    labels: Mapping[str, object] | None = None,
    run: Run | str | None = None,
) -> None:
    """Record one value of a metric.

    `time` is now, `run` the run around, unless given. `labels` tell apart what shares a name: {"queue": "in"}.
    Raises `BadInput` for wrong use, never for what the disk does. A value that is no finite number is recorded as missing.
    """
    event: dict[str, object] = {
        "kind": "metric",
        "name": checked(name, "a metric's name"),
        "value": _number(name, value),
        "time": now() if time is None else micros(time),
    }
    if step is not None:
        event["step"] = _step(name, step)
    if labels:
        event["labels"] = _labels(name, labels)
    put_run(event, run)
    recorder.current().row(event)


def _number(name: str, value: object) -> object:
    if type(value) is float or type(value) is int:
        return value
    found = plain(value)
    if found is None or (isinstance(found, (int, float)) and not isinstance(found, bool)):
        return found
    message = f"value of metric {name!r} cannot be {shown(value)}: a number would do"
    raise BadInput(message)


def _step(name: str, step: object) -> object:
    found = plain(step)
    if isinstance(found, int) and not isinstance(found, bool):
        return found
    message = f"step of metric {name!r} cannot be {shown(step)}: a whole number would do"
    raise BadInput(message)


def _labels(name: str, labels: object) -> dict[str, str]:
    if not isinstance(labels, Mapping):
        message = (
            f"labels of metric {name!r} cannot be a {type(labels).__name__}: a dict such as {{'queue': 'in'}} would do"
        )
        raise BadInput(message)
    return {text_of(key): text_of(value) for key, value in labels.items() if value is not None}
