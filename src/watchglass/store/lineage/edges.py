"""A read → the run that made what was read, and by which rule that is known; looked up when asked, so it may come in any order.

1. content: the newest write of that name and version before the read. Where nobody had written it by then, the oldest one
   after it, if its run had begun: a run may say what it wrote when it is over.
2. time: the newest write of that name before the read, of whatever version: for a read that knows the name alone, and for a
   version that nobody is known to have written.
3. declared: a run that was named as upstream, with no data between.

A run that reads back what it has written itself depends on nobody for it. What nobody wrote has no producer. Each look-up is a
place in an index, however often a name was written or read.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, cast

import sqlalchemy as sa

from watchglass.store import catalog as c

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy.engine import Connection, Row

    Text: TypeAlias = "sa.ColumnElement[str]"

Rule = Literal["content", "time", "declared"]
AT_ONCE: Final = 10_000  # SQLite takes 32,766 variables in a statement, PostgreSQL 65,535
SKEW: Final = 60_000_000
"""µs by which the clocks of two machines may differ."""
_RULES: Final[dict[str, Rule]] = {"c": "content", "t": "time"}


class Resolved(NamedTuple):
    """What a run read, and who made that: `producer` is None where nobody is known, `rule` is then how the read is known itself.

    A run that was named as upstream, without data, has an empty name. `known` is how the read is known itself, `time` its µs.
    """

    run: str
    name: str
    version: str | None
    rule: Rule
    producer: str | None
    known: Rule
    time: int


def producer_of(r: sa.FromClause) -> Text:
    """Write the expression for the run that made what a row of `reads` read; it may be the reader itself."""
    return _resolved(r, lambda run, _: run)


def marked(r: sa.FromClause) -> Text:
    """Write the same with the rule's first letter before it, c or t."""
    return _resolved(r, lambda run, letter: sa.literal(letter) + run)


def _resolved(r: sa.FromClause, shown: Callable[[Text, str], Text]) -> Text:
    w, x, p = c.writes.alias(), c.writes.alias(), c.runs.alias()
    before = (w.c.time <= r.c.time) & ((w.c.run != r.c.run) | (w.c.time < r.c.time))
    same = (w.c.name == r.c.name) & (w.c.version == r.c.version)
    later = sa.select(w.c.run).where(same, w.c.time > r.c.time, w.c.run != r.c.run)
    nobody = (
        ~sa.select(x.c.run)
        .where(x.c.name == r.c.name, x.c.version == r.c.version, x.c.time <= r.c.time)
        .correlate(r)
        .exists()
    )
    begun = sa.select(shown(p.c.id, "c")).where(
        p.c.id == later.order_by(w.c.time, w.c.run).limit(1).correlate(r).scalar_subquery(),
        p.c.started <= r.c.time + SKEW,
        nobody,
    )

    def newest(letter: str, *where: sa.ColumnElement[bool]) -> Text:
        query = sa.select(shown(w.c.run, letter)).where(*where, before)
        return query.order_by(w.c.time.desc(), w.c.run.desc()).limit(1).correlate(r).scalar_subquery()

    content = sa.case((r.c.version != "", sa.func.coalesce(newest("c", same), begun.correlate(r).scalar_subquery())))
    return cast("Text", sa.func.coalesce(content, newest("t", w.c.name == r.c.name)))


def resolved(row: Row[*tuple[object, ...]]) -> Resolved | None:
    """Make the edge of a row with run, name, version, rule, time, marked and upstream; None for a row that tells of none."""
    if row.upstream is not None:
        return Resolved(row.run, "", None, "declared", row.upstream, "declared", row.time)
    if row.name is None:
        return None
    made = row.marked[1:] if row.marked is not None and row.marked[1:] != row.run else None
    rule = _RULES[row.marked[0]] if made is not None else row.rule
    return Resolved(row.run, row.name, row.version or None, rule, made, row.rule, row.time)


def parts(runs: Sequence[str]) -> Iterator[Sequence[str]]:
    """Part ids into lists that fit one statement."""
    for start in range(0, len(runs), AT_ONCE):
        yield runs[start : start + AT_ONCE]


def producers(connection: Connection, runs: Sequence[str]) -> list[Resolved]:
    """Resolve all that some runs read, and the runs that they name as upstream."""
    found: list[Resolved] = []
    for part in parts(runs):
        rows = connection.execute(_read_by(), {"runs": list(part)})
        found += [one for row in rows if (one := resolved(row)) is not None]
    return found


@cache
def _read_by() -> sa.CompoundSelect[*tuple[object, ...]]:
    r, links, nothing = c.reads, c.run_links, sa.null()
    runs: sa.BindParameter[str] = sa.bindparam("runs", expanding=True)
    read = sa.select(
        r.c.run, r.c.name, r.c.version, r.c.rule, r.c.time, marked(r).label("marked"), nothing.label("upstream")
    )
    named = sa.select(links.c.run, nothing, nothing, nothing, links.c.time, nothing, links.c.upstream)
    return sa.union_all(read.where(r.c.run.in_(runs)), named.where(links.c.run.in_(runs)))
