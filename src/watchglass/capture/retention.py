"""JSON of a store's setting `retention` → how long and how many bytes of each table are kept, or an error that says what would do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

from watchglass.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

TABLES: Final = ("predictions", "labels", "feedback", "metrics", "logs")
CELLS: Final = "cells"
FINE_DAYS: Final = 90
_UNITS: Final = {
    **dict.fromkeys(("B", ""), 1),
    **{f"{prefix}B": 1000**power for power, prefix in enumerate("kMGT", start=1)},
    **{f"{prefix}iB": 1024**power for power, prefix in enumerate("KMGT", start=1)},
    "KB": 1000,
}
_MOST_DAYS: Final = 36_500
_WOULD_DO: Final = (
    '{"predictions": {"days": 90, "bytes": "50GB"}, "logs": {"days": 14}, "cells": {"fine_days": 90}} would do'
)


@dataclass(frozen=True, slots=True)
class Limit:
    """How much of a table is kept: whole days, and bytes of all its files; None is no limit."""

    days: int | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Retention:
    """The limits of the tables that have one, and after how many days cells are made coarser; None is `FINE_DAYS`."""

    limits: tuple[tuple[str, Limit], ...] = ()
    fine_days: int | None = None

    def of(self, table: str) -> Limit:
        """Give a table's limits."""
        return dict(self.limits).get(table, Limit())


def retention(given: object, source: str) -> Retention:
    """Read the setting; raises `BadInput` that names what is wrong, where it is from, and what would do.

    >>> retention({"logs": {"days": 14, "bytes": "1.5GB"}}, "the argument").of("logs")
    Limit(days=14, bytes=1500000000)
    """
    if not isinstance(given, dict):
        _refuse(source, f"cannot be {given!r:.80}")
    for table, said in given.items():
        if table not in (*TABLES, CELLS):
            _refuse(source, f"names {table!r:.80}; the tables are {', '.join((*TABLES, CELLS))}")
        if not isinstance(said, dict):
            _refuse(source, f"says {said!r:.80} of {table}")
        known = ("fine_days",) if table == CELLS else ("days", "bytes")
        for name in said:
            if name not in known:
                _refuse(source, f"says {name!r:.80} of {table}; it can have {' and '.join(known)}")
    limits = {name: _limit(given[name], name, source) for name in TABLES if given.get(name)}
    kept, labels = limits.get("predictions", Limit()), limits.get("labels", Limit())
    if labels.days is not None and kept.bytes is None and (kept.days is None or labels.days < kept.days):
        shown = "for ever" if kept.days is None else f"{kept.days} days"
        _refuse(
            source,
            f"keeps labels {labels.days} days and predictions {shown}: a label stays as long as its prediction, so the days of labels must not be fewer",
        )
    fine = given.get(CELLS, {}).get("fine_days")
    return Retention(tuple(limits.items()), None if fine is None else _days(fine, "fine_days of cells", source))


def document(kept: Retention) -> dict[str, object]:
    """Write the setting as the JSON object that it is read from.

    >>> document(Retention((("logs", Limit(days=14)),), fine_days=30))
    {'logs': {'days': 14}, 'cells': {'fine_days': 30}}
    """
    found: dict[str, object] = {table: _told(limit) for table, limit in kept.limits}
    return found if kept.fine_days is None else {**found, CELLS: {"fine_days": kept.fine_days}}


def _told(limit: Limit) -> dict[str, int]:
    told = {"days": limit.days, "bytes": limit.bytes}
    return {name: value for name, value in told.items() if value is not None}


def _limit(said: Mapping[str, object], table: str, source: str) -> Limit:
    days, size = said.get("days"), said.get("bytes")
    return Limit(
        None if days is None else _days(days, f"days of {table}", source),
        None if size is None else _bytes(size, f"bytes of {table}", source),
    )


def _days(value: object, name: str, source: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST_DAYS:
        _refuse(source, f"says {value!r:.80} for {name}: a whole number of days from 1 to {_MOST_DAYS}")
    return value


def _bytes(value: object, name: str, source: str) -> int:
    """Read a number of bytes, or text such as 50GB, 500 MB or 1.5GiB."""
    found: float = -1.0
    if isinstance(value, int) and not isinstance(value, bool):
        found = value
    elif isinstance(value, str):
        text = value.replace(" ", "")
        number = text.rstrip("kKMGTiB")
        try:
            found = float(number) * _UNITS.get(text[len(number) :], -1)
        except ValueError:
            found = -1.0
    if not 0 < found < float(2**63):
        _refuse(
            source, f'says {value!r:.80} for {name}: a number of bytes above 0, or text such as "50GB" or "500 MiB"'
        )
    return int(found)


def _refuse(source: str, why: str) -> NoReturn:
    message = f"retention in {source} {why}. {_WOULD_DO}"
    raise BadInput(message)
