"""A store's settings.json → what its recording processes are to do, read, checked, and replaced whole when it changes.

The file lies at the store's root: {"enabled": true, "level": "info", "sampling": [rule, …], "retention": {table: limit}};
what is missing is as each process was started. Running processes heed a change within ten seconds (capture/tuning.py);
`retention` is heeded by whoever keeps the store (store/life/retention.py).
"""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from contextlib import contextmanager
from difflib import get_close_matches
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from watchglass.capture.redaction_rules import document as redaction_document
from watchglass.capture.retention import document as retention_document
from watchglass.capture.rules import document as rule_document
from watchglass.capture.tuned import FILE, Tuned, checked, read
from watchglass.errors import BadInput, StoreError
from watchglass.store.folder import sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from watchglass.store.folder import Folder

NAMES: Final = ("enabled", "level", "sampling", "retention", "redaction")
_JSON: Final = {
    "sampling": 'a list of rules would do: [{"model": "*", "method": "head", "rate": 0.1}]',
    "retention": 'an object would do: {"predictions": {"days": 90}}',
    "redaction": 'a list of rules would do: [{"model": "*", "field": "features.ssn", "action": "drop"}]',
}


def settings_of(folder: Folder) -> Tuned:
    """Give what a store's settings say; None is not set.

    Raises `BadInput` for a file that does not hold settings, `StoreError` for one that cannot be read.
    """
    text = _text(folder)
    return Tuned() if text is None else read(text, str(folder.root / FILE))


def etag_of(folder: Folder) -> str:
    """Name the content of the settings, as HTTP's ETag does."""
    return f'"{blake2b(_text(folder) or b"", digest_size=16).hexdigest()}"'


def document(tuned: Tuned) -> dict[str, object]:
    """Write settings as the JSON object that they are read from, without what is not set.

    >>> document(Tuned(enabled=False))
    {'enabled': False}
    """
    rules = None if tuned.sampling is None else [rule_document(rule) for rule in tuned.sampling]
    kept = None if tuned.retention is None else retention_document(tuned.retention)
    found: dict[str, object] = {"enabled": tuned.enabled, "level": tuned.level, "sampling": rules, "retention": kept}
    if tuned.redaction is not None:
        found["redaction"] = [redaction_document(rule) for rule in tuned.redaction]
    return {name: value for name, value in found.items() if value is not None}


def replace_settings(folder: Folder, given: Mapping[str, object], source: str = "the settings given") -> Tuned:
    """Make these a store's settings, whole; raises `BadInput` that says what would do, then nothing changed."""
    tuned = checked(given, source)
    with _alone(folder):
        _write(folder, tuned)
    return tuned


def set_setting(folder: Folder, name: str, value: object) -> Tuned:
    """Change one setting of a store and give them all; with None it is not set any more.

    Raises `BadInput` for a name or a value that would not do, then nothing changed.
    """
    if name not in NAMES:
        near = get_close_matches(name, NAMES, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        message = f"setting {name!r} cannot be changed while processes run.{hint} These can: {', '.join(NAMES)}"
        raise BadInput(message)
    with _alone(folder):
        found = {**document(settings_of(folder)), name: value}
        tuned = checked({key: kept for key, kept in found.items() if kept is not None}, "the settings given")
        _write(folder, tuned)
    return tuned


def parsed(name: str, text: str) -> object:
    """Read a setting's value from the text of a command line: JSON, or a word; "unset" is None.

    >>> parsed("enabled", "off"), parsed("level", "info"), parsed("sampling", "[]"), parsed("level", "unset")
    (False, 'info', [], None)
    """
    if text == "unset":
        return None
    if name == "enabled":
        return {"on": True, "1": True, "true": True, "off": False, "0": False, "false": False}.get(text.lower(), text)
    if name not in _JSON:
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        message = f"{name} is not JSON: {error}; {_JSON[name]}"
        raise BadInput(message) from None


def _text(folder: Folder) -> bytes | None:
    path = folder.root / FILE
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        message = f"the settings {str(path)!r} cannot be read: {error.strerror or error}. Let this user read the file"
        raise StoreError(message) from error


@contextmanager
def _alone(folder: Folder) -> Iterator[None]:
    """Let one process at a time change the settings."""
    try:
        handle = os.open(folder.root, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        message = f"there is no store at {str(folder.root)!r}: {error.strerror or error}. Name one with --store"
        raise StoreError(message) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _write(folder: Folder, tuned: Tuned) -> None:
    """Replace the file by rename, once its bytes are on the disk."""
    path = folder.root / FILE
    aside = path.with_name(f"{FILE}.{uuid.uuid4().hex}.tmp")
    try:
        with aside.open("wb") as file:
            file.write(json.dumps(document(tuned), ensure_ascii=False, indent=1).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        aside.unlink(missing_ok=True)
        message = f"the settings {str(path)!r} cannot be written: {error.strerror or error}. They are as they were; make room or let this user write there"
        raise StoreError(message) from error
