"""A table of rows → its newest, page by page: a page begins where the one before it ended, whatever was recorded meanwhile.

Of the files only those are read that can hold the page: the manifest tells the first and last time of each.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from watchglass.errors import BadInput, UnknownName
from watchglass.store.answers import Held, Table
from watchglass.store.models import EPOCH, microseconds
from watchglass.store.query import Question, answered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder
    from watchglass.store.reader import Moment
    from watchglass.store.snapshot import File

MOST: Final = 10_000
_KEYS: Final = {
    "predictions": ("id", "model", "environment", "version", "prediction", "run"),
    "labels": ("id", "model", "environment"),
    "label_history": ("id", "model", "environment", "label"),
    "feedback": ("id", "model", "environment", "event"),
    "metrics": ("name", "labels", "step", "run", "value"),
    "logs": ("logger", "level", "message", "run"),
    "runs": ("id",),
    "verdicts": ("id",),
    "incidents": ("id",),
    "audit": ("id",),
    "rejected": ("id",),
}
"""What tells rows of one time apart, so that their order is the same at every asking."""
_TIMES: Final = {"runs": "started", "verdicts": "judged", "incidents": "raised"}
_OF_FILES: Final = ("predictions", "label_history", "feedback", "metrics", "logs")


@dataclass(frozen=True, slots=True)
class Page:
    """The newest rows of a table, or those before a page's end; `next` is where the page after it begins, None at the end."""

    rows: Table
    next: str | None

    def to_json(self) -> str:
        """Give the page as a JSON object: rows, next."""
        return f'{{"rows":{self.rows.to_json()},"next":{json.dumps(self.next)}}}'


