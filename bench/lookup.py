"""The ground of a month → what it costs to find one prediction by its id, and to show the newest rows, beside the bare reads.

`python -m bench.lookup`. The limit of a look-up is DuckDB reading the one row group that has the row out of the one
file that has it, both known beforehand, with the metadata of the file at hand; and the same for the row of its label.
"""

from __future__ import annotations

import random
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import duckdb
import sqlalchemy as sa

from bench.month import copy_of, month
from bench.record import Row, note, say
from watchglass.reading import Store
from watchglass.store import catalog as c
from watchglass.store.compact import engine_room
from watchglass.store.parquet import delete, write, write_index
from watchglass.store.transactions import connect, writing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from watchglass.store.folder import Folder

REPEATS: Final = 7
IDS: Final = 24
GROUP: Final = 16_384
FOREIGN: Final = 15
"""One of so many files gets ids that are not ours."""


@dataclass(frozen=True, slots=True)
class Known:
    """A prediction that is looked for, and where it lies."""

    id: str
    model: str
    path: str
    row: int


def _foreign(folder: Folder) -> None:
    """Give the rows of some files ids that are not ours, as another system's orders would be."""
    engine = connect(folder)
    query = sa.select(c.files.c.seq, c.files.c.path, c.files.c.model).where(c.files.c.kind == "predictions")
    with engine.connect() as connection:
        found = connection.execute(query.order_by(c.files.c.path)).all()[::FOREIGN]
    with engine_room() as duck:
        selects = [
            f"SELECT * REPLACE ('order-' || hash(id) AS id) FROM read_parquet('{folder.tables / path}')"
            for _, path, _ in found
        ]
        written = [
            write(folder, duck, "predictions", str(model), select, "")
            for (_, _, model), select in zip(found, selects, strict=True)
        ]
    with writing(engine) as transaction:
        transaction.execute(c.files.delete().where(c.files.c.seq.in_([seq for seq, _, _ in found])))
        transaction.execute(c.files.insert(), [values for values in written if values is not None])
    for _, path, _ in found:
        delete(folder.tables / str(path))
    engine.dispose()


def _indexed(folder: Folder) -> None:
    """Write the indexes of ids that this version writes beside files of labels, where the ground is of before."""
    engine = connect(folder)
    query = sa.select(c.files.c.seq, c.files.c.path).where(c.files.c.kind == "labels", c.files.c.indexed == 0)
    with engine.connect() as connection:
        found = connection.execute(query).all()
    with duckdb.connect() as duck:
        for _, path in found:
            write_index(duck, folder.tables / path)
    with writing(engine) as transaction:
        transaction.execute(c.files.update().where(c.files.c.seq.in_([seq for seq, _ in found])).values(indexed=1))
    engine.dispose()


def _chosen(tables: Path) -> list[Known]:
    """Choose rows all over the ground, the same ones in every run."""
    chance = random.Random(5)
    paths = sorted(map(str, (tables / "predictions").glob("*.parquet")))
    found = []
    with duckdb.connect() as duck:
        for path in _sampled(chance, paths):
            (rows,) = duck.execute("SELECT count(*) FROM read_parquet(?)", [path]).fetchone() or (0,)
            row = chance.randrange(int(rows))
            query = "SELECT id, model FROM read_parquet(?, file_row_number = true) WHERE file_row_number = ?"
            ident, model = duck.execute(query, [path, row]).fetchone() or ("", "")
            found.append(Known(str(ident), str(model), path, row))
    return found


