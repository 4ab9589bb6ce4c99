"""Counts, incidents and verdicts of a model → its health in one word, one sentence and the series the first page draws."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from watchglass.alert.accounts import Known
from watchglass.alert.lifecycle import ACTIVE
from watchglass.alert.watch import Watch
from watchglass.explain.slices import Fallen
from watchglass.monitor.accuracy import accuracy
from watchglass.records import ModelStatus, Point
from watchglass.store import judgements
from watchglass.store.graph import take_in
from watchglass.store.models import model_named, model_names
from watchglass.store.wholes import wholes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Engine

    from watchglass.records import Estimate, Health, Incident
    from watchglass.store.folder import Folder
    from watchglass.store.histories import History
    from watchglass.store.models import Model

SHOWN = 60  # windows of the series
NOW = 7  # labelled windows that "now" pools
ORDER = ("Degraded", "No data", "Drifting", "No labels yet", "Learning", "Healthy")


def statuses(folder: Folder, engine: Engine) -> Sequence[ModelStatus]:
    """Give every model in every environment, worst first."""
    take_in(folder, engine)
    found = []
    with engine.connect() as connection:
        models = [model_named(connection, name) for name in model_names(connection)]
    counted = wholes(folder, engine)
    for model in models:
        told = counted.get(model.name, {})
        found += [_status(folder, engine, model, whole) for whole in told.values()] or [_empty(model, "live")]
    return sorted(found, key=lambda status: (ORDER.index(status.health), status.name))


def _empty(model: Model, environment: str) -> ModelStatus:
    return ModelStatus(
        name=model.name,
        version=None,
        environment=environment,
        health="No data",
        sentence="No prediction has been counted yet: they are counted by the next watchglass check.",
        incident=None,
        performance=None,
        metric="accuracy",
        limit=None,
        series=(),
        drift=(),
        onset=None,
        predictions_a_day=0.0,
        label_lag_days=None,
        windows=0,
        armed_after=model.reference,
        first=None,
        last=None,
    )


def _status(folder: Folder, engine: Engine, model: Model, counted: History) -> ModelStatus:
    windows = len(counted.rows)
    known = Known(folder, engine, counted, windows - 1)
    watch = Watch.take_up(folder, engine, model, counted)
    last_known = int(counted.labels.known.max(initial=windows - 1))
    whole = Fallen.at(counted.labels, last_known, (), range(windows))
    told = np.flatnonzero(whole.of((), whole.after)[0] > 0)
    recent = told[-NOW:]
    performance = accuracy(*whole.of((), recent)) if len(recent) else None
    shown = [int(window) for window in told if window >= windows - SHOWN]
    series = tuple(Point(known.time(window), accuracy(*whole.of((), np.array([window])))) for window in shown)
    opened = [item for item in watch.incidents if item.state in ACTIVE]
    worst = max(
        opened, key=lambda item: (("notice", "warning", "page").index(item.severity), item.raised), default=None
    )
    strip = dict(judgements.drift_strip(engine, model.name, counted.environment))
    days = [known.time(window) for window in range(max(0, windows - SHOWN), windows)]
    health = _health(worst, watch, labels=bool(len(told)))
    return ModelStatus(
        name=model.name,
        version=counted.version,
        environment=counted.environment,
        health=health,
        sentence=_sentence(health, worst, watch, performance),
        incident=worst.id if worst else None,
        performance=performance,
        metric="accuracy",
        limit=None,
        series=series,
        drift=tuple((day, strip.get(day)) for day in days),
        onset=worst.onset if worst else None,
        predictions_a_day=float(np.mean(counted.rows[-NOW:])),
        label_lag_days=_lag(counted),
        windows=windows,
        armed_after=watch.drift.state.end,
        first=known.time(0),
        last=known.time(windows - 1) + timedelta(days=1),
    )


def _lag(counted: History) -> float | None:
    labels = counted.labels
    first = (labels.slice == 0) & (labels.labelled > 0)
    if not first.any():
        return None
    return float(np.average(labels.known[first] - labels.window[first], weights=labels.labelled[first]))


def _health(worst: Incident | None, watch: Watch, *, labels: bool) -> Health:
    if worst is not None:
        return "Degraded" if worst.severity == "page" else "Drifting"
    if not watch.drift.state.armed(len(watch.history.rows)):
        return "Learning"
    return "Healthy" if labels else "No labels yet"


def _sentence(health: Health, worst: Incident | None, watch: Watch, performance: Estimate | None) -> str:
    if worst is not None:
        return worst.sentence
    windows, armed = len(watch.history.rows), watch.drift.state.end
    if health == "Learning":
        return f"{windows} of {armed} windows seen. Alarms are armed at window {armed}."
    columns = watch.history.width
    if health == "No labels yet":
        return f"All {columns} columns are as in the reference. Send labels to know the performance: wg.log_label(…)"
    closed = [item for item in watch.incidents if item.closed]
    since = f"; the last incident closed {closed[-1].closed:%Y-%m-%d}" if closed else ""
    value = f"{performance.value:.3f}" if performance else "unknown"
    return f"Accuracy {value}, and all {columns} columns as in the reference{since}."
