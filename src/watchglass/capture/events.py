"""Values checked as they come in → parts of an event; wrong use is told at the call, by the argument's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watchglass.capture.encode import canonical, plain, shown
from watchglass.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping


def present(event: Mapping[str, object]) -> dict[str, object]:
    """Leave out what is None."""
    return {name: value for name, value in event.items() if value is not None}


def name(value: object, what: str) -> str:
    """Take a name: a text that is not empty, or a number that stands for one (a version 3)."""
    if type(value) is str and value:
        return value
    text = plain(value)
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        return str(text)
    if isinstance(text, str) and text and issubclass(type(value), str):
        return text
    message = f"{what} cannot be {shown(value)}: a text that is not empty would do"
    raise BadInput(message)


def optional_name(value: object, what: str) -> str | None:
    """Take a name, or None."""
    return None if value is None else name(value, what)


def text_of(value: object) -> str:
    """Write a value as text the way JSON does: true, 3, 0.5, and a text as it is.

    >>> text_of(True), text_of(3), text_of("3")
    ('true', '3', '3')
    """
    found = plain(value)
    return found if isinstance(found, str) else canonical(found)


def outcome(error: BaseException | None) -> tuple[str, str | None]:
    """Say how a run ended: a generator closed early and an exit with code 0 are no errors.

    >>> outcome(KeyError("ink")), outcome(SystemExit(0))
    (('error', "KeyError: 'ink'"), ('ok', None))
    """
    if error is None or isinstance(error, GeneratorExit) or (isinstance(error, SystemExit) and error.code in (None, 0)):
        return "ok", None
    text = text_of(error)
    return "error", f"{type(error).__name__}: {text}" if text else type(error).__name__
