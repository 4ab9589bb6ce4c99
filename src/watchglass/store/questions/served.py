"""What a model served → all of one subject, the way back from one prediction to code and data, load and latency by hour."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

import sqlalchemy as sa

from watchglass.errors import BadInput, UnknownName
from watchglass.store import catalog as c
from watchglass.store.asking.lookup import Sought, served_by
from watchglass.store.graph import take_in
from watchglass.store.lineage.edges import parts
from watchglass.store.lineage.upstream import upstream
from watchglass.store.models import moment
from watchglass.store.questions.paging import Order
from watchglass.store.questions.question import AFTER, END, ENVIRONMENT, LIMIT, LONG, MODEL, START, Parameter, Question

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.engine import Connection

    from watchglass.store.answers import Table
    from watchglass.store.lineage.upstream import Upstream
    from watchglass.store.questions.asked import Asked


class _Run(NamedTuple):
    """What a step of a path tells of a run."""

    component: str
    version: str | None
    started: int
    status: str
    code: str | None


_FINE: Final = 64
"""Latencies are counted in so many buckets an octave: known to 0.6 %."""


def _predictions_of_subject(asked: Asked) -> Table:
    column, role = _subject(asked)
    found = '"' + column.replace('"', '""') + '"'
    return asked.rows(
        asked.paged(
            f"WITH found AS (SELECT * FROM predictions WHERE {found} = $subject{asked.during('time')}),"
            f" told AS (SELECT * FROM label_history SEMI JOIN found USING (id, environment)),"
            " latest AS (SELECT id, environment, arg_max_null(label, (time, coalesce(label, ''))) AS label FROM told GROUP BY id, environment)"
            " SELECT id, time, version, environment, prediction, score, label, run FROM found LEFT JOIN latest USING (id, environment)"
        ),
        ("prediction", "score", "run"),
        {column: role},
    )


def _subject(asked: Asked) -> tuple[str, str]:
    """Find the tag or feature that says whom a prediction is about: the one that is named, else the one that is declared."""
    named = asked.values.get("column")
    with asked.engine.connect() as connection:
        query = sa.select(c.columns.c.name, c.columns.c.role, c.columns.c.purpose).where(
            c.columns.c.model == asked.model, c.columns.c.role.in_(("tag", "feature"))
        )
        rows = sorted(connection.execute(query), key=lambda row: (row.role != "tag", row.name))
    fitting = [row for row in rows if (row.name == named if named is not None else row.purpose == "subject")]
    if fitting:
        return fitting[0].name, fitting[0].role
    names = [row.name for row in rows]
    if named is not None:
        noun = f"column of model {asked.model!r}"
        raise UnknownName.named(noun, str(named), names, step="watchglass ask --list")
    message = f"model {asked.model!r} declares no column of subjects: name the one that says whom a prediction is about, as column: {', '.join(names) or 'it has none yet'}"
    raise BadInput(message)


def _prediction_path(asked: Asked) -> Table:
    """Walk from a prediction to the run that served it and to all that made what this run, or the model's version, read."""
    sought = Sought(asked.text("id"), asked.model, asked.text("environment"))
    told = served_by(asked.folder, asked.engine, sought)
    if told is None:
        message = f'model {asked.model!r} has no prediction {sought.id!r} in environment {sought.environment!r}. Next: watchglass sql "SELECT id FROM predictions LIMIT 5"'
        raise UnknownName(message)
    version, served = told
    take_in(asked.folder, asked.engine)
    with asked.engine.connect() as connection:
        versions = c.model_versions.c
        made = connection.execute(
            sa.select(versions.run).where(versions.model == asked.model, versions.version == version)
        ).scalar()
        seeds = {str(run) for run in (served, made) if run is not None}
        walked = upstream(connection, seeds)
        about = _runs(connection, walked.nodes)
    hops: dict[str, int] = {}
    for seed in seeds:
        for run, distance in walked.of(seed).items():
            hops[run] = min(hops.get(run, distance), distance)
    return asked.table(tuple(name for name, _ in _PATH), _steps(walked, hops, about))


def _steps(walked: Upstream, hops: Mapping[str, int], about: Mapping[str, _Run]) -> Iterable[tuple[object, ...]]:
    for run in hops:
        row = about.get(run)
        read = ", ".join(f"{name}@{version}" if version else name for name, version in sorted(walked.read.get(run, ())))
        if row is None:  # a run that is only named
            yield (hops[run], run, None, None, None, None, read, None, None, None)
            continue
        code = json.loads(row.code) if row.code else {}
        said = code if isinstance(code, dict) else {}
        where = tuple(said.get(name) for name in ("function", "source_hash", "commit"))
        yield (hops[run], run, row.component, row.version, moment(row.started), row.status, read, *where)


def _runs(connection: Connection, wanted: Iterable[str]) -> dict[str, _Run]:
    table = c.runs.c
    found: dict[str, _Run] = {}
    for batch in parts(list(wanted)):
        query = sa.select(table.id, table.component, table.version, table.started, table.status, table.code)
        found.update({row.id: _Run(*row[1:]) for row in connection.execute(query.where(table.id.in_(batch)))})
    return found


def _inputs_of_run(asked: Asked) -> Table:
    """List every version of an artifact that a run and the runs upstream of it read, nearest first."""
    take_in(asked.folder, asked.engine)
    run = asked.text("run")
    with asked.engine.connect() as connection:
        if connection.execute(sa.select(c.runs.c.id).where(c.runs.c.id == run)).first() is None:
            newest = connection.execute(sa.select(c.runs.c.id).order_by(c.runs.c.started.desc()).limit(12)).scalars()
            raise UnknownName.named(
                "run", run, newest, step="watchglass sql 'SELECT id FROM runs ORDER BY started DESC LIMIT 20'"
            )
        walked = upstream(connection, {run})
    found = []
    for near, hops in walked.of(run).items():
        node = walked.nodes.get(near)
        for name, version in sorted(walked.read.get(near, ())):
            found.append(
                (
                    hops,
                    name,
                    version or None,
                    near,
                    node.component if node else None,
                    moment(node.started) if node else None,
                )
            )
    return asked.table(tuple(name for name, _ in _INPUTS), found)


