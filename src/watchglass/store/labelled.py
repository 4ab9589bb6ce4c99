"""A model's files of predictions and labels, old and new → what the new ones change of the labelled and correct counts.

Several files at once give the sum of what each would give in turn. Few new rows find theirs by the indexes of ids; many
are joined as they lie, without a window for ids that have one label alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from watchglass.store.labels.earliest import losers
from watchglass.store.labels.indexes import (
    Rows,
    Wanted,
    file_hashes,
    index_of,
    keyed,
    locate_among,
    rows_of,
    spots,
    twice,
)
from watchglass.store.labels.told import contribute, in_turn, once, served
from watchglass.store.quoting import literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import duckdb

    from watchglass.store.eras import Eras
    from watchglass.store.labels.indexes import Hashes, Indexed

MANY: Final = 4
"""Where the new rows are a fourth of all, all are joined."""
_SAID: Final = "SELECT environment, id, label, time FROM"


@dataclass(frozen=True, slots=True)
class Joined:
    """A model's live files of both kinds, and up to which number their labels are joined already."""

    predictions: Sequence[Indexed]
    labels: Sequence[Indexed]
    mark: int

    def new(self, files: Sequence[Indexed]) -> list[Indexed]:
        """Choose the files that are not joined yet."""
        return [file for file in files if file.position > self.mark]

    def old(self) -> Joined:
        """Give what is joined already."""
        return Joined(
            [file for file in self.predictions if file.position <= self.mark],
            [file for file in self.labels if file.position <= self.mark],
            self.mark,
        )


@dataclass(frozen=True, slots=True)
class Looked:
    """A model's files, and of those the rows that the new files may touch; `many` where all are to be joined instead."""

    files: Joined
    served: Rows
    said: Rows
    many: bool = False

    @classmethod
    def up(cls, files: Joined) -> Looked:
        """Look into the indexes alone, which a thread can do beside what DuckDB does for another model."""
        none = Rows.of([])
        new = [*files.new(files.predictions), *files.new(files.labels)]
        if not new or not files.predictions or not files.labels:
            return cls(files, none, none)  # labels before their predictions wait in their files
        if MANY * sum(file.rows for file in new) >= sum(file.rows for file in (*files.predictions, *files.labels)):
            return cls(files, none, none, many=True)
        predictions = files.new(files.predictions)
        met = _met(predictions, files.labels) if predictions else []
        wanted = Wanted.of(np.concatenate([file_hashes(files.new(files.labels)), *met]))
        hit = spots(files.predictions, wanted)
        return cls(files, Rows.of(hit), Rows.of(spots(files.labels, wanted) if hit else []))


def count_labels(
    connection: duckdb.DuckDBPyConnection, looked: Looked, eras: Eras, repeated: Callable[[], str]
) -> None:
    """Add to the table `cells` what the new files change: what all files say less what the old ones said.

    `repeated` makes and names a table (environment, id) of all ids of the model that have more than one row.
    """
    if looked.many:
        several = repeated()
        _join(connection, looked.files, eras, several, 1)
        _join(connection, looked.files.old(), eras, several, -1)
    elif looked.said.files:
        _tell(connection, looked, eras)


def _join(connection: duckdb.DuckDBPyConnection, files: Joined, eras: Eras, repeated: str, sign: int) -> None:
    """Join all labels with all predictions; the labels of ids that have several are put in turn before."""
    if not files.predictions or not files.labels:
        return
    lost = losers(connection, files.predictions, repeated)
    predictions = f"(SELECT * FROM {_all(files.predictions)})"
    if lost or not all(map(eras.always, eras.tags)):
        places = ", ".join(f"({literal(str(file.path))}, {file.position})" for file in files.predictions)
        predictions = (
            f"(FROM {rows_of(files.predictions)} JOIN (VALUES {places}) places(filename, position) USING (filename))"
        )
    if lost:
        predictions = f"(FROM {predictions} ANTI JOIN {lost} USING (filename, file_row_number))"
    steps = once(f"SELECT * FROM {_all(files.labels)}")
    hashes = file_hashes(files.labels)
    hashes.sort()
    if len(several := twice(hashes)):
        del hashes
        locate_among(connection, files.labels, Wanted.of(several), "several")
        labels = keyed(files.labels)
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE said_of_several AS {_SAID} {labels} SEMI JOIN several USING (row_key)"
        )
        steps = f"{once(f'{_SAID} {labels} ANTI JOIN several USING (row_key)')} UNION ALL {in_turn('SELECT *, 1 AS sign FROM said_of_several')}"
    contribute(connection, served(connection, predictions, eras), steps, sign, eras.tags)


