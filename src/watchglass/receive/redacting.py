"""A store's settings and the environment → the rules of redaction for what comes over HTTP, looked at anew for each request.

Where the rules cannot be known (settings that cannot be read, no secret to hash with), nothing is taken: a client sends again.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from watchglass import settings
from watchglass.capture.redaction import Redactor, check_key
from watchglass.capture.redaction_rules import rules
from watchglass.capture.tuned import FILE, read
from watchglass.errors import BadInput
from watchglass.receive.kinds import KINDS

if TYPE_CHECKING:
    from watchglass.capture.redaction_rules import Rule

_FIELDS = frozenset(
    ("time", "started", "ended", "kind", *(name for kind in KINDS.values() for name in (*kind.fields, kind.about)))
)


class Guard:
    """The rules in force on one server."""

    def __init__(self, root: str) -> None:
        self._path = f"{root}/{FILE}"
        self._seen: tuple[int, int, int] | None = None
        self._known: Redactor | None = None
        self._ready = False
        self._lock = threading.Lock()

    def redactor(self) -> Redactor | None:
        """Give the rules in force now, None where there are none; raises `OSError` when they cannot be known."""
        try:
            about = os.stat(self._path)  # noqa: PTH116 - text paths here
            seen = (about.st_mtime_ns, about.st_ino, about.st_size)
        except FileNotFoundError:
            seen = None
        if self._ready and seen == self._seen:
            return self._known
        with self._lock:
            try:
                self._known = self._read()
            except BadInput as error:
                message = f"the rules of redaction are not known, so nothing is taken: {error}"
                raise OSError(message) from None
            self._seen, self._ready = seen, True
            return self._known

    def _read(self) -> Redactor | None:
        found, key = rules_in(self._path), settings.resolve(settings.HASH_KEY)
        check_key(found, key)
        return Redactor(found, key) if found else None


def rules_in(path: str) -> tuple[Rule, ...]:
    """List the rules in force: those of the environment and of a store's settings, each once; raises `BadInput` or `OSError`."""
    given = settings.resolve(settings.REDACTION)
    found: tuple[Rule, ...] = rules(given, "WATCHGLASS_REDACTION") if given else ()
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - text paths here
            found += read(file.read(), path).redaction or ()
    except FileNotFoundError:
        pass
    return tuple(dict.fromkeys(found))


def withheld(reason: str) -> str:
    """Say why a line is refused without what it held; a reason may quote a value.

    >>> withheld("id cannot be ['123-45-6789']: a text would do")
    'id cannot be what it was; rules of redaction withhold the line'
    """
    name = reason.partition(" cannot be ")[0]
    what = f"{name} cannot be what it was" if name in _FIELDS and name != reason else "it cannot be taken"
    return f"{what}; rules of redaction withhold the line"
