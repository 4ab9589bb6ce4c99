"""A file of JSON lines → nothing, or an error where a line is nested deeper than anything reads.

DuckDB 1.5 ends the process at some tens of thousands of arrays in each other, so its readers must not see such a line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from watchglass.errors import BadInput

if TYPE_CHECKING:
    from pathlib import Path

LINES: Final = (".jsonl", ".ndjson")
CHUNK: Final = 1 << 20
DEEPEST: Final = 1000
"""Arrays and objects in each other."""
_STEPS: Final = np.zeros(256, dtype=np.int8)
_STEPS[list(b"[{")], _STEPS[list(b"]}")] = 1, -1


def require_shallow(path: Path) -> None:
    """Raise `BadInput` for a file one of whose lines is nested too deep."""
    depth = 0
    with path.open("rb") as file:
        while part := file.read(CHUNK):
            depth = deepest(path, part, depth)


def deepest(path: Path, part: bytes, depth: int) -> int:
    """Give how deep the last line is nested at its end, `depth` being that of the part before; raises `BadInput` where one is too deep."""
    data = np.frombuffer(part, dtype=np.uint8)
    ends = np.flatnonzero(data == ord("\n"))
    longest = int(np.diff(ends, prepend=-1, append=len(data)).max())
    if depth + longest <= DEEPEST:  # a level is a byte at least
        begin = int(ends[-1]) + 1 if len(ends) else 0
        return (0 if len(ends) else depth) + int(_STEPS[data[begin:]].sum())
    depths = np.cumsum(_STEPS[data], dtype=np.int64) + depth
    begun = np.zeros(len(data), dtype=np.int64)
    begun[ends] = np.diff(depths[ends], prepend=0)
    depths -= np.cumsum(begun)
    if int(depths.max()) > DEEPEST:
        message = f"file {path.name!r} has a line of more than {DEEPEST:,} arrays and objects in each other: no depth like that is read. Cut it out"
        raise BadInput(message)
    return int(depths[-1])
