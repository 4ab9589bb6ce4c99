"""Schema and model events in the catalog → what is registered of a model: columns with types, slices, windows."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchglass.errors import UnknownName
from watchglass.store import catalog as c
from watchglass.store.columns import IN_FILES, SQL_TYPES, admitted, tell
from watchglass.store.graph import take_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Connection, Engine

    from watchglass.store.folder import Folder

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
REFERENCE_WINDOWS = 30
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Columns:
    """Names and DuckDB types of a model's features and tags, sorted by name."""

    features: tuple[tuple[str, str], ...]
    tags: tuple[tuple[str, str], ...]

    def has(self, role: str, name: str) -> bool:
        """Say whether a feature or a tag is registered."""
        return any(name == known for known, _ in (self.features if role == "feature" else self.tags))


@dataclass(frozen=True, slots=True)
class Model:
    """What is registered of a model."""

    name: str
    task: str | None
    slices: tuple[str, ...]
    label_delay: timedelta
    labels_expected: bool
    false_alerts_per_year: float
    reference: int


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature as registered, with what was frozen of it when its first values came: grid centre, scale, coarse edges, categories."""

    name: str
    type: str
    centre: float | None
    scale: float | None
    edges: tuple[int, ...]
    categories: tuple[str, ...]


def features_of(connection: Connection, model: str) -> list[Feature]:
    """List the features of a model, sorted by name."""
    query = (
        sa.select(c.columns).where(c.columns.c.model == model, c.columns.c.role == "feature").order_by(c.columns.c.name)
    )
    return [feature_of(row, row.name) for row in connection.execute(query)]


def feature_of(row: sa.Row[*tuple[object, ...]], name: str) -> Feature:
    """Read a row of the catalog's columns, by the name that cells know it by."""
    edges, categories = json.loads(row.edges or "[]"), json.loads(row.categories or "[]")
    return Feature(name, row.type, row.centre, row.scale, tuple(edges), tuple(categories))


def moment(microseconds: int) -> datetime:
    """Turn whole microseconds since the epoch into an aware time.

    >>> moment(86_400_000_000).isoformat()
    '1970-01-02T00:00:00+00:00'
    """
    return EPOCH + timedelta(microseconds=microseconds)


def microseconds(time: datetime) -> int:
    """Turn a time into whole microseconds since the epoch; no offset means UTC.

    >>> microseconds(datetime(1970, 1, 2))
    86400000000
    """
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(microseconds=1)


def span(text: str | None) -> timedelta:
    """Read a length of time such as 3d, 36h or 90m.

    >>> span("36h")
    datetime.timedelta(days=1, seconds=43200)
    """
    return timedelta(seconds=float(text[:-1]) * _UNITS[text[-1]]) if text else timedelta(0)


def columns_of(connection: Connection, model: str) -> Columns:
    """Give the registered columns of a model; none when nothing was announced."""
    rows = connection.execute(
        sa.select(c.columns.c.role, c.columns.c.name, c.columns.c.type)
        .where(c.columns.c.model == model, c.columns.c.role.in_(IN_FILES))
        .order_by(c.columns.c.name)
    )
    found: dict[str, list[tuple[str, str]]] = {"feature": [], "tag": []}
    for role, name, kind in rows:
        found[role].append((name, "VARCHAR" if role == "tag" else SQL_TYPES[kind]))
    return Columns(tuple(found["feature"]), tuple(found["tag"]))


def all_columns(connection: Connection) -> dict[str, Columns]:
    """Give the registered columns of every model that is declared or has predictions."""
    found: dict[str, dict[str, list[tuple[str, str]]]] = {
        name: {"feature": [], "tag": []} for name in model_names(connection)
    }
    query = sa.select(c.columns.c.model, c.columns.c.role, c.columns.c.name, c.columns.c.type).where(
        c.columns.c.role.in_(IN_FILES)
    )
    for model, role, name, kind in connection.execute(query.order_by(c.columns.c.name)):
        if model in found:
            found[model][role].append((name, "VARCHAR" if role == "tag" else SQL_TYPES[kind]))
    return {name: Columns(tuple(roles["feature"]), tuple(roles["tag"])) for name, roles in found.items()}


def register(transaction: Connection, news: Mapping[tuple[str, str, str], str], segment: str) -> None:
    """Register columns, (model, role, name) → type, that nobody announced; what is registered stays as it is."""
    now = int(time.time() * 1e6)
    models = [{"name": name, "time": now} for name in sorted({model for model, _, _ in news})]
    transaction.execute(insert(c.models).on_conflict_do_nothing(), models)
    rows = [{"model": model, "role": role, "name": name, "type": kind} for (model, role, name), kind in news.items()]
    found = admitted(transaction, rows, segment)
    if found.taken:
        transaction.execute(insert(c.columns).on_conflict_do_nothing(), found.taken)
    tell(transaction, found, now)


def model_names(connection: Connection) -> Sequence[str]:
    """List the models that were declared or that have predictions."""
    return connection.execute(sa.select(c.models.c.name).order_by(c.models.c.name)).scalars().all()


def model_named(connection: Connection, name: str) -> Model:
    """Give a model, or raise `UnknownName` with the nearest one."""
    row = connection.execute(sa.select(c.models).where(c.models.c.name == name)).first()
    if row is None:
        raise UnknownName.named("model", name, model_names(connection), step="watchglass models")
    return Model(
        name=row.name,
        task=row.task,
        slices=tuple(json.loads(row.slices or "[]")),
        label_delay=span(row.label_delay),
        labels_expected=row.label_delay is not None,
        false_alerts_per_year=row.false_alerts_per_year or 1.0,
        reference=row.reference or REFERENCE_WINDOWS,
    )


def require_model(folder: Folder, engine: Engine, name: str) -> None:
    """Raise `UnknownName` for a model that is not recorded."""
    take_in(folder, engine)
    with engine.connect() as connection:
        model_named(connection, name)
