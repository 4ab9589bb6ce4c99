"""An mltrace database, which need not be installed → its components, runs and flags as graph events, oldest run first.

What a run read and wrote comes as names without content: mltrace's own value of a pointer is a hash of `repr`, equal for
values that differ and different for values that are equal, so it is no version. A dependency that mltrace recorded and that
the names alone would not tell comes as `upstream`. Pickled columns are read for plain values only (`pickled.py`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final, TypeAlias, cast

import sqlalchemy as sa

from watchglass.errors import BadInput
from watchglass.store.foreign.database import named, rows, table
from watchglass.store.foreign.pickled import NotPlain, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import tzinfo

    from sqlalchemy.engine import Connection

Event: TypeAlias = "dict[str, object]"
Row: TypeAlias = "Mapping[str, object]"
DIGITS: Final = 12
_RUNS: Final = ("id", "component_name", "start_timestamp", "end_timestamp")


@dataclass(slots=True)
class Mltrace:
    """A database that is open for reading, how its runs are to be named, and what of it could not be taken."""

    connection: Connection
    prefix: str
    zone: tzinfo
    left_out: Counter[str] = field(default_factory=Counter)
    """What could not be taken, by reason."""

    def run(self, number: object) -> str:
        """Give the id that one of its runs has here."""
        return f"{self.prefix}-{number}"

    def micros(self, moment: object) -> int | None:
        """Give a time without a zone in microseconds; mltrace writes UTC."""
        if not isinstance(moment, datetime):
            return None
        return round(moment.replace(tzinfo=moment.tzinfo or self.zone).timestamp() * 1e6)

    def plain(self, row: Row, name: str) -> object:
        """Read a pickled column, None when it holds more than plain values."""
        data = row.get(name)
        try:
            return plain(data) if isinstance(data, (bytes, memoryview)) else data
        except NotPlain as error:
            self.left_out[f"{name} of a run: {error}"[:200]] += 1
            return None


def size(source: Mltrace) -> int:
    """Count the runs; raises `BadInput` when it is no database of mltrace."""
    runs = table(source.connection, "component_runs", _RUNS)
    if runs is None:
        message = (
            "there is no table 'component_runs' in the database: is it the one that mltrace wrote to (its DB_URI)?"
        )
        raise BadInput(message)
    return int(source.connection.execute(sa.select(sa.func.count()).select_from(runs)).scalar_one())


def components(source: Mltrace) -> Iterator[Event]:
    """Give its components with description, owner and tags."""
    tags: dict[str, list[str]] = {}
    tagged = table(source.connection, "component_tags", ("component_name", "tag_name"))
    if tagged is not None:
        for row in rows(source.connection, sa.select(tagged.c.component_name, tagged.c.tag_name).distinct()):
            tags.setdefault(str(row[0]), []).append(str(row[1]))
    found = table(source.connection, "components", ("name",))
    for told in () if found is None else named(source.connection, sa.select(found)):
        event = {name: told.get(name) for name in ("name", "description", "owner")}
        yield {"kind": "component", **event, "tags": sorted(tags.get(str(told["name"]), ()))}


def runs(source: Mltrace) -> Iterator[Event]:
    """Give its runs by number, each after the source that it ran, with what it read and wrote."""
    found = cast("sa.Table", table(source.connection, "component_runs", _RUNS))
    reads = _Beside(source.connection, "component_runs_inputs", "input_path_name")
    writes = _Beside(source.connection, "component_runs_outputs", "output_path_name")
    upstream = _Beside(source.connection, "component_run_dependencies", "depends_on_component_run_id")
    told: set[str] = set()
    for one in named(source.connection, sa.select(found).order_by(found.c.id)):
        number = cast("int", one["id"])
        edges = reads.of(number), writes.of(number), upstream.of(number)
        yield from _run(source, one, edges, told)


def _run(source: Mltrace, row: Row, edges: Sequence[Sequence[object]], told: set[str]) -> Iterator[Event]:
    started, ended = source.micros(row["start_timestamp"]), source.micros(row["end_timestamp"])
    if started is None or ended is None or row["component_name"] is None:
        source.left_out["a run without a component, a start or an end"] += 1
        return
    text = _text(row.get("code_snapshot"))
    version = sha256(text.encode()).hexdigest()[:DIGITS] if text else None
    if version is not None and version not in told:
        told.add(version)
        yield {"kind": "source", "id": version, "text": text, "name": row["component_name"], "time": started}
    tags, stale = source.plain(row, "git_tags"), source.plain(row, "stale")
    code = {"commit": row.get("git_hash"), "tag": ", ".join(map(str, _listed(tags))) or None, "source_hash": version}
    params = source.plain(row, "mlflow_run_params")
    notes = [*_listed(row.get("notes")), *(f"said by mltrace when it ended: {text}" for text in _listed(stale))]
    event = {
        "kind": "run",
        "id": source.run(row["id"]),
        "component": row["component_name"],
        "version": version,
        "started": started,
        "ended": max(started, ended),
        "status": "ok",  # mltrace keeps no run that failed
        "code": {name: value for name, value in code.items() if value},
        "params": {
            **(params if isinstance(params, dict) else {}),
            **({"mlflow_run_id": row["mlflow_run_id"]} if row.get("mlflow_run_id") else {}),
        },
        "metrics": source.plain(row, "mlflow_run_metrics"),
        "notes": notes,
        "tests": _tests(row.get("test_results")),
        "reads": [_edge(name, started) for name in edges[0]],
        "writes": [_edge(name, max(started, ended)) for name in edges[1]],
        "upstream": [source.run(number) for number in edges[2]],
    }
    yield {name: value for name, value in event.items() if value not in (None, {}, [])}


def _edge(name: object, time: int) -> Event:
    return {"name": str(name), "version": None, "rule": "declared", "time": time}


def _text(data: object) -> str:
    return bytes(data).decode(errors="replace") if isinstance(data, (bytes, memoryview)) else str(data or "")


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple, set)) else [] if value in (None, "") else [value]


def _tests(value: object) -> list[Event]:
    """Read the results of a run's tests; mltrace says "success" or "fail, error: …" of each by name, and of no failure that it stopped a run."""
    results: Mapping[object, object] = value if isinstance(value, dict) else {}
    flat = {
        str(name): text
        for test, inner in results.items()
        for name, text in (inner.items() if isinstance(inner, dict) else [(test, inner)])
    }
    return [
        {"name": name, "level": "warn", "ok": text == "success", "message": None if text == "success" else str(text)}
        for name, text in flat.items()
    ]


