"""The catalog → up to which sequence number files are in the cells: their rows, and their labels too."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchglass.store import catalog as c

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


class Marks(NamedTuple):
    """Up to `cells` rows are counted and labels joined, up to `rows` only rows are counted.

    Rows are counted in batches, all labels that wait are joined with the last of them.
    """

    cells: int
    rows: int


def marks_of(connection: Connection) -> Marks:
    """Give the watermarks; where that of the cells is gone, all is counted anew."""
    query = sa.select(c.watermarks.c.name, c.watermarks.c.seq).where(c.watermarks.c.name.in_(("cells", "rows")))
    found = {row.name: int(row.seq) for row in connection.execute(query)}
    cells = found.get("cells", 0)
    return Marks(cells, max(cells, found.get("rows", 0)) if "cells" in found else 0)


def set_marks(transaction: Connection, marks: Marks) -> None:
    """Move the watermarks."""
    for name, seq in marks._asdict().items():
        mark = insert(c.watermarks).values(name=name, seq=seq)
        transaction.execute(mark.on_conflict_do_update(index_elements=["name"], set_={"seq": seq}))
