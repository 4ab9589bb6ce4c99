"""A specification → SVG or PNG, drawn by a process of its own that is there while charts are asked for.

The renderer takes 125 MB and never gives them back, and holds the interpreter while it draws: here it takes them from another
process, which ends when no chart was asked for in a while. It ends with its parent too, whose end closes its input.
"""

from __future__ import annotations

import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Final

from watchglass.show.render import drawn_here

if TYPE_CHECKING:
    from watchglass.show.render import Form

IDLE: Final = 60.0
_HEAD: Final = struct.Struct(">BI")
_FORMS: Final[tuple[Form, ...]] = ("svg", "png")
_FAILED: Final = 255
_PATIENCE: Final = 5.0


class Painter:
    """Draws in another process, one chart at a time, and in this one should the other fail."""

    def __init__(self, idle: float = IDLE) -> None:
        self._idle = idle
        self._process: subprocess.Popen[bytes] | None = None
        self._used = 0.0
        self._lock = threading.Lock()
        self._watch: threading.Timer | None = None

    def draw(self, form: Form, text: str) -> bytes:
        """Draw a specification; raises `ValueError` for one that cannot be drawn."""
        with self._lock:
            try:
                failed, drawn = self._asked(_FORMS.index(form), text.encode())
            except (OSError, EOFError):
                self._end()
                return drawn_here(form, text)
            finally:
                self._used = time.monotonic()
        if failed:
            raise ValueError(drawn.decode())
        return drawn

    def _asked(self, form: int, text: bytes) -> tuple[bool, bytes]:
        process = self._process
        if process is None or process.poll() is not None:
            self._end()
            command = [sys.executable, "-m", "watchglass.web.painting"]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0)  # noqa: S603 - our own module
            self._process = process
            self._look_again(self._idle)
        if process.stdin is None or process.stdout is None:
            raise EOFError
        process.stdin.write(_HEAD.pack(form, len(text)) + text)
        process.stdin.flush()
        told, size = _HEAD.unpack(_exactly(process.stdout, _HEAD.size))
        return told == _FAILED, _exactly(process.stdout, size)

    def _look_again(self, wait: float) -> None:
        self._watch = threading.Timer(wait, self._end_if_idle)
        self._watch.daemon = True
        self._watch.start()

    def _end_if_idle(self) -> None:
        with self._lock:
            if self._process is None:
                return
            left = self._used + self._idle - time.monotonic()
            if left <= 0:
                self._end()
            else:
                self._look_again(left)

    def _end(self) -> None:
        process, self._process = self._process, None
        if self._watch is not None:
            self._watch.cancel()
        if process is None:
            return
        with suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def close(self) -> None:
        """End the other process."""
        with self._lock:
            self._end()


def _exactly(source: IO[bytes], size: int) -> bytes:
    data = source.read(size)
    if len(data) != size:
        raise EOFError
    return data


def main() -> None:
    """Draw what comes until nothing comes any more."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while head := source.read(_HEAD.size):
        form, size = _HEAD.unpack(head)
        text = _exactly(source, size).decode()
        try:
            told, drawn = form, drawn_here(_FORMS[form], text)
        except ValueError as error:
            told, drawn = _FAILED, str(error).encode()
        sink.write(_HEAD.pack(told, len(drawn)) + drawn)
        sink.flush()


if __name__ == "__main__":
    main()
