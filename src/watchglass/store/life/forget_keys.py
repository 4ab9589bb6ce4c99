"""The rows that are forgotten → what they are known by, held in little memory; and whether a log line or a metric point speaks of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from watchglass.store.life.forget_mentions import named, telling

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Set as AbstractSet

    from watchglass.store.life.forget_asked import Asked

Key = tuple[str, str, str]
"""(model, environment, id): what a row is known by."""
FIELDS: Final = {"log": "tags", "metric": "labels"}
MESSAGE: Final = {"log": "message", "metric": "name"}
"""Where lines of these kinds keep what they tell by name, and their text."""
_KEYED: Final = frozenset(("id", "prediction", "prediction_id"))
"""Fields that hold ids of predictions, whatever they look like."""


class Keys:
    """Keys of rows, those of one model and one environment as a set of ids: half of what a set of tuples takes."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._groups: dict[tuple[str, str], set[str]] = {}
        for model, environment, ident in keys:
            self.add(model, environment, ident)

    def add(self, model: str, environment: str, ident: str) -> None:
        """Take one."""
        self._groups.setdefault((model, environment), set()).add(ident)

    def of(self, environment: str | None) -> Keys:
        """Give those of an environment; None: of all."""
        if environment is not None:
            self._groups = {group: ids for group, ids in self._groups.items() if group[1] == environment}
        return self

    def __contains__(self, key: object) -> bool:
        """Say whether a key is one of them."""
        if not isinstance(key, tuple):
            return False
        model, environment, ident = key
        return ident in self._groups.get((model, environment), ())

    def __len__(self) -> int:
        """Count them."""
        return sum(map(len, self._groups.values()))

    def __iter__(self) -> Iterator[Key]:
        """Give each, those of a model and an environment together."""
        for (model, environment), ids in sorted(self._groups.items()):
            for ident in ids:
                yield model, environment, ident

    @property
    def models(self) -> tuple[str, ...]:
        """The models that have some."""
        return tuple(sorted({model for model, _ in self._groups}))

    @cached_property
    def ids(self) -> AbstractSet[str]:
        """Their ids, of whatever model; not copied where all are of one model and one environment."""
        groups = list(self._groups.values())
        return groups[0] if len(groups) == 1 else frozenset[str]().union(*groups)

    def with_id(self, ident: str) -> list[Key]:
        """List those of an id."""
        return [(model, environment, ident) for (model, environment), ids in self._groups.items() if ident in ids]


@dataclass(frozen=True)
class Sought:
    """Whose traces are looked for outside the tables of predictions: a name, and ids, of one model and environment or of all.

    `fields` are the names of columns that hold people.
    """

    about: Asked
    ids: AbstractSet[str]
    fields: frozenset[str] = frozenset()

    @cached_property
    def wanted(self) -> AbstractSet[str]:
        """All texts that are looked for."""
        return self.ids | self.about.names if self.about.names else self.ids

    @property
    def everywhere(self) -> bool:
        """Say whether what belongs to no model and no environment is meant too."""
        return self.about.everywhere

    def said(self, text: str) -> frozenset[str]:
        """Give the names and ids that a text holds and that mean the same wherever they stand."""
        return frozenset(one for one in self.named_in(text) if telling(one))

    def named_in(self, text: str) -> frozenset[str]:
        """Give the names and ids that a text holds between quotes or as words of their own; many ids as whole words alone."""
        return named(text, self.about.names) | named(text, self.ids)

    def of_row(self, fields: object, text: object) -> bool:
        """Say whether a log line or a metric point is of them: a field or its text tells a name or an id.

        One whose fields tell another model or environment than was asked is not. Where one was asked, a name counts
        only in a row that tells it: the same person's rows elsewhere stay.
        """
        told = fields if isinstance(fields, dict) else {}
        surely = True
        for name, one in (("model", self.about.model), ("environment", self.about.environment)):
            if one is not None and told.get(name, one) != one:
                return False
            surely &= one is None or name in told
        found = self.said(text) if isinstance(text, str) else frozenset[str]()
        for name, value in _leaves(told):
            shown = _text(value)
            if shown in self.wanted and (name in (_KEYED | self.fields) or (isinstance(value, str) and telling(shown))):
                found |= {shown}
            elif isinstance(value, str):
                found |= self.said(value)
        return bool(found if surely else found - self.about.names)


def _leaves(told: dict[str, object]) -> Iterator[tuple[str, object]]:
    """Give each value that is no list and no object, with the name it stands under."""
    waiting = list(told.items())
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.items()
        elif isinstance(value, list):
            waiting += [(name, part) for part in value]
        else:
            yield str(name), value


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