def _traffic(asked: Asked) -> Table:
    """Count rows, errors and quantiles of latency by hour or day.

    Where rows were sampled, the quantiles come from buckets, in which each row counts as many as it stands for.
    """
    fields = ("latency", "weight", "error")
    where = f"FROM predictions WHERE environment = $environment{asked.during('time')}"
    begun = f"date_trunc('{asked.text('by')}', time)"
    levels = (("50", 0.5), ("95", 0.95), ("99", 0.99))
    if not asked.rows(f"SELECT count(*) {where} AND weight <> 1", fields).values[0][0]:
        exact = ", ".join(f"taken[{place}] AS p{name}" for place, (name, _) in enumerate(levels, start=1))
        listed = ", ".join(str(level) for _, level in levels)
        return asked.rows(
            asked.paged(
                f'SELECT begun AS "window", rows, errors, {exact} FROM (SELECT {begun} AS begun, count(*) AS rows, count(error) AS errors,'
                f" quantile_disc(latency, [{listed}]) AS taken {where} GROUP BY begun)"
            ),
            fields,
        )
    bucket = f"floor(log2(latency) * {_FINE})::INTEGER"
    counted = (
        f"SELECT {begun} AS begun, CASE WHEN latency > 0 THEN {bucket} WHEN latency = 0 THEN -{10**6} END AS bucket,"
        f" sum(weight)::BIGINT AS n, sum(weight) FILTER (error IS NOT NULL) AS failed {where} GROUP BY ALL"
    )
    reached = "sum(n) FILTER (bucket IS NOT NULL) OVER (PARTITION BY begun ORDER BY bucket NULLS LAST)"
    total = "sum(n) FILTER (bucket IS NOT NULL) OVER (PARTITION BY begun)"
    value = f"CASE WHEN bucket = -{10**6} THEN 0 ELSE pow(2, (bucket + 0.5) / {_FINE}) END"
    quantiles = ", ".join(f"min({value}) FILTER (reached >= {level} * total) AS p{name}" for name, level in levels)
    return asked.rows(
        asked.paged(
            f'SELECT begun AS "window", sum(n)::BIGINT AS rows, coalesce(sum(failed), 0)::BIGINT AS errors, {quantiles}'
            f" FROM (SELECT *, {reached} AS reached, {total} AS total FROM ({counted})) GROUP BY begun"
        ),
        fields,
    )


_PATH: Final = (
    ("hops", "0 for the run that served it and the run that made the model's version"),
    ("run", "nearest first, each once"),
    ("component", "of the run"),
    ("component_version", "of the code that ran"),
    ("started", "of the run"),
    ("status", "how it went"),
    ("read", "name@version of all that it read"),
    ("function", "the function that ran"),
    ("source", "the hash of its source"),
    ("commit", "of the repository around it"),
)
_INPUTS: Final = (
    ("hops", "0 for what the run itself read"),
    ("artifact", "its name"),
    ("version", "the fingerprint of its content; none where only the name was declared"),
    ("run", "who read it"),
    ("component", "of that run"),
    ("started", "of that run"),
)
QUESTIONS: Final = (
    Question(
        "predictions_of_subject",
        "What was predicted of this person, account or device, and was it right?",
        "rows",
        (
            MODEL,
            Parameter("subject", "text", "whom or what", needed=True),
            Parameter("column", "text", "the tag or feature that names it; else the one declared as subject"),
            START,
            END,
            LIMIT,
            AFTER,
        ),
        (
            ("id", "of the prediction"),
            ("time", "of the prediction, newest first"),
            ("version", "of the model"),
            ("environment", "where it served"),
            ("prediction", "what it said"),
            ("score", "as given"),
            ("label", "the truth, where it is known"),
            ("run", "the run that served it"),
        ),
        Order(("-time", "id", "environment", "version", "prediction", "run")),
        _predictions_of_subject,
    ),
    Question(
        "prediction_path",
        "Which run, artifacts, data and source code are behind this prediction?",
        "rows",
        (MODEL, Parameter("id", "text", "of the prediction", needed=True), ENVIRONMENT, LONG, AFTER),
        _PATH,
        Order(("hops", "-started", "run")),
        _prediction_path,
    ),
    Question(
        "inputs_of_run",
        "What did this run read, and what was that made from?",
        "graph",
        (
            Parameter("run", "text", "the run's id", needed=True),
            Parameter("limit", "whole", "rows of a page", 1000),
            AFTER,
        ),
        _INPUTS,
        Order(("hops", "-started", "run", "artifact", "version")),
        _inputs_of_run,
    ),
    Question(
        "traffic",
        "How many predictions came, how many failed, and how long did they take?",
        "rows",
        (
            MODEL,
            ENVIRONMENT,
            START,
            END,
            Parameter("by", "text", "the length of a window", "hour", choices=("hour", "day")),
            LONG,
            AFTER,
        ),
        (
            ("window", "its start"),
            ("rows", "predictions, as sums of weights"),
            ("errors", "of these, how many carry an error"),
            (
                "p50",
                "median latency in seconds; where rows were sampled to 0.6 %, each counting as many as it stands for",
            ),
            ("p95", "nineteen of twenty were no slower"),
            ("p99", "ninety-nine of a hundred"),
        ),
        Order(("window",)),
        _traffic,
    ),
)
