"""A folder → what git says of the code in it: the tag of its commit, and a digest of what was changed since.

Git is asked once a process and repository, by a thread of its own: the first run that ends waits for the answer, no later
one. Without git, or where it is slow, the run names what it lacks.
"""

from __future__ import annotations

import os
import threading
from _thread import start_new_thread
from functools import lru_cache
from hashlib import sha256
from time import monotonic
from typing import TYPE_CHECKING, Final

from watchglass.capture.forking import whole

if TYPE_CHECKING:
    from collections.abc import Callable

DIFF_DIGITS: Final = 12
_SECONDS: Final = 20.0
_BLOCK: Final = 1 << 20
_answers: dict[str, Answer] = {}


class Answer:
    """What git says of one repository, when it has said it."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._done = threading.Lock()
        self._done.acquire()
        self.tag: str | None = None
        self.dirty: str | None = None
        self.fault: str | None = None
        try:
            start_new_thread(self._ask, ())
        except RuntimeError:
            self._end("this process is ending")

    def _ask(self) -> None:
        fault: str | None = "git failed"
        try:
            fault = self._asked()
        except FileNotFoundError:
            fault = "git is not installed"
        except (OSError, ValueError) as error:
            fault = f"git could not be asked: {error}"
        finally:
            self._end(fault)

    def _asked(self) -> str | None:
        end = monotonic() + _SECONDS
        tags = b""

        def keep(part: bytes) -> None:
            nonlocal tags
            tags += part

        if _git(self._folder, ("tag", "--points-at", "HEAD"), keep, end):
            return "git does not answer for this folder"
        self.tag = tags.decode(errors="replace").partition("\n")[0] or None
        into, seen = sha256(), 0

        def put(part: bytes) -> None:
            nonlocal seen
            seen += len(part)
            into.update(part)

        options = ("--no-ext-diff", "--no-textconv", "--no-color", "--binary", "--no-renames")
        if _git(self._folder, ("diff", "HEAD", *options), put, end):
            return "git could not compare the files with the commit"
        self.dirty = into.hexdigest()[:DIFF_DIGITS] if seen else None
        return None

    def _end(self, fault: str | None) -> None:
        self.fault = fault
        self._done.release()

    def within(self, seconds: float) -> bool:
        """Wait so long for the answer; says whether it is there."""
        if not self._done.acquire(timeout=max(0.0, seconds)):
            return False
        self._done.release()
        return True


def _git(folder: str, words: tuple[str, ...], put: Callable[[bytes], None], end: float) -> int:
    """Run git and hand its output on part by part; gives its exit code."""
    with whole:
        import subprocess  # noqa: PLC0415 - 10 ms that the caller does without
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    command = ["git", "-C", folder, "-c", "core.fsmonitor=false", *words]  # no program of the repository's is run
    with subprocess.Popen(  # noqa: S603 - fixed words
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        if process.stdout is not None:
            while part := process.stdout.read(_BLOCK):
                put(part)
                if monotonic() > end:
                    process.kill()
                    raise TimeoutError(_SECONDS)
        return process.wait()


@lru_cache(maxsize=64)
def root(folder: str) -> str | None:
    """Find the repository that a folder is in."""
    while True:
        if os.path.exists(f"{folder}/.git"):  # noqa: PTH110 - text paths here
            return folder
        above = os.path.dirname(folder)  # noqa: PTH120 - likewise
        if above == folder:
            return None
        folder = above


def asked(folder: str) -> Answer | None:
    """Give the answer about the repository that a folder is in, asking on the first call; None when it is in none."""
    place = root(folder)
    if place is None:
        return None
    found = _answers.get(place)
    if found is None:
        found = _answers.setdefault(place, Answer(place))
    return found


os.register_at_fork(after_in_child=_answers.clear)  # the thread that waits for git is the parent's
