"""A question that reads files → the same, planned anew where a file was gone before it was read: another process replaced or forgot it."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

import duckdb

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")
PLANS: Final = 3


def planned_anew(ask: Callable[P, T]) -> Callable[P, T]:
    """Let a function that lists files and reads them begin again, three times at most; it must leave nothing behind."""

    @wraps(ask)
    def asking(*args: P.args, **kwargs: P.kwargs) -> T:
        for _ in range(PLANS - 1):
            try:
                return ask(*args, **kwargs)
            except (duckdb.IOException, FileNotFoundError):  # the file is gone: the manifest names another by now
                continue
        return ask(*args, **kwargs)

    return asking
