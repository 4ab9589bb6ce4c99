"""A model → the labels whose prediction is not there: how many wait for it, since when, and which they are.

A label waits when a prediction of its id may still come. Where retention let predictions of the model go, an id of ours
(UUID version 7) tells whether its prediction was among them; of any other id that is not there nobody can tell, so its label
is `unclear`, unless it is older than what went: then it came too late and does not wait. A retraction waits for nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - the API is described from it
from typing import TYPE_CHECKING, Final, cast

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchglass.errors import BadInput
from watchglass.store import catalog as c
from watchglass.store.labels.late import EXPIRED, MILLISECONDS, OURS
from watchglass.store.models import microseconds, require_model
from watchglass.store.query import Question, ask
from watchglass.store.schemas.registered import checked_limit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb
    from sqlalchemy.engine import Connection, Engine

    from watchglass.store.folder import Folder

_UNMET: Final = "unmet:"
"""How a counter begins, of a model and an environment, among the watermarks: labels that retention let go while they waited."""
_SECONDS: Final = 600.0
_ALONE: Final = (
    "SELECT id, label, time FROM labels l ANTI JOIN predictions p USING (model, environment, id)"
    " WHERE model = $model AND environment = $environment AND label IS NOT NULL"
)


@dataclass(frozen=True, slots=True)
class WaitingLabel:
    """A label without its prediction; `unclear` where the prediction may be one that retention let go."""

    id: str
    label: str
    time: datetime
    unclear: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """The labels of a model in an environment that wait for their prediction.

    `waiting` of them surely do, `oldest` is the time of the earliest of these; `unclear` may wait, or their prediction was
    let go. `expired` went by retention while they surely waited. `labels` is a page, the oldest first; `next` is where the
    next one begins (`after`), None where there are no more.
    """

    model: str
    environment: str
    waiting: int
    oldest: datetime | None
    unclear: int
    expired: int
    labels: tuple[WaitingLabel, ...]
    next: str | None = None


def waiting(
    folder: Folder, engine: Engine, model: str, environment: str = "live", *, limit: int = 100, after: str | None = None
) -> Waiting:
    """Find the labels without a prediction, those of the log among them; raises `UnknownName`, `BadInput` for what is no `next` of a page.

    It reads the ids of all predictions and labels of the model: some seconds for millions.
    """
    limit = checked_limit(limit)
    require_model(folder, engine, model)
    at, name = _place(after)
    gone, expired = _marks(engine, model, environment)
    values: dict[str, object] = {"model": model, "environment": environment}
    alone = f"SELECT *, {_unclear(gone)} AS unclear FROM ({_ALONE}) WHERE {_not_late(gone)}"
    counts = f"SELECT count(*) FILTER (NOT unclear), min(time) FILTER (NOT unclear), count(*) FILTER (unclear) FROM ({alone})"
    totals = ask(folder, engine, Question(counts, values=values, seconds=_SECONDS)).values[0]
    surely, oldest, unclear = cast("tuple[int, datetime | None, int]", totals)
    page = f"SELECT id, label, time, unclear FROM ({alone}) WHERE (time, id) > (make_timestamp($at), $name) ORDER BY time, id"
    values |= {"at": at, "name": name}
    found = ask(folder, engine, Question(page, values=values, limit=limit + 1, seconds=_SECONDS)).values
    rows = cast("Sequence[tuple[str, str, datetime, bool]]", found[:limit])
    labels = tuple(WaitingLabel(*row) for row in rows)
    more = f"{microseconds(labels[-1].time)} {labels[-1].id}" if len(found) > limit else None
    return Waiting(model, environment, surely, oldest, unclear, expired, labels, more)


def unmet(connection: duckdb.DuckDBPyConnection, source: str, gone: int | None) -> dict[str, int]:
    """Count, by environment, the labels of a relation that surely wait, of those whose prediction is not there."""
    query = f"SELECT environment, count(*) FROM {source} WHERE label IS NOT NULL AND {_not_late(gone)} AND NOT {_unclear(gone)} GROUP BY 1"
    return {str(place): int(rows) for place, rows in connection.execute(query).fetchall()}


def add(transaction: Connection, model: str, counted: Mapping[str, int]) -> None:
    """Add to how many labels of a model retention let go while they waited."""
    rows = [{"name": _counter(model, place), "seq": number} for place, number in counted.items() if number]
    if rows:
        mark = insert(c.watermarks)
        more = {"seq": c.watermarks.c.seq + mark.excluded.seq}
        transaction.execute(mark.on_conflict_do_update(index_elements=["name"], set_=more), rows)


def _counter(model: str, environment: str) -> str:
    return f"{_UNMET}{json.dumps([model, environment])}"


def _marks(engine: Engine, model: str, environment: str) -> tuple[int | None, int]:
    """Give the moment before which predictions of a model are gone, and how many labels went while they waited."""
    names = f"{EXPIRED}{model}", _counter(model, environment)
    query = sa.select(c.watermarks.c.name, c.watermarks.c.seq).where(c.watermarks.c.name.in_(names))
    with engine.connect() as connection:
        found: dict[str, int] = {row.name: row.seq for row in connection.execute(query)}
    return found.get(names[0]), found.get(names[1], 0)


def _unclear(gone: int | None) -> str:
    return "false" if gone is None else f"NOT coalesce({OURS}, false)"


def _not_late(gone: int | None) -> str:
    return "true" if gone is None else f"CASE WHEN {OURS} THEN {MILLISECONDS} * 1000 ELSE epoch_us(time) END >= {gone}"


def _place(after: str | None) -> tuple[int, str]:
    if after is None:
        return -(1 << 55), ""
    time, _, name = after.partition(" ")
    try:
        return int(time), name
    except ValueError:
        message = f"after cannot be {after!r:.80}: it is `next` of the page before"
        raise BadInput(message) from None
