"""A call in a question's syntax tree → why it is refused, where one call may take gigabytes or minutes that no limit of DuckDB stops.

DuckDB's limit of memory does not count a text while a function makes it, and a call is not interrupted before it is done.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from watchglass.store.asking.syntax import arguments_of, constant, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from watchglass.records import Json

LONGEST_TEXT: Final = 10_000
MOST_GROWTH: Final = 1_000_000
"""By how much all calls of a question together that make texts or lists longer may do so, one on what another made."""
LONGEST_LIST: Final = 1_000_000
MOST_SETS: Final = 256
"""Groupings of one GROUP BY: CUBE of 15 columns has 32,768, which DuckDB prepares for one by one."""
_SHORT: Final = 1_000
_PUT_IN: Final = 2
_STEP: Final = 2
_SIZED: Final = ("repeat", "lpad", "rpad", "bitstring")
"""Their second argument is how long the text gets."""
_FORMATS: Final = ("format", "printf")
_REPLACING: Final = ("replace", "regexp_replace")
_WIDTH: Final = re.compile(r"\d{5}|\*|\{[^}]*\{")
"""A width of more than four digits, or one that another value gives."""
_PAIRWISE: Final = ("damerau_levenshtein", "jaro_similarity", "jaro_winkler_similarity")
"""Measured: two texts of 60,000 and 2,000,000 letters held a thread for 24 s, the first with 7.8 GB."""
_DISTANCES: Final = ("levenshtein", "editdist3")
"""DuckDB 1.5 does not stop a call of these: two texts of 400,000 letters took longer than 40 s."""
_CUTS: Final = {"left": 1, "right": 1, "substr": 2, "substring": 2, "left_grapheme": 1, "right_grapheme": 1}
"""Which of their arguments says how much they leave of a text."""
_SERIES: Final = ("range", "generate_series")
_SORTS: Final = frozenset(
    f"{kind}_{verb}" for kind in ("list", "array") for verb in ("sort", "reverse_sort", "grade_up")
)
"""Sorting a list is one call: of 50,000,000 numbers it took 23 s and 3.5 GB."""
_LISTED: Final = ("list_value", "string_split", "str_split", "split", "string_to_array", "regexp_split_to_array")
_LONG_STEPS: Final = ("to_hours", "to_days", "to_weeks", "to_months", "to_quarters", "to_years")
_LONG_STEP: Final = re.compile(r"\s*[1-9]\d*\s*(hour|day|week|month|quarter|year)s?\s*", re.IGNORECASE)


def refusal(node: dict[str, Json]) -> str | None:
    """Say why a call of a function is refused; None where it is not, or the node is no call."""
    name = str(node.get("function_name") or "").lower()
    check = _CHECKS.get(name)
    return None if check is None else check(name, arguments_of(node))


def _pairwise(name: str, _: Sequence[Json]) -> str:
    return f"{name}() compares every letter with every other and cannot be stopped: levenshtein(left(a, {_SHORT}), b) would do"


def _distance(name: str, given: Sequence[Json]) -> str | None:
    if any(map(_short, given)):
        return None
    return f"{name}() takes a time that grows with both texts: cut one of them, {name}(left(a, {_SHORT}), b)"


def _sorting(name: str, given: Sequence[Json]) -> str | None:
    if given and _written(given[0]):
        return None
    return f"{name}() takes a whole list at once and cannot be stopped: list(x ORDER BY x) would do"


def _listing(name: str, given: Sequence[Json]) -> str | None:
    if _series(given) <= LONGEST_LIST:
        return None
    return (
        f"{name}() makes a list of a length that is not known to be at most {LONGEST_LIST:,}: FROM {name}(…) would do"
    )


def _sized(name: str, given: Sequence[Json]) -> str | None:
    length = constant(given[1]) if len(given) > 1 else None
    if length is not None and length.lstrip("-").isdigit() and int(length) <= LONGEST_TEXT:
        return None
    return f"the length that {name}() makes must stand there as a number of at most {LONGEST_TEXT:,}"


def _formatted(name: str, given: Sequence[Json]) -> str | None:
    pattern = constant(given[0]) if given else None
    if pattern is not None and not _WIDTH.search(pattern):
        return None
    return f"the pattern of {name}() must stand there as a text, with widths of at most four digits"


def _replaced(name: str, given: Sequence[Json]) -> str | None:
    if len(given) < _PUT_IN + 1 or constant(given[_PUT_IN]) is not None:
        return None
    return f"what {name}() puts in must stand there as a text"


_CHECKS: Final[Mapping[str, Callable[[str, Sequence[Json]], str | None]]] = {
    **dict.fromkeys(_PAIRWISE, _pairwise),
    **dict.fromkeys(_DISTANCES, _distance),
    **dict.fromkeys(_SORTS, _sorting),
    **dict.fromkeys(_SERIES, _listing),
    **dict.fromkeys(_SIZED, _sized),
    **dict.fromkeys(_FORMATS, _formatted),
    **dict.fromkeys(_REPLACING, _replaced),
}


def growth(node: dict[str, Json]) -> float:
    """Give by how much a call may make a text longer, or how long a list it makes; 1 for any other node.

    >>> call = {"function_name": "repeat", "children": [{}, {"type": "VALUE_CONSTANT", "value": {"value": 30}}]}
    >>> growth(call), growth({})
    (30.0, 1.0)
    """
    name = str(node.get("function_name") or "").lower()
    given = arguments_of(node)
    if name == "repeat" and len(given) > 1:
        return max(1.0, float(constant(given[1]) or 1))
    if name in _SERIES:
        found = _series(given)
        return found if LONGEST_LIST >= found > 1 else 1.0
    if name not in _REPLACING or len(given) < _PUT_IN + 1:
        return 1.0
    put, out = len(constant(given[_PUT_IN]) or ""), len(constant(given[1]) or "x")
    return max(1.0, put / max(1, out)) if name == "replace" else 1.0 + put


def too_long(grown: float) -> str | None:
    """Say why a question is refused whose calls may make a text so many times longer."""
    if grown <= MOST_GROWTH:
        return None
    return f"repeat(), replace() and range() of this question may together make a value {grown:,.0f} times longer: at most {MOST_GROWTH:,} times is read"


def too_many_sets(node: dict[str, Json]) -> str | None:
    """Say why a SELECT is refused that groups in too many ways."""
    sets = len(listed(node.get("group_sets")))
    if sets <= MOST_SETS:
        return None
    return f"a GROUP BY with {sets:,} groupings is too much: CUBE of 8 columns has {MOST_SETS}, the most that is read"


def _short(node: Json) -> bool:
    """Say whether a text is known to be short: it stands there, or is cut."""
    text = constant(node)
    if text is not None:
        return len(text) <= _SHORT
    if not isinstance(node, dict):
        return False
    place, given = _CUTS.get(str(node.get("function_name") or "").lower()), arguments_of(node)
    length = constant(given[place]) if place is not None and len(given) > place else None
    return length is not None and length.isdigit() and int(length) <= _SHORT


def _written(node: Json) -> bool:
    """Say whether a list stands there, or is of the parts of a text."""
    if not isinstance(node, dict):
        return False
    return node.get("type") == "ARRAY_CONSTRUCTOR" or str(node.get("function_name") or "").lower() in _LISTED


def _series(given: Sequence[Json]) -> float:
    """Give how long a series may be: by its numbers; 1 where its step is an hour at least; else it is not known."""
    numbers = [_number(each) for each in given]
    known = [number for number in numbers if number is not None]
    if len(known) == len(numbers) > 0:
        first, last = (0, known[0]) if len(known) == 1 else known[:2]
        step = known[_STEP] if len(known) > _STEP else 1
        return abs(last - first) // abs(step) if step else 1
    return 1 if len(given) == _STEP + 1 and _long_step(given[_STEP]) else float("inf")


def _number(node: Json) -> int | None:
    text = constant(node)
    if text is not None and text.lstrip("-").isdigit():
        return int(text)
    if isinstance(node, dict) and node.get("function_name") == "-" and len(given := arguments_of(node)) == 1:
        found = _number(given[0])
        return None if found is None else -found
    return None


def _long_step(node: Json) -> bool:
    """Say whether an interval that stands there is an hour at least."""
    if not isinstance(node, dict):
        return False
    if str(node.get("function_name") or "").lower() in _LONG_STEPS:
        return True
    said = constant(node.get("child")) if node.get("type") == "OPERATOR_CAST" else None
    return said is not None and _LONG_STEP.fullmatch(said) is not None
