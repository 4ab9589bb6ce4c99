"""Two tables → how each column is compared: as numbers, as values, as texts, or not at all and why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from watchglass.errors import BadInput
from watchglass.profile.columns import Frame, frame_of
from watchglass.profile.sides import Odd
from watchglass.store.quoting import identifier
from watchglass.store.tabular.hashes import Known

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb
    from numpy.typing import NDArray

    from watchglass.profile.sides import Kind
    from watchglass.store.tabular.opened import Opened

MANY: Final = 100_000  # of more values the commonest are estimated, which takes little memory
FEW: Final = 1000
"""A text of more values is counted by its lengths and its commonest values."""
TOP: Final = 100
SAMPLES: Final = 3
SAMPLE: Final = 2048
_NOWHERE: Final = Frame(0.0, 1.0, ())


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """How a column is counted: numbers in a `frame`, values by their hashes."""

    name: str
    kind: Kind
    frame: Frame | None = None
    values: tuple[str, ...] = ()
    whole: bool = False
    hashes: Known | None = None


def chosen(tables: tuple[Opened, Opened], wanted: Sequence[str] | None, time: str | None) -> list[str]:
    """List the columns to compare, those of the reference first; raises `BadInput` for one that neither table has."""
    reference, current = tables
    every = list(dict.fromkeys(name for table in (reference, current) for name, _ in table.columns))
    if wanted is None:
        return [name for name in every if name != time]
    for name in wanted:
        if name not in every:
            from difflib import get_close_matches  # noqa: PLC0415 - only where a name is wrong

            near = get_close_matches(name, every, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            message = f"neither table has a column {name!r}.{hint} Columns: {', '.join(every)}"
            raise BadInput(message)
    return list(dict.fromkeys(wanted))


def sorted_out(
    connection: duckdb.DuckDBPyConnection, tables: tuple[Opened, Opened], names: Sequence[str]
) -> tuple[list[Column], list[Odd]]:
    """Say how each column is compared; what only one table has, and what cannot be compared, is told with its reason."""
    columns: list[Column] = []
    odd: list[Odd] = []
    numbers: list[tuple[str, Kind]] = []
    for name in names:
        found = _kind(connection, tables, name)
        if isinstance(found, Odd):
            odd.append(found)
        elif found in ("number", "time"):
            numbers.append((name, found))
        elif found == "boolean":
            columns.append(Column(name, "boolean", None, ("false", "true")))
        else:
            columns.append(_texts(connection, tables, name))
    columns += _numbers(connection, tables, numbers)
    texts = [column.name for column in columns if column.kind == "text"]
    lengths = {column.name: column.frame for column in _numbers(connection, tables, [(name, "text") for name in texts])}
    placed = {
        column.name: replace(column, frame=lengths[column.name]) if column.kind == "text" else column
        for column in columns
    }
    return [placed[name] for name in names if name in placed], odd


def _kind(connection: duckdb.DuckDBPyConnection, tables: tuple[Opened, Opened], name: str) -> Kind | Odd:
    reference, current = tables
    if name not in dict(current.columns):
        return Odd(name, "gone", "the current table has no such column")
    if name not in dict(reference.columns):
        return Odd(name, "new", "the reference table has no such column")
    one, other = reference.kind(name), current.kind(name)
    if one != other:
        known = [table.kind(name) for table in tables if table.kind(name) != "empty" and _any(connection, table, name)]
        kinds = set(known) or {one if one != "empty" else other}
        if len(kinds) > 1:
            types = [dict(table.columns)[name] for table in tables]
            return Odd(
                name,
                "retyped",
                f"it is a {one} ({types[0]}) in the reference table and a {other} ({types[1]}) in the current one",
            )
        one = kinds.pop()
    if one == "empty":
        return Odd(name, "unknown", "neither table has a value in it")
    if one == "nested":
        return Odd(name, "unknown", _nested(dict(reference.columns)[name]))  # fmt: skip
    return "category" if one == "text" else one


def _nested(type_: str) -> str:
    parts = "; take its parts out as columns" if type_.endswith("]") or type_.startswith(("STRUCT", "MAP")) else ""
    return f"values of type {type_} are not compared{parts}"


def _any(connection: duckdb.DuckDBPyConnection, table: Opened, name: str) -> bool:
    query = f"SELECT 1 FROM {table.source} WHERE {identifier(name)} IS NOT NULL LIMIT 1"
    return connection.execute(query).fetchone() is not None


def value_of(name: str, kind: Kind, plain: bool = False) -> str:  # noqa: FBT001, FBT002 - one place
    """Write the number that a column's value, or the length of a text, is; a `plain` column is one already."""
    column = identifier(name)
    if kind == "time":
        return f"TRY(epoch_us(TRY_CAST({column} AS TIMESTAMP)) / 1e6)::DOUBLE"
    if plain:
        return column
    return f"length({column}::VARCHAR)::DOUBLE" if kind == "text" else f"TRY_CAST({column} AS DOUBLE)"


