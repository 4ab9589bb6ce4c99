"""Lines of name, type and sentence → a view: what a question may read, column by column."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """A column of a view: its name, its DuckDB type, and what it says."""

    name: str
    type: str
    sentence: str


@dataclass(frozen=True, slots=True)
class View:
    """What a question may read: a row is one of what `sentence` names. Times are TIMESTAMP in UTC."""

    name: str
    sentence: str
    columns: tuple[ViewColumn, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its columns, in order."""
        return tuple(column.name for column in self.columns)

    def empty(self) -> str:
        """Write the SELECT of no rows in the shape of the view."""
        return f"SELECT {', '.join(f'NULL::{c.type} AS {c.name}' for c in self.columns)} WHERE false"


def view(name: str, sentence: str, columns: str) -> View:
    """Read a view's columns, one a line: name, type, sentence."""
    parts = [line.split(maxsplit=2) for line in columns.strip().splitlines()]
    return View(name, sentence, tuple(ViewColumn(*part) for part in parts))
