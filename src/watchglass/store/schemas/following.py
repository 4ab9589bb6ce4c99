"""New files of the manifest → changes of models' columns: new, missing, back, widened; each told once, in order.

It follows the manifest by sequence number with a watermark of its own, in one transaction for some files. What was
told is in the catalog, so a process that is killed has told all or nothing of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import duckdb
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchglass.store import catalog as c
from watchglass.store.columns import IN_FILES
from watchglass.store.compact import engine_room
from watchglass.store.leases import hold
from watchglass.store.manifest import POSITION
from watchglass.store.schemas.looking import (
    DAY,
    LEAST_OF_DAY,
    File,
    Key,
    Look,
    Stretch,
    broken,
    day_of,
    first_times,
    look,
    stretches,
)
from watchglass.store.transactions import writing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection, Engine

    from watchglass.store.folder import Folder
    from watchglass.store.leases import Lease

MARK: Final = "schemas"
FILES: Final = 64  # files of one transaction
WHOLE: Final = "integer"
"""What a column of numbers is called as long as all of them are whole."""


@dataclass(slots=True)
class Column:
    """A column as it is known so far: `since` its first value in µs, `whole` 1 while its numbers are, `missing` now or not."""

    type: str
    since: int | None
    whole: int | None
    missing: bool
    touched: bool = False


@dataclass(slots=True)
class Followed:
    """A model while its files are looked at: its columns, the latest time seen, and the changes found."""

    model: str
    columns: dict[Key, Column]
    last: int | None
    told: set[tuple[Key, str, int]] = field(default_factory=set)
    changes: list[dict[str, object]] = field(default_factory=list)

    def tell(self, key: Key, change: str, time: int, seq: int, **about: object) -> None:
        """Note a change of a column; files are looked at again where a catalog was made anew, and tell nothing twice."""
        if (key, change, time) in self.told:
            return
        self.told.add((key, change, time))
        values = {"model": self.model, "role": key.role, "name": key.name, "change": change, "time": time, "seq": seq}
        self.changes.append({**values, "before": None, "after": None, "rows": None, **about})


def follow_schemas(folder: Folder, engine: Engine) -> int:
    """Look at every file of predictions that was not looked at yet; gives how many."""
    with hold(engine, MARK) as lease:
        if lease is None:
            return 0
        pending = _pending(folder, engine)
        if not pending:
            return 0
        with engine_room(folder) as connection:
            connection.execute("SET threads = 1")
            for begin in range(0, len(pending), FILES):
                _batch(folder, engine, connection, lease, pending[begin : begin + FILES])
        return len(pending)


def _mark(connection: Connection) -> int:
    return connection.execute(sa.select(c.watermarks.c.seq).where(c.watermarks.c.name == MARK)).scalar() or 0


def _files(folder: Folder, connection: Connection, *chosen: sa.ColumnElement[bool]) -> list[File]:
    f = c.files.c
    query = sa.select(POSITION, f.model, f.path, f.rows, f.first, f.last).where(
        f.kind == "predictions", f.first.is_not(None), *chosen
    )
    rows = connection.execute(query.order_by(POSITION, f.first))
    return [File(seq, model, str(folder.tables / path), *rest) for seq, model, path, *rest in rows]


def _pending(folder: Folder, engine: Engine) -> list[File]:
    """List the files past the watermark; a merged one only where its newest part is gone before anybody looked at it."""
    part = c.files.alias("part")
    gone = ~sa.exists().where(part.c.seq == c.files.c.origin)
    fresh = (c.files.c.origin == 0) | (c.files.c.removed.is_(None) & gone)
    with engine.connect() as connection:
        return _files(folder, connection, _mark(connection) < POSITION, fresh)


def _batch(
    folder: Folder, engine: Engine, connection: duckdb.DuckDBPyConnection, lease: Lease, files: Sequence[File]
) -> None:
    with engine.connect() as catalog:
        models = {name: _followed(catalog, name, files[0].seq) for name in dict.fromkeys(file.model for file in files)}
    for file in files:
        followed = models[file.model]
        try:
            _day(folder, engine, connection, followed, file)
            _look_at(connection, followed, file)
        except duckdb.IOException:  # it was replaced or forgotten meanwhile
            continue
    with writing(engine) as transaction:
        lease.check(transaction)
        for followed in models.values():
            _publish(transaction, followed)
        mark = insert(c.watermarks).values(name=MARK, seq=files[-1].seq)
        transaction.execute(mark.on_conflict_do_update(index_elements=["name"], set_={"seq": files[-1].seq}))


def _followed(connection: Connection, model: str, below: int) -> Followed:
    """Read what is registered of a model's columns, which of them are missing, and the latest time of what was looked at."""
    query = sa.select(c.columns).where(c.columns.c.model == model, c.columns.c.role.in_(IN_FILES))
    columns = {
        Key(row.role, row.name): Column(row.type, row.since, row.whole, missing=False)
        for row in connection.execute(query)
    }
    changes, told = c.column_changes.c, set[tuple[Key, str, int]]()
    known = sa.select(changes.role, changes.name, changes.change, changes.time, changes.seq)
    for role, name, change, time, seq in connection.execute(known.where(changes.model == model).order_by(changes.id)):
        told.add((Key(role, name), change, time))
        if change in ("missing", "back") and seq < below and Key(role, name) in columns:
            columns[Key(role, name)].missing = change == "missing"
    before = (c.files.c.model == model) & (c.files.c.kind == "predictions") & (below > POSITION)
    last = connection.execute(sa.select(sa.func.max(c.files.c.last)).where(before)).scalar()
    return Followed(model, columns, last, told)


