"""Two tables and perhaps a column of time → the blocks that their rows are counted in: days, hours, or rows one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from watchglass.errors import BadInput
from watchglass.profile.sides import Blocks
from watchglass.store.history import moment_of
from watchglass.store.quoting import identifier

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

    from watchglass.profile.sides import Unit
    from watchglass.store.tabular.opened import Opened

MOST: Final = 64
FEWEST: Final = 8  # with fewer blocks nobody knows how much they differ
ROWS: Final = 50
USUAL: Final = ("time", "timestamp", "ts", "datetime", "date", "event_time", "created_at")
_UNITS: Final[tuple[tuple[Unit, int], ...]] = (("days", 86_400_000_000), ("hours", 3_600_000_000))


@dataclass(frozen=True, slots=True, eq=False)
class Parting:
    """How one table's rows fall into blocks: the SQL of a row's tick and the ticks there are; without either, by place."""

    blocks: int
    rows: int
    expression: str | None = None
    ticks: NDArray[np.int64] | None = None
    untimed: int = 0

    @property
    def width(self) -> int:
        """Count the blocks, that of the rows without a time among them."""
        return self.blocks + (self.untimed > 0)

    def of_rows(self, first: int, count: int) -> NDArray[np.intp]:
        """Give the blocks of rows by their place in the table."""
        return ((first + np.arange(count)) * self.blocks // max(self.rows, 1)).astype(np.intp)

    def of_ticks(self, ticks: np.ma.MaskedArray[tuple[int, ...], np.dtype[np.generic]]) -> NDArray[np.intp]:
        """Give the blocks of rows by their ticks; a row without one lies in the last."""
        known = np.zeros(0, dtype=np.int64) if self.ticks is None else self.ticks
        place = np.searchsorted(known, np.ma.filled(ticks.astype(np.int64), 0)) * self.blocks // max(len(known), 1)
        place[np.ma.getmaskarray(ticks)] = self.blocks
        return place.astype(np.intp)


def usual_time(reference: Opened, current: Opened) -> str | None:
    """Find a column of times that both tables have under a usual name."""
    kinds = dict(current.columns)
    for wish in USUAL:
        for name, _ in reference.columns:
            if name.lower() == wish and name in kinds and {reference.kind(name), current.kind(name)} == {"time"}:
                return name
    return None


def parted(
    connection: duckdb.DuckDBPyConnection, tables: tuple[Opened, Opened], time: str | None
) -> tuple[Blocks, tuple[Parting, Parting]]:
    """Part two tables alike: by days where both have enough, else by hours, else by rows.

    Raises `BadInput` when a table has no column of that name, or none of its values is a time.
    """
    name = usual_time(*tables) if time is None else time
    if name is not None:
        for table in tables:
            _require(table, name)
        for unit, length in _UNITS:
            sides = tuple(_by_time(connection, table, name, length) for table in tables)
            if time is not None:
                _readable(tables, sides, name)
            if all(side.blocks >= FEWEST for side in sides):
                told = Blocks(unit, name, sides[0].blocks, sides[1].blocks, (sides[0].untimed, sides[1].untimed))
                return told, (sides[0], sides[1])
    one, other = (Parting(max(1, min(MOST, table.rows // ROWS)), table.rows) for table in tables)
    return Blocks("rows", name, one.blocks, other.blocks), (one, other)


def _require(table: Opened, name: str) -> None:
    if name not in dict(table.columns):
        message = (
            f"the {table.what} has no column {name!r} to be its time. Columns: {', '.join(n for n, _ in table.columns)}"
        )
        raise BadInput(message)


def _readable(tables: tuple[Opened, Opened], sides: tuple[Parting, ...], name: str) -> None:
    for table, side in zip(tables, sides, strict=True):
        if table.rows and not side.blocks:
            message = f"no value of column {name!r} of the {table.what} can be read as a time: datetimes, ISO 8601 texts or epoch seconds would do"
            raise BadInput(message)


def _by_time(connection: duckdb.DuckDBPyConnection, table: Opened, name: str, length: int) -> Parting:
    kind = dict(table.columns)[name]
    at = moment_of(name, kind).replace("CAST(", "TRY_CAST(")
    expression = (
        f"TRY(epoch_us({at}) // {length})" if kind != "TIMESTAMP" else f"TRY(epoch_us({identifier(name)}) // {length})"
    )
    found = connection.execute(f"SELECT {expression} AS tick, count(*) FROM {table.source} GROUP BY 1").fetchall()
    ticks = np.array(sorted(tick for tick, _ in found if tick is not None), dtype=np.int64)
    untimed = sum(rows for tick, rows in found if tick is None)
    return Parting(min(MOST, len(ticks)), table.rows, expression, ticks, untimed)
