"""A batch of rows logged at once and the rules of redaction in force → the same batch without what must not be written."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from watchglass.capture import drops
from watchglass.capture.redaction_rules import GONE, WHY
from watchglass.capture.sheet import Lists

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from watchglass.capture.frames import Batch
    from watchglass.capture.redaction import Redactor
    from watchglass.capture.sheet import Sheet

_ROLES = ("prediction", "score", "label", "id")


def sifted(events: Iterable[Mapping[str, object]], redactor: Redactor | None) -> list[Mapping[str, object]]:
    """Redact the events that sampling left; one that cannot be written is counted and gone."""
    if redactor is None:
        return list(events)
    return [event for event in map(redactor.event, events) if event]


def redacted(batch: Batch, redactor: Redactor) -> Batch:
    """Redact the columns of a batch; it has no rows where nothing of it can be written, which is counted.

    A column of two roles is redacted by the rules of both. One that is dropped is in the batch no more.
    """
    verbs: dict[str, list[Callable[[object], object]]] = {}
    gone: set[str] = set()
    model = str(batch.shared["model"])
    for role, column, name in _fields(batch):
        verb = redactor.verb(model, role, name)
        if verb is None:
            continue
        verbs.setdefault(column, []).append(verb)
        if redactor.drops(model, role, name):
            gone.add(column)
    if not verbs:
        return batch
    made = {column: _values(batch.sheet, column, found) for column, found in verbs.items() if column not in gone}
    ident = batch.columns.get("id")
    if ident in made and None in made[ident]:
        drops.count(
            WHY, f"rows of model {model!r:.80} are not written, as their ids could not be redacted", batch.sheet.rows
        )
        return replace(batch, sheet=Lists({}, 0))
    return replace(
        batch,
        sheet=_replaced(batch, made, gone),
        columns={role: None if column in gone else column for role, column in batch.columns.items()},
        features=tuple(name for name in batch.features if name not in gone),
        tags=tuple(name for name in batch.tags if name not in gone),
    )


def _fields(batch: Batch) -> Iterator[tuple[str, str, str]]:
    """Give (role, column, name by which rules know it) of what is written."""
    for role in _ROLES:
        column = batch.columns.get(role)
        if column is not None:
            yield role, column, ""
    for role, names in (("features", batch.features), ("tags", batch.tags)):
        for name in names:
            yield role, name, name


def _values(sheet: Sheet, column: str, verbs: Iterable[Callable[[object], object]]) -> list[object]:
    values = list(sheet.values(column))
    for verb in verbs:
        values = [None if value is None or (kept := verb(value)) is GONE else kept for value in values]
    return values


def _replaced(batch: Batch, made: Mapping[str, list[object]], gone: set[str]) -> Sheet:
    """Put redacted columns in the place of others: where all are texts the engine still writes the file, else lines do."""
    sheet = batch.sheet
    if all(value is None or type(value) is str for values in made.values() for value in values):
        return sheet.replaced(made)
    kept = [name for name in batch.chosen if name not in gone]
    return Lists({name: made[name] if name in made else sheet.values(name) for name in kept}, sheet.rows)
