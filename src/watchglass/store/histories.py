"""Cells → histories: the counts of each column, and of labelled and correct predictions, day by day, ready to judge."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import sqlalchemy as sa

from watchglass.profile.histories import CategoryHistory, LabelHistory, NumberHistory
from watchglass.profile.weights import Squares
from watchglass.store import catalog as c
from watchglass.store.anew import planned_anew
from watchglass.store.compact import engine_room
from watchglass.store.life import coarser
from watchglass.store.models import Feature, features_of
from watchglass.store.quoting import literal
from watchglass.store.reader import reader_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb
    from numpy.typing import NDArray
    from sqlalchemy.engine import Engine

    from watchglass.profile.histories import ColumnHistory
    from watchglass.profile.weights import Numbers
    from watchglass.records import Slice
    from watchglass.store.folder import Folder


STRAY = 7  # days with rows
LONGEST_GAP = timedelta(days=400)
_WHOLE = "(name = '' OR slice = '')"
JUDGED = ("number", "text", "boolean")
"""The types of columns that have cells of their own."""


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """All that is counted of a model in an environment: `first` is the day of window 0, `rows` has a count per window.

    `columns` are those that are judged, `width` how many; `columns` is empty where only the whole was read (`store/wholes`).
    """

    model: str
    environment: str
    first: date
    rows: NDArray[np.int64]
    columns: tuple[ColumnHistory, ...]
    labels: LabelHistory
    version: str | None
    width: int

    def day(self, window: int) -> date:
        """Give the day of a window."""
        return self.first + timedelta(days=window)


def slice_text(chosen: Slice) -> str:
    """Name a slice as the cells do.

    >>> slice_text((("site", "harbour"),))
    '{"site":"harbour"}'
    """
    return json.dumps(dict(chosen), separators=(",", ":"), ensure_ascii=False) if chosen else ""


def slice_of(text: str) -> Slice:
    """Read a slice's name back."""
    return tuple(sorted(json.loads(text).items())) if text else ()


@planned_anew
def environments(folder: Folder, engine: Engine, model: str) -> list[str]:
    """List the environments that a model has cells in."""
    cells = cells_of(folder, engine, model)
    if not cells:
        return []
    query = f"SELECT DISTINCT environment FROM {cells} WHERE name = '' AND slice = '' AND kind = 'rows' ORDER BY 1"
    with reader_of(folder, engine).cursor() as connection:
        return [row[0] for row in connection.execute(query).fetchall()]


def cells_of(folder: Folder, engine: Engine, model: str, *, alike: bool = False, coarse: bool | None = None) -> str:
    """Write what reads a model's cells; empty where there are none. `alike` and `coarse` choose their grid as in `coarser.source`."""
    query = (
        sa.select(c.files.c.path)
        .where(c.files.c.model == model, c.files.c.kind == "cells", c.files.c.removed.is_(None))
        .order_by(c.files.c.seq)
    )
    with engine.connect() as connection:
        paths = connection.execute(query).scalars().all()
    read = f"read_parquet([{', '.join(literal(str(folder.tables / path)) for path in paths)}])"
    return coarser.source(engine, model, read, alike=alike, coarse=coarse) if paths else ""


def first_day(days: Sequence[date]) -> date:
    """Give the day of the first window, of the days in order that have rows.

    Some few days that lie more than a year before all others are a broken clock's (1970, year 1): their rows are in
    the tables and in the cells, but there is no window to judge for each day since.

    >>> first_day([date(1970, 1, 1), date(2026, 3, 1), date(2026, 3, 2)])
    datetime.date(2026, 3, 1)
    """
    for place, (before, after) in enumerate(pairwise(days[: STRAY + 1]), start=1):
        if after - before > LONGEST_GAP and len(days) - place >= place:
            return first_day(days[place:])
    return days[0]


