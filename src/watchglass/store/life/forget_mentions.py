"""A text that is no row → whether it speaks of what is forgotten: the same text between quotes, or as a word of its own."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

FEW: Final = 100
SHORT: Final = 4
"""A shorter text is meant only where it stands between quotes: without them it may be any word or number."""
_NUMBER: Final = re.compile(r"[-+.:\d\s]+")
_ENDS: Final = ".:;!?"
_WORDS: Final = re.compile(r"[^\s\"',{}\[\]()]+")
_PIECES: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'|([^\s"\',{}\[\]()]+)')


def mentions(text: str, wanted: AbstractSet[str]) -> bool:
    r"""Say whether a text holds one of the wanted ones.

    >>> mentions(r'{"id":"p1","x":"Zo\u00eb"}', frozenset(["Zoë"]))
    True
    >>> mentions('{"id":"p10"}', frozenset(["p1"])), mentions("a text of 7", frozenset(["7"]))
    (False, False)
    """
    if len(wanted) > FEW:
        return not wanted.isdisjoint(_pieces(text))
    return any(_stands(one, text) for one in wanted)


def named(text: str, wanted: AbstractSet[str]) -> frozenset[str]:
    """Give those of the wanted ones that a text holds.

    >>> named('{"who":"ana"}', frozenset(["ana", "bo"]))
    frozenset({'ana'})
    """
    if len(wanted) > FEW:
        return frozenset(_pieces(text) & wanted)
    return frozenset(one for one in wanted if _stands(one, text))


def telling(text: str) -> bool:
    """Say whether a text means the same wherever it stands; a short one or a number may be anything.

    >>> [telling(text) for text in ("ana@example.org", "4711", "p1", "2026-06-01")]
    [True, False, False, False]
    """
    return len(text) >= SHORT and _NUMBER.fullmatch(text) is None


def _stands(one: str, text: str) -> bool:
    return any(way in text and _pattern(way).search(text) is not None for way in written(one))


def _pattern(way: str) -> re.Pattern[str]:
    """Give what finds a text where it is meant: between quotes or torn off behind one, as a whole, as a word of its own."""
    exact = re.escape(way)
    word = rf"|(?<!\w){exact}(?!\w)" if len(way) >= SHORT else ""
    return re.compile(rf"(?<=[\"']){exact}(?=[\"'\\]|$)|^{exact}$" + word)


@lru_cache(maxsize=4 * FEW)
def written(text: str) -> frozenset[str]:
    """Give the ways in which JSON and Python may write a text inside quotes."""
    return frozenset((text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1]))


def without(text: str, wanted: AbstractSet[str], instead: str) -> str:
    """Write a text with something instead of each of the wanted ones.

    >>> without("fell for 'ana' and 'anabel'", frozenset(["ana"]), "…")
    "fell for '…' and 'anabel'"
    """
    for way in sorted((way for one in wanted for way in written(one)), key=len, reverse=True):
        if way in text:
            text = _pattern(way).sub(lambda _: instead, text)
    return text


def _pieces(text: str) -> set[str]:
    found: set[str] = set()
    for double, single, bare in _PIECES.findall(text):
        inside = double
        if "\\" in double:
            with suppress(ValueError):
                inside = json.loads(f'"{double}"')
        found |= {double, inside, single}
        for word in _WORDS.findall(f"{inside} {single} {bare}"):
            found.update(part for part in (word, word.strip(_ENDS)) if len(part) >= SHORT)
    return found
