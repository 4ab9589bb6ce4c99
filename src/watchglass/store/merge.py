"""Many small files of a table → few: what a busy log leaves every second or two is merged as it grows, eight at a time.

A merged file is no new data: it takes the place of its parts in one transaction, carries the newest of their
sequence numbers as its origin, and the parts lie there until no question can need them (sweep). Rows are merged
only once they are in the cells, which follow the manifest by sequence number.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.errors import StoreError
from watchglass.store import catalog as c
from watchglass.store import parquet
from watchglass.store.compact import engine_room
from watchglass.store.deltas import write_summed
from watchglass.store.eras import apart
from watchglass.store.labels.feedback import SEEN
from watchglass.store.labels.late import LOOKED_AT
from watchglass.store.leases import hold
from watchglass.store.life import coarser
from watchglass.store.manifest import OUTLIVED
from watchglass.store.quoting import literal
from watchglass.store.transactions import writing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import duckdb
    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder
    from watchglass.store.leases import Lease

FAN_IN: Final = 8
FULL: Final = 1_000_000  # rows; a file as large is merged no more
A_DAY: Final = 100_000  # rows; a day with as many has files of its own
_DAY: Final = 86_400_000_000
COUNTED: Final = ("predictions", "labels")
RULED: Final = ("predictions", "feedback")
"""Of a model with a rule of feedback, files are replaced only once the rule has seen them."""


class _Changed(Exception):
    """A part was replaced or forgotten meanwhile: the merged file would bring its rows back."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file that may be merged: its rows, its first and last time in µs, and the newest sequence number it holds."""

    seq: int
    path: str
    rows: int
    first: int
    last: int
    origin: int

    @property
    def tier(self) -> int:
        """How large it is: each tier holds eight times the rows of the one below."""
        return len(f"{max(self.rows, 1):o}")


def merge(folder: Folder, engine: Engine, at_most: int | None = None) -> int:
    """Merge small files where enough of a size lie together, `at_most` so many groups; gives how many files were replaced."""
    replaced, left = 0, sys.maxsize if at_most is None else at_most
    with hold(engine, "merger") as lease:
        if lease is None:
            return 0
        for kind, model in _tables(engine):
            while left and (group := _due(folder, engine, kind, model)):
                replace(folder, engine, lease, (kind, model), group)
                replaced += len(group)
                left -= 1
    return replaced


def _due(folder: Folder, engine: Engine, kind: str, model: str) -> list[Part] | None:
    """Choose the next group of a table; None when nothing is to be merged.

    Predictions are merged with such as have the same columns and were counted under the same slices: where a file has
    none for a feature, its rows were not counted as missing there, and who takes them out of the cells must still see that.
    """
    for group in groups(_parts(engine, kind, model), cells=kind == "cells"):
        if kind != "predictions":
            return group
        for alike in _alike(folder, engine, model, group):
            if len(alike) >= FAN_IN and 2 * _files_after(alike) <= len(alike):
                return alike
    return None


def _alike(folder: Folder, engine: Engine, model: str, group: Sequence[Part]) -> list[list[Part]]:
    """Part files by their columns, and by the era in which they were counted."""
    listed = ", ".join(literal(str(folder.tables / part.path)) for part in group)
    with engine_room(folder) as connection:
        query = f"SELECT file_name, string_agg(name, chr(31) ORDER BY name) FROM parquet_schema([{listed}]) GROUP BY file_name"
        columns = dict(connection.execute(query).fetchall())
    with engine.connect() as catalog:
        eras = apart(catalog, model, [part.origin for part in group])
    found: dict[tuple[str, int], list[Part]] = {}
    for part, era in zip(group, eras, strict=True):
        found.setdefault((columns[str(folder.tables / part.path)], era), []).append(part)
    return list(found.values())


def _tables(engine: Engine) -> Sequence[tuple[str, str]]:
    query = (
        sa.select(c.files.c.kind, c.files.c.model)
        .where(c.files.c.removed.is_(None))
        .group_by(c.files.c.kind, c.files.c.model)
        .having(sa.func.count() >= FAN_IN)
    )
    with engine.connect() as connection:
        return [(kind, model) for kind, model in connection.execute(query)]


