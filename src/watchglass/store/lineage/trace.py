"""An output, or a run → all runs upstream of it, each once, nearest first, and every edge between them with its rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.errors import BadInput
from watchglass.records import Run  # noqa: TC001 - the description of the API reads it
from watchglass.store import catalog as c
from watchglass.store.graph import take_in
from watchglass.store.lineage.names import unknown_output
from watchglass.store.lineage.steps import Edge, records, shown
from watchglass.store.lineage.upwards import distances, walk_from

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

    from watchglass.errors import UnknownName
    from watchglass.store.folder import Folder


@dataclass(frozen=True, slots=True)
class Trace:
    """The runs that made something: `run` is the one that was asked for, or wrote the newest version of the name.

    `steps` are pairs of hops and run, each run once, by the least number of hops, the nearest first and of these the
    newest. `edges` are all that these runs read; an edge to a producer that is no step leads beyond `depth`, or to a run
    that was named but never recorded.
    """

    of: str
    version: str | None
    run: str
    steps: tuple[tuple[int, Run], ...]
    edges: tuple[Edge, ...]


def trace(folder: Folder, engine: Engine, of: str, version: str | None = None, depth: int | None = None) -> Trace:
    """Walk upstream from a run, by its id, or from the newest write of a name, or of one version of it.

    Raises `UnknownName`, which names near names, and `BadInput` for a depth below 0.
    """
    checked_depth(depth)
    take_in(folder, engine)
    with engine.connect() as connection:
        seed = START if version is None else WRITTEN
        run, edges = walk_from(connection, seed, {"of": of, "version": version}, depth)
        if run is None:
            raise unknown(connection, of, version)
        near = {found: hops for found, hops in distances(edges, [run]).items() if depth is None or hops <= depth}
        recorded = records(connection, list(near), edges)
    steps = sorted(
        ((hops, recorded[found]) for found, hops in near.items() if found in recorded),
        key=lambda step: (step[0], -step[1].started.timestamp(), step[1].id),
    )
    listed = (one for found in near for one in edges.get(found, ()))
    return Trace(of, version, run, tuple(steps), shown(listed))


def checked_depth(depth: object) -> None:
    """Raise `BadInput` for a depth that is none."""
    if depth is not None and (isinstance(depth, bool) or not isinstance(depth, int) or depth < 0):
        message = f"depth cannot be {depth!r}: a number of hops from 0 on would do, None is all"
        raise BadInput(message)


def _newest_write(*where: sa.ColumnElement[bool]) -> sa.ScalarSelect[str]:
    w = c.writes.c
    query = sa.select(w.run).where(w.name == _OF, *where).order_by(w.time.desc(), w.run.desc())
    return query.limit(1).scalar_subquery()


_OF: Final = sa.bindparam("of", type_=sa.String)
_RUN: Final = sa.select(c.runs.c.id).where(c.runs.c.id == _OF).scalar_subquery()
START: Final = sa.select(sa.func.coalesce(_RUN, _newest_write()).label("run"))
"""The run with an id; else the one that wrote a name last."""
WRITTEN: Final = sa.select(_newest_write(c.writes.c.version == sa.bindparam("version", type_=sa.String)).label("run"))
"""The run that wrote a version of a name last."""


def unknown(connection: Connection, of: str, version: str | None) -> UnknownName:
    """Make the error for what nobody is known to have written."""
    return unknown_output(connection, of if version is None else f"{of}@{version}", "run or output")
