"""Predictions, of a file or any relation that numbers its rows → small integers and numbers in arrays, some rows at a time, ready to be counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from watchglass.profile.counting import Places, Rows, dense
from watchglass.store.outputs import can_have, value_of
from watchglass.store.quoting import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import duckdb
    from numpy.typing import NDArray

ROW_GROUP = 16_384
LEAST_GROUPS = 2  # the first rows, from which a column's frame is taken, come together
VALUES = 4_000_000  # how many values are in memory at a time: 32 MB
DAY = 86_400_000_000  # µs


@dataclass(frozen=True, slots=True)
class Countable:
    """A relation of predictions, looked into: its columns, the texts that occur, whether its rows carry weights."""

    source: str
    rows: int
    features: frozenset[str]
    outputs: frozenset[str]
    versions: tuple[str | None, ...]
    environments: tuple[str | None, ...]
    tags: Mapping[str, tuple[str | None, ...]]
    weighted: bool


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Some rows of a file in the order of their time: what they share, their groups, and the columns asked for.

    `versions`, `environments` are indices into the file's texts, `days` count from 1970; each has one entry a group.
    """

    rows: Rows
    time: NDArray[np.int64]
    versions: NDArray[np.int64]
    environments: NDArray[np.int64]
    days: NDArray[np.int64]
    columns: Mapping[str, NDArray[np.float64] | NDArray[np.intp]]


def look(connection: duckdb.DuckDBPyConnection, source: str, tags: Sequence[str]) -> Countable:
    """Look into a relation: which of the tags and which features it has, and which texts occur."""
    found = connection.sql(f"FROM {source}")
    structs = {
        name: frozenset(child for child, _ in kind.children)
        for name, kind in zip(found.columns, found.types, strict=True)
        if kind.id == "struct"
    }
    there = [tag for tag in tags if tag in structs.get("tags", ())]
    rows = connection.execute(f"SELECT count(*) FROM {source} WHERE time IS NOT NULL").fetchall()[0][0]
    return Countable(
        source,
        rows,
        structs.get("features", frozenset()),
        can_have(found.columns),
        _distinct(connection, source, "version"),
        _distinct(connection, source, "environment"),
        {tag: _distinct(connection, source, f"tags.{identifier(tag)}") for tag in there},
        "weight" in found.columns,
    )


def texts_of(found: Sequence[str | None]) -> list[str]:
    """Leave out none, which comes last: what is left has the same indices."""
    return [text for text in found if text is not None]


def _distinct(connection: duckdb.DuckDBPyConnection, source: str, expression: str) -> tuple[str | None, ...]:
    query = f"SELECT DISTINCT {expression} FROM {source} WHERE time IS NOT NULL ORDER BY 1 NULLS LAST"
    return tuple(row[0] for row in connection.execute(query).fetchall())


class Known(NamedTuple):
    """The texts that a feature is counted by, and whether a file may hold others."""

    values: tuple[str, ...]
    others: bool


def known_values(
    connection: duckdb.DuckDBPyConnection, file: Countable, feature: str, before: tuple[str, ...], most: int
) -> Known:
    """Grow the texts that a feature is counted by, up to a number, by those of a file, the most frequent first."""
    if len(before) >= most:
        return Known(before[:most], others=True)
    query = (
        f"SELECT {value_of(feature, 'text')}::VARCHAR AS v, count(*) OVER () FROM {file.source}"
        f" WHERE time IS NOT NULL AND v IS NOT NULL GROUP BY v ORDER BY count(*) DESC, v LIMIT {most}"
    )
    seen = connection.execute(query).fetchall()
    grown = tuple(dict.fromkeys([*before, *(text for text, _ in seen)]))
    return Known(grown[:most], others=len(grown) > most or (bool(seen) and seen[0][1] > len(seen)))


def fragment(connection: duckdb.DuckDBPyConnection, tag: str, values: Sequence[str]) -> list[str]:
    """Write each value of a tag as the inside of a slice's name: `"site":"harbour"`."""
    query = f"SELECT json_object({literal(tag)}, v)::VARCHAR FROM (SELECT unnest(?::VARCHAR[]) AS v)"
    return [row[0][1:-1] for row in connection.execute(query, [list(values)]).fetchall()]


