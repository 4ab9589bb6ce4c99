"""A prediction → the way it came: the model's version, the run that trained it with its data and code, the deployment, the run it was made in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - the description of the API reads it
from typing import TYPE_CHECKING

import sqlalchemy as sa

from watchglass.errors import UnknownName
from watchglass.store import catalog as c
from watchglass.store.asking.lookup import Prediction, look_up
from watchglass.store.graph import take_in
from watchglass.store.lineage.models import content_of, maker_of
from watchglass.store.models import microseconds, moment
from watchglass.store.runs.one import RunRecord, record_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

    from watchglass.store.folder import Folder


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a prediction came from.

    `artifact` and `artifact_version` name what was deployed, `training` is the run that made it: its `reads` are the data,
    its `code` and `source` the code. `deployed` is since when the version served where the prediction was made. `run` is the
    run that the prediction was made in. `unknown` says what is not recorded.
    """

    prediction: Prediction
    artifact: str | None
    artifact_version: str | None
    training: RunRecord | None
    deployed: datetime | None
    run: RunRecord | None
    unknown: tuple[str, ...]


def origins(
    folder: Folder, engine: Engine, prediction: str, model: str | None = None, environment: str | None = None
) -> tuple[Origin, ...]:
    """Give the way of each prediction with an id, the earliest first; raises `UnknownName` where there is none."""
    found = look_up(folder, engine, prediction, model, environment)
    if not found:
        message = f"no prediction {prediction!r:.200} is recorded. Next: watchglass latest"
        raise UnknownName(message)
    take_in(folder, engine)
    with engine.connect() as connection:
        return tuple(_origin(connection, one) for one in found)


def _origin(connection: Connection, found: Prediction) -> Origin:
    v = c.model_versions.c
    made = sa.select(
        v.artifact, content_of(c.model_versions).label("content"), maker_of(c.model_versions).label("maker"), v.run
    )
    version = connection.execute(made.where(v.model == found.model, v.version == found.version)).first()
    artifact = None if version is None else version.artifact
    content = None if version is None else version.content or None
    trained = None if version is None else version.maker or version.run
    training, run = _run(connection, trained), _run(connection, found.run)
    deployed = _deployed(connection, found)
    unknown = [
        said
        for said, known in (
            (f"version {found.version!r} of model {found.model!r} was never declared: wg.log_model does", version),
            ("which run trained it", training),
            ("since when it was deployed: wg.deploy says it", deployed),
            ("the run that it was made in", run),
        )
        if known is None
    ]
    return Origin(found, artifact, content, training, deployed, run, tuple(unknown))


def _run(connection: Connection, ident: str | None) -> RunRecord | None:
    if ident is None:
        return None
    row = connection.execute(sa.select(c.runs).where(c.runs.c.id == ident)).first()
    return None if row is None else record_of(connection, row)


def _deployed(connection: Connection, found: Prediction) -> datetime | None:
    d = c.deployments.c
    same = (d.model == found.model, d.version == found.version, d.environment == found.environment)
    newest = sa.select(sa.func.max(d.time)).where(*same, d.time <= microseconds(found.time))
    time = connection.execute(newest).scalar()
    return None if time is None else moment(time)
