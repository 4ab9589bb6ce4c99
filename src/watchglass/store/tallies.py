"""Rows of a model's predictions → its counts, added to what is gathered or taken away from it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import sqlalchemy as sa

from watchglass.profile.columns import frame_of
from watchglass.profile.counting import Places, Rows, count_codes, count_numbers, count_rows
from watchglass.store import catalog as c
from watchglass.store.countable import Countable, Known, Stretch, fragment, known_values, look, stretches, texts_of
from watchglass.store.deltas import Deltas, Groups
from watchglass.store.eras import Era, Eras, eras_of
from watchglass.store.models import Feature, features_of, model_named
from watchglass.store.outputs import first_seen, output_of, outputs_of, value_of
from watchglass.store.quoting import literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import duckdb
    from numpy.typing import NDArray
    from sqlalchemy.engine import Engine

    from watchglass.profile.counting import Counts
    from watchglass.store.folder import Folder

OTHER = "\x1fother"  # a control character, so that no real value is taken for it
CATEGORIES = 1000
FRAME_ROWS = 20_000
UNFRAMED: tuple[float, tuple[int, ...]] = (0.0, ())
"""How a column is counted whose first number is still to come: on the plain grid, infinities in the first coarse bin."""


@dataclass(slots=True)
class Tally:
    """A model while its rows are counted: its columns as frozen so far, and the counts."""

    features: dict[str, Feature]
    tags: tuple[str, ...]
    reference: int
    deltas: Deltas
    name: str
    eras: Eras
    task: str | None = None
    sign: int = 1  # −1: what is counted is taken away, by the columns as they are frozen
    unframed: frozenset[str] = frozenset()  # columns whose infinities are counted without a frame
    frozen: dict[str, dict[str, object]] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Folder, engine: Engine, name: str, deltas: Deltas) -> Tally:
        """Read what is registered of a model."""
        with engine.connect() as catalog:
            eras = eras_of(folder, catalog, deltas.connection, name)
            model = model_named(catalog, name)
            query = sa.select(c.columns.c.name).where(c.columns.c.model == name, c.columns.c.role == "tag")
            present = set(catalog.execute(query).scalars())
            features = {item.name: item for item in (*features_of(catalog, name), *outputs_of(catalog, name))}
        tags = tuple(sorted(tag for tag in model.slices if tag in present))
        unframed = frozenset(eras.found[-1].unframed if eras.found else ())
        return cls(features, tags, model.reference, deltas, name, eras, task=model.task, unframed=unframed)

    def counted(self, position: int) -> None:
        """Say that the rows of a file were counted as things are now."""
        self.unframed = frozenset(name for name in self.unframed if self.features[name].centre is None)
        outputs = tuple(sorted(filter(output_of, self.features)))
        self.eras = self.eras.and_then(Era(position, self.tags, tuple(sorted(self.unframed)), outputs))

    def away(self, position: int) -> Tally:
        """Give what takes the rows of a file away, as they were counted."""
        era = self.eras.at(position)
        counted = {n: item for n, item in self.features.items() if output_of(n) is None or n in era.outputs}
        return replace(self, features=counted, sign=-1, tags=era.tags, unframed=frozenset(era.unframed))

    def meet(self, outputs: Iterable[Feature]) -> None:
        """Count outputs from now on."""
        for output in outputs:
            self.features[output.name] = output
            self.frozen.setdefault(output.name, {})

    def freeze(self, feature: Feature, **values: object) -> None:
        """Keep what is frozen of a column from now on; the catalog gets it with the counts."""
        self.features[feature.name] = replace(feature, **values)  # type: ignore[arg-type]  # names and types of Feature
        kept = {key: json.dumps(value) if isinstance(value, tuple) else value for key, value in values.items()}
        self.frozen.setdefault(feature.name, {}).update(kept)


def whole(path: str) -> str:
    """Write the relation of all rows of a file."""
    return f"read_parquet({literal(path)}, file_row_number = true)"


def count(tally: Tally, source: str, after: Callable[[], None] = lambda: None) -> None:
    """Count rows and every feature of a relation that numbers its rows (`file_row_number`); `after` is called now and then."""
    connection = tally.deltas.connection
    file = look(connection, source, tally.tags)
    if tally.sign > 0:
        tally.meet(first_seen(connection, source, file.outputs - set(tally.features), tally.task))
    here = [feature for name, feature in tally.features.items() if name in file.features | file.outputs]
    numbers = {feature.name: value_of(feature.name, "number") for feature in here if feature.type == "number"}
    texts = {
        feature.name: _dictionary(connection, tally, file, feature)
        for feature in here
        if feature.type in ("text", "boolean")
    }
    slices = [_slices(connection, tally, tag, file) for tag in file.tags]
    unframed = set(tally.unframed if tally.sign < 0 else ())
    for stretch in stretches(connection, file, numbers, texts):
        groups = _groups(tally, file, stretch)
        _add_rows(tally, stretch.rows, groups, slices)
        for name in numbers:
            centre, edges = UNFRAMED if name in unframed else _frame(tally, name, stretch, file)
            if not edges:
                unframed.add(name)
                if np.isinf(stretch.columns[name]).any():
                    tally.unframed |= {name}
            counts = count_numbers(stretch.columns[name], centre, edges, stretch.rows)  # type: ignore[arg-type]  # doubles
            _add(tally, groups, slices, counts, (name, "number", "coarse"))
        for name, known in texts.items():
            values = np.array([*map(tally.deltas.text, known.values), tally.deltas.text(OTHER)], dtype=np.int64)
            coded = count_codes(stretch.columns[name], len(values), stretch.rows)  # type: ignore[arg-type]  # codes
            _add(tally, groups, slices, coded, (name, "category", "category"), values)
        after()


def _dictionary(connection: duckdb.DuckDBPyConnection, tally: Tally, file: Countable, feature: Feature) -> Known:
    """Give the values that a column of text is counted by, grown by those of this file up to a thousand."""
    if tally.sign < 0:
        return Known(feature.categories, others=True)
    known = known_values(connection, file, feature.name, feature.categories, CATEGORIES)
    if known.values != feature.categories:
        tally.freeze(feature, categories=known.values)
    return known


def _frame(tally: Tally, name: str, stretch: Stretch, file: Countable) -> tuple[float, tuple[int, ...]]:
    """Give the centre and the coarse edges of a column, frozen when its first numbers come: a file is counted in one frame.

    They come from the earliest rows, those of the windows that alarms learn from, and from later ones only where these
    have no number; never from such as are taken away.
    """
    feature = tally.features[name]
    if feature.centre is not None:
        return feature.centre, feature.edges
    if tally.sign < 0:
        return UNFRAMED
    order = slice(None) if (np.diff(stretch.time) >= 0).all() else np.argsort(stretch.time, kind="stable")
    days = stretch.time[order] // 86_400_000_000
    early = int((days < days[0] + tally.reference).sum())
    first = np.asarray(stretch.columns[name], dtype=np.float64)[order][: min(early, FRAME_ROWS)]
    if not np.isfinite(first).any():
        first = _numbers(tally.deltas.connection, file, name)
    if not len(first):
        return UNFRAMED
    frame = frame_of(first)
    tally.freeze(feature, centre=frame.centre, scale=frame.scale, edges=frame.edges)
    return frame.centre, frame.edges


def _numbers(connection: duckdb.DuckDBPyConnection, file: Countable, name: str) -> NDArray[np.float64]:
    """Read the earliest numbers of a column."""
    query = (
        f"SELECT TRY_CAST({value_of(name, 'number')} AS DOUBLE) AS v FROM {file.source}"
        f" WHERE time IS NOT NULL AND isfinite(v) ORDER BY time, file_row_number LIMIT {FRAME_ROWS}"
    )
    return np.ma.getdata(connection.execute(query).fetchnumpy()["v"]).astype(np.float64, copy=False)


class _Slices(NamedTuple):
    """The values of a tag in a file: as the insides of slices' names, and the codes of those names."""

    fragments: list[str]
    codes: NDArray[np.int64]


