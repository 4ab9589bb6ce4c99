"""The features and tags of predictions that others send → schema events, for the columns of a model that nobody announced yet.

What was announced is remembered by model, read once from the catalog, and believed only when it is on the disk: until then
every body announces it again, which changes nothing.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from watchglass.capture.encode import line
from watchglass.capture.schema import type_of
from watchglass.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

WIDEST: Final = 4000
"""Columns that a model may have; names that are data (an id as a feature's name) would otherwise grow without end."""
_MODELS_KEPT: Final = 4096
_SHAPES_KEPT: Final = 256


Shape: TypeAlias = "tuple[tuple[str, ...], tuple[str, ...]]"


@dataclass(slots=True)
class Known:
    """What is announced of one model: its columns by role and name, and sets of keys of which every column is."""

    columns: set[tuple[str, str]] = field(default_factory=set)
    shapes: set[Shape] = field(default_factory=set)


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
            fresh.columns.update(self._read(model))
            with self._lock:
                while len(self._models) >= _MODELS_KEPT:
                    self._models.pop(next(iter(self._models)), None)
                found = self._models.setdefault(model, fresh)
        return found

    def committed(self, news: News) -> None:
        """Believe what is on the disk by now."""
        for model, told in news.told.items():
            known = self.of(model)
            with self._lock:
                known.columns.update(told)
                for shape in news.shapes.get(model, ()):
                    if len(known.shapes) < _SHAPES_KEPT:
                        known.shapes.add(shape)


class News:
    """The columns that one body brings and nobody announced yet, and the schema events that do."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self.told: dict[str, dict[tuple[str, str], str]] = {}
        self.shapes: dict[str, set[Shape]] = {}

    def look(self, model: str, features: Mapping[str, object] | None, tags: Mapping[str, object] | None) -> None:
        """Take note of a row's columns; raises `BadInput` for names that no column can have."""
        shape = (tuple(features or ()), tuple(tags or ()))
        known = self._columns.of(model)
        if shape in known.shapes or shape in self.shapes.get(model, ()):
            return
        told = self.told.get(model, {})
        fresh: dict[tuple[str, str], str] = {}
        open_ends = False
        for role, names in (("feature", features or {}), ("tag", tags or {})):
            for name, value in names.items():
                if (role, name) in known.columns or (role, name) in told:
                    continue
                _check(name, role)
                kind = "text" if role == "tag" else type_of(value)
                if kind is None:
                    open_ends = True  # a column without a value waits for one
                else:
                    fresh[role, name] = kind
        if fresh and len(known.columns) + len(told) + len(fresh) > WIDEST:
            raise _too_wide(model)
        self.told.setdefault(model, {}).update(fresh)
        if not open_ends and len(self.shapes.setdefault(model, set())) < _SHAPES_KEPT:
            self.shapes[model].add(shape)

    def tell(self, model: str, columns: Iterable[tuple[str, str, str]]) -> None:
        """Take note of columns whose types are said: role, name, type; raises `BadInput` as `look` does."""
        known = self._columns.of(model)
        fresh = {(role, name): kind for role, name, kind in columns if (role, name) not in known.columns}
        if fresh and len(known.columns) + len(fresh) > WIDEST:
            raise _too_wide(model)
        self.told.setdefault(model, {}).update(fresh)

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
            if told
        ]


def _check(name: str, role: str) -> None:
    if not name:
        message = f"a {role} has no name"
        raise BadInput(message)


def _too_wide(model: str) -> BadInput:
    return BadInput(
        f"model {model!r:.80} would have more than {WIDEST} features and tags: put what varies into one feature, as an object"
    )
