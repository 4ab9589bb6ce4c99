"""One SELECT over the documented views → rows: everything recorded, files and log tail together, nothing else in reach."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeVar

import duckdb

from watchglass.errors import BadInput, QueryRefused, UnknownName
from watchglass.store import catalog as c
from watchglass.store.anew import planned_anew
from watchglass.store.answers import Held, Table
from watchglass.store.asking.guard import Asked, checked, too_deep
from watchglass.store.asking.limits import SECONDS, watched
from watchglass.store.asking.views import CATALOG_VIEWS, DOCUMENTED, ROW_VIEWS
from watchglass.store.models import Columns
from watchglass.store.quoting import identifier, struct_type
from watchglass.store.reader import MEMORY, reader_of
from watchglass.store.rows import FEEDBACK, LABEL, METRIC, PREDICTION
from watchglass.store.snapshot import feedback_parts, label_parts, log_parts, metric_parts, prediction_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import sqlalchemy as sa
    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder
    from watchglass.store.reader import Moment
    from watchglass.store.snapshot import File

T = TypeVar("T")
_COMMON: Final = ", ".join("coalesce(weight, 1) AS weight" if name == "weight" else name for name in PREDICTION)
_ROWS: Final = frozenset(view.name for view in ROW_VIEWS)
_TABLES: Final[Mapping[str, sa.Table]] = {view.name: c.META.tables[view.name] for view in CATALOG_VIEWS}
_ALWAYS: Final = {"labels": LABEL, "label_history": LABEL, "feedback": FEEDBACK, "metrics": METRIC}
_LATEST: Final = "row_number() OVER (PARTITION BY model, environment, id ORDER BY time DESC, label DESC NULLS LAST) = 1"
"""Of two labels of one time the truth wins over its retraction, as in the cells."""
_TOLD: Final = 2_000
"""Characters of DuckDB's reason: a question can make it as long as it likes."""
_FINAL: Final = (duckdb.OutOfMemoryException, duckdb.IOException)
VIEWS: Final = tuple(DOCUMENTED)
"""The names a question may use; every column of time is a TIMESTAMP in UTC."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: a SELECT, the model that `predictions` is bound to, the values of `$name`s, and how much of the answer is wanted.

    `seconds` is the time it may take, five minutes unless it says otherwise; None is any.
    """

    sql: str
    model: str | None = None
    values: Mapping[str, object] = field(default_factory=dict)
    limit: int | None = None
    offset: int | None = None
    seconds: float | None = SECONDS


@dataclass(frozen=True, slots=True)
class Needs:
    """What a question reads of predictions: these columns (None: all), and of features and tags these (a role that is not there: all)."""

    columns: frozenset[str] | None
    singles: Mapping[str, frozenset[str]]


_ALL: Final = Needs(None, {})


