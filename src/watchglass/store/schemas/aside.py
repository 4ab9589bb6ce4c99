"""Lines and values that could not be taken → rows of `rejected`, and of `column_changes` where values are not of their column's type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.store import catalog as c

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.engine import Connection

    from watchglass.store.lines import Rejected

_DAY: Final = 86_400_000_000  # µs


def keep_aside(transaction: Connection, told: Sequence[Rejected], now: int) -> None:
    """Write what was rejected with its reason; `now` is when it is kept aside, in µs."""
    if told:
        transaction.execute(c.rejected.insert(), [_row(item, now) for item in told])


def _row(item: Rejected, now: int) -> dict[str, object]:
    about = {"segment": item.segment, "line": item.line, "reason": item.reason, "raw": item.raw, "rows": item.rows}
    return {**about, "model": item.model, "role": item.role, "name": item.name, "time": now}


def note_conflicts(transaction: Connection, told: Iterable[Rejected], now: int) -> None:
    """Count, for each column, the values among these that are not of its type: one change a column and UTC day.

    It belongs to the newest file of the model, whose rows have NULL in their place.
    """
    lost: dict[tuple[str, str, str], int] = {}
    for item in told:
        if item.model is not None and item.role is not None and item.name is not None:
            key = (item.model, item.role, item.name)
            lost[key] = lost.get(key, 0) + item.rows
    changes = c.column_changes
    for (model, role, name), rows in sorted(lost.items()):
        where = (changes.c.model == model) & (changes.c.role == role) & (changes.c.name == name)
        today = (
            where & (changes.c.change == "conflict") & changes.c.after.is_(None) & (changes.c.time >= now - now % _DAY)
        )
        newest = sa.select(sa.func.max(c.files.c.seq)).where(c.files.c.kind == "predictions", c.files.c.model == model)
        seq = transaction.execute(newest).scalar() or 0
        counted = {"rows": changes.c.rows + rows, "seq": seq}
        if transaction.execute(changes.update().where(today).values(**counted)).rowcount:
            continue
        column = (c.columns.c.model == model) & (c.columns.c.role == role) & (c.columns.c.name == name)
        before = transaction.execute(sa.select(c.columns.c.type).where(column)).scalar()
        values = {"model": model, "role": role, "name": name, "change": "conflict", "before": before}
        transaction.execute(changes.insert().values(**values, rows=rows, time=now, seq=seq))
