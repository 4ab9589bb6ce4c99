"""A pattern by name or as a regular expression → a function that masks in a text what it matches."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MASK: Final = "***"
_SHORTEST_CARD: Final = 13
_LONGEST_CARD: Final = 19
_WORD: Final = r"[^\s@<>\"',;:()\[\]{}|]"
NAMED: Final = {
    # The bounds keep a long text without an @ from costing its square; no mailbox is longer (RFC 5321, 4.5.3.1).
    "email": rf"{_WORD}{{1,64}}@{_WORD}{{1,255}}\.[^\W\d_]{{2,63}}",
    "card": r"(?<!\d)(?<!\d\.)\d(?:[ -]?\d){12,}",
    "iban": r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?: ?[A-Za-z0-9]{4}){2,7}(?: ?[A-Za-z0-9]{1,4})?(?![A-Za-z0-9])",
    "ip": r"(?<![\d.])(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}(?![\d.]*\d)",
}
"""What has a name: e-mail addresses, numbers of cards (13 to 19 digits with a valid check digit), IBANs, IPv4 addresses."""


def masking(pattern: str | None, keep: int) -> Callable[[str], str]:
    """Make the function that masks; without a pattern, the whole text, of which the last `keep` characters stay.

    >>> masking("email", 0)("from ana@mail.org to bo")
    'from *** to bo'
    >>> masking("card", 4)("paid with 4111 1111 1111 1111")
    'paid with ***1111'
    """
    if pattern is None:
        return partial(covered, keep=keep)
    found = re.compile(NAMED.get(pattern, pattern))
    if pattern == "card":
        return partial(_cards, found, keep)
    return partial(_matches, found, keep)


def covered(text: str, keep: int) -> str:
    """Mask a text; characters stay at its end only where more than as many go. What is masked already stays as it is.

    >>> covered("123-45-6789", 4), covered("1234", 4), covered("***6789", 4)
    ('***6789', '***', '***6789')
    """
    if text.startswith(MASK) and len(text) <= len(MASK) + keep:
        return text
    return MASK + (text[-keep:] if keep and len(text) > 2 * keep else "")


def _matches(pattern: re.Pattern[str], keep: int, text: str) -> str:
    return pattern.sub(lambda match: covered(match[0], keep), text)


def _cards(pattern: re.Pattern[str], keep: int, text: str) -> str:
    return pattern.sub(lambda match: covered(match[0], keep) if _holds_card(match[0]) else match[0], text)


def _holds_card(text: str) -> bool:
    """Say whether digits with blanks and dashes between them hold the number of a card, at groups' borders or in one group."""
    groups = re.split("[ -]", text)
    return any(
        _is_card("".join(groups[first:last]))
        for first in range(len(groups))
        for last in range(first + 1, len(groups) + 1)
    )


def _is_card(digits: str) -> bool:
    return _SHORTEST_CARD <= len(digits) <= _LONGEST_CARD and _checked(digits)


def _checked(digits: Sequence[str]) -> bool:
    """Compute the check digit of Luhn (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value  # noqa: PLR2004 - the sum of two digits
    return total % 10 == 0
