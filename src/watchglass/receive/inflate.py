"""A compressed body, piece by piece → its bytes, in pieces of bounded size, so that a bomb never fills the memory."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final, Protocol

import zstandard

from watchglass.receive.lines import TooLarge, Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

ENCODINGS: Final = ("identity", "gzip", "zstd")
PIECE: Final = 1 << 20
_GZIP: Final = 31  # zlib's number for a gzip header with the largest window
_SLICE: Final = 1024  # a block of four bytes can hold 128 KiB: a slice grows to 32 MiB at most
_WINDOW: Final = 8 << 20  # the largest that a decoder must support by RFC 8878


class Inflating(Protocol):
    """A decompressor under way."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Give what the next piece holds."""
        ...

    def finish(self) -> None:
        """Raise `Unreadable` when the body ended too early."""
        ...


class _Plain:
    def feed(self, data: bytes) -> Iterator[bytes]:
        yield data

    def finish(self) -> None:
        """Plain bytes are whole wherever they end."""


class _Gzip:
    """One or more gzip members after each other, as the format allows."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._member.eof:
                data = data.lstrip(b"\0")  # padding between members
                if not data:
                    return
                self._member = zlib.decompressobj(_GZIP)
            self._begun = True
            try:
                piece = self._member.decompress(data, PIECE)
            except zlib.error as error:
                message = f"the body is not gzip: {error}"
                raise Unreadable(message) from None
            data = self._member.unconsumed_tail or self._member.unused_data
            yield piece
            while not data and not self._member.eof and len(piece) == PIECE:  # more may wait inside
                piece = self._member.decompress(b"", PIECE)
                yield piece

    def finish(self) -> None:
        if self._begun and not self._member.eof:
            message = "the gzip body ends before its end"
            raise Unreadable(message)


class _Zstd:
    """One or more zstd frames after each other, as the format allows."""

    def __init__(self) -> None:
        self._codec = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
        self._frame = self._codec.decompressobj()
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _SLICE):
            part = data[start : start + _SLICE]
            while part:
                if self._frame.eof:
                    self._frame = self._codec.decompressobj()
                self._begun = True
                try:
                    yield self._frame.decompress(part)
                except zstandard.ZstdError as error:
                    message = f"the body is not zstd: {error}"
                    raise Unreadable(message) from None
                part = self._frame.unused_data if self._frame.eof else b""

    def finish(self) -> None:
        if self._begun and not self._frame.eof:
            message = "the zstd body ends before its end"
            raise Unreadable(message)


def inflating(encoding: str) -> Inflating:
    """Give the decompressor for a Content-Encoding; the caller has checked that it is one of `ENCODINGS`."""
    if encoding == "gzip":
        return _Gzip()
    return _Zstd() if encoding == "zstd" else _Plain()


def bounded(pieces: Iterator[bytes], so_far: int, limit: int) -> Iterator[bytes]:
    """Pass pieces on until they are more than a limit; raises `TooLarge`."""
    for piece in pieces:
        so_far += len(piece)
        if so_far > limit:
            message = f"the body holds more than {limit} bytes once decompressed: send it in parts"
            raise TooLarge(message)
        yield piece
