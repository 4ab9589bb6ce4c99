"""Columns of a table and the rules of redaction in force → a SELECT list that gives them as they may be written."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import duckdb
from duckdb.func import FunctionNullHandling

from watchglass.capture.redaction import text_of
from watchglass.capture.redaction_rules import GONE
from watchglass.errors import BadInput, StoreError
from watchglass.receive.redacting import Guard
from watchglass.store.compact import engine_room
from watchglass.store.folder import sync_file
from watchglass.store.quoting import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from watchglass.capture.redaction import Redactor
    from watchglass.store.folder import Folder
    from watchglass.store.history import Roles

_ROLES: Final = ("prediction", "score", "label", "id")
_TEXT: Final = "VARCHAR"


@dataclass(frozen=True, slots=True)
class Covered:
    """How a table is read: its SELECT list, the columns that are gone from it, and those that are texts now."""

    select: str
    gone: frozenset[str]
    texts: frozenset[str]


def redactor_of(folder: Folder) -> Redactor | None:
    """Give the rules of redaction of a store and of this process; raises `StoreError` where they cannot be known."""
    try:
        return Guard(str(folder.root)).redactor()
    except OSError as error:
        raise StoreError(str(error)) from None


def fields(
    columns: Mapping[str, str | None], features: Iterable[str], tags: Iterable[str]
) -> tuple[tuple[str, str, str], ...]:
    """List (role, column, name by which rules know it) of what a table's columns are."""
    found = [(role, column, "") for role in _ROLES if (column := columns.get(role)) is not None]
    return (*found, *(("features", name, name) for name in features), *(("tags", name, name) for name in tags))


def touched(redactor: Redactor | None, model: str, chosen: Sequence[tuple[str, str, str]]) -> bool:
    """Say whether a rule is about any of these fields."""
    return redactor is not None and any(redactor.touches(model, role, name) for role, _, name in chosen)


def covered(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    model: str,
    chosen: Sequence[tuple[str, str, str]],
    redactor: Redactor,
) -> Covered:
    """Say how a source is read so that nothing comes out of it which must not be written.

    A column of two roles is redacted by the rules of both; one that is masked stays what it is where no mask matches.
    """
    verbs: dict[str, list[Callable[[object], object]]] = {}
    gone = {column for role, column, name in chosen if redactor.drops(model, role, name)}
    for role, column, name in chosen:
        verb = redactor.verb(model, role, name)
        if verb is not None and column not in gone:
            verbs.setdefault(column, []).append(verb)
    kinds = [(row[0], row[1]) for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()]
    listed, texts = [], set()
    for number, (column, kind) in enumerate(kinds):
        if column in gone:
            continue
        name = identifier(column)
        if column in verbs and _matters(connection, source, name, (kind, number), verbs[column]):
            texts.add(column)
            connection.create_function(
                f"redacted_{number}", _texted(verbs[column]), [kind], _TEXT, null_handling=FunctionNullHandling.SPECIAL
            )
            listed.append(f"redacted_{number}({name}) AS {name}")
        else:
            listed.append(name)
    return Covered(", ".join(listed), frozenset(gone), frozenset(texts))


def _matters(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    name: str,
    column: tuple[str, int],
    verbs: Sequence[Callable[[object], object]],
) -> bool:
    """Say whether any value of a column that is no text becomes another."""
    kind, number = column
    if kind == _TEXT:
        return True

    def changed(value: object) -> bool:
        return value is not None and _applied(verbs, value) is not value

    connection.create_function(
        f"changed_{number}", changed, [kind], "BOOLEAN", null_handling=FunctionNullHandling.SPECIAL
    )
    found = connection.execute(f"SELECT bool_or(changed_{number}({name})) FROM {source}").fetchall()
    return bool(found[0][0])  # all are fetched: a result half read lets no other function be made


def _applied(verbs: Sequence[Callable[[object], object]], value: object) -> object:
    for verb in verbs:
        if value is None or value is GONE:
            break
        value = verb(value)
    return value


