"""A month of labels → what joining them to their predictions takes, at first and after one more day, beside the bare statement.

`python -m bench.labels [--rows 10000000]`: five models, three of five predictions labelled 6 to 54 hours later, one label in
a hundred corrected. The bare statement is one join and count of the same files by version, day and day known, which is
wrong where a label was corrected: that is what being right may cost a third of.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import duckdb
import sqlalchemy as sa

from bench.record import Row, note, say
from watchglass.store import catalog as c
from watchglass.store.cells import follow
from watchglass.store.eras import Era, Eras, keep_eras
from watchglass.store.folder import prepare
from watchglass.store.labels.marks import Marks, set_marks
from watchglass.store.parquet import write
from watchglass.store.transactions import connect, writing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder

MODELS: Final = ("churn", "credit", "demand", "fraud", "ranking")
DAYS: Final = 30
BEGIN: Final = 1_780_272_000_000_000  # 2026-06-01T00:00Z
DAY: Final = 86_400_000_000
SLICES: Final = ("channel", "site")
FIRST, NEXT, MEMORY = 1.3, 0.5, 1500
_SAME: Final = "(p.prediction = l.label OR TRY_CAST(p.prediction AS DOUBLE) = TRY_CAST(l.label AS DOUBLE))"


def _rows(model: int, first: int, rows: int, per_day: int) -> str:
    """Write the SELECT that rows are made of: ids as long and as random as UUIDs of version 7."""
    return (
        f"SELECT i, h, {BEGIN} + ((i - {first}) // {per_day}) * {DAY} + ((i - {first}) % {per_day}) * {DAY // per_day} AS stamp,"
        f" substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-7' || substr(h, 13, 3) || '-8' || substr(h, 16, 3) || '-{model:02x}' || substr(h, 19, 10) AS id"
        f" FROM (SELECT i, md5(i::VARCHAR) AS h FROM range({first}, {first + rows}) t(i))"
    )


def _predictions(source: str, model: str) -> str:
    return (
        f"SELECT id, make_timestamp(stamp) AS time, '{model}' AS model, '1' AS version, 'live' AS environment,"
        " CASE WHEN i % 3 = 0 THEN 'yes' ELSE 'no' END AS prediction, NULL::DOUBLE AS prediction_number, 0.5 AS score,"
        " NULL::BIGINT AS weight, struct_pack(channel := ['web', 'app', 'post'][1 + i % 3], site := 'site ' || (i % 12)) AS tags"
        f" FROM ({source})"
    )


def _labels(source: str, model: str) -> str:
    """Write the SELECT of labels: of three rows in five, some corrected a day later."""
    delay = f"{DAY // 4} + (hash(i) % {2 * DAY})::BIGINT"
    return (
        f"SELECT id, make_timestamp(stamp + {delay} + again * {DAY}) AS time, '{model}' AS model, 'live' AS environment,"
        f" CASE WHEN i % 3 = 0 OR (again = 1 AND i % 2 = 0) THEN 'yes' ELSE 'no' END AS label FROM ({source}), range(2) g(again)"
        " WHERE hash(i + 7) % 5 < 3 AND (again = 0 OR hash(i + 9) % 100 = 0)"
    )


def _made(root: Path, rows: int) -> tuple[Folder, Engine, list[dict[str, object]]]:
    """Make a store whose predictions are counted; gives the labels' files, one a model and day known, that are not listed yet."""
    folder = prepare(root, create=True)
    engine = connect(folder)
    per_model = rows // len(MODELS)
    per_day = per_model // DAYS
    told: list[dict[str, object]] = []
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET memory_limit = '2GB'")
        for number, model in enumerate(MODELS):
            first = number * per_model
            for day in range(DAYS):
                source = f"SELECT * REPLACE (stamp + {day * DAY} AS stamp) FROM ({_rows(number, first + day * per_day, per_day, per_day)})"
                file = write(folder, connection, "predictions", model, _predictions(source, model), "time")
                with writing(engine) as transaction:
                    transaction.execute(c.files.insert(), [file] if file else [])
            everything = _labels(_rows(number, first, per_day * DAYS, per_day), model)
            connection.execute(f"CREATE OR REPLACE TABLE told AS {everything}")
            for day in range(DAYS + 1):
                edge = f"make_timestamp({BEGIN + day * DAY})"
                select = f"SELECT * FROM told WHERE time >= {edge} AND time < {edge} + INTERVAL 1 DAY"
                file = write(folder, connection, "labels", model, select, "time")
                told += [file] if file else []
            note(f"labels: {model} made")
    with writing(engine) as transaction:
        transaction.execute(c.models.insert(), [{"name": model, "slices": "[]", "time": BEGIN} for model in MODELS])
        tags = [{"model": model, "role": "tag", "name": tag, "type": "text"} for model in MODELS for tag in SLICES]
        transaction.execute(c.columns.insert(), tags)
        seq = transaction.execute(sa.select(sa.func.max(c.files.c.seq))).scalar_one()
        set_marks(transaction, Marks(seq, seq))  # the rows are counted: what is measured is the join alone
    return folder, engine, told


