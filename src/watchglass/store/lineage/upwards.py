"""Runs → all runs upstream of them and every edge between, in one statement that the catalog walks by itself, each run once."""

from __future__ import annotations

from collections import deque
from functools import cache
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store.lineage.edges import marked, producer_of, resolved

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.engine import Connection

    from watchglass.store.lineage.edges import Resolved

SHALLOW: Final = 16
"""Up to so many hops the catalog counts them, a run once for each distance it is at; deeper, all is walked and then cut."""


def walk(connection: Connection, seeds: sa.Select[str], values: Mapping[str, object]) -> dict[str, list[Resolved]]:
    """Give, of each run found, what it read and who made that.

    `seeds` is a statement made once, `values` are its parameters: what is built of it is built once.
    """
    found: dict[str, list[Resolved]] = {}
    for row in connection.execute(_query(seeds, counted=False, one=False), values):
        _note(found, row)
    return found


def walk_from(
    connection: Connection, seed: sa.Select[str], values: Mapping[str, object], depth: int | None = None
) -> tuple[str | None, dict[str, list[Resolved]]]:
    """Give the one run that the walk begins at, None where there is none, and the same; with `depth`, only of runs so near."""
    counted = depth is not None and depth <= SHALLOW
    found: dict[str, list[Resolved]] = {}
    first = None
    query = _query(seed, counted=counted, one=True)
    for row in connection.execute(query, {**values, **({"depth": depth} if counted else {})}):
        first = row.first
        _note(found, row)
    return first, found


def _note(found: dict[str, list[Resolved]], row: sa.Row[*tuple[object, ...]]) -> None:
    listed = found.setdefault(row.run, [])
    if (one := resolved(row)) is not None:
        listed.append(one)


@cache
def _query(seeds: sa.Select[str], *, counted: bool, one: bool) -> sa.Select[*tuple[object, ...]]:
    up = _up(seeds, counted=counted)
    runs = sa.select(up.c.run).distinct().subquery() if counted else up
    kinds = _kinds()
    r, links = c.reads.alias(), c.run_links.alias()
    return (
        sa.select(
            runs.c.run,
            r.c.name,
            r.c.version,
            r.c.rule,
            sa.func.coalesce(r.c.time, links.c.time).label("time"),
            sa.case((r.c.name.is_not(None), marked(r))).label("marked"),
            links.c.upstream,
            *([seeds.scalar_subquery().label("first")] if one else []),
        )
        .select_from(
            runs.join(kinds, sa.true())
            .outerjoin(r, r.c.run == sa.case((kinds.c.kind == 0, runs.c.run)))
            .outerjoin(links, links.c.run == sa.case((kinds.c.kind == 1, runs.c.run)))
        )
        .where(runs.c.run.is_not(None))
    )


def _up(seeds: sa.Select[str], *, counted: bool) -> sa.CTE:
    kinds = _kinds()
    r, links = c.reads.alias(), c.run_links.alias()
    base = seeds.subquery()
    first = sa.select(base.c[0].label("run"), *([sa.literal(0).label("depth")] if counted else []))
    up = first.cte("up", recursive=True)
    made = sa.case((kinds.c.kind == 0, sa.case((r.c.name.is_not(None), producer_of(r)))), else_=links.c.upstream)
    tables = (
        up.join(kinds, sa.true())
        .outerjoin(r, r.c.run == sa.case((kinds.c.kind == 0, up.c.run)))
        .outerjoin(links, links.c.run == sa.case((kinds.c.kind == 1, up.c.run)))
    )
    found = sa.select(made.label("run"), *([up.c.depth + 1] if counted else [])).select_from(tables)
    return up.union(found.where(up.c.depth < sa.bindparam("depth")) if counted else found)


def _kinds() -> sa.Subquery:
    """Make two rows, of reads and of runs that are named: a recursive step may name itself but once."""
    return sa.union_all(sa.select(sa.literal(0).label("kind")), sa.select(sa.literal(1))).subquery("kinds")


def distances(edges: Mapping[str, Iterable[Resolved]], seeds: Iterable[str]) -> dict[str, int]:
    """Give how many hops each run is from the nearest seed, nearest first."""
    found = dict.fromkeys(seeds, 0)
    queue = deque(found)
    while queue:
        run = queue.popleft()
        for one in edges.get(run, ()):
            if one.producer is not None and one.producer not in found:
                found[one.producer] = found[run] + 1
                queue.append(one.producer)
    return found
