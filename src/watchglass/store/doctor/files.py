"""The manifest against the files below tables/ → findings: missing, changed, unreadable, miscounted, a spoilt index of ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store.compact import engine_room
from watchglass.store.doctor import outlived
from watchglass.store.doctor.visit import Finding
from watchglass.store.frames import BROKEN
from watchglass.store.labels.late import look_up_to
from watchglass.store.lines import Rejected
from watchglass.store.mirror import MIRRORS
from watchglass.store.models import moment
from watchglass.store.parquet import index_path, sum_of
from watchglass.store.quarantine import set_aside
from watchglass.store.quoting import literal
from watchglass.store.schemas.aside import keep_aside
from watchglass.store.transactions import writing

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import duckdb

    from watchglass.store.doctor.visit import Visit


@dataclass(frozen=True, slots=True)
class Listed:
    """A row of the manifest, with the place of its file."""

    seq: int
    kind: str
    model: str
    place: str
    path: Path
    rows: int
    bytes: int
    first: int | None
    last: int | None
    removed: float | None
    sum: str | None
    indexed: int


def listed(visit: Visit) -> list[Listed]:
    """Read the manifest, replaced files included."""
    t = c.files.c
    query = sa.select(
        t.seq, t.kind, t.model, t.path, t.rows, t.bytes, t.first, t.last, t.removed, t.sum, t.indexed
    ).order_by(t.seq)
    with visit.engine.connect() as connection:
        return [
            Listed(row[0], row[1], row[2], row[3], visit.folder.tables / row[3], *row[4:])
            for row in connection.execute(query)
        ]


def check_files(visit: Visit) -> None:
    """Hold every row of the manifest against its file."""
    rows = listed(visit)
    with engine_room(visit.folder) as connection:
        for number, row in enumerate(rows):
            if visit.progress:
                visit.progress(number, len(rows))
            if row.removed is not None:
                continue
            fault = _fault(visit, connection, row)
            if fault is None:
                visit.files += 1
                visit.rows += row.rows
            else:
                _report(visit, row, *fault)
    if visit.progress and rows:
        visit.progress(len(rows), len(rows))


def _fault(visit: Visit, connection: duckdb.DuckDBPyConnection, row: Listed) -> tuple[str, str] | None:
    """Say what is wrong with a listed file, in a word and in a sentence; None when all is as it was published."""
    try:
        size = row.path.stat().st_size
    except FileNotFoundError:
        return None if _gone_meanwhile(visit, row) else ("missing file", "the manifest lists it and it is not there")
    if size != row.bytes:
        return "file of another size", f"it has {size} bytes, {row.bytes} were published"
    if row.sum is not None and not visit.quick and sum_of(row.path) != row.sum:
        return "changed file", "its bytes are not those that were published"
    try:
        return _miscounted(connection, row, whole=row.sum is None and not visit.quick)
    except BROKEN as error:
        return "unreadable file", f"it cannot be read as Parquet: {str(error).splitlines()[0]}"


def _gone_meanwhile(visit: Visit, row: Listed) -> bool:
    """Say whether a merge took the file out of the manifest since it was read."""
    query = sa.select(c.files.c.seq).where(c.files.c.seq == row.seq, c.files.c.removed.is_(None))
    with visit.engine.connect() as connection:
        return connection.execute(query).first() is None


def _miscounted(connection: duckdb.DuckDBPyConnection, row: Listed, *, whole: bool) -> tuple[str, str] | None:
    source = f"read_parquet({literal(str(row.path))})"
    if whole:  # no sum was kept: reading every value is the only proof that every value can be read
        connection.execute(f"SELECT bit_xor(hash(r)) FROM {source} r").fetchone()
    edge = "day" if row.kind == "cells" else "time"
    query = f"SELECT count(*), epoch_us(min({edge})::TIMESTAMP), epoch_us(max({edge})::TIMESTAMP) FROM {source}"
    rows, first, last = connection.execute(query).fetchone() or (0, None, None)
    if rows != row.rows:
        return "miscounted file", f"it holds {rows} rows, the manifest says {row.rows}"
    if (first, last) != (row.first, row.last):
        return "misdated file", f"its times are {_span(first, last)}, the manifest says {_span(row.first, row.last)}"
    return None


def _span(first: int | None, last: int | None) -> str:
    return "none" if first is None or last is None else f"{moment(first).isoformat()} to {moment(last).isoformat()}"


def _report(visit: Visit, row: Listed, what: str, said: str) -> None:
    span = (_when(row.first), _when(row.last))
    if row.kind == "cells":
        means = f"{said}: {row.rows} counts of model {row.model!r} are missing from drift and performance"
        mend = "count every cell anew from the rows (--mend)"
        visit.found(Finding("error", what, visit.shown(row.path), means, mend), lambda: _recount(visit, row, said))
        return
    if row.kind in MIRRORS:
        means, mend = f"{said}: questions about {row.kind} fail, though the catalog has them all", "let go of the copy, it is made anew (--mend)"  # fmt: skip
        visit.found(Finding("error", what, visit.shown(row.path), means, mend), lambda: _unmirror(visit, row, said))
        return
    means = (
        f"{said}: {row.rows} {row.kind} of {_span(row.first, row.last)} are not answered; the cells still count them"
    )
    mend = "put the file back from a backup; --mend strikes it from the manifest, so that the rest is answered"
    finding = Finding("error", what, visit.shown(row.path), means, mend, rows=row.rows, first=span[0], last=span[1])
    visit.found(finding, lambda: _strike(visit, row, said))


def _when(time: int | None) -> datetime | None:
    return None if time is None else moment(time)


def _strike(visit: Visit, row: Listed, said: str) -> None:
    """Take a file out of the manifest and count its rows as lost; what is left of it goes into quarantine."""
    if row.path.exists():
        set_aside(visit.folder, row.path, said, visit.now)
    index = index_path(row.path)
    if index.exists():
        index.unlink()  # it is made of the file's ids, and good for nothing without the file
    reason = f"{row.rows} {row.kind} of model {row.model!r} of {_span(row.first, row.last)} are lost: {said}"
    with writing(visit.engine) as connection:
        connection.execute(c.files.delete().where(c.files.c.seq == row.seq))
        told = Rejected(f"tables/{row.place}", None, reason, None, row.rows, model=row.model or None)
        keep_aside(connection, [told], int(visit.now.timestamp() * 1e6))


def _unmirror(visit: Visit, row: Listed, said: str) -> None:
    """Let go of every copy of a table of the catalog: one of them alone does not tell which rows it lacks."""
    if row.path.exists():
        set_aside(visit.folder, row.path, said, visit.now)
    with writing(visit.engine) as connection:
        connection.execute(c.files.delete().where(c.files.c.kind == row.kind))


def _recount(visit: Visit, row: Listed, said: str) -> None:
    """Forget every file of cells, so that the next count begins at the first row."""
    if row.path.exists():
        set_aside(visit.folder, row.path, said, visit.now)
    forget_cells(visit)


def forget_cells(visit: Visit) -> None:
    """Set all counts aside: they are made of rows, and are made again at the next count; those of rows that were let go are kept."""
    cells = [item for item in listed(visit) if item.kind == "cells"]
    live = [(item.model, item.path) for item in cells if item.removed is None]
    kept = outlived.hold_back(visit.folder, visit.engine, live)
    with writing(visit.engine) as connection:
        connection.execute(c.files.delete().where(c.files.c.kind == "cells"))
        outlived.publish(connection, kept)
        connection.execute(c.watermarks.delete().where(c.watermarks.c.name == "cells"))
        # a merged file holds rows that were counted under other numbers; now it is the one that is counted
        counted = c.files.c.removed.is_(None) & c.files.c.kind.not_in(MIRRORS)
        connection.execute(c.files.update().where(counted).values(origin=0))
        look_up_to(connection, connection.execute(sa.select(sa.func.max(c.files.c.seq))).scalar() or 0)
    for item in cells:
        if item.path.exists():
            set_aside(visit.folder, item.path, "all counts are made anew from the rows", visit.now)
