"""Verdicts, incidents and rejected lines from elsewhere → the catalog: those that are there stay, a number that is taken becomes another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.records import Incident, Verdict
from watchglass.store import catalog as c
from watchglass.store.codec import decode, encode
from watchglass.store.dialects import go_on_after

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Connection

_SAME: Final[Mapping[str, tuple[str, ...]]] = {
    "verdicts": ("model", "environment", "kind", "window"),
    "incidents": ("model", "environment", "kind", "onset", "raised"),
    "rejected": (),
}
"""By what a row is known for one that is there already; a rejected line is new each time."""
TABLES: Final = tuple(_SAME)


def sound(name: str, row: Mapping[str, object]) -> bool:
    """Say whether the record of a row can be read: one that cannot would hide all others."""
    try:
        if name == "incidents":
            decode(Incident, str(row["record"]))
        elif name == "verdicts":
            decode(Verdict, str(row["record"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    return True


def put_numbered(transaction: Connection, name: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows in a transaction, each under its own number where that is free."""
    table, same = c.META.tables[name], _SAME[name]
    there = (
        {tuple(row) for row in transaction.execute(sa.select(*[table.c[column] for column in same]))} if same else set()
    )
    taken = set(transaction.execute(sa.select(table.c.id)).scalars())
    asked = [int(str(row["id"])) for row in rows]
    following = max([*taken, *asked, 0]) + 1
    made: list[dict[str, object]] = []
    for number, row in zip(asked, rows, strict=True):
        if same and tuple(row[column] for column in same) in there:
            continue
        if number not in taken:
            made.append(dict(row))
            taken.add(number)
            continue
        made.append({**row, "id": following, **_renumbered(name, row, following)})
        following += 1
    if made:
        transaction.execute(table.insert(), made)
        go_on_after(transaction, table.c.id)


def _renumbered(name: str, row: Mapping[str, object], number: int) -> dict[str, object]:
    """Give the record of an incident, which says its own number, the new one."""
    if name != "incidents":
        return {}
    return {"record": encode(replace(decode(Incident, str(row["record"])), id=number))}