def _slices(connection: duckdb.DuckDBPyConnection, tally: Tally, tag: str, file: Countable) -> _Slices:
    fragments = fragment(connection, tag, texts_of(file.tags[tag]))
    return _Slices(fragments, np.array([tally.deltas.text(f"{{{text}}}") for text in fragments], dtype=np.int64))


def _groups(tally: Tally, file: Countable, stretch: Stretch) -> Groups:
    versions, environments = (
        np.array([tally.deltas.text(text) for text in texts], dtype=np.int64)
        for texts in (file.versions, file.environments)
    )
    return Groups(versions[stretch.versions], environments[stretch.environments], stretch.days)


def _signed(tally: Tally, counts: Counts) -> Counts:
    return counts if tally.sign > 0 else counts._replace(n=-counts.n)


def _add(
    tally: Tally,
    groups: Groups,
    slices: Sequence[_Slices],
    counts: tuple[Counts, list[Counts]],
    about: tuple[str, str, str],
    values: NDArray[np.int64] | None = None,
) -> None:
    """Add a column's counts: for all rows, and under each tag."""
    name, fine, coarse = about
    whole, under = counts
    nothing = np.array([tally.deltas.text("")], dtype=np.int64)
    tally.deltas.add(groups, _signed(tally, whole), name, (fine, "missing"), nothing, values)
    for chosen, found in zip(slices, under, strict=True):
        tally.deltas.add(groups, _signed(tally, found), name, (coarse, "missing"), chosen.codes, values)


