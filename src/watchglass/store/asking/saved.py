"""A question worth a name → kept in the catalog under it, checked before; `$name`s in it are its parameters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchglass.errors import BadInput, UnknownName
from watchglass.store import catalog as c
from watchglass.store.asking.guard import checked
from watchglass.store.models import microseconds, require_model
from watchglass.store.reader import reader_of
from watchglass.store.transactions import writing

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder

_NAMED: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,79}\Z")


@dataclass(frozen=True, slots=True)
class SavedAs:
    """How a question is kept: its name, the model its predictions are bound to, what it answers, and when it was saved."""

    name: str
    model: str | None
    description: str | None
    time: datetime


def save_question(
    folder: Folder, engine: Engine, sql: str, named: SavedAs, *, taken: Collection[str] = ()
) -> frozenset[str]:
    """Keep a question, in place of one of that name; gives the names of its parameters. `taken` are names that are not to be had.

    Raises `QueryRefused` for what is not one SELECT, `BadInput` for a name that would not do, `UnknownName` for a model.
    """
    name = named.name
    if not _NAMED.match(name) or name in taken:
        why = "it comes with the package" if name in taken else "letters, digits, - . and _ would do, at most 80"
        message = f"a question cannot be named {name[:80]!r}: {why}"
        raise BadInput(message)
    with reader_of(folder, engine).cursor() as cursor:
        asked = checked(cursor, sql)
    if named.model is not None:
        require_model(folder, engine, named.model)
    values = {"sql": sql, "model": named.model, "description": named.description, "time": microseconds(named.time)}
    with writing(engine) as transaction:
        statement = insert(c.questions).values(name=name, **values)
        transaction.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))
    return asked.parameters


def delete_question(engine: Engine, name: str) -> None:
    """Forget a saved question; raises `UnknownName` when there is none of that name."""
    with writing(engine) as transaction:
        if transaction.execute(c.questions.delete().where(c.questions.c.name == name)).rowcount:
            return
        known = transaction.execute(sa.select(c.questions.c.name)).scalars().all()
    raise UnknownName.named("question", name, known, step="watchglass ask --list")
