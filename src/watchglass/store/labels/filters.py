"""Hashes of the ids a model had so far → which of some new ones it may have had: a Bloom filter in a file, one word a hash.

The file is made of the indexes of ids and can be made anew: it is when it is lost, full, or from before this machine last
booted, as a power cut may have taken bits from it. A bit too many costs a look; one too few would count a row twice.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from watchglass.store.folder import make_folder
from watchglass.store.labels.indexes import index_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from watchglass.store.folder import Folder
    from watchglass.store.labels.indexes import Hashes, Indexed

    Words = NDArray[np.uint64]

BITS: Final = 5  # of a word that each hash sets
IDS: Final = 4  # in a word when it is full: 16 bits an id; 4 of 1,000 others pass then
LEAST: Final = 1 << 16
_HEAD: Final = 8  # words: mark, boot, boot, how many ids there is room for, how many are in it, up to which file
_MARK: Final = 0x77675F6964733031
_SIX: Final = np.uint64(6)
_QUARTERS: Final = (0, 1 << 62, 2 << 62, 3 << 62, 1 << 64)


@dataclass(slots=True)
class Filter:
    """A model's ids so far, as far as the file `path` tells."""

    path: Path
    data: Words

    @property
    def words(self) -> Words:
        """The words that hold the bits."""
        return self.data[_HEAD:]

    @property
    def room(self) -> int:
        """How many more ids it should take."""
        return int(self.data[3]) - int(self.data[4])

    @property
    def until(self) -> int:
        """The sequence number up to which the model's rows are in it."""
        return int(self.data[5])

    def may_have(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Say of each hash whether its id may have come before; sorted ones cost least."""
        bits = _bits(hashes)
        return cast("NDArray[np.bool_]", (self.words.take(_word(hashes, len(self.words))) & bits) == bits)

    def add(self, hashes: Hashes, until: int) -> None:
        """Add sorted hashes, which are those of the rows up to a sequence number."""
        ends = [int(np.searchsorted(hashes, np.uint64(edge))) for edge in _QUARTERS[:-1]] + [len(hashes)]
        for begin, end in pairwise(ends):  # of a quarter the words are in order
            if begin < end:
                self._add(hashes[begin:end])
        self.data[4] += np.uint64(len(hashes))
        self.data[5] = np.uint64(max(until, self.until))

    def _add(self, hashes: Hashes) -> None:
        word = _word(hashes, len(self.words))
        first = np.flatnonzero(np.concatenate(([True], word[1:] != word[:-1])))
        self.words[word[first]] |= np.bitwise_or.reduceat(_bits(hashes), first)


def _word(hashes: Hashes, size: int) -> NDArray[np.intp]:
    """Choose a word for each hash by its third and following bits: the first two of a UUID's end are always the same."""
    return ((((hashes << np.uint64(2)) >> np.uint64(32)) * np.uint64(size)) >> np.uint64(32)).astype(np.intp)


def _bits(hashes: Hashes) -> Words:
    """Choose bits of the word by the last bits of each hash."""
    one, last = np.uint64(1), np.uint64(63)
    found = one << (hashes & last)
    for _ in range(BITS - 1):
        hashes = hashes >> _SIX
        found |= one << (hashes & last)
    return cast("Words", found)


def filter_of(folder: Folder, model: str, old: Sequence[Indexed], coming: int) -> Filter:
    """Open a model's filter with the ids of the files `old` in it and room for some more, made anew where it must be."""
    path = folder.root / "filters" / f"{blake2b(model.encode(), digest_size=16).hexdigest()}.ids"
    until = max((file.position for file in old), default=0)
    found = _open(path)
    if found is None or found.room < coming or found.until > until:
        return _made(path, old, coming, until)
    for file in old:
        if file.position > found.until:
            found.add(index_of(file)[0], found.until)
    found.data[5] = np.uint64(until)
    return found


def _booted() -> tuple[int, int] | None:
    """Give the number of this run of the machine."""
    try:
        number = uuid.UUID(Path("/proc/sys/kernel/random/boot_id").read_text().strip()).int
    except (OSError, ValueError):
        return None
    return number >> 64, number & (1 << 64) - 1


def _open(path: Path) -> Filter | None:
    """Map the file, unless it is not there, not whole, or from before this machine last booted."""
    try:
        data = np.memmap(path, dtype="<u8", mode="r+").view(np.ndarray)
    except (OSError, ValueError):
        return None
    if len(data) <= _HEAD or data[0] != _MARK or len(data) != _HEAD + int(data[3]) // IDS:
        return None
    return Filter(path, cast("Words", data)) if (int(data[1]), int(data[2])) == _booted() else None


def _made(path: Path, old: Sequence[Indexed], coming: int, until: int) -> Filter:
    """Make the file anew from the indexes, with room for twice the ids; it takes the old one's place when it is whole."""
    room = max(LEAST, 2 * (sum(file.rows for file in old) + coming)) // IDS * IDS
    make_folder(path.parent)
    draft = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    data = np.memmap(draft, dtype="<u8", mode="w+", shape=(_HEAD + room // IDS,)).view(np.ndarray)
    data[:4] = np.array([_MARK, *(_booted() or (0, 0)), room], dtype="<u8")
    made = Filter(path, cast("Words", data))
    for file in old:
        made.add(index_of(file)[0], until)
    draft.replace(path)
    return made
