"""The features and tags of predictions that others send → schema events, for the columns of a model that nobody announced yet.

What was announced is remembered by model, read once from the catalog, and believed only when it is on the disk: until then
every body announces it again, which changes nothing.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from watchglass.capture.declaring import IN_ROWS
from watchglass.capture.encode import line
from watchglass.capture.schema import type_of
from watchglass.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

WIDEST: Final = 4000
"""Columns that a model may have; names that are data (an id as a feature's name) would otherwise grow without end."""
_MODELS_KEPT: Final = 4096


@dataclass(frozen=True, slots=True)
class Known:
    """What is announced of one model: the names of its features and of its tags."""

    features: set[str] = field(default_factory=set)
    tags: set[str] = field(default_factory=set)

    def of(self, role: str) -> set[str]:
        """Give the names of a role."""
        return self.tags if role == "tag" else self.features

    @property
    def width(self) -> int:
        """How many columns it has."""
        return len(self.features) + len(self.tags)


class Columns:
    """What this server knows of the columns of models."""

    def __init__(self, known: Callable[[str], Iterable[tuple[str, str]]]) -> None:
        """`known` reads (role, name) of a model's columns from the catalog; it may raise `OSError`."""
        self._read = known
        self._models: dict[str, Known] = {}
        self._lock = threading.Lock()

    def of(self, model: str) -> Known:
        """Give what is known of a model, read from the catalog when it is met first."""
        found = self._models.get(model)
        if found is None:
            fresh = Known()
            for role, name in self._read(model):
                fresh.of(role).add(name)
            with self._lock:
                while len(self._models) >= _MODELS_KEPT:
                    self._models.pop(next(iter(self._models)), None)
                found = self._models.setdefault(model, fresh)
        return found

    def committed(self, news: News) -> None:
        """Believe what is on the disk by now."""
        for model, told in news.told.items():
            known = self.of(model)
            for role, name in told:
                known.of(role).add(name)


class News:
    """The columns that one body brings and nobody announced yet, and the schema events that do."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self.told: dict[str, dict[tuple[str, str], str]] = {}

    def look(self, model: str, features: Mapping[str, object] | None, tags: Mapping[str, object] | None) -> None:
        """Take note of a row's columns; raises `BadInput` for names that no column can have."""
        known = self._columns.of(model)
        if known.features.issuperset(features or ()) and known.tags.issuperset(tags or ()):
            return
        told = self.told.get(model, {})
        fresh: list[tuple[str, str, str]] = []
        for role, names in (("feature", features or {}), ("tag", tags or {})):
            for name, value in names.items():
                if name in known.of(role) or (role, name) in told:
                    continue
                _check(name, role)
                kind = "text" if role == "tag" else type_of(value)
                if kind is not None:  # a column without a value waits for one
                    fresh.append((role, name, kind))
        self.tell(model, fresh)

    def tell(self, model: str, columns: Iterable[tuple[str, str, str]]) -> None:
        """Take note of columns whose types are said: role, name, type; raises `BadInput` as `look` does."""
        known, told = self._columns.of(model), self.told.get(model, {})
        fresh = {(role, name): kind for role, name, kind in columns if name not in known.of(role)}
        if fresh and known.width + len(told) + len(fresh) > WIDEST:
            message = f"model {model!r:.80} would have more than {WIDEST} features and tags: put what varies into one feature, as an object"
            raise BadInput(message)
        if fresh:
            self.told.setdefault(model, {}).update(fresh)

    def declare(self, event: Mapping[str, object]) -> None:
        """Take note of what a model's event says of its columns; it decides their types, whatever rows it comes with."""
        entries = cast("Iterable[Mapping[str, str]]", event.get("schema") or ())
        told = [(entry["role"], entry["name"], entry["type"]) for entry in entries if entry["role"] in IN_ROWS]
        if told:
            self.tell(cast("str", event["name"]), told)

    def events(self, now: int) -> list[bytes]:
        """Write the schema events."""
        return [
            line(
                {
                    "kind": "schema",
                    "model": model,
                    "columns": [(role, name, kind) for (role, name), kind in told.items()],
                    "time": now,
                }
            )
            for model, told in self.told.items()
        ]


def _check(name: str, role: str) -> None:
    if not name:
        message = f"a {role} has no name"
        raise BadInput(message)
