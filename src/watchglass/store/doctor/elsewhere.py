"""Files that no manifest lists → whether their rows are answered from elsewhere, and so what may become of them.

A prediction or a label is known by its environment, id and time; a metric or a log line by what it says and its time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import sqlalchemy as sa

from watchglass.errors import WatchglassError
from watchglass.store import catalog as c
from watchglass.store import frames, lines, parquet
from watchglass.store.compact import engine_room
from watchglass.store.doctor.files import listed
from watchglass.store.doctor.visit import Finding
from watchglass.store.models import Columns
from watchglass.store.parquet import described, index_path
from watchglass.store.quarantine import set_aside
from watchglass.store.quoting import literal
from watchglass.store.segments import opened
from watchglass.store.transactions import writing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from watchglass.store.doctor.files import Listed
    from watchglass.store.doctor.visit import Severity, Visit
    from watchglass.store.segments import Segment

IDENTITY = {
    "predictions": "hash(environment, id, epoch_us(time))",
    "labels": "hash(environment, id, epoch_us(time))",
    "feedback": "hash(environment, id, event, epoch_us(time))",
    "metrics": "hash(name, value, epoch_us(time))",
    "logs": "hash(message, epoch_us(time))",
}
OF_MODELS = ("predictions", "labels", "feedback")
_LINES = (
    "{kind: 'VARCHAR', model: 'VARCHAR', environment: 'VARCHAR', id: 'VARCHAR', event: 'VARCHAR', name: 'VARCHAR',"
    " value: 'DOUBLE', message: 'VARCHAR', time: 'BIGINT'}"
)


@dataclass(frozen=True, slots=True)
class Where:
    """Of the rows of a file: how many there are, how many are in the log, how many in listed files or in the log."""

    model: str
    rows: int
    in_log: int
    elsewhere: int


def read_log(connection: duckdb.DuckDBPyConnection, live: Sequence[Segment]) -> None:
    """Make the table `log_rows`: every row of these segments by its identity."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE log_rows (segment VARCHAR, kind VARCHAR, model VARCHAR, h UBIGINT)"
    )
    for segment in live:
        try:
            if segment.sidecar is None:
                _read_lines(connection, segment)
            else:
                _read_frame(connection, segment)
        except (duckdb.Error, WatchglassError, KeyError):
            continue  # a segment that cannot be read has no rows to offer; the look at the log says so


def _read_lines(connection: duckdb.DuckDBPyConnection, segment: Segment) -> None:
    good, _ = lines.sift(segment.name, segment.lines(), lines.LAST)
    with lines.in_memory(b"".join(good)) as path:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE told AS SELECT kind || if(kind = 'feedback', '', 's') AS kind, coalesce(model, '') AS model, coalesce(environment, 'live') AS environment,"
            f" id, event, name, value, message, make_timestamp(time) AS time"
            f" FROM read_json({literal(path)}, columns = {_LINES}, format = 'newline_delimited', maximum_object_size = 67108864)"
        )
    for kind, identity in IDENTITY.items():
        model = "model" if kind in OF_MODELS else "''"
        connection.execute(
            f"INSERT INTO log_rows SELECT ?, kind, {model}, {identity} FROM told WHERE kind = ?", [segment.name, kind]
        )


def _read_frame(connection: duckdb.DuckDBPyConnection, segment: Segment) -> None:
    kind = frames.kind_of(segment)
    select = frames.predictions(segment, Columns((), ())) if kind == "predictions" else frames.labels(segment)
    connection.execute(
        f"INSERT INTO log_rows SELECT ?, ?, model, {IDENTITY[kind]} FROM ({select})", [segment.name, kind]
    )


def where_else(connection: duckdb.DuckDBPyConnection, path: Path, kind: str, others: Sequence[Listed]) -> Where:
    """Count how many of a file's rows are in the log, and how many there or in these listed files of its kind."""
    mine = f"SELECT {IDENTITY[kind]} AS h, time, {'model' if kind in OF_MODELS else repr('')} AS model FROM read_parquet({literal(str(path))})"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE mine AS {mine}")
    rows, model, first, last = connection.execute(
        "SELECT count(*), coalesce(min(model), ''), epoch_us(min(time)), epoch_us(max(time)) FROM mine"
    ).fetchone() or (0, "", None, None)
    near = [
        literal(str(other.path))
        for other in others
        if (other.kind, other.model) == (kind, model)
        and other.path.exists()
        and other.path != path
        and first is not None
        and (other.first is None or other.last is None or (other.first <= last and other.last >= first))
    ]
    in_log = f"SELECT h FROM log_rows WHERE kind = {literal(kind)} AND model = {literal(model)}"
    known = in_log + (f" UNION ALL SELECT {IDENTITY[kind]} FROM read_parquet([{', '.join(near)}])" if near else "")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE known AS {known}")
    counted = f"SELECT count(*) FILTER (h IN ({in_log})), count(*) FILTER (h IN (SELECT h FROM known)) FROM mine"
    logged, elsewhere = connection.execute(counted).fetchone() or (0, 0)
    return Where(model, rows, logged, elsewhere)


