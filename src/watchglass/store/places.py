"""Where a page of a list ended (a number and texts that order its rows) → the word that asks for the next page, and back."""

from __future__ import annotations

import json

from watchglass.errors import BadInput


def next_word(*parts: int | str) -> str:
    """Write a place as a word."""
    return json.dumps(parts, ensure_ascii=False)


def place_after(word: str, *kinds: type) -> tuple[int | str, ...]:
    """Read such a word whose parts are of these types; raises `BadInput`.

    >>> place_after(next_word(7, "rows", "a1"), int, str, str)
    (7, 'rows', 'a1')
    """
    try:
        read = json.loads(word)
    except (ValueError, TypeError):
        read = None
    if isinstance(read, list) and len(read) == len(kinds) and all(map(isinstance, read, kinds)):
        return tuple(read)
    message = f"after cannot be {str(word)[:80]!r}: the `next` of the page before would do"
    raise BadInput(message)