@planned_anew
def first_counted(folder: Folder, engine: Engine, model: str, environment: str) -> date | None:
    """Give the day of the first window of a model in an environment; None when there are no rows."""
    cells = cells_of(folder, engine, model, coarse=False)
    if not cells:
        return None
    query = f"SELECT DISTINCT day FROM {cells} WHERE kind = 'rows' AND slice = '' AND environment = ? ORDER BY day"
    with reader_of(folder, engine).cursor() as connection:
        days = [row[0] for row in connection.execute(query, [environment]).fetchall()]
    return first_day(days) if days else None


@planned_anew
def history(
    folder: Folder, engine: Engine, model: str, environment: str = "live", *, coarse: bool | None = None
) -> History | None:
    """Read everything counted of a model in an environment; None when there are no rows.

    Its numbers are on one grid: the coarser one where that is asked or, with None, where any day is; as they lie for False.
    """
    cells = cells_of(folder, engine, model, alike=True, coarse=coarse)
    if not cells:
        return None
    with reader_of(folder, engine).cursor() as connection:
        kept = "SELECT day, slice, name, kind, bucket, value, known, sum(n)::BIGINT AS n, max(version) AS version"
        connection.execute(
            f"CREATE TEMP TABLE merged AS {kept} FROM {cells} WHERE environment = ? AND {_WHOLE}"
            " GROUP BY ALL HAVING sum(n) != 0",
            [environment],
        )
        days = [
            row[0]
            for row in connection.execute(
                "SELECT DISTINCT day FROM merged WHERE kind = 'rows' AND slice = '' ORDER BY day"
            ).fetchall()
        ]
        if not days:
            return None
        first = first_day(days)
        connection.execute("DELETE FROM merged WHERE day < ?", [first])
        windows = (days[-1] - first).days + 1
        with engine.connect() as catalog:
            judged = [feature for feature in features_of(catalog, model) if feature.type in JUDGED]
        rows, more = (_rows(connection, kind, first, windows) for kind in ("rows", "rows2"))
        worth = rows / np.maximum(rows + more, 1) if more.any() else None
        read = [_column(connection, column, first, rows, worth) for column in judged]
        version = (
            connection.execute("SELECT max_by(version, day) FROM merged WHERE kind = 'rows' AND slice = ''").fetchone()
            or (None,)
        )[0]
        labels = _labels(connection, first, windows)
        return History(model, environment, first, rows, tuple(read), labels, version, len(judged))


def _rows(connection: duckdb.DuckDBPyConnection, kind: str, first: date, windows: int) -> NDArray[np.int64]:
    query = "SELECT date_diff('day', ?::DATE, day) AS w, sum(n)::BIGINT AS n FROM merged WHERE kind = ? AND slice = '' GROUP BY w"
    counted = connection.execute(query, [first, kind]).fetchnumpy()
    rows = np.zeros(windows, dtype=np.int64)
    rows[counted["w"]] = counted["n"]
    return rows


def _column(
    connection: duckdb.DuckDBPyConnection,
    column: Feature,
    first: date,
    rows: NDArray[np.int64],
    worth: NDArray[np.float64] | None,
) -> ColumnHistory:
    """Read a column's counts; with `worth`, of a window's unit of weight, as effective rows (Kish: Σw / Σw²)."""
    windows = len(rows)
    query = "SELECT date_diff('day', ?::DATE, day) AS w, kind, bucket, value, n FROM merged WHERE name = ? AND slice = '' ORDER BY bucket, value"
    entries = connection.execute(query, [first, column.name]).fetchnumpy()
    window, n, kind = (
        entries["w"].astype(np.int64),
        entries["n"].astype(np.int64),
        np.asarray(entries["kind"], dtype=str),
    )
    missing = np.zeros(windows, dtype=np.int64)
    absent = kind == "missing"
    np.add.at(missing, window[absent], n[absent])
    if column.type == "number":
        keys, index = np.unique(entries["bucket"][~absent].astype(np.int64), return_inverse=True)
        counts = np.zeros((windows, len(keys)), dtype=np.int64)
        np.add.at(counts, (window[~absent], index), n[~absent])
        shown, gone = _worth(counts, missing, worth)
        return NumberHistory(column.name, column.centre or 0.0, column.scale or 1.0, keys, shown, gone)
    values, index = np.unique(np.asarray(entries["value"], dtype=object)[~absent].astype(str), return_inverse=True)
    counts = np.zeros((windows, len(values)), dtype=np.int64)
    np.add.at(counts, (window[~absent], index), n[~absent])
    shown, gone = _worth(counts, missing, worth)
    return CategoryHistory(column.name, tuple(values.tolist()), shown, gone)


