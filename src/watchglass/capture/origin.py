"""A function, or the process itself → where its code comes from: a version of the source, the commit, the host."""

from __future__ import annotations

import inspect
import os
import textwrap
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from watchglass.capture.drops import shielded

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

VERSION_DIGITS: Final = 12


def source_version(function: Callable[..., object]) -> str | None:
    """Give the first 12 hexadecimal digits of the SHA-256 of a function's source, without indentation and decorators.

    Where the source is not to be had (typed at a prompt, compiled away), the bytecode stands in.
    """
    return source(function)[0]


def source(function: Callable[..., object]) -> tuple[str | None, str]:
    """Give the version of a function's source, and that source; the text is empty where the bytecode stands in."""
    nothing: tuple[str | None, str] = (None, "")
    return shielded("fingerprint", f"the version of {function!r} is unknown", lambda: _versioned(function), nothing)


def _versioned(function: Callable[..., object]) -> tuple[str | None, str]:
    plain = inspect.unwrap(function)
    code = getattr(plain, "__code__", None)
    lines = textwrap.dedent(_source(plain, code)).splitlines(keepends=True)
    if not lines:
        return (None if code is None else sha256(_code(code)).hexdigest()[:VERSION_DIGITS]), ""
    start = next((place for place, text in enumerate(lines) if text.startswith(("def ", "async def ", "class "))), 0)
    text = "".join(lines[start:])
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:VERSION_DIGITS], text


def _source(function: Callable[..., object], code: CodeType | None) -> str:
    if code is not None and code.co_filename == "<string>":
        return ""  # of `exec`; since Python 3.13 `inspect` takes the text of `python -c` for it
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return ""


def _code(code: CodeType) -> bytes:
    """Write bytecode with its constants; those that are code themselves show an address in their text."""
    constants = [
        _code(constant) if hasattr(constant, "co_code") else repr(constant).encode() for constant in code.co_consts
    ]
    return b"\0".join([code.co_code, *constants, *(name.encode() for name in code.co_names)])


@lru_cache(maxsize=64)
def commit(folder: str) -> str | None:
    """Read the commit checked out in the git repository that holds a folder, without running git."""
    return shielded("commit", f"the commit of {folder!r} is unknown", lambda: _commit(Path(folder)), None)


def _commit(folder: Path) -> str | None:
    for place in (folder, *folder.parents):
        found = place / ".git"
        if found.is_file():  # a worktree or submodule points to its own
            found = place / found.read_text().removeprefix("gitdir:").strip()
        if (found / "HEAD").is_file():
            return _head(found)
    return None


def _head(git: Path) -> str | None:
    head = (git / "HEAD").read_text().strip()
    if not head.startswith("ref:"):
        return head
    name = head.removeprefix("ref:").strip()
    shared = git / (git / "commondir").read_text().strip() if (git / "commondir").is_file() else git
    for place in (git, shared):
        if (place / name).is_file():
            return (place / name).read_text().strip()
    if (shared / "packed-refs").is_file():
        for entry in (shared / "packed-refs").read_text().splitlines():
            digits, _, ref = entry.partition(" ")
            if ref == name:
                return digits
    return None


def folder_of(function: Callable[..., object] | None) -> str:
    """Give the folder that a function's file is in; else the one that this process works in."""
    path = getattr(getattr(function, "__code__", None), "co_filename", None)
    return os.path.dirname(os.path.abspath(path)) if path and os.path.exists(path) else os.getcwd()  # noqa: PTH100, PTH109, PTH110, PTH120 - text in


def code_of(function: Callable[..., object] | None, version: str | None = None) -> dict[str, object]:
    """Describe the code that runs: the function, the version of its source (looked for unless given), the commit around it."""
    found = commit(folder_of(function))
    if function is None:
        return _present({"commit": found})
    name = f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', repr(function))}"
    return _present({"commit": found, "function": name, "source_hash": version or source_version(function)})


def _present(values: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


@lru_cache(maxsize=1)
def host() -> str:
    """Name this machine."""
    return os.uname().nodename