def _parts(engine: Engine, kind: str, model: str) -> list[Part]:
    """List the live files of a table that are not full and, where cells count them, are counted."""
    files = c.files.c
    query = sa.select(files.seq, files.path, files.rows, files.first, files.last, files.origin).where(
        files.kind == kind, files.model == model, files.removed.is_(None), files.rows < FULL
    )
    with engine.connect() as connection:
        mark = connection.execute(sa.select(c.watermarks.c.seq).where(c.watermarks.c.name == "cells")).scalar() or 0
        seen = connection.execute(
            sa.select(c.watermarks.c.seq).where(
                c.watermarks.c.name == (f"{SEEN}{model}" if kind in RULED else LOOKED_AT)
            )
        ).scalar()
        held = sa.select(c.watermarks.c.seq).where(c.watermarks.c.name == f"{OUTLIVED}{model}")
        kept = set(connection.execute(held).scalars()) if kind == "cells" else set()
        found = [Part(*row[:5], row.origin or row.seq) for row in connection.execute(query) if row.seq not in kept]
    if seen is not None and kind in (*RULED, "labels"):
        found = [part for part in found if part.origin <= seen]
    return [part for part in found if kind not in COUNTED or part.origin <= mark]


def groups(parts: Iterable[Part], *, cells: bool = False) -> list[list[Part]]:
    """Choose which files to merge: eight or more of one tier, next to each other in time, where that makes far fewer.

    >>> part = lambda seq: Part(seq, "", 100, 0, 1, seq)
    >>> [len(group) for group in groups([part(seq) for seq in range(17)])]
    [17]
    """
    tiers: dict[int, list[Part]] = {}
    for part in parts:
        tiers.setdefault(part.tier, []).append(part)
    found: list[list[Part]] = []
    for _, same in sorted(tiers.items()):
        group: list[Part] = []
        for part in sorted(same, key=lambda part: (part.first, part.seq)):
            if len(group) >= FAN_IN and sum(item.rows for item in group) + part.rows > FULL:
                found.append(group)
                group = []
            group.append(part)
        found.append(group)
    return [group for group in found if len(group) >= FAN_IN and (cells or 2 * _files_after(group) <= len(group))]


def _files_after(group: Sequence[Part]) -> int:
    """Guess how many files a group becomes: its rows are taken to lie evenly over the days of each part."""
    days: dict[int, float] = {}
    for part in group:
        first, last = part.first // _DAY, part.last // _DAY
        for day in range(first, last + 1):
            days[day] = days.get(day, 0.0) + part.rows / (last - first + 1)
    return len(packs([(day, int(rows)) for day, rows in sorted(days.items())]))


def packs(days: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Part days with their rows into stretches [first, end) of a file each: a large day alone, small ones together.

    >>> packs([(0, 10), (1, 10), (2, 300_000), (3, 10)])
    [(0, 2), (2, 3), (3, 4)]
    """
    found: list[tuple[int, int]] = []
    held = 0
    for day, rows in days:
        if found and held + rows <= A_DAY:
            found[-1] = (found[-1][0], day + 1)
            held += rows
        else:
            found.append((day, day + 1))
            held = rows
    return found


def replace(folder: Folder, engine: Engine, lease: Lease, table: tuple[str, str], group: Sequence[Part]) -> None:
    """Write files of a kind and a model as one, or one a stretch of days, and let that take their place; cells are added up, old ones coarser."""
    kind, model = table
    paths = ", ".join(literal(str(folder.tables / part.path)) for part in group)
    source = f"read_parquet([{paths}], union_by_name = true)"
    if kind == "cells":
        source = coarser.source(engine, model, source)
    origin = max(part.origin for part in group)
    with engine_room(folder) as connection:
        written = [
            {**values, "origin": origin}
            for values in _write(folder, connection, kind, model, source)
            if values is not None
        ]
    rows, kept = sum(part.rows for part in group), sum(int(str(values["rows"])) for values in written)
    if kind != "cells" and rows != kept:
        message = (
            f"merging {len(group)} files of {kind} of {model!r} would make {rows} rows {kept}: nothing was replaced"
        )
        raise StoreError(message)
    with suppress(_Changed), writing(engine) as transaction:
        lease.check(transaction)
        still = c.files.c.seq.in_([part.seq for part in group]) & c.files.c.removed.is_(None)
        replaced = transaction.execute(c.files.update().where(still).values(removed=time.time())).rowcount
        if replaced != len(group):
            raise _Changed
        if written:
            transaction.execute(c.files.insert(), written)


def _write(
    folder: Folder, connection: duckdb.DuckDBPyConnection, kind: str, model: str, source: str
) -> list[dict[str, object] | None]:
    if kind == "cells":
        return [write_summed(folder, connection, model, source)]
    counted = connection.execute(
        f"SELECT floor(epoch_us(time) / {_DAY})::BIGINT AS day, count(*) FROM {source} GROUP BY day ORDER BY day"
    ).fetchall()
    found = []
    for first, end in packs(counted):
        rows = f"SELECT * FROM {source} WHERE time >= make_timestamp({first * _DAY}) AND time < make_timestamp({end * _DAY})"
        found.append(parquet.write(folder, connection, kind, model, rows, parquet.order_of(connection, f"({rows})")))
    return found
