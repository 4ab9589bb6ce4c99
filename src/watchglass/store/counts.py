"""Columns of a model and a stretch of time → how many rows lie in each bucket of the grid or have each value, from cells or from rows.

Rows are counted by DuckDB on the very grid of `profile/grid.py`, a bucket being the top 18 bits of a double.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from watchglass.store.anew import planned_anew
from watchglass.store.histories import cells_of
from watchglass.store.models import Columns
from watchglass.store.outputs import output_of, value_of
from watchglass.store.quoting import literal
from watchglass.store.reader import reader_of
from watchglass.store.snapshot import prediction_parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    import duckdb
    from numpy.typing import NDArray
    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder
    from watchglass.store.models import Feature
    from watchglass.store.reader import Moment

    Between = tuple[datetime | None, datetime | None]
    _Masked = np.ma.MaskedArray[tuple[int, ...], np.dtype[np.generic]]

_SIDES: Final = ("left", "right")


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """Sums of weights of one column: by window (days since 1970, or 0), by bucket or by value; `missing` ones have neither."""

    window: NDArray[np.int64]
    bucket: NDArray[np.int64]
    value: NDArray[np.object_]
    missing: NDArray[np.bool_]
    n: NDArray[np.int64]

    def at(self, window: int) -> Counted:
        """Give the counts of one window."""
        return self._where(self.window == window)

    def _where(self, chosen: NDArray[np.bool_]) -> Counted:
        return Counted(
            self.window[chosen], self.bucket[chosen], self.value[chosen], self.missing[chosen], self.n[chosen]
        )


def _arrays(result: duckdb.DuckDBPyConnection) -> dict[str, _Masked]:
    return {name: np.ma.asarray(column) for name, column in result.fetchnumpy().items()}


def _whole(column: _Masked) -> NDArray[np.int64]:
    return np.asarray(column.filled(0), dtype=np.int64)


def _texts(column: _Masked) -> NDArray[np.object_]:
    return np.asarray(np.ma.filled(column.astype(object), ""), dtype=np.object_)


def _split(found: Mapping[str, _Masked], names: Iterable[str]) -> dict[str, Counted]:
    """Part rows that are sorted by column."""
    column, value = _texts(found["name"]), _texts(found["value"])
    window, bucket, n = (_whole(found[key]) for key in ("w", "bucket", "n"))
    missing = np.asarray(found["missing"].filled(0), dtype=np.bool_)
    parted = {}
    for name in names:
        part = slice(*(int(np.searchsorted(column, np.asarray(name, dtype=object), side)) for side in _SIDES))
        parted[name] = Counted(window[part], bucket[part], value[part], missing[part], n[part])
    return parted


def _bounds(between: Between, column: str) -> tuple[str, list[datetime]]:
    given = [(sign, moment) for sign, moment in zip((">=", "<"), between, strict=True) if moment is not None]
    condition = "".join(f" AND {column} {sign} ?::TIMESTAMP" for sign, _ in given)
    return condition, [moment.replace(tzinfo=None) for _, moment in given]


@planned_anew
def from_cells(
    folder: Folder,
    engine: Engine,
    of: tuple[str, str],
    features: Sequence[Feature],
    between: Between,
    *,
    by_day: bool,
) -> dict[str, Counted]:
    """Read what was counted of a model's columns in an environment, in whole days."""
    names = sorted(feature.name for feature in features)
    cells = cells_of(folder, engine, of[0])
    if not cells or not names:
        return _nothing(names)
    where, times = _bounds(between, "day")
    window = "date_diff('day', DATE '1970-01-01', day)" if by_day else "0"
    listed = ", ".join(map(literal, names))
    value = "NULL" if all(feature.type == "number" for feature in features) else "value"  # a text more to group by
    query = (
        f"SELECT name, {window} AS w, bucket, {value} AS value, kind = 'missing' AS missing, sum(n)::BIGINT AS n FROM {cells}"
        f" WHERE environment = ? AND slice = '' AND name IN ({listed}){where} GROUP BY ALL HAVING sum(n) != 0 ORDER BY name"
    )
    with reader_of(folder, engine).cursor() as cursor:
        return _split(_arrays(cursor.execute(query, [of[1], *times])), names)


