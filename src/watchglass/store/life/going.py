"""Rows of a table that are past → what is to go of which file, and what stays of those that are written anew."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

_DAY: Final = 86_400_000_000


class File(NamedTuple):
    """A live file of the manifest; `newest` is the newest sequence number it holds."""

    seq: int
    kind: str
    model: str
    path: str
    rows: int
    bytes: int
    first: int
    last: int
    newest: int


class Past(NamedTuple):
    """How many rows of a file are to go, and their first and last time."""

    rows: int
    first: int
    last: int


@dataclass(slots=True)
class Plan:
    """What is to go: whole files, and files to be written anew, each with what goes of it and the SELECT of what stays."""

    whole: list[File] = field(default_factory=list)
    parts: list[tuple[File, Past, str]] = field(default_factory=list)

    def spans(self, seqs: Iterable[int] | None = None) -> list[tuple[File, Past, int]]:
        """List what goes of each file, with the bytes of those that go whole; of these files alone where given."""
        found = [(file, Past(file.rows, file.first, file.last), file.bytes) for file in self.whole]
        found += [(file, past, 0) for file, past, _ in self.parts]
        chosen = None if seqs is None else set(seqs)
        return [item for item in found if chosen is None or item[0].seq in chosen]


def worth_writing(past: Past, file: File, edge: int) -> bool:
    """Say whether a file is to be written anew: more than half of its rows are to go, or one that is past by a day."""
    return past.rows > 0 and (2 * past.rows > file.rows or past.first < edge - _DAY)
