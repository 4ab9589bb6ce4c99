"""Files of predictions and labels → what they change in the counts of labelled and correct predictions, as signed cells.

A label changes the cells of its prediction's day, and carries the day on which it became known. Several files at once
give the sum of what each would give in turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from watchglass.store.quoting import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

PAIR = 2
# without coalesce a wrong text would be NULL, as no number is, and taking a right one back would be lost
_SAME = "coalesce(p.prediction = l.label OR TRY_CAST(p.prediction AS DOUBLE) = TRY_CAST(l.label AS DOUBLE), false)"
_NO_LABELS = "SELECT NULL::VARCHAR AS id, NULL::VARCHAR AS environment, NULL::VARCHAR AS label, NULL::TIMESTAMP AS time WHERE false"


@dataclass(frozen=True, slots=True)
class Joined:
    """Paths of a model's files: those counted already, and the new ones."""

    old_predictions: Sequence[str]
    old_labels: Sequence[str]
    new_predictions: Sequence[str]
    new_labels: Sequence[str]


def slice_sets(tags: Sequence[str], largest: int) -> list[tuple[str, ...]]:
    """List the sets of tags that get cells of their own: none, each, and up to `largest` together.

    >>> slice_sets(["channel", "site"], 2)
    [(), ('channel',), ('site',), ('channel', 'site')]
    """
    return [chosen for size in range(largest + 1) for chosen in combinations(tags, size)]


def count_labels(connection: duckdb.DuckDBPyConnection, files: Joined, tags: Sequence[str]) -> None:
    """Add to the table `cells` what the new files change: what all files say of their ids less what the old ones said."""
    if not (files.new_labels or (files.new_predictions and files.old_labels)):
        return  # predictions without labels add nothing
    if not (files.old_predictions or files.new_predictions):
        return  # labels before their predictions wait in their file
    touched = " UNION ".join(
        f"SELECT DISTINCT environment, id FROM {_read(paths)}"
        for paths in (files.new_predictions, files.new_labels)
        if paths
    )
    connection.execute(f"CREATE OR REPLACE TEMP TABLE touched AS {touched}")
    _serve(connection, "served_old", files.old_predictions, tags)
    _serve(connection, "served_new", [*files.old_predictions, *files.new_predictions], tags)
    _tell(connection, "labels_old", files.old_labels)
    _tell(connection, "labels_new", [*files.old_labels, *files.new_labels])
    if files.old_predictions and files.old_labels:
        _contribute(connection, ("served_old", "labels_old"), -1, tags)
    _contribute(connection, ("served_new", "labels_new"), 1, tags)


def _read(paths: Sequence[str]) -> str:
    return f"read_parquet([{', '.join(literal(path) for path in paths)}], union_by_name = true)"


def _serve(connection: duckdb.DuckDBPyConnection, name: str, paths: Sequence[str], tags: Sequence[str]) -> None:
    """Make the table of the touched predictions in some files."""
    if not paths:
        return
    kinds = {column: kind for column, kind, *_ in connection.execute(f"DESCRIBE FROM {_read(paths)}").fetchall()}
    weight = "coalesce(weight, 1)" if "weight" in kinds else "1"
    kept = "".join(f", tags.{identifier(tag)} AS {identifier(f'tag {tag}')}" for tag in tags)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT id, environment, version, time, prediction, {weight}::BIGINT AS weight{kept},"
        f" row_number() OVER () AS row FROM {_read(paths)} SEMI JOIN touched USING (environment, id)"
    )


def _tell(connection: duckdb.DuckDBPyConnection, name: str, paths: Sequence[str]) -> None:
    """Make the table of the labels of touched predictions in some files."""
    told = (
        f"SELECT id, environment, label, time FROM {_read(paths)} SEMI JOIN touched USING (environment, id)"
        if paths
        else _NO_LABELS
    )
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {told}")


def _slice(chosen: Sequence[str]) -> tuple[str, str]:
    """Write the expression of a slice's name, canonical JSON or empty, and the condition that its tags are there."""
    if not chosen:
        return "''", "true"
    parts = ", ".join(f"{literal(tag)}, {identifier(f'tag {tag}')}" for tag in chosen)
    there = " AND ".join(f"{identifier(f'tag {tag}')} IS NOT NULL" for tag in chosen)
    return f"json_object({parts})::VARCHAR", there


def _contribute(connection: duckdb.DuckDBPyConnection, tables: tuple[str, str], sign: int, tags: Sequence[str]) -> None:
    """Add or take away what a history of labels says of the served rows, day by day as it became known.

    The truth at t is the label with the latest time up to t, so each label adds what it changes of the one before.
    "labelled2" and "correct2" are sums of weight × (weight − 1): what sums of squares exceed sums by, absent while all
    weights are 1.
    """
    served, labels = tables
    order = "OVER (PARTITION BY p.row ORDER BY l.time, l.label)"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE told AS SELECT p.*, l.time::DATE AS known, (row_number() {order} = 1)::INT AS labelled,"
        f" {_SAME}::INT - coalesce(lag({_SAME}::INT) {order}, 0) AS correct"
        f" FROM {served} p JOIN {labels} l USING (environment, id)"
    )
    measures = {
        "labelled": "labelled * weight",
        "correct": "correct * weight",
        "labelled2": "labelled * weight * (weight - 1)",
        "correct2": "correct * weight * (weight - 1)",
    }
    for chosen in slice_sets(tags, PAIR):
        name, there = _slice(chosen)
        sums = ", ".join(f"sum({measure})::BIGINT AS {kind}" for kind, measure in measures.items())
        connection.execute(
            f"INSERT INTO cells SELECT version, environment, day, slice, '', kind, 0, NULL, known, {sign} * n FROM (UNPIVOT ("
            f" SELECT version, environment, time::DATE AS day, {name} AS slice, known, {sums} FROM told WHERE {there} GROUP BY ALL)"
            f" ON {', '.join(measures)} INTO NAME kind VALUE n) WHERE n != 0"
        )
