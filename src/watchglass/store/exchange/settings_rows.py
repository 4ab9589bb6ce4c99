"""A store's settings ↔ rows of an export, a name and its JSON each; what is set here stays."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from watchglass.capture.redaction import check_key
from watchglass.capture.redaction_rules import needs_key, rules
from watchglass.errors import BadInput
from watchglass.settings import HASH_KEY, resolve
from watchglass.store.lines import Rejected
from watchglass.store.tuning import document, set_setting, settings_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from watchglass.store.folder import Folder


def rows_of(folder: Folder) -> list[dict[str, object]]:
    """List the settings of a store."""
    told = document(settings_of(folder))
    return [{"name": name, "value": json.dumps(value, ensure_ascii=False)} for name, value in told.items()]


def check_rules(folder: Folder, value: str | None, source: str) -> tuple[str, ...]:
    """Say what rules of redaction that are to come in ask for; raises `BadInput` where they hash and there is no key here.

    They hold only where no rules are set here; what cannot be read as rules is told when it is taken.
    """
    if value is None or settings_of(folder).redaction is not None:
        return ()
    try:
        found = rules(value, source)
    except BadInput:
        return ()
    if not needs_key(found):
        return ()
    try:
        check_key(found, resolve(HASH_KEY))
    except BadInput as error:
        message = (
            f"nothing was taken in, as the settings of {source!r} hold rules by which this store could record nothing: {error} "
            "Where hashes are to agree with those of the store that it is from, take its secret. Or take no settings in: "
            "name the tables that are wanted, --table predictions --table labels (table=[…] in Python)"
        )
        raise BadInput(message) from None
    note = (
        "rules of redaction came in that hash: every process that records into this store, a server too, needs "
        "WATCHGLASS_HASH_KEY, the same for all; without it a server takes nothing (503) and a process drops and counts "
        "what they are about. The rules: watchglass config"
    )
    return (note,)


def put(folder: Folder, rows: Sequence[Mapping[str, object]], segment: str) -> tuple[int, list[Rejected]]:
    """Set what is not set here; gives how many there were, and those that cannot be."""
    known, rejected = document(settings_of(folder)), []
    for row in rows:
        name, value = str(row["name"]), str(row["value"])
        if name in known:
            continue
        try:
            set_setting(folder, name, json.loads(value))
        except ValueError as error:
            reason = str(error) if isinstance(error, BadInput) else f"the value is not JSON: {error}"
            rejected.append(Rejected(segment, None, f"setting {name!r}: {reason}"[:500], value[:1000]))
    return len(rows) - len(rejected), rejected
