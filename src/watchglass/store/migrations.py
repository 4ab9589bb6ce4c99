"""A catalog of an older version → one of this version, a step a version, with Alembic's operations, in one transaction.

Imported only when a catalog is older: Alembic is no part of an ordinary start.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from watchglass.store import catalog as c
from watchglass.store.transactions import SCHEMA_VERSION

T = TypeVar("T")

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection


def upgrade(connection: Connection, version: int) -> None:
    """Take a catalog from a version to the newest; the caller holds the writing transaction.

    A step changes the tables that there were; those that came later are made at the end.
    """
    operations = Operations(MigrationContext.configure(connection))
    for step in range(version, SCHEMA_VERSION):
        _STEPS[step](operations)
    c.META.create_all(connection, checkfirst=True)
    connection.execute(c.schema_version.update().values(version=SCHEMA_VERSION))


def _from_1(operations: Operations) -> None:
    """Merged files, sums and indexes of ids; requests that a server took; events that were dropped."""
    for column in (
        sa.Column("origin", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("removed", sa.Float),
        sa.Column("sum", sa.String),
        sa.Column("indexed", sa.Integer, nullable=False, server_default="0"),
    ):
        operations.add_column("files", column)
    operations.create_index("files_live", "files", ["removed", "kind", "model"])
    operations.create_index("ix_segments_taken", "segments", ["taken"])


def _from_2(operations: Operations) -> None:
    """What a rejected value belongs to, when rows of the graph changed, rules of feedback, what columns are for."""
    _add(operations, "rejected", sa.String, "model", "role", "name")
    _add(operations, "rejected", sa.BigInteger, "time")
    for table in _GRAPH:
        _add(operations, table, sa.BigInteger, "changed", counted=True)
    _add(operations, "models", sa.Text, "feedback")
    _add(operations, "columns", sa.String, "purpose", "unit")
    _add(operations, "columns", sa.Integer, "whole")
    _add(operations, "columns", sa.Integer, "declared", counted=True)
    _add(operations, "columns", sa.BigInteger, "since")
    for table, name in (("rejected", "model"), *((graph, "changed") for graph in _GRAPH)):
        operations.create_index(f"ix_{table}_{name}", table, [name])


def _from_3(operations: Operations) -> None:
    """What stands around a run, what is kept of artifacts, and the indexes that lineage asks; mirrors lack the columns and are made anew."""
    _add(operations, "runs", sa.String, "environment")
    _add(operations, "runs", sa.Text, "resources", "left_out", "tests", "links")
    _add(operations, "artifacts", sa.Text, "kept", "profile")
    _add(operations, "artifacts", sa.String, "policy")
    _add(operations, "artifacts", sa.BigInteger, "quarantined")
    for name in ("ix_runs_component", "ix_runs_started"):
        operations.drop_index(name, "runs")
    for name, table, columns, where in _INDEXES_OF_4:
        chosen = None if where is None else sa.text(where)
        operations.create_index(name, table, columns, sqlite_where=chosen, postgresql_where=chosen)
    mirrors = sa.table("files", sa.column("kind"), sa.column("removed"))
    live = mirrors.c.kind.in_(_GRAPH) & mirrors.c.removed.is_(None)
    operations.execute(mirrors.update().where(live).values(removed=time.time()))


def _add(
    operations: Operations, table: str, kind: type[sa.types.TypeEngine[T]], *names: str, counted: bool = False
) -> None:
    for name in names:
        column = sa.Column(name, kind, nullable=not counted, server_default="0" if counted else None)
        operations.add_column(table, column)


_GRAPH: Final = ("runs", "reads", "writes", "artifacts")
_INDEXES_OF_4: Final = (
    ("runs_by_time", "runs", ["started", "id"], None),
    ("runs_by_component", "runs", ["component", "started", "id"], None),
    ("runs_by_parent", "runs", ["parent", "started", "id"], "parent IS NOT NULL"),
    ("runs_not_ok", "runs", ["status", "started"], "status <> 'ok'"),
    ("reads_by_time", "reads", ["name", "time", "version"], None),
    ("writes_by_time", "writes", ["name", "time", "version"], None),
    ("artifacts_by_time", "artifacts", ["time", "name", "version"], None),
    ("artifacts_by_name", "artifacts", ["name", "time", "version"], None),
    ("artifacts_kept", "artifacts", ["kept"], "kept IS NOT NULL"),
    ("model_versions_by_artifact", "model_versions", ["artifact", "artifact_version"], None),
    ("model_versions_by_run", "model_versions", ["run"], None),
)
_STEPS: Final[dict[int, Callable[[Operations], None]]] = {1: _from_1, 2: _from_2, 3: _from_3}
