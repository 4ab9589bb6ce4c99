"""A month of rows → what a backup, a restore, the end of old rows and a rule of feedback take, each beside what it cannot be faster than.

`python -m bench.life [--rows 10000000] [--predictions 1000000] [--events 300000] [--elsewhere /dev/shm]`. The backup goes to
another file system, where nothing can be linked, and to the store's own disk, where files are; beside the first lies a bare
copy of the same files, each synced, into the same place. Expiry lets ten days of thirty go; beside it the same files are
deleted by hand, their folder synced. The rule of feedback makes labels of events of one model; beside it stands the one
statement that joins the same two files and writes the same labels, without sums, indexes and marks. Figures of these are the
best of two; a backup and a restore of all bytes are made once, with a bare copy before and one after them, of which the
faster is the limit. A store is opened before the clock starts. It takes less than four minutes beside a month that is there:
`python -m bench.month --counted` makes one before.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb

from bench.month import BEGIN, DAY, DAYS, ROWS, copy_of, month
from bench.record import Row, note, say
from watchglass.capture.tuned import FILE
from watchglass.store import catalog as c
from watchglass.store.folder import prepare, sync_file, sync_folder
from watchglass.store.labels import feedback
from watchglass.store.life.backup import backup
from watchglass.store.life.restore import restore
from watchglass.store.life.retention import expire
from watchglass.store.parquet import write
from watchglass.store.sweep import sweep
from watchglass.store.transactions import connect, writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder

REPEATS: Final = 2
GONE: Final = 10
"""Days that expire."""
WITHIN: Final = 3600
BEGUN: Final = datetime.fromtimestamp(BEGIN / 1e6, UTC)


@contextmanager
def _room(home: Path) -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="watchglass-life-", dir=home))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _copied(source: Path, target: Path) -> None:
    """Copy all files of a store, each synced, and their folders: what `cp` and `sync` of these files would do."""
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
            sync_file(place)
    for path in target.rglob("*"):
        if path.is_dir():
            sync_folder(path)


def _bare_copy(source: Path, target: Path) -> float:
    """Copy the files of a store, take the time, and delete the copy."""
    took = _timed(partial(_copied, source, target))
    shutil.rmtree(target)
    return took


def backups(rows: int, elsewhere: Path) -> list[Row]:
    """Back the month up to another file system and to its own disk, and restore it."""
    found: list[Row] = []
    store = month(rows, counted=True)
    with copy_of(store) as folder:
        engine = connect(folder)
        size = sum(path.stat().st_size for path in folder.root.rglob("*") if path.is_file())
        for where, home in (
            ("another file system", elsewhere),
            ("the store's own disk, where files are linked", store.parent),
        ):
            with _room(home) as room:
                copies = [_bare_copy(folder.root, room / "bare")]
                first = _timed(partial(backup, folder, engine, room / "backups"))
                again = _timed(partial(backup, folder, engine, room / "backups"))
                back = _timed(partial(restore, room / "backups", room / "restored"))
                copies.append(_bare_copy(folder.root, room / "bare"))
            bare = min(copies)
            note(f"{where}: copy {bare:.2f} s, backup {first:.2f} s, again {again:.2f} s, restore {back:.2f} s")
            what, against = (
                f"of {size / 1e6:.0f} MB, {rows} predictions, to {where}",
                "the same files copied and synced",
            )
            detail = f"every file held against its sum; again, when nothing is new: {again:.2f} s"
            found.append(Row(f"backup {what}", "s", first, limit=bare, against=against, detail=detail))
            detail = "every file held against its sum, the indexes of ids written anew"
            found.append(Row(f"restore {what}", "s", back, limit=bare, against=against, detail=detail))
        engine.dispose()
    return found


def expiry(rows: int) -> list[Row]:
    """Let ten days of thirty go: out of the manifest, then off the disk."""
    times = []
    store = month(rows, counted=True)
    kept = DAYS - GONE
    files = 0
    for _ in range(REPEATS):
        with copy_of(store) as folder:
            limits = {"predictions": {"days": kept}, "labels": {"days": kept}}
            (folder.root / FILE).write_text(json.dumps({"retention": limits}))
            engine = connect(folder)
            now = BEGUN + timedelta(days=DAYS, hours=1)
            dry = expire(folder, engine, now, dry=True)
            lying = [folder.tables / path for (path,) in _past(engine, BEGIN + GONE * DAY)]
            doubles = folder.root / "doubles"
            doubles.mkdir()
            for path in lying:
                os.link(path, doubles / path.name)
            bare = _timed(partial(_deleted, [doubles / path.name for path in lying]))
            took = _timed(partial(expire, folder, engine, now))
            swept = _timed(partial(sweep, folder, engine, time.time() + 3600))
            files = dry.files
            times.append((bare, took, swept))
            engine.dispose()
    bare, took, swept = (min(each[place] for each in times) for place in range(3))
    note(f"expiry: {took:.2f} s, sweep {swept:.2f} s, bare deletion {bare:.3f} s")
    what = f"{GONE} days of {DAYS} of {rows} predictions and their labels expire, {files} files"
    detail = f"the sweep, later: {swept:.2f} s; labels are held against the predictions that are left, straddling files written anew"
    against = "deletion of the predictions' files of those days, their folder synced"
    return [Row(what, "s", took, limit=bare, against=against, detail=detail)]


def _past(engine: Engine, edge: int) -> list[tuple[str]]:
    files = c.files.c
    with engine.connect() as connection:
        query = c.files.select().with_only_columns(files.path)
        past = (files.kind == "predictions") & (files.last < edge) & files.removed.is_(None)
        return [(row.path,) for row in connection.execute(query.where(past))]


def _deleted(paths: list[Path]) -> None:
    for path in paths:
        path.unlink()
    if paths:
        sync_folder(paths[0].parent)


def _served(folder: Folder, engine: Engine, predictions: int, events: int) -> None:
    """Write a file of predictions and one of events, of some that were predicted, within two hours of them."""
    ident = "substr(md5(i::VARCHAR), 1, 12) || '-ad'"
    served = (
        f"SELECT {ident} AS id, make_timestamp({BEGIN} + i * {DAY // predictions}) AS time, 'ads' AS model, '1' AS version,"
        " 'live' AS environment, 'yes' AS prediction, NULL::DOUBLE AS prediction_number, 0.5 AS score, NULL::BIGINT AS weight"
        f" FROM range({predictions}) t(i)"
    )
    happened = (
        f"SELECT {ident} AS id, make_timestamp({BEGIN} + i * {DAY // predictions} + (hash(i) % 7200000000)::BIGINT) AS time,"
        f" 'ads' AS model, 'live' AS environment, 'click' AS event FROM (SELECT (k * {predictions // events})::BIGINT AS i FROM range({events}) t(k))"
    )
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET memory_limit = '1GB'")
        files = [write(folder, connection, "predictions", "ads", served, "")]
        files += [write(folder, connection, "feedback", "ads", happened, "time")]
    rule = {"event": "click", "within": f"{WITHIN}s", "positive": "1", "negative": "0"}
    with writing(engine) as transaction:
        transaction.execute(c.models.insert().values(name="ads", slices="[]", time=BEGIN, feedback=json.dumps(rule)))
        transaction.execute(c.files.insert(), [file for file in files if file])


def _bare_rule(folder: Folder, target: Path) -> int:
    """Write the labels with the one statement that somebody would write by hand."""
    within = f"INTERVAL {WITHIN} SECOND"
    statement = (
        f"COPY (SELECT p.id, coalesce(min(e.time), p.time + {within}) AS time, 'ads' AS model, p.environment,"
        f" CASE WHEN min(e.time) IS NULL THEN '0' ELSE '1' END AS label FROM read_parquet('{folder.tables}/predictions/*.parquet') p"
        f" LEFT JOIN read_parquet('{folder.tables}/feedback/*.parquet') e ON p.id = e.id AND p.environment = e.environment"
        f" AND e.event = 'click' AND e.time >= p.time AND e.time < p.time + {within} GROUP BY p.id, p.time, p.environment"
        f" ORDER BY time) TO '{target}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 16384)"
    )
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET memory_limit = '1GB'")
        done = connection.execute(statement).fetchall()
    sync_file(target)
    return int(done[0][0])


def rule(predictions: int, events: int) -> list[Row]:
    """Make the labels of a model's events, by the rule and by hand."""
    times, labels = [], (0, 0)
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory(prefix="watchglass-life-") as home:
            folder = prepare(Path(home) / "store", create=True)
            engine = connect(folder)
            _served(folder, engine, predictions, events)
            begun = time.perf_counter()
            bare = _bare_rule(folder, Path(home) / "bare.parquet")
            between = time.perf_counter()
            made = feedback.apply(folder, engine, BEGUN + timedelta(days=3))
            times.append((between - begun, time.perf_counter() - between))
            labels = (made, bare)
            engine.dispose()
    bare_time, took = (min(each[place] for each in times) for place in range(2))
    note(f"rule of feedback: {took:.2f} s, bare {bare_time:.2f} s, {labels[0]} labels, {labels[1]} by hand")
    detail = (
        f"{labels[0]} labels, the statement gives {labels[1]}; with their sum and index of ids, synced and published"
    )
    what = f"labels of {events} events on {predictions} predictions by a rule"
    return [Row(what, "s", took, limit=bare_time, against="one statement that joins and writes them", detail=detail)]


def main() -> None:
    """Measure each."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=ROWS)
    arguments.add_argument("--predictions", type=int, default=1_000_000)
    arguments.add_argument("--events", type=int, default=300_000)
    arguments.add_argument("--elsewhere", type=Path, default=Path("/dev/shm"))
    given = arguments.parse_args()
    found = rule(given.predictions, given.events)
    found += expiry(given.rows)
    found += backups(given.rows, given.elsewhere)
    say("life", found)


if __name__ == "__main__":
    main()
