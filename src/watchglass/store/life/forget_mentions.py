"""A text that is no row → whether it speaks of what is forgotten: the same text between quotes, or as a word of its own."""

from __future__ import annotations

import json
import re
from typing import Final

FEW: Final = 100
SHORT: Final = 4
"""A shorter text is meant only where it stands between quotes: without them it may be any word or number."""
_PIECES: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'|([^\s"\',{}\[\]()]+)')


def mentions(text: str, wanted: frozenset[str]) -> bool:
    r"""Say whether a text holds one of the wanted ones.

    >>> mentions(r'{"id":"p1","x":"Zo\u00eb"}', frozenset(["Zoë"]))
    True
    >>> mentions('{"id":"p10"}', frozenset(["p1"])), mentions("a text of 7", frozenset(["7"]))
    (False, False)
    """
    if len(wanted) > FEW:
        return not wanted.isdisjoint(_pieces(text))
    return any(way in text and _pattern(way).search(text) is not None for one in wanted for way in written(one))


def _pattern(way: str) -> re.Pattern[str]:
    """Give what finds a text where it is meant: between quotes or torn off behind one, as a whole, as a word of its own."""
    exact = re.escape(way)
    word = rf"|(?<!\w){exact}(?!\w)" if len(way) >= SHORT else ""
    return re.compile(rf"(?<=[\"']){exact}(?=[\"'\\]|$)|^{exact}$" + word)


def written(text: str) -> frozenset[str]:
    """Give the ways in which JSON and Python may write a text inside quotes."""
    return frozenset((text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1]))


def without(text: str, wanted: frozenset[str], instead: str) -> str:
    """Write a text with something instead of each of the wanted ones.

    >>> without("fell for 'ana' and 'anabel'", frozenset(["ana"]), "…")
    "fell for '…' and 'anabel'"
    """
    for way in sorted((way for one in wanted for way in written(one)), key=len, reverse=True):
        if way in text:
            text = _pattern(way).sub(lambda _: instead, text)
    return text


def _pieces(text: str) -> set[str]:
    found = set()
    for double, single, bare in _PIECES.findall(text):
        found |= {double, single, bare if len(bare) >= SHORT else ""}
        if "\\" in double:
            try:
                found.add(json.loads(f'"{double}"'))
            except ValueError:
                continue
    return found
