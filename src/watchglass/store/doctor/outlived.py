"""Cells of days whose rows the retention let go → kept while all others are counted anew from the rows that are left.

Of such a day only the counts are left, and maybe some rows. So its counts are put aside first (`hold_back`), as one
file a model that takes the place of all; when the rows are counted again, what that gave for such days is taken off
(`settle`). A watermark `outlived:<model>` names the file until then, and whoever merges passes it by.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING, Final

import duckdb
import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store.cells import follow
from watchglass.store.compact import engine_room
from watchglass.store.deltas import write_summed
from watchglass.store.leases import hold
from watchglass.store.manifest import OUTLIVED
from watchglass.store.models import microseconds
from watchglass.store.quoting import literal
from watchglass.store.transactions import writing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sqlalchemy.engine import Connection, Engine

    from watchglass.store.folder import Folder
    from watchglass.store.leases import Lease

_DAY: Final = 86_400_000_000


def last_days(connection: Connection) -> dict[str, int]:
    """Give, for each model whose predictions the retention let go, the last such day since 1970; the audit says so."""
    found: dict[str, int] = {}
    for text in connection.execute(sa.select(c.audit.c.record).where(c.audit.c.action == "retention")).scalars():
        for gone in json.loads(text)["tables"]:
            if gone["table"] == "predictions":
                day = microseconds(datetime.fromisoformat(gone["last"])) // _DAY
                found[gone["model"]] = max(day, found.get(gone["model"], day))
    return found


def hold_back(folder: Folder, engine: Engine, cells: Sequence[tuple[str, Path]]) -> list[dict[str, object]]:
    """Write one file of the counts of such days for each model, of those (model, path) that can be read; gives rows of the manifest."""
    with engine.connect() as connection:
        days = last_days(connection)
    made = []
    for model, day in days.items():
        with engine_room(folder) as connection:
            paths = [path for name, path in cells if name == model and _readable(connection, path)]
            if not paths:
                continue
            made.append(
                write_summed(folder, connection, model, f"{_read(paths)} WHERE day <= DATE '1970-01-01' + {day}")
            )
    return [values for values in made if values is not None]


def publish(transaction: Connection, kept: Sequence[Mapping[str, object]]) -> None:
    """List what was held back, once all other cells are struck."""
    transaction.execute(c.watermarks.delete().where(c.watermarks.c.name.startswith(OUTLIVED)))
    for values in kept:
        key = transaction.execute(c.files.insert().values(**values)).inserted_primary_key
        transaction.execute(c.watermarks.insert().values(name=f"{OUTLIVED}{values['model']}", seq=key[0] if key else 0))


def settle(folder: Folder, engine: Engine) -> int:
    """Count what is to be counted, then take off what that gave for days that were held back; gives for how many models.

    While another process counts, merges or lets go, nothing is taken off: the watermarks stay, for the next time.
    """
    marks = sa.select(c.watermarks.c.name, c.watermarks.c.seq).where(c.watermarks.c.name.startswith(OUTLIVED))
    with engine.connect() as connection:
        held = connection.execute(marks).all()
    if not held:
        return 0
    follow(folder, engine)
    with ExitStack() as stack:
        leases = [stack.enter_context(hold(engine, name)) for name in ("cells", "merger", "retention")]
        alone = [lease for lease in leases if lease is not None]
        if len(alone) < len(leases):
            return 0
        return sum(_settle(folder, engine, name, seq, alone) for name, seq in held)


def _settle(folder: Folder, engine: Engine, name: str, seq: int, leases: Sequence[Lease]) -> int:
    model, t = name.removeprefix(OUTLIVED), c.files.c
    live = (t.kind == "cells") & (t.model == model) & t.removed.is_(None)
    with engine.connect() as connection:
        last = connection.execute(sa.select(t.last).where(live, t.seq == seq)).scalar()
        others = connection.execute(sa.select(t.path).where(live, t.seq != seq)).scalars().all()
    values = None
    if others and last is not None:  # else it was forgotten with the rest of its model
        source = f"{_read([folder.tables / path for path in others])} WHERE day <= DATE '1970-01-01' + {last // _DAY}"
        with engine_room(folder) as connection:
            values = write_summed(folder, connection, model, source, sign="-")
    with writing(engine) as transaction:
        for lease in leases:
            lease.check(transaction)
        if (
            transaction.execute(c.watermarks.delete().where(c.watermarks.c.name == name)).rowcount
            and values is not None
        ):
            transaction.execute(c.files.insert().values(**values))
    return 1


def _read(paths: Sequence[Path]) -> str:
    return f"read_parquet([{', '.join(literal(str(path)) for path in paths)}], union_by_name = true)"


def _readable(connection: duckdb.DuckDBPyConnection, path: Path) -> bool:
    if not path.exists():
        return False
    try:
        connection.execute(f"SELECT bit_xor(hash(r)) FROM {_read([path])} r").fetchone()
    except duckdb.Error:
        return False
    return True
