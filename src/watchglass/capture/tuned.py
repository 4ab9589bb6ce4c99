"""JSON of a store's settings, from wherever it came → settings that hold only what is known, or an error that says what would do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from watchglass.capture import redaction_rules
from watchglass.capture.retention import retention
from watchglass.capture.rules import rules
from watchglass.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from watchglass.capture.retention import Retention
    from watchglass.capture.rules import Rule

FILE: Final = "settings.json"
LEVELS: Final = ("debug", "info", "warning", "error", "critical")
_KNOWN: Final = ("enabled", "level", "sampling", "retention", "redaction")


@dataclass(frozen=True, slots=True)
class Tuned:
    """What the settings say; None is not set. `retention` is for whoever keeps the store: recording processes pass it by."""

    enabled: bool | None = None
    level: str | None = None
    sampling: tuple[Rule, ...] | None = None
    retention: Retention | None = None
    redaction: tuple[redaction_rules.Rule, ...] | None = None


def read(text: str | bytes, source: str) -> Tuned:
    """Read settings from JSON; raises `BadInput` that names what is wrong and what would do.

    >>> read('{"enabled": false, "level": "info"}', "settings.json")
    Tuned(enabled=False, level='info', sampling=None, retention=None, redaction=None)
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        message = (
            f'{source} is not JSON: {error}. An object would do: {{"enabled": true, "level": "info", "sampling": []}}'
        )
        raise BadInput(message) from None
    if not isinstance(found, dict):
        message = f'{source} holds a {type(found).__name__}: an object would do, {{"enabled": true}}'
        raise BadInput(message)
    return checked(found, source)


def checked(found: Mapping[str, object], source: str) -> Tuned:
    """Read settings from a dict; raises `BadInput` as `read` does."""
    unknown = [name for name in found if name not in _KNOWN]
    if unknown:
        message = f"{source} has a setting {unknown[0]!r}, which is not known. Known: {', '.join(_KNOWN)}"
        raise BadInput(message)
    enabled, level, sampling, kept, redaction = (found.get(name) for name in _KNOWN)
    if enabled is not None and not isinstance(enabled, bool):
        message = f"enabled in {source} cannot be {enabled!r}: true or false would do"
        raise BadInput(message)
    if level is not None and level not in LEVELS:
        message = f"level in {source} cannot be {level!r}: {', '.join(LEVELS)} would do"
        raise BadInput(message)
    return Tuned(
        enabled,
        None if level is None else str(level),
        None if sampling is None else rules(sampling, source),
        None if kept is None else retention(kept, source),
        None if redaction is None else redaction_rules.rules(redaction, source),
    )
