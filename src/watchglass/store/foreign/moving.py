"""An mltrace database's URL → the same components, runs, flags, tags, outputs and feedback in the store; again, nothing is doubled.

Graph events are upserts, so they may come again. Outputs and feedback are files published with a key that says up to when
they came, in one transaction: the next time goes on after it.
"""

from __future__ import annotations

import getpass
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import blake2b
from itertools import chain, groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import sqlalchemy as sa

from watchglass.capture.encode import line
from watchglass.capture.segment import new_file, prepare
from watchglass.errors import BadInput
from watchglass.receive.committer import publish
from watchglass.store import catalog as c
from watchglass.store.compact import engine_room
from watchglass.store.exchange.tables import KINDS
from watchglass.store.exchange.taking import KEYS, Rows, take_rows
from watchglass.store.foreign import mltrace
from watchglass.store.foreign.database import reading, rows, shown, table
from watchglass.store.foreign.mltrace import Mltrace
from watchglass.store.graph import take_in
from watchglass.store.life.audit import note
from watchglass.store.quoting import literal
from watchglass.store.transactions import writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy.engine import Engine

    from watchglass.records import Json
    from watchglass.store.folder import Folder

EVENTS_AT_ONCE: Final = 5000
PAIRS_AT_ONCE: Final = 200_000
_PREFIX: Final = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_SOURCES: Final = {"outputs": "predictions", "feedback": "labels"}


@dataclass(frozen=True, slots=True)
class Moved:
    """What came of an mltrace database: how many of each, and what could not be taken, by reason."""

    source: str
    components: int
    runs: int
    flags: int
    subjects: int
    predictions: int
    labels: int
    left_out: Mapping[str, int]


def move_mltrace(
    folder: Folder,
    engine: Engine,
    url: str,
    prefix: str = "mltrace",
    zone: str = "UTC",
    progress: Callable[[int, int], None] | None = None,
) -> Moved:
    """Take in what an mltrace database holds; run 17 becomes the run `<prefix>-17`.

    `zone` is the time zone of its times, which have none: mltrace writes UTC unless its user gave others. `progress` is told
    runs done and in all. Raises `BadInput` for what is no such database, `StoreError` when it cannot be reached.
    """
    if not _PREFIX.fullmatch(prefix):
        message = f"prefix cannot be {prefix!r}: up to 40 letters, digits, '.', '_' and '-' would do"
        raise BadInput(message)
    take_in(folder, engine)  # a store that cannot take it says so before anything is read
    with reading(url) as connection:
        source = Mltrace(connection, prefix, _zone(zone))
        total = mltrace.size(source)
        counts = {
            "components": _graph(folder, mltrace.components(source)),
            "runs": _graph(folder, mltrace.runs(source), lambda done: progress(done, total) if progress else None),
            "flags": _graph(folder, mltrace.flags(source)),
            "subjects": _graph(folder, mltrace.subjects(source)),
        }
        take_in(folder, engine)
        base = f"{KEYS}mltrace:{blake2b(f'{shown(url)} {prefix}'.encode(), digest_size=8).hexdigest()}"
        counts |= {kind: _rows(folder, engine, source, name, base) for name, kind in _SOURCES.items()}
    moved = Moved(shown(url), **counts, left_out=dict(source.left_out))
    record: dict[str, Json] = {"source": moved.source, "left_out": {**moved.left_out}, **counts}
    with writing(engine) as transaction:
        note(transaction, "import", getpass.getuser(), record, datetime.now(UTC))
    return moved


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        message = f"there is no time zone {name!r}: UTC, Europe/Vienna and the like would do"
        raise BadInput(message) from None


def _graph(folder: Folder, events: Iterable[mltrace.Event], progress: Callable[[int], object] | None = None) -> int:
    """Write events as segments of the graph log; gives how many, sources not among them."""
    rest, done = iter(events), 0
    while part := list(islice(rest, EVENTS_AT_ONCE)):
        publish(prepare(str(folder.root), "graph"), new_file("graph"), [line(event) for event in part])
        done += sum(event["kind"] != "source" for event in part)
        if progress:
            progress(done)
    return done


def _rows(folder: Folder, engine: Engine, source: Mltrace, name: str, base: str) -> int:
    """Take in a task's outputs as predictions of the model of its name, or its feedback as their labels."""
    found = table(source.connection, name, ("timestamp", "identifier", "task_name", "value"))
    if found is None:
        return 0
    t, count = found.c, 0
    tasks = [
        str(row[0])
        for row in rows(source.connection, sa.select(t.task_name).where(t.task_name.is_not(None)).distinct())
    ]
    for task in sorted(tasks):
        key = f"{base}:{name}:{task}:"
        query = sa.select(t.timestamp, t.identifier, t.value).where(t.task_name == task, t.timestamp.is_not(None))
        since = _until(engine, key)
        if since is not None:
            query = query.where(t.timestamp > datetime.fromtimestamp(since / 1e6, tz=source.zone).replace(tzinfo=None))
        for part in _parts(rows(source.connection, query.order_by(t.timestamp))):
            count += _take(folder, engine, source, (_SOURCES[name], task, key), part)
    return count


def _until(engine: Engine, key: str) -> int | None:
    """Give up to when a task's rows were taken in, in microseconds."""
    with engine.connect() as connection:
        keys = connection.execute(sa.select(c.ingested.c.key).where(c.ingested.c.key.startswith(key, autoescape=True)))
        return max((int(one.removeprefix(key)) for one in keys.scalars()), default=None)


def _parts(found: Iterator[tuple[object, ...]]) -> Iterator[list[tuple[object, ...]]]:
    """Part rows into some hundred thousand, rows of one moment together."""
    part: list[tuple[object, ...]] = []
    for _, same in groupby(found, key=itemgetter(0)):
        part = list(chain(part, same))
        if len(part) >= PAIRS_AT_ONCE:
            yield part
            part = []
    if part:
        yield part


def _take(
    folder: Folder,
    engine: Engine,
    source: Mltrace,
    of: tuple[str, str, str],
    part: Sequence[tuple[object, ...]],
) -> int:
    kind, task, key = of
    times = np.array([source.micros(row[0]) or 0 for row in part], dtype=np.int64)
    texts = {
        name: np.array([None if row[place] is None else _written(row[place]) for row in part], dtype=object)
        for name, place in (("id", 1), ("value", 2))
    }
    with engine_room(folder) as connection:
        connection.register("told", {"micros": times, **texts})
        connection.execute(
            "CREATE TEMP TABLE pairs AS SELECT id::VARCHAR AS id, make_timestamp(micros) AS time, value::VARCHAR AS value FROM told"
        )
        values = {
            "environment": "'live'",
            "prediction": "value",
            "prediction_number": "TRY_CAST(value AS DOUBLE)",
            "label": "value",
        }
        own = {"id": "id", "time": "time", "model": literal(task)}
        listed = ", ".join(
            f"{({**values, **own}).get(name, f'NULL::{of}')} AS {name}" for name, of in KINDS[kind].columns
        )
        taken, rejected = take_rows(
            folder,
            engine,
            connection,
            Rows(KINDS[kind], task, f"(SELECT {listed} FROM pairs)", (), f"mltrace {task}"),
            f"{key}{times[-1]}",
            [],
        )
    for item in rejected:
        source.left_out[f"{kind} of task {task!r}: {item.reason}"[:200]] += item.rows
    return taken


def _written(value: object) -> str:
    """Write a number as mltrace's user gave it: 1 for 1.0000, without an exponent."""
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    return text.rstrip("0").rstrip(".") if "." in text else text
