"""Verdicts, incidents and the monitors' states ↔ the catalog: written in one transaction a window, read by question."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchglass.errors import UnknownName
from watchglass.records import Incident, Verdict
from watchglass.store import catalog as c
from watchglass.store.codec import decode, encode
from watchglass.store.models import microseconds, moment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection, Engine


@dataclass(frozen=True, slots=True)
class Judged:
    """One verdict as kept: `strip` is the worst column in times its own limit."""

    verdict: Verdict
    strip: float | None


def monitor_state(connection: Connection, model: str, environment: str, kind: str) -> str | None:
    """Give the kept state of a monitor as JSON, or None before its first window."""
    table = c.monitors
    query = sa.select(table.c.state).where(
        table.c.model == model, table.c.environment == environment, table.c.kind == kind
    )
    return connection.execute(query).scalar()


def keep_monitor(connection: Connection, model: str, environment: str, kind: str, state: str) -> None:
    """Keep the state of a monitor."""
    values = {"model": model, "environment": environment, "kind": kind, "state": state}
    statement = insert(c.monitors).values(**values)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["model", "environment", "kind"], set_={"state": state})
    )


def keep_verdicts(connection: Connection, judged: Sequence[Judged]) -> None:
    """Keep verdicts; a window that was judged stays as it was judged."""
    if not judged:
        return
    rows = [
        {
            "model": item.verdict.model,
            "environment": item.verdict.environment,
            "kind": item.verdict.kind,
            "window": microseconds(item.verdict.window),
            "judged": microseconds(item.verdict.judged),
            "status": item.verdict.status,
            "evidence": item.verdict.evidence,
            "strip": item.strip,
            "record": encode(item.verdict),
        }
        for item in judged
    ]
    connection.execute(insert(c.verdicts).on_conflict_do_nothing(), rows)


def newest_number(connection: Connection) -> int:
    """Give the highest number of any incident kept, 0 before the first; the monitors' lease keeps it from moving."""
    return connection.execute(sa.select(sa.func.max(c.incidents.c.id))).scalar() or 0


def keep_incident(connection: Connection, incident: Incident) -> None:
    """Keep an incident under its number, new or changed."""
    values = {
        "record": encode(incident),
        "model": incident.model,
        "environment": incident.environment,
        "kind": incident.kind,
        "severity": incident.severity,
        "state": incident.state,
        "onset": microseconds(incident.onset),
        "raised": microseconds(incident.raised),
        "closed": microseconds(incident.closed) if incident.closed else None,
    }
    statement = insert(c.incidents).values(id=incident.id, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))


def incidents(engine: Engine, model: str | None = None, state: str | None = None) -> list[Incident]:
    """List incidents, newest raised first; of one model or in one state only."""
    table = c.incidents
    query = sa.select(table.c.record).order_by(table.c.raised.desc(), table.c.id.desc())
    for column, value in ((table.c.model, model), (table.c.state, state)):
        if value is not None:
            query = query.where(column == value)
    with engine.connect() as connection:
        return [decode(Incident, text) for text in connection.execute(query).scalars()]


def incident(engine: Engine, number: int) -> Incident:
    """Give an incident by its number, or raise `UnknownName`."""
    with engine.connect() as connection:
        text = connection.execute(sa.select(c.incidents.c.record).where(c.incidents.c.id == number)).scalar()
        if text is None:
            known = connection.execute(sa.select(c.incidents.c.id).order_by(c.incidents.c.id)).scalars()
            raise UnknownName.named("incident", str(number), [str(item) for item in known], step="watchglass incidents")
    return decode(Incident, text)


def drift_strip(engine: Engine, model: str, environment: str) -> list[tuple[datetime, float | None]]:
    """Give, window by window, the worst column in times its own limit."""
    table = c.verdicts
    query = sa.select(table.c.window, table.c.strip).where(
        table.c.model == model, table.c.environment == environment, table.c.kind == "drift"
    )
    with engine.connect() as connection:
        return [(moment(window), strip) for window, strip in connection.execute(query.order_by(table.c.window))]


def odds(
    connection: Connection, model: str, environment: str, kind: str, since: datetime
) -> list[tuple[datetime, float]]:
    """Give the evidence of a monitor by window, in units of the alarm level."""
    table = c.verdicts
    query = sa.select(table.c.window, table.c.evidence).where(
        table.c.model == model,
        table.c.environment == environment,
        table.c.kind == kind,
        table.c.window >= microseconds(since),
    )
    return [(moment(window), evidence) for window, evidence in connection.execute(query.order_by(table.c.window))]


def last_window(engine: Engine) -> datetime | None:
    """Give the end of the newest window that any monitor judged."""
    with engine.connect() as connection:
        newest = connection.execute(sa.select(sa.func.max(c.verdicts.c.window))).scalar()
    return None if newest is None else moment(newest) + timedelta(days=1)
