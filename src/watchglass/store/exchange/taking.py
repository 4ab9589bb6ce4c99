"""A SELECT of rows from elsewhere → a file of the store, published with the key that says it was taken in, in one transaction: once."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchglass.errors import StoreError
from watchglass.store import catalog as c
from watchglass.store import parquet
from watchglass.store.exchange.ruled import all_seen, note_seen
from watchglass.store.graph import take_in
from watchglass.store.leases import hold
from watchglass.store.lines import FIRST, RAW_KEPT, Rejected, each_told, latest_time, misfit
from watchglass.store.models import Columns, columns_of, register
from watchglass.store.quoting import identifier, literal
from watchglass.store.schemas.aside import keep_aside, note_conflicts
from watchglass.store.transactions import writing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    import duckdb
    from sqlalchemy.engine import Connection, Engine

    from watchglass.store.exchange.tables import Kind
    from watchglass.store.folder import Folder
    from watchglass.store.leases import Lease

KEYS: Final = "import:"
"""What the keys of imports begin with; they are kept for ever."""
LEASE_SECONDS: Final = 120.0
TOLD: Final = 1000
_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "predictions": ("id",),
    "labels": ("id",),
    "feedback": ("id", "event"),
    "metrics": ("name",),
}
_TYPES: Final = {"DOUBLE": "number", "BOOLEAN": "boolean"}


class AlreadyTakenError(Exception):
    """Another process took the same in meanwhile."""


@dataclass(slots=True)
class Done:
    """What an import came to so far."""

    files: int = 0
    rows: int = 0
    already: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows to be taken in: of which table and model, the relation that has them typed, and the fields of their structs."""

    kind: Kind
    model: str
    source: str
    nested: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    segment: str = ""
    """By which name what is rejected is told."""
    ruled: int | None = None
    """Until when predictions have expired, where a rule of feedback looked at these rows elsewhere and made its labels."""


@contextmanager
def alone(engine: Engine) -> Iterator[Lease]:
    """Hold the compactor's lease, so that nobody compacts, merges or forgets meanwhile; wait for it for a while."""
    end = time.monotonic() + LEASE_SECONDS
    while True:
        with hold(engine, "compactor") as lease:
            if lease is not None:
                yield lease
                return
        if time.monotonic() >= end:
            message = f"another process has been keeping this store for {LEASE_SECONDS:g} seconds: import again when it is done"
            raise StoreError(message)
        time.sleep(0.1)


def taken(engine: Engine, keys: Sequence[str]) -> set[str]:
    """Give those of some keys that were taken in."""
    with engine.connect() as connection:
        query = sa.select(c.ingested.c.key).where(c.ingested.c.key.startswith(KEYS))
        return set(connection.execute(query).scalars()) & set(keys)


def take_rows(
    folder: Folder,
    engine: Engine,
    connection: duckdb.DuckDBPyConnection,
    rows: Rows,
    key: str,
    told: Sequence[Rejected],
) -> tuple[int, list[Rejected]]:
    """Write rows as a file and publish it with its key; gives how many, and what could not be taken with its reason."""
    take_in(folder, engine)
    columns = _registered(engine, rows)
    rejected = [*told, *_misfits(connection, rows, columns), *_unfit(connection, rows)]
    select = _select(rows, columns)
    order = parquet.order_of(connection, f"({select})")
    written = parquet.write(folder, connection, rows.kind.name, rows.model, select, order)
    count = int(str(written["rows"])) if written is not None else 0
    try:
        with alone(engine) as lease, writing(engine) as transaction:
            lease.check(transaction)
            require_new(transaction, key)
            _publish(transaction, rows, written, rejected, key)
    except BaseException:
        if written is not None:
            parquet.delete(folder.tables / str(written["path"]))
        raise
    return count, rejected


def require_unknown(key: str, known: AbstractSet[str]) -> None:
    """Raise `AlreadyTakenError` for a key that is known."""
    if key in known:
        raise AlreadyTakenError


def require_new(transaction: Connection, key: str) -> None:
    """Raise `AlreadyTakenError` where another process was first."""
    if transaction.execute(sa.select(c.ingested.c.key).where(c.ingested.c.key == key)).first() is not None:
        raise AlreadyTakenError


def mark(transaction: Connection, key: str, accepted: int, rejected: int) -> None:
    """Write in a transaction that what has a key is taken in; a second time fails by the primary key."""
    values = {"key": key, "taken": time.time(), "segment": "import", "accepted": accepted, "rejected": rejected}
    transaction.execute(c.ingested.insert().values(**values))


