"""A question's name and values → its answer: one of the twenty, else one that a user saved."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

import duckdb
import sqlalchemy as sa

from watchglass.errors import BadInput, QueryRefused, UnknownName
from watchglass.store import catalog as c
from watchglass.store.answers import Table
from watchglass.store.graph import take_in
from watchglass.store.models import require_model
from watchglass.store.query import Question as Saved
from watchglass.store.query import ask
from watchglass.store.questions import counted, labelled, served, worked
from watchglass.store.questions.asked import NAMED, Asked
from watchglass.store.questions.paging import Page, Place, place_of
from watchglass.store.questions.question import Question, known, whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder

QUESTIONS: Final = known((*labelled.QUESTIONS, *counted.QUESTIONS, *served.QUESTIONS, *worked.QUESTIONS))
"""The twenty by their name."""
STEP: Final = "watchglass ask --list"
_PAGE: Final = ("limit", "after")


def answer(folder: Folder, engine: Engine, name: str, given: Mapping[str, object], now: datetime) -> Table:
    """Answer a question, a page of it; raises `UnknownName` for a question or a model that is not there, `BadInput` for a value that would not do."""
    question = QUESTIONS.get(name)
    if question is None:
        return _saved(folder, engine, name, given, now)
    word = given.get("after")
    place = None if word is None else place_of(word, name, len(question.order.columns))
    values = question.checked(given, now if place is None else place.now)
    if "model" in values:
        require_model(folder, engine, str(values["model"]))
    else:
        take_in(folder, engine)
    page = Page(name, now if place is None else place.now, int(str(values["limit"])), place)
    try:
        found = question.answer(Asked(folder, engine, values, question.order, page))
    except duckdb.Error as error:
        message = f"question {name!r} cannot be answered: {str(error).splitlines()[0]}"
        raise QueryRefused(message) from error
    return question.order.page(found, page)


def _saved(folder: Folder, engine: Engine, name: str, given: Mapping[str, object], now: datetime) -> Table:
    """Answer a question that a user saved: all of it, or with `limit` a page; a page begins after as many rows as were given before."""
    with engine.connect() as connection:
        row = connection.execute(sa.select(c.questions).where(c.questions.c.name == name)).first()
        if row is None:
            names = [*QUESTIONS, *connection.execute(sa.select(c.questions.c.name)).scalars()]
            near = get_close_matches(name, names, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            message = f"no question {name!r} is known.{hint} Known: {', '.join(sorted(names))}. Next: {STEP}"
            raise UnknownName(message)
    own = set(NAMED.findall(row.sql))
    values = {key: value for key, value in given.items() if key in own or key not in _PAGE}
    limit, word = (None if key in own else given.get(key) for key in _PAGE)
    if limit is None:
        if word is not None:
            message = f"question {name!r} has no pages without a limit: limit and after would do"
            raise BadInput(message)
        return ask(folder, engine, Saved(row.sql, row.model, values))
    rows, first = whole(limit, f"limit of question {name!r}"), 0 if word is None else place_of(word, name, 0).given
    found = ask(folder, engine, Saved(row.sql, row.model, values, rows + 1, first))
    shown = found.first(rows)
    if len(found) > rows:
        shown.next = Place(name, now, (), first + rows).text()
    return shown


def listed(engine: Engine) -> Table:
    """List the twenty, then the saved questions by name: what each tells, from what, its parameters with defaults, its columns."""
    rows: list[tuple[str, str, str, str, str]] = [
        (q.name, q.sentence, q.source, _parameters(q), ", ".join(name for name, _ in q.columns))
        for q in QUESTIONS.values()
    ]
    with engine.connect() as connection:
        for row in connection.execute(sa.select(c.questions).order_by(c.questions.c.name)):
            values = ", ".join(dict.fromkeys(found for found in NAMED.findall(row.sql)))
            rows.append((row.name, row.description or row.sql, "saved", values, ""))
    return Table(("name", "sentence", "source", "parameters", "columns"), rows)


def _parameters(question: Question) -> str:
    """Write the parameters in short.

    >>> _parameters(QUESTIONS["traffic"])
    'model, environment=live, start?, end?, by=hour, limit=10000, after?'
    """
    return ", ".join(
        f"{p.name}={p.default}" if p.default is not None else f"{p.name}{'' if p.needed else '?'}"
        for p in question.parameters
    )