class _Beside:
    """A table of pairs (run, value) walked beside the runs: one pass, in the order of their numbers."""

    def __init__(self, connection: Connection, name: str, value: str) -> None:
        found = table(connection, name, ("component_run_id", value))
        pairs: Iterable[Sequence[object]] = ()
        if found is not None:
            query = sa.select(found.c.component_run_id, found.c[value]).distinct()
            kept = found.c.component_run_id.is_not(None) & found.c[value].is_not(None)
            pairs = rows(connection, query.where(kept).order_by(found.c.component_run_id, found.c[value]))
        self._groups = groupby(pairs, key=itemgetter(0))
        self._next: tuple[int, list[object]] | None = None

    def of(self, number: int) -> list[object]:
        """Give the values of a run; asked for with rising numbers."""
        while self._next is None or self._next[0] < number:
            group = next(self._groups, None)
            if group is None:
                return []
            self._next = int(cast("int", group[0])), [pair[1] for pair in group[1]]
        return self._next[1] if self._next[0] == number else []


def flags(source: Mltrace) -> Iterator[Event]:
    """Give the outputs that are flagged; the time is that of the newest run that wrote one, for mltrace keeps none."""
    pointers = table(source.connection, "io_pointers", ("name",))
    if pointers is None or "flag" not in pointers.c:
        return
    outputs = table(source.connection, "component_runs_outputs", ("output_path_name", "component_run_id"))
    found = cast("sa.Table", table(source.connection, "component_runs", _RUNS))
    if outputs is None:
        return
    wrote = sa.select(sa.func.max(found.c.end_timestamp)).join(outputs, outputs.c.component_run_id == found.c.id)
    newest = wrote.where(outputs.c.output_path_name == pointers.c.name).scalar_subquery()
    query = sa.select(pointers.c.name, newest).where(pointers.c.flag.is_(sa.true())).distinct()
    for name, time in rows(source.connection, query):
        yield {
            "kind": "flag",
            "name": name,
            "version": "",
            "time": source.micros(time) or 0,
            "note": "flagged in mltrace",
        }


def subjects(source: Mltrace) -> Iterator[Event]:
    """Give its labels, which are tags of subjects on pointers, and those that were retracted."""
    tagged = table(source.connection, "labels_io_pointers", ("label", "io_pointer_name"))
    if tagged is not None:
        query = sa.select(tagged.c.label, tagged.c.io_pointer_name).distinct()
        for label, name in rows(source.connection, query.where(tagged.c.label.is_not(None))):
            yield {"kind": "subject_tag", "name": name, "version": "", "tag": label, "time": 0}
    deleted = table(source.connection, "deleted_labels", ("label", "deletion_request_time"))
    if deleted is not None:
        for label, time in rows(source.connection, sa.select(deleted.c.label, deleted.c.deletion_request_time)):
            yield {"kind": "retraction", "tag": label, "time": source.micros(time) or 0}
