"""A model's files and the ids to go → new files without their rows and a file of cells without their counts, on the disk and not published yet."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from watchglass.errors import StoreError
from watchglass.store import catalog as c
from watchglass.store import parquet
from watchglass.store.deltas import write_summed
from watchglass.store.labels.indexes import Indexed, Wanted, hashes_in, index_of
from watchglass.store.labels.uncount import uncount
from watchglass.store.life import coarser
from watchglass.store.life.forget_find import live_files
from watchglass.store.outputs import ROLE, output_of
from watchglass.store.quoting import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import duckdb
    from sqlalchemy.engine import Connection, Engine

    from watchglass.store.folder import Folder
    from watchglass.store.life.forget_find import File
    from watchglass.store.life.forget_held import Held

IDS = "ids"
_PORTION = 50_000
"""Ids whose counts are worked out at once: all rows of an id fall into one portion, and memory stays what that takes."""
Value = tuple[str, str, str]
"""(role, name, text): what a row had in a column of text."""


@dataclass(slots=True)
class Rewritten:
    """Files of one model that take the place of others: sequence numbers out, rows of the manifest in, and what went with them."""

    out: list[int] = field(default_factory=list)
    new: list[dict[str, object]] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    files: int = 0
    cells: int = 0
    uncounted: bool = False
    values: set[Value] = field(default_factory=set)
    """Texts that the rows had and that are in no cell any more."""

    def add(self, kind: str, rows: int) -> None:
        """Count the rows of one file that go."""
        self.files += bool(rows)
        self.rows[kind] = self.rows.get(kind, 0) + rows

    def drop(self, folder: Folder) -> None:
        """Delete the new files: they will not be published."""
        for values in self.new:
            parquet.delete(folder.tables / str(values["path"]))


def touched(folder: Folder, catalog: Connection, connection: duckdb.DuckDBPyConnection, model: str) -> list[File]:
    """List the live files of a model that may have rows of the ids (the table `ids`): by their index, and those without one."""
    wanted = Wanted.of(hashes_in(connection, IDS))
    return [
        file
        for file in live_files(folder, catalog, model)
        if not file.indexed or len(wanted.at(index_of(Indexed(file.path, file.position, file.rows))[0]))
    ]


def doomed(connection: duckdb.DuckDBPyConnection, file: File) -> int:
    """Make the table `doomed` of the places of a file's rows that go; gives how many."""
    select = f"SELECT file_row_number FROM {source(file)} SEMI JOIN {IDS} USING (environment, id)"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE doomed AS {select}")
    return int((connection.execute("SELECT count(*) FROM doomed").fetchone() or (0,))[0])


def source(file: File) -> str:
    """Write where the rows of a file are read, each with its place."""
    return f"read_parquet({literal(str(file.path))}, file_row_number = true)"


def rewrite(
    folder: Folder,
    engine: Engine,
    connection: duckdb.DuckDBPyConnection,
    model: str,
    held: Held,
) -> Rewritten:
    """Write what will take the place of a model's files, step by step, while the leases are held.

    The rows stay in their order. Raises `StoreError` when a file would not be what it was without the rows.
    """
    done = Rewritten()
    had: set[Value] = set()
    try:
        with engine.connect() as catalog:
            files = touched(folder, catalog, connection, model)
            texts = _texts(catalog, model)
        held.expect(len(files))
        for file in files:
            if rows := doomed(connection, file):
                if file.kind == "predictions":
                    had |= _values(connection, file, texts)
                without(folder, connection, file, rows, done)
            held.step()
        if done.files:
            held.expect(1)
            _cells(folder, engine, connection, model, done, had)
            held.step()
    except BaseException:
        done.drop(folder)
        raise
    return done


def without(folder: Folder, connection: duckdb.DuckDBPyConnection, file: File, rows: int, done: Rewritten) -> None:
    """Write a file without its rows that go (the table `doomed`); no file where none is left."""
    kept = f"SELECT * EXCLUDE (file_row_number) FROM {source(file)} WHERE file_row_number NOT IN (FROM doomed)"
    written = parquet.write(folder, connection, file.kind, file.model, kept, "")
    left = 0 if written is None else int(str(written["rows"]))
    if written is not None:
        done.new.append({**written, "origin": file.position})
    if left + rows != file.rows:
        message = f"{str(file.path)!r} would have {left} rows after {rows} of {file.rows} are forgotten: nothing was replaced. Next: watchglass doctor"
        raise StoreError(message)
    done.out.append(file.seq)
    done.add(file.kind, rows)


def _texts(catalog: Connection, model: str) -> list[tuple[str, str]]:
    """List the columns whose values are in cells as texts: features and outputs of text, and tags."""
    query = sa.select(c.columns.c.role, c.columns.c.name).where(
        c.columns.c.model == model,
        (c.columns.c.role == "tag")
        | (c.columns.c.role.in_(("feature", ROLE)) & c.columns.c.type.in_(("text", "boolean"))),
    )
    return [(role, name) for role, name in catalog.execute(query)]