def _nothing(names: Iterable[str]) -> dict[str, Counted]:
    none = np.zeros(0, dtype=np.int64)
    return {name: Counted(none, none, none.astype(object), none.astype(np.bool_), none) for name in names}


def _bucket(value: str, centre: float) -> str:
    """Write the bucket of a number as `keys_of` gives it: −0 as +0, infinities in the outermost, NULL for NaN.

    A cast to BIT and from there to BIGINT keeps the bits of a double, at a third of what a logarithm and a power cost.
    """
    top = f"((nullif({value}, 'NaN'::DOUBLE) - ({centre!r}) + 0.0)::BIT::BIGINT >> 46)"
    return f"xor({top}, ({top} >> 63) & {0x1FFFF})::INTEGER"


@planned_anew
def from_rows(
    folder: Folder,
    engine: Engine,
    of: tuple[str, str],
    features: Sequence[Feature],
    between: Between,
    *,
    by_day: bool,
) -> dict[str, Counted]:
    """Count the rows of a model in an environment, files and log tail together, in one pass over the columns that are asked for."""
    if not features:
        return {}
    with reader_of(folder, engine).moment(engine, rows=True, needed=None) as moment:
        return _count_rows(moment, of, sorted(features, key=lambda item: item.name), between, by_day=by_day)


def _count_rows(
    moment: Moment, of: tuple[str, str], features: Sequence[Feature], between: Between, *, by_day: bool
) -> dict[str, Counted]:
    where, times = _bounds(between, "time")
    columns = moment.snapshot.columns.get(of[0], Columns((), ()))
    there = {name for name, _ in columns.features} | {item.name for item in features if output_of(item.name)}
    names = [feature.name for feature in features]
    parts = prediction_parts(moment.snapshot, moment.tail, of[0])
    if not parts:
        return _nothing(names)
    window = "date_diff('day', DATE '1970-01-01', time::DATE)" if by_day else "0"
    # each part gives single columns: a union of whole structs would read every feature of every row
    codes = ", ".join(f"{_code(feature, feature.name in there)} AS c{i}" for i, feature in enumerate(features))
    selects = [
        f"SELECT {window} AS w, coalesce(weight, 1) AS weight, {codes} FROM ({part}) WHERE environment = ?{where}"
        for part in parts
    ]
    sets = ", ".join(f"(w, c{i})" for i in range(len(features)))
    listed = ", ".join(f"c{i}" for i in range(len(features)))
    which = f"grouping({listed})"
    query = (
        f"SELECT w, {which} AS which, sum(weight)::BIGINT AS n, {listed} FROM ({' UNION ALL '.join(selects)})"
        f" GROUP BY GROUPING SETS ({sets})"
    )
    found = _arrays(moment.connection.execute(query, [of[1], *times] * len(parts)))
    return {feature.name: _of_set(found, place, len(features), feature) for place, feature in enumerate(features)}


def _code(feature: Feature, there: bool) -> str:  # noqa: FBT001 - one place
    if not there:
        return "NULL"
    value = value_of(feature.name, feature.type)
    return _bucket(value, feature.centre or 0.0) if feature.type == "number" else f"{value}::VARCHAR"


def _of_set(found: Mapping[str, _Masked], place: int, width: int, feature: Feature) -> Counted:
    """Give the rows of one grouping set: of the bits that `grouping` gives only its own is not set."""
    own = (1 << width) - 1 - (1 << (width - 1 - place))
    chosen = _whole(found["which"]) == own
    code = found[f"c{place}"][chosen]
    missing = np.ma.getmaskarray(code)
    none = np.zeros(len(code), dtype=np.int64)
    bucket, value = (_whole(code), none.astype(object)) if feature.type == "number" else (none, _texts(code))
    window, n = (_whole(found[key][chosen]) for key in ("w", "n"))
    return Counted(window, bucket, value, missing, n)
