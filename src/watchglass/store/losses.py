"""What recording processes dropped → counts by reason: from each process's own file beside the log and from the catalog.

Both are cumulative, so of one process the larger count of a reason holds (the form: capture/drops.py).
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchglass.store import catalog as c
from watchglass.store.graph import take_in
from watchglass.store.transactions import writing
from watchglass.store.upserts import larger

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder

_TRIES: Final = 5

Counts = dict[tuple[str, str], tuple[int, int]]
"""(writer, reason) → (rows, time in µs)"""


def losses(folder: Folder, engine: Engine) -> Mapping[str, int]:
    """Count what all recording processes of a store dropped, by reason, most first."""
    take_in(folder, engine)
    query = sa.select(c.drops.c.writer, c.drops.c.reason, c.drops.c.rows, c.drops.c.time)
    with engine.connect() as connection:
        found: Counts = {(writer, reason): (rows, at) for writer, reason, rows, at in connection.execute(query)}
    for path in _files(folder):
        for key, told in _read(path).items():
            found[key] = max(found.get(key, (0, 0)), told)
    by_reason: dict[str, int] = {}
    for (_, reason), (rows, _) in found.items():
        by_reason[reason] = by_reason.get(reason, 0) + rows
    return dict(sorted(by_reason.items(), key=lambda item: (-item[1], item[0])))


def take_over(folder: Folder, engine: Engine) -> int:
    """Take the counts of dead processes into the catalog and remove their files; gives how many."""
    gone = 0
    for path in _files(folder):
        with suppress(FileNotFoundError):
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            else:
                _keep(engine, _read(path))
                path.unlink(missing_ok=True)
                gone += 1
            finally:
                os.close(handle)
    return gone


def _keep(engine: Engine, counts: Counts) -> None:
    if not counts:
        return
    statement = insert(c.drops)
    kept = {"rows": larger(statement.excluded.rows, c.drops.c.rows), "time": statement.excluded.time}
    rows = [
        {"writer": writer, "reason": reason, "rows": lost, "time": at}
        for (writer, reason), (lost, at) in counts.items()
    ]
    with writing(engine) as transaction:
        transaction.execute(statement.on_conflict_do_update(index_elements=["writer", "reason"], set_=kept), rows)


def _files(folder: Folder) -> list[Path]:
    home = folder.root / "log" / "drops"
    return sorted(home.glob("*.json")) if home.is_dir() else []


def _read(path: Path) -> Counts:
    """Read a process's own file; one that is half changed is read again, one that never says anything is empty."""
    for _ in range(_TRIES):
        try:
            about = json.loads(path.read_bytes())
            return {
                (str(about["writer"]), str(reason)): (int(rows), int(about["time"]))
                for reason, rows in about["reasons"].items()
            }
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError, AttributeError):
            time.sleep(0.01)
    return {}
