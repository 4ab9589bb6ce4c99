"""An argument, the environment or nothing → the value of a setting: one table says what can be set, where, and what it does."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar, cast

from watchglass.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    """One row: `type` turns what was given into the value, or raises `ValueError` with what would do."""

    name: str
    env: str
    key: str
    default: T
    type: Callable[[object], T]
    sentence: str


def _store(value: object) -> str:
    text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        message = "a folder's path would do"
        raise ValueError(message)
    if "://" in text:
        message = "this version records into a folder of this machine; a folder's path would do, a server's URL will with a later version"
        raise ValueError(message)
    return os.path.expanduser(text)  # noqa: PTH111 - pathlib costs its import here


def _durability(value: object) -> str:
    if value == "fast":
        message = "'fast' comes with a later version; 'default' or 'sync' would do"
        raise ValueError(message)
    if value not in ("default", "sync"):
        message = "'default' or 'sync' would do"
        raise ValueError(message)
    return str(value)


_WORDS: Final = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
    "": False,
}


def _switch(value: object) -> bool:
    known = _WORDS.get(str(value).strip().lower())
    if known is None:
        message = "1 or 0 would do"
        raise ValueError(message)
    return known


def _positive(value: object) -> float:
    message = "a number above 0 would do"
    try:
        number = float(cast("str", value))
    except (TypeError, ValueError):
        raise ValueError(message) from None
    if not 0 < number < float("inf"):
        raise ValueError(message)
    return number


def _size(value: object) -> int:
    return max(1, int(_positive(value)))


def _text(value: object) -> str:
    return str(value).strip()


STORE: Final = Setting(
    "store", "WATCHGLASS_STORE", "store", "watchglass-data", _store, "The folder that events are written to."
)
DURABILITY: Final = Setting(
    "durability",
    "WATCHGLASS_DURABILITY",
    "durability",
    "default",
    _durability,
    "default: in the log before the call returns, on the disk within a second; sync: on the disk before the call returns.",
)
DISABLED: Final = Setting(
    "disabled", "WATCHGLASS_DISABLED", "disabled", default=False, type=_switch, sentence="1: record nothing."
)
ROLL_SECONDS: Final = Setting(
    "roll_seconds",
    "WATCHGLASS_ROLL_SECONDS",
    "log.roll_seconds",
    60.0,
    _positive,
    "Seconds after which a segment is closed.",
)
ROLL_BYTES: Final = Setting(
    "roll_bytes",
    "WATCHGLASS_ROLL_BYTES",
    "log.roll_bytes",
    64 * 1024 * 1024,
    _size,
    "Bytes after which a segment is closed.",
)

SPOOL: Final = Setting(
    "spool",
    "WATCHGLASS_SPOOL",
    "spool.folder",
    "",
    _text,
    "The folder in which events wait for a server, one folder in it for each server; in the user's state folder unless set.",
)
TOKEN: Final = Setting(
    "token",
    "WATCHGLASS_TOKEN",
    "token",
    "",
    _text,
    "What a server is shown as bearer token; nothing is shown unless set.",
)
DELIVER_SECONDS: Final = Setting(
    "deliver_seconds",
    "WATCHGLASS_DELIVER_SECONDS",
    "spool.deliver_seconds",
    2.0,
    _positive,
    "Seconds that the end of a process may wait for a server; what it has not taken by then is shipped at the next start.",
)

SETTINGS: Final[tuple[Setting[str] | Setting[bool] | Setting[float] | Setting[int], ...]] = (
    STORE,
    DURABILITY,
    DISABLED,
    ROLL_SECONDS,
    ROLL_BYTES,
    SPOOL,
    TOKEN,
    DELIVER_SECONDS,
)


def resolve(setting: Setting[T], argument: object = None, env: Mapping[str, str] | None = None) -> T:
    """Give a setting's value: the argument if there is one, else the environment's, else the default.

    Raises `BadInput` that names the setting, the value, where it came from and what would do.

    >>> resolve(ROLL_SECONDS, env={"WATCHGLASS_ROLL_SECONDS": "5"})
    5.0
    """
    found = (os.environ if env is None else env).get(setting.env)
    if argument is None and not found:
        return setting.default
    value, source = (
        (argument, "the argument") if argument is not None else (found, f"the environment variable {setting.env}")
    )
    try:
        return setting.type(value)
    except ValueError as error:
        message = f"setting {setting.name!r} cannot be {value!r} (from {source}): {error}. It means: {setting.sentence}"
        raise BadInput(message) from None
