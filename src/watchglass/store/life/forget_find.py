"""What is asked → the rows it means, each known by model, environment and id: looked up in the tables and in the log's lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import duckdb
import sqlalchemy as sa

from watchglass.errors import BadInput, QueryRefused
from watchglass.store import catalog as c
from watchglass.store.labels.indexes import Indexed, Wanted, hashes_in, index_of
from watchglass.store.life.forget_keys import Keys
from watchglass.store.life.forget_log import keys_where
from watchglass.store.life.forget_where import condition, refused
from watchglass.store.models import model_named
from watchglass.store.query import session
from watchglass.store.quoting import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sqlalchemy.engine import Connection, Engine

    from watchglass.store.folder import Folder
    from watchglass.store.life.forget_asked import Asked
    from watchglass.store.segments import Segment

OF_ID = ("predictions", "labels", "feedback")
"""The tables whose rows have an id and an environment."""
_AT_ONCE = 10_000


class File(NamedTuple):
    """A live file of the manifest whose rows have ids; `position` is the sequence number that its rows came with."""

    seq: int
    kind: str
    model: str
    path: Path
    rows: int
    position: int
    indexed: bool


class Column(NamedTuple):
    """A column whose values are people's names."""

    model: str
    role: str
    name: str
    type: str


def live_files(folder: Folder, catalog: Connection, model: str | None, kinds: Sequence[str] = OF_ID) -> list[File]:
    """List the live files of a model, or of any, whose rows have ids."""
    files = c.files.c
    query = sa.select(c.files).where(files.removed.is_(None), files.kind.in_(kinds)).order_by(files.seq)
    if model is not None:
        query = query.where(files.model == model)
    return [
        File(row.seq, row.kind, row.model, folder.tables / row.path, row.rows, row.origin or row.seq, bool(row.indexed))
        for row in catalog.execute(query)
    ]


def found_keys(
    folder: Folder, engine: Engine, connection: duckdb.DuckDBPyConnection, segments: Sequence[Segment], about: Asked
) -> Keys:
    """Find the rows; raises `UnknownName` for a model that is not recorded, `BadInput` where no column tells subjects."""
    if about.model is not None:
        with engine.connect() as catalog:
            model_named(catalog, about.model)
    if about.by == "where":
        found = _where(folder, engine, about)
    elif about.by == "subject":
        found = _of_subject(folder, engine, connection, segments, about)
    else:
        found = _of_id(folder, engine, connection, segments, about)
    return found.of(about.environment)


def _where(folder: Folder, engine: Engine, about: Asked) -> Keys:
    """Ask the condition where questions are asked: nothing else of this machine is in reach."""
    model, found = about.model or "", Keys()
    with session(folder, engine, "predictions", model) as asking:
        chosen = condition(asking, about.text)
        try:
            kind = asking.execute(f"DESCRIBE SELECT {chosen} AS holds FROM predictions").fetchall()[0][1]
            if kind != "BOOLEAN":
                raise refused(about.text, QueryRefused(f"it gives {kind}, not true or false"))
            answer = asking.execute(f"SELECT DISTINCT environment, id FROM predictions WHERE {chosen}")
            while part := answer.fetchmany(_AT_ONCE):
                for environment, ident in part:
                    found.add(model, environment, ident)
        except duckdb.Error as error:
            raise refused(about.text, error) from None
    return found


def subject_columns(catalog: Connection, model: str | None) -> list[Column]:
    """List the columns that hold subjects."""
    columns = c.columns.c
    query = sa.select(columns.model, columns.role, columns.name, columns.type).where(
        columns.purpose == "subject", columns.role.in_(("feature", "tag"))
    )
    if model is not None:
        query = query.where(columns.model == model)
    return [Column(*row) for row in catalog.execute(query)]


