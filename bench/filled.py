"""Cells as 100 million rows × 60 columns × 50 models × 90 days would fill them → what four answers take in time and memory.

The cells are written straight to the store: two hundred occupied buckets a numeric column and day (48 columns), forty values
a text column and day (12), rows and labels by 24 slices, a verdict a model and day, an incident in every fifth model.
Each answer is asked in a process of its own, which tells its own peak of memory (VmHWM), the interpreter and all its
libraries in it.

`python -m bench.filled [--models 50] [--days 90]`
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb

from bench.record import Row, note, say
from watchglass.alert.watch import Watch
from watchglass.records import Incident, Verdict
from watchglass.store import catalog as c
from watchglass.store.folder import prepare
from watchglass.store.histories import history
from watchglass.store.judgements import Judged, keep_incident, keep_verdicts
from watchglass.store.leases import hold
from watchglass.store.models import model_named
from watchglass.store.parquet import write
from watchglass.store.reader import close_reader
from watchglass.store.transactions import connect, writing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder

BEGIN: Final = datetime(2026, 6, 1, tzinfo=UTC)
NUMBERS: Final = 48
TEXTS: Final = 12
BUCKETS: Final = 200
VALUES: Final = 40
SLICES: Final = 24
SECONDS: Final = 1.0
MEGABYTES: Final = 500
ROWS_A_DAY: Final = 22_222
ASKED: Final = {
    "performance of a model": "[(m.name, m.performance, m.series) for m in [next(m for m in store.models() if m.name == 'model 01')]]",
    "performance of a model, by version and by slice": "(store.ask('accuracy_by_version', model='model 01'), store.ask('worst_slices', model='model 01'))",
    "drift strip": "drift_strip(store._engine, 'model 01', 'live')",
    "distribution of one column": "store.distribution('model 01', ['n07'])",
    "distribution of one column, day by day": "store.distribution('model 01', ['n07'], by='day')",
    "worst models": "store.models()",
}
JUDGED: Final = "model 01"
_JUDGE: Final = """
import json, sys, time
from pathlib import Path
from bench.filled import judge
begun = time.perf_counter()
windows = judge(Path(sys.argv[1]), int(sys.argv[2]))
took = time.perf_counter() - begun
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps([took, int(peak.split()[1]) / 1024, windows]))
"""
_CHILD: Final = """
import json, sys, time
from pathlib import Path
import watchglass as wg
from watchglass.store.judgements import drift_strip
with wg.open(sys.argv[1]) as store:
    begun = time.perf_counter()
    answer = eval(sys.argv[2])
    first = time.perf_counter() - begun
    begun = time.perf_counter()
    answer = eval(sys.argv[2])
    again = time.perf_counter() - begun
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps([first, again, int(peak.split()[1]) / 1024, len(answer)]))
"""


def _cells(days: int) -> str:
    """Write the SELECT of one model's cells."""
    common = "'1' AS version, 'live' AS environment, (DATE '2026-06-01' + d::INTEGER) AS day"
    share = f"({ROWS_A_DAY} / {BUCKETS})::BIGINT + hash(c * 1000 + b + d * 7919) % 40"
    numbers = (
        f"SELECT {common}, '' AS slice, format('n{{:02d}}', c) AS name, 'number' AS kind, (65536 + 3 * b + c)::BIGINT AS bucket,"
        f" NULL::VARCHAR AS value, NULL::DATE AS known, ({share})::BIGINT AS n FROM range({days}) t(d), range({NUMBERS}) u(c), range({BUCKETS}) v(b)"
    )
    texts = (
        f"SELECT {common}, '' AS slice, format('t{{:02d}}', c) AS name, 'category' AS kind, 0::BIGINT AS bucket, 'value ' || b AS value,"
        f" NULL::DATE AS known, ({share})::BIGINT AS n FROM range({days}) t(d), range({TEXTS}) u(c), range({VALUES}) v(b)"
    )
    slice_name = "CASE WHEN s = 0 THEN '' ELSE '{\"site\":\"site ' || s || '\"}' END"
    rows = (
        f"SELECT {common}, {slice_name} AS slice, '' AS name, 'rows' AS kind, 0::BIGINT AS bucket, NULL::VARCHAR AS value, NULL::DATE AS known,"
        f" CASE WHEN s = 0 THEN {ROWS_A_DAY} ELSE {ROWS_A_DAY // SLICES} END::BIGINT AS n FROM range({days}) t(d), range({SLICES + 1}) s(s)"
    )
    labels = (
        f"SELECT {common}, {slice_name} AS slice, '' AS name, k AS kind, 0::BIGINT AS bucket, NULL::VARCHAR AS value, day + 1 + g::INTEGER AS known,"
        f" (CASE WHEN s = 0 THEN {ROWS_A_DAY // 5} ELSE {ROWS_A_DAY // 5 // SLICES} END * CASE WHEN k = 'correct' THEN 0.9 ELSE 1 END)::BIGINT AS n"
        f" FROM range({days}) t(d), range({SLICES + 1}) s(s), range(3) w(g), (VALUES ('labelled'), ('correct')) y(k)"
    )
    return f"{numbers} UNION ALL {texts} UNION ALL {rows} UNION ALL {labels}"


