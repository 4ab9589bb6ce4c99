"""Cells of all models → the history of each as a whole: its rows and labels by day, in one pass, no column and no slice."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
import sqlalchemy as sa

from watchglass.profile.histories import LabelHistory
from watchglass.profile.weights import Squares
from watchglass.store import catalog as c
from watchglass.store.anew import planned_anew
from watchglass.store.histories import JUDGED, History, first_day
from watchglass.store.quoting import literal
from watchglass.store.reader import reader_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder

    Columns = Mapping[str, NDArray[np.generic]]

_KINDS: Final = ("rows", "labelled", "correct", "labelled2", "correct2")
_EPOCH: Final = date(1970, 1, 1)


@planned_anew
def wholes(folder: Folder, engine: Engine) -> dict[str, dict[str, History]]:
    """Give the history of every model in every environment that it has rows in, as a whole, both by name."""
    with engine.connect() as catalog:
        files = c.files.c
        listed = catalog.execute(
            sa.select(files.model, files.path).where(files.kind == "cells", files.removed.is_(None)).order_by(files.seq)
        ).all()
        widths = {
            model: int(width)
            for model, width in catalog.execute(
                sa.select(c.columns.c.model, sa.func.count())
                .where(c.columns.c.role == "feature", c.columns.c.type.in_(JUDGED))
                .group_by(c.columns.c.model)
            )
        }
    if not listed:
        return {}
    models = {str(folder.tables / path): model for model, path in listed}
    read = f"read_parquet([{', '.join(map(literal, models))}], filename = true)"
    numbers = {model: number for number, model in enumerate(dict.fromkeys(models.values()))}
    number = ", ".join(f"{literal(path)}: {numbers[model]}" for path, model in models.items())
    sums = ", ".join(f"coalesce(sum(n) FILTER (kind = {literal(kind)}), 0)::BIGINT AS {kind}" for kind in _KINDS)
    query = (
        f"SELECT (MAP {{{number}}})[filename] AS model, environment, day - DATE '1970-01-01' AS day, known - DATE '1970-01-01' AS known, {sums},"
        f" coalesce(max(version) FILTER (kind = 'rows'), '') AS version FROM {read} WHERE name = '' AND slice = '' GROUP BY ALL ORDER BY ALL"
    )
    with reader_of(folder, engine).cursor() as cursor:
        found = {name: np.asarray(column) for name, column in cursor.execute(query).fetchnumpy().items()}
    return _parted(found, list(numbers), widths)


def _parted(found: Columns, models: list[str], widths: Mapping[str, int]) -> dict[str, dict[str, History]]:
    """Part the rows, sorted by model and environment."""
    parted: dict[str, dict[str, History]] = {}
    names = found["environment"].astype(str)
    model = found["model"].astype(np.int64)
    edges = np.flatnonzero((model[1:] != model[:-1]) | (names[1:] != names[:-1])) + 1
    for first, last in zip([0, *edges.tolist()], [*edges.tolist(), len(model)], strict=True):
        if first == last:
            continue
        about = (models[int(model[first])], str(names[first]))
        whole = _whole(about, {name: column[first:last] for name, column in found.items()}, widths)
        if whole is not None:
            parted.setdefault(about[0], {})[about[1]] = whole
    return parted


def _whole(about: tuple[str, str], found: Columns, widths: Mapping[str, int]) -> History | None:
    days, counts = found["day"].astype(np.int64), {name: found[name].astype(np.int64) for name in _KINDS}
    there = np.unique(days[counts["rows"] != 0])
    if not len(there):
        return None
    begin = first_day([_EPOCH + timedelta(days=int(day)) for day in there])
    offset = (begin - _EPOCH).days
    rows = np.zeros((int(there[-1]) - offset + 1, 1), dtype=np.int64)
    served = (counts["rows"] != 0) & (days >= offset)
    np.add.at(rows[:, 0], days[served] - offset, counts["rows"][served])
    told = np.any([counts[kind] != 0 for kind in _KINDS[1:]], axis=0) & (days >= offset)
    labelled, correct, *more = (counts[kind][told] for kind in _KINDS[1:])
    squares = Squares(*more) if any(each.any() for each in more) else None
    known = found["known"][told].astype(np.int64) - offset
    nothing = np.zeros(int(told.sum()), dtype=np.int64)
    labels = LabelHistory(((),), rows, days[told] - offset, nothing, known, labelled, correct, squares)
    version = found["version"][served][-1]
    return History(about[0], about[1], begin, rows[:, 0], (), labels, str(version) or None, widths.get(about[0], 0))
