"""Labels that came after their prediction was let go → counted, each once: they wait for nothing.

A label without its prediction waits for it. When retention has let the predictions of a model go up to some moment, one
of before that moment cannot come any more: the time is in an id of ours (UUID version 7), and of any other id it is no
later than the label's own. Each file of labels is looked at when it is new; those of its labels that wait then, and whose
id tells the time, are looked at again by the retention that lets the predictions of that time go, just before. Of another id
nobody can tell later whether its label was too late or its prediction was let go after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchglass.store import catalog as c
from watchglass.store.compact import engine_room
from watchglass.store.labels.indexes import Wanted, files_of, hashes_in, locate, rows_of
from watchglass.store.leases import hold
from watchglass.store.manifest import POSITION
from watchglass.store.quoting import literal
from watchglass.store.transactions import writing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    import duckdb
    from sqlalchemy.engine import Connection, Engine

    from watchglass.store.folder import Folder

LOOKED_AT: Final = "late labels"
"""The watermark: the newest file of labels that was looked at."""
EXPIRED: Final = "expired:predictions:"
"""How the watermark of a model begins that says before which time, in µs, predictions were let go."""
MILLISECONDS: Final = "TRY_CAST('0x' || substr(id, 1, 8) || substr(id, 10, 4) AS BIGINT)"
OURS: Final = f"length(id) = 36 AND substr(id, 15, 1) = '7' AND {MILLISECONDS} IS NOT NULL"


@dataclass(frozen=True, slots=True)
class _New:
    """A model's files of labels that nobody looked at, and the moment before which its predictions are gone; None: none is."""

    model: str
    paths: tuple[str, ...]
    gone: int | None


def count(folder: Folder, engine: Engine) -> int:
    """Count the labels in new files that came too late; gives how many. It does nothing while another process counts."""
    if not _new(engine)[0]:
        return 0
    with hold(engine, "cells") as lease:
        if lease is None:
            return 0
        found, until = _new(engine)
        late: list[dict[str, object]] = []
        if any(new.gone is not None for new in found):
            with engine_room(folder) as connection:
                for new in found:
                    if new.gone is not None:
                        late += _late(folder, engine, connection, new, new.gone)
        with writing(engine) as transaction:
            lease.check(transaction)
            if any(_gone(transaction, new.model) != new.gone for new in found):
                return 0  # predictions went meanwhile: what is too late is to be asked anew
            add(transaction, late)
            look_up_to(transaction, until)
    return sum(int(str(one["rows"])) for one in late)


def add(transaction: Connection, late: Sequence[Mapping[str, object]]) -> None:
    """Add to the counts of a model and an environment."""
    if late:
        added = insert(c.late_labels)
        rows = {"rows": c.late_labels.c.rows + added.excluded.rows}
        transaction.execute(added.on_conflict_do_update(index_elements=["model", "environment"], set_=rows), late)


def in_vain(
    folder: Folder, engine: Engine, connection: duckdb.DuckDBPyConnection, model: str, gone: int
) -> list[dict[str, object]]:
    """Count, by environment, the labels that were looked at and wait, when the predictions before a moment are about to go.

    They wait for predictions since the moment before which others went already. The files of those to go are still listed.
    """
    t = c.files.c
    marks = sa.select(c.watermarks.c.name, c.watermarks.c.seq).where(
        c.watermarks.c.name.in_((LOOKED_AT, f"{EXPIRED}{model}"))
    )
    with engine.connect() as catalog:
        found = {row.name: row.seq for row in catalog.execute(marks)}
        before = found.get(f"{EXPIRED}{model}")
        seen = sa.select(t.path).where(
            t.kind == "labels", t.model == model, t.removed.is_(None), found.get(LOOKED_AT, 0) >= POSITION
        )
        paths = catalog.execute(seen if before is None else seen.where(t.last >= before)).scalars().all()
    if not paths:
        return []
    since = "true" if before is None else f"{MILLISECONDS} * 1000 >= {before}"
    waits = f"CASE WHEN {OURS} THEN {since} AND {MILLISECONDS} * 1000 < {gone} ELSE false END"
    return _alone(folder, engine, connection, _New(model, tuple(paths), gone), waits)


def seen(engine: Engine) -> int:
    """Give the number of the newest file of labels that was looked at."""
    with engine.connect() as connection:
        return _looked_at(connection)


