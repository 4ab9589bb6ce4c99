"""How far the rules of feedback were when a store was exported → the same in the store that takes the export in: no label is made twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store.labels.feedback import EXPIRED, SEEN
from watchglass.store.manifest import POSITION

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

OF: Final = ("feedback", "predictions")
"""The tables whose rows a rule looks at, in the order in which they are taken in: an event waits for its prediction."""


def points(engine: Engine) -> dict[str, tuple[int, int]]:
    """Give for each model with a rule that was at work: the file up to which all was looked at, and until when predictions have expired."""
    with engine.connect() as connection:
        marks = {row.name: row.seq for row in connection.execute(sa.select(c.watermarks.c.name, c.watermarks.c.seq))}
        ruled = connection.execute(sa.select(c.models.c.name).where(c.models.c.feedback.is_not(None))).scalars()
        return {
            model: (marks[f"{SEEN}{model}"], marks[f"{EXPIRED}{model}"])
            for model in ruled
            if f"{SEEN}{model}" in marks and f"{EXPIRED}{model}" in marks
        }


def all_seen(transaction: Connection, model: str, until: int) -> bool:
    """Say whether a file of rows that a rule looked at may be taken for looked at here: nothing of the model waits, and no other clock ran."""
    seen, expired = _mark(transaction, f"{SEEN}{model}"), _mark(transaction, f"{EXPIRED}{model}")
    at = 0 if seen is None else seen
    waits = sa.select(sa.func.count()).where(
        c.files.c.model == model, c.files.c.kind.in_(OF), c.files.c.removed.is_(None), at < POSITION
    )
    return not transaction.execute(waits).scalar() and expired in (None, until)


def note_seen(transaction: Connection, model: str, path: str, until: int) -> None:
    """Note in the transaction that publishes a file that the rule looked at it."""
    seq = transaction.execute(sa.select(c.files.c.seq).where(c.files.c.path == path)).scalar_one()
    for name, value in ((f"{SEEN}{model}", seq), (f"{EXPIRED}{model}", until)):
        here = c.watermarks.c.name == name
        if not transaction.execute(c.watermarks.update().where(here).values(seq=value)).rowcount:
            transaction.execute(c.watermarks.insert().values(name=name, seq=value))


def _mark(transaction: Connection, name: str) -> int | None:
    return transaction.execute(sa.select(c.watermarks.c.seq).where(c.watermarks.c.name == name)).scalar()
