"""What `init` was given, else the environment, else the defaults → all that a recorder needs to begin."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from watchglass import settings
from watchglass.capture import room
from watchglass.capture.segment import Limits

if TYPE_CHECKING:
    from watchglass.capture.room import Bounds
    from watchglass.capture.sender import Sender

_SERVER_SECONDS: Final = 2.0
_SERVER_BYTES: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class Chosen:
    """The store as it was named, the folder to write to (a server's is its spool), and how."""

    place: str
    folder: str
    limits: Limits
    bounds: Bounds
    sampling: str
    redaction: str
    disabled: bool
    sender: Sender | None = None


def choose(
    store: object = None,
    durability: object = None,
    on_full: object = None,
    sampling: object = None,
    redaction: object = None,
    auto: object = None,
) -> Chosen:
    """Take what is given, else what is set; raises `BadInput` for a value that is not known."""
    if settings.resolve(settings.AUTO, auto):
        from watchglass.capture.auto import auto as switch  # noqa: PLC0415 - only where it is set

        switch()
    durable = settings.resolve(settings.DURABILITY, durability)
    place = settings.resolve(settings.STORE, store)
    limits = Limits(
        seconds=settings.resolve(settings.ROLL_SECONDS),
        size=settings.resolve(settings.ROLL_BYTES),
        sync=durable == "sync",
        held=settings.resolve(settings.HELD_BYTES) if durable == "fast" else 0,
    )
    bounds = room.bounds(on_full)
    rules = (settings.resolve(settings.SAMPLING, sampling), settings.resolve(settings.REDACTION, redaction))
    disabled = settings.resolve(settings.DISABLED)
    if "://" not in place:
        folder = os.path.abspath(place)  # noqa: PTH100 - it must not follow a later chdir
        return Chosen(place, folder, limits, bounds, *rules, disabled)
    if disabled:
        return Chosen(place, "", limits, bounds, *rules, disabled)
    return _to_server(Chosen(place, "", limits, bounds, *rules, disabled))


def _to_server(chosen: Chosen) -> Chosen:
    """Give the spool for a server as the folder, with small segments: what is sealed is shipped."""
    from watchglass.capture.sender import Sender  # noqa: PLC0415 - only with a server
    from watchglass.capture.spool import folder_for  # noqa: PLC0415 - likewise

    folder, limits = folder_for(chosen.place), chosen.limits
    small = Limits(min(limits.seconds, _SERVER_SECONDS), min(limits.size, _SERVER_BYTES), limits.sync, limits.held)
    sender = Sender(chosen.place, folder)
    return replace(chosen, folder=folder, limits=small, sender=sender)