def _texted(verbs: Sequence[Callable[[object], object]]) -> Callable[[object], str | None]:
    def text(value: object) -> str | None:
        kept = None if value is None else _applied(verbs, value)
        return None if kept is None or kept is GONE else text_of(kept)

    return text


def read_through(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    columns: Sequence[tuple[str, str]],
    about: tuple[str, Roles, Redactor | None],
) -> tuple[str, Sequence[tuple[str, str]], Roles]:
    """Read a table whose columns have roles through the rules; a column that is dropped is there no more.

    Gives the relation, its columns with their types, and the roles of those that are left.
    """
    model, roles, redactor = about
    taken = roles.named()
    features = roles.features
    if features is None:
        features = tuple(name for name, _ in columns if name not in taken)
    named = {"prediction": roles.prediction, "score": roles.score, "label": roles.label, "id": roles.id}
    chosen = fields(named, features, roles.tags)
    if redactor is None or not touched(redactor, model, chosen):
        return relation, columns, roles
    how = covered(connection, relation, model, chosen, redactor)
    kinds = [(name, _TEXT if name in how.texts else kind) for name, kind in columns if name not in how.gone]
    left = replace(
        roles,
        **{role: None if name in how.gone else name for role, name in named.items()},
        tags=tuple(name for name in roles.tags if name not in how.gone),
        features=tuple(name for name in features if name not in how.gone),
    )
    return f"(SELECT {how.select} FROM {relation})", kinds, left


def redact_frame(
    folder: Folder, path: str, about: Mapping[str, object], redactor: Redactor
) -> dict[str, object] | None:
    """Redact a Parquet file of predictions or labels in place, and give what its sidecar says now; None: nothing to do.

    What does not fit into memory goes below the store, as it is not redacted yet.

    Raises `BadInput` where its ids cannot be redacted, `OSError` where it cannot be written.
    """
    columns = cast("dict[str, str | None]", about["columns"])
    features, tags = (cast("Sequence[str]", about.get(part) or ()) for part in ("features", "tags"))
    chosen, model = fields(columns, features, tags), str(about["model"])
    if not touched(redactor, model, chosen):
        return None
    source, aside = f"read_parquet({literal(path)})", f"{path}.redacted.tmp"
    try:
        with engine_room(folder) as connection:
            connection.execute("SET preserve_insertion_order = true")  # a row without an id is known by its place
            how = covered(connection, source, model, chosen, redactor)
            options = "(FORMAT parquet, COMPRESSION zstd)"
            connection.execute(f"COPY (SELECT {how.select} FROM {source}) TO {literal(aside)} {options}")
            _require_ids(connection, aside, columns.get("id"))
    except duckdb.Error as error:
        message = f"the frame cannot be redacted: {type(error).__name__}"
        raise BadInput(message) from None
    else:
        os.replace(aside, path)  # noqa: PTH105 - text paths here
    finally:
        if os.path.exists(aside):  # noqa: PTH110 - likewise
            os.unlink(aside)  # noqa: PTH108 - likewise
    sync_file(Path(path))
    types = cast("Mapping[str, str]", about.get("types") or {})
    return {
        **about,
        "columns": {role: None if name in how.gone else name for role, name in columns.items()},
        "features": [name for name in features if name not in how.gone],
        "tags": [name for name in tags if name not in how.gone],
        "types": {name: "text" if name in how.texts else kind for name, kind in types.items() if name not in how.gone},
    }


def _require_ids(connection: duckdb.DuckDBPyConnection, path: str, ident: str | None) -> None:
    if ident is None:
        return
    query = f"SELECT count(*) FROM read_parquet({literal(path)}) WHERE {identifier(ident)} IS NULL"
    if (connection.execute(query).fetchone() or (0,))[0]:
        message = f"column {ident!r} of ids has rows without one, or that could not be redacted"
        raise BadInput(message)
