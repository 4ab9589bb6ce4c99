"""The bytes that artifact versions name → findings: those that are not there, those whose bytes are not what their name says."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from watchglass.capture.keeping_place import place_of
from watchglass.store import catalog as c
from watchglass.store.doctor.visit import Finding
from watchglass.store.parquet import sum_of
from watchglass.store.quarantine import set_aside
from watchglass.store.transactions import next_change, writing

if TYPE_CHECKING:
    from watchglass.store.doctor.visit import Visit


def check_kept(visit: Visit) -> None:
    """Hold kept bytes against their names, which are their sums; `quick` looks only whether they are there."""
    with visit.engine.connect() as connection:
        query = sa.select(c.artifacts.c.kept).where(c.artifacts.c.kept.is_not(None)).distinct()
        names = [str(name) for name in connection.execute(query.order_by(c.artifacts.c.kept)).scalars()]
    for name in names:
        path = Path(place_of(str(visit.folder.root), name))
        if not path.exists():
            means = f"{_of(visit, name)} cannot be loaded: the kept bytes are not there (they may still come from another machine)"
            mend = "put the file back from a backup, or save it again"
            visit.found(Finding("warning", "kept bytes missing", visit.shown(path), means, mend))
        elif not visit.quick and sum_of(path) != name.partition(".")[0]:
            means = f"{_of(visit, name)} is not loaded: the kept bytes are damaged"
            mend = "put the file back from a backup, or save it again; --mend moves it to quarantine"
            finding = Finding("error", "kept bytes damaged", visit.shown(path), means, mend)
            visit.found(finding, partial(_strike, visit, path, name))


def _of(visit: Visit, name: str) -> str:
    """Say which versions name the bytes."""
    with visit.engine.connect() as connection:
        query = sa.select(c.artifacts.c.name, c.artifacts.c.version).where(c.artifacts.c.kept == name).limit(4)
        found = [f"{row.name!r} {row.version}" for row in connection.execute(query)]
    return "artifact " + ", ".join(found[:3]) + (" and others" if len(found) > 3 else "")  # noqa: PLR2004 - what is shown


def _strike(visit: Visit, path: Path, name: str) -> None:
    """Set damaged bytes aside, and say of their versions that nothing but the version is kept."""
    set_aside(visit.folder, path, f"its bytes have not the sum {name.partition('.')[0]}", visit.now)
    with writing(visit.engine) as transaction:
        number = next_change(transaction)
        struck = c.artifacts.update().where(c.artifacts.c.kept == name)
        transaction.execute(struck.values(kept=None, policy=None, changed=number))
