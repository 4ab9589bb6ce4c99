"""A store of 150 files → the time until not a byte of one subject is on the disk, while others ask and write all along.

The subject has 100 rows in 20 of the files, their labels in as many, a value in the dictionary and the cells of a
column of text, a rejected line, and ten rows in the segment of a process that lives and writes on. Two processes ask
in a loop, of rows and of cells; each answer they fail to get is counted. Then every byte of the folder is searched,
the columns of Parquet files decompressed. The peer is bare DuckDB that copies the same 20 files without the rows.

`python -m bench.forget [--rows 5000] [--files 150]`
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

import watchglass as wg
from bench.record import Row, note, say
from watchglass.store import catalog as c
from watchglass.store import parquet
from watchglass.store.cells import follow
from watchglass.store.compact import engine_room
from watchglass.store.folder import prepare
from watchglass.store.transactions import connect, writing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder

NAME = "Zoë Ångström-Kaya"
NUMBERS, TEXTS = 25, 4
HELD, EACH = 20, 5
LABEL_FILES = 30
BAR = 30.0
COPY = "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 16384)"
WRITING = """
import sys, time
import watchglass as wg
wg.init(store=sys.argv[1])
def serve(number, who):
    features = {**{f"n{i}": number * i for i in range(25)}, **{f"c{i}": f"v{number % 9}" for i in range(4)}, "person": who}
    wg.log_prediction("fraud", version="1", features=features, prediction=1, id=f"live-{number}", tags={"site": "s1"})
for number in range(10):
    serve(number, sys.argv[2])
wg.flush()
print("written", flush=True)
number = 10
while not time.sleep(0.02):
    serve(number, f"person {number % 400}")
    number += 1
"""
ASKING = """
import sys, time
import watchglass as wg
asked = failed = 0
with wg.open(sys.argv[1]) as store:
    print("ready", flush=True)
    while True:
        try:
            if sys.argv[2] == "rows":
                store.sql("SELECT count(*) AS n, avg(features.n3) AS m FROM predictions WHERE prediction = '1'", model="fraud").rows()
            else:
                store.models()
            asked += 1
        except Exception as error:
            failed += 1
            print(type(error).__name__, error, file=sys.stderr, flush=True)
        print(asked, failed, flush=True)
        time.sleep(0.05)
"""


def features(file: int) -> str:
    """Write the struct of a row's thirty features; some rows of the first files are the subject's."""
    numbers = [f"n{i} := random() * {i + 1}" for i in range(NUMBERS)]
    texts = [f"c{i} := 'value ' || (i % {7 + 10 * i})" for i in range(TEXTS)]
    whose = (
        f"CASE WHEN {file} < {HELD} AND i % 900 = 7 AND i < {EACH * 900} THEN '{NAME}' ELSE 'person ' || (i % 400) END"
    )
    return f"struct_pack({', '.join([*numbers, *texts, f'person := {whose}'])})"


def made(folder: Folder, engine: Engine, files: int, rows: int) -> None:
    """Write the files as the store does, list and count them."""
    with writing(engine) as transaction:
        transaction.execute(c.models.insert().values(name="fraud", slices='["site"]', time=0, label_delay="3d"))
        kinds = [(f"n{i}", "number") for i in range(NUMBERS)] + [(f"c{i}", "text") for i in range(TEXTS)]
        columns: list[tuple[str, str, str, str | None]] = [("feature", name, kind, None) for name, kind in kinds]
        columns += [("feature", "person", "text", "subject"), ("tag", "site", "text", None)]
        listed = [
            dict(zip(("model", "role", "name", "type", "purpose"), ("fraud", *one), strict=True)) for one in columns
        ]
        transaction.execute(c.columns.insert(), listed)
    with engine_room() as connection:
        for file in range(files):
            at = f"TIMESTAMP '2026-06-01' + INTERVAL ({file * rows} + i) SECOND"
            select = (
                f"SELECT uuid()::VARCHAR AS id, {at} AS time, 'fraud' AS model, '1' AS version, 'live' AS environment,"
                " (i % 2)::VARCHAR AS prediction, (i % 2)::DOUBLE AS prediction_number, random() AS score, NULL::VARCHAR AS scores,"
                " NULL::DOUBLE AS latency, NULL::VARCHAR AS run, NULL::VARCHAR AS trace, NULL::BIGINT AS weight, NULL::VARCHAR AS error,"
                f" {features(file)} AS features, struct_pack(site := 's' || (i % 5)) AS tags FROM range({rows}) t(i)"
            )
            _listed(engine, parquet.write(folder, connection, "predictions", "fraud", select, ""))
        paths = sorted((folder.tables / "predictions").glob("*.parquet"))
        for place in range(LABEL_FILES):
            chosen = ", ".join(f"'{path}'" for path in paths[place::LABEL_FILES])
            labels = (
                "SELECT id, time + INTERVAL 1 DAY AS time, model, environment, prediction AS label"
                f" FROM read_parquet([{chosen}])"
            )
            _listed(engine, parquet.write(folder, connection, "labels", "fraud", labels, "time"))
    follow(folder, engine)
    with writing(engine) as transaction:
        raw = json.dumps({"kind": "prediction", "model": "fraud", "features": {"person": NAME}})
        transaction.execute(c.rejected.insert().values(segment="s", reason="no id", raw=raw))


def _listed(engine: Engine, values: dict[str, object] | None) -> None:
    with writing(engine) as transaction:
        transaction.execute(c.files.insert(), [values] if values else [])


def texts_of(folder: Path) -> list[str]:
    """Give the subject's name and the ids of their rows in the files."""
    source = f"read_parquet('{folder}/tables/predictions/*.parquet')"
    with duckdb.connect() as connection:
        ids = connection.execute(f"SELECT id FROM {source} WHERE features.person = ?", [NAME]).fetchall()
    return [NAME, *(f"live-{number}" for number in range(10)), *(ident for (ident,) in ids)]


