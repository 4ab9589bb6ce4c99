"""Segments of lines, held open → the temporary table `raw_lines`: in one go where DuckDB's parser takes them, else as far as they can be taken.

Three ways, each slower and more forgiving: features parsed straight into typed columns; features as JSON, so that a
value that does not fit costs only itself; line by line in Python, so that a broken line costs only itself.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from types import NoneType
from typing import TYPE_CHECKING, Final

import duckdb

from watchglass.capture.encode import plain
from watchglass.capture.schema import type_of
from watchglass.store.lines import (
    KINDS,
    RAW_KEPT,
    Rejected,
    each_line,
    each_told,
    has_half_pairs,
    in_memory,
    latest_time,
    misfit,
    model_in,
    shown,
    sift,
)
from watchglass.store.quoting import identifier, literal
from watchglass.store.rows import Layout, odd, reader

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from contextlib import ExitStack

    from watchglass.store.models import Columns
    from watchglass.store.segments import Segment

WINDOW: Final = 1 << 16
WINDOWS: Final = 4
MISFITS_KEPT: Final = 1000


@dataclass(frozen=True, slots=True)
class Loaded:
    """How a batch was parsed, and the lines that could not be taken."""

    layout: Layout
    rejected: tuple[Rejected, ...]


Seen = dict[tuple[str, str, str], str]
"""(model, role, name) → type, of what a sample of the lines holds."""


@dataclass(slots=True)
class Sample:
    """What a few stretches of some segments hold: kinds, models, the columns of models, the first and last time in µs."""

    kinds: set[str] = field(default_factory=set)
    models: set[str] = field(default_factory=set)
    columns: Seen = field(default_factory=dict)
    classes: bool = False
    """Whether a score tells of several classes."""
    first: float = math.inf
    last: float = -math.inf


def sampled(segments: Sequence[Segment]) -> Sample:
    """Look at a few stretches of each segment."""
    found = Sample()
    models, seen = found.models, found.columns

    def take(event: dict[str, object]) -> None:
        found.kinds.add(str(event.get("kind")))
        found.classes |= not isinstance(event.get("score", 0), (int, float, NoneType))
        moment = event.get("time")
        if isinstance(moment, int):
            found.first, found.last = min(found.first, moment), max(found.last, moment)
        model = plain(event.get("model"))
        if not isinstance(model, str) or not model:
            return
        models.add(model)
        for role, source in (("feature", "features"), ("tag", "tags")):
            fields = event.get(source)
            for name, value in fields.items() if isinstance(fields, dict) and event.get("kind") == "prediction" else ():
                kind = "text" if role == "tag" else type_of(value)
                if kind is not None:
                    seen.setdefault((model, role, str(plain(name))), kind)

    for segment in segments:
        for part in segment.windows(WINDOW, WINDOWS):
            each_line(part, take)
    return found


def load(
    connection: duckdb.DuckDBPyConnection,
    segments: Sequence[Segment],
    columns: Mapping[str, Columns],
    kinds: Collection[str],
    stack: ExitStack,
) -> Loaded:
    """Parse segments into `raw_lines`; `columns` are those of the models, `kinds` the kinds, that a sample showed."""
    latest = latest_time()
    torn: list[Rejected] = []
    paths = [_path(segment, torn, stack) for segment in segments] or [stack.enter_context(in_memory(b""))]
    if not any(segment.has_half_pairs() for segment in segments):
        shown_kinds = tuple(kind for kind in KINDS if kind in kinds)
        for layout in dict.fromkeys((Layout.joint(columns, shown_kinds), Layout())):
            if _whole(connection, paths, layout, latest):
                return Loaded(layout, tuple(torn))
    rejected = _one_by_one(connection, segments, latest, stack)
    return Loaded(Layout(), tuple(rejected))


def _path(segment: Segment, torn: list[Rejected], stack: ExitStack) -> str:
    """Give the path of a segment's whole lines; a torn end is told, and left out."""
    end = segment.end_of_lines(0)
    if end == segment.size:
        return segment.location
    torn += _torn(segment, end)
    return stack.enter_context(in_memory(segment.part(0, end)))


def _whole(connection: duckdb.DuckDBPyConnection, paths: Sequence[str], layout: Layout, latest: int) -> bool:
    """Parse all at once; says whether every line was taken for what it is."""
    try:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE raw_lines AS SELECT * FROM {reader(paths, layout)}")
        if _has_odd(connection, "raw_lines", layout, latest):
            return False
    except duckdb.Error:
        return False
    if not layout.fields:
        return True
    known = ", ".join(map(literal, layout.models))
    query = f"SELECT count(*) FROM raw_lines WHERE kind = 'prediction' AND model NOT IN ({known})"
    return not (connection.execute(query).fetchone() or (1,))[0]


