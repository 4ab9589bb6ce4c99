"""A declared version of a model → the artifact version that it is and the run that made that; runs → the models made of what they wrote.

A version of a model names its artifact with the artifact's version, or by name alone. By name alone it is what the declaring
run wrote under that name, else the newest write before the declaration: looked up when asked, so segments come in any order.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, cast

import sqlalchemy as sa

from watchglass.errors import BadInput, UnknownName
from watchglass.store import catalog as c
from watchglass.store.lineage.carriers import is_clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    Text = sa.ColumnElement[str | None]


def maker_of(v: sa.FromClause) -> Text:
    """Write the expression for the run that made the artifact of a row of `model_versions`; NULL where nobody is known to have."""
    w = c.writes.alias()
    told = v.c.artifact_version.is_not(None)
    same = _newest(v, w, w.c.run, w.c.version == v.c.artifact_version)
    return cast("Text", sa.case((told, same), else_=_by_name(v, "run")))


def content_of(v: sa.FromClause) -> Text:
    """Write the expression for the artifact's version, "" where it was written by name alone; NULL where nobody is known to have."""
    return cast("Text", sa.func.coalesce(v.c.artifact_version, _by_name(v, "version")))


def _by_name(v: sa.FromClause, what: str) -> Text:
    own, before = c.writes.alias(), c.writes.alias()
    by_run = sa.select(own.c[what]).where(own.c.run == v.c.run, own.c.name == v.c.artifact)
    # ordered by an expression, lest SQLite walks all writes of the name in the order of their times
    written = by_run.order_by((own.c.time + 0).desc()).limit(1).correlate(v).scalar_subquery()
    return cast("Text", sa.func.coalesce(written, _newest(v, before, before.c[what], before.c.time <= v.c.time)))


def _newest(v: sa.FromClause, w: sa.FromClause, what: sa.ColumnElement[str], where: sa.ColumnElement[bool]) -> Text:
    query = sa.select(what).where(w.c.name == v.c.artifact, where).order_by(w.c.time.desc(), w.c.run.desc())
    return cast("Text", query.limit(1).correlate(v).scalar_subquery())


def artifact_of(connection: Connection, model: str, version: str | None) -> tuple[str, str]:
    """Name the artifact that a version of a model is, and its version; raises `UnknownName`, `BadInput` for one whose content is not known."""
    v, content = c.model_versions.c, content_of(c.model_versions).label("content")
    rows = connection.execute(sa.select(v.version, v.artifact, content).where(v.model == model)).all()
    row = next((one for one in rows if one.version == version), None)
    if row is None:
        noun = f"version of model {model!r}"
        raise UnknownName.named(noun, str(version), [one.version for one in rows], step="watchglass models")
    if row.artifact is None or not row.content:
        message = f"version {version!r} of model {model!r} names no artifact whose content is known: wg.log_model(…, artifact=…) does"
        raise BadInput(message)
    return row.artifact, row.content


def made_by(connection: Connection, runs: Sequence[str], *, clean: bool = True) -> set[tuple[str, str]]:
    """Name the (model, version) that some runs declared, or whose artifact they wrote; without `clean`, not what they wrote of nobody."""
    found = connection.execute(_made_by(clean=clean), {"runs": list(runs)})
    return {(row.model, row.version) for row in found}


@cache
def _made_by(*, clean: bool) -> sa.CompoundSelect[str, str]:
    v, w = c.model_versions, c.writes
    runs: sa.BindParameter[str] = sa.bindparam("runs", expanding=True)
    declared = sa.select(v.c.model, v.c.version).where(v.c.run.in_(runs))
    told = sa.select(v.c.model, v.c.version).select_from(
        w.join(v, (v.c.artifact == w.c.name) & (v.c.artifact_version == w.c.version))
    )
    by_name = sa.select(v.c.model, v.c.version).select_from(
        w.join(v, (v.c.artifact == w.c.name) & v.c.artifact_version.is_(None) & (maker_of(v) == w.c.run))
    )
    of = (w.c.run.in_(runs), *(() if clean else (~is_clean(w),)))
    return sa.union(declared, told.where(*of), by_name.where(*of))
