"""A model's files of predictions and labels, old and new → what the new ones change of the labelled and correct counts.

Several files at once give the sum of what each would give in turn. Few new rows find theirs by the indexes of ids; many
are joined as they lie, without a window for ids that have one label alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from watchglass.store.labels.earliest import losers
from watchglass.store.labels.indexes import Wanted, file_hashes, hashes_in, index_of, locate, rows_of, twice
from watchglass.store.labels.told import at_once, contribute, in_turn, served

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import duckdb

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


def count_labels(
    connection: duckdb.DuckDBPyConnection, files: Joined, tags: Sequence[str], repeated: Callable[[], str]
) -> None:
    """Add to the table `cells` what the new files change: what all files say less what the old ones said.

    `repeated` makes and names a table (environment, id) of all ids of the model that have more than one row.
    """
    new = [*files.new(files.predictions), *files.new(files.labels)]
    if not new or not files.predictions or not files.labels:
        return  # labels before their predictions wait in their files
    if MANY * sum(file.rows for file in new) >= sum(file.rows for file in (*files.predictions, *files.labels)):
        several = repeated()
        _join(connection, files, tags, several, 1)
        _join(connection, files.old(), tags, several, -1)
    else:
        _look_up(connection, files, tags)


def _join(connection: duckdb.DuckDBPyConnection, files: Joined, tags: Sequence[str], repeated: str, sign: int) -> None:
    """Join all labels with all predictions; ids with several labels apart, in turn."""
    if not files.predictions or not files.labels:
        return
    predictions, labels = f"({_all(files.predictions)})", _all(files.labels)
    lost = losers(connection, files.predictions, repeated)
    if lost:
        predictions = f"(FROM {rows_of(files.predictions)} ANTI JOIN {lost} USING (filename, file_row_number))"
    hashes = file_hashes(files.labels)
    hashes.sort()
    several = twice(hashes)
    if len(several):
        said = _said(connection, files.labels, Wanted.of(several))
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE several AS SELECT DISTINCT environment, id FROM said_of_several"
        )
        labels = f"FROM ({labels}) ANTI JOIN several USING (environment, id)"
        wanted = Wanted.of(hashes_in(connection, "several"))
        if hit := locate(connection, files.predictions, wanted, "served_places"):
            own = f"(FROM {rows_of(hit)} SEMI JOIN served_places USING (filename, file_row_number){_without(lost)})"
            contribute(connection, in_turn(served(connection, own, tags), said, tags), sign, tags)
    contribute(connection, at_once(served(connection, predictions, tags), f"{_SAID} ({labels})", tags), sign, tags)


def _all(files: Sequence[Indexed]) -> str:
    listed = ", ".join(f"'{str(file.path).replace(chr(39), chr(39) * 2)}'" for file in files)
    return f"FROM read_parquet([{listed}], union_by_name = true)"


def _without(lost: str | None) -> str:
    return f" ANTI JOIN {lost} USING (filename, file_row_number)" if lost else ""


def _said(connection: duckdb.DuckDBPyConnection, labels: Sequence[Indexed], wanted: Wanted) -> str:
    """Make the table of all labels of some hashes."""
    hit = locate(connection, labels, wanted, "said_places")
    source = f"{rows_of(hit)} SEMI JOIN said_places USING (filename, file_row_number)"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE said_of_several AS {_SAID} {source}")
    return f"{_SAID} said_of_several"


def _look_up(connection: duckdb.DuckDBPyConnection, files: Joined, tags: Sequence[str]) -> None:
    """Find the rows and labels that the new files touch by the indexes, and tell what is said of them now from what was."""
    wanted = Wanted.of(
        np.concatenate(
            [
                *_met(files.new(files.labels), files.predictions),
                *_met(files.new(files.predictions), files.labels),
                np.empty(0, dtype=np.uint64),
            ]
        )
    )
    hit = locate(connection, files.predictions, wanted, "served_places")
    told = locate(connection, files.labels, wanted, "said_places")
    if not hit or not told:
        return
    source = f"(FROM {rows_of(hit)} JOIN served_places USING (filename, file_row_number))"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE touched AS {served(connection, source, tags, more=', filename, file_row_number, position')}"
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE said_now AS SELECT environment, id, label, time, position"
        f" FROM {rows_of(told)} JOIN said_places USING (filename, file_row_number)"
    )
    old = f"WHERE position <= {files.mark}"
    for sign, among in ((1, ""), (-1, old)):
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE touched_twice AS SELECT environment, id FROM touched {among} GROUP BY ALL HAVING count(*) > 1"
        )
        lost = losers(connection, [file for file in hit if not among or file.position <= files.mark], "touched_twice")
        predictions = f"FROM touched{_without(lost)} {among}"
        contribute(connection, in_turn(predictions, f"{_SAID} said_now {among}", tags), sign, tags)


def _met(files: Sequence[Indexed], others: Sequence[Indexed]) -> list[Hashes]:
    """Give the hashes of some files that others have too."""
    mine = Wanted.of(file_hashes(files))
    return [hashes[mine.at(hashes)] for hashes, _ in map(index_of, others)]
