"""A catalog in a database that has no files of its own → the same as a file of SQLite, all of one moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.store.catalog import META

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Engine

_ROWS: Final = 2000


def to_file(engine: Engine, target: Path) -> None:
    """Write every table of the catalog into a new file."""
    into = sa.create_engine(f"sqlite:///{target}")
    try:
        META.create_all(into)
        with engine.connect() as source, into.begin() as copy:
            for table in META.sorted_tables:
                found = source.execution_options(yield_per=_ROWS).execute(sa.select(table)).mappings()
                for part in found.partitions(_ROWS):
                    copy.execute(table.insert(), [dict(row) for row in part])
    finally:
        into.dispose()
