"""A store's settings ↔ rows of an export, a name and its JSON each; what is set here stays."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from watchglass.errors import BadInput
from watchglass.store.lines import Rejected
from watchglass.store.tuning import document, set_setting, settings_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from watchglass.store.folder import Folder


def rows_of(folder: Folder) -> list[dict[str, object]]:
    """List the settings of a store."""
    told = document(settings_of(folder))
    return [{"name": name, "value": json.dumps(value, ensure_ascii=False)} for name, value in told.items()]


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