def stretches(
    connection: duckdb.DuckDBPyConnection, file: Countable, numbers: Mapping[str, str], texts: Mapping[str, Known]
) -> Iterator[Stretch]:
    """Read a file's rows, as many at a time as memory should hold, with these columns; `numbers` says what they are in SQL.

    A column of `texts` comes as indices into its values: one past the end is another text, two past it is none.
    """
    with _Codes(connection, file.source) as codes:
        chosen = {
            "time_": "epoch_us(time)",
            "version_": codes.of("version", file.versions),
            "environment_": codes.of("environment", file.environments),
            **{f"tag_{i}": codes.of(f"tags.{identifier(tag)}", file.tags[tag]) for i, tag in enumerate(file.tags)},
            **({"weight_": "coalesce(weight, 1)"} if file.weighted else {}),
            **{f"n_{i}": f"TRY_CAST({value} AS DOUBLE)" for i, value in enumerate(numbers.values())},
            **{f"t_{i}": codes.category(name, known) for i, (name, known) in enumerate(texts.items())},
        }
        listed = ", ".join(f"{expression} AS {name}" for name, expression in chosen.items())
        step = max(VALUES // len(chosen) // ROW_GROUP, LEAST_GROUPS) * ROW_GROUP
        # all is fetched, as DuckDB 2 takes no array while a result is not read to its end, even a row after the last
        places = connection.execute(f"SELECT max(file_row_number) FROM {file.source}").fetchall()[0][0]
        for begin in range(0, 0 if places is None else places + 1, step):
            near = f" AND file_row_number >= {begin} AND file_row_number < {begin + step}" if places >= step else ""
            read = connection.execute(f"SELECT {listed} FROM {file.source} WHERE time IS NOT NULL{near}").fetchnumpy()
            arrays = {name: column for name, column in read.items() if isinstance(column, np.ndarray)}
            if len(arrays["time_"]):
                yield _stretch(arrays, file, tuple(numbers), tuple(texts))


class _Codes:
    """Texts as indices into a list of them: each list is an enumerated type for as long as the block lasts."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, source: str) -> None:
        self._connection = connection
        self._source = source
        self._types: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._types:
            self._connection.execute(f"DROP TYPE {name}")

    def of(self, expression: str, known: Sequence[str | None]) -> str:
        """Write the expression of a text's index in `known`; none is where None is, else one past the end."""
        if len(known) == 1:  # a text that is the same in all rows needs no look
            return "0"
        texts = texts_of(known)
        return f"coalesce({self._code(expression, texts)}, {len(texts)})" if texts else "0"

    def category(self, name: str, known: Known) -> str:
        """Write the expression of a feature's index in the known values: one past the end for others, two for none."""
        text, size = f"{value_of(name, 'text')}::VARCHAR", len(known.values)
        code = f"least({self._code(text, known.values, others=known.others)}, {size})" if known.values else "0"
        return f"CASE WHEN {text} IS NULL THEN {size + 1} ELSE {code} END"

    def _code(self, expression: str, texts: Sequence[str], *, others: bool = False) -> str:
        """Write the expression of a text's index; with `others` the type holds every text, as a cast that fails takes 4 µs."""
        name = f"texts_{len(self._types)}"
        self._connection.register("listed", {"v": np.asarray([*texts], dtype=object), "i": np.arange(len(texts))})
        more = (
            f" UNION ALL SELECT DISTINCT {expression}, {len(texts)} FROM {self._source} WHERE {expression} IS NOT NULL"
            f" AND {expression} NOT IN (SELECT v FROM listed)"
            if others
            else ""
        )
        self._connection.execute(
            f"CREATE TYPE {name} AS ENUM (SELECT v FROM (SELECT v, i FROM listed{more}) ORDER BY i)"
        )
        self._connection.unregister("listed")
        self._types.append(name)
        return f"enum_code(TRY_CAST({expression} AS {name}))::INTEGER"


def _stretch(
    read: Mapping[str, NDArray[np.int64]], file: Countable, numbers: Sequence[str], texts: Sequence[str]
) -> Stretch:
    time = read["time_"]
    days = time // DAY
    first = int(days.min())
    width, places = int(days.max()) - first + 1, len(file.environments)
    found, group = dense(
        (read["version_"].astype(np.int64) * places + read["environment_"]) * width + (days - first),
        len(file.versions) * places * width,
    )
    who, day = np.divmod(found, width)
    groups = Places(group if len(found) > 1 else None, len(found))
    tags = tuple(_under(groups, read[f"tag_{i}"], len(texts_of(values))) for i, values in enumerate(file.tags.values()))
    weights = read["weight_"].astype(np.float64) if file.weighted else None
    if weights is not None and (weights == 1).all():
        weights = None
    columns: dict[str, NDArray[np.float64] | NDArray[np.intp]] = {
        name: np.ma.filled(read[f"n_{i}"], np.nan) for i, name in enumerate(numbers)
    }
    columns.update((name, read[f"t_{i}"].astype(np.intp)) for i, name in enumerate(texts))
    return Stretch(Rows(len(time), groups, tags, weights), time, who // places, who % places, day + first, columns)


def _under(groups: Places, codes: NDArray[np.int64], size: int) -> Places:
    """Give the places under a tag: group times value; a row without the tag is not counted."""
    place = codes.astype(np.intp)
    there = place < size
    if groups.of_row is not None:
        place += groups.of_row * size
    place[~there] = groups.size * size
    return Places(place, groups.size * size)