def hash_of(name: str) -> str:
    """Write the hash of a column's text; none of a missing one."""
    column = identifier(name)
    return f"CASE WHEN {column} IS NULL THEN NULL ELSE hash({column}::VARCHAR) END"


def _numbers(
    connection: duckdb.DuckDBPyConnection, tables: tuple[Opened, Opened], wanted: Sequence[tuple[str, Kind]]
) -> list[Column]:
    """Choose each column's frame from rows of the reference, taken at several places; of the current where it has none."""
    if not wanted:
        return []
    found: dict[str, Frame] = {}
    for table in tables:
        left = [(name, kind) for name, kind in wanted if name not in found]
        if left and table.rows:
            found |= _frames(connection, table, left)
    return [Column(name, kind, found.get(name, _NOWHERE), whole=_whole(tables, name, kind)) for name, kind in wanted]


def _whole(tables: tuple[Opened, Opened], name: str, kind: Kind) -> bool:
    return kind == "text" or (
        kind == "number" and all(dict(table.columns)[name].endswith(("INT", "INTEGER")) for table in tables)
    )


def _frames(
    connection: duckdb.DuckDBPyConnection, table: Opened, wanted: Sequence[tuple[str, Kind]]
) -> dict[str, Frame]:
    places = np.linspace(0, len(table.stretches) - 1, min(SAMPLES, len(table.stretches))).astype(int).tolist()
    selected = {f"n{i}": (name, value_of(name, kind)) for i, (name, kind) in enumerate(wanted)}
    parts = []
    for stretch in (table.stretches[place] for place in places):
        beginning = replace(stretch, end=min(stretch.end, stretch.begin + SAMPLE))
        parts.append(connection.execute(table.select(beginning, selected)).fetchnumpy())
    found = {}
    for i, (name, kind) in enumerate(wanted):
        values = np.concatenate(
            [np.ma.filled(np.ma.asarray(part[f"n{i}"]).astype(np.float64), np.nan) for part in parts]
        )
        if not np.isfinite(values).any():
            values = _first(connection, table, name, kind)
        if np.isfinite(values).any():
            found[name] = frame_of(values)
    return found


def _first(connection: duckdb.DuckDBPyConnection, table: Opened, name: str, kind: Kind) -> NDArray[np.float64]:
    value = value_of(name, kind)
    query = f"SELECT v FROM (SELECT {value} AS v FROM {table.source}) WHERE isfinite(v) LIMIT {SAMPLE}"
    found = np.ma.asarray(connection.execute(query).fetchnumpy()["v"])
    return np.asarray(np.ma.filled(found.astype(np.float64), np.nan), dtype=np.float64)


def _texts(connection: duckdb.DuckDBPyConnection, tables: tuple[Opened, Opened], name: str) -> Column:
    """List a column's values, the reference's first, each side's commonest first; of many only the commonest."""
    column = f"{identifier(name)}::VARCHAR"
    different = [
        int((connection.execute(f"SELECT approx_count_distinct({column}) FROM {table.source}").fetchone() or (0,))[0])
        for table in tables
    ]
    few = max(different) <= FEW
    listed = [
        _values(connection, table, column, (2 * FEW if few else TOP, many))
        for table, many in zip(tables, different, strict=True)
    ]
    values = list(dict.fromkeys([*listed[0], *listed[1]]))
    rows = connection.execute("SELECT v, hash(v) FROM (SELECT unnest(?::VARCHAR[]) AS v)", [values]).fetchall()
    kind: Kind = "category" if few else "text"
    return Column(name, kind, None, tuple(text for text, _ in rows), True, Known.of([found for _, found in rows]))


def _values(connection: duckdb.DuckDBPyConnection, table: Opened, column: str, wanted: tuple[int, int]) -> list[str]:
    """List the commonest values of a column, where it has about so `many`."""
    most, many = wanted
    if many > MANY:
        row = connection.execute(f"SELECT approx_top_k({column}, {most}) FROM {table.source}").fetchone()
        return [text for text in (row[0] if row and row[0] else []) if text is not None]
    query = f"SELECT {column} FROM {table.source} WHERE {column} IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT {most}"
    return [row[0] for row in connection.execute(query).fetchall()]