def _publish(
    transaction: Connection, rows: Rows, written: Mapping[str, object] | None, rejected: Sequence[Rejected], key: str
) -> None:
    now = int(time.time() * 1e6)
    count = int(str(written["rows"])) if written is not None else 0
    mark(transaction, key, count, sum(item.rows for item in rejected))
    if written is not None:
        seen = rows.ruled is not None and all_seen(transaction, rows.model, rows.ruled)
        transaction.execute(c.files.insert(), [dict(written)])
        if seen and rows.ruled is not None:
            note_seen(transaction, rows.model, str(written["path"]), rows.ruled)
        if written["model"]:
            named = {"name": written["model"], "time": now}
            transaction.execute(insert(c.models).on_conflict_do_nothing(), [named])
    keep_aside(transaction, rejected, now)
    note_conflicts(transaction, rejected, now)


def _registered(engine: Engine, rows: Rows) -> Columns:
    """Register the fields of structs that are not yet; gives the columns of the model as they are registered then."""
    if not rows.kind.nested:
        return Columns((), ())
    with engine.connect() as connection:
        known = columns_of(connection, rows.model)
    news = {
        (rows.model, role[:-1], name): _TYPES.get(of, "text")
        for role, fields in rows.nested
        for name, of in fields
        if not known.has(role[:-1], name)
    }
    if not news:
        return known
    with writing(engine) as transaction:
        register(transaction, news, rows.segment)
        return columns_of(transaction, rows.model)


def _good(kind: Kind) -> str:
    """Write the condition that a row has what its kind needs, and a time that can be."""
    needed = [f"({name} IS NOT NULL AND {name} != '')" for name in _NEEDED.get(kind.name, ())]
    needed += ["message IS NOT NULL"] if kind.name == "logs" else []
    needed.append(f"time BETWEEN make_timestamp({FIRST}) AND make_timestamp({latest_time()})")
    return f"({' AND '.join(needed)}) IS TRUE"


def _unfit(connection: duckdb.DuckDBPyConnection, rows: Rows) -> list[Rejected]:
    """Tell the rows that cannot be taken, each with its values."""
    bad = f"SELECT * FROM {rows.source} AS r WHERE NOT {_good(rows.kind)}"
    total = int(connection.execute(f"SELECT count(*) FROM ({bad})").fetchall()[0][0])
    if not total:
        return []
    needs = ", ".join([*_NEEDED.get(rows.kind.name, ()), *(["message"] if rows.kind.name == "logs" else [])])
    reason = f"a row of {rows.kind.name} needs {needs} and a time from year 1 to a day ahead of this machine's clock"
    raws = connection.execute(f"SELECT to_json(r)::VARCHAR FROM ({bad} LIMIT {TOLD}) AS r").fetchall()
    lost = Rejected(rows.segment, None, reason, None, total, model=rows.model or None)
    return each_told(lost, [str(raw)[:RAW_KEPT] for (raw,) in raws])


def _misfits(connection: duckdb.DuckDBPyConnection, rows: Rows, columns: Columns) -> list[Rejected]:
    """Count the values that are not of the type that their column is registered with here; they become NULL."""
    known = {"features": dict(columns.features), "tags": dict(columns.tags)}
    asked = [
        (role, name, known[role][name], f"{role}.{identifier(name)}")
        for role, fields in rows.nested
        for name, of in fields
        if name in known[role] and known[role][name] not in (of, "VARCHAR")
    ]
    if not asked:
        return []
    counted = ", ".join(f"count({text}) - count(TRY_CAST({text} AS {kind}))" for _, _, kind, text in asked)
    found = connection.execute(f"SELECT {counted} FROM {rows.source} WHERE {_good(rows.kind)}").fetchall()[0]
    return [
        Rejected(
            rows.segment, None, misfit(role[:-1], name, rows.model, kind), None, int(lost), rows.model, role[:-1], name
        )
        for (role, name, kind, _), lost in zip(asked, found, strict=True)
        if lost
    ]


def _select(rows: Rows, columns: Columns) -> str:
    """Write the SELECT of rows in the shape of the store's own files."""
    special = {
        "model": literal(rows.model),
        "environment": "coalesce(environment, 'live')",
        "weight": "CASE WHEN weight > 1 THEN weight END",
        "level": "coalesce(level, 'info')",
    }
    names = rows.kind.names
    listed = [f"{special[name]} AS {name}" if name in special else identifier(name) for name in names]
    present = {role: dict(fields) for role, fields in rows.nested}
    for role, registered in (("features", columns.features), ("tags", columns.tags)):
        if not registered or not rows.kind.nested:
            continue
        fields = present.get(role) or {}
        packed = ", ".join(
            f"{identifier(name)} := {f'TRY_CAST({role}.{identifier(name)} AS {of})' if name in fields else f'NULL::{of}'}"
            for name, of in registered
        )
        made = f"struct_pack({packed})"
        listed.append(
            f"CASE WHEN {role} IS NOT NULL THEN {made} END AS {role}"
            if fields
            else f"CASE WHEN false THEN {made} END AS {role}"
        )
    return f"SELECT {', '.join(listed)} FROM {rows.source} WHERE {_good(rows.kind)}"
