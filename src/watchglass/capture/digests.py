"""Bytes, buffers and arrays → a running hash, so that nothing of one shape is ever taken for another."""

from __future__ import annotations

import sys
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, Protocol, cast

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Iterable

DIGEST_BYTES: Final = 16
_LONGEST_FLOAT: Final = 8
_PIECE: Final = 1 << 16
_NAN: Final = float("nan")


class Hash(Protocol):
    """What is used of hashlib's objects."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take in more."""

    def digest(self) -> bytes:
        """Give the hash of all that was taken in."""

    def hexdigest(self) -> str:
        """Give it as text."""


class DType(Protocol):
    """What is used of a numpy dtype."""

    @property
    def kind(self) -> str:
        """One letter, such as i, u, f, b, M or O."""

    @property
    def str(self) -> str:
        """Byte order, kind and size: <f8."""

    @property
    def itemsize(self) -> int:
        """Bytes of a value."""

    @property
    def names(self) -> tuple[builtins.str, ...] | None:
        """The fields of a structured array."""


class Array(Protocol):
    """What is used of a numpy array: numpy itself is never imported here."""

    @property
    def dtype(self) -> DType:
        """What the values are."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The extent in each direction."""

    @property
    def size(self) -> int:
        """How many values there are."""

    @property
    def nbytes(self) -> int:
        """How many bytes they take."""

    def __len__(self) -> int: ...
    def __getitem__(self, key: object, /) -> Array: ...
    def __setitem__(self, key: object, value: object, /) -> None: ...
    def __int__(self) -> int: ...
    def __ne__(self, other: object, /) -> Array: ...  # type: ignore[override]  # element by element
    def __or__(self, other: Array, /) -> Array: ...
    def __sub__(self, other: Array, /) -> Array: ...
    def __mul__(self, other: int, /) -> Array: ...
    def __floordiv__(self, other: int, /) -> Array: ...

    def any(self) -> bool:
        """Say whether any is true."""

    def min(self) -> Array:
        """Give the smallest."""

    def max(self) -> Array:
        """Give the largest."""

    def copy(self) -> Array:
        """Copy."""

    def astype(self, dtype: str, /) -> Array:
        """Convert."""

    def reshape(self, shape: int, /) -> Array:
        """Flatten with -1."""

    def view(self, dtype: str, /) -> memoryview:
        """See the same bytes as another type; hashlib takes the result as a buffer."""

    def tobytes(self) -> bytes:
        """Copy in C order."""

    def tolist(self) -> list[object]:
        """Give Python's own values."""


def hasher(domain: str) -> Hash:
    """Begin a hash; two domains never give the same version.

    >>> hasher("frame").hexdigest() == hasher("file").hexdigest()
    False
    """
    return blake2b(digest_size=DIGEST_BYTES, person=f"wg1 {domain}".encode())


def put(into: Hash, *parts: bytes | str) -> None:
    """Take in parts, each with its length, so that ("ab", "c") and ("a", "bc") differ."""
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        into.update(len(data).to_bytes(8, "little"))
        into.update(data)


def _written(text: str) -> bytes:
    """Give the digest of a number that is written as text."""
    into = hasher("float")
    put(into, text)
    return into.digest()


def put_digests(into: Hash, digests: Iterable[bytes]) -> None:
    """Take in digests one after the other, and how many they were."""
    joined = b"".join(digests)
    into.update((len(joined) // DIGEST_BYTES).to_bytes(8, "little"))
    into.update(joined)


def put_array(into: Hash, array: Array, cell: Callable[[object], bytes]) -> None:
    """Take in a numpy array: dtype, shape, and its bytes in C order; `cell` gives the digest of a Python object in it.

    The fields of a structured array are taken one by one: the padding between them holds anything. NaN has many bit
    patterns, which one comes depends on the processor's instruction: all are one. 0.0 and -0.0 are two.
    """
    kind = array.dtype.kind
    put(into, array.dtype.str, repr(array.shape))
    if array.dtype.names is not None:
        for name in array.dtype.names:
            put(into, name)
            put_array(into, array[name], cell)
    elif kind in "OT":  # Python objects; numpy's texts of any length
        put_digests(into, [cell(value) for value in array.reshape(-1).tolist()])
    elif kind in "fc":
        _put_floats(into, array)
    else:
        put_buffer(into, array)


def put_masked(into: Hash, array: Array, cell: Callable[[object], bytes]) -> None:
    """Take in a masked array: which values are masked, and the others."""
    flat = array.reshape(-1)
    masked = sys.modules["numpy"].ma.getmaskarray(flat)
    put(into, repr(array.shape))
    put_array(into, masked, cell)
    put_array(into, flat[~masked].data, cell)  # type: ignore[attr-defined]  # of a masked array


def _put_floats(into: Hash, array: Array) -> None:
    """Take in floats or complex numbers, a piece that the processor's cache holds at a time."""
    half = array.dtype.itemsize // (2 if array.dtype.kind == "c" else 1)
    flat = array.reshape(-1)
    if half > _LONGEST_FLOAT:  # the padding of a long double holds anything
        put_digests(into, [_written(repr(flat[place])) for place in range(flat.size)])
        return
    for first in range(0, flat.size, _PIECE):
        part = flat[slice(first, first + _PIECE)]
        if not part.flags.c_contiguous:  # type: ignore[attr-defined]  # a property of numpy's own
            part = part.copy()
        numbers = part if array.dtype.kind == "f" else cast("Array", part.view(f"{array.dtype.str[0]}f{half}"))
        odd = numbers != numbers  # noqa: PLR0124 - NaN is what differs from itself
        if odd.any():
            numbers = numbers.copy()
            numbers[odd] = _NAN
        into.update(numbers.view("u1"))


def put_buffer(into: Hash, array: Array) -> None:
    """Take in the bytes of an array of plain values in C order, without a copy where they lie so."""
    if array.size == 0:
        return
    if array.flags.c_contiguous:  # type: ignore[attr-defined]  # a property of numpy's own
        into.update(array.reshape(-1).view("u1"))
    else:
        into.update(array.tobytes())
