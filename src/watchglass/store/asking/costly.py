"""A call in a question's syntax tree → why it is refused, where one call may take gigabytes or minutes that no limit of DuckDB stops.

DuckDB's limit of memory does not count a text while a function makes it, and a call is not interrupted before it is done.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from watchglass.store.asking.syntax import arguments_of, constant

if TYPE_CHECKING:
    from watchglass.records import Json

LONGEST_TEXT: Final = 10_000
_SIZED: Final = ("repeat", "lpad", "rpad", "bitstring")
"""Their second argument is how long the text gets."""
_FORMATS: Final = ("format", "printf")
_WIDTH: Final = re.compile(r"\d{5}|\*|\{[^}]*\{")
"""A width of more than four digits, or one that another value gives."""
_PAIRWISE: Final = ("damerau_levenshtein", "jaro_similarity", "jaro_winkler_similarity")
"""Measured: two texts of 60,000 and 2,000,000 letters held a thread for 24 s, the first with 7.8 GB."""


def refusal(node: dict[str, Json]) -> str | None:
    """Say why a call of a function is refused; None where it is not, or the node is no call."""
    name = str(node.get("function_name") or "").lower()
    if name in _PAIRWISE:
        return f"{name}() compares every letter with every other and cannot be stopped: levenshtein() would do"
    if name in _SIZED:
        given = arguments_of(node)
        length = constant(given[1]) if len(given) > 1 else None
        if length is None or not length.lstrip("-").isdigit() or int(length) > LONGEST_TEXT:
            return f"the length that {name}() makes must stand there as a number of at most {LONGEST_TEXT:,}"
    if name in _FORMATS:
        given = arguments_of(node)
        pattern = constant(given[0]) if given else None
        if pattern is None or _WIDTH.search(pattern):
            return f"the pattern of {name}() must stand there as a text, with widths of at most four digits"
    return None