def found_in(folder: Path, texts: list[str]) -> list[str]:
    """Search every file: its bytes, and what is inside a Parquet file."""
    sought = [way.encode() for text in texts for way in {text, json.dumps(text)[1:-1]}]
    found = []
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE texts AS SELECT unnest(?::VARCHAR[]) AS text", [texts])
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            data = path.read_bytes()
            parquet_file = data[:4] == b"PAR1"
            if any(way in data and not (way.startswith(b"live-") and _longer(data, way)) for way in sought):
                found.append(str(path))
            elif parquet_file and _inside(connection, path):
                found.append(f"{path} (compressed)")
    return found


def _longer(data: bytes, way: bytes) -> bool:
    """Say whether an id occurs only as the beginning of longer ones: live-1 in live-17."""
    return all(part[:1].isdigit() for part in data.split(way)[1:])


def _inside(connection: duckdb.DuckDBPyConnection, path: Path) -> bool:
    source = f"read_parquet('{path}')"
    kinds = {name: kind for name, kind, *_ in connection.execute(f"DESCRIBE FROM {source}").fetchall()}
    places = [name for name in ("id", "value") if name in kinds] + (["features.person"] if "features" in kinds else [])
    return any(
        connection.execute(f"SELECT count(*) FROM {source} WHERE {place} IN (FROM texts)").fetchone() != (0,)
        for place in places
    )


@contextmanager
def running(script: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Run a script beside, until the block ends; it has said its first line."""
    with subprocess.Popen([sys.executable, "-c", script, *words], stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None or not process.stdout.readline():
            message = "a process beside did not begin"
            raise RuntimeError(message)
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> tuple[int, int]:
    """Give how often it asked and failed, from its last whole line."""
    process.kill()
    lines = process.stdout.read().splitlines() if process.stdout else []
    whole = [line.split() for line in lines if line.count(" ") == 1]
    return (int(whole[-1][0]), int(whole[-1][1])) if whole else (0, 0)


def bare(folder: Path, out: Path) -> float:
    """Copy the files that hold the subject without its rows with DuckDB alone, and give the seconds."""
    source = f"read_parquet('{folder}/tables/predictions/*.parquet', filename = true)"
    with duckdb.connect() as connection:
        held = connection.execute(
            f"SELECT DISTINCT filename FROM {source} WHERE features.person = ?", [NAME]
        ).fetchall()
        begun = time.perf_counter()
        for place, (path,) in enumerate(held):
            rows = f"SELECT * FROM read_parquet('{path}') WHERE features.person != '{NAME}'"
            connection.execute(f"COPY ({rows}) TO '{out}/{place}.parquet' {COPY}")
        return time.perf_counter() - begun


def main() -> None:
    """Build the store, let others ask and write, forget, search, and tell."""
    parser = argparse.ArgumentParser(prog="python -m bench.forget")
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--files", type=int, default=150)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="watchglass-bench-") as name:
        root, out = Path(name) / "store", Path(name) / "bare"
        out.mkdir()
        folder = prepare(root, create=True)
        engine = connect(folder)
        note(f"{asked.files} files of {asked.rows} rows, cells and labels …")
        made(folder, engine, asked.files, asked.rows)
        engine.dispose()
        copied = bare(root, out)
        texts = texts_of(root)
        before = len(found_in(root, texts))
        with (
            running(WRITING, str(root), NAME),
            running(ASKING, str(root), "rows") as one,
            running(ASKING, str(root), "cells") as two,
        ):
            time.sleep(3)
            with wg.open(root) as store:
                begun, busy = time.perf_counter(), time.process_time()
                done = store.forget(subject=NAME)
                took, cpu = time.perf_counter() - begun, time.process_time() - busy
            left = found_in(root, texts)
            time.sleep(2)
            answers = [said(one), said(two)]
    note(f"{done}; left: {left}")
    what = f"one subject, {done.predictions} rows in {HELD} of {asked.files} files, until no byte is on the disk"
    detail = f"{done.files} files of rows and {done.cells} of cells written anew, {done.lines} lines blanked; {before} files held a byte before, {len(left)} after"
    failed, all_asked = sum(f for _, f in answers), sum(n for n, _ in answers)
    against = "bare COPY of the same 20 files without the rows: no labels, index, cells, sync, catalog"
    say(
        "forget",
        [
            Row(what, "s", took, f"≤ {BAR:.0f} s", copied, against, took <= BAR and not left, detail),
            Row("CPU of the process that forgets", "s", cpu),
            Row(
                "answers that two other readers failed to get meanwhile",
                "",
                failed,
                "0",
                None,
                "",
                failed == 0,
                f"of {all_asked}",
            ),
        ],
    )


if __name__ == "__main__":
    main()
