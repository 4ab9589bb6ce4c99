"""Two tables, or chosen rows of a store → how far apart they are, column by column, as rows, JSON, or a page in one file."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from watchglass.monitor.comparison import FALSE, ColumnComparison, compare_columns
from watchglass.profile.sides import Blocks  # noqa: TC001 - OpenAPI is made from the records' types
from watchglass.show import words
from watchglass.show.comparison_report import report
from watchglass.show.comparison_words import headline, parting, sentence
from watchglass.store.answers import Table
from watchglass.store.codec import plain
from watchglass.store.tabular.chosen import count_chosen
from watchglass.store.tabular.counted import count_tables

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder
    from watchglass.store.tabular.counted import Counted


COLUMNS: Final = (
    "name",
    "kind",
    "found",
    "sentence",
    "effect",
    "wasserstein",
    "ks",
    "psi",
    "js",
    "missing_reference",
    "missing_current",
    "unseen",
    "p",
    "design_effect",
    "smallest",
    "unit",
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two tables differ by: `sentence` says it, `columns` has those that moved first, the largest effect first.

    At most a share `false_discoveries` of the columns said to have moved is expected to be wrong. `parted` says how it was found out
    how many independent rows the rows of each table are worth.
    """

    sentence: str
    parted: str
    reference: str
    current: str
    rows_reference: int
    rows_current: int
    false_discoveries: float
    made: datetime
    blocks: Blocks
    columns: tuple[ColumnComparison, ...]

    @property
    def changed(self) -> tuple[ColumnComparison, ...]:
        """The columns that moved by more than sampling, are gone, or have another type."""
        return tuple(column for column in self.columns if column.found in ("moved", "gone", "retyped"))

    def __getitem__(self, name: str) -> ColumnComparison:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def __repr__(self) -> str:
        return f"<comparison: {self.sentence}>"

    def _repr_html_(self) -> str:
        """Show itself in a notebook, in a frame of its own so that neither's styles meet."""
        page = self.html().replace("&", "&amp;").replace('"', "&quot;")
        return f'<iframe srcdoc="{page}" style="width:100%;height:640px;border:0" title="comparison of two tables"></iframe>'

    def rows(self) -> list[dict[str, object]]:
        """Give a dict a column: name, kind, found, sentence, and its numbers; without nested parts and histogram."""
        return self.table().rows()

    def table(self) -> Table:
        """Give the columns as a table, of which frames can be made: `.table().frame("polars")`."""
        values = [
            (
                column.name,
                column.kind,
                column.found,
                column.sentence,
                column.effect,
                column.wasserstein,
                column.ks,
                column.psi,
                column.js,
                math.nan if column.reference is None else column.reference.missing,
                math.nan if column.current is None else column.current.missing,
                column.unseen,
                column.p,
                column.design_effect,
                column.smallest,
                column.unit,
            )
            for column in self.columns
        ]
        return Table(COLUMNS, values)

    def to_json(self) -> str:
        """Give everything as JSON: null for a number that is none, times in ISO 8601 with offset."""
        return json.dumps(plain(self), ensure_ascii=False)

    def html(self, path: str | os.PathLike[str] | None = None) -> str:
        """Give the report as one page that asks for nothing from anywhere; with `path` it is written there too."""
        page = report(self.columns, self._told())
        if path is not None:
            Path(path).write_text(page, encoding="utf-8")
        return page

    def _told(self) -> dict[str, str | int]:
        return {
            "sentence": self.sentence,
            "parted": self.parted,
            "reference": self.reference,
            "current": self.current,
            "rows_reference": self.rows_reference,
            "rows_current": self.rows_current,
            "false": words.percent(self.false_discoveries),
            "made": self.made.isoformat(timespec="minutes"),
        }


def compare(
    reference: object,
    current: object,
    *,
    time: str | None = None,
    columns: Sequence[str] | None = None,
    false_discoveries: float = FALSE,
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Compare two tables column by column: how far each moved, and whether sampling alone would do that. No store is needed.

    A table is a path, a pattern or a folder of Parquet, CSV, JSON lines or Arrow files, or a frame of polars, pandas, pyarrow
    or anything that gives an Arrow stream, a dict of columns or a list of dicts. Files are streamed. `time` names the column
    whose days (hours, where there are few days) tell how much rows resemble each other; without it a column of times with
    a usual name does, else rows count as neighbours as they lie. `columns` None: all that are there. At most a share
    `false_discoveries` of the columns said to have moved is expected to be wrong. `progress` is told rows done and in all.
    Raises `BadInput` for a table that cannot be read or a column that is not there.
    """
    counted = count_tables((reference, current), time=time, columns=columns, progress=progress)
    return compared(counted, false_discoveries)


class Comparing:
    """What of an open store compares its predictions."""

    _folder: Folder
    _engine: Engine

    def compare(
        self,
        reference: object,
        current: object,
        *,
        time: str | None = None,
        columns: Sequence[str] | None = None,
        false_discoveries: float = FALSE,
        progress: Callable[[int, int], None] | None = None,
    ) -> Comparison:
        """Compare chosen predictions of this store with each other, or with a table, column by column, as `wg.compare` does.

        Predictions are chosen by a mapping or a text: `{"model": "fraud", "version": "3"}`, or
        `"model=fraud,start=2026-06-01,end=2026-07-01,environment=live,tag.site=harbour"`; times are half-open. Their
        columns are features, tags, prediction, score and latency. Anything else is a table: a path, a pattern, a frame.
        Raises `UnknownName` for a model or a tag that is not recorded, `BadInput` as `wg.compare` does.
        """
        tables = (reference, current)
        counted = count_chosen(self._folder, self._engine, tables, time=time, columns=columns, progress=progress)
        return compared(counted, false_discoveries)


def compared(counted: Counted, false_discoveries: float = FALSE) -> Comparison:
    """Judge what was counted, and say it in words."""
    found = compare_columns(counted.pairs, counted.odd, false=false_discoveries)
    told = tuple(replace(column, sentence=sentence(column, counted.blocks)) for column in found)
    return Comparison(
        headline(told),
        parting(counted.blocks),
        _called(counted.names[0]),
        _called(counted.names[1]),
        counted.rows[0],
        counted.rows[1],
        false_discoveries,
        datetime.now(UTC),
        counted.blocks,
        told,
    )


def _called(what: str) -> str:
    """Give what a table is called, without which of the two it is.

    >>> _called("reference table 'june.csv'"), _called("current table (a frame of polars)")
    ("'june.csv'", 'a frame of polars')
    """
    name = what.partition(" table ")[2] or what
    return name[1:-1] if name.startswith("(") else name
