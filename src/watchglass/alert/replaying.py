"""A table of the past → a model that has lived through it: logged, compacted, counted and judged as live events are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from watchglass.alert.rounds import LATENESS, due
from watchglass.capture.recorder import Recorder
from watchglass.capture.segment import Limits
from watchglass.errors import BadInput, NotEmpty, StoreError
from watchglass.store.history import guess, log_past, look, redacted_past, require_times
from watchglass.store.models import moment, span
from watchglass.store.overview import predictions_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.engine import Engine

    from watchglass.records import Incident
    from watchglass.store.folder import Folder
    from watchglass.store.history import Logged, Redacted, Roles

FEWEST_REFERENCE = 28


@dataclass(frozen=True, slots=True)
class Plan:
    """What to replay as: the model's name, the roles of the columns, how late labels come, how many windows to learn from."""

    model: str
    roles: Roles
    version: str | None
    label_delay: str
    window: str
    reference: int

    def options(self, roles: Roles) -> tuple[str, ...]:
        """Give the command's options that name everything, guessed or not."""
        named = [
            ("--model", self.model),
            ("--time", roles.time),
            ("--prediction", roles.prediction),
            ("--score", roles.score),
        ]
        named += [("--label", roles.label), ("--id", roles.id), ("--version", self.version)]
        named += [*(("--tag", tag) for tag in roles.tags), *(("--feature", name) for name in roles.features or ())]
        named += [("--label-delay", self.label_delay), ("--reference", str(self.reference))]
        return tuple(part for name, value in named if value is not None for part in (name, value))


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay did: rows, labels, the stretch of time, the windows judged and the incidents found; `options` as run."""

    model: str
    rows: int
    labels: int
    first: datetime
    last: datetime
    windows: int
    incidents: tuple[Incident, ...]
    options: tuple[str, ...]


def replay(
    folder: Folder, engine: Engine, table: object, plan: Plan, progress: Callable[[int, int], None] | None = None
) -> Replay:
    """Replay a table by the rules of redaction in force.

    Raises `BadInput` for what cannot be taken, `NotEmpty` when the model has rows, `StoreError` where the rules cannot be
    known. Then nothing was written.
    """
    delay = _checked(plan)
    known = predictions_of(folder, engine, plan.model)
    if known:
        message = (
            f"model {plan.model!r} has {known} predictions in this store: replayed rows would mix with them. "
            "Name another model (--model NAME) or another store (--store FOLDER)"
        )
        raise NotEmpty(message)
    opened = look(folder, table)
    roles = guess(opened.columns, plan.roles)
    require_times(folder, table, roles)
    with redacted_past(folder, table, plan.model, roles) as redacted:
        _announce(folder, plan, redacted)
        logged = log_past(folder, redacted, plan.model, label_delay=delay, version=plan.version)
    done = due(folder, engine, _end(logged, delay), progress)
    found = tuple(item for item in done.incidents if item.model == plan.model)
    return Replay(
        plan.model,
        logged.rows,
        logged.labels,
        moment(logged.first),
        moment(logged.last),
        done.windows,
        found,
        plan.options(roles),
    )


def _end(logged: Logged, delay: timedelta) -> datetime:
    """Give the time at which the last row's day has closed and its labels are known."""
    last = moment(logged.last)
    return last.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1) + LATENESS + delay


def _checked(plan: Plan) -> timedelta:
    if not plan.model:
        message = "a replay needs a model's name: model='elec2' (--model elec2)"
        raise BadInput(message)
    if plan.window != "1d":
        message = f"window {plan.window!r} is not known: this version judges windows of a day, '1d'"
        raise BadInput(message)
    if plan.reference < FEWEST_REFERENCE:
        message = f"reference {plan.reference} is too few windows to learn from: at least {FEWEST_REFERENCE}"
        raise BadInput(message)
    if not re.fullmatch(r"\d+(\.\d+)?[dhms]", plan.label_delay):
        message = f"label_delay {plan.label_delay!r} is not a length of time: write 3d, 36h or 90m"
        raise BadInput(message)
    return span(plan.label_delay)


def _announce(folder: Folder, plan: Plan, redacted: Redacted) -> None:
    """Log the model and its columns as a recording process would."""
    roles, features = redacted.roles, redacted.past.features(redacted.roles)
    recorder = Recorder(str(folder.root.absolute()), Limits(seconds=60.0, size=1 << 26, sync=True))
    columns = [["feature", name, kind] for name, kind in features] + [["tag", tag, "text"] for tag in roles.tags]
    delay = plan.label_delay if roles.label else None
    time = 0
    about = {
        "kind": "model",
        "name": plan.model,
        "version": plan.version,
        "slices": list(roles.tags),
        "window": plan.window,
        "label_delay": delay,
    }
    written = recorder.graph({**about, "reference": plan.reference, "false_alerts_per_year": 1, "time": time})
    written = written and recorder.graph({"kind": "schema", "model": plan.model, "columns": columns, "time": time})
    recorder.close()
    if not written:
        message = f"the log of {str(folder.root)!r} cannot be written: is the disk full, or the folder read-only? Nothing was replayed"
        raise StoreError(message)
