"""Two times → what changed of the system between them: deployments, code, parameters, data, verdicts, incidents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from watchglass.errors import BadInput
from watchglass.store.graph import take_in
from watchglass.store.models import moment
from watchglass.store.runs import state as then
from watchglass.store.runs.comparing import Change, changes
from watchglass.store.runs.moments import microseconds_of
from watchglass.store.runs.state import OpenThen  # noqa: TC001 - the description of the API reads it
from watchglass.store.schemas.registered import checked_limit

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

    from watchglass.records import Time
    from watchglass.store.folder import Folder
    from watchglass.store.runs.state import DataThen

NAMES: Final = 20_000


@dataclass(frozen=True, slots=True)
class DataMoved:
    """An artifact whose newest version is another: None before where there was none, or where only the name is known."""

    name: str
    before: str | None
    after: str | None
    run: str
    time: datetime


@dataclass(frozen=True, slots=True)
class StateDiff:
    """What changed in (first, last]. Data is a page by name, of at most 20,000 names looked at; `next` is where the next begins.

    `deployed` is named by model and environment, `code` by component, its version or its commit; `params` by component and
    parameter, those of its newest run; `verdicts` by model, environment and kind.
    """

    first: datetime
    last: datetime
    deployed: tuple[Change, ...]
    code: tuple[Change, ...]
    params: tuple[Change, ...]
    data: tuple[DataMoved, ...]
    verdicts: tuple[Change, ...]
    opened: tuple[OpenThen, ...]
    closed: tuple[OpenThen, ...]
    next: str | None


def state_diff(
    folder: Folder, engine: Engine, first: Time, last: Time | None = None, *, limit: int = 100, after: str | None = None
) -> StateDiff:
    """Compare the system at two times, the second now without one; raises `BadInput` where the first is the later."""
    limit, now = checked_limit(limit), datetime.now(UTC)
    start = microseconds_of(first, "first", now)
    end = microseconds_of(now if last is None else last, "last", now)
    if end < start:
        message = f"first cannot be {moment(start).isoformat()}: it is after last, {moment(end).isoformat()}. The earlier time comes first"
        raise BadInput(message)
    take_in(folder, engine)
    with engine.connect() as connection:
        moved, more = _moved(connection, start, end, limit, after)
        old, new = then.incidents(connection, start), then.incidents(connection, end)
        return StateDiff(
            first=moment(start),
            last=moment(end),
            deployed=changes(_deployed(connection, start), _deployed(connection, end)),
            code=changes(_code(connection, start), _code(connection, end)),
            params=changes(_params(connection, start), _params(connection, end)),
            data=moved,
            verdicts=changes(_verdicts(connection, start), _verdicts(connection, end)),
            opened=_beyond(new, old),
            closed=_beyond(old, new),
            next=more,
        )


def _beyond(these: tuple[OpenThen, ...], those: tuple[OpenThen, ...]) -> tuple[OpenThen, ...]:
    known = {one.id for one in those}
    return tuple(one for one in these if one.id not in known)


def _deployed(connection: Connection, at: int) -> dict[str, object]:
    return {f"{one.model} ({one.environment})": one.version for one in then.deployed(connection, at)}


def _code(connection: Connection, at: int) -> dict[str, object]:
    found: dict[str, object] = {}
    for one in then.code(connection, at):
        found |= {one.component: one.version, f"{one.component} commit": one.commit}
    return found


def _params(connection: Connection, at: int) -> dict[str, object]:
    return {f"{one.component}.{name}": value for one in then.code(connection, at) for name, value in one.params.items()}


def _verdicts(connection: Connection, at: int) -> dict[str, object]:
    return {f"{one.model} ({one.environment}) {one.kind}": one.status for one in then.verdicts(connection, at)}


def _moved(
    connection: Connection, start: int, end: int, limit: int, after: str | None
) -> tuple[tuple[DataMoved, ...], str | None]:
    """Walk the names in order until a page of changed ones is full, or so many names were looked at."""
    found: list[DataMoved] = []
    last, looked = after, 0
    while len(found) <= limit and looked < NAMES:
        old = {one.name: one for one in then.data(connection, start, last)[0]}
        rows, last = then.data(connection, end, last)
        found += [_moved_to(old.get(new.name), new) for new in rows if _is_other(old.get(new.name), new)]
        if last is None:
            break
        looked += then.AT_ONCE
    if len(found) > limit:
        return tuple(found[:limit]), found[limit - 1].name
    return tuple(found), last


def _is_other(before: DataThen | None, after: DataThen) -> bool:
    """Say whether this is another version: the same content, written again, is not."""
    if before is None or after.version is None:
        return before is None or before.run != after.run
    return before.version != after.version


def _moved_to(before: DataThen | None, after: DataThen) -> DataMoved:
    return DataMoved(after.name, None if before is None else before.version, after.version, after.run, after.time)