def fill(root: Path, models: int, days: int) -> tuple[Folder, Engine, int]:
    """Write the store; gives how many cells it has."""
    folder = prepare(root, create=True)
    engine = connect(folder)
    cells = 0
    edges = json.dumps([65536 + 20 * place for place in range(31)])
    with duckdb.connect() as connection:
        connection.execute("SET memory_limit = '2GB'; SET preserve_insertion_order = false")
        connection.execute(f"CREATE TEMP TABLE filled AS {_cells(days)}")
        for number in range(models):
            name = f"model {number:02d}"
            file = write(folder, connection, "cells", name, "SELECT * FROM filled", "name, slice, day") or {}
            cells += int(str(file["rows"]))
            with writing(engine) as transaction:
                transaction.execute(c.files.insert(), [file])
                time_of = int(BEGIN.timestamp() * 1e6)
                transaction.execute(
                    c.models.insert().values(
                        name=name, slices='["site"]', window="1d", label_delay="1d", time=time_of, reference=30
                    )
                )
                columns = [
                    {
                        "model": name,
                        "role": "feature",
                        "name": f"n{i:02d}",
                        "type": "number",
                        "centre": 0.0,
                        "scale": 1.0,
                        "edges": edges,
                        "categories": None,
                    }
                    for i in range(NUMBERS)
                ]
                values = json.dumps([f"value {i}" for i in range(VALUES)])
                columns += [
                    {
                        "model": name,
                        "role": "feature",
                        "name": f"t{i:02d}",
                        "type": "text",
                        "centre": None,
                        "scale": None,
                        "edges": None,
                        "categories": values,
                    }
                    for i in range(TEXTS)
                ]
                transaction.execute(c.columns.insert(), columns)
                keep_verdicts(transaction, [_verdict(name, day) for day in range(30, days)])
                if number % 5 == 0:
                    keep_incident(transaction, _incident(number + 1, name))
    return folder, engine, cells


def _verdict(model: str, day: int) -> Judged:
    start = BEGIN + timedelta(days=day)
    return Judged(Verdict(model, "live", "drift", start, start + timedelta(days=1), "met", 0.1), 0.3)


def _incident(number: int, model: str) -> Incident:
    onset = BEGIN + timedelta(days=70)
    return Incident(
        id=number,
        model=model,
        environment="live",
        kind="drift",
        severity="notice",
        state="open",
        onset=onset,
        onset_low=onset,
        onset_high=onset,
        closed=None,
        evidence=2.0,
        raised=onset + timedelta(days=2),
        title=f"{model} drifts",
        sentence=f"{model} drifts.",
    )


def asked(root: Path, expression: str) -> tuple[float, float, float]:
    """Ask in a process of its own: seconds of the first time and of the next, and its peak of memory in MB."""
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(root), expression], stdout=subprocess.PIPE, text=True, check=True
    )
    first, again, peak, _ = json.loads(done.stdout)
    return first, again, peak


def judge(root: Path, until: int) -> int:
    """Judge the windows of one model up to one that are not judged yet, as a round does; gives how many."""
    folder = prepare(root)
    engine = connect(folder)
    done = 0
    try:
        with hold(engine, "monitors") as lease:
            counted = history(folder, engine, JUDGED)
            with engine.connect() as connection:
                model = model_named(connection, JUDGED)
            if lease is not None and counted is not None:
                watch = Watch.take_up(folder, engine, model, counted)
                for window in range(watch.next_window(), until):
                    watch.step(window, lease, newest=window == until - 1)
                    done += 1
    finally:
        close_reader(engine)
        engine.dispose()
    return done


def judged(root: Path, days: int) -> Sequence[Row]:
    """Judge a new window of one model in a process of its own, all before it judged here."""
    begun = time.monotonic()
    before = judge(root, days - 1)
    note(f"{before} windows of a model judged in {time.monotonic() - begun:.1f} s")
    told = subprocess.run(
        [sys.executable, "-c", _JUDGE, str(root), str(days)], stdout=subprocess.PIPE, text=True, check=True
    )
    took, peak, windows = json.loads(told.stdout)
    note(f"a new window: {took:.3f} s, {peak:.0f} MB")
    what = f"judging a new window of a model of {NUMBERS + TEXTS} columns, drift and labelled performance"
    detail = f"{windows} window, its history of {days} days read, in a fresh process"
    return [Row(what, "s", took, detail=detail), Row(f"{what}, peak of memory", "MB", peak)]


def measured(root: Path) -> Sequence[Row]:
    """Ask each, three processes in turn, and take the best."""
    found = []
    for what, expression in ASKED.items():
        told = [asked(root, expression) for _ in range(3)]
        first, again, peak = (min(each[place] for each in told) for place in range(3))
        note(f"{what}: first {first:.3f} s, again {again:.3f} s, {peak:.0f} MB")
        detail = f"a fresh process, its first question; the same again: {again * 1000:.0f} ms"
        found.append(Row(what, "s", first, f"≤ {SECONDS:g} s", ok=first <= SECONDS, detail=detail))
        found.append(Row(f"{what}, peak of memory", "MB", peak, f"≤ {MEGABYTES} MB", ok=peak <= MEGABYTES))
    return found


def main() -> None:
    """Fill a store and ask."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--models", type=int, default=50)
    arguments.add_argument("--days", type=int, default=90)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="watchglass-filled-") as home:
        begun = time.monotonic()
        root = Path(home) / "store"
        _, engine, cells = fill(root, given.models, given.days)
        engine.dispose()
        note(f"{cells} cells of {given.models} models in {time.monotonic() - begun:.0f} s")
        say("filled", [*measured(root), *judged(root, given.days)])


if __name__ == "__main__":
    main()