def check_orphans(visit: Visit) -> None:
    """Find what lies below tables/ and is not listed; a compactor that was killed leaves such files, and so does a lost manifest."""
    places = {row.place for row in listed(visit)}
    found = [path for path in sorted(visit.folder.tables.glob("*/*")) if path.is_file()]
    orphans = [
        path for path in found if path.suffix != ".ids" and str(path.relative_to(visit.folder.tables)) not in places
    ]
    if orphans:
        with engine_room(visit.folder) as connection, opened(visit.folder.row_log) as held:
            with visit.engine.connect() as transaction:
                taken = set(transaction.execute(sa.select(c.segments.c.name)).scalars())
            read_log(connection, [segment for segment in held if segment.name not in taken])
            for path in sorted(orphans, key=lambda item: -item.stat().st_size):
                if not visit.mend and visit.is_young(path):
                    what, means = "unlisted file", "it is younger than an hour: a compaction may be about to list it"
                    visit.found(Finding("note", what, visit.shown(path), means, "look again in an hour"))
                else:
                    _orphan(visit, connection, path)
    _stray_indexes(visit, found)


def _orphan(visit: Visit, connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    kind = path.parent.name
    if kind not in IDENTITY or path.suffix != ".parquet":
        said = (
            "counts that no transaction published: they are made again" if kind == "cells" else "it is no table's file"
        )
        _aside(visit, path, "note", said)
        return
    try:
        place = where_else(connection, path, kind, [row for row in listed(visit) if row.removed is None])
    except duckdb.Error as error:
        _aside(visit, path, "warning", f"it cannot be read: {str(error).splitlines()[0]}")
        return
    alone = place.rows - place.elsewhere
    if alone == 0:
        _aside(
            visit,
            path,
            "note",
            f"no transaction published it; all of its {place.rows} rows are answered from elsewhere",
        )
    elif place.elsewhere == 0:
        means = f"its {alone} {kind} are nowhere else and are not answered"
        mend = "list it again (--mend)"
        finding = Finding("error", "unlisted file", visit.shown(path), means, mend, rows=alone)
        visit.found(finding, lambda: _enlist(visit, connection, path, kind, place.model))
    else:
        means = f"{alone} of its {place.rows} {kind} are nowhere else and are not answered; listing it would show the others twice"
        mend = "list those in a file of their own and move this one to quarantine (--mend)"
        finding = Finding("error", "unlisted file", visit.shown(path), means, mend, rows=alone)
        visit.found(finding, lambda: _enlist_rest(visit, connection, path, kind, place.model))


def _aside(visit: Visit, path: Path, severity: Severity, said: str) -> None:
    finding = Finding(severity, "unlisted file", visit.shown(path), said, "move it to quarantine (--mend)")
    visit.found(finding, lambda: set_aside(visit.folder, path, said, visit.now))


def _enlist(visit: Visit, connection: duckdb.DuckDBPyConnection, path: Path, kind: str, model: str) -> None:
    """Write a file's row into the manifest, as its compaction would have done."""
    _list(visit, described(connection, path, visit.folder, kind, model))


def _enlist_rest(visit: Visit, connection: duckdb.DuckDBPyConnection, path: Path, kind: str, model: str) -> None:
    """List the rows of a file that are nowhere else, written anew; `where_else` has left what is known of them."""
    rest = f"SELECT * FROM read_parquet({literal(str(path))}) WHERE {IDENTITY[kind]} NOT IN (SELECT h FROM known)"
    row = parquet.write(visit.folder, connection, kind, model, rest, "time")
    if row is not None:
        _list(visit, row)
    set_aside(visit.folder, path, "its rows that were nowhere else are in a file of their own", visit.now)


def _list(visit: Visit, row: dict[str, object]) -> None:
    with writing(visit.engine) as transaction:
        transaction.execute(c.files.insert(), [row])
    visit.recount = True


def _stray_indexes(visit: Visit, found: Sequence[Path]) -> None:
    """Find indexes of ids whose file is not listed as indexed."""
    wanted = {index_path(row.path) for row in listed(visit) if row.indexed}
    for path in found:
        if path.suffix == ".ids" and path not in wanted and (visit.mend or not visit.is_young(path)):
            means = "it belongs to no listed file; an index is made from its file and holds nothing of its own"
            visit.found(Finding("note", "stray index", visit.shown(path), means, "delete it (--mend)"), path.unlink)
