"""New files of the manifest → cells: counts by day, column and declared slice that merge by addition.

Cells follow the manifest by sequence number in a transaction of their own with a watermark, so live rows, late
labels and history are one path. A cell file holds deltas; the truth is their sum. A merged file is no new data:
its rows were counted from the files whose place it took.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchglass.profile.columns import frame_of
from watchglass.profile.counting import Places, Rows, count_codes, count_numbers, count_rows
from watchglass.store import catalog as c
from watchglass.store.catalog import writing
from watchglass.store.compact import engine_room
from watchglass.store.countable import Countable, Known, Stretch, fragment, known_values, look, stretches, texts_of
from watchglass.store.deltas import Deltas, Groups
from watchglass.store.labelled import Joined, count_labels
from watchglass.store.leases import hold
from watchglass.store.models import Feature, features_of, model_named

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb
    from numpy.typing import NDArray
    from sqlalchemy.engine import Connection, Engine

    from watchglass.profile.counting import Counts
    from watchglass.store.folder import Folder
    from watchglass.store.leases import Lease

OTHER = "\x1fother"  # a control character, so that no real value is taken for it
CATEGORIES = 1000
FRAME_ROWS = 20_000
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
    """Count every file of the manifest that is not in the cells yet; gives how many files."""
    with hold(engine, "cells") as lease:
        if lease is None:
            return 0
        done = 0
        with engine_room() as connection:
            # a column's frame comes from its earliest rows; a second thread costs a tenth more of the processor
            connection.execute("SET preserve_insertion_order = true; SET threads = 1")
            for batch in _batches(_pending(engine)):
                published, counting = [], _Lasting(engine, lease)
                for model in dict.fromkeys(file.model for file in batch):
                    counted = _Model.of(engine, model, Deltas(connection))
                    _count(folder, engine, counted, [file for file in batch if file.model == model], counting)
                    published.append((counted, counted.deltas.write(folder, model)))
                _publish(engine, lease, published, batch[-1].seq)
                done += len(batch)
        return done


def _batches(pending: Sequence[Pending]) -> Iterator[list[Pending]]:
    """Part files in order into batches that are counted in one transaction."""
    batch: list[Pending] = []
    for file in pending:
        if batch and (len(batch) == BATCH_FILES or sum(item.rows for item in batch) + file.rows > BATCH_ROWS):
            yield batch
            batch = []
        batch.append(file)
    if batch:
        yield batch


def _mark(connection: Connection) -> int:
    return connection.execute(sa.select(c.watermarks.c.seq).where(c.watermarks.c.name == "cells")).scalar() or 0


def _pending(engine: Engine) -> list[Pending]:
    """List the files of rows past the watermark; a merged one holds rows that were counted already."""
    with engine.connect() as connection:
        query = sa.select(c.files.c.seq, c.files.c.kind, c.files.c.model, c.files.c.path, c.files.c.rows).where(
            c.files.c.seq > _mark(connection), c.files.c.kind.in_(("predictions", "labels")), c.files.c.origin == 0
        )
        return [Pending(*row) for row in connection.execute(query.order_by(c.files.c.seq))]


def _earlier(engine: Engine, folder: Folder, model: str, kind: str, below: int) -> list[str]:
    """List a model's live files of a kind whose rows came before a sequence number; a merged file's by its newest."""
    position = sa.case((c.files.c.origin > 0, c.files.c.origin), else_=c.files.c.seq)
    query = sa.select(c.files.c.path).where(
        c.files.c.model == model, c.files.c.kind == kind, c.files.c.removed.is_(None), position < below
    )
    with engine.connect() as connection:
        return [str(folder.tables / path) for path in connection.execute(query.order_by(position)).scalars()]


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


@dataclass(slots=True)
class _Model:
    """A model while its files are counted: its columns as frozen so far, and the counts."""

    features: dict[str, Feature]
    tags: tuple[str, ...]
    reference: int
    deltas: Deltas
    name: str
    frozen: dict[str, dict[str, object]] = field(default_factory=dict)

    @classmethod
    def of(cls, engine: Engine, name: str, deltas: Deltas) -> _Model:
        """Read what is registered of a model."""
        with engine.connect() as catalog:
            model = model_named(catalog, name)
            query = sa.select(c.columns.c.name).where(c.columns.c.model == name, c.columns.c.role == "tag")
            present = set(catalog.execute(query).scalars())
            features = {feature.name: feature for feature in features_of(catalog, name)}
        tags = tuple(sorted(tag for tag in model.slices if tag in present))
        return cls(features, tags, model.reference, deltas, name)

    def freeze(self, feature: Feature, **values: object) -> None:
        """Keep what is frozen of a column from now on; the catalog gets it with the counts."""
        self.features[feature.name] = replace(feature, **values)  # type: ignore[arg-type]  # names and types of Feature
        kept = {key: json.dumps(value) if isinstance(value, tuple) else value for key, value in values.items()}
        self.frozen.setdefault(feature.name, {}).update(kept)


def _count(folder: Folder, engine: Engine, model: _Model, files: Sequence[Pending], lasting: _Lasting) -> None:
    """Count the files of one model: their rows and features, and what they change of the labels."""
    new: dict[str, list[str]] = {"predictions": [], "labels": []}
    for file in files:
        new[file.kind].append(str(folder.tables / file.path))
    for path in new["predictions"]:
        _count_predictions(model, path, lasting)
    old = {kind: _earlier(engine, folder, model.name, kind, files[0].seq) for kind in new}
    joined = Joined(old["predictions"], old["labels"], new["predictions"], new["labels"])
    count_labels(model.deltas.connection, joined, model.tags)
    lasting.hold_on()


def _count_predictions(model: _Model, path: str, lasting: _Lasting) -> None:
    """Count rows and every feature of one file of predictions."""
    connection = model.deltas.connection
    file = look(connection, path, model.tags)
    here = [feature for name, feature in model.features.items() if name in file.features]
    numbers = [feature.name for feature in here if feature.type == "number"]
    texts = {
        feature.name: _dictionary(connection, model, file, feature)
        for feature in here
        if feature.type in ("text", "boolean")
    }
    slices = [_slices(connection, model, tag, file) for tag in file.tags]
    for stretch in stretches(connection, file, numbers, texts):
        groups = _groups(model, file, stretch)
        _add_rows(model, stretch.rows, groups, slices)
        for name in numbers:
            centre, edges = _frame(model, name, stretch)
            counts = count_numbers(stretch.columns[name], centre, edges, stretch.rows)  # type: ignore[arg-type]  # doubles
            _add(model, groups, slices, counts, (name, "number", "coarse"))
        for name, known in texts.items():
            values = np.array([*map(model.deltas.text, known.values), model.deltas.text(OTHER)], dtype=np.int64)
            coded = count_codes(stretch.columns[name], len(values), stretch.rows)  # type: ignore[arg-type]  # codes
            _add(model, groups, slices, coded, (name, "category", "category"), values)
        lasting.hold_on()


def _dictionary(connection: duckdb.DuckDBPyConnection, model: _Model, file: Countable, feature: Feature) -> Known:
    """Give the values that a column of text is counted by, grown by those of this file up to a thousand."""
    known = known_values(connection, file, feature.name, feature.categories, CATEGORIES)
    if known.values != feature.categories:
        model.freeze(feature, categories=known.values)
    return known


def _frame(model: _Model, name: str, stretch: Stretch) -> tuple[float, tuple[int, ...]]:
    """Give the centre and the coarse edges of a column, frozen when its first values come.

    They come from the earliest rows, those of the windows that alarms learn from, never from later ones.
    """
    feature = model.features[name]
    if feature.centre is not None:
        return feature.centre, feature.edges
    order = slice(None) if (np.diff(stretch.time) >= 0).all() else np.argsort(stretch.time, kind="stable")
    days = stretch.time[order] // 86_400_000_000
    early = int((days < days[0] + model.reference).sum())
    first = np.asarray(stretch.columns[name], dtype=np.float64)[order][: min(early, FRAME_ROWS)]
    if not np.isfinite(first).any():
        return 0.0, ()  # nothing seen yet: count on the plain grid until something is
    frame = frame_of(first)
    model.freeze(feature, centre=frame.centre, scale=frame.scale, edges=frame.edges)
    return frame.centre, frame.edges


class _Slices(NamedTuple):
    """The values of a tag in a file: as the insides of slices' names, and the codes of those names."""

    fragments: list[str]
    codes: NDArray[np.int64]