def _list(engine: Engine, files: Sequence[dict[str, object]]) -> int:
    with writing(engine) as transaction:
        transaction.execute(c.files.insert(), list(files))
    return sum(int(str(file["rows"])) for file in files)


class Took(NamedTuple):
    """Seconds by the clock and of the processor."""

    wall: float
    cpu: float

    @classmethod
    def of(cls, work: Callable[[], object]) -> Took:
        """Measure some work."""
        begun, spent = time.perf_counter(), time.process_time()
        work()
        return cls(time.perf_counter() - begun, time.process_time() - spent)


def _bare(folder: Folder, engine: Engine, models: Sequence[Sequence[str]]) -> Took:
    """Measure the bare statement, once for each group of models."""
    with engine.connect() as catalog:
        listed = catalog.execute(sa.select(c.files.c.kind, c.files.c.model, c.files.c.path)).all()

    def statement(group: Sequence[str]) -> str:
        served, told = (
            "[" + ", ".join(f"'{folder.tables / f.path}'" for f in listed if f.kind == kind and f.model in group) + "]"
            for kind in ("predictions", "labels")
        )
        return (
            f"SELECT model, version, environment, p.time::DATE, l.time::DATE, count(*), sum({_SAME}::INT) FROM read_parquet({served}) p"
            f" JOIN read_parquet({told}) l USING (model, environment, id) GROUP BY ALL"
        )

    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
        return Took.of(lambda: [connection.execute(statement(group)).fetchall() for group in models])


def _peak() -> float:
    """Give the most memory of this process in MB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _sums(folder: Folder) -> tuple[int, int]:
    query = "SELECT sum(n) FILTER (kind = 'labelled'), sum(n) FILTER (kind = 'correct') FROM read_parquet(?) WHERE slice = ''"
    found = duckdb.execute(query, [f"{folder.tables}/cells/*.parquet"]).fetchall()[0]
    return int(found[0]), int(found[1])


def _measured(rows: int, slices: Sequence[str]) -> list[Row]:
    with tempfile.TemporaryDirectory() as root:
        folder, engine, told = _made(Path(root) / "store", rows)
        with writing(engine) as transaction:
            transaction.execute(c.models.update().values(slices=str(list(slices)).replace("'", '"')))
            for model in MODELS:  # the rows were counted under the slices
                keep_eras(transaction, model, Eras((Era(0, tuple(slices)),)))
        edge = BEGIN + DAYS * DAY
        before, after = ([file for file in told if (int(str(file["first"])) >= edge) == late] for late in (False, True))
        joined = _list(engine, before)
        _bare(folder, engine, [MODELS])  # once for the page cache
        Path("/proc/self/clear_refs").write_text("5")  # the peak from here on
        first = Took.of(lambda: follow(folder, engine))
        memory = _peak()
        limit, apart = _bare(folder, engine, [MODELS]), _bare(folder, engine, [[model] for model in MODELS])
        more = _list(engine, after)
        Path("/proc/self/clear_refs").write_text("5")
        then = Took.of(lambda: follow(folder, engine))
        memory = max(memory, _peak())
        counted = _sums(folder)
        engine.dispose()
    note(f"{len(slices)} slices: first {first}, bare {limit}, model by model {apart}, one more day {then}, {counted}")
    ground = f"{rows} predictions, {len(slices)} declared slices"
    return [
        Row(
            what=f"first join of {joined} labels, {ground}",
            unit="s",
            measured=first.wall,
            bar=f"≤ {FIRST} × the bare statement" if not slices else "",
            limit=limit.wall,
            against="one join and count of the same files in DuckDB, by model, version, day and day known",
            ok=first.wall <= FIRST * limit.wall if not slices else None,
            detail=(
                f"cells written, synced and published; of the processor {first.cpu:.2f} s, bare {limit.cpu:.2f} s;"
                f" bare model by model {apart.wall:.2f} s, {apart.cpu:.2f} s of the processor"
            ),
        ),
        Row(
            what=f"one more day of {more} labels, {ground}",
            unit="s",
            measured=then.wall,
            bar=f"≤ {NEXT} s",
            ok=then.wall <= NEXT,
            detail=f"{then.cpu:.2f} s of the processor; {counted[0]} labelled in all, {counted[1]} of them correct",
        ),
        Row(
            what=f"memory of both, {ground}",
            unit="MB",
            measured=memory,
            bar=f"≤ {MEMORY} MB",
            ok=memory <= MEMORY,
            detail="the peak of the process",
        ),
    ]


def main() -> None:
    """Measure with no declared slice, and with two."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=10_000_000)
    arguments.add_argument("--slices", type=int, choices=(0, 2))
    given = arguments.parse_args()
    chosen = [()] if given.slices == 0 else [SLICES] if given.slices else [(), SLICES]
    say("labels", [row for slices in chosen for row in _measured(given.rows, slices)])


if __name__ == "__main__":
    main()
