"""A question's checked values → what answers it: a connection with a model's predictions and labels, its cells, or the graph."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from watchglass.store.anew import planned_anew
from watchglass.store.answers import Table, aware
from watchglass.store.histories import cells_of
from watchglass.store.models import Columns
from watchglass.store.query import session
from watchglass.store.quoting import identifier
from watchglass.store.reader import reader_of
from watchglass.store.rows import PREDICTION
from watchglass.store.snapshot import label_parts, prediction_parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import duckdb
    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder
    from watchglass.store.questions.paging import Order, Page
    from watchglass.store.questions.question import Value
    from watchglass.store.reader import Moment

_ALWAYS: Final = ("id", "time", "version", "environment")
NAMED: Final = re.compile(r"\$(\w+)")
_EMPTY_CELLS: Final = (
    "SELECT NULL::VARCHAR AS version, NULL::VARCHAR AS environment, NULL::DATE AS day, NULL::VARCHAR AS slice, NULL::VARCHAR AS name,"
    " NULL::VARCHAR AS kind, NULL::BIGINT AS bucket, NULL::VARCHAR AS value, NULL::DATE AS known, NULL::BIGINT AS n WHERE false"
)
_KINDS: Final[Mapping[str, str]] = {
    "time": "TIMESTAMP",
    "weight": "BIGINT",
    **dict.fromkeys(("prediction_number", "score", "latency"), "DOUBLE"),
}
TRUTH: Final = (
    "truth AS (SELECT id, arg_max_null(label, (time, coalesce(label, ''))) AS label, min(time) AS first FROM label_history"
    " WHERE environment = $environment GROUP BY id HAVING label IS NOT NULL)"
)
"""The latest label of each prediction, as the view `labels` has it: none where it was taken back, of one time the last in order."""
SAME: Final = "CASE WHEN prediction = label THEN true ELSE coalesce(TRY_CAST(prediction AS DOUBLE) = TRY_CAST(label AS DOUBLE), false) END"
"""Whether a prediction is right, as the cells count it; numbers are made only of texts that differ."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as asked of a store: its values, and which page of its rows, in which order, is wanted."""

    folder: Folder
    engine: Engine
    values: Mapping[str, Value]
    order: Order
    page: Page

    def text(self, name: str) -> str:
        """Give a value that is a text, empty where it was not given."""
        found = self.values.get(name)
        return found if isinstance(found, str) else ""

    @property
    def model(self) -> str:
        """The model that is asked about."""
        return self.text("model")

    def during(self, column: str) -> str:
        """Write the condition that a time lies in [start, end), as far as these were given."""
        return "".join(
            f" AND {column} {sign} ${name}"
            for name, sign in (("start", ">="), ("end", "<"))
            if self.values.get(name) is not None
        )

    def paged(self, sql: str) -> str:
        """Write the SELECT of the rows that the page needs."""
        return f"SELECT * FROM ({sql}) {self.order.sql(self.page.place)} LIMIT {self.page.most}"

    def table(self, names: Sequence[str], rows: Iterable[tuple[object, ...]]) -> Table:
        """Give the rows that the page needs of all that there are."""
        return Table(names, self.order.sorted(names, rows, self.page.place)[: self.page.most])

    @planned_anew
    def rows(self, sql: str, fields: tuple[str, ...], more: Mapping[str, str] | None = None) -> Table:
        """Answer from the model's rows: views `predictions`, with these fields, and `label_history`.

        `more` names single features or tags, each with its role: of the others nothing is read.
        """
        needed = None if more else frozenset((*fields, *_ALWAYS, "model", "label"))
        with reader_of(self.folder, self.engine).moment(self.engine, rows=True, needed=needed) as moment:
            self._views(moment, fields, more or {})
            return self._answer(moment.connection, sql)

    @planned_anew
    def cells(self, sql: str) -> Table:
        """Answer from what was counted of the model: the view `cells`."""
        with reader_of(self.folder, self.engine).cursor() as cursor:
            cells = cells_of(self.folder, self.engine, self.model)
            cursor.execute(f"CREATE TEMP VIEW cells AS {f'FROM {cells}' if cells else _EMPTY_CELLS}")
            return self._answer(cursor, sql)

    @planned_anew
    def graph(self, sql: str, views: str | None = None) -> Table:
        """Answer from runs, artifacts, reads, writes, deployments and incidents; `views` names them where the text says more words that are views."""
        with session(self.folder, self.engine, views or sql) as connection:
            return self._answer(connection, sql)

    def _answer(self, connection: duckdb.DuckDBPyConnection, sql: str) -> Table:
        values = {**self.values, **self.page.values}
        used = {name: values[name] for name in NAMED.findall(sql)}
        result = connection.execute(sql, used) if used else connection.execute(sql)
        rows = [tuple(aware(value) for value in row) for row in result.fetchall()]
        return Table([column[0] for column in result.description or ()], rows)

    def _views(self, moment: Moment, fields: tuple[str, ...], more: Mapping[str, str]) -> None:
        listed = dict.fromkeys((*_ALWAYS, *fields))
        columns = moment.snapshot.columns.get(self.model, Columns((), ()))
        common = ", ".join("coalesce(weight, 1) AS weight" if name == "weight" else name for name in listed)
        taken = "".join(f", {_taken(columns, role, name)} AS {identifier(name)}" for name, role in more.items())
        empty = "SELECT " + ", ".join(f"NULL::{_KINDS.get(name, 'VARCHAR')} AS {name}" for name in PREDICTION)
        parts = prediction_parts(moment.snapshot, moment.tail, self.model)
        if more:  # each part gives single columns: a union of whole structs would read every feature of every row
            selects = [f"SELECT {common}{taken} FROM ({part})" for part in parts]
            nothing = "".join(f", NULL::VARCHAR AS {identifier(name)}" for name in more)
            selects = selects or [f"SELECT {common}{nothing} FROM ({empty}) WHERE false"]
            view = " UNION ALL ".join(selects)
        else:
            view = f"SELECT {common} FROM ({' UNION ALL BY NAME '.join([f'{empty} WHERE false', *parts])})"
        moment.connection.execute(f"CREATE TEMP VIEW predictions AS {view}")
        none = "SELECT NULL::VARCHAR AS id, NULL::TIMESTAMP AS time, NULL::VARCHAR AS environment, NULL::VARCHAR AS label WHERE false"
        parts = [none, *label_parts(moment.snapshot, moment.tail, self.model)]
        moment.connection.execute(f"CREATE TEMP VIEW label_history AS {' UNION ALL BY NAME '.join(parts)}")


def _taken(columns: Columns, role: str, name: str) -> str:
    kinds = dict(columns.features if role == "feature" else columns.tags)
    if name not in kinds:
        return "NULL::VARCHAR"
    value = f"{'features' if role == 'feature' else 'tags'}.{identifier(name)}"
    return value if kinds[name] == "VARCHAR" else f"{value}::VARCHAR"  # a cast would keep a condition from the file
