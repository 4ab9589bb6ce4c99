"""A function, or the folder a process works in → what its runs say of their code, looked up once: commit, tag, changes, source."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from watchglass.capture import repository
from watchglass.capture.drops import shielded
from watchglass.capture.origin import code_of, folder_of
from watchglass.capture.times import now

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchglass.capture.recorder import Recorder

LONGEST_SOURCE: Final = 64 * 1024
PATIENCE: Final = 0.5
"""Seconds that the first run to end waits for git at most; later ones wait no more."""


class Code:
    """The code of one component in this process."""

    def __init__(
        self, function: Callable[..., object] | None = None, found: tuple[str | None, str] = (None, "")
    ) -> None:
        self._folder = folder_of(function)
        self._about = code_of(function, found[0])
        self._text = found[1]
        self._answer = shielded("git", "git could not be asked", lambda: repository.asked(self._folder), None)
        self._waited = False
        self._told = False

    def about(self) -> dict[str, object]:
        """Give what is known by now."""
        if not self._told and self._answer is not None and self._answer.within(0):
            self._told = True
            more = {"tag": self._answer.tag, "dirty": self._answer.dirty}
            self._about = {**self._about, **{name: value for name, value in more.items() if value is not None}}
        return self._about

    def lacks(self, seconds: float) -> str | None:
        """Wait for git, the first time and so long at most; gives what it has not said, or None."""
        if self._answer is None:
            return None
        wait, self._waited = (0.0 if self._waited else min(seconds, PATIENCE)), True
        fault = self._answer.fault if self._answer.within(wait) else "git has not answered yet"
        return None if fault is None else f"tag and uncommitted changes: {fault}"

    def announce(self, here: Recorder) -> str | None:
        """Write the function's source into the log, once; gives why it is left out, or None."""
        text, version = self._text, self._about.get("source_hash")
        if not text or version is None:
            return None
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > LONGEST_SOURCE:
            return f"the function's source: {size} bytes, {LONGEST_SOURCE} would do"
        key = ("source", version)
        if key not in here.announced:
            event = {"kind": "source", "id": version, "text": text, "name": self._about["function"], "time": now()}
            if here.graph(event):
                here.announced[key] = True
        return None


@lru_cache(maxsize=64)
def _of_folder(folder: str) -> Code:
    del folder
    return Code()


def here() -> Code:
    """Give the code of a run that no function stands for: that of the folder the process works in."""
    return _of_folder(os.getcwd())  # noqa: PTH109 - text in


os.register_at_fork(after_in_child=_of_folder.cache_clear)
