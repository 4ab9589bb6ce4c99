"""The catalog and what was forgotten → the same without a word of it: kept lines, counts of repeats, dictionaries, evidence; then its pages written anew."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchglass.errors import StoreError
from watchglass.store import catalog as c
from watchglass.store.life.forget_mentions import without
from watchglass.store.life.forget_texts import FIXED, INSTEAD, said_without
from watchglass.store.mirror import MIRRORS
from watchglass.store.transactions import writing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection, Engine

    from watchglass.records import Json
    from watchglass.store.life.forget_files import Value
    from watchglass.store.life.forget_keys import Sought
    from watchglass.store.life.forget_plan import Plan

CATEGORIES: Final = 1000
"""How long a dictionary grows; in a full one a value that goes leaves its place taken, else others would come in late."""
_AT_ONCE: Final = 10_000
_PATIENCE: Final = 30.0
_RECORDS: Final = ((c.verdicts, "record"), (c.incidents, "record"), (c.monitors, "state"))


def clean(transaction: Connection, plan: Plan, sought: Sought, values: dict[str, set[Value]]) -> int:
    """Wipe what the catalog says of the rows; `values` are the texts, by model, that nothing counts any more. Gives how many kept lines were wiped."""
    for model in plan.models:
        _repeats(transaction, plan, model)
        _dictionaries(transaction, model, {value for value in values.get(model, ()) if value[0] != "tag"})
        gone = frozenset(text for _, _, text in values.get(model, ())) | plan.asked.names
        _evidence(transaction, model, gone)
    return kept_lines(transaction, plan, sought)


def _repeats(transaction: Connection, plan: Plan, model: str) -> None:
    """Drop the ids from the list of those that came more than once; it is short beside the ids that may go."""
    repeats = c.repeats.c
    query = sa.select(repeats.environment, repeats.id).where(repeats.model == model)
    for environment, ident in transaction.execute(query).all():
        if (model, environment, ident) in plan.keys:
            chosen = (repeats.model == model) & (repeats.environment == environment) & (repeats.id == ident)
            transaction.execute(c.repeats.delete().where(chosen))


def kept_lines(transaction: Connection, plan: Plan, sought: Sought, *, dry: bool = False) -> int:
    """Wipe the text of rejected lines that speak of the rows; that so many were rejected, and where, stays. `dry` only counts."""
    rejected = c.rejected.c
    query = sa.select(rejected.id, rejected.model, rejected.reason, rejected.raw)
    wiped = []
    for row in transaction.execute(query):
        texts = [row.reason] if row.raw is None else [row.reason, row.raw]
        named = plan.asked.names & frozenset().union(*map(sought.said, texts)) if sought.everywhere else ()
        if not named and not (row.model in (None, *plan.models) and _of_rows(row.reason, row.raw, plan, sought)):
            continue
        wiped.append({"key": row.id, "why": without(row.reason, sought.named_in(row.reason), INSTEAD)})
    if wiped and not dry:
        changed = c.rejected.update().where(rejected.id == sa.bindparam("key"))
        transaction.execute(changed.values(raw=None, reason=sa.bindparam("why")), wiped)
    return len(wiped)


def _of_rows(reason: str, raw: str | None, plan: Plan, sought: Sought) -> bool:
    return bool(sought.named_in(reason)) or (raw is not None and _speaks(raw, plan, sought))


def _speaks(raw: str, plan: Plan, sought: Sought) -> bool:
    """Say whether a kept line is of a row that goes, or has the name as a value; of one that cannot be read, whether it mentions them."""
    try:
        event = json.loads(raw)
    except (ValueError, RecursionError):
        return bool(sought.named_in(raw))
    if not isinstance(event, dict):
        return bool(sought.named_in(raw))
    model, environment = event.get("model"), event.get("environment")
    of = plan.keys.with_id(str(event.get("id"))) if event.get("id") is not None else ()
    same = any(model in (None, key[0]) and environment in (None, key[1]) for key in of)
    return same or (model in (None, *plan.models) and not plan.asked.names.isdisjoint(_values(event)))


def _values(told: Json) -> set[str]:
    """Give every text and number of a line, as text."""
    if isinstance(told, dict):
        return {text for part in told.values() for text in _values(part)}
    if isinstance(told, list):
        return {text for part in told for text in _values(part)}
    return set() if told is None else {str(told)}


def _dictionaries(transaction: Connection, model: str, gone: set[Value]) -> None:
    """Take texts out of the dictionaries of a model's columns."""
    for role, name in sorted({value[:2] for value in gone}):
        chosen = (c.columns.c.model == model) & (c.columns.c.role == role) & (c.columns.c.name == name)
        told = transaction.execute(sa.select(c.columns.c.categories).where(chosen)).scalar()
        before: list[str] = json.loads(told or "[]")
        texts = {text for *column, text in gone if column == [role, name]}
        full = len(before) >= CATEGORIES
        after = [
            f"\x1fforgotten {place}" if text in texts else text
            for place, text in enumerate(before)
            if full or text not in texts
        ]
        if after != before:
            transaction.execute(c.columns.update().where(chosen).values(categories=json.dumps(after)))