@contextmanager
def session(
    folder: Folder, engine: Engine, wanted: str, model: str | None = None, *, needed: frozenset[str] | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give DuckDB with the views that the text `wanted` mentions, and nothing else of this machine in reach.

    With `needed` the view of predictions has only these columns, and what of the log was not parsed yet costs less.
    """
    asked = frozenset(name for name in VIEWS if re.search(rf"\b{name}\b", wanted, re.IGNORECASE))
    with _bound(folder, engine, asked, model, Needs(needed, {})) as moment:
        yield moment.connection


@contextmanager
def _bound(
    folder: Folder,
    engine: Engine,
    asked: frozenset[str],
    model: str | None,
    needs: Needs,
    files: Callable[[Sequence[File]], Sequence[File]] | None = None,
) -> Iterator[Moment]:
    """Give a moment of the store with these views."""
    tables = {name: _TABLES[name] for name in asked if name in _TABLES}
    with reader_of(folder, engine).moment(
        engine, rows=bool(asked & _ROWS), needed=needs.columns, tables=tables
    ) as moment:
        if model is not None and model not in moment.snapshot.columns:
            raise UnknownName.named("model", model, moment.snapshot.columns, step="watchglass models")
        if files is not None:
            found = replace(moment.snapshot, files=tuple(files(moment.snapshot.files)))
            moment = replace(moment, snapshot=found)  # noqa: PLW2901 - the same moment, less of it
        found, tail = moment.snapshot, moment.tail
        if "predictions" in asked:
            _view(moment, "predictions", _predictions(moment, model, needs.singles))
        if asked & {"labels", "label_history"}:
            _view(moment, "label_history", [DOCUMENTED["label_history"].empty(), *label_parts(found, tail, model)])
            latest = f"SELECT * FROM label_history QUALIFY {_LATEST} AND label IS NOT NULL"
            moment.connection.execute(f"CREATE TEMP VIEW labels AS {latest}")
        if "feedback" in asked:
            _view(moment, "feedback", [DOCUMENTED["feedback"].empty(), *feedback_parts(found, tail, model)])
        if "metrics" in asked:
            _view(moment, "metrics", [DOCUMENTED["metrics"].empty(), *metric_parts(found, tail)])
        if "logs" in asked:
            _view(moment, "logs", [DOCUMENTED["logs"].empty(), *log_parts(found, tail)])
        yield moment


def _view(moment: Moment, name: str, parts: list[str]) -> None:
    moment.connection.execute(f"CREATE TEMP VIEW {name} AS {_union(parts)}")


def _predictions(moment: Moment, model: str | None, singles: Mapping[str, frozenset[str]]) -> list[str]:
    """Write the SELECTs of the view: without features and tags, or with them, typed for one model and as JSON for all."""
    found, tail = moment.snapshot, moment.tail
    empty = DOCUMENTED["predictions"].empty()
    if tail.names is not None:
        listed = ", ".join("coalesce(weight, 1) AS weight" if name == "weight" else name for name in tail.names)
        return [f"SELECT {listed} FROM ({part})" for part in (empty, *prediction_parts(found, tail, model))]
    if model is not None:
        columns = _narrowed(found.columns[model], singles)
        none = f"SELECT {_COMMON}{_typed(columns, singles, empty=True)} FROM ({empty})"
        parts = _separate(prediction_parts(found, tail, model), singles)
        return [none, *(f"SELECT {_COMMON}{_typed(columns, singles)} FROM ({part})" for part in parts)]
    selects = [empty]
    for name in sorted(_tail_models(moment) | set(found.columns)):
        columns = _narrowed(found.columns.get(name, Columns((), ())), singles)
        parts = _separate(prediction_parts(found, tail, name), singles)
        selects += [f"SELECT {_COMMON}, {_json(columns, singles)} FROM ({part})" for part in parts]
    return selects


def _separate(parts: list[str], singles: Mapping[str, frozenset[str]]) -> list[str]:
    """Keep parts apart where single fields are read, or make them one, in which a struct or field that a part has not is NULL.

    A union of whole structs reads every field of every row.
    """
    return parts if singles or not parts else [_union(parts)]


def _narrowed(columns: Columns, singles: Mapping[str, frozenset[str]]) -> Columns:
    """Leave out the features and tags that a question does not read."""
    features, tags = (
        tuple(each for each in kinds if role not in singles or each[0].lower() in singles[role])
        for role, kinds in (("features", columns.features), ("tags", columns.tags))
    )
    return Columns(features, tags)


def _tail_models(moment: Moment) -> set[str]:
    """Name the models that the log's tail has predictions of, registered or not."""
    if not moment.tail.lines:
        return set()
    union = " UNION ".join(
        f"SELECT DISTINCT model FROM {table} WHERE kind = 'prediction'" for table in moment.tail.lines
    )
    return {row[0] for row in moment.connection.execute(union).fetchall()}


def _union(parts: list[str]) -> str:
    return " UNION ALL BY NAME ".join(parts)


def _json(columns: Columns, singles: Mapping[str, frozenset[str]]) -> str:
    return ", ".join(
        f"to_json({_struct(name, kinds, singles)}) AS {name}" if kinds else f"NULL::JSON AS {name}"
        for name, kinds in (("tags", columns.tags), ("features", columns.features))
    )


def _typed(columns: Columns, singles: Mapping[str, frozenset[str]], *, empty: bool = False) -> str:
    return "".join(
        f", {f'NULL::{struct_type(kinds)}' if empty else _struct(name, kinds, singles)} AS {name}"
        for name, kinds in (("tags", columns.tags), ("features", columns.features))
        if kinds
    )


def _struct(role: str, kinds: Sequence[tuple[str, str]], singles: Mapping[str, frozenset[str]]) -> str:
    """Write a struct in the registered types: as the file has it, or packed of the fields that are read, when no other is."""
    if role not in singles:
        return f"{role}::{struct_type(kinds)}"
    fields = (f"{identifier(name)} := {role}.{identifier(name)}::{kind}" for name, kind in kinds)
    return f"struct_pack({', '.join(fields)})"


def ask(folder: Folder, engine: Engine, question: str | Question, *, model: str | None = None) -> Table:
    """Answer one SELECT over the views; with `model`, `predictions` has its features and tags as typed structs.

    Raises `QueryRefused` for anything but one SELECT, or for one that fails, with DuckDB's reason.
    """
    asked = Question(question, model) if isinstance(question, str) else question
    return answered(folder, engine, asked, _held)


def _held(moment: Moment, query: str, values: dict[str, object]) -> Table:
    held = Held.of(moment.connection, query, values)
    moment.keep()
    return Table.held(held)


def answered(
    folder: Folder,
    engine: Engine,
    question: Question,
    verb: Callable[[Moment, str, dict[str, object]], T],
    files: Callable[[Sequence[File]], Sequence[File]] | None = None,
) -> T:
    """Check a question, bind its views, and let `verb` run its text with its values; raises as `ask` does.

    `files` chooses those of the manifest that are read; None: all.

    What fails because a file was replaced, and gone before it was read, or because a column is meant that no word of
    the question names, is planned anew.
    """
    cursor = reader_of(folder, engine).cursor()
    try:
        asked = checked(cursor, question.sql)
        query = _part(cursor, asked.text, question)
    finally:
        cursor.close()
    values = _values(asked, question.values)

    @planned_anew
    def run(needs: Needs) -> T:
        with (
            _bound(folder, engine, asked.views, question.model, needs, files) as moment,
            watched(moment.connection, question.seconds),
        ):
            return verb(moment, query, values)

    try:
        needs = _needs(asked)
        try:
            return run(needs)
        except _FINAL:
            raise
        except duckdb.Error:
            if needs == _ALL:
                raise
            return run(_ALL)
    except duckdb.OutOfMemoryException as error:
        message = f"the question needs more memory than {MEMORY}, or more of the disk than half of what is free: a narrower time, fewer columns or a LIMIT would do"
        raise QueryRefused(message) from error
    except duckdb.Error as error:
        message = f"{str(error)[:_TOLD]}\nViews: {', '.join(VIEWS)}"
        raise QueryRefused(message) from error


def _needs(asked: Asked) -> Needs:
    """Tell what of predictions a question reads."""
    found = asked.columns
    if found is None:
        return _ALL
    if found & {"features", "tags"} or "logs" in asked.views:
        return Needs(None, asked.singles)
    more = {name for view, names in _ALWAYS.items() if view in asked.views for name in names}
    return Needs(frozenset((found | more | {"model"}) & {*PREDICTION, *LABEL, *FEEDBACK, *METRIC}), {})


def _part(cursor: duckdb.DuckDBPyConnection, text: str, question: Question) -> str:
    """Write the question, without comments and semicolons, and with a limit around it where one is wanted."""
    try:
        row = cursor.execute("SELECT json_deserialize_sql(json_serialize_sql(?::VARCHAR))", [text]).fetchone()
    except duckdb.Error as error:  # DuckDB 2 reads no deeper tree than it likes
        raise too_deep() from error
    plain = str(row[0]) if row else text
    if question.limit is None and question.offset is None:
        return plain
    for name, number in (("limit", question.limit), ("offset", question.offset)):
        if number is not None and number < 0:
            message = f"{name} cannot be {number}: zero or more would do"
            raise BadInput(message)
    limit = "" if question.limit is None else f" LIMIT {question.limit}"
    return f"SELECT * FROM ({plain}){limit} OFFSET {question.offset or 0}"


def _values(asked: Asked, given: Mapping[str, object]) -> dict[str, object]:
    """Check that every `$name` has its value, and no value is without one."""
    missing, more = sorted(asked.parameters - set(given)), sorted(set(given) - asked.parameters)
    if missing or more:
        said = [f"${name} has no value" for name in missing] + [f"there is no ${name} in it" for name in more]
        message = f"the question cannot be asked so: {', '.join(said)}"
        raise BadInput(message)
    return dict(given)