def _one_by_one(
    connection: duckdb.DuckDBPyConnection, segments: Sequence[Segment], latest: int, stack: ExitStack
) -> list[Rejected]:
    """Parse segment by segment, and only those that DuckDB does not take, line by line."""
    layout, rejected = Layout(), []
    empty = stack.enter_context(in_memory(b""))
    connection.execute(f"CREATE OR REPLACE TEMP TABLE raw_lines AS SELECT * FROM {reader([empty], layout)}")
    for segment in segments:
        whole = segment.lines()
        with in_memory(whole) as path:
            taken = not has_half_pairs(whole) and _into(connection, "one_segment", path, latest)
        if not taken:
            good, bad = sift(segment.name, whole, latest)
            rejected += bad
            rejected += into_table(connection, "one_segment", good, segment.name)
        rejected += _torn(segment, len(whole))
        connection.execute("INSERT INTO raw_lines SELECT * FROM one_segment")
        connection.execute("DROP TABLE one_segment")
    return rejected


def into_table(
    connection: duckdb.DuckDBPyConnection, table: str, good: Sequence[bytes], segment: str
) -> list[Rejected]:
    """Parse lines that look good into a table; those that DuckDB will not take all the same are halved out and told."""
    rejected: list[Rejected] = []
    with in_memory(b"") as path:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT * FROM {reader([path], Layout())}")
    waiting = [list(good)]
    while waiting:
        chosen = waiting.pop()
        if not chosen:
            continue
        try:
            with in_memory(b"".join(chosen)) as path:
                connection.execute(f"INSERT INTO {table} SELECT * FROM {reader([path], Layout())}")
        except duckdb.Error as error:
            if len(chosen) == 1:
                reason = f"DuckDB does not take it: {str(error).splitlines()[0]}"[:500]
                raw = shown(chosen[0].rstrip(b"\n"))
                rejected.append(Rejected(segment, None, reason, raw, model=model_in(raw)))
            else:
                waiting += [chosen[len(chosen) // 2 :], chosen[: len(chosen) // 2]]
    return rejected


def _into(connection: duckdb.DuckDBPyConnection, table: str, path: str, latest: int) -> bool:
    try:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT * FROM {reader([path], Layout())}")
        return not _has_odd(connection, table, Layout(), latest)
    except duckdb.Error:
        return False


def _has_odd(connection: duckdb.DuckDBPyConnection, table: str, layout: Layout, latest: int) -> bool:
    return bool((connection.execute(f"SELECT count(*) FROM {table} WHERE {odd(layout, latest)}").fetchone() or (1,))[0])


def _torn(segment: Segment, whole: int) -> list[Rejected]:
    """Report a last line without an end: its writer was killed inside the call, before it was acknowledged."""
    rest = segment.size - whole
    if not rest:
        return []
    raw = shown(segment.part(whole, min(rest, RAW_KEPT)))
    return [
        Rejected(segment.name, None, f"the last {rest} bytes have no line end: the writer was killed in mid-write", raw)
    ]


def misfits(connection: duckdb.DuckDBPyConnection, model: str, columns: Columns, segment: str) -> list[Rejected]:
    """Tell the values of a model that became NULL because they do not fit their column's type, with their lines."""
    found = []
    for source, kinds in (("features", columns.features), ("tags", columns.tags)):
        typed = [(name, kind) for name, kind in kinds if kind != "VARCHAR"]
        if not typed:
            continue
        shape, texts = (
            literal(json.dumps(dict(fields))) for fields in (typed, [(name, "VARCHAR") for name, _ in typed])
        )
        rows = (
            f"SELECT id, time, version, environment, features, tags, json_transform({source}, {texts}) AS said, json_transform({source}, {shape}) AS typed"
            f" FROM raw_lines WHERE kind = 'prediction' AND model = {literal(model)}"
        )
        lost = [f"said.{identifier(name)} IS NOT NULL AND typed.{identifier(name)} IS NULL" for name, _ in typed]
        counted = ", ".join(f"count(said.{identifier(name)}) - count(typed.{identifier(name)})" for name, _ in typed)
        counts = connection.execute(f"SELECT {counted} FROM ({rows})").fetchone()
        for (name, kind), condition, total in zip(typed, lost, counts or (), strict=True):
            if total:
                reason = misfit(source[:-1], name, model, kind)
                lost_here = Rejected(segment, None, reason, None, total, model, source[:-1], name)
                found += _told(connection, f"FROM ({rows}) WHERE {condition}", lost_here)
    return found


def _told(connection: duckdb.DuckDBPyConnection, rows: str, lost: Rejected) -> list[Rejected]:
    """Tell each value with its line, up to a number; the rest together."""
    line = "json_object('kind', 'prediction', 'model', ?, 'id', id, 'time', time::BIGINT, 'version', version, 'environment', environment, 'features', features, 'tags', tags)::VARCHAR"
    raws = connection.execute(f"SELECT {line} {rows} LIMIT {MISFITS_KEPT}", [lost.model]).fetchall()
    return each_told(lost, [raw for (raw,) in raws])
