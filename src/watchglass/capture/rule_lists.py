"""JSON of a list of rules, from wherever it came → its items, each with the name by which an error speaks of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NoReturn

from watchglass.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator


def each(given: object, kind: str, source: str, would_do: str) -> Iterator[tuple[object, str]]:
    """Give the items of a list of rules, or of its JSON; raises `BadInput` for what is no list.

    >>> list(each("[1]", "sampling", "a file", "{}"))
    [(1, 'sampling rule 1 from a file')]
    """
    if isinstance(given, (str, bytes)):
        try:
            given = json.loads(given) if given.strip() else []
        except ValueError as error:
            message = f"{kind} from {source} is not JSON: {error}. A list of rules would do: [{would_do}]"
            raise BadInput(message) from None
    if not isinstance(given, (list, tuple)):
        message = f"{kind} from {source} cannot be a {type(given).__name__}: a list of rules would do: [{would_do}]"
        raise BadInput(message)
    for number, item in enumerate(given, start=1):
        yield item, f"{kind} rule {number} from {source}"


def refuse(what: str, value: object, would_do: str) -> NoReturn:
    """Raise `BadInput` that says what cannot be, and what would do."""
    message = f"{what} cannot be {value!r}: {would_do} would do"
    raise BadInput(message)
