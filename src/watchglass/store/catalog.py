"""What a store knows beside its rows → the tables of its catalog: the manifest of files, the graph of runs, models, verdicts."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Float, Integer, MetaData, String, Table, Text

META = MetaData()
NOT_OK = "status <> 'ok'"
"""What an index of few runs holds; a question that says it with these words, `sa.text(NOT_OK)`, is answered from it."""


def _key(name: str) -> Column[str]:
    return Column(name, String, primary_key=True)


def _changed() -> Column[int]:
    """Make the column that holds the number of the transaction which wrote a row last, so that a mirror reads only what is new."""
    return Column("changed", BigInteger, nullable=False, default=0, server_default="0", index=True)


def _partial(name: str, where: str, *columns: str) -> sa.Index:
    """Make an index of the rows that meet a condition."""
    return sa.Index(name, *columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


schema_version = Table("schema_version", META, Column("version", Integer, primary_key=True))
leases = Table("leases", META, _key("name"), Column("owner", String), Column("epoch", Integer), Column("until", Float))
files = Table(
    "files",
    META,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("kind", String, nullable=False),  # predictions | labels | metrics | logs | cells
    Column("model", String, nullable=False),  # "" for what belongs to no model
    Column("path", String, nullable=False, unique=True),  # below tables/
    Column("rows", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("first", BigInteger),  # µs
    Column("last", BigInteger),
    Column("origin", BigInteger, nullable=False, default=0),  # of a merged file: the newest seq it holds; else 0
    Column("removed", Float),  # when a merged file took its place; it lies there 15 minutes more
    Column("sum", String),  # BLAKE2b of the bytes, 128 bits
    Column("indexed", Integer, nullable=False, default=0),  # 1: beside it lies an index of ids
    sa.Index("files_live", "removed", "kind", "model"),
    sqlite_autoincrement=True,
)
segments = Table("segments", META, _key("name"), Column("taken", Float, nullable=False, index=True))
ingested = Table(
    "ingested",
    META,
    _key("key"),
    Column("taken", Float, nullable=False, index=True),
    Column("segment", String, nullable=False),
    Column("accepted", BigInteger, nullable=False),
    Column("rejected", BigInteger, nullable=False),
)
drops = Table(
    "drops",
    META,
    _key("writer"),
    _key("reason"),
    Column("rows", BigInteger, nullable=False),
    Column("time", BigInteger, nullable=False),
)
graph_segments = Table("graph_segments", META, _key("name"), Column("offset", BigInteger, nullable=False))
rejected = Table(
    "rejected",
    META,
    Column("id", Integer, primary_key=True),
    Column("segment", String, nullable=False),
    Column("line", BigInteger),
    Column("reason", Text, nullable=False),
    Column("raw", Text),
    Column("rows", BigInteger, nullable=False, default=1),
    Column("model", String, index=True),
    Column("role", String),  # of the column whose value does not fit; NULL for a whole line
    Column("name", String),
    Column("time", BigInteger),  # µs
)
watermarks = Table("watermarks", META, _key("name"), Column("seq", BigInteger, nullable=False))
components = Table(
    "components",
    META,
    _key("name"),
    Column("description", Text),
    Column("owner", String),
    Column("tags", Text),
    Column("time", BigInteger),
)
runs = Table(
    "runs",
    META,
    _key("id"),
    Column("component", String, nullable=False),
    Column("version", String),
    Column("parent", String),
    Column("trace", String),
    Column("started", BigInteger, nullable=False),
    Column("ended", BigInteger),
    Column("status", String, nullable=False),
    Column("error", Text),
    Column("params", Text),
    Column("metrics", Text),
    Column("code", Text),
    Column("host", String),
    Column("pid", Integer),
    Column("notes", Text),
    _changed(),
    Column("environment", String),  # joins environments.id
    Column("resources", Text),  # JSON: seconds of CPU, bytes of memory at most, bytes read and written
    Column("left_out", Text),  # JSON: what capture left out, and why
    Column("tests", Text),  # JSON: results of the tests before and after
    Column("links", Text),  # JSON: the trace context it came with
    sa.Index("runs_by_time", "started", "id"),
    sa.Index("runs_by_component", "component", "started", "id"),
    _partial("runs_by_parent", "parent IS NOT NULL", "parent", "started", "id"),
    _partial("runs_not_ok", NOT_OK, "status", "started"),
)
run_links = Table(
    "run_links",
    META,
    _key("run"),
    _key("upstream"),  # a run that it depends on, though no data is named
    Column("time", BigInteger, nullable=False),
    sa.Index("run_links_by_upstream", "upstream", "run"),
)
environments = Table(
    "environments",
    META,
    _key("id"),
    Column("record", Text, nullable=False),  # JSON: Python, packages, host, container, accelerator
    Column("time", BigInteger),
)
sources = Table(
    "sources",
    META,
    _key("id"),  # joins code.source_hash of a run
    Column("text", Text, nullable=False),
    Column("name", String),
    Column("time", BigInteger),
)


def _edges(name: str) -> Table:
    return Table(
        name,
        META,
        Column("run", String, primary_key=True),
        Column("name", String, primary_key=True),
        Column("version", String, primary_key=True),  # "" when only the name is declared
        Column("rule", String, nullable=False),
        Column("time", BigInteger, nullable=False),
        _changed(),
        sa.Index(f"{name}_by_name", "name", "version", "time"),
        sa.Index(f"{name}_by_time", "name", "time", "version"),
    )


reads = _edges("reads")
writes = _edges("writes")
artifacts = Table(
    "artifacts",
    META,
    _key("name"),
    _key("version"),
    Column("kind", String),
    Column("rows", BigInteger),
    Column("columns", Text),
    Column("bytes", BigInteger),
    Column("path", Text),
    Column("preview", Text),
    Column("time", BigInteger, nullable=False),  # first seen
    _changed(),
    Column("kept", Text),  # the file below artifacts/ that holds its bytes
    Column("policy", String),  # what is kept: profile, sample, full; NULL is nothing but the version
    Column("profile", Text),  # JSON
    Column("quarantined", BigInteger),  # µs
    sa.Index("artifacts_by_time", "time", "name", "version"),
    sa.Index("artifacts_by_name", "name", "time", "version"),
    _partial("artifacts_kept", "kept IS NOT NULL", "kept"),
)
quarantines = Table(
    "quarantines",
    META,
    _key("name"),
    _key("version"),
    Column("time", BigInteger, primary_key=True),  # µs, when a test after its run failed
    Column("run", String),
    Column("released", BigInteger),  # µs
    Column("released_by", String),
    Column("reason", Text),
    sa.Index("quarantines_by_time", "time", "name", "version"),
)
flags = Table(
    "flags",
    META,
    _key("name"),
    _key("version"),  # "" when only the name is declared
    Column("time", BigInteger, primary_key=True),
    Column("who", String),
    Column("note", Text),
    Column("removed", BigInteger),  # µs, when it was taken back
    Column("removed_by", String),
)
subject_tags = Table(
    "subject_tags",
    META,
    _key("name"),
    _key("version"),
    _key("tag"),  # of whom the data is
    _key("run"),  # that said so, "" where none did
    Column("time", BigInteger, nullable=False),
    sa.Index("subject_tags_by_tag", "tag", "name", "version"),
)
retractions = Table(
    "retractions",
    META,
    _key("tag"),
    Column("time", BigInteger, nullable=False),
    Column("block_after", BigInteger),  # µs, from when on who reads it is stopped, until then warned
    Column("who", String),
)
models = Table(
    "models",
    META,
    _key("name"),
    Column("task", String),
    Column("slices", Text),
    Column("window", String),
    Column("label_delay", String),
    Column("false_alerts_per_year", Float),
    Column("reference", Integer),  # windows learnt from before alarms are armed
    Column("time", BigInteger),
    Column("feedback", Text),  # JSON: the rule that makes labels of events
)
model_versions = Table(
    "model_versions",
    META,
    _key("model"),
    _key("version"),
    Column("artifact", String),
    Column("artifact_version", String),
    Column("run", String),
    Column("time", BigInteger),
    sa.Index("model_versions_by_artifact", "artifact", "artifact_version"),
    sa.Index("model_versions_by_run", "run"),
)
deployments = Table(
    "deployments",
    META,
    _key("model"),
    _key("version"),
    _key("environment"),
    Column("time", BigInteger, primary_key=True),
    Column("run", String),
)
columns = Table(
    "columns",
    META,
    _key("model"),
    _key("role"),  # feature | tag (files hold these) | prediction | score | label | id | time | output (in cells)
    _key("name"),
    Column("type", String, nullable=False),  # number | boolean | text | json
    Column("centre", Float),
    Column("scale", Float),
    Column("edges", Text),  # 31 grid keys
    Column("categories", Text),  # the dictionary, grown to its cap
    Column("purpose", String),  # subject | embedding | text | image
    Column("unit", String),
    Column("whole", Integer),  # 1: all numbers were whole so far, 0: some were not
    Column("declared", Integer, nullable=False, default=0, server_default="0"),  # 1: by log_model
    Column("since", BigInteger),  # µs
)
column_changes = Table(
    "column_changes",
    META,
    Column("id", Integer, primary_key=True),
    Column("model", String, nullable=False, index=True),
    Column("role", String, nullable=False),
    Column("name", String, nullable=False),
    Column("change", String, nullable=False),  # new | missing | back | widened | conflict
    Column("before", String),
    Column("after", String),
    Column("rows", BigInteger),
    Column("time", BigInteger, nullable=False),  # µs
    Column("seq", BigInteger, nullable=False),  # of the file that showed it; 0 for what was declared
)
repeats = Table(
    "repeats",
    META,
    _key("model"),
    _key("environment"),
    _key("id"),
    Column("rows", BigInteger, nullable=False),  # all of them; cells count the earliest
)
late_labels = Table(
    "late_labels",
    META,
    _key("model"),
    _key("environment"),
    Column("rows", BigInteger, nullable=False),
)
questions = Table(
    "questions",
    META,
    _key("name"),
    Column("sql", Text, nullable=False),
    Column("model", String),
    Column("description", Text),
    Column("time", BigInteger, nullable=False),
)
audit = Table(
    "audit",
    META,
    Column("id", Integer, primary_key=True),
    Column("time", BigInteger, nullable=False),  # µs
    Column("action", String, nullable=False),  # forget | retention | restore | import | retraction | release
    Column("who", String),
    Column("record", Text, nullable=False),
    sqlite_autoincrement=True,
)
monitors = Table(
    "monitors",
    META,
    _key("model"),
    _key("environment"),
    _key("kind"),
    Column("judged", Integer),
    Column("state", Text, nullable=False),
)
verdicts = Table(
    "verdicts",
    META,
    Column("id", Integer, primary_key=True),
    Column("model", String, nullable=False, index=True),
    Column("environment", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("window", BigInteger, nullable=False),
    Column("judged", BigInteger, nullable=False),
    Column("status", String, nullable=False),
    Column("evidence", Float),
    Column("strip", Float),  # the worst column in times its own limit
    Column("record", Text, nullable=False),
    sa.UniqueConstraint("model", "environment", "kind", "window"),
)
incidents = Table(
    "incidents",
    META,
    Column("id", Integer, primary_key=True),
    Column("model", String, nullable=False, index=True),
    Column("environment", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("severity", String, nullable=False),
    Column("state", String, nullable=False),
    Column("onset", BigInteger, nullable=False),
    Column("raised", BigInteger, nullable=False),
    Column("closed", BigInteger),
    Column("record", Text, nullable=False),
    sqlite_autoincrement=True,
)
