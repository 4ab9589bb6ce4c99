"""A catalog of an older version → one of this version, a step a version, with Alembic's operations, in one transaction.

Imported only when a catalog is older: Alembic is no part of an ordinary start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from watchglass.store import catalog as c

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection


def upgrade(connection: Connection, version: int) -> None:
    """Take a catalog from a version to the newest; the caller holds the writing transaction."""
    operations = Operations(MigrationContext.configure(connection))
    for step in range(version, c.SCHEMA_VERSION):
        _STEPS[step](operations)
    connection.execute(c.schema_version.update().values(version=c.SCHEMA_VERSION))


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
    for table in (c.ingested, c.drops):
        operations.create_table(table.name, *(column._copy() for column in table.columns))  # noqa: SLF001 - SQLAlchemy's own way to hand a column on


_STEPS: Final[dict[int, Callable[[Operations], None]]] = {1: _from_1}
