"""Runs, artifacts and deployments → who read a table, what failed, what is slow, how an artifact changed, what changed at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.errors import UnknownName
from watchglass.store import catalog as c
from watchglass.store.questions.paging import Order
from watchglass.store.questions.question import AFTER, END, LIMIT, START, Parameter, Question

if TYPE_CHECKING:
    from watchglass.store.answers import Table
    from watchglass.store.questions.asked import Asked

_NAME: Final = Parameter("name", "text", "the artifact", needed=True)
_WEEK: Final = Parameter("start", "time", "from then on", "7d")
_SECONDS: Final = "(epoch_us(ended) - epoch_us(started)) / 1e6"


def _who_read(asked: Asked) -> Table:
    version = " AND r.version = $version" if asked.values.get("version") is not None else ""
    return _known(
        asked,
        asked.graph(
            asked.paged(
                "SELECT r.time, r.run, u.component, k.owner, u.version AS component_version, u.status, u.host, r.version, r.rule FROM reads r"
                " LEFT JOIN runs u ON u.id = r.run LEFT JOIN components k ON k.name = u.component"
                f" WHERE r.name = $name{asked.during('r.time')}{version}"
            )
        ),
    )


def _known(asked: Asked, found: Table) -> Table:
    """Give a table that has rows, or is empty for an artifact that is recorded; else raise `UnknownName`."""
    name = asked.text("name")
    if not len(found):
        with asked.engine.connect() as connection:
            tables = (c.artifacts, c.reads, c.writes)
            if not any(
                connection.execute(sa.select(t.c.name).where(t.c.name == name).limit(1)).first() for t in tables
            ):
                listed = {row for t in tables for row in connection.execute(sa.select(t.c.name).distinct()).scalars()}
                raise UnknownName.named(
                    "artifact", name, listed, step="watchglass sql 'SELECT DISTINCT name FROM artifacts'"
                )
    return found


def _failed_runs(asked: Asked) -> Table:
    component = " AND component = $component" if asked.values.get("component") is not None else ""
    return asked.graph(
        asked.paged(
            f"SELECT started, id AS run, component, version, status, error, {_SECONDS} AS seconds, host, parent FROM runs"
            f" WHERE status NOT IN ('ok', 'running'){asked.during('started')}{component}"
        )
    )


def _slowest_components(asked: Asked) -> Table:
    return asked.graph(
        asked.paged(
            "SELECT component, count(*) AS runs, count(*) FILTER (status NOT IN ('ok', 'running')) AS failed, median(seconds) AS median_seconds,"
            " quantile_cont(seconds, 0.95) AS p95_seconds, max(seconds) AS longest_seconds, sum(seconds) / 3600 AS hours,"
            f" arg_max(id, seconds) AS longest_run FROM (SELECT *, {_SECONDS} AS seconds FROM runs WHERE ended IS NOT NULL{asked.during('started')})"
            " GROUP BY component"
        )
    )


def _artifact_history(asked: Asked) -> Table:
    return _known(
        asked,
        asked.graph(
            asked.paged(
                "WITH wrote AS (SELECT version, arg_min(run, time) AS run FROM writes WHERE name = $name GROUP BY version),"
                " seen AS (SELECT version, count(DISTINCT run) AS readers, max(time) AS last_read FROM reads WHERE name = $name GROUP BY version)"
                " SELECT a.time, a.version, a.rows, a.rows - lag(a.rows) OVER (ORDER BY a.time, a.version) AS more_rows, a.bytes,"
                " a.columns IS DISTINCT FROM lag(a.columns) OVER (ORDER BY a.time, a.version) AND row_number() OVER (ORDER BY a.time, a.version) > 1 AS columns_changed,"
                " w.run AS written_by, u.component, coalesce(s.readers, 0) AS readers, s.last_read"
                " FROM artifacts a LEFT JOIN wrote w USING (version) LEFT JOIN runs u ON u.id = w.run LEFT JOIN seen s USING (version)"
                f" WHERE a.name = $name QUALIFY true{asked.during('a.time')}"
            )
        ),
    )


def _what_changed(asked: Asked) -> Table:
    """Put side by side what was different from then on: code, deployments, columns of data, failures, incidents."""
    code = (
        "SELECT min(started) AS time, 'code' AS what, component AS name, version AS after, arg_min(id, (started, id)) AS run FROM runs"
        " WHERE version IS NOT NULL GROUP BY component, version"
    )
    deployed = "SELECT time, 'deployment' AS what, model || ' in ' || environment AS name, version AS after, run FROM deployments"
    columns = (
        "SELECT a.time, 'columns of data' AS what, a.name, a.columns AS after, w.run FROM artifacts a"
        " LEFT JOIN (SELECT name, version, arg_min(run, (time, run)) AS run FROM writes GROUP BY name, version) w USING (name, version)"
    )
    changed = f"SELECT *, lag(after) OVER (PARTITION BY what, name ORDER BY time, after) AS before FROM ({code} UNION ALL BY NAME {deployed} UNION ALL BY NAME {columns})"
    failed = "SELECT started AS time, 'failed run' AS what, component AS name, NULL AS before, error AS after, id AS run FROM runs WHERE status NOT IN ('ok', 'running')"
    raised = "SELECT raised AS time, 'incident' AS what, model AS name, NULL AS before, severity || ' ' || kind AS after, NULL AS run FROM incidents"
    return asked.graph(
        asked.paged(
            "SELECT time, what, name, before, after, run FROM ("
            f"SELECT * FROM ({changed}) WHERE before IS NOT NULL AND before <> after UNION ALL BY NAME {failed} UNION ALL BY NAME {raised})"
            f" WHERE true{asked.during('time')}"
        ),
        "runs deployments artifacts writes incidents",
    )


QUESTIONS: Final = (
    Question(
        "who_read",
        "Who read this table last week?",
        "graph",
        (_NAME, Parameter("version", "text", "only this version"), _WEEK, END, LIMIT, AFTER),
        (
            ("time", "of the read, newest first"),
            ("run", "who read it"),
            ("component", "of that run"),
            ("owner", "of the component"),
            ("component_version", "of its code"),
            ("status", "how the run went"),
            ("host", "where it ran"),
            ("version", "of the artifact, its fingerprint; empty where only the name was declared"),
            ("rule", "by what the read is known: content, time, declared"),
        ),
        Order(("-time", "run", "version", "rule")),
        _who_read,
    ),
    Question(
        "failed_runs",
        "What failed, and why?",
        "graph",
        (Parameter("component", "text", "only of this component"), _WEEK, END, LIMIT, AFTER),
        (
            ("started", "newest first"),
            ("run", "its id"),
            ("component", "of the run"),
            ("version", "of its code"),
            ("status", "error or crashed"),
            ("error", "what it said"),
            ("seconds", "how long it ran; none where its end is not known"),
            ("host", "where it ran"),
            ("parent", "the run it was part of"),
        ),
        Order(("-started", "run")),
        _failed_runs,
    ),
    Question(
        "slowest_components",
        "Which steps take longest?",
        "graph",
        (_WEEK, END, LIMIT, AFTER),
        (
            ("component", "by its median, slowest first"),
            ("runs", "that ended"),
            ("failed", "of these"),
            ("median_seconds", "half of the runs take no longer"),
            ("p95_seconds", "nineteen of twenty"),
            ("longest_seconds", "the longest"),
            ("hours", "of all runs together"),
            ("longest_run", "its id"),
        ),
        Order(("-median_seconds", "component")),
        _slowest_components,
    ),
    Question(
        "artifact_history",
        "How did this table or model change, who wrote each version, and who reads it?",
        "graph",
        (_NAME, START, END, LIMIT, AFTER),
        (
            ("time", "first seen, newest first"),
            ("version", "the fingerprint of its content"),
            ("rows", "of a table"),
            ("more_rows", "than the version before"),
            ("bytes", "its size"),
            ("columns_changed", "whether its columns differ from the version before"),
            ("written_by", "the run that wrote it first"),
            ("component", "of that run"),
            ("readers", "runs that read it"),
            ("last_read", "the newest read"),
        ),
        Order(("-time", "version")),
        _artifact_history,
    ),
    Question(
        "what_changed",
        "What was different from then on: code, deployments, columns of data, failures, incidents?",
        "graph",
        (Parameter("start", "time", "from then on", "24h"), END, LIMIT, AFTER),
        (
            ("time", "newest first"),
            ("what", "code, deployment, columns of data, failed run or incident"),
            ("name", "component, model in an environment, artifact"),
            ("before", "what was in its place"),
            ("after", "what is; of a failed run its error"),
            ("run", "the run that did it"),
        ),
        Order(("-time", "what", "name", "run", "after")),
        _what_changed,
    ),
)
