"""A model's name → its schema: what is registered of its columns, how they changed, and how much of it did not fit, by reason."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime  # noqa: TC003 - the API is described from it
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.capture.redaction_rules import ACTIONS
from watchglass.capture.tuned import FILE
from watchglass.errors import BadInput, StoreError
from watchglass.receive.redacting import rules_in
from watchglass.store import catalog as c
from watchglass.store.columns import IN_FILES
from watchglass.store.graph import take_in
from watchglass.store.models import model_named, moment
from watchglass.store.outputs import ROLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection, Engine

    from watchglass.capture.redaction_rules import Rule
    from watchglass.store.folder import Folder

MOST: Final = 1000
REASONS: Final = 20
_OF_ROWS: Final = ("*", "features", "tags", "prediction", "score", "label", "id", "error")
_ORDER: Final = ("id", "time", "prediction", "score", "label", "feature", "tag")


@dataclass(frozen=True, slots=True)
class SchemaColumn:
    """A column of a model as registered.

    `type` is number, boolean, text or json, and never changes; `purpose` is subject, embedding, text or image.
    `declared` says whether `log_model` told of it. `since` is the time of its first value (None: none was seen yet),
    for what a model has one of (its label), when it was declared. `whole` says whether all numbers were whole so far
    (None: not known). `missing` says whether it has values no more. `conflicts` counts the values that were not of its
    type and are kept as NULL. `redaction` says what is done to its values before they are written, by the rules in force
    now: drop, hash or mask (None: nothing).
    """

    role: str
    name: str
    type: str
    purpose: str | None
    unit: str | None
    declared: bool
    since: datetime | None
    whole: bool | None
    missing: bool
    conflicts: int
    redaction: str | None = None


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """What changed about a column, and since when.

    `change` is new (it had its first value), missing (no value in a whole day of at least 100 rows, or a file of at
    least 1,000, though it had some before), back, widened (its whole numbers got fractions) or conflict: values that
    are not of its type, `rows` of them in that day, or, with `after`, a type that was declared too late.
    """

    id: int
    role: str
    name: str
    change: str
    before: str | None
    after: str | None
    rows: int | None
    time: datetime


@dataclass(frozen=True, slots=True)
class Schema:
    """A model's columns, the newest changes first, and rows that could not be taken by reason, most first.

    `redaction` lists (field, action) of the rules in force that are about its rows: a column that was always dropped is
    no column.
    `next` is where the next page of changes begins (`after`), None where there are no more.
    """

    model: str
    columns: tuple[SchemaColumn, ...]
    changes: tuple[SchemaChange, ...]
    rejected: tuple[tuple[str, int], ...]
    next: int | None
    redaction: tuple[tuple[str, str], ...] = ()


def schema_of(folder: Folder, engine: Engine, model: str, *, limit: int = 100, after: int | None = None) -> Schema:
    """Give a model's schema with at most `limit` changes, those older than the one with the id `after`."""
    limit = checked_limit(limit)
    take_in(folder, engine)
    with engine.connect() as connection:
        model_named(connection, model)
        changes = _changes(connection, model, limit, after)
        more = changes[limit - 1].id if len(changes) > limit else None
        columns, reasons = _columns(connection, model), _reasons(connection, model)
    return _with_rules(folder, Schema(model, columns, changes[:limit], reasons, more))


def _with_rules(folder: Folder, found: Schema) -> Schema:
    """Say of each column what the rules of redaction in force do to it."""
    try:
        rules = rules_in(str(folder.root / FILE))
    except OSError as error:
        message = f"the settings of {str(folder.root)!r} cannot be read: {error.strerror or error}"
        raise StoreError(message) from error
    about = [
        rule for rule in rules if fnmatchcase(found.model, rule.model) and rule.field.partition(".")[0] in _OF_ROWS
    ]
    columns = tuple(replace(column, redaction=_done_to(about, found.model, column)) for column in found.columns)
    return replace(found, columns=columns, redaction=tuple((rule.field, rule.action) for rule in about))


def _done_to(rules: Sequence[Rule], model: str, column: SchemaColumn) -> str | None:
    """Give the action that goes before the others."""
    place = (f"{column.role}s", column.name) if column.role in IN_FILES else (column.role, "")
    actions = {rule.action for rule in rules if rule.fits(model, *place)}
    return next((action for action in ACTIONS if action in actions), None)


def checked_limit(limit: int) -> int:
    """Take the size of a page; raises `BadInput`."""
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MOST:
        message = f"limit cannot be {limit!r}: 1 to {MOST} would do; what is older comes with `after`"
        raise BadInput(message)
    return limit


def _columns(connection: Connection, model: str) -> tuple[SchemaColumn, ...]:
    changes = c.column_changes.c
    of = sa.select(changes.role, changes.name).where(changes.model == model)
    fell = of.add_columns(sa.func.sum(changes.rows)).where(changes.change == "conflict", changes.after.is_(None))
    counted = {(role, name): int(rows or 0) for role, name, rows in connection.execute(fell.group_by("role", "name"))}
    turned = of.add_columns(changes.change).where(changes.change.in_(("missing", "back"))).order_by(changes.id)
    state = {(role, name): change for role, name, change in connection.execute(turned)}
    found = [
        SchemaColumn(
            role=row.role,
            name=row.name,
            type=row.type,
            purpose=row.purpose,
            unit=row.unit,
            declared=bool(row.declared),
            since=None if row.since is None else moment(row.since),
            whole=None if row.whole is None else bool(row.whole),
            missing=state.get((row.role, row.name)) == "missing",
            conflicts=counted.get((row.role, row.name), 0),
        )
        for row in connection.execute(sa.select(c.columns).where(c.columns.c.model == model, c.columns.c.role != ROLE))
    ]
    return tuple(sorted(found, key=lambda column: (_ORDER.index(column.role), column.name)))


def _changes(connection: Connection, model: str, limit: int, after: int | None) -> tuple[SchemaChange, ...]:
    """List the newest changes, one more than the page holds where there are more."""
    changes = c.column_changes.c
    query = sa.select(c.column_changes).where(changes.model == model).order_by(changes.id.desc()).limit(limit + 1)
    if after is not None:
        query = query.where(changes.id < after)
    return tuple(
        SchemaChange(row.id, row.role, row.name, row.change, row.before, row.after, row.rows, moment(row.time))
        for row in connection.execute(query)
    )


def _reasons(connection: Connection, model: str) -> tuple[tuple[str, int], ...]:
    """Count what was rejected by reason; the reasons beyond some are one."""
    rows = sa.func.sum(c.rejected.c.rows)
    query = sa.select(c.rejected.c.reason, rows).where(c.rejected.c.model == model).group_by(c.rejected.c.reason)
    found = [(reason, int(count)) for reason, count in connection.execute(query.order_by(rows.desc(), "reason"))]
    rest = sum(count for _, count in found[REASONS:])
    return (*found[:REASONS], *([("other reasons", rest)] if rest else []))
