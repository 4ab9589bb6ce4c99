"""Bytes of a pickle that a stranger wrote → the plain values in it, never an object, and never any code.

A pickle may call whatever it names. This reader knows no name at all, so that lists, dicts, texts and numbers come out and
everything else is refused.
"""

from __future__ import annotations

import io
import pickle
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import NoReturn

LONGEST = 1 << 20
"""Bytes; a list of git tags or of parameters is far shorter."""


class NotPlain(ValueError):
    """The pickle holds more than plain values, or is none."""


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> NoReturn:
        message = f"it names {module}.{name}"
        raise NotPlain(message)

    def persistent_load(self, pid: object) -> NoReturn:
        message = f"it refers to {pid!r:.80} elsewhere"
        raise NotPlain(message)


def plain(data: bytes | memoryview | None) -> object:
    """Read the lists, tuples, dicts, sets, texts, numbers and None of a pickle; raises `NotPlain`.

    >>> plain(pickle.dumps({"lr": [0.1, None, "tag"]}))
    {'lr': [0.1, None, 'tag']}
    """
    if data is None:
        return None
    raw = bytes(data)
    if len(raw) > LONGEST:
        message = f"it has {len(raw)} bytes, {LONGEST} would do"
        raise NotPlain(message)
    try:
        return _Plain(io.BytesIO(raw)).load()
    except NotPlain:
        raise
    except Exception as error:  # noqa: BLE001 - a broken pickle raises almost anything
        message = f"it is no pickle: {type(error).__name__}: {error}"
        raise NotPlain(message) from None
