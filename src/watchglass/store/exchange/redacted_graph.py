"""A row of the catalog's tables from elsewhere and the rules of redaction in force → the row as it may be written, or why it may not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, cast

from watchglass.capture.redaction_rules import GONE
from watchglass.receive.redacting import withheld
from watchglass.store.exchange.redacted_records import shows
from watchglass.store.exchange.redacted_rows import redacted_json
from watchglass.store.lines import Rejected
from watchglass.store.outputs import ROLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from watchglass.capture.redaction import Redactor
    from watchglass.records import Json

_RECORDS: Final[Mapping[str, str]] = {"verdicts": "record", "incidents": "record", "monitors": "state"}
_ONE_OF_A_KIND: Final = ("prediction", "score", "label", "id")


def redacted(
    name: str, rows: Sequence[Mapping[str, object]], redactor: Redactor | None, segment: str
) -> tuple[list[Mapping[str, object]], list[Rejected]]:
    """Redact rows of a table as the events that they are of are when they are recorded; gives those that may be written, and the others."""
    if redactor is None:
        return list(rows), []
    kept, left_out = [], []
    if name in _RECORDS:
        what = f"a row of {name} shows values that rules of redaction are about: it is left out"
        for row in rows:
            if _shows(redactor, row, _RECORDS[name]):
                left_out.append(Rejected(segment, None, what, None, model=str(row.get("model"))))
            else:
                kept.append(row)
        return kept, left_out
    verb = _VERBS.get(name)
    if verb is None:
        return list(rows), []
    made = [verb(redactor, row) for row in rows]
    return [row for row in made if row], []


def _shows(redactor: Redactor, row: Mapping[str, object], column: str) -> bool:
    try:
        return shows(redactor, str(row["model"]), cast("Json", json.loads(str(row[column]))))
    except (ValueError, RecursionError):
        return True  # what cannot be read cannot be looked at


def _run(redactor: Redactor, row: Mapping[str, object]) -> Mapping[str, object]:
    made = dict(row)
    if row.get("error") is not None:
        made["error"] = redactor.event({"error": row["error"]}).get("error")
    for role in ("params", "notes", "tests"):
        if row.get(role) is not None:
            made[role] = redacted_json(redactor, role, str(row[role]))
    return made


def _artifact(redactor: Redactor, row: Mapping[str, object]) -> Mapping[str, object]:
    if not redactor.touches("", "preview"):
        return row
    about = {"preview": row.get("preview"), "profile": row.get("profile")}
    found = redactor.event({"artifact": about})
    kept = cast("Mapping[str, object]", found.get("artifact") or {})
    return {**row, "preview": kept.get("preview"), "profile": kept.get("profile")}


def _source(redactor: Redactor, row: Mapping[str, object]) -> Mapping[str, object]:
    found = redactor.event({"text": row.get("text")})
    return {**row, "text": found["text"]} if found.get("text") is not None else {}


def _column(redactor: Redactor, row: Mapping[str, object]) -> Mapping[str, object]:
    """Take from a column what was found in values that a rule would change; one that is dropped is not there."""
    model, role, name = (str(row.get(part)) for part in ("model", "role", "name"))
    place = (model, f"{role}s", name)
    if role in _ONE_OF_A_KIND or role == ROLE:
        place = (model, name if role == ROLE else role, "")
    verb = redactor.verb(*place)
    if verb is None:
        return row
    if redactor.drops(*place):
        return {}
    found = [json.loads(str(row.get(part) or "[]")) for part in ("categories", "edges")]
    numbers = [row[part] for part in ("centre", "scale") if row.get(part) is not None]
    values = [*found[0], *found[1], *numbers]
    if all((kept := verb(value)) is not GONE and kept == value for value in values):
        return row
    hashes = any(rule.action == "hash" and rule.fits(*place) for rule in redactor.rules)
    gone = dict.fromkeys(("categories", "edges", "centre", "scale", "whole"))
    return {**row, **gone, "type": "text" if hashes else row.get("type")}


def _rejected(redactor: Redactor, row: Mapping[str, object]) -> Mapping[str, object]:
    """Keep a line that was refused only where it is an event that the rules leave as it is."""
    raw, reason = row.get("raw"), str(row.get("reason"))
    if raw is None:
        quotes = row.get("role") is None and ("'" in reason or '"' in reason)
        return {**row, "reason": withheld(reason)} if quotes or " cannot be " in reason else row
    try:
        told: object = json.loads(str(raw))
    except (ValueError, RecursionError):
        told = None
    if isinstance(told, dict) and redactor.event(told) == told:
        return row
    return {**row, "reason": reason if row.get("role") is not None else withheld(reason), "raw": None}


_VERBS: Final[Mapping[str, Callable[[Redactor, Mapping[str, object]], Mapping[str, object]]]] = {
    "runs": _run,
    "artifacts": _artifact,
    "sources": _source,
    "columns": _column,
    "rejected": _rejected,
}
