"""What capture may spend on one run, and what it has spent → whether a thing's content is still read, or left out by name."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from watchglass import settings
from watchglass.capture import drops
from watchglass.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchglass.capture.recorder import Recorder

T = TypeVar("T")
_SLOWEST: Final = 200_000_000
"""Bytes of content that are read and hashed in a second at least, on a slow disk: a thing that needs longer is not begun."""
_KEY: Final = "budget of capture"


class Budget(NamedTuple):
    """Seconds and bytes of content that capture may take for one run."""

    seconds: float
    bytes: int


def checked_budget(given: object) -> tuple[float | None, int | None] | None:
    """Take a budget as it is given, or None; raises `BadInput` for what is none."""
    if given is None:
        return None
    found = _given(given, Budget(-1.0, -1))
    return None if found.seconds < 0 else found.seconds, None if found.bytes < 0 else found.bytes


def budget(here: Recorder, given: object = None) -> Budget:
    """Take what is given as (seconds, bytes), else the settings; None in a place of it means the setting's."""
    found = here.announced.get(_KEY)
    if not isinstance(found, Budget):
        found = Budget(settings.resolve(settings.CAPTURE_SECONDS), settings.resolve(settings.CAPTURE_BYTES))
        here.announced[_KEY] = found
    return found if given is None else _given(given, found)


def _given(given: object, otherwise: Budget) -> Budget:
    if isinstance(given, (tuple, list)) and len(given) == len(otherwise):
        seconds, size = given
        with suppress(TypeError, ValueError):
            if (seconds is None or float(seconds) >= 0) and (size is None or int(size) >= 0):
                return Budget(
                    otherwise.seconds if seconds is None else float(seconds),
                    otherwise.bytes if size is None else int(size),
                )
    message = f"budget cannot be {given!r:.80}: (seconds, bytes) would do, such as (2.0, 500_000_000)"
    raise BadInput(message)


class Spending:
    """What capture has spent on one run."""

    __slots__ = ("_of", "bytes", "seconds")

    def __init__(self, of: Budget) -> None:
        self._of = of
        self.seconds = 0.0
        self.bytes = 0

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self._of.seconds - self.seconds

    def refuses(self, size: int) -> str | None:
        """Say why the content of so many bytes is not read, or None."""
        if self.bytes + size > self._of.bytes or not self._of.bytes:
            return f"{size} bytes, {self._of.bytes - self.bytes} of {self._of.bytes} are left (setting capture_bytes)"
        if size / _SLOWEST > self.left or self.left <= 0:
            return f"{size} bytes, {max(0.0, self.left):.3g} of {self._of.seconds:.3g} seconds are left (setting capture_seconds)"
        return None

    def timed(self, size: int, verb: Callable[[], T]) -> T:
        """Do what reads content, and keep account of it."""
        begun = perf_counter()
        try:
            return verb()
        finally:
            self.seconds += perf_counter() - begun
            self.bytes += size


def size_of(thing: object, *, is_path: bool = False) -> int:
    """Say how many bytes a thing's content has, without reading it; 0 where that cannot be told."""
    look = partial(os.path.getsize, thing) if is_path else partial(_size_of, thing)  # type: ignore[arg-type]  # a text
    return drops.shielded("size", f"the size of a {type(thing).__name__} is unknown", look, 0)


def _size_of(thing: object) -> int:
    if isinstance(thing, (str, bytes, bytearray)):
        return len(thing)
    if isinstance(thing, os.PathLike):
        return os.path.getsize(thing) if os.path.exists(thing) else 0  # noqa: PTH110, PTH202 - text paths here
    for name in ("nbytes", "estimated_size"):
        found = getattr(thing, name, None)
        found = found() if callable(found) else found
        if isinstance(found, int):
            return found
    shape = getattr(thing, "shape", None)
    if isinstance(shape, tuple) and len(shape) == 2:  # noqa: PLR2004 - a frame: eight bytes a cell at least
        return 8 * int(shape[0]) * int(shape[1])
    return 0