def _all(files: Sequence[Indexed]) -> str:
    return f"read_parquet([{', '.join(literal(str(file.path)) for file in files)}], union_by_name = true)"


def _tell(connection: duckdb.DuckDBPyConnection, looked: Looked, eras: Eras) -> None:
    """Tell what is said now of the rows that the new files touch from what was."""
    with looked.served.known(connection, "served_rows"), looked.said.known(connection, "said_rows"):
        _told(connection, looked, eras)


def _told(connection: duckdb.DuckDBPyConnection, looked: Looked, eras: Eras) -> None:
    hit, told = looked.served.files, looked.said.files
    source = f"(SELECT * FROM {keyed(hit)} JOIN served_rows USING (row_key))"
    tags = eras.tags
    predictions = served(connection, source, eras, more=", row_key, position")
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE said_now AS SELECT environment, id, label, time, position, several"
        f" FROM {keyed(told)} JOIN said_rows USING (row_key)"
    )
    alone, old = once("FROM said_now WHERE NOT several"), f"position <= {looked.files.mark}"
    now = "SELECT *, 1 AS sign FROM said_now WHERE several"
    new = looked.files.new(looked.files.predictions)
    if not new and not looked.served.several:
        was = f"SELECT *, -1 AS sign FROM said_now WHERE several AND {old}"
        steps = f"{alone} UNION ALL {in_turn(f'{now} UNION ALL {was}')}"
        contribute(connection, predictions, steps, 1, tags)
        return
    connection.execute(f"CREATE OR REPLACE TEMP TABLE touched AS {predictions}")
    contribute(connection, _counting(connection, hit, "true"), f"{alone} UNION ALL {in_turn(now)}", 1, tags)
    before = f"{once(f'FROM said_now WHERE NOT several AND {old}')} UNION ALL {in_turn(f'{now} AND {old}')}"
    contribute(connection, _counting(connection, hit, old), before, -1, tags)


def _counting(connection: duckdb.DuckDBPyConnection, hit: Sequence[Indexed], among: str) -> str:
    """Write the SELECT of the touched rows that count, of some of the files."""
    several = f"SELECT environment, id FROM touched WHERE {among} GROUP BY ALL HAVING count(*) > 1"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE touched_twice AS {several}")
    if not connection.execute("SELECT 1 FROM touched_twice LIMIT 1").fetchall():
        return f"FROM touched WHERE {among}"
    chosen = connection.execute(
        f"SELECT DISTINCT row_key >> 32 FROM touched SEMI JOIN touched_twice USING (environment, id) WHERE {among}"
    ).fetchall()
    places = sorted(place for (place,) in chosen)
    lost = losers(connection, [hit[place] for place in places], "touched_twice")
    names = ", ".join(f"({place}, {literal(str(hit[place].path))})" for place in places)
    gone = f"SELECT (place::BIGINT << 32) + file_row_number AS row_key FROM {lost} JOIN (VALUES {names}) v(place, filename) USING (filename)"
    return f"FROM touched ANTI JOIN ({gone}) USING (row_key) WHERE {among}"


def _met(files: Sequence[Indexed], others: Sequence[Indexed]) -> list[Hashes]:
    """Give the hashes of some files that others have too."""
    mine = Wanted.of(file_hashes(files))
    return [hashes[mine.at(hashes)] for hashes, _ in map(index_of, others)]