def _values(connection: duckdb.DuckDBPyConnection, file: File, texts: Iterable[tuple[str, str]]) -> set[Value]:
    """Give the texts that the rows which go (the table `doomed`) have."""
    relation = connection.sql(f"FROM {source(file)}")
    children = {
        name: {child for child, _ in kind.children}
        for name, kind in zip(relation.columns, relation.types, strict=True)
        if kind.id == "struct"
    }
    there = [
        (role, name)
        for role, name in texts
        if name in (relation.columns if role == ROLE else children.get(f"{role}s", ()))
    ]
    if not there:
        return set()
    values = (name if role == ROLE else f"{role}s.{identifier(name)}" for role, name in there)
    listed = ", ".join(f"list(DISTINCT {value}::VARCHAR)" for value in values)
    row = connection.execute(f"SELECT {listed} FROM {source(file)} WHERE file_row_number IN (FROM doomed)").fetchone()
    return {
        (role, name, text)
        for (role, name), found in zip(there, row or (), strict=True)
        for text in found or ()
        if text is not None
    }


def _cell_files(engine: Engine, model: str) -> list[tuple[int, str, int]]:
    """List a model's live files of cells: sequence number, path, origin."""
    query = sa.select(c.files.c.seq, c.files.c.path, c.files.c.origin).where(
        c.files.c.model == model, c.files.c.kind == "cells", c.files.c.removed.is_(None)
    )
    with engine.connect() as catalog:
        return [(row.seq, row.path, row.origin) for row in catalog.execute(query)]


def _cells(
    folder: Folder, engine: Engine, connection: duckdb.DuckDBPyConnection, model: str, done: Rewritten, had: set[Value]
) -> None:
    """Take the rows out of the counts: all cells of the model become one file, in which a sum of nothing is no line."""
    drafts: list[Path] = []
    try:
        for _ in _portions(connection):
            less = uncount(folder, engine, connection, model, "portion")
            drafts += [] if less is None else [folder.tables / str(less["path"])]
        if not drafts:
            return
        old = _cell_files(engine, model)
        before = [folder.tables / path for _, path, _ in old]
        summed = coarser.source(engine, model, _read([*drafts, *before]))
        written = write_summed(folder, connection, model, summed)
    finally:
        for draft in drafts:
            parquet.delete(draft)
    done.out += [seq for seq, _, _ in old]
    done.cells, done.uncounted = len(old), True
    after = []
    if written is not None:
        done.new.append({**written, "origin": max((origin or seq for seq, _, origin in old), default=0)})
        after = [folder.tables / str(written["path"])]
    done.values |= (had & _counted(connection, before)) - _counted(connection, after)


def _portions(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Make the table `portion` of some of the ids, again and again, until each was in one."""
    count = int((connection.execute(f"SELECT count(*) FROM {IDS}").fetchone() or (0,))[0])
    portions = -(-count // _PORTION)
    for place in range(portions):
        chosen = f"SELECT * FROM {IDS} WHERE hash(id) % {portions} = {place}"
        connection.execute(f"CREATE OR REPLACE TEMP TABLE portion AS {chosen}")
        yield
    connection.execute("DROP TABLE IF EXISTS portion")


def _read(paths: Sequence[Path]) -> str:
    return f"read_parquet([{', '.join(literal(str(path)) for path in paths)}], union_by_name = true)"


def _counted(connection: duckdb.DuckDBPyConnection, paths: Sequence[Path]) -> set[Value]:
    """Give the texts that files of cells count: values of features, and of tags in the names of slices."""
    if not paths:
        return set()
    query = f"SELECT DISTINCT name, value FROM {_read(paths)} WHERE kind = 'category' AND value IS NOT NULL"
    found = {
        ("feature", name, value) if (output := output_of(name)) is None else (ROLE, output, value)
        for name, value in connection.execute(query).fetchall()
    }
    slices = connection.execute(f"SELECT DISTINCT slice FROM {_read(paths)} WHERE slice != ''").fetchall()
    return found | {("tag", name, text) for (told,) in slices for name, text in json.loads(told).items()}


def aggregated(folder: Folder, engine: Engine, connection: duckdb.DuckDBPyConnection, model: str) -> int | None:
    """Give the least number of rows that cells count of a day that has no rows any more; None: there is no such day."""
    cells = [folder.tables / path for _, path, _ in _cell_files(engine, model)]
    files = c.files.c
    query = sa.select(sa.func.min(files.first)).where(
        files.model == model, files.kind == "predictions", files.removed.is_(None)
    )
    with engine.connect() as catalog:
        first = catalog.execute(query).scalar()
    if not cells:
        return None
    earlier = "true" if first is None else f"day < make_timestamp({int(first)})::DATE"
    counted = (
        f"SELECT sum(n)::BIGINT AS n FROM {_read(cells)} WHERE kind = 'rows' AND slice = '' AND {earlier}"
        " GROUP BY day HAVING sum(n) > 0"
    )
    row = connection.execute(f"SELECT min(n) FROM ({counted})").fetchone()
    return None if row is None else row[0]