@dataclass(frozen=True, slots=True)
class Cut:
    """Which page: of which model, how many rows, and where it begins (`Page.next` of the one before, or a time)."""

    model: str | None = None
    limit: int = 50
    before: str | datetime | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a page begins: a time in µs, the values that tell rows of that time apart, and how many rows just so were given."""

    time: int
    key: tuple[object, ...]
    given: int

    def text(self) -> str:
        """Write it as a word that can stand in an address."""
        return base64.urlsafe_b64encode(json.dumps([self.time, list(self.key), self.given]).encode()).decode()


def latest(folder: Folder, engine: Engine, table: str, cut: Cut) -> Page:
    """Give a page of a table's rows, the newest first.

    Raises `UnknownName` for a table without a time or a model that is not recorded, `BadInput` for a page that cannot be.
    """
    if table not in _KEYS:
        raise UnknownName.named("table", table, _KEYS, step="watchglass latest predictions")
    if not 1 <= cut.limit <= MOST:
        message = f"limit cannot be {cut.limit}: 1 to {MOST:,} would do"
        raise BadInput(message)
    place = _place(cut.before, table)
    time, key = _TIMES.get(table, "time"), _KEYS[table]
    where, values = _before(time, key, place)
    if cut.model is not None and "model" in key:
        where, values = f"{where} AND model = $model", {**values, "model": cut.model}
    skipped = place.given if place is not None else 0
    ends = f"FROM {table} WHERE {where} ORDER BY {time} DESC LIMIT {cut.limit + 1} OFFSET {skipped}"
    order = f"{time} DESC, " + ", ".join(f"{name} DESC NULLS LAST" for name in key)
    sql = f"SELECT * FROM {table} WHERE {where} AND {time} >= $floor::TIMESTAMP ORDER BY {order} LIMIT {cut.limit + 1} OFFSET {skipped}"
    asked = Question(sql, cut.model if table == "predictions" else None, {**values, "floor": None})

    def chosen(moment: Moment, query: str, bound: dict[str, object]) -> Table:
        # the page's last time first, of that column alone: features are made only of rows that are shown
        oldest = moment.connection.execute(f"SELECT min({time}) FROM (SELECT {time} {ends})", values).fetchone()
        moment.keep()
        return Table.held(Held.of(moment.connection, query, {**bound, "floor": oldest[0] if oldest else None}))

    files = None if table not in _OF_FILES else (lambda found: newest(found, table, cut, place))
    found = answered(folder, engine, asked, chosen, files)
    return _page(found, table, cut.limit, place)


def newest(files: Sequence[File], table: str, cut: Cut, place: _Place | None) -> list[File]:
    """Choose the files that can hold the newest rows before a place: nothing older than what surely suffices.

    Files without a time, or of other tables, stay.
    """
    kind = "labels" if table == "label_history" else table
    mine = [file for file in files if file.kind == kind and cut.model in (None, file.model or None)]
    timed = [file for file in mine if file.first is not None and file.last is not None]
    timed = [file for file in timed if place is None or _edge(file.first) <= place.time]
    bound, sure = None, 0
    for file in sorted(timed, key=lambda file: _edge(file.last), reverse=True):
        if sure > cut.limit:
            break
        bound = min(_edge(file.first), _edge(file.first) if bound is None else bound)
        sure += file.rows if place is None or _edge(file.last) < place.time else 0
    if sure <= cut.limit:
        bound = None
    chosen = {file.seq for file in timed if bound is None or _edge(file.last) >= bound}
    return [file for file in files if file not in mine or file.first is None or file.seq in chosen]


def _edge(time: int | None) -> int:
    return 0 if time is None else time


def _before(time: str, key: Sequence[str], place: _Place | None) -> tuple[str, dict[str, object]]:
    """Write the condition of the rows from a place on: older, or of its time and not before it in the order."""
    if place is None:
        return f"{time} IS NOT NULL", {}
    values: dict[str, object] = {"at": EPOCH + timedelta(microseconds=place.time)}
    if not place.key:
        return f"{time} < $at::TIMESTAMP", values
    same, parts = [f"{time} = $at::TIMESTAMP"], [f"{time} < $at::TIMESTAMP"]
    for number, (name, value) in enumerate(zip(key, place.key, strict=True)):
        values[f"k{number}"] = value
        after = f"({name} < $k{number} OR ({name} IS NULL AND $k{number} IS NOT NULL))"
        parts.append(f"({' AND '.join((*same, after))})")
        same.append(f"{name} IS NOT DISTINCT FROM $k{number}")
    parts.append(f"({' AND '.join(same)})")
    return f"{time} <= $at::TIMESTAMP AND ({' OR '.join(parts)})", values


def _place(before: str | datetime | None, table: str) -> _Place | None:
    if before is None:
        return None
    if isinstance(before, datetime):
        return _Place(microseconds(before), (), 0)
    try:
        read = json.loads(base64.urlsafe_b64decode(before.encode()))
    except (ValueError, binascii.Error):
        return _at(before)
    return _Place(read[0], tuple(read[1]), read[2]) if _is_place(read, len(_KEYS[table])) else _at(before)


def _is_place(read: object, keys: int) -> bool:
    if not isinstance(read, list) or [type(part) for part in read] != [int, list, int] or read[2] < 0:
        return False
    return len(read[1]) == keys and all(value is None or isinstance(value, str | int | float) for value in read[1])


def _at(text: str) -> _Place:
    try:
        return _Place(microseconds(datetime.fromisoformat(text)), (), 0)
    except ValueError:
        message = f"before cannot be {text[:80]!r}: the `next` of a page of this table, or a time such as 2026-06-01T00:00Z, would do"
        raise BadInput(message) from None


def _page(found: Table, table: str, limit: int, place: _Place | None) -> Page:
    rows = found.first(limit)
    if len(found) <= limit:
        return Page(rows, None)
    at = {name: index for index, name in enumerate(found.columns)}
    marks = [(row[at[_TIMES.get(table, "time")]], tuple(row[at[name]] for name in _KEYS[table])) for row in rows.values]
    time, key = marks[-1]
    given = sum(mark == marks[-1] for mark in marks)
    if place is not None and (place.time, place.key) == (_number(time), key):
        given += place.given
    return Page(rows, _Place(_number(time), key, given).text())


def _number(time: object) -> int:
    return microseconds(time) if isinstance(time, datetime) else 0