def _look_at(connection: duckdb.DuckDBPyConnection, followed: Followed, file: File) -> None:
    """Compare a file with what is known of its model's columns."""
    seen = look(connection, file)
    widened = _broken(connection, followed, file, seen)
    _first(connection, followed, file, seen)
    for key in widened:
        column = followed.columns[key]
        followed.tell(key, "widened", file.first, file.seq, before=WHOLE, after="number")
        column.whole, column.touched = 0, True
    for stretch in stretches(connection, file, seen, list(followed.columns)):
        _present(followed, file, stretch)
    followed.last = max(file.last, followed.last or file.last)


def _broken(connection: duckdb.DuckDBPyConnection, followed: Followed, file: File, seen: Look) -> list[Key]:
    """Learn whether the numbers of a column are whole; gives the columns whose were, until this file."""
    numbers = [
        key
        for key, column in followed.columns.items()
        if column.type == "number" and column.whole != 0 and seen.values.get(key)
    ]
    fractions = broken(connection, file, seen, numbers)
    for key in numbers:
        column = followed.columns[key]
        if column.whole is None:
            column.whole, column.touched = int(key not in fractions), True
    return [key for key in numbers if key in fractions and followed.columns[key].whole]


def _first(connection: duckdb.DuckDBPyConnection, followed: Followed, file: File, seen: Look) -> None:
    """Tell columns that have their first value; rows of earlier times, which come later, move its time back."""
    early = [
        key
        for key, column in followed.columns.items()
        if seen.values.get(key) and (column.since is None or file.first < column.since)
    ]
    for key, at in first_times(connection, file, seen, early).items():
        column = followed.columns[key]
        if column.since is None:
            kind = WHOLE if column.type == "number" and column.whole else column.type
            followed.tell(key, "new", at, file.seq, after=kind, rows=seen.values[key])
        if column.since is None or at < column.since:
            column.since, column.touched = at, True


def _present(followed: Followed, file: File, stretch: Stretch) -> None:
    """Tell columns that have no value in enough rows, though they had some before, and those that have values again."""
    for key, column in followed.columns.items():
        if column.since is None:
            continue
        if stretch.values.get(key):
            if column.missing:
                followed.tell(key, "back", stretch.first, file.seq, rows=stretch.values[key])
            column.missing = False
        elif not column.missing and stretch.rows >= stretch.least and stretch.first >= column.since:
            followed.tell(key, "missing", stretch.first, file.seq, rows=stretch.rows)
            column.missing = True


def _day(folder: Folder, engine: Engine, connection: duckdb.DuckDBPyConnection, followed: Followed, file: File) -> None:
    """When a model's rows reach another day, look whether a column had no value in all of the day before, however small its files."""
    if followed.last is None or file.last // DAY <= followed.last // DAY:
        return
    day = followed.last // DAY
    asked = [
        key for key, known in followed.columns.items() if not known.missing and (known.since or DAY * day) < DAY * day
    ]
    if not asked:
        return
    with engine.connect() as catalog:
        within = (c.files.c.first < DAY * (day + 1), c.files.c.last >= DAY * day, c.files.c.removed.is_(None))
        files = _files(folder, catalog, c.files.c.model == followed.model, file.seq > POSITION, *within)
    if sum(one.rows for one in files) < LEAST_OF_DAY:
        return
    rows, there = day_of(connection, files, day, asked)
    for key in asked:
        if rows >= LEAST_OF_DAY and key not in there:
            followed.tell(key, "missing", DAY * day, file.seq, rows=rows)
            followed.columns[key].missing = True


def _publish(transaction: Connection, followed: Followed) -> None:
    if followed.changes:
        transaction.execute(c.column_changes.insert(), followed.changes)
    for key, column in followed.columns.items():
        if column.touched:
            chosen = (
                (c.columns.c.model == followed.model) & (c.columns.c.role == key.role) & (c.columns.c.name == key.name)
            )
            values = {"since": column.since, "whole": column.whole}
            transaction.execute(c.columns.update().where(chosen).values(**values))
