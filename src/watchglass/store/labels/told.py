"""Predictions and the labels told of them → what they change in the counts of labelled and correct ones, as signed cells.

A label changes the cells of its prediction's day, and carries the day on which it became known. The truth at t is the
label with the latest time up to t, of several at one time the largest; a label of NULL says that there is none (any more).
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Final

from watchglass.store.quoting import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from watchglass.store.eras import Eras

PAIR: Final = 2
# without coalesce a wrong text would be NULL, as no number is, and taking a right one back would be lost
SAME: Final = (
    "coalesce(p.prediction = l.label OR TRY_CAST(p.prediction AS DOUBLE) = TRY_CAST(l.label AS DOUBLE), false)"
)
_MEASURES: Final = {
    "labelled": "n * labelled * weight",
    "correct": "n * correct * same::INT * weight",
    "labelled2": "n * labelled * weight * (weight - 1)",
    "correct2": "n * correct * same::INT * weight * (weight - 1)",
}
"""Those that end in 2 are what sums of squares exceed sums by, absent while all weights are 1."""


def slice_sets(tags: Sequence[str], largest: int) -> list[tuple[str, ...]]:
    """List the sets of tags that get cells of their own: none, each, and up to `largest` together.

    >>> slice_sets(["channel", "site"], 2)
    [(), ('channel',), ('site',), ('channel', 'site')]
    """
    return [chosen for size in range(largest + 1) for chosen in combinations(tags, size)]


def served(connection: duckdb.DuckDBPyConnection, source: str, eras: Eras, *, more: str = "") -> str:
    """Write the SELECT of what labels need of a relation of predictions, and `more`.

    A tag that the relation lacks is NULL, and so is one that was no slice when a row was counted; where eras have different
    slices, the relation says of each row the `position` of its file.
    """
    kinds = {column: kind for column, kind, *_ in connection.execute(f"DESCRIBE FROM {source}").fetchall()}
    weight = "coalesce(weight, 1)" if "weight" in kinds else "1"
    there = (
        {child for child, _ in connection.sql(f"SELECT tags FROM {source}").types[0].children}
        if "tags" in kinds
        else set()
    )
    kept = "".join(
        f", {_tag(tag, eras) if tag in there else 'NULL::VARCHAR'} AS {identifier(f'tag {tag}')}" for tag in eras.tags
    )
    return f"SELECT id, environment, version, time, prediction, {weight}::BIGINT AS weight{kept}{more} FROM {source} WHERE time IS NOT NULL"


def _tag(tag: str, eras: Eras) -> str:
    value = f"tags.{identifier(tag)}"
    return value if eras.always(tag) else f"CASE WHEN {eras.sliced(tag)} THEN {value} END"


def once(labels: str) -> str:
    """Write the SELECT of steps where no id has more than one label: it is labelled, and maybe right, from then on."""
    return f"SELECT environment, id, label, time, 1::TINYINT AS labelled, 1::TINYINT AS correct FROM ({labels}) WHERE label IS NOT NULL"


def in_turn(labels: str) -> str:
    """Write the SELECT of the steps of labels, one after the other: each adds itself and takes away the one before.

    `sign` says of each label in which of two histories it is: that which is added (1), or taken away (−1). `correct` is
    what a step adds to the right ones where its label is what was predicted.
    """
    window = "OVER (PARTITION BY sign, environment, id ORDER BY time, label NULLS FIRST)"
    told = f"SELECT environment, id, label, time, sign, lag(label) {window} AS before FROM ({labels})"
    labelled = "sign * ((label IS NOT NULL)::TINYINT - (before IS NOT NULL)::TINYINT)"
    return (
        f"SELECT environment, id, CASE WHEN mine THEN label ELSE before END AS label, time,"
        f" (CASE WHEN mine THEN {labelled} ELSE 0 END)::TINYINT AS labelled, (CASE WHEN mine THEN sign ELSE -sign END)::TINYINT AS correct"
        f" FROM ({told}), (VALUES (true), (false)) AS step(mine) WHERE label IS DISTINCT FROM before AND (mine OR before IS NOT NULL)"
    )


def contribute(
    connection: duckdb.DuckDBPyConnection, predictions: str, steps: str, sign: int, tags: Sequence[str]
) -> None:
    """Add what the steps of labels change of predictions (as `served`) to the table `cells`, or take it away, day by day as it became known."""
    own = "".join(f", {identifier(f'tag {tag}')}" for tag in tags)
    counted = (
        f"SELECT version, environment, p.time::DATE AS day, l.time::DATE AS known, weight{own}, labelled, correct, {SAME} AS same,"
        f" count(*) AS n FROM ({predictions}) p JOIN ({steps}) l USING (environment, id) GROUP BY ALL"
    )
    sums = ", ".join(f"sum({measure})::BIGINT AS {kind}" for kind, measure in _MEASURES.items())
    said = f"SELECT version, environment, day, known{own}, {sums} FROM ({counted}) GROUP BY ALL"
    kinds = ", ".join(_MEASURES)
    summed = ", ".join(f"sum({kind})::BIGINT AS {kind}" for kind in _MEASURES)
    parts = " UNION ALL ".join(
        f"SELECT version, environment, day, {name} AS slice, known, {summed} FROM said WHERE {there} GROUP BY ALL"
        for name, there in map(_slice, slice_sets(tags, PAIR))
    )
    connection.execute(  # summed once for all slices
        f"INSERT INTO cells WITH said AS MATERIALIZED ({said}) SELECT version, environment, day, slice, '', kind, 0, NULL, known, {sign} * n"
        f" FROM (UNPIVOT ({parts}) ON {kinds} INTO NAME kind VALUE n) WHERE n != 0"
    )


def _slice(chosen: Sequence[str]) -> tuple[str, str]:
    """Write the expression of a slice's name, canonical JSON or empty, and the condition that its tags are there."""
    if not chosen:
        return "''", "true"
    parts = ", ".join(f"{literal(tag)}, {identifier(f'tag {tag}')}" for tag in chosen)
    there = " AND ".join(f"{identifier(f'tag {tag}')} IS NOT NULL" for tag in chosen)
    return f"json_object({parts})::VARCHAR", there