def _worth(
    counts: NDArray[np.int64], missing: NDArray[np.int64], worth: NDArray[np.float64] | None
) -> tuple[Numbers, Numbers]:
    return (counts, missing) if worth is None else (counts * worth[:, None], missing * worth)


def _labels(connection: duckdb.DuckDBPyConnection, first: date, windows: int) -> LabelHistory:
    counted = connection.execute(
        "SELECT date_diff('day', ?::DATE, day) AS w, slice, sum(n)::BIGINT AS n FROM merged WHERE kind = 'rows' GROUP BY ALL",
        [first],
    ).fetchnumpy()
    kinds = ("labelled", "correct", "labelled2", "correct2")
    sums = ", ".join(f"coalesce(sum(n) FILTER (kind = {literal(kind)}), 0)::BIGINT AS {kind}" for kind in kinds)
    query = (
        f"SELECT date_diff('day', ?::DATE, day) AS w, slice, date_diff('day', ?::DATE, known) AS k, {sums} FROM merged"
        f" WHERE kind IN ({', '.join(map(literal, kinds))}) GROUP BY ALL ORDER BY ALL"
    )
    entries = connection.execute(query, [first, first]).fetchnumpy()
    served, labelled = (np.asarray(found["slice"], dtype=object).astype(str) for found in (counted, entries))
    names, index = np.unique(np.concatenate([served, labelled]), return_inverse=True)
    index, place = index[: len(served)], index[len(served) :].astype(np.int64)
    rows = np.zeros((windows, len(names)), dtype=np.int64)
    rows[np.asarray(counted["w"], dtype=np.int64), index] = np.asarray(counted["n"], dtype=np.int64)
    window, known, *told = (np.asarray(entries[name], dtype=np.int64) for name in ("w", "k", *kinds))
    squares = Squares(told[2], told[3]) if told[2].any() or told[3].any() else None
    slices = tuple(slice_of(name) for name in names.tolist())
    return LabelHistory(slices, rows, window, place, known, told[0], told[1], squares)


@planned_anew
def inside_and_outside(
    folder: Folder, engine: Engine, model: str, environment: str, of: Slice
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Give, for each numeric feature, its coarse counts (W, bins) inside a slice of one tag, and outside it."""
    cells = cells_of(folder, engine, model)
    if not cells or len(of) != 1:
        return {}
    with engine.connect() as catalog:
        bins = {item.name: len(item.edges) + 1 for item in features_of(catalog, model) if item.type == "number"}
    with engine_room(folder) as connection:
        span = connection.execute(
            f"SELECT min(day), max(day) FROM {cells} WHERE environment = ? AND kind = 'rows'", [environment]
        ).fetchone()
        if span is None or span[0] is None:
            return {}
        query = (
            f"SELECT name, date_diff('day', ?::DATE, day) AS w, slice = ? AS inside, bucket, sum(n)::DOUBLE AS n FROM {cells}"
            " WHERE environment = ? AND kind = 'coarse' AND json_extract_string(slice, ?) IS NOT NULL GROUP BY ALL ORDER BY ALL"
        )
        counted = connection.execute(query, [span[0], slice_text(of), environment, f'$."{of[0][0]}"']).fetchnumpy()
    names = np.asarray(counted["name"], dtype=str)
    found = {}
    for name, width in bins.items():
        parts = []
        for side in (True, False):
            chosen = (names == name) & (counted["inside"] == side)
            counts = np.zeros(((span[1] - span[0]).days + 1, width))
            counts[counted["w"][chosen], counted["bucket"][chosen]] = counted["n"][chosen]
            parts.append(counts)
        found[name] = (parts[0], parts[1])
    return found
