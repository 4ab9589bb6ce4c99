"""A command → the system calls by which it changed one folder, in their order, with the bytes (strace)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass

CALLS = (
    "openat,creat,write,pwrite64,writev,pwritev,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,rmdir,"
    "ftruncate,truncate,mkdir,mkdirat,linkat,link,symlink,lseek,fallocate,copy_file_range,sendfile"
)
UNKNOWN = ("writev", "pwritev", "truncate", "linkat", "link", "symlink", "fallocate", "copy_file_range", "sendfile")
"""Calls that no one makes today: were one to come, the replay would be wrong, so it is refused."""
_HEX = re.compile(r"(?:\\x[0-9a-f]{2})+")
_LINE = re.compile(r"^(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)$")
_ENDED = re.compile(r"^(.*)\) += (-?\d+|\?)(?:<([^>]*)>)?")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_FD = re.compile(r"^(\d+)<([^>]*)>")


@dataclass(frozen=True, slots=True)
class Op:
    """One change, or one promise that data is on the disk: paths are below the folder that is watched."""

    kind: str  # create | write | append | sync | rename | unlink | truncate | mkdir | told
    path: str
    data: bytes = b""
    offset: int = 0
    target: str = ""


def available():
    return shutil.which("strace") is not None


def record(command, log, **environment):
    """Run a command to its end under strace; gives the path of the trace."""
    whole = ["strace", "-f", "-y", "--seccomp-bpf", "-xx", "-s", "16777216", "-e", f"trace={CALLS}", "-o", str(log)]
    subprocess.run([*whole, *command], check=True, timeout=300, env={**os.environ, **environment})
    return log


def _text(raw):
    return _HEX.sub(lambda found: bytes.fromhex(found.group()[2:].replace("\\x", "")).decode("utf-8", "replace"), raw)


def _bytes(raw):
    return bytes.fromhex(raw[2:].replace("\\x", "")) if raw else b""


def calls(log):
    """Read the trace: (name, arguments as text, strings as bytes, result, path of the result); a call counts when it ends.

    What a sync promises was written before it began, so of a call that another interrupts the beginning is kept.
    """
    begun = {}
    with log.open(encoding="latin-1") as lines:
        for raw in lines:
            found = _LINE.match(raw)
            if found is None:
                continue
            process, resumed, name, rest = found.groups()
            if resumed is not None:
                name, rest = resumed, begun.pop(process, "") + rest
            elif rest.rstrip().endswith("<unfinished ...>"):
                begun[process] = rest.rstrip().removesuffix("<unfinished ...>").rstrip()
                continue
            ended = _ENDED.match(rest)
            if ended is None or ended.group(2) == "?":
                continue
            yield name, ended.group(1), int(ended.group(2)), _text(ended.group(3) or "")


def operations(log, root, told):
    """Turn a trace into operations below `root`; what is written to the file `told` are marks of what was promised."""
    positions: dict[tuple[str, str], int | None] = {}
    for name, arguments, result, opened in calls(log):
        if result < 0:
            continue
        yield from _operation(name, arguments, (result, opened), (str(root), str(told)), positions)


def _below(path, root):
    return path[len(root) + 1 :] if path.startswith(root + "/") else ("" if path == root else None)


def _full(arguments):
    """Give the paths among the arguments: what a folder's handle and a name say together."""
    cwd = re.match(r"^(?:AT_FDCWD|\d+)<([^>]*)>", arguments)
    base = _text(cwd.group(1)) if cwd else ""
    found = [_bytes(raw).decode() for raw in _STRING.findall(arguments)]
    return [os.path.normpath(path if path.startswith("/") else f"{base}/{path}") for path in found]


def _operation(name, arguments, ended, places, positions):
    result, opened = ended
    if name in ("write", "pwrite64", "fsync", "fdatasync", "ftruncate", "lseek"):
        yield from _on_handle(name, arguments, result, places, positions)
    elif name in ("openat", "creat"):
        yield from _opening(name, arguments, ended, places[0], positions)
    elif opened != places[1]:
        yield from _on_names(name, arguments, places[0], positions)


def _opening(name, arguments, ended, root, positions):
    result, opened = ended
    path, flags = _below(opened, root), arguments.rsplit('"', 1)[-1]
    if path is None:
        return
    positions[opened, str(result)] = None if "O_APPEND" in flags else 0
    if "O_CREAT" in flags or name == "creat":
        yield Op("create", path)
    if "O_TRUNC" in flags or name == "creat":
        yield Op("truncate", path)


def _on_names(name, arguments, root, positions):
    paths = [_below(path, root) for path in _full(arguments)]
    if not any(path is not None for path in paths):
        return
    assert name not in UNKNOWN, f"{name}({_text(arguments)[:200]}) is not replayed"
    if name in ("mkdir", "mkdirat"):
        yield Op("mkdir", paths[0])
    elif name in ("unlink", "unlinkat", "rmdir"):
        yield Op("unlink", paths[0])
    elif name.startswith("rename"):
        assert None not in paths, "a file came from or went to another folder"
        for key in [key for key in positions if key[0] == f"{root}/{paths[0]}"]:
            positions[f"{root}/{paths[1]}", key[1]] = positions.pop(key)
        yield Op("rename", paths[0], target=paths[1])


def _on_handle(name, arguments, result, places, positions):
    found = _FD.match(arguments)
    if found is None:
        return
    handle, shown = found.group(1), _text(found.group(2)).removesuffix("(deleted)").rstrip()
    if shown == places[1] and name == "write":
        yield Op("told", "", _bytes(_STRING.search(arguments).group(1)))
        return
    path = _below(shown, places[0])
    if path is None:
        return
    if name in ("fsync", "fdatasync"):
        yield Op("sync", path)
    elif name == "ftruncate":
        yield Op("truncate", path, offset=int(arguments.rsplit(",", 1)[1]))
    elif name == "lseek":
        if positions.get((shown, handle), 0) is not None:
            positions[shown, handle] = result
    else:
        data = _bytes(_STRING.search(arguments).group(1))[:result]
        if name == "pwrite64":
            yield Op("write", path, data, int(arguments.rsplit(",", 1)[1]))
            return
        at = positions.get((shown, handle), 0)
        if at is None:
            yield Op("append", path, data)
        else:
            positions[shown, handle] = at + result
            yield Op("write", path, data, at)