def _slices(connection: duckdb.DuckDBPyConnection, model: _Model, tag: str, file: Countable) -> _Slices:
    fragments = fragment(connection, tag, texts_of(file.tags[tag]))
    return _Slices(fragments, np.array([model.deltas.text(f"{{{text}}}") for text in fragments], dtype=np.int64))


def _groups(model: _Model, file: Countable, stretch: Stretch) -> Groups:
    versions, environments = (
        np.array([model.deltas.text(text) for text in texts], dtype=np.int64)
        for texts in (file.versions, file.environments)
    )
    return Groups(versions[stretch.versions], environments[stretch.environments], stretch.days)


def _add(
    model: _Model,
    groups: Groups,
    slices: Sequence[_Slices],
    counts: tuple[Counts, list[Counts]],
    about: tuple[str, str, str],
    values: NDArray[np.int64] | None = None,
) -> None:
    """Add a column's counts: for all rows, and under each tag."""
    name, fine, coarse = about
    whole, under = counts
    nothing = np.array([model.deltas.text("")], dtype=np.int64)
    model.deltas.add(groups, whole, name, (fine, "missing"), nothing, values)
    for chosen, found in zip(slices, under, strict=True):
        model.deltas.add(groups, found, name, (coarse, "missing"), chosen.codes, values)


