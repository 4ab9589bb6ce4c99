"""Rows of the catalog's tables from elsewhere → the catalog: what is there stays, what is missing is filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchglass.store import catalog as c
from watchglass.store.columns import IN_FILES
from watchglass.store.exchange import numbered
from watchglass.store.lines import RAW_KEPT, Rejected
from watchglass.store.models import register
from watchglass.store.settling import settle
from watchglass.store.transactions import next_change

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.dialects.sqlite import Insert
    from sqlalchemy.engine import Connection

    from watchglass.store.exchange.tables import Kind

Row = "Mapping[str, object]"
ROWS_AT_ONCE: Final = 2000


def put(
    transaction: Connection, kind: Kind, rows: Sequence[Mapping[str, object]], segment: str
) -> tuple[int, list[Rejected]]:
    """Write rows in a transaction; gives how many, and those that lack what a row needs."""
    table = c.META.tables[kind.name]
    needed = [column.name for column in table.columns if not column.nullable]
    good = [row for row in rows if all(row.get(name) is not None for name in needed if name in kind.names)]
    bad = [row for row in rows if not all(row.get(name) is not None for name in needed if name in kind.names)]
    reason = f"a row of {kind.name} needs {', '.join(needed)}"
    rejected = _rejected(segment, reason, bad)
    if kind.name in numbered.TABLES:
        return _numbered(transaction, kind.name, good, rejected, segment)
    if kind.name == "columns":
        good = _registered(transaction, good, segment)
    number = next_change(transaction) if "changed" in table.c and good else 0
    written = [{**row, "changed": number} for row in good] if "changed" in table.c else [dict(row) for row in good]
    for begin in range(0, len(written), ROWS_AT_ONCE):
        transaction.execute(_upsert(table), written[begin : begin + ROWS_AT_ONCE])
    if table in (c.artifacts, c.quarantines):
        settle(transaction, (row for row in good if table is c.quarantines or row.get("quarantined") is not None))
    return len(good), rejected


def _numbered(
    transaction: Connection, name: str, good: Sequence[Mapping[str, object]], rejected: list[Rejected], segment: str
) -> tuple[int, list[Rejected]]:
    sound = [row for row in good if numbered.sound(name, row)]
    numbered.put_numbered(transaction, name, sound)
    broken = [row for row in good if not numbered.sound(name, row)]
    return len(sound), [*rejected, *_rejected(segment, f"the record of a row of {name} cannot be read", broken)]


def _rejected(segment: str, reason: str, rows: Sequence[Mapping[str, object]]) -> list[Rejected]:
    return [Rejected(segment, None, reason, str(dict(row))[:RAW_KEPT]) for row in rows]


def _registered(
    transaction: Connection, rows: Sequence[Mapping[str, object]], segment: str
) -> list[Mapping[str, object]]:
    """Register columns that lie in files by the rules that hold for all; gives the rows of those that are registered."""
    news = {
        (str(row["model"]), str(row["role"]), str(row["name"])): str(row["type"])
        for row in rows
        if row["role"] in IN_FILES
    }
    if news:
        register(transaction, news, segment)
    keys = {
        cast("tuple[str, str, str]", tuple(row))
        for row in transaction.execute(sa.select(c.columns.c.model, c.columns.c.role, c.columns.c.name))
    }
    return [row for row in rows if row["role"] not in IN_FILES or (row["model"], row["role"], row["name"]) in keys]


def _upsert(table: sa.Table) -> Insert:
    """Insert or fill in what is NULL; a run that is over goes before the same run under way."""
    statement = insert(table)
    changed: dict[str, object] = {}
    for column in table.columns:
        if column.primary_key:
            continue
        here, new = table.c[column.name], statement.excluded[column.name]
        changed[column.name] = new if column.name == "changed" else sa.func.coalesce(here, new)
        if table is c.runs and column.name != "changed":
            over = table.c.ended.is_(None) & statement.excluded.ended.is_not(None)
            changed[column.name] = sa.case((over, sa.func.coalesce(new, here)), else_=changed[column.name])
    keys = [column.name for column in table.primary_key]
    if not changed:
        return statement.on_conflict_do_nothing()
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)
