"""A table of the graph → the statement that takes its rows in: whatever comes again, late or in another order, ends the same."""

from __future__ import annotations

from functools import cache
from itertools import repeat
from typing import TYPE_CHECKING, Final, cast

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchglass.store import catalog as c

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy.dialects.sqlite import Insert
    from sqlalchemy.engine import Connection, Dialect

    Values = Mapping[str, sa.ColumnElement[object]]

_FIRST: Final[dict[sa.Table, tuple[str, ...]]] = {
    c.components: ("time",),
    c.models: ("time",),
    c.model_versions: ("time",),
    c.reads: ("time",),
    c.writes: ("time",),
    c.run_links: ("time",),
    c.columns: ("type",),
    c.ingested: ("taken", "segment", "accepted", "rejected"),
    c.environments: ("record", "time"),
    c.sources: ("text", "name", "time"),
    c.subject_tags: ("time",),
    c.retractions: ("time",),
}
"""Columns that stay as first written: a column's type never changes, values of another become NULL and are counted."""
_POLICIES: Final = ("profile", "sample", "full")


@cache
def upsert(table: sa.Table) -> Insert:
    """Insert or update by primary key; a NULL leaves what is there, and a run's start that comes late does not undo its end."""
    statement = insert(table)
    news = {column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key}
    changed: dict[str, sa.ColumnElement[object]] = {
        name: sa.func.coalesce(new, table.c[name]) for name, new in news.items() if name not in _FIRST.get(table, ())
    }
    if table is c.columns:
        changed["declared"] = larger(news["declared"], table.c.declared)
        changed["whole"] = sa.func.coalesce(table.c.whole, news["whole"])  # what was seen holds
    if table is c.drops:
        changed["rows"] = larger(news["rows"], table.c.rows)
    if table is c.artifacts:
        changed |= _of_artifact(news)
    if table is c.runs:
        changed = _of_run(changed, news)
    keys = [column.name for column in table.primary_key]
    if not changed:
        return statement.on_conflict_do_nothing()
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)


def write(connection: Connection, table: sa.Table, rows: Sequence[tuple[object, ...]], number: int) -> None:
    """Take rows in, their values in the order of the table's columns; `changed`, which they lack, is the number of the transaction."""
    names = [*table.c.keys()]
    if "changed" in names:
        columns: list[Iterable[object]] = [*zip(*rows, strict=True)]
        columns.insert(names.index("changed"), repeat(number))
        rows = [*zip(*columns, strict=False)]
    kind = cast("Callable[..., Dialect]", type(connection.dialect))
    connection.exec_driver_sql(_said(table, kind), [*rows])


@cache
def _said(table: sa.Table, kind: Callable[..., Dialect]) -> str:
    """Write the statement with its values by place: SQLAlchemy would spend as much on a row by name as SQLite does."""
    dialect = kind()
    if not dialect.positional:
        dialect = kind(paramstyle="format")
    return str(upsert(table).compile(dialect=dialect, column_keys=[*table.c.keys()]))


def larger(new: sa.ColumnElement[object], old: sa.ColumnElement[object]) -> sa.ColumnElement[object]:
    """Write the larger of two values that are there, in words that every database knows."""
    return sa.case((new > old, new), else_=old)


def _of_run(changed: Values, news: Values) -> dict[str, sa.ColumnElement[object]]:
    """Let a run's end stand, and take its error away with it: one that was thought dead and goes on or ended well has none."""
    table, ended = c.runs, news["ended"].is_not(None)
    late = table.c.ended.is_not(None) & news["ended"].is_(None)
    found: dict[str, sa.ColumnElement[object]] = {}
    for name, value in changed.items():
        kept = table.c[name] if name == "error" else sa.func.coalesce(table.c[name], news[name])
        crashed = table.c.status == sa.literal_column("'crashed'")
        ends = [(ended | crashed, news[name])] if name == "error" else []
        found[name] = sa.case((late, kept), *ends, else_=value)
    return {**found, "changed": news["changed"]}


def _of_artifact(news: Values) -> dict[str, sa.ColumnElement[object]]:
    """Keep the first time it was seen, and what the higher policy kept of it; settling.py says since when it is in quarantine."""
    table = c.artifacts
    more = _rank(news["policy"]) >= _rank(table.c.policy)
    found: dict[str, sa.ColumnElement[object]] = {
        name: sa.case((more, sa.func.coalesce(news[name], table.c[name])), else_=table.c[name])
        for name in ("kept", "policy")
    }
    here = table.c.time
    found["time"] = sa.case((news["time"] < here, news["time"]), else_=sa.func.coalesce(here, news["time"]))
    return found


def _rank(policy: sa.ColumnElement[object]) -> sa.ColumnElement[int]:
    ranks: list[tuple[sa.ColumnElement[bool], sa.ColumnElement[int]]] = [
        (policy == sa.literal_column(f"'{name}'"), sa.literal_column(f"{place}"))
        for place, name in enumerate(_POLICIES, 1)
    ]
    return sa.case(*ranks, else_=sa.literal_column("0"))
