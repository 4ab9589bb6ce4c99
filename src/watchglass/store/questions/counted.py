"""What was counted of a model → accuracy by version and slice, labels by day, missing and new values: no row is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from watchglass.profile.intervals import wilson
from watchglass.profile.weights import Squares, effective_rows
from watchglass.store.histories import slice_of
from watchglass.store.outputs import IS_FEATURE
from watchglass.store.questions.paging import Order
from watchglass.store.questions.question import AFTER, END, ENVIRONMENT, LIMIT, LONG, MODEL, START, Parameter, Question

if TYPE_CHECKING:
    from watchglass.store.answers import Table
    from watchglass.store.questions.asked import Asked

_OTHER: Final = "chr(31) || 'other'"
_SUMS: Final = ", ".join(
    f"coalesce(sum(n) FILTER (kind = '{kind}'), 0)::BIGINT AS {kind}"
    for kind in ("rows", "labelled", "correct", "labelled2", "correct2")
)
_ACCURACY: Final = (
    ("rows", "predictions, as sums of their weights"),
    ("labelled", "of these, how many have a label"),
    ("accuracy", "share of the labelled that is right; none without labels"),
    ("low", "lower end of its 95 % interval (Wilson)"),
    ("high", "upper end"),
)


def _judged(table: Table) -> list[tuple[object, ...]]:
    """Turn rows (…, rows, labelled, correct, labelled2, correct2) into (…, rows, labelled, accuracy, low, high)."""
    found = []
    for *about, rows, labelled, correct, more, more_right in table.values:
        if not labelled:
            found.append((*about, rows, labelled, None, None, None))
            continue
        total, right = (np.array([float(str(value))]) for value in (labelled, correct))
        squares = Squares(*(np.array([int(str(value))]) for value in (more, more_right)))
        worth = float(effective_rows(total, right, squares)[0]) if more else float(total[0])
        share = float(right[0] / total[0])
        low, high = wilson(share * worth, worth) if worth else (0.0, 1.0)
        found.append((*about, rows, labelled, share, low, high))
    return found


def _accuracy_by_version(asked: Asked) -> Table:
    told = asked.cells(
        f"SELECT version, min(day) FILTER (kind = 'rows') AS first, max(day) FILTER (kind = 'rows') AS last, {_SUMS} FROM cells"
        f" WHERE environment = $environment AND name = '' AND slice = ''{asked.during('day')}"
        " GROUP BY version HAVING sum(n) FILTER (kind = 'rows') > 0"
    )
    return asked.table(("version", "first", "last", *(name for name, _ in _ACCURACY)), _judged(told))


def _worst_slices(asked: Asked) -> Table:
    told = asked.cells(
        f"SELECT slice, {_SUMS} FROM cells WHERE environment = $environment AND name = ''{asked.during('day')} GROUP BY slice"
    )
    judged = _judged(told)
    whole = next((row[3] for row in judged if row[0] == ""), None)
    tag, least = asked.values.get("tag"), int(str(asked.values["least"]))
    found = []
    for text, rows, labelled, share, low, high in judged:
        chosen = slice_of(str(text))
        if chosen and int(str(labelled)) >= least and (tag is None or any(name == tag for name, _ in chosen)):
            lost = None if whole is None else int(str(labelled)) * (float(str(whole)) - float(str(share)))
            shown = ", ".join(f"{name}={value}" for name, value in chosen)
            found.append((shown, rows, labelled, share, low, high, lost))
    return asked.table(("slice", *(name for name, _ in _ACCURACY), "more_errors"), found)


def _label_coverage(asked: Asked) -> Table:
    return asked.cells(
        asked.paged(
            "SELECT day, coalesce(sum(n) FILTER (kind = 'rows'), 0)::BIGINT AS rows, coalesce(sum(n) FILTER (kind = 'labelled'), 0)::BIGINT AS labelled,"
            " labelled / nullif(rows, 0) AS share, max(known) FILTER (kind = 'labelled') AS newest FROM cells"
            f" WHERE environment = $environment AND name = '' AND slice = '' AND kind IN ('rows', 'labelled'){asked.during('day')}"
            " GROUP BY day"
        )
    )


def _start(asked: Asked) -> str:
    """Write the start that was given, else the newest day that has rows before the end."""
    if asked.values.get("start") is not None:
        return "$start"
    return f"(SELECT max(day) FROM cells WHERE environment = $environment AND name = '' AND slice = '' AND kind = 'rows'{_until(asked)})"


def _until(asked: Asked) -> str:
    return " AND day < $end" if asked.values.get("end") is not None else ""


def _missing_values(asked: Asked) -> Table:
    return asked.cells(
        asked.paged(
            f"WITH begun AS (SELECT {_start(asked)} AS start)"
            " SELECT name AS column, coalesce(sum(n) FILTER (day >= start), 0)::BIGINT AS rows,"
            " coalesce(sum(n) FILTER (kind = 'missing' AND day >= start), 0)::BIGINT AS missing, missing / nullif(rows, 0) AS share,"
            " coalesce(sum(n) FILTER (kind = 'missing' AND day < start), 0) / nullif(sum(n) FILTER (day < start), 0) AS share_before,"
            " coalesce(share, 1) - coalesce(share_before, share, 1) AS change"
            f" FROM cells, begun WHERE environment = $environment AND slice = '' AND {IS_FEATURE}{_until(asked)}"
            " GROUP BY name"
        )
    )


def _new_values(asked: Asked) -> Table:
    column = " AND name = $column" if asked.values.get("column") is not None else ""
    return asked.cells(
        asked.paged(
            f"WITH begun AS (SELECT {_start(asked)} AS start) SELECT name AS column, value, min(day) AS first, sum(n)::BIGINT AS rows FROM ("
            f"SELECT name, value, day, sum(n) AS n FROM cells WHERE environment = $environment AND slice = '' AND kind = 'category' AND {IS_FEATURE} AND value <> {_OTHER}"
            f"{_until(asked)}{column} GROUP BY ALL HAVING sum(n) > 0), begun"
            " GROUP BY name, value, start HAVING min(day) >= start"
        )
    )


QUESTIONS: Final = (
    Question(
        "accuracy_by_version",
        "How often is each version of a model right, and when did it serve?",
        "cells",
        (MODEL, ENVIRONMENT, START, END, LONG, AFTER),
        (
            ("version", "as given with the predictions"),
            ("first", "first day with rows"),
            ("last", "last day"),
            *_ACCURACY,
        ),
        Order(("first", "version")),
        _accuracy_by_version,
    ),
    Question(
        "worst_slices",
        "In which declared slices, of one tag or of two, is a model surely worst?",
        "cells",
        (
            MODEL,
            ENVIRONMENT,
            START,
            END,
            Parameter("tag", "text", "only slices that name this tag"),
            Parameter("least", "whole", "only slices with at least so many labels", 30),
            LIMIT,
            AFTER,
        ),
        (
            ("slice", "tag=value, sorted by the upper end of the interval, lowest first"),
            *_ACCURACY,
            ("more_errors", "errors beyond what the model's whole accuracy would give here"),
        ),
        Order(("high", "slice")),
        _worst_slices,
    ),
    Question(
        "label_coverage",
        "How many of each day's predictions have their label?",
        "cells",
        (MODEL, ENVIRONMENT, START, END, LONG, AFTER),
        (
            ("day", "of the predictions"),
            ("rows", "predictions, as sums of their weights"),
            ("labelled", "of these, how many have a label"),
            ("share", "labelled / rows"),
            ("newest", "the last day on which a label of this day became known"),
        ),
        Order(("day",)),
        _label_coverage,
    ),
    Question(
        "missing_values",
        "Which columns miss more values than before?",
        "cells",
        (
            MODEL,
            ENVIRONMENT,
            Parameter("start", "time", "from then on; else the newest day with rows"),
            END,
            LIMIT,
            AFTER,
        ),
        (
            ("column", "the feature, those that changed most first"),
            ("rows", "rows counted since the start"),
            ("missing", "of these, how many have no value"),
            ("share", "missing / rows"),
            ("share_before", "the same for all days before the start; none where there are none"),
            ("change", "share − share_before"),
        ),
        Order(("-change", "-share", "column")),
        _missing_values,
    ),
    Question(
        "new_values",
        "Which values of text columns were never seen before?",
        "cells",
        (
            MODEL,
            ENVIRONMENT,
            Parameter("start", "time", "seen from then on, never before; else the newest day with rows"),
            END,
            Parameter("column", "text", "only of this column"),
            LIMIT,
            AFTER,
        ),
        (
            ("column", "the feature"),
            ("value", "the new value; a column's values beyond the first 1,000 are not told apart"),
            ("first", "the day it was first seen"),
            ("rows", "how many rows have it"),
        ),
        Order(("-rows", "column", "value")),
        _new_values,
    ),
)
