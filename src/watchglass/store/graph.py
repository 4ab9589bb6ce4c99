"""The graph log → the catalog: runs, artifacts, reads, writes, models, schemas and deployments, by byte offset.

Any query that needs the graph calls `take_in` first. Lines may come again or in any order: every line is an
upsert, so what is taken in twice is the same as once.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchglass.store import catalog as c
from watchglass.store.columns import IN_FILES, admitted, tell
from watchglass.store.crashed import mark_if_due
from watchglass.store.graph_lines import UNFIT, declare, named, rows_of
from watchglass.store.lines import Rejected, model_in, shown
from watchglass.store.schemas.aside import keep_aside
from watchglass.store.segments import NAMES_AT_ONCE, delete, opened, sealed
from watchglass.store.settling import settle
from watchglass.store.transactions import next_change, writing
from watchglass.store.upserts import upsert, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection, Engine

    from watchglass.records import Json
    from watchglass.store.folder import Folder
    from watchglass.store.graph_lines import Batch
    from watchglass.store.segments import Segment


def _store(connection: Connection, batch: Batch, segment: str) -> None:
    with connection.begin_nested():
        number = next_change(connection) if any("changed" in table.c for table in batch) else 0
        for table, rows in batch.items():
            if table is c.columns:
                _register(connection, named(table, rows), segment)
            else:
                write(connection, table, rows, number)
        settle(connection, named(c.quarantines, batch.get(c.quarantines, [])))


def _register(connection: Connection, rows: Sequence[dict[str, Json]], segment: str) -> None:
    """Register columns; of what a model has one of (its label), the one that was said last stays."""
    found = admitted(connection, sorted(rows, key=lambda row: not row.get("declared")), segment)
    for row in found.taken:
        if row["role"] not in IN_FILES:
            same = (c.columns.c.model == row["model"]) & (c.columns.c.role == row["role"])
            connection.execute(c.columns.delete().where(same))
            connection.execute(upsert(c.columns), [row])
    in_files = [row for row in found.taken if row["role"] in IN_FILES]
    if in_files:
        connection.execute(upsert(c.columns), in_files)
    tell(connection, found, int(time.time() * 1e6))


def _apply(connection: Connection, name: str, lines: Sequence[bytes]) -> None:
    """Take lines in together; where that fails, one by one, so that a bad line costs only itself."""
    batch, bad = rows_of(lines)
    if c.components in batch:  # every run names its own: once is enough
        once = {row[:-1]: row for row in reversed(batch[c.components])}  # the last value is the time
        batch[c.components] = [*reversed(once.values())]
    try:
        _store(connection, batch, name)
    except (sa.exc.SQLAlchemyError, OverflowError, UnicodeEncodeError) as error:
        if len(lines) > 1:
            for raw in lines:
                _apply(connection, name, [raw])
            return
        bad.append((lines[0], error))
    for raw, fault in bad:
        reason = f"not a graph event: {type(fault).__name__}: {fault}"[:500]
        text = shown(raw)
        keep_aside(connection, [Rejected(name, None, reason, text, model=model_in(text))], int(time.time() * 1e6))


def _take_segment(engine: Engine, segment: Segment) -> int:
    query = sa.select(c.graph_segments.c.offset).where(c.graph_segments.c.name == segment.name)
    with engine.connect() as connection:
        known = connection.execute(query).scalar() or 0
    if segment.end_of_lines(known) == known:
        return int(known)
    with writing(engine) as connection:
        offset = connection.execute(query).scalar() or 0  # another process may have taken it in meanwhile
        data = segment.lines(offset)
        _apply(connection, segment.name, [raw for raw in data.split(b"\n") if raw.strip()])
        end = int(offset) + len(data)
        statement = insert(c.graph_segments).values(name=segment.name, offset=end)
        connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"offset": end}))
        return end


def take_in(folder: Folder, engine: Engine) -> None:
    """Bring the catalog up to the end of the graph log, and mark the runs whose process is gone."""
    with opened(folder.graph_log) as held:
        behind = _declared(engine, held) if len(held) > 1 else held
        for segment in behind:
            _take_segment(engine, segment)
    mark_if_due(folder, engine)


def _declared(engine: Engine, held: Sequence[Segment]) -> list[Segment]:
    """Choose the segments that have more than was taken in, and register what several of them declare.

    That goes before what any of them shows: one may be older than the declaration that came first. Their lines are taken in
    as ever after this; what is wrong with one is told then.
    """
    known: dict[str, int] = {}
    with engine.connect() as connection:
        for first in range(0, len(held), NAMES_AT_ONCE):
            names = [segment.name for segment in held[first : first + NAMES_AT_ONCE]]
            query = sa.select(c.graph_segments.c.name, c.graph_segments.c.offset)
            found = connection.execute(query.where(c.graph_segments.c.name.in_(names)))
            known |= {name: int(offset) for name, offset in found}
    behind = [segment for segment in held if segment.size > known.get(segment.name, 0)]
    batch: Batch = defaultdict(list)
    for segment in behind if len(behind) > 1 else ():
        data = segment.lines(known.get(segment.name, 0))
        for raw in data.split(b"\n") if b'"schema":' in data else ():
            if b'"schema":' in raw:
                with suppress(*UNFIT):
                    declare(batch, json.loads(raw.decode()))
    rows = [row for row in named(c.columns, batch[c.columns]) if row["role"] in IN_FILES]
    if rows:
        with writing(engine) as connection:
            taken = admitted(connection, rows, "").taken
            if taken:
                connection.execute(upsert(c.columns), taken)
    return behind


def sweep(folder: Folder, engine: Engine) -> int:
    """Delete graph segments whose writer is gone and whose every line is in the catalog; gives how many."""
    gone = 0
    with opened(folder.graph_log) as held:
        for segment in held:
            if sealed(segment) and len(segment.lines(_take_segment(engine, segment))) == 0:
                delete(segment)
                gone += 1
    return gone