def _add_rows(model: _Model, rows: Rows, groups: Groups, slices: Sequence[_Slices]) -> None:
    """Add how many rows there are: in all, under each tag, under each pair of tags."""
    nothing = np.array([model.deltas.text("")], dtype=np.int64)
    places = [(rows.groups, nothing), *((under, chosen.codes) for under, chosen in zip(rows.tags, slices, strict=True))]
    for (one, first), (other, second) in combinations(list(zip(rows.tags, slices, strict=True)), 2):
        if first.fragments and second.fragments:
            pair = _pair(rows, one, other, len(second.fragments))
            places.append((pair, _pair_codes(model, pair, first, second)))
    excess = None if rows.weights is None else replace(rows, weights=rows.weights * (rows.weights - 1))
    for place, codes in places:
        if not len(codes):
            continue
        model.deltas.add(groups, count_rows(place, rows), "", ("rows", "rows"), codes)
        if excess is not None:  # weight × (weight − 1): what the sum of squares exceeds the sum by
            model.deltas.add(groups, count_rows(place, excess), "", ("rows2", "rows2"), codes)


def _pair(rows: Rows, one: Places, other: Places, width: int) -> Places:
    """Give the places under two tags: group, value of the one, value of the other."""
    left, right = one.of_row, other.of_row
    size = one.size * width
    if left is None or right is None:
        return Places(np.full(rows.count, size, dtype=np.intp), size)
    return Places(np.where((left < one.size) & (right < other.size), left * width + right % width, size), size)


def _pair_codes(model: _Model, pair: Places, first: _Slices, second: _Slices) -> NDArray[np.int64]:
    """Give the codes of the names of the pairs that occur; −1 for the others."""
    codes = np.full(len(first.fragments) * len(second.fragments), -1, dtype=np.int64)
    found = np.zeros(0, dtype=np.intp) if pair.of_row is None else pair.of_row[pair.of_row < pair.size] % len(codes)
    for code in np.flatnonzero(np.bincount(found, minlength=len(codes))).tolist():
        one, other = divmod(code, len(second.fragments))
        codes[code] = model.deltas.text(f"{{{first.fragments[one]},{second.fragments[other]}}}")
    return codes


def _publish(
    engine: Engine, lease: Lease, published: Sequence[tuple[_Model, dict[str, object] | None]], seq: int
) -> None:
    """List the new cells, keep the frames and move the watermark, all or nothing."""
    with writing(engine) as transaction:
        lease.check(transaction)
        for model, values in published:
            for name, frozen in model.frozen.items():
                chosen = (
                    (c.columns.c.model == model.name) & (c.columns.c.role == "feature") & (c.columns.c.name == name)
                )
                transaction.execute(c.columns.update().where(chosen).values(**frozen))
            if values is not None:
                transaction.execute(c.files.insert(), [values])
        mark = insert(c.watermarks).values(name="cells", seq=seq)
        transaction.execute(mark.on_conflict_do_update(index_elements=["name"], set_={"seq": seq}))
