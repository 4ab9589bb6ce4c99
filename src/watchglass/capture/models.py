"""What a model is and where it serves → model and deployment events."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from watchglass.capture import feedback as rules
from watchglass.capture import recorder
from watchglass.capture.declaring import IN_ROWS, Entry, declared
from watchglass.capture.events import name, optional_name, present
from watchglass.capture.runs import Run, current_run
from watchglass.capture.schema import announced
from watchglass.capture.times import micros, now
from watchglass.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from watchglass.capture.recorder import Recorder
    from watchglass.records import Time

_WINDOW: Final = "1d"
_DELAY: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([dh])")
_HOUR: Final = timedelta(hours=1)


def log_model(  # noqa: PLR0913 - the settled public face
    model: str,
    *,
    version: str,
    artifact: str | tuple[str, str | None] | None = None,
    task: str | None = None,
    reference: int | None = None,
    slices: Iterable[str] = (),
    window: str = "1d",
    label_delay: str | timedelta | None = None,
    false_alerts_per_year: float = 1,
    schema: Mapping[str, str | type | Mapping[str, object]] | None = None,
    feedback: Mapping[str, object] | None = None,
    run: Run | str | None = None,
) -> None:
    """Register a version of a model, and how it is watched.

    `artifact` is the artifact that the version is: its name, or (name, version). `reference` is the number of
    windows to learn from. `slices` are tags by which performance is judged apart. `label_delay` is how late labels
    come: "3d", "36h" or a timedelta. `false_alerts_per_year` is what may ring for nothing. `schema` says what columns
    are: a name's type (number, boolean, text, json), or {"type": …, "role": …, "purpose": …, "unit": …}; said before
    the first row it decides the type, and what it does not name is told by the rows.
    `feedback` makes labels of what users do (`log_feedback`): {"event": "click", "within": "30m", "positive": 1,
    "negative": 0} is positive for a click within 30 minutes after the prediction's time, negative when that passed without;
    {} strikes the rule that was, None leaves it.
    Raises `BadInput` for what this version does not know.
    """
    columns = declared(schema)
    event = {
        "kind": "model",
        "name": name(model, "model"),
        "version": name(version, "version"),
        "artifact": _artifact(artifact),
        "task": optional_name(task, "task"),
        "reference": _reference(reference),
        "slices": _slices(slices),
        "window": _window(window),
        "label_delay": delay_text(label_delay),
        "false_alerts_per_year": _rate(false_alerts_per_year),
        "schema": columns,
        "feedback": rules.written(feedback),
        "run": run_id(run),
        "time": now(),
    }
    here = recorder.current()
    if here.graph(present(event)) and columns:
        _known(here, str(event["name"]), columns)


def _known(here: Recorder, model: str, columns: Sequence[Entry]) -> None:
    """Remember that the graph log tells these columns, so that the first rows do not tell them again."""
    said = announced(here, model).columns
    said.update((str(entry["role"]), str(entry["name"])) for entry in columns if entry["role"] in IN_ROWS)


def deploy(model: str, *, version: str, environment: str = "live", time: Time | None = None) -> None:
    """Record that a version of a model serves in an environment from a time on (now)."""
    event = {
        "kind": "deployment",
        "model": name(model, "model"),
        "version": name(version, "version"),
        "environment": name(environment, "environment"),
        "time": now() if time is None else micros(time),
        "run": run_id(None),
    }
    recorder.current().graph(present(event))


def run_id(run: Run | str | None) -> str | None:
    """Give a run's id; without one, that of the run around, if any."""
    if run is None:
        around = current_run()
        return None if around is None else around.id
    return run.id if isinstance(run, Run) else name(run, "run")


def delay_text(delay: str | timedelta | None) -> str | None:
    """Write how late labels come as days or hours.

    >>> delay_text("36 h"), delay_text(timedelta(days=3)), delay_text(timedelta(minutes=90))
    ('36h', '3d', '1.5h')
    """
    if delay is None:
        return None
    if isinstance(delay, timedelta) and delay >= timedelta(0):
        hours = delay / _HOUR
        return f"{hours / 24:g}d" if hours % 24 == 0 else f"{hours:.12g}h"
    found = _DELAY.fullmatch(delay.strip()) if isinstance(delay, str) else None
    if found is None:
        message = f"label_delay cannot be {delay!r}: days '3d', hours '36h' or a timedelta would do"
        raise BadInput(message)
    return found[1] + found[2]


def _window(window: object) -> str:
    if window != _WINDOW:
        message = f"window cannot be {window!r}: this version judges by the day, so '1d' would do"
        raise BadInput(message)
    return _WINDOW


def _slices(slices: Iterable[str]) -> list[str]:
    if isinstance(slices, str):
        message = f"slices cannot be {slices!r} alone: a list of tags would do, [{slices!r}]"
        raise BadInput(message)
    return [name(tag, "a slice's tag") for tag in slices]


def _artifact(artifact: str | tuple[str, str | None] | None) -> dict[str, object] | None:
    if artifact is None:
        return None
    if isinstance(artifact, tuple) and len(artifact) == 2:  # noqa: PLR2004 - a pair
        return present(
            {"name": name(artifact[0], "artifact"), "version": optional_name(artifact[1], "the artifact's version")}
        )
    return {"name": name(artifact, "artifact")}


def _reference(reference: int | None) -> int | None:
    if reference is None or (isinstance(reference, int) and not isinstance(reference, bool) and reference > 0):
        return reference
    message = f"reference cannot be {reference!r}: a number of windows such as 60 would do"
    raise BadInput(message)


def _rate(rate: float) -> float:
    if isinstance(rate, (int, float)) and not isinstance(rate, bool) and 0 < rate < float("inf"):
        return rate
    message = f"false_alerts_per_year cannot be {rate!r}: a number above 0 would do"
    raise BadInput(message)
