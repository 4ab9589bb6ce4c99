"""The names of what can be taken out and in → the columns of each with their types, and by what its rows can be chosen."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, Literal

import sqlalchemy as sa

from watchglass.errors import BadInput
from watchglass.store import catalog as c
from watchglass.store.asking.views import DOCUMENTED
from watchglass.store.rows import FEEDBACK, LABEL, LOG, METRIC, PREDICTION

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Format = Literal["parquet", "csv", "jsonl", "delta"]
FORMATS: Final[tuple[Format, ...]] = ("parquet", "csv", "jsonl", "delta")
ENDINGS: Final[dict[Format, str]] = {"parquet": ".parquet", "csv": ".csv", "jsonl": ".jsonl", "delta": ".parquet"}
_TIMES: Final = (
    *("time", "started", "ended", "since", "quarantined", "released", "removed", "block_after"),
    *("window", "judged", "onset", "raised", "closed"),
)
_LATER: Final = ("changed",)  # of this catalog alone


@dataclass(frozen=True, slots=True)
class Kind:
    """A table: its columns with DuckDB's types, and which of them say of which model, environment and time a row is."""

    name: str
    columns: tuple[tuple[str, str], ...]
    model: str | None = None
    time: str | None = None
    rows: bool = False
    """Whether it has files of its own in the store, listed in the manifest; else it lies in the catalog."""

    @property
    def names(self) -> tuple[str, ...]:
        """Its columns."""
        return tuple(name for name, _ in self.columns)

    @property
    def nested(self) -> bool:
        """Whether rows have features and tags, each a struct."""
        return self.name == "predictions"


def _rows(name: str, view: str, columns: Sequence[str]) -> Kind:
    types = {column.name: column.type for column in DOCUMENTED[view].columns}
    model = "model" if "model" in columns else None
    return Kind(name, tuple((column, types[column]) for column in columns), model, "time", rows=True)


def _graph(table: sa.Table, model: str | None = None, at: str | None = None) -> Kind:
    columns = tuple((column.name, _type(column)) for column in table.columns if column.name not in _LATER)
    named = {name for name, _ in columns}
    time = "started" if "started" in named else "time" if {"run", "rule"} <= named or "environment" in named else None
    return Kind(table.name, columns, model, at or time)


def _type(column: sa.Column[object]) -> str:
    if isinstance(column.type, sa.Float):
        return "DOUBLE"
    if isinstance(column.type, sa.Integer):
        of_time = column.name in _TIMES and isinstance(column.type, sa.BigInteger)
        return "TIMESTAMP" if of_time else "BIGINT"
    return "VARCHAR"


KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("settings", (("name", "VARCHAR"), ("value", "VARCHAR"))),
        _graph(c.components),
        _graph(c.runs),
        _graph(c.artifacts),
        _graph(c.reads),
        _graph(c.writes),
        _graph(c.run_links),
        _graph(c.environments),
        _graph(c.sources),
        _graph(c.quarantines),
        _graph(c.flags),
        _graph(c.subject_tags),
        _graph(c.retractions),
        _graph(c.models, "name"),
        _graph(c.model_versions, "model"),
        _graph(c.deployments, "model"),
        _graph(c.columns, "model"),
        _graph(c.questions, "model"),
        _rows("predictions", "predictions", PREDICTION),
        _rows("labels", "label_history", LABEL),
        _rows("feedback", "feedback", FEEDBACK),
        _rows("metrics", "metrics", METRIC),
        _rows("logs", "logs", LOG),
        _graph(c.rejected, "model", "time"),
        _graph(c.monitors, "model"),
        _graph(c.verdicts, "model", "window"),
        _graph(c.incidents, "model", "raised"),
    )
}
"""In the order in which they are taken in: the rules of redaction before all, a model's columns before its rows."""
TABLES: Final = tuple(KINDS)


def chosen(names: Iterable[str] | None) -> tuple[Kind, ...]:
    """Give the tables of some names, None is all; raises `BadInput` for a name that is none."""
    if names is None:
        return tuple(KINDS.values())
    if isinstance(names, str):
        message = f"tables cannot be {names!r} alone: a list would do, [{names!r}]"
        raise BadInput(message)
    wanted = list(names)
    for name in wanted:
        if name not in KINDS:
            near = get_close_matches(name, TABLES, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            message = f"there is no table {name!r}.{hint} Tables: {', '.join(TABLES)}"
            raise BadInput(message)
    return tuple(kind for kind in KINDS.values() if kind.name in wanted)


def format_of(name: str) -> Format:
    """Check the name of a format; raises `BadInput`."""
    for known in FORMATS:
        if name == known:
            return known
    message = f"format cannot be {name!r}: {', '.join(FORMATS)} would do"
    raise BadInput(message)
