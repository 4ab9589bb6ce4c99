"""A store → one consistent moment of it: the manifest's files and the log segments that are not in them yet.

The order makes it exact: segments are opened, then the graph is taken in, then one catalog transaction says
which of the opened segments are in the files. A row is seen once, whatever compacts meanwhile.
"""

from __future__ import annotations

import weakref
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store import frames, rows
from watchglass.store.asking.copies import copy
from watchglass.store.graph import take_in
from watchglass.store.lines import latest_time
from watchglass.store.models import Columns, all_columns
from watchglass.store.quoting import literal
from watchglass.store.segments import names_taken, opened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy.engine import Connection, Engine

    from watchglass.store.asking.copies import Copy
    from watchglass.store.folder import Folder
    from watchglass.store.segments import Segment

_NONE = Columns((), ())
_manifests: weakref.WeakKeyDictionary[Engine, tuple[tuple[object, ...], tuple[File, ...]]] = weakref.WeakKeyDictionary()
_FORGOTTEN = sa.select(c.watermarks.c.seq).where(c.watermarks.c.name == "forgotten")


@dataclass(frozen=True, slots=True)
class File:
    """A row of the manifest; `sum` is there for all that versions with today's columns wrote."""

    seq: int
    kind: str
    model: str
    path: str
    sum: str | None
    rows: int = 0
    first: int | None = None
    last: int | None = None
    origin: int = 0
    indexed: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a question reads: published files, live segments, the columns of each model, and the catalog's rows that were asked for."""

    folder: Folder
    files: tuple[File, ...]
    live: tuple[Segment, ...]
    columns: Mapping[str, Columns]
    forgotten: int = 0
    """How often rows were forgotten: what was parsed of the log before the last time is parsed anew."""
    copies: Mapping[str, Copy] = field(default_factory=dict)

    def sources(self, kind: str, model: str | None = None, *, whole: bool = False) -> list[str]:
        """Write the table functions that read the files of a kind, of one model or of all.

        Files whose common columns are the same are read without a look at each of them first; with `whole`, features
        and tags too, which differ from file to file.
        """
        chosen = [file for file in self.files if file.kind == kind and model in (None, file.model)]
        alike = [] if whole else [file for file in chosen if file.sum is not None]
        others = [file for file in chosen if whole or file.sum is None]
        return [
            f"read_parquet([{', '.join(literal(str(self.folder.tables / file.path)) for file in files)}]{options})"
            for files, options in ((alike, ""), (others, ", union_by_name = true"))
            if files
        ]

    def framed(self, kind: str, model: str | None = None) -> tuple[Segment, ...]:
        """Give the live columnar segments of a kind, of one model or of all."""
        return tuple(
            s for s in self.live if s.sidecar and frames.kind_of(s) == kind and model in (None, s.sidecar["model"])
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of the catalog's tables a question reads, and the folder their rows may be written to."""

    tables: Mapping[str, sa.Table]
    room: Path


@contextmanager
def snapshot(folder: Folder, engine: Engine, wanted: Wanted | None = None) -> Iterator[Snapshot]:
    """Hold one consistent moment of a store."""
    with opened(folder.row_log) as held:
        take_in(folder, engine)
        with engine.connect() as connection:  # one transaction: names and files are of one moment
            taken = names_taken(connection, [segment.name for segment in held])
            files = _listed(connection, engine)
            columns = all_columns(connection)
            forgotten = connection.execute(_FORGOTTEN).scalar() or 0
            copies = _copies(connection, wanted, files)
        yield Snapshot(folder, files, tuple(s for s in held if s.name not in taken), columns, forgotten, copies)


def _listed(connection: Connection, engine: Engine) -> tuple[File, ...]:
    """Give the live files of the manifest; read again only when it lists others than at the last question.

    Numbers never come again, so the same newest one, as many files and the same sum are the same files.
    """
    live = c.files.c.removed.is_(None) & (c.files.c.kind != "cells")
    numbers = (sa.func.max(c.files.c.seq), sa.func.count(), sa.func.sum(c.files.c.seq), sa.func.sum(c.files.c.indexed))
    key = tuple(connection.execute(sa.select(*numbers).where(live)).one())
    known = _manifests.get(engine)
    if known is None or known[0] != key:
        query = sa.select(*(c.files.c[name] for name in File.__dataclass_fields__)).where(live).order_by(c.files.c.seq)
        known = _manifests[engine] = (key, tuple(File(*row) for row in connection.execute(query)))
    return known[1]


def _copies(connection: Connection, wanted: Wanted | None, files: Sequence[File]) -> dict[str, Copy]:
    """Copy the tables that are wanted, of mirrored ones the rows that are in no file yet."""
    if wanted is None:
        return {}
    found = {}
    for name, table in wanted.tables.items():
        mirrors = tuple(sorted((file for file in files if file.kind == name), key=lambda file: file.origin))
        after = mirrors[-1].origin if mirrors else -1
        found[name] = copy(connection, table, after, mirrors, wanted.room)
    return found


@dataclass(frozen=True, slots=True)
class Tables:
    """Where the rows of the log's tail are to be read: parsed lines, and a path for each columnar segment."""

    lines: Sequence[str]
    frames: Mapping[str, str]
    needed: frozenset[str] | None

    @property
    def whole(self) -> bool:
        """Whether every value is there, features and tags too."""
        return self.needed is None

    @property
    def names(self) -> tuple[str, ...] | None:
        """The values of predictions that are there; None: all."""
        return None if self.needed is None else tuple(name for name in rows.PREDICTION if name in self.needed)


def prediction_parts(moment: Snapshot, tail: Tables, model: str | None) -> list[str]:
    """Write the SELECTs whose union is all predictions of a model: files, tail lines, tail frames.

    For all models (None) features and tags, whose types differ from one to the next, must not be asked for.
    """
    columns = moment.columns.get(model, _NONE) if tail.whole and model is not None else _NONE
    parts = [rows.of_finished(table, "prediction", columns, model, tail.names) for table in tail.lines]
    parts += [f"SELECT * FROM {source}" for source in moment.sources("predictions", model, whole=tail.whole)]
    return parts + [
        frames.bounded(frames.predictions(s, columns, tail.frames[s.name]), latest_time())
        for s in moment.framed("predictions", model)
        if s.name in tail.frames
    ]


def label_parts(moment: Snapshot, tail: Tables, model: str | None = None) -> list[str]:
    """Write the SELECTs whose union is the label history of a model, or of all."""
    parts = [rows.of_finished(table, "label", model=model) for table in tail.lines]
    parts += [f"SELECT * FROM {source}" for source in moment.sources("labels", model)]
    return parts + [
        frames.bounded(frames.labels(s, tail.frames[s.name]), latest_time())
        for s in moment.framed("labels", model)
        if s.name in tail.frames
    ]


def feedback_parts(moment: Snapshot, tail: Tables, model: str | None = None) -> list[str]:
    """Write the SELECTs whose union is what users did about the predictions of a model, or of all."""
    return [rows.of_finished(table, "feedback", model=model) for table in tail.lines] + [
        f"SELECT * FROM {source}" for source in moment.sources("feedback", model)
    ]


def metric_parts(moment: Snapshot, tail: Tables) -> list[str]:
    """Write the SELECTs whose union is all metric points."""
    return [rows.of_finished(table, "metric") for table in tail.lines] + [
        f"SELECT * FROM {source}" for source in moment.sources("metrics")
    ]


def log_parts(moment: Snapshot, tail: Tables) -> list[str]:
    """Write the SELECTs whose union is all log lines."""
    return [rows.of_finished(table, "log") for table in tail.lines] + [
        f"SELECT * FROM {source}" for source in moment.sources("logs")
    ]