def _evidence(transaction: Connection, model: str, gone: frozenset[str]) -> None:
    """Take texts out of verdicts, incidents and what monitors remember, where they stand as a value."""
    if not gone:
        return
    for table, column in _RECORDS:
        keys = list(table.primary_key.columns)
        query = sa.select(*keys, table.c[column]).where(table.c.model == model)
        for row in transaction.execute(query).all():
            told = json.loads(row[-1])
            if said := _values_in(told) & gone:
                text = json.dumps(said_without(told, said, fixed=FIXED), ensure_ascii=False)
                chosen = sa.and_(*(key == value for key, value in zip(keys, row, strict=False)))
                transaction.execute(table.update().where(chosen).values({column: text}))


def _values_in(told: Json, key: str = "") -> set[str]:
    """Give the texts that stand where a record tells a value: of a column, of a histogram, of a slice."""
    if isinstance(told, dict):
        return {text for name, part in told.items() for text in _values_in(part, name)}
    if isinstance(told, list):
        return {text for part in told for text in _values_in(part, key)}
    return {told} if isinstance(told, str) and key in ("value", "values", "slice") else set()


def listed(transaction: Connection, out: Iterable[int], new: list[dict[str, object]]) -> None:
    """Put new files in the place of others, which may be deleted at once; raises `StoreError` when one of them is gone already."""
    seqs = list(out)
    replaced = 0
    for first in range(0, len(seqs), _AT_ONCE):
        chosen = c.files.c.seq.in_(seqs[first : first + _AT_ONCE]) & c.files.c.removed.is_(None)
        replaced += transaction.execute(c.files.update().where(chosen).values(removed=0.0)).rowcount
    if replaced != len(seqs):
        message = "files were replaced by another process meanwhile: nothing was forgotten. Next: ask again"
        raise StoreError(message)
    if new:
        transaction.execute(c.files.insert(), new)


def release(transaction: Connection, models: Iterable[str], *, mirrors: bool) -> None:
    """Let the files of models, and of none, that were replaced a while ago, and hold the rows still, be deleted at once.

    With `mirrors` the copies of the catalog's tables go as well: the next upkeep writes them anew.
    """
    lying = c.files.c.model.in_(["", *models]) & c.files.c.removed.is_not(None)
    copies = c.files.c.kind.in_(MIRRORS) & c.files.c.removed.is_(None)
    transaction.execute(c.files.update().where(lying | copies if mirrors else lying).values(removed=0.0))


def tell_readers(engine: Engine) -> None:
    """Make every reader parse the log's lines anew: what was parsed before holds the rows in memory."""
    with writing(engine) as transaction:
        mark = insert(c.watermarks).values(name="forgotten", seq=1)
        raised = mark.on_conflict_do_update(index_elements=["name"], set_={"seq": c.watermarks.c.seq + 1})
        transaction.execute(raised)


def scrub(engine: Engine) -> None:
    """Write the catalog's file anew, so that no page keeps what was deleted, and empty its write-ahead log.

    In PostgreSQL the tables are written anew; its write-ahead log and its backups are its keeper's.

    Raises `StoreError` when a reader stands in the way for long: what was asked is done but for that.
    """
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in c.META.tables.values():
                connection.exec_driver_sql(f'VACUUM FULL "{table.name}"')
        return
    end = time.monotonic() + _PATIENCE
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        try:
            cursor.execute("VACUUM")
            while True:
                busy, _, _ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                if not busy:
                    return
                if time.monotonic() > end:
                    message = "the rows are gone, but a reader keeps the catalog's write-ahead log, which may hold them. Next: forget the same again"
                    raise StoreError(message)
                time.sleep(0.05)
        finally:
            cursor.close()
    finally:
        raw.close()
