"""What a model gives back (prediction, score, latency) → columns that are counted beside its features, and what their values are in SQL.

The cells know them by a name that no feature has: a control character, then the output's own. An output is counted from
the first file that has a value of it; whether predictions are numbers or texts is decided then, and stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store.models import Feature, feature_of
from watchglass.store.quoting import identifier

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import duckdb
    from sqlalchemy.engine import Connection

MARK: Final = "\x1f"
ROLE: Final = "output"
"""Of the catalog's rows that keep their frames and dictionaries."""
IS_FEATURE: Final = f"name <> '' AND NOT starts_with(name, chr({ord(MARK)}))"
"""The condition that a row of cells counts a feature."""
OUTPUTS: Final = ("latency", "prediction", "score")
FEW: Final = 100
"""Of a model whose task is not said: so many different numbers are classes, more are amounts."""


def cell_name(output: str) -> str:
    r"""Give the name by which cells know an output.

    >>> cell_name("score"), output_of(cell_name("score")), output_of("score")
    ('\x1fscore', 'score', None)
    """
    return MARK + output


def output_of(name: str) -> str | None:
    """Give the output that a name in the cells stands for; None for a feature."""
    return name.removeprefix(MARK) if name.startswith(MARK) else None


def value_of(name: str, kind: str) -> str:
    """Write the expression of a column's value in a row of predictions.

    >>> value_of("age", "number"), value_of(cell_name("prediction"), "number")
    ('features."age"', 'prediction_number')
    """
    output = output_of(name)
    if output is None:
        return f"features.{identifier(name)}"
    return "prediction_number" if (output, kind) == ("prediction", "number") else output


def can_have(columns: Sequence[str]) -> frozenset[str]:
    """Name the outputs, as the cells do, that a relation of predictions can have."""
    found = {output for output in OUTPUTS if output in columns}
    return frozenset(map(cell_name, found if "prediction_number" in columns else found - {"prediction"}))


def outputs_of(connection: Connection, model: str) -> list[Feature]:
    """List the outputs of a model that are counted, by their names in the cells."""
    query = sa.select(c.columns).where(c.columns.c.model == model, c.columns.c.role == ROLE)
    return [feature_of(row, cell_name(row.name)) for row in connection.execute(query.order_by(c.columns.c.name))]


def first_seen(
    connection: duckdb.DuckDBPyConnection, source: str, lacking: Iterable[str], task: str | None
) -> list[Feature]:
    """Find the outputs, of those lacking, that a relation has values of; predictions are numbers where the task or the values say so."""
    names = sorted(lacking)
    if not names:
        return []
    counts = ", ".join(f"count({output_of(name)})" for name in names)
    row = connection.execute(f"SELECT {counts} FROM {source} WHERE time IS NOT NULL").fetchall()[0]
    return [
        Feature(name, _type(connection, source, str(output_of(name)), task), None, None, (), ())
        for name, count in zip(names, row, strict=True)
        if count
    ]


def _type(connection: duckdb.DuckDBPyConnection, source: str, output: str, task: str | None) -> str:
    if output != "prediction":
        return "number"
    if task is not None:
        return "number" if task == "regression" else "text"
    query = f"SELECT bool_and(prediction_number IS NOT NULL) AND count(DISTINCT prediction_number) > {FEW} FROM {source} WHERE prediction IS NOT NULL"
    return "number" if connection.execute(query).fetchall()[0][0] else "text"


def keep_output(transaction: Connection, model: str, feature: Feature, frozen: Mapping[str, object]) -> None:
    """Write an output and what is frozen of it into the catalog."""
    chosen = (c.columns.c.model == model) & (c.columns.c.role == ROLE) & (c.columns.c.name == output_of(feature.name))
    if frozen and transaction.execute(c.columns.update().where(chosen).values(**frozen)).rowcount:
        return
    if transaction.execute(sa.select(c.columns.c.name).where(chosen)).first() is None:
        new = {"model": model, "role": ROLE, "name": output_of(feature.name), "type": feature.type, **frozen}
        transaction.execute(c.columns.insert(), [new])
