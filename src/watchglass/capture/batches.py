"""Many rows at once → a segment of their own in the row log, whole or not there: written aside, brought to the disk, renamed."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from watchglass.capture import drops
from watchglass.capture.encode import line
from watchglass.capture.segment import ANNOUNCED, new_name, prepare, sync_file, sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_CHUNK = 1 << 20


def write_parquet(
    root: str, write: Callable[[str], None], sidecar: Mapping[str, object]
) -> OSError | Literal["written"] | None:
    """Publish a Parquet file and its sidecar; None when the engine cannot write these columns."""
    aside: list[str] = []
    try:
        folder = prepare(root, "rows")
        path = f"{folder}/{new_name()}.parquet"
        aside = [f"{path}.tmp", f"{path}.json.tmp"]
        write(aside[0])
        sync_file(aside[0])
        with open(aside[1], "xb") as file:  # noqa: PTH123 - text paths here
            file.write(line(sidecar))
            _sync(file.fileno(), file.flush)
        os.rename(aside[1], f"{path}.json")  # noqa: PTH104 - the sidecar first: a Parquet segment is never without one
        os.rename(aside[0], path)  # noqa: PTH104 - likewise
        sync_folder(folder)
    except OSError as error:
        _remove(aside)
        return error
    except Exception as error:  # noqa: BLE001 - engines raise kinds of their own for what they cannot write; lines can
        _remove(aside)
        drops.warn("parquet", f"a frame goes line by line, its engine cannot write it: {type(error).__name__}: {error}")
        return None
    return "written"


def write_lines(
    root: str, events: Callable[[str], Iterable[Mapping[str, object]]], *, announced: bool
) -> OSError | int:
    """Publish events, made for a segment's name, as one segment of lines; gives how many.

    `announced` says that the graph log tells all their columns; else every line will be looked through for them.
    """
    aside, rows = "", 0
    try:
        folder = prepare(root, "rows")
        name = new_name()
        aside = f"{folder}/{name}.jsonl.tmp"
        with open(aside, "xb", buffering=_CHUNK) as file:  # noqa: PTH123 - text paths here
            for event in events(name):
                rows += 1
                file.write(line(event))
            _sync(file.fileno(), file.flush)
        if not rows:
            os.unlink(aside)  # noqa: PTH108 - text paths here
            return 0
        os.rename(aside, f"{folder}/{name}{ANNOUNCED if announced else '.jsonl'}")  # noqa: PTH104 - text paths here
        sync_folder(folder)
    except OSError as error:
        _remove([aside])
        return error
    except BaseException:
        _remove([aside])
        raise
    return rows


def _sync(handle: int, flush: Callable[[], None]) -> None:
    flush()
    os.fsync(handle)


def _remove(paths: Iterable[str]) -> None:
    for path in paths:
        with suppress(OSError):
            os.unlink(path)  # noqa: PTH108 - text paths here
