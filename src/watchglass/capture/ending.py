"""The end of this process, in whichever way it comes by itself → verbs called once before it; from then on it is over."""

from __future__ import annotations

import atexit
import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_LAST: Final = -1000
_verbs: list[Callable[[], None]] = []
_over = False
_with_child = False


def at_end(verb: Callable[[], None]) -> None:
    """Have a verb called when the interpreter ends, or the child of multiprocessing that this process may be."""
    _verbs.append(verb)


def over() -> bool:
    """Say whether the verbs were called: nothing may be left for later."""
    return _over


def with_child() -> None:
    """Make sure of the end of a child of multiprocessing, which leaves by os._exit, past what atexit knows."""
    global _with_child  # noqa: PLW0603 - once for a process
    util = sys.modules.get("multiprocessing.util")
    if util is None or _with_child or sys.modules["multiprocessing.process"].parent_process() is None:
        return
    _with_child = True
    util.Finalize(None, _end, exitpriority=_LAST)


def _end() -> None:
    global _over  # noqa: PLW0603 - the process's own
    _over = True
    for verb in _verbs:
        verb()


def _in_child() -> None:
    global _over, _with_child  # noqa: PLW0603 - the child's own
    _over = _with_child = False


atexit.register(_end)
os.register_at_fork(after_in_child=_in_child)