def _sampled(chance: random.Random, paths: Sequence[str]) -> list[str]:
    """Choose files, half of them with ids that are not ours."""
    with duckdb.connect() as duck:
        first = {path: str((duck.execute("SELECT min(id) FROM read_parquet(?)", [path]).fetchone() or ("",))[0]) for path in paths}  # fmt: skip
    foreign = [path for path in paths if first[path].startswith("order-")]
    return chance.sample(foreign, IDS // 2) + chance.sample([path for path in paths if path not in foreign], IDS // 2)


def _best(verb: Callable[[], object]) -> float:
    """Give the milliseconds of the quickest of some goes, the first one left out."""
    verb()
    taken = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        verb()
        taken.append(time.perf_counter() - begun)
    return min(taken) * 1e3


def _bare_group(duck: duckdb.DuckDBPyConnection, known: Known) -> object:
    """Read every value of the row group that has the row."""
    first = known.row // GROUP * GROUP
    query = (
        f"CREATE OR REPLACE TEMP TABLE read AS SELECT * FROM read_parquet('{known.path}', file_row_number = true)"
        f" WHERE file_row_number >= {first} AND file_row_number < {first + GROUP}"
    )
    return duck.execute(query).fetchall()


def _bare_row(duck: duckdb.DuckDBPyConnection, known: Known, label: tuple[str, int] | None) -> object:
    """Read of that row group the one row, of the label's the one row."""
    text = "SELECT * FROM read_parquet('{}', file_row_number = true) WHERE file_row_number = {}"
    found = duck.execute(text.format(known.path, known.row)).fetchall()
    return found if label is None else (found, duck.execute(text.format(*label)).fetchall())


def _labels(tables: Path, found: Sequence[Known]) -> dict[str, tuple[str, int]]:
    """Say where the labels of predictions lie."""
    listed = ", ".join(f"'{one.id}'" for one in found)
    query = (
        f"SELECT id, filename, file_row_number FROM read_parquet('{tables}/labels/*.parquet', filename = true,"
        f" file_row_number = true) WHERE id IN ({listed})"
    )
    return {str(ident): (str(path), int(row)) for ident, path, row in duckdb.execute(query).fetchall()}


def _looked_up(store: Store, tables: Path) -> list[Row]:
    rows = []
    chosen = _chosen(tables)
    labels = _labels(tables, chosen)
    files = len(list((tables / "predictions").glob("*.parquet")))
    with duckdb.connect() as duck:
        duck.execute("SET parquet_metadata_cache = true")
        for what, some in (
            ("own ids", [one for one in chosen if not one.id.startswith("order-")]),
            ("foreign ids", [one for one in chosen if one.id.startswith("order-")]),
        ):
            if not some:
                continue
            mine = [_best(lambda one=one: store.prediction(one.id)) for one in some]  # type: ignore[misc]
            group = [_best(lambda one=one: _bare_group(duck, one)) for one in some]  # type: ignore[misc]
            row = [_best(lambda one=one: _bare_row(duck, one, labels.get(one.id))) for one in some]  # type: ignore[misc]
            measured = statistics.median(mine)
            for limit, against in (
                (statistics.median(group), "bare read of every value of that row group"),
                (statistics.median(row), "bare read of that row, and of its label's, place known"),
            ):
                rows.append(
                    Row(
                        what=f"look-up by id, {what}, of {files} files",
                        unit="ms",
                        measured=measured,
                        bar="≤ 1.3 × the limit + 2 ms",
                        limit=limit,
                        against=against,
                        ok=measured <= 1.3 * limit + 2,
                        detail=f"median of {len(some)} ids, features, tags and labels, any model",
                    )
                )
    rows.append(Row("look-up of an id that nobody has", "ms", _best(lambda: store.prediction("nobody"))))
    return rows


def _newest(store: Store, tables: Path) -> list[Row]:
    model = "fraud"
    measured = _best(lambda: store.latest("predictions", model))
    second = store.latest("predictions", model).next
    with duckdb.connect() as duck:
        duck.execute("SET parquet_metadata_cache = true")
        source = f"read_parquet('{tables}/predictions/*.parquet', union_by_name = true)"
        query = f"SELECT * FROM {source} WHERE model = '{model}' ORDER BY time DESC LIMIT 50"
        limit = _best(lambda: duck.execute(query).fetchall())
    against = "bare ORDER BY time DESC LIMIT 50 on all files"
    return [
        Row("the 50 newest predictions of a model", "ms", measured, "≤ the limit", limit, against, measured <= limit),
        Row("the next 50", "ms", _best(lambda: store.latest("predictions", model, before=second))),
    ]


def main() -> None:
    """Measure on a copy of the month."""
    with copy_of(month()) as folder:
        _indexed(folder)
        _foreign(folder)
        with Store(folder.root) as store:
            begun = time.perf_counter()
            store.prediction("nobody")
            note(f"lookup: {1e3 * (time.perf_counter() - begun):.0f} ms for the first, each index opened")
            rows = [*_looked_up(store, folder.tables), *_newest(store, folder.tables)]
    say("lookup", rows)


if __name__ == "__main__":
    main()