def _require_known(catalog: Connection, about: Asked, columns: Sequence[Column]) -> None:
    """Raise `BadInput` where nobody can be found by name: no column tells subjects, and no artifact has the tag."""
    t = c.subject_tags.c
    if columns or (
        about.everywhere and catalog.execute(sa.select(t.tag).where(t.tag == about.text).limit(1)).first() is not None
    ):
        return
    of = "any model" if about.model is None else f"model {about.model!r}"
    message = (
        f"no feature or tag of {of} is declared as a subject, so nobody can be found by name, and no artifact is said to "
        "be of them. Declare a column (log_model(…, schema=…)), or forget with where and a condition"
    )
    raise BadInput(message)


def _of_subject(
    folder: Folder, engine: Engine, connection: duckdb.DuckDBPyConnection, segments: Sequence[Segment], about: Asked
) -> Keys:
    """Read the subject's column of each file, and of it only the row groups that may hold the name."""
    with engine.connect() as catalog:
        columns = subject_columns(catalog, about.model)
        _require_known(catalog, about, columns)
        files = {column.model: live_files(folder, catalog, column.model, ("predictions",)) for column in columns}
    found = Keys()
    for column in columns:
        for file in files[column.model]:
            if not _has(connection, file, column):
                continue
            value = f"{column.role}s.{identifier(column.name)}"
            same = f"{value} = TRY_CAST(? AS DOUBLE)" if column.type == "number" else f"{value}::VARCHAR = ?"
            query = f"SELECT DISTINCT environment, id FROM read_parquet({literal(str(file.path))}) WHERE {same} AND id IS NOT NULL"
            for environment, ident in connection.execute(query, [about.text]).fetchall():
                found.add(column.model, environment, ident)
    told = {(column.model, column.role, column.name): column.type for column in columns}

    def holds(event: Mapping[str, object]) -> bool:
        return event.get("kind") == "prediction" and _names(event, told, about.text)

    number = _number(about.text)
    whole = frozenset((str(int(number)),)) if number is not None and number.is_integer() else frozenset[str]()
    return keys_where(segments, whole | {about.text}, holds, found)


def _has(connection: duckdb.DuckDBPyConnection, file: File, column: Column) -> bool:
    relation = connection.sql(f"FROM read_parquet({literal(str(file.path))})")
    kinds = dict(zip(relation.columns, relation.types, strict=True))
    kind = kinds.get(f"{column.role}s")
    return kind is not None and kind.id == "struct" and column.name in {child for child, _ in kind.children}


def _names(event: Mapping[str, object], told: Mapping[tuple[str, str, str], str], text: str) -> bool:
    """Say whether a prediction's line has the name in a column of subjects of its model."""
    for (model, role, name), kind in told.items():
        fields = event.get(f"{role}s")
        if event.get("model") != model or not isinstance(fields, dict) or fields.get(name) is None:
            continue
        value = fields[name]
        if value == text or (str(value).lower() if isinstance(value, bool) else str(value)) == text:
            return True
        if kind == "number" and _number(value) is not None and _number(value) == _number(text):
            return True
    return False


def _number(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None


def _of_id(
    folder: Folder, engine: Engine, connection: duckdb.DuckDBPyConnection, segments: Sequence[Segment], about: Asked
) -> Keys:
    """Look an id up in the indexes; of a file without one its column of ids is read."""
    with engine.connect() as catalog:
        files = live_files(folder, catalog, about.model)
    wanted = _hashes(connection, about.text)
    found = Keys()
    for file in files:
        if file.indexed and not len(wanted.at(index_of(Indexed(file.path, file.position, file.rows))[0])):
            continue
        query = f"SELECT DISTINCT environment FROM read_parquet({literal(str(file.path))}) WHERE id = ?"
        for (environment,) in connection.execute(query, [about.text]).fetchall():
            found.add(file.model, environment, about.text)

    def holds(event: Mapping[str, object]) -> bool:
        return str(event.get("id")) == about.text and about.model in (None, event.get("model"))

    return keys_where(segments, frozenset((about.text,)), holds, found)


def _hashes(connection: duckdb.DuckDBPyConnection, ident: str) -> Wanted:
    connection.execute("CREATE OR REPLACE TEMP TABLE one_id AS SELECT ?::VARCHAR AS id", [ident])
    return Wanted.of(hashes_in(connection, "one_id"))
