"""The total order of an answer's rows and the word that a page ended with → the rows of the page after it, in SQL or of a list.

A page begins after the last row of the one before it, not after so many rows: what was recorded meanwhile shifts nothing.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import date, datetime
from functools import cmp_to_key
from typing import TYPE_CHECKING, Final

from watchglass.errors import BadInput
from watchglass.store.answers import Table
from watchglass.store.models import microseconds, moment
from watchglass.store.quoting import identifier

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from watchglass.records import Json

    Row = tuple[object, ...]

_MOST: Final = 10**9
"""No page begins after more rows."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: the key of its last row, how many rows of just that key were given, and the time it was asked at.

    A length before now such as "7d" is one before that time on every page.
    """

    question: str
    now: datetime
    key: tuple[object, ...]
    given: int

    def text(self) -> str:
        """Write it as a word that can stand in an address."""
        told = [self.question, microseconds(self.now), [_told(value) for value in self.key], self.given]
        return base64.urlsafe_b64encode(json.dumps(told).encode()).decode()


def place_of(word: object, question: str, columns: int) -> Place:
    """Read such a word; raises `BadInput` for one that no page of this question, ordered by so many columns, ended with."""
    try:
        named, now, key, given = json.loads(base64.urlsafe_b64decode(str(word).encode()))
        place = Place(named, moment(now), tuple(_read(value) for value in key), given)
        known = (named, len(key)) == (question, columns) and type(given) is int and 0 <= given <= _MOST
    except (ValueError, TypeError, KeyError, OverflowError):
        known = False
    if not known:
        raise _no_place(word, question)
    return place


def _no_place(word: object, question: str) -> BadInput:
    return BadInput(f"after cannot be {str(word)[:80]!r}: the `next` of a page of question {question!r} would do")


def _told(value: object) -> Json:
    if isinstance(value, datetime):
        return {"time": microseconds(value)}
    if isinstance(value, date):
        return {"day": value.isoformat()}
    return value if isinstance(value, str | int | float | None) else str(value)


def _read(value: object) -> object:
    if isinstance(value, dict):
        (kind,) = value
        return moment(value["time"]) if kind == "time" else date.fromisoformat(value["day"])
    if not isinstance(value, str | int | float | None):
        raise TypeError
    if isinstance(value, str):
        value.encode()  # half a surrogate pair is no text
    return value


@dataclass(frozen=True, slots=True)
class Order:
    """A total order of rows, by columns of the answer: "-time" is the newest first. What has no value comes last."""

    columns: tuple[str, ...]

    @property
    def _ways(self) -> list[tuple[str, bool]]:
        return [(name.removeprefix("-"), name.startswith("-")) for name in self.columns]

    def sql(self, place: Place | None) -> str:
        """Write what follows the FROM: the rows from a place on, those of its own key among them, in order; `values` go with it."""
        parts: list[str] = []
        same: list[str] = []
        for number, (name, falls) in enumerate(self._ways):
            column, bound = identifier(name), f"$after{number}"
            later = f"({column} {'<' if falls else '>'} {bound} OR ({column} IS NULL AND {bound} IS NOT NULL))"
            parts.append(" AND ".join((*same, later)))
            same.append(f"{column} IS NOT DISTINCT FROM {bound}")
        where = " OR ".join(f"({part})" for part in (*parts, " AND ".join(same)))
        order = ", ".join(f"{identifier(name)} {'DESC' if falls else 'ASC'} NULLS LAST" for name, falls in self._ways)
        return f"{'' if place is None else f'WHERE {where} '}ORDER BY {order}"

    def sorted(self, names: Sequence[str], rows: Iterable[Row], place: Place | None) -> list[Row]:
        """Sort rows and give those from a place on, those of its own key among them."""
        whole = list(rows)
        keyed = zip(self._keys(names, whole), whole, strict=True)
        later: list[tuple[Row, Row]] = []
        try:
            later += [pair for pair in keyed if place is None or self._compare(pair[0], place.key) >= 0]
        except TypeError:  # a place whose values are of other types, written by hand
            raise _no_place(place.text() if place else None, place.question if place else "") from None
        return [row for _, row in sorted(later, key=cmp_to_key(self._compare_first))]

    def page(self, found: Table, asked: Page) -> Table:
        """Cut rows that begin at a place to a page, and tell where the one after it begins."""
        rows, given = list(found.values), 0 if asked.place is None else asked.place.given
        keys = self._keys(found.columns, rows)
        first = 0
        while asked.place is not None and first < min(given, len(rows)) and keys[first] == asked.place.key:
            first += 1
        shown = Table(found.columns, rows[first : first + asked.limit])
        if len(rows) > first + asked.limit:
            last = keys[first + asked.limit - 1]
            alike = sum(key == last for key in keys[: first + asked.limit])
            shown.next = Place(asked.question, asked.now, last, alike).text()
        return shown

    def _keys(self, names: Sequence[str], rows: Sequence[Row]) -> list[Row]:
        places = [list(names).index(name) for name, _ in self._ways]
        return [tuple(row[place] for place in places) for row in rows]

    def _compare_first(self, first: tuple[Row, Row], second: tuple[Row, Row]) -> int:
        return self._compare(first[0], second[0])

    def _compare(self, first: Row, second: Row) -> int:
        for (_, falls), one, other in zip(self._ways, first, second, strict=True):
            if one == other:
                continue
            if one is None or other is None:
                return 1 if one is None else -1
            return 1 if (one > other) != falls else -1  # type: ignore[operator]  # two values of one column
        return 0


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows of an answer are wanted: of which question, asked when, at most so many, from where on."""

    question: str
    now: datetime
    limit: int
    place: Place | None

    @property
    def most(self) -> int:
        """How many rows from the place on tell the page and whether there is another."""
        return self.limit + 1 + (0 if self.place is None else self.place.given)

    @property
    def values(self) -> dict[str, object]:
        """The values of `Order.sql`; times as the tables hold them."""
        key = () if self.place is None else self.place.key
        return {f"after{n}": v.replace(tzinfo=None) if isinstance(v, datetime) else v for n, v in enumerate(key)}
