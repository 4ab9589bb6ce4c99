"""The record of a verdict, an incident or a monitor's state from elsewhere → whether it shows a value that the rules of redaction in force would not let be written.

Its sentences were made of the values in it, so that no part can be redacted alone: one that shows such a value is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from watchglass.capture.redaction_patterns import masking
from watchglass.capture.redaction_rules import GONE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from watchglass.capture.redaction import Redactor
    from watchglass.records import Json

_WHOLE: Final = ("prediction", "score", "label", "id")
_PAIR: Final = 2


def shows(redactor: Redactor, model: str, told: Json) -> bool:
    """Say whether a record shows a value of a column, or of a slice, that a rule would change, or a text that a pattern matches."""
    patterns = [
        masking(rule.pattern, rule.keep)
        for rule in redactor.rules
        if rule.pattern is not None and (rule.fits(model, "features", "") or redactor.touches(model, "message"))
    ]
    if any(mask(text) != text for text in _texts(told) for mask in patterns):
        return True
    return any(_changed(redactor, model, column, value) for column, value in _named(told))


def _changed(redactor: Redactor, model: str, column: str, value: Json) -> bool:
    """Say whether a value of a column would not be written as it is; a column that is dropped shows by its name alone."""
    roles = [(column, "")] if column in _WHOLE else []
    for role, name in (*roles, ("features", column), ("tags", column)):
        verb = redactor.verb(model, role, name)
        if verb is None:
            continue
        if redactor.drops(model, role, name):
            return True
        if value is not None:
            kept = verb(value)
            if kept is GONE or kept != value:
                return True
    return False


def _named(told: Json) -> Iterator[tuple[str, Json]]:
    """Give the columns and tags that a record names, each with the values that it tells of it."""
    if isinstance(told, list):
        if len(told) == _PAIR and all(isinstance(part, str) for part in told):
            yield str(told[0]), told[1]
        for part in told:
            yield from _named(part)
    elif isinstance(told, dict):
        yield from _of_column(told)
        for part in told.values():
            yield from _named(part)


def _of_column(told: Mapping[str, Json]) -> Iterator[tuple[str, Json]]:
    if isinstance(told.get("name"), str) and "aspect" in told:
        name = str(told["name"])
        yield name, told.get("value")
        if told.get("unit") == "sd":  # means of its numbers
            yield name, told.get("before")
            yield name, told.get("after")
    if isinstance(told.get("column"), str):
        for part in ("values", "edges"):
            for value in cast("list[Json]", told.get(part) or []):
                yield str(told["column"]), value


def _texts(told: Json) -> Iterator[str]:
    if isinstance(told, dict):
        for part in told.values():
            yield from _texts(part)
    elif isinstance(told, list):
        for part in told:
            yield from _texts(part)
    elif isinstance(told, str):
        yield told
