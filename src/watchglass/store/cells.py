"""New files of the manifest → cells: counts by day, column and declared slice that merge by addition.

Cells follow the manifest by sequence number in a transaction of their own with a watermark, so live rows, late
labels and history are one path. A cell file holds deltas; the truth is their sum. A merged file is no new data:
its rows were counted from the files whose place it took.
"""

from __future__ import annotations

import time
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store.compact import engine_room
from watchglass.store.deltas import Deltas
from watchglass.store.eras import drop_eras, keep_eras
from watchglass.store.labelled import Joined, Looked, count_labels
from watchglass.store.labels.indexes import files_of
from watchglass.store.labels.marks import Marks, marks_of, set_marks
from watchglass.store.labels.repeats import Repeats, all_repeated, keep, repeats_in
from watchglass.store.labels.uncount import count_rows
from watchglass.store.leases import hold
from watchglass.store.manifest import POSITION
from watchglass.store.outputs import keep_output, output_of
from watchglass.store.parquet import synced
from watchglass.store.tallies import Tally, count
from watchglass.store.transactions import writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import duckdb
    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder
    from watchglass.store.labels.indexes import Indexed
    from watchglass.store.leases import Lease

S = TypeVar("S")
T = TypeVar("T")
BATCH_ROWS = 1_000_000  # rows of one transaction: what a kill can cost to count again
BATCH_FILES = 256
HOLD_ON = 10.0  # seconds after which a long count renews its lease


class Pending(NamedTuple):
    """A file that is not in the cells yet."""

    seq: int
    kind: str
    model: str
    path: str
    rows: int


def follow(folder: Folder, engine: Engine) -> int:
    """Count every file of the manifest that is not in the cells yet; gives how many files.

    Rows are counted in batches; the labels of all of them are joined with the last, at once.
    """
    with hold(engine, "cells") as lease:
        if lease is None:
            return 0
        due = _Due.of(engine)
        if not due.unjoined:
            return 0
        with engine_room(folder) as connection, ThreadPoolExecutor(2) as beside:
            work = _Work(folder, engine, connection, _Lasting(engine, lease))
            batches = list(_batches(due.pending)) or [[]]
            for batch in batches:
                joining = due if batch is batches[-1] else None
                published = _counted(work, beside, batch, joining)
                marks = Marks(due.until, due.until) if joining else Marks(due.marks.cells, batch[-1].seq)
                _publish(engine, lease, published, marks)
        return len(due.pending)


@dataclass(frozen=True, slots=True)
class _Due:
    """What is not in the cells: files to count in order, and the models with files whose labels are not joined."""

    pending: Sequence[Pending]
    unjoined: Mapping[str, None]
    marks: Marks
    until: int

    @classmethod
    def of(cls, engine: Engine) -> _Due:
        """List the live files past the watermarks; a merged one holds rows that were counted under other numbers."""
        files = c.files.c
        with engine.connect() as connection:
            marks = marks_of(connection)
            query = sa.select(
                files.seq, files.kind, files.model, files.path, files.rows, files.origin, POSITION.label("at")
            )
            chosen = query.where(
                marks.cells < POSITION, files.kind.in_(("predictions", "labels")), files.removed.is_(None)
            )
            found = connection.execute(chosen.order_by(POSITION)).all()
        return cls(
            [Pending(*row[:5]) for row in found if row.origin == 0 and row.seq > marks.rows],
            dict.fromkeys(row.model for row in found),
            marks,
            max((row.at for row in found), default=marks.cells),
        )


def _batches(pending: Sequence[Pending]) -> Iterator[list[Pending]]:
    """Part files in order into batches that are counted in one transaction; labels are no rows to count."""
    batch: list[Pending] = []
    rows = 0
    for file in pending:
        own = file.rows if file.kind == "predictions" else 0
        if batch and (len(batch) == BATCH_FILES or rows + own > BATCH_ROWS):
            yield batch
            batch, rows = [], 0
        batch.append(file)
        rows += own
    if batch:
        yield batch


class _Lasting:
    """A lease that is renewed while a long count goes on."""

    def __init__(self, engine: Engine, lease: Lease) -> None:
        self._engine, self._lease = engine, lease
        self._renewed = time.monotonic()

    def hold_on(self) -> None:
        """Raise `LeaseLost` when another process has taken over meanwhile."""
        if time.monotonic() - self._renewed > HOLD_ON:
            with writing(self._engine) as transaction:
                self._lease.check(transaction)
            self._renewed = time.monotonic()


