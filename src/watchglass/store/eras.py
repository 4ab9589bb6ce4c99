"""How a model's rows were counted, from which file on → under which slices, and in which frames, each row is taken away again.

A slice may be declared, or struck, at any time; it holds for the rows that are counted from then on, and so do the labels
of those rows. A column of numbers gets its frame with its first number; infinities that came before lie in the first
coarse bin. A row is known to have been counted so by where its file stands in the manifest; an era lasts until another
begins, and is a watermark of the catalog: its name says what held, its number from which file on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchglass.store import catalog as c
from watchglass.store.quoting import literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb
    from sqlalchemy.engine import Connection

    from watchglass.store.folder import Folder

_NAME: Final = "era:"


@dataclass(frozen=True, slots=True)
class Era:
    """What held from a file on: the tags that were slices, the columns whose infinities had no frame yet, the outputs that were counted."""

    since: int
    tags: tuple[str, ...] = ()
    unframed: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Eras:
    """The eras of a model in order; none before its first row is counted."""

    found: tuple[Era, ...] = ()

    @property
    def tags(self) -> tuple[str, ...]:
        """Every tag that was ever a slice."""
        return tuple(sorted({tag for era in self.found for tag in era.tags}))

    def at(self, position: int) -> Era:
        """Give what held when the rows of a file were counted.

        >>> Eras((Era(0), Era(7, ("site",)))).at(6)
        Era(since=0, tags=(), unframed=(), outputs=())
        """
        before = [era for era in self.found if era.since <= position]
        return before[-1] if before else Era(0)

    def and_then(self, era: Era) -> Eras:
        """Add what holds from a file on, unless it held before.

        >>> Eras().and_then(Era(3, ("site",))).and_then(Era(5, ("site",))).and_then(Era(6)).found[1]
        Era(since=6, tags=(), unframed=(), outputs=())
        """
        last = self.found[-1] if self.found else None
        if last is not None and replace(last, since=era.since) == era:
            return self
        return Eras((*self.found, era))

    def sliced(self, tag: str, position: str = "position") -> str:
        """Write the condition that the rows of a file at a position were counted under a tag.

        >>> Eras((Era(3, ("site",)), Era(5), Era(8, ("site",)))).sliced("site")
        '(position < 5 OR position >= 8)'
        """
        spans: list[tuple[int | None, int | None]] = []
        for place, era in enumerate(self.found):
            end = self.found[place + 1].since if place + 1 < len(self.found) else None
            if tag in era.tags:
                begin = era.since if place else None  # nothing was counted before the first
                if spans and spans[-1][1] == begin:
                    begin = spans.pop()[0]
                spans.append((begin, end))
        return "(" + (" OR ".join(_between(position, *span) for span in spans) or "false") + ")"

    def always(self, tag: str) -> bool:
        """Say whether all rows were counted under a tag."""
        return all(tag in era.tags for era in self.found)


def _between(position: str, begin: int | None, end: int | None) -> str:
    bounds = [f"{position} >= {begin}"] if begin is not None else []
    bounds += [f"{position} < {end}"] if end is not None else []
    return " AND ".join(bounds) or "true"


def eras_of(folder: Folder, catalog: Connection, connection: duckdb.DuckDBPyConnection, model: str) -> Eras:
    """Read the eras of a model.

    An older version kept none: what it counted is taken to have been counted under every tag that its cells have.
    """
    t = c.watermarks.c
    begin = f"{_NAME}{json.dumps([model])[:-1]}, "
    marks = sa.select(t.name).where((t.name == "cells") | t.name.startswith(begin, autoescape=True)).order_by(t.seq)
    names = catalog.execute(marks).scalars().all()
    if "cells" not in names:
        return Eras()  # all is counted anew
    if found := [_read(name) for name in names if name != "cells"]:
        return Eras(tuple(found))
    cells = sa.select(c.files.c.path).where(
        c.files.c.kind == "cells", c.files.c.model == model, c.files.c.removed.is_(None)
    )
    paths = [literal(str(folder.tables / path)) for path in catalog.execute(cells).scalars()]
    if not paths:
        return Eras()
    seen = connection.execute(
        f"SELECT DISTINCT unnest(json_keys(slice)) AS tag FROM read_parquet([{', '.join(paths)}], union_by_name = true)"
        " WHERE kind = 'rows' AND slice != '' ORDER BY tag"
    ).fetchall()
    return Eras((Era(0, tuple(tag for (tag,) in seen)),))


def _read(name: str) -> Era:
    _, since, *held = json.loads(name.removeprefix(_NAME))
    return Era(int(since), *map(tuple, held))


def keep_eras(transaction: Connection, model: str, eras: Eras) -> None:
    """Write the eras of a model into the catalog; those that are there stay."""
    rows = [{"name": _written(model, era), "seq": era.since} for era in eras.found]
    if rows:
        transaction.execute(insert(c.watermarks).on_conflict_do_nothing(), rows)


def _written(model: str, era: Era) -> str:
    held = (era.tags, era.unframed, *([era.outputs] if era.outputs else []))  # as it was before outputs were counted
    return f"{_NAME}{json.dumps([model, era.since, *held])}"


def drop_eras(transaction: Connection) -> None:
    """Forget the eras of all models, when all is counted anew."""
    t = c.watermarks.c
    if transaction.execute(sa.select(t.seq).where(t.name == "cells")).first() is None:
        transaction.execute(c.watermarks.delete().where(t.name.startswith(_NAME)))


def apart(catalog: Connection, model: str, positions: Sequence[int]) -> list[int]:
    """Number the eras in which files at these positions were counted: only files of one era may be merged."""
    t = c.watermarks.c
    begin = f"{_NAME}{json.dumps([model])[:-1]}, "
    firsts = catalog.execute(sa.select(t.seq).where(t.name.startswith(begin, autoescape=True))).scalars().all()
    return [sum(first <= position for first in firsts) for position in positions]
