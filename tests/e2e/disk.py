"""Operations on files → what a disk may hold when the power goes: three models, from the strictest to chance."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from itertools import pairwise

DROPPED = ("-shm",)
"""Endings of files that are mapped into memory and made anew by whoever opens the database."""


@dataclass(slots=True)
class File:
    """A file's bytes as they were last synced, and what was written since."""

    durable: bytes | None = None
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)  # (offset, data), or (size, None) for a cut

    def applied(self, chosen):
        data = bytearray(self.durable or b"")
        for offset, part in chosen:
            if part is None:
                del data[offset:]
                data.extend(bytes(max(0, offset - len(data))))
            else:
                data.extend(bytes(max(0, offset - len(data))))
                data[offset : offset + len(part)] = part
        return bytes(data)

    @property
    def now(self):
        return self.applied(self.pending)

    def sync(self):
        self.durable, self.pending = self.now, []


@dataclass(slots=True)
class Dir:
    """A folder's names as they were last synced, and what became of them since, in order."""

    durable: dict[str, object] = field(default_factory=dict)
    pending: list[dict[str, object | None]] = field(default_factory=list)  # each change: what some names name now

    def applied(self, many):
        names = dict(self.durable)
        for change in self.pending[:many]:
            names |= change
        return {name: thing for name, thing in names.items() if thing is not None}

    @property
    def now(self):
        return self.applied(len(self.pending))

    def sync(self):
        self.durable, self.pending = self.now, []


class Disk:
    """Follow operations one by one, and say at any point what may be left of them.

    The order in which a folder's changes reach the disk is the order in which they were made, as in any journal;
    between folders, and between names and data, nothing is promised but by a sync.
    """

    def __init__(self):
        self.root = Dir()
        self.gone: dict[str, File] = {}

    def _find(self, path):
        thing = self.root
        for name in path.split("/") if path else []:
            thing = thing.now[name]
        return thing

    def _parent(self, path):
        return self._find(posixpath.dirname(path)), posixpath.basename(path)

    def _file(self, path):
        try:
            return self._find(path)
        except KeyError:  # written to after it was unlinked
            return self.gone.setdefault(path, File())

    def apply(self, op):
        if op.kind in ("create", "mkdir"):
            folder, name = self._parent(op.path)
            if name not in folder.now:
                folder.pending.append({name: File() if op.kind == "create" else Dir()})
        elif op.kind == "unlink":
            folder, name = self._parent(op.path)
            self.gone[op.path] = folder.now[name]
            folder.pending.append({name: None})
        elif op.kind == "rename":
            folder, name = self._parent(op.path)
            target, new = self._parent(op.target)
            thing = folder.now[name]
            if folder is target:  # one change of the journal: never both names, never none
                folder.pending.append({name: None, new: thing})
            else:
                target.pending.append({new: thing})
                folder.pending.append({name: None})
        elif op.kind == "sync":
            self._file(op.path).sync()
        elif op.kind == "truncate":
            self._file(op.path).pending.append((op.offset, None))
        elif op.kind == "write":
            self._file(op.path).pending.append((op.offset, op.data))
        elif op.kind == "append":
            file = self._file(op.path)
            file.pending.append((len(file.now), op.data))

    def strict(self):
        """Only what was synced is there: bytes by their file's sync, names by their folder's."""
        return _tree(self.root, lambda folder: folder.durable, lambda file: file.durable or b"")

    def names_first(self):
        """All names are there, of the bytes only the synced: the rest of each file was never written."""
        return _tree(self.root, lambda folder: folder.now, lambda file: file.durable or b"")

    def zeroed(self):
        """All names and sizes are there, and zeros where bytes were not synced."""
        return _tree(self.root, lambda folder: folder.now, _zeroed)

    def chance(self, random):
        """Of each folder's changes those up to some point, of each file's unsynced writes some, by the page."""

        def names(folder):
            return folder.applied(random.randint(0, len(folder.pending)))

        def data(file):
            return file.applied([part for part in _pages(file.pending) if random.random() < 0.5])

        return _tree(self.root, names, data)

    def everything(self):
        """Nothing is lost: what a kill would leave."""
        return _tree(self.root, lambda folder: folder.now, lambda file: file.now)


def _pages(pending):
    for start, data in pending:
        if data is None:
            yield start, None
            continue
        first = 4096 - start % 4096
        cuts = [0, *range(first, len(data), 4096), len(data)]
        for begin, end in pairwise(cuts):
            yield start + begin, data[begin:end]


def _zeroed(file):
    durable, size = file.durable or b"", len(file.now)
    return durable[:size] + bytes(max(0, size - len(durable)))


def _tree(folder, names, data, at=""):
    """Give {path: bytes, or None for a folder}."""
    found = {}
    for name, thing in names(folder).items():
        path = f"{at}{name}"
        if isinstance(thing, Dir):
            found[path] = None
            found |= _tree(thing, names, data, f"{path}/")
        elif not name.endswith(DROPPED):
            found[path] = data(thing)
    return found


def lay_out(tree, root):
    """Write a state of the disk into a new folder."""
    root.mkdir(parents=True)
    for path, data in sorted(tree.items()):
        if data is None:
            (root / path).mkdir(parents=True, exist_ok=True)
        else:
            (root / path).write_bytes(data)