class Counted(NamedTuple):
    """A model's counts: what was frozen meanwhile, the ids that came again, and the row of the manifest of the new file of cells, if there is one."""

    tally: Tally
    repeats: Repeats
    values: dict[str, object] | None


@dataclass(frozen=True, slots=True)
class _Work:
    """Where files are counted."""

    folder: Folder
    engine: Engine
    connection: duckdb.DuckDBPyConnection
    lasting: _Lasting

    def files(self, model: str, due: _Due | None) -> Joined:
        """List a model's live files, those of labels where they are due."""
        kinds = ("predictions", "labels") if due else ("predictions",)
        found = [files_of(self.folder, self.engine, self.connection, model, kind) for kind in kinds]
        if due is None:
            return Joined(found[0], (), 0)
        predictions, labels = ([file for file in files if file.position <= due.until] for files in found)
        return Joined(predictions, labels, due.marks.cells)

    def count(self, model: str, batch: Sequence[Pending], looked: Looked) -> Counted:
        """Count the rows of one model in a batch, and what its labels change, and write the cells, not synced yet."""
        tally = Tally.of(self.folder, self.engine, model, Deltas(self.connection))
        live = looked.files.predictions
        chosen = {self.folder.tables / f.path for f in batch if (f.model, f.kind) == (model, "predictions")}
        new = [file for file in live if file.path in chosen]
        repeats = self._rows(tally, live, new) if new else Repeats()
        count_labels(
            self.connection,
            looked,
            tally.eras,
            partial(all_repeated, self.connection, self.engine, model, repeats),
        )
        self.lasting.hold_on()
        return Counted(tally, repeats, tally.deltas.write_unsynced(self.folder, model))

    def _rows(self, tally: Tally, live: Sequence[Indexed], new: Sequence[Indexed]) -> Repeats:
        # a column's frame comes from its earliest rows; a second thread costs a tenth more of the processor
        self.connection.execute("SET preserve_insertion_order = true; SET threads = 1")
        old = [file for file in live if file.position < new[0].position]
        repeats = repeats_in(self.folder, self.connection, tally.name, old, new)
        count_rows(tally, repeats.withdrawn, "withdrawn")
        for file in new:
            count(tally, repeats.source(str(file.path)), self.lasting.hold_on)
            tally.counted(file.position)
        self.connection.execute("SET preserve_insertion_order = false; RESET threads")
        return repeats


def _counted(work: _Work, beside: Executor, batch: Sequence[Pending], due: _Due | None) -> list[Counted]:
    """Count a batch, model by model; beside it the indexes of the next one are looked into, and the last one's file is synced."""
    models = dict.fromkeys([*(file.model for file in batch), *(due.unjoined if due else ())])
    found, syncs = [], []
    looked = _one_ahead(beside, Looked.up, (work.files(model, due) for model in models))
    for model, touched in zip(models, looked, strict=True):
        found.append(counted := work.count(model, batch, touched))
        if counted.values is not None:
            syncs.append(beside.submit(synced, work.folder.tables / str(counted.values["path"])))
    for sync in syncs:
        sync.result()
    return found


def _one_ahead(beside: Executor, verb: Callable[[S], T], items: Iterable[S]) -> Iterator[T]:
    """Give the result of each item in turn; the next one's is being made meanwhile."""
    before = None
    for item in items:
        coming = beside.submit(verb, item)
        if before is not None:
            yield before.result()
        before = coming
    if before is not None:
        yield before.result()


def _publish(engine: Engine, lease: Lease, published: Sequence[Counted], marks: Marks) -> None:
    """List the new cells, keep the frames and move the watermarks, all or nothing."""
    with writing(engine) as transaction:
        lease.check(transaction)
        drop_eras(transaction)
        for tally, repeats, values in published:
            for name, frozen in tally.frozen.items():
                if output_of(name) is not None:
                    keep_output(transaction, tally.name, tally.features[name], frozen)
                    continue
                chosen = (
                    (c.columns.c.model == tally.name) & (c.columns.c.role == "feature") & (c.columns.c.name == name)
                )
                transaction.execute(c.columns.update().where(chosen).values(**frozen))
            keep(transaction, tally.name, repeats)
            keep_eras(transaction, tally.name, tally.eras)
            if values is not None:
                transaction.execute(c.files.insert(), [values])
        set_marks(transaction, marks)