def is_as_seen(transaction: Connection, mark: int, models: AbstractSet[str]) -> bool:
    """Say whether nobody looked at labels since, and none of some models is there that nobody looked at."""
    if _looked_at(transaction) != mark:
        return False
    files = c.files.c
    new = sa.select(files.seq).where(
        files.kind == "labels", files.removed.is_(None), files.model.in_(models), mark < POSITION
    )
    return transaction.execute(new.limit(1)).first() is None


def _looked_at(connection: Connection) -> int:
    query = sa.select(c.watermarks.c.seq).where(c.watermarks.c.name == LOOKED_AT)
    return int(connection.execute(query).scalar() or 0)


def _gone(connection: Connection, model: str) -> int | None:
    query = sa.select(c.watermarks.c.seq).where(c.watermarks.c.name == f"{EXPIRED}{model}")
    return connection.execute(query).scalar()


def look_up_to(transaction: Connection, seq: int) -> None:
    """Say that every file of labels up to a number was looked at."""
    mark = insert(c.watermarks).values(name=LOOKED_AT, seq=seq)
    transaction.execute(mark.on_conflict_do_update(index_elements=["name"], set_={"seq": seq}))


def too_late(engine: Engine, model: str | None = None, environment: str | None = None) -> int:
    """Give how many labels came too late: of a model in an environment, or of all."""
    query = sa.select(sa.func.coalesce(sa.func.sum(c.late_labels.c.rows), 0))
    if model is not None:
        query = query.where(c.late_labels.c.model == model)
    if environment is not None:
        query = query.where(c.late_labels.c.environment == environment)
    with engine.connect() as connection:
        return int(connection.execute(query).scalar_one())


def _new(engine: Engine) -> tuple[list[_New], int]:
    """List what nobody looked at, by model, and the newest number of it."""
    files = c.files.c
    with engine.connect() as connection:
        mark = _looked_at(connection)
        query = sa.select(files.model, files.path, POSITION.label("at")).where(
            files.kind == "labels", files.removed.is_(None), mark < POSITION
        )
        found = connection.execute(query.order_by(files.model, POSITION)).all()
        gone = sa.select(c.watermarks.c.name, c.watermarks.c.seq).where(
            c.watermarks.c.name.in_([f"{EXPIRED}{row.model}" for row in found])
        )
        moments = {row.name: row.seq for row in connection.execute(gone)}
    listed: dict[str, list[str]] = {}
    for row in found:
        listed.setdefault(row.model, []).append(row.path)
    new = [_New(model, tuple(paths), moments.get(f"{EXPIRED}{model}")) for model, paths in listed.items()]
    return new, max((row.at for row in found), default=mark)


def _late(
    folder: Folder, engine: Engine, connection: duckdb.DuckDBPyConnection, new: _New, gone: int
) -> list[dict[str, object]]:
    """Count, by environment, the labels that can only belong to predictions which were let go."""
    early = f"CASE WHEN {OURS} THEN {MILLISECONDS} * 1000 ELSE epoch_us(time) END < {gone}"
    return _alone(folder, engine, connection, new, early)


def _alone(
    folder: Folder, engine: Engine, connection: duckdb.DuckDBPyConnection, new: _New, chosen: str
) -> list[dict[str, object]]:
    """Count, by environment, the chosen labels whose prediction is not there."""
    listed = ", ".join(literal(str(folder.tables / path)) for path in new.paths)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE old_labels AS SELECT environment, id, count(*) AS rows"
        f" FROM read_parquet([{listed}], union_by_name = true)"
        f" WHERE {chosen} GROUP BY environment, id"
    )
    files = files_of(folder, engine, connection, new.model, "predictions")
    hit = locate(connection, files, Wanted.of(hashes_in(connection, "old_labels")), "old_places")
    there = (
        f" ANTI JOIN (SELECT environment, id FROM {rows_of(hit)} SEMI JOIN old_places USING (filename, file_row_number))"
        " USING (environment, id)"
        if hit
        else ""
    )
    counted: Sequence[tuple[str, int]] = connection.execute(
        f"SELECT environment, sum(rows)::BIGINT FROM old_labels{there} GROUP BY environment ORDER BY environment"
    ).fetchall()
    return [{"model": new.model, "environment": environment, "rows": rows} for environment, rows in counted]
