"""A store → one consistent moment of it: the manifest's files and the log segments that are not in them yet.

The order makes it exact: segments are opened, then the graph is taken in, then one catalog transaction says
which of the opened segments are in the files. A row is seen once, whatever compacts meanwhile.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store import frames, lines
from watchglass.store.graph import take_in
from watchglass.store.models import Columns, columns_of, model_names
from watchglass.store.quoting import literal
from watchglass.store.segments import opened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder
    from watchglass.store.segments import Segment


@dataclass(frozen=True, slots=True)
class File:
    """A row of the manifest."""

    seq: int
    kind: str
    model: str
    path: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a query reads: published files, live segments, and the columns of each model."""

    folder: Folder
    files: tuple[File, ...]
    live: tuple[Segment, ...]
    columns: Mapping[str, Columns]

    def paths(self, kind: str, model: str | None = None) -> tuple[str, ...]:
        """Give the absolute paths of the files of a kind, of one model or of all."""
        return tuple(
            str(self.folder.tables / file.path)
            for file in self.files
            if file.kind == kind and model in (None, file.model)
        )


@contextmanager
def snapshot(folder: Folder, engine: Engine) -> Iterator[Snapshot]:
    """Hold one consistent moment of a store."""
    with opened(folder.row_log) as held:
        take_in(folder, engine)
        with engine.connect() as connection:
            names = [segment.name for segment in held]
            taken = set(connection.execute(sa.select(c.segments.c.name).where(c.segments.c.name.in_(names))).scalars())
            query = sa.select(c.files.c.seq, c.files.c.kind, c.files.c.model, c.files.c.path).order_by(c.files.c.seq)
            files = tuple(File(*row) for row in connection.execute(query))
            columns = {name: columns_of(connection, name) for name in model_names(connection)}
        yield Snapshot(folder, files, tuple(s for s in held if s.name not in taken), columns)


def load_tail(connection: duckdb.DuckDBPyConnection, live: Sequence[Segment], held: ExitStack) -> None:
    """Parse the live JSON-lines segments into `raw_lines`; what cannot be read is left for compaction to report."""
    tails = [(segment.name, segment.lines()) for segment in live if segment.sidecar is None]
    data = b"".join(part for _, part in tails)
    try:
        lines.load(connection, [held.enter_context(lines.in_memory(data))])
    except duckdb.Error:
        good = b"".join(lines.sift(name, part)[0] for name, part in tails)
        lines.load(connection, [held.enter_context(lines.in_memory(good))])


def prediction_parts(moment: Snapshot, model: str) -> list[str]:
    """Write the SELECTs whose union is all predictions of a model: files, tail lines, tail frames."""
    columns = moment.columns.get(model, Columns((), ()))
    parts = [lines.predictions(columns).replace("model = ?", f"model = {literal(model)}")]
    if paths := moment.paths("predictions", model):
        parts.append(
            f"SELECT * FROM read_parquet([{', '.join(literal(path) for path in paths)}], union_by_name = true)"
        )
    parts += [
        frames.predictions(s, columns)
        for s in moment.live
        if s.sidecar and frames.kind_of(s) == "predictions" and s.sidecar["model"] == model
    ]
    return parts


def label_parts(moment: Snapshot, model: str) -> list[str]:
    """Write the SELECTs whose union is the label history of a model."""
    parts = [lines.labels().replace("model = ?", f"model = {literal(model)}")]
    if paths := moment.paths("labels", model):
        parts.append(
            f"SELECT * FROM read_parquet([{', '.join(literal(path) for path in paths)}], union_by_name = true)"
        )
    parts += [
        frames.labels(s)
        for s in moment.live
        if s.sidecar and frames.kind_of(s) == "labels" and s.sidecar["model"] == model
    ]
    return parts
