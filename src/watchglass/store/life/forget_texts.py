"""The catalog's texts and what is forgotten → the same without it, and, of what must stay as it is (names, keys), where it stands and how often.

Nobody can know that a text of a run is about a person but by their name or id in it: where that means the same
wherever it stands (four characters and no number, at least), `(forgotten)` is put in its place. A name by which other
things find a row is left, and counted.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store.dialects import place_in
from watchglass.store.life.forget_mentions import FEW, named, without, written
from watchglass.store.transactions import next_change

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from sqlalchemy.engine import Connection

    from watchglass.records import Json
    from watchglass.store.life.forget_keys import Sought

INSTEAD: Final = "(forgotten)"
_FREE: Final[dict[sa.Table, tuple[str, ...]]] = {
    c.runs: ("error", "params", "metrics", "notes", "left_out", "tests"),
    c.artifacts: ("preview", "profile"),
    c.flags: ("note",),
    c.quarantines: ("reason",),
    c.components: ("description",),
    c.questions: ("sql", "description"),
    c.audit: ("record",),
    c.verdicts: ("record",),
    c.incidents: ("record",),
    c.monitors: ("state",),
}
"""Texts that nothing is found by."""
_ELSEWHERE: Final = (c.files, c.segments, c.graph_segments, c.leases, c.schema_version, c.rejected, c.repeats)
"""Tables of our own names, and those whose rows are wiped by their ids."""
_TAGS: Final = (c.subject_tags.c.tag, c.retractions.c.tag)
FIXED: Final = (
    *("kind", "severity", "state", "status", "role", "unit", "aspect", "check"),
    *("name", "model", "environment", "version", "metric", "action", "plan"),
)
"""Where a record names a thing, or one of few words."""


def wipe(transaction: Connection, sought: Sought, *, dry: bool = False) -> tuple[Counter[str], Counter[str]]:
    """Put something else in place of the texts; gives how many rows by place (table.column) were changed, and how many say it still.

    `dry` only counts. Where one model or environment was asked, nothing is changed: a run belongs to none.
    """
    changed: Counter[str] = Counter()
    left: Counter[str] = Counter()
    for table in c.META.sorted_tables:
        if table in _ELSEWHERE:
            continue
        for column in table.columns:
            if not isinstance(column.type, sa.String):
                continue
            free = column.name in _FREE.get(table, ())
            place = f"{table.name}.{column.name}"
            if dry and column is c.columns.c.categories:
                continue  # it loses what nobody else counts, which a dry run does not work out
            for key, text, said in list(_holding(transaction, column, sought, free=free)):
                if column in _TAGS and text in sought.about.names:
                    continue  # it goes with what carries it
                after = _told_without(text, sought.said(text), column) if free and sought.everywhere else text
                if after != text:
                    changed[place] += 1
                    if not dry:
                        _put(transaction, column, key, after)
                left[place] += bool(named(after, said))
    return changed, +left


def _holding(
    transaction: Connection, column: sa.Column[object], sought: Sought, *, free: bool
) -> Iterator[tuple[tuple[object, ...], str, frozenset[str]]]:
    """Give the key and the text of each row that holds one of the texts, and which; ids only where a text is free, a name anywhere."""
    ids = sought.ids if free else _own(sought)
    names = sought.about.names
    if not ids and not names:
        return
    query = sa.select(*column.table.primary_key.columns, column).where(column.is_not(None))
    if len(ids) <= FEW:
        ways = sorted({way for text in (*names, *ids) for way in written(text)})
        query = query.where(sa.or_(*(place_in(column, way) > 0 for way in ways)))
    for row in transaction.execute(query):
        if said := named(row[-1], names) | named(row[-1], ids):
            yield tuple(row[:-1]), row[-1], said


def _own(sought: Sought) -> AbstractSet[str]:
    """Give the id that was asked for itself."""
    return frozenset((sought.about.text,)) if sought.about.by == "prediction" else frozenset()


def _put(transaction: Connection, column: sa.Column[object], key: tuple[object, ...], text: str) -> None:
    table = column.table
    chosen = sa.and_(*(part == value for part, value in zip(table.primary_key.columns, key, strict=True)))
    values: dict[str, object] = {column.name: text}
    if "changed" in table.c:
        values["changed"] = next_change(transaction)
    transaction.execute(sa.update(table).where(chosen).values(values))


def _told_without(text: str, gone: frozenset[str], column: sa.Column[object]) -> str:
    """Write a text without some others: in JSON wherever they stand, in a question where they stand as a value."""
    if not gone:
        return text
    if column.table is c.questions and column.name == "sql":
        listed = "|".join(re.escape(one.replace("'", "''")) for one in gone)
        return re.sub(rf"'(?:{listed})'", f"'{INSTEAD}'", text)
    if text.startswith(("{", "[")):
        try:
            told: Json = json.loads(text)
            keyed = column.table is c.runs
            return json.dumps(said_without(told, gone, fixed=() if keyed else FIXED), ensure_ascii=False)
        except (ValueError, RecursionError):
            pass
    return without(text, gone, INSTEAD)


def said_without(told: Json, gone: AbstractSet[str], *, fixed: tuple[str, ...] = (), stars: bool = False) -> Json:
    """Write a record without some texts, wherever they stand in it but under the names that are `fixed`; keys change only where none is.

    In their place stands `INSTEAD`, or `stars`, as many as they have characters.
    """
    if isinstance(told, dict):
        return {
            name if fixed else _word(name, gone, stars=stars): part
            if name in fixed
            else said_without(part, gone, fixed=fixed, stars=stars)
            for name, part in told.items()
        }
    if isinstance(told, list):
        return [said_without(part, gone, fixed=fixed, stars=stars) for part in told]
    return _word(told, gone, stars=stars) if isinstance(told, str) else told


def _word(text: str, gone: AbstractSet[str], *, stars: bool) -> str:
    for one in sorted(gone, key=len, reverse=True):
        text = without(text, frozenset((one,)), "*" * len(one) if stars else INSTEAD)
    return text