def _add_rows(tally: Tally, rows: Rows, groups: Groups, slices: Sequence[_Slices]) -> None:
    """Add how many rows there are: in all, under each tag, under each pair of tags."""
    nothing = np.array([tally.deltas.text("")], dtype=np.int64)
    places = [(rows.groups, nothing), *((under, chosen.codes) for under, chosen in zip(rows.tags, slices, strict=True))]
    for (one, first), (other, second) in combinations(list(zip(rows.tags, slices, strict=True)), 2):
        if first.fragments and second.fragments:
            pair = _pair(rows, one, other, len(second.fragments))
            places.append((pair, _pair_codes(tally, pair, first, second)))
    excess = None if rows.weights is None else replace(rows, weights=rows.weights * (rows.weights - 1))
    for place, codes in places:
        if not len(codes):
            continue
        tally.deltas.add(groups, _signed(tally, count_rows(place, rows)), "", ("rows", "rows"), codes)
        if excess is not None:  # weight × (weight − 1): what the sum of squares exceeds the sum by
            tally.deltas.add(groups, _signed(tally, count_rows(place, excess)), "", ("rows2", "rows2"), codes)


def _pair(rows: Rows, one: Places, other: Places, width: int) -> Places:
    """Give the places under two tags: group, value of the one, value of the other."""
    left, right = one.of_row, other.of_row
    size = one.size * width
    if left is None or right is None:
        return Places(np.full(rows.count, size, dtype=np.intp), size)
    return Places(np.where((left < one.size) & (right < other.size), left * width + right % width, size), size)


def _pair_codes(tally: Tally, pair: Places, first: _Slices, second: _Slices) -> NDArray[np.int64]:
    """Give the codes of the names of the pairs that occur; −1 for the others."""
    codes = np.full(len(first.fragments) * len(second.fragments), -1, dtype=np.int64)
    found = np.zeros(0, dtype=np.intp) if pair.of_row is None else pair.of_row[pair.of_row < pair.size] % len(codes)
    for code in np.flatnonzero(np.bincount(found, minlength=len(codes))).tolist():
        one, other = divmod(code, len(second.fragments))
        codes[code] = tally.deltas.text(f"{{{first.fragments[one]},{second.fragments[other]}}}")
    return codes
