"""Two runs → what differs between them: code, parameters, environment, data read and written, metrics, resources."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import sqlalchemy as sa

from watchglass.errors import BadInput
from watchglass.store import catalog as c
from watchglass.store.graph import take_in
from watchglass.store.runs.listing import COLUMNS, RunSummary, required_run, summary
from watchglass.store.runs.one import RunRecord, Touched, record_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Connection, Engine

    from watchglass.store.folder import Folder

LINES: Final = 400


@dataclass(frozen=True, slots=True)
class Change:
    """A named value in the first run and in the second; None where there is none. `by` is the difference of two numbers."""

    name: str
    before: object
    after: object
    by: float | None = None


@dataclass(frozen=True, slots=True)
class DataChange:
    """An artifact that both runs, or one, read or wrote under a name.

    `change` is same, changed, added, removed, or unknown where no version tells. `details` are what differs of the two
    versions: rows, bytes, columns, and what their profiles say, where they were kept.
    """

    name: str
    change: Literal["same", "changed", "added", "removed", "unknown"]
    before: str | None
    after: str | None
    details: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class RunDiff:
    """What differs between two runs; what is equal is not listed, but for data.

    `source` is a unified diff of the function's text, at most 400 lines; None where one of the two was not kept.
    `environment` lists packages as `packages.<name>`. `same` says that nothing of code, parameters, environment and inputs
    differs, as far as it is known; `unknown` names of these what is not.
    """

    first: RunSummary
    second: RunSummary
    code: tuple[Change, ...]
    source: str | None
    params: tuple[Change, ...]
    environment: tuple[Change, ...]
    inputs: tuple[DataChange, ...]
    outputs: tuple[DataChange, ...]
    metrics: tuple[Change, ...]
    resources: tuple[Change, ...]
    same: bool
    unknown: tuple[str, ...]


def diff(folder: Folder, engine: Engine, first: str, second: str | None = None) -> RunDiff:
    """Compare two runs, named by id or by component: its newest run; one component alone: its newest two, the older first.

    Raises `UnknownName`, `BadInput` for a component that ran once.
    """
    take_in(folder, engine)
    with engine.connect() as connection:
        pair = _two(connection, first) if second is None else (_one(connection, first), _one(connection, second))
        before, after = (record_of(connection, required_run(connection, ident)) for ident in pair)
        brief = [summary(connection.execute(sa.select(*COLUMNS).where(c.runs.c.id == ident)).one()) for ident in pair]
    code = changes({"version": before.version, **before.code}, {"version": after.version, **after.code})
    params = changes(before.params, after.params)
    environment = changes(flat(before.environment or {}), flat(after.environment or {}))
    inputs = _data(before.reads, after.reads)
    unknown = _unknown(before, after, inputs)
    alike = not (code or params or environment) and all(one.change in ("same", "unknown") for one in inputs)
    return RunDiff(
        first=brief[0],
        second=brief[1],
        code=code,
        source=_source(before, after),
        params=params,
        environment=environment if before.environment is not None and after.environment is not None else (),
        inputs=inputs,
        outputs=_data(before.writes, after.writes),
        metrics=changes(before.metrics, after.metrics),
        resources=changes(_spent(before), _spent(after)),
        same=alike,
        unknown=unknown,
    )


def changes(before: Mapping[str, object], after: Mapping[str, object]) -> tuple[Change, ...]:
    """List what differs between two sets of named values.

    >>> changes({"lr": 0.5, "seed": 1}, {"lr": 0.25, "seed": 1, "depth": 3})
    (Change(name='depth', before=None, after=3, by=None), Change(name='lr', before=0.5, after=0.25, by=-0.25))
    """
    names = sorted({*before, *after})
    pairs = [(name, before.get(name), after.get(name)) for name in names]
    return tuple(Change(name, old, new, _by(old, new)) for name, old, new in pairs if old != new)


def _by(before: object, after: object) -> float | None:
    numbers = [v for v in (before, after) if isinstance(v, (int, float)) and not isinstance(v, bool)]
    return float(numbers[1] - numbers[0]) if len(numbers) == 2 else None  # noqa: PLR2004 - both


def flat(values: Mapping[str, object], above: str = "") -> dict[str, object]:
    """Name the values of nested objects by their paths.

    >>> flat({"python": "3.11", "packages": {"numpy": "2.1"}})
    {'python': '3.11', 'packages.numpy': '2.1'}
    """
    found: dict[str, object] = {}
    for name, value in values.items():
        found |= flat(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": value}
    return found


def _spent(run: RunRecord) -> dict[str, object]:
    return {"seconds": run.seconds, "status": run.status, **run.resources}


def _source(before: RunRecord, after: RunRecord) -> str | None:
    if before.source is None or after.source is None:
        return None
    old, new = (f"{run.component} {run.version or run.id}" for run in (before, after))
    lines = list(difflib.unified_diff(before.source.splitlines(), after.source.splitlines(), old, new, lineterm=""))
    cut = [f"… and {len(lines) - LINES} more lines"] if len(lines) > LINES else []
    return "\n".join([*lines[:LINES], *cut])


def _unknown(before: RunRecord, after: RunRecord, inputs: Sequence[DataChange]) -> tuple[str, ...]:
    """Name what cannot be told the same from different."""
    found = [f"the version of input {one.name!r}" for one in inputs if one.change == "unknown"]
    for run in (before, after):
        found += [] if run.environment else [f"the environment of run {run.id}"]
        found += [] if run.code or run.version else [f"the code of run {run.id}"]
    return tuple(found)


def _data(before: Sequence[Touched], after: Sequence[Touched]) -> tuple[DataChange, ...]:
    """Compare what two runs read, or wrote, name by name; of one that was touched more than once the last version counts."""
    old, new = ({one.name: one for one in touched} for touched in (before, after))
    return tuple(_change(name, old.get(name), new.get(name)) for name in sorted({*old, *new}))


def _change(name: str, before: Touched | None, after: Touched | None) -> DataChange:
    if before is None or after is None:
        one = before or after
        version = None if one is None else one.version
        return DataChange(
            name,
            "added" if before is None else "removed",
            None if before is None else version,
            None if after is None else version,
            (),
        )
    if before.version is None or after.version is None:
        by_time = before.producer is not None and before.producer == after.producer
        return DataChange(name, "same" if by_time else "unknown", before.version, after.version, ())
    if before.version == after.version:
        return DataChange(name, "same", before.version, after.version, ())
    details = changes(_about(before), _about(after))
    return DataChange(name, "changed", before.version, after.version, details)


def _about(one: Touched) -> dict[str, object]:
    """Tell what is known of a version, its profile flat; the place where its bytes lie says nothing of them."""
    columns = one.columns
    named = {f"columns.{name}": kind for name, kind in columns.items()} if isinstance(columns, dict) else {}
    if isinstance(columns, list):
        named = {f"columns.{name}": "there" for name in map(_column, columns)}
    profile = flat(one.profile or {}, "profile.")
    return {"kind": one.kind, "rows": one.rows, "bytes": one.bytes, **named, **profile}


def _column(column: object) -> str:
    """Name a column that is told alone, or as a list that begins with its name."""
    return str(column[0]) if isinstance(column, list) and column else str(column)


def _one(connection: Connection, name: str) -> str:
    """Name the run that is meant: by its id, else the newest of a component."""
    found = _newest(connection, name, 1)
    known = connection.execute(sa.select(c.runs.c.id).where(c.runs.c.id == name)).first() is not None
    return name if known or not found else found[0]


def _two(connection: Connection, name: str) -> tuple[str, str]:
    found = _newest(connection, name, 2)
    if not found:
        required_run(connection, name)
        message = f"run {name!r} is compared with no other: name two runs, or a component for its newest two"
        raise BadInput(message)
    if len(found) == 1:
        message = f"component {name!r} ran once ({found[0]}): its newest two runs are compared. Next: watchglass runs"
        raise BadInput(message)
    return found[1], found[0]


def _newest(connection: Connection, component: str, most: int) -> Sequence[str]:
    r = c.runs.c
    query = sa.select(r.id).where(r.component == component).order_by(r.started.desc(), r.id.desc()).limit(most)
    return connection.execute(query).scalars().all()
