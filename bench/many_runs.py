"""A number of runs → a store whose catalog holds them as taking them in would have left it, in a hundredth of the work.

The rows of the workload `pipeline` of bench/lineage.py are written by the database itself, the indexes after them; `alike` holds
that taking the log in writes the same. What is left out: the names of the segments that were taken in.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

from bench.record import note
from watchglass.reading import create_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_GRAPH: Final = ("runs", "reads", "writes")
_BEGUN: Final = "(1780000000000000 + i * 10000)"
_READ: Final = "CASE i % 5 WHEN 0 THEN 'raw' || (i / 5) ELSE 'd' || (i / 5) || 's' || (i % 5 - 1) END"
_PIPELINE: Final = {
    "runs": (
        "id, component, version, trace, started, ended, status, host, pid, changed",
        f"printf('%012d-pipeline', i), 'stage' || (i % 5), '1', printf('%032x', i), {_BEGUN}, {_BEGUN} + 5000, 'ok', 'bench', 1",
    ),
    "reads": (
        "run, name, version, rule, time, changed",
        f"printf('%012d-pipeline', i), {_READ}, '', 'declared', {_BEGUN}",
    ),
    "writes": (
        "run, name, version, rule, time, changed",
        f"printf('%012d-pipeline', i), 'd' || (i / 5) || 's' || (i % 5), '', 'declared', {_BEGUN} + 5000",
    ),
}
"""Of each table: its columns, and what they are of run number i; `changed` comes last."""
_COMPARED: Final = {
    "runs": "id",
    "reads": "run",
    "writes": "run",
    "components": "name",
    "watermarks": "name",
}


@contextmanager
def in_bulk(root: Path) -> Iterator[sqlite3.Connection]:
    """Give a new store's catalog for many rows of runs, reads and writes; their indexes are made when all are there."""
    create_store(root).close()
    with closing(sqlite3.connect(root / "catalog.db", isolation_level=None)) as catalog:
        for setting in ("synchronous = OFF", "journal_mode = OFF", "cache_size = -400000"):
            catalog.execute(f"PRAGMA {setting}")
        catalog.execute("BEGIN")
        listed = ", ".join(f"'{table}'" for table in _GRAPH)
        made = (
            f"SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN ({listed})"
        )
        indexes = catalog.execute(made).fetchall()
        for name, _ in indexes:
            catalog.execute(f"DROP INDEX {name}")
        yield catalog
        for name, sql in indexes:
            note(f"index {name} of {root.name}")
            catalog.execute(sql)
        catalog.execute("COMMIT")
        catalog.execute("PRAGMA journal_mode = WAL")


def pipeline(root: Path, runs: int, at_once: int) -> None:
    """Write so many runs of the workload `pipeline`, as though the log had held segments of `at_once` each."""
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {runs})"
    with in_bulk(root) as catalog:
        for table, (columns, values) in _PIPELINE.items():
            note(f"{table} of {root.name}")
            catalog.execute(f"{numbers} INSERT INTO {table} ({columns}) SELECT {values}, i / {at_once} + 1 FROM n")
        catalog.execute(
            "INSERT INTO components (name, time) SELECT component, min(started) FROM runs GROUP BY component"
        )
        catalog.execute("INSERT INTO watermarks (name, seq) SELECT 'graph', max(changed) FROM runs")


def alike(first: Path, second: Path) -> None:
    """Hold that two catalogs have equal runs, reads, writes, components and numbers; raises `AssertionError`."""
    for table, key in _COMPARED.items():
        rows = []
        for root in (first, second):
            with closing(sqlite3.connect(root / "catalog.db")) as catalog:
                rows.append(catalog.execute(f"SELECT * FROM {table} ORDER BY {key}").fetchall())
        if rows[0] != rows[1] or not rows[0]:
            message = f"{table} of {str(first)!r} and {str(second)!r} differ: {len(rows[0])} and {len(rows[1])} rows"
            raise AssertionError(message)
