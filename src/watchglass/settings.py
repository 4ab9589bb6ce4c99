"""An argument, the environment or nothing → the value of a setting: one table says what can be set, where, and what it does."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from watchglass import setting_types
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


STORE: Final = Setting(
    "store",
    "WATCHGLASS_STORE",
    "store",
    "watchglass-data",
    setting_types.store,
    "The folder that events are written to, or the URL of a server that takes them.",
)
CATALOG: Final = Setting(
    "catalog",
    "WATCHGLASS_CATALOG",
    "catalog",
    "",
    setting_types.text,
    "The PostgreSQL database that a new store keeps its catalog in, as postgresql://user@host:5432/database; else a file of the folder.",
)
DURABILITY: Final = Setting(
    "durability",
    "WATCHGLASS_DURABILITY",
    "durability",
    "default",
    setting_types.one_of("fast", "default", "sync"),
    "fast: in memory for 0.2 s at most; default: in the log before the call returns, on the disk within a second; "
    "sync: on the disk before the call returns.",
)
DISABLED: Final = Setting(
    "disabled",
    "WATCHGLASS_DISABLED",
    "disabled",
    default=False,
    type=setting_types.switch,
    sentence="1: record nothing.",
)
ROLL_SECONDS: Final = Setting(
    "roll_seconds",
    "WATCHGLASS_ROLL_SECONDS",
    "log.roll_seconds",
    60.0,
    setting_types.positive,
    "Seconds after which a segment is closed.",
)
ROLL_BYTES: Final = Setting(
    "roll_bytes",
    "WATCHGLASS_ROLL_BYTES",
    "log.roll_bytes",
    64 * 1024 * 1024,
    setting_types.size,
    "Bytes after which a segment is closed.",
)
HELD_BYTES: Final = Setting(
    "held_bytes",
    "WATCHGLASS_HELD_BYTES",
    "log.held_bytes",
    8 * 1024 * 1024,
    setting_types.size,
    "Bytes of each of the two logs that durability fast keeps in memory while the disk is slow.",
)
ON_FULL: Final = Setting(
    "on_full",
    "WATCHGLASS_ON_FULL",
    "log.on_full",
    "drop",
    setting_types.one_of("drop", "block"),
    "When there is no room for an event: drop it and count it, or block, which waits for room first.",
)
BLOCK_SECONDS: Final = Setting(
    "block_seconds",
    "WATCHGLASS_BLOCK_SECONDS",
    "log.block_seconds",
    30.0,
    setting_types.positive,
    "Seconds that block waits for room; then the event is dropped and counted.",
)
LOG_BYTES: Final = Setting(
    "log_bytes",
    "WATCHGLASS_LOG_BYTES",
    "log.log_bytes",
    10 * 1000 * 1000 * 1000,
    setting_types.size,
    "Bytes that the log of a store may hold before it is compacted; beyond that nothing is recorded.",
)
FREE_BYTES: Final = Setting(
    "free_bytes",
    "WATCHGLASS_FREE_BYTES",
    "log.free_bytes",
    64 * 1024 * 1024,
    setting_types.size_or_none,
    "Bytes of the disk that recording leaves free, at most a twentieth of the disk; 0: all may be used.",
)

CAPTURE_SECONDS: Final = Setting(
    "capture_seconds",
    "WATCHGLASS_CAPTURE_SECONDS",
    "capture.seconds",
    10.0,
    setting_types.positive,
    "Seconds that reading what a run reads and writes may take of it; what is left out is named on the run.",
)
CAPTURE_BYTES: Final = Setting(
    "capture_bytes",
    "WATCHGLASS_CAPTURE_BYTES",
    "capture.bytes",
    2 * 1000 * 1000 * 1000,
    setting_types.size_or_none,
    "Bytes of content that are read for one run to know its version; 0: none.",
)
AUTO: Final = Setting(
    "auto",
    "WATCHGLASS_AUTO",
    "capture.auto",
    default=False,
    type=setting_types.switch,
    sentence="1: what `wg.auto()` does.",
)
ON_RETRACTED: Final = Setting(
    "on_retracted",
    "WATCHGLASS_ON_RETRACTED",
    "capture.on_retracted",
    "warn",
    setting_types.one_of("warn", "block"),
    "What follows, unless a run says so itself, where it reads what carries a retracted tag and the grace is over: "
    "warn, or block, which raises Blocked there.",
)

SAMPLING: Final = Setting(
    "sampling",
    "WATCHGLASS_SAMPLING",
    "sampling",
    "",
    setting_types.rules,
    "Rules that say which predictions are kept, and with what weight.",
)

REDACTION: Final = Setting(
    "redaction",
    "WATCHGLASS_REDACTION",
    "redaction",
    "",
    setting_types.rules,
    "Rules that say what is dropped, hashed or masked before it is written.",
)
HASH_KEY: Final = Setting(
    "hash_key",
    "WATCHGLASS_HASH_KEY",
    "hash_key",
    "",
    setting_types.text,
    "The key with which rules of redaction hash, 16 characters or more; the same wherever hashes must agree.",
)

BACKUPS: Final = Setting(
    "backups",
    "WATCHGLASS_BACKUPS",
    "backups.folder",
    "",
    setting_types.text,
    "The folder that a server puts backups into when it is asked for one over HTTP; unset, it makes none.",
)

SPOOL: Final = Setting(
    "spool",
    "WATCHGLASS_SPOOL",
    "spool.folder",
    "",
    setting_types.text,
    "The folder in which events wait for a server, one folder in it for each server; in the user's state folder unless set.",
)
TOKEN: Final = Setting(
    "token",
    "WATCHGLASS_TOKEN",
    "token",
    "",
    setting_types.text,
    "What a server is shown as bearer token; nothing is shown unless set.",
)
DELIVER_SECONDS: Final = Setting(
    "deliver_seconds",
    "WATCHGLASS_DELIVER_SECONDS",
    "spool.deliver_seconds",
    2.0,
    setting_types.positive,
    "Seconds that the end of a process may wait for a server; what it has not taken by then is shipped at the next start.",
)

INGEST_QUEUE_BYTES: Final = Setting(
    "ingest_queue_bytes",
    "WATCHGLASS_INGEST_QUEUE_BYTES",
    "ingest.queue_bytes",
    64 * 1024 * 1024,
    setting_types.size,
    "Bytes of requests that a server holds before it asks the next to come again.",
)
INGEST_BODY_BYTES: Final = Setting(
    "ingest_body_bytes",
    "WATCHGLASS_INGEST_BODY_BYTES",
    "ingest.body_bytes",
    64 * 1024 * 1024,
    setting_types.size,
    "Bytes that the body of a request to a server may have.",
)
INGEST_INFLATED_BYTES: Final = Setting(
    "ingest_inflated_bytes",
    "WATCHGLASS_INGEST_INFLATED_BYTES",
    "ingest.inflated_bytes",
    256 * 1024 * 1024,
    setting_types.size,
    "Bytes that a body may have once decompressed.",
)
INGEST_FRAME_BYTES: Final = Setting(
    "ingest_frame_bytes",
    "WATCHGLASS_INGEST_FRAME_BYTES",
    "ingest.frame_bytes",
    1024 * 1024 * 1024,
    setting_types.size,
    "Bytes that a frame may have; it goes to the disk as it comes.",
)
INGEST_PAUSE_SECONDS: Final = Setting(
    "ingest_pause_seconds",
    "WATCHGLASS_INGEST_PAUSE_SECONDS",
    "ingest.pause_seconds",
    30.0,
    setting_types.positive,
    "Seconds that a server waits for the next piece of a body.",
)
INGEST_BODY_SECONDS: Final = Setting(
    "ingest_body_seconds",
    "WATCHGLASS_INGEST_BODY_SECONDS",
    "ingest.body_seconds",
    120.0,
    setting_types.positive,
    "Seconds that a server waits for a whole body.",
)

ARTIFACTS: Final = Setting(
    "artifacts",
    "WATCHGLASS_ARTIFACTS",
    "artifacts.keep",
    "hash",
    setting_types.one_of("none", "hash", "profile", "sample", "full"),
    "What is kept of what a run reads and writes unless it says so itself: none, hash, profile, sample or full.",
)
ARTIFACT_RUN_BYTES: Final = Setting(
    "artifact_run_bytes",
    "WATCHGLASS_ARTIFACT_RUN_BYTES",
    "artifacts.run_bytes",
    1_000_000_000,
    setting_types.size_or_none,
    "Bytes of artifacts that one run keeps.",
)
ARTIFACT_STORE_BYTES: Final = Setting(
    "artifact_store_bytes",
    "WATCHGLASS_ARTIFACT_STORE_BYTES",
    "artifacts.store_bytes",
    20_000_000_000,
    setting_types.size_or_none,
    "Bytes of artifacts that a store keeps.",
)

SETTINGS: Final[tuple[Setting[str] | Setting[bool] | Setting[float] | Setting[int], ...]] = (
    STORE,
    CATALOG,
    DURABILITY,
    DISABLED,
    ROLL_SECONDS,
    ROLL_BYTES,
    HELD_BYTES,
    ON_FULL,
    BLOCK_SECONDS,
    LOG_BYTES,
    FREE_BYTES,
    CAPTURE_SECONDS,
    CAPTURE_BYTES,
    AUTO,
    ON_RETRACTED,
    SAMPLING,
    REDACTION,
    HASH_KEY,
    BACKUPS,
    SPOOL,
    TOKEN,
    DELIVER_SECONDS,
    INGEST_QUEUE_BYTES,
    INGEST_BODY_BYTES,
    INGEST_INFLATED_BYTES,
    INGEST_FRAME_BYTES,
    INGEST_PAUSE_SECONDS,
    INGEST_BODY_SECONDS,
    ARTIFACTS,
    ARTIFACT_RUN_BYTES,
    ARTIFACT_STORE_BYTES,
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
