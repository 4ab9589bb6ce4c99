"""This process before and after a run → what it used meanwhile: CPU seconds, the peak of its memory, bytes read and written.

The figures are the whole process's, its threads and the children it waited for included: of runs that go on side by side
each has the sum of both.
"""

from __future__ import annotations

import os
import resource
import sys
from contextlib import suppress
from typing import Final, NamedTuple

_PER_UNIT: Final = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes there, in kilobytes elsewhere


class Usage(NamedTuple):
    """What this process has used since it began: seconds, and bytes."""

    cpu: float
    peak: int
    read: int
    written: int


def measured() -> Usage:
    """Look; costs some microseconds."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    read = written = -1
    with suppress(OSError, ValueError):
        handle = os.open("/proc/self/io", os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.read(handle, 512)
        finally:
            os.close(handle)
        read, written = (int(part.partition(b" ")[2]) for part in data.split(b"\n", 2)[:2])
    return Usage(cpu, max(own.ru_maxrss, children.ru_maxrss) * _PER_UNIT, read, written)


def used(before: Usage, after: Usage) -> dict[str, object]:
    """Give what was used between two looks.

    `peak_memory` is the largest that the process was until the end; where it was that large before the run,
    `peak_before` says so: the run itself may have needed less. `read_bytes` and `written_bytes` are those of system
    calls, from whatever cache; missing where the system does not count them.
    """
    found: dict[str, object] = {"cpu_seconds": round(after.cpu - before.cpu, 6), "peak_memory": after.peak}
    if before.peak >= after.peak:
        found["peak_before"] = True
    if before.read >= 0 and after.read >= 0:
        found["read_bytes"], found["written_bytes"] = after.read - before.read, after.written - before.written
    return found
