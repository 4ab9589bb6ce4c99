"""A month of ten million predictions → what each of the twenty questions, and the histograms of twenty columns, take beside bare DuckDB.

The bare statement is what one would write by hand over the very same files, in a DuckDB of its own with its default
settings, in turn with ours; the catalog's tables lie before it as Parquet files, as its mirror does.
It answers no more than the question, and checks nothing.

`python -m bench.questions [--rows 10000000] [--rounds 3]`
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb

from bench.month import NUMBERS, ROWS, month
from bench.record import Row, note, say
from watchglass.reading import Store
from watchglass.store.distribution import Wanted, distribution
from watchglass.store.questions.answering import QUESTIONS, answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NOW: Final = datetime(2026, 7, 1, tzinfo=UTC)
RATIO: Final = 1.5
MORE: Final = 20.0  # ms
CELLS: Final = 50.0  # ms
PEAK: Final = 1500.0  # MB
_TRUTH: Final = "(SELECT id, arg_max(label, time) AS label, min(time) AS first FROM {labels} GROUP BY id)"
_WALK: Final = (
    "WITH RECURSIVE up(run, hops) AS (SELECT 'train-fraud-20', 0 UNION SELECT w.run, hops + 1 FROM up JOIN {reads} r ON r.run = up.run"
    " JOIN {writes} w ON w.name = r.name AND w.version = r.version) SELECT hops, name, version, r.run FROM up JOIN {reads} r USING (run) ORDER BY hops"
)
_RIGHT: Final = "sum(n) FILTER (kind = 'correct') / sum(n) FILTER (kind = 'labelled')"
_FAILED: Final = "status NOT IN ('ok', 'running')"
BARE: Final[Mapping[str, str]] = {
    "worst_data_version": "SELECT version, prediction, label, count(*) FROM {predictions} JOIN {truth} USING (id) WHERE environment = 'live' GROUP BY ALL",
    "confusion": "SELECT label, prediction, count(*) FROM {predictions} JOIN {truth} USING (id) WHERE environment = 'live' GROUP BY ALL",
    "confident_errors": "SELECT id, time, version, prediction, label, score, greatest(score, 1 - score) AS sure, run FROM {predictions} JOIN {truth} USING (id)"
    " WHERE environment = 'live' AND prediction <> label ORDER BY sure DESC, time DESC LIMIT 50",
    "disagreement": "SELECT a.version, b.version, count(*), count(*) FILTER (a.prediction <> b.prediction), count(label),"
    " count(*) FILTER (a.prediction = label AND b.prediction <> label), count(*) FILTER (a.prediction <> label AND b.prediction = label)"
    " FROM (SELECT id, version, prediction FROM {predictions} WHERE environment = 'live') a"
    " JOIN (SELECT id, version, prediction FROM {predictions} WHERE environment = 'shadow') b USING (id) LEFT JOIN {truth} USING (id) GROUP BY ALL",
    "label_lag": "SELECT time::DATE AS day, count(*), quantile_cont(epoch_us(first) - epoch_us(time), [0.5, 0.9, 0.99, 1]) FROM {predictions} JOIN {truth}"
    " USING (id) WHERE environment = 'live' GROUP BY day ORDER BY day",
    "predictions_without_label": "SELECT id, time, version, prediction, score, run, count(*) OVER () FROM {predictions} ANTI JOIN {truth} USING (id)"
    " WHERE environment = 'live' AND time < TIMESTAMP '2026-06-28' ORDER BY time LIMIT 100",
    "accuracy_by_version": f"SELECT version, min(day), max(day), sum(n) FILTER (kind = 'rows'), {_RIGHT} FROM {{cells}} WHERE environment = 'live'"
    " AND name = '' AND slice = '' GROUP BY version ORDER BY 2",
    "worst_slices": f"SELECT slice, sum(n) FILTER (kind = 'rows'), {_RIGHT} AS share FROM {{cells}} WHERE environment = 'live' AND name = '' GROUP BY slice ORDER BY share",
    "label_coverage": "SELECT day, sum(n) FILTER (kind = 'rows'), sum(n) FILTER (kind = 'labelled') FROM {cells} WHERE environment = 'live' AND name = ''"
    " AND slice = '' GROUP BY day ORDER BY day",
    "missing_values": "SELECT name, sum(n) FILTER (day >= DATE '2026-06-30'), sum(n) FILTER (kind = 'missing' AND day >= DATE '2026-06-30'),"
    " sum(n) FILTER (kind = 'missing' AND day < DATE '2026-06-30') / sum(n) FILTER (day < DATE '2026-06-30') FROM {cells}"
    " WHERE environment = 'live' AND slice = '' AND name <> '' GROUP BY name ORDER BY name",
    "new_values": "SELECT name, value, min(day) AS first, sum(n) FROM {cells} WHERE environment = 'live' AND slice = '' AND kind = 'category'"
    " GROUP BY name, value HAVING first >= DATE '2026-06-30' ORDER BY name",
    "predictions_of_subject": "WITH found AS (SELECT id, time, version, environment, prediction, score, run FROM {predictions} WHERE tags.customer = 'u777')"
    " SELECT found.*, label FROM found LEFT JOIN (SELECT id, arg_max(label, time) AS label FROM {labels} SEMI JOIN found USING (id) GROUP BY id) USING (id)"
    " ORDER BY time DESC LIMIT 100",
    "prediction_path": "SELECT version, run FROM {predictions} WHERE id = $id AND environment = 'live' LIMIT 1",
    "inputs_of_run": _WALK,
    "traffic": "SELECT date_trunc('hour', time) AS hour, count(*), count(error), quantile_cont(latency, [0.5, 0.95, 0.99]) FROM {predictions}"
    " WHERE environment = 'live' GROUP BY hour ORDER BY hour",
    "who_read": "SELECT r.time, r.run, u.component, u.version, u.status, r.version FROM {reads} r LEFT JOIN {runs} u ON u.id = r.run"
    " WHERE r.name = 'features.fraud' AND r.time >= 1782259200000000 ORDER BY r.time DESC LIMIT 100",
    "failed_runs": f"SELECT started, id, component, status, error FROM {{runs}} WHERE {_FAILED} AND started >= 1782259200000000 ORDER BY started DESC LIMIT 100",
    "slowest_components": "SELECT component, count(*), median(ended - started), quantile_cont(ended - started, 0.95), max(ended - started) FROM {runs}"
    " WHERE started >= 1782259200000000 GROUP BY component ORDER BY 3 DESC LIMIT 100",
    "artifact_history": "SELECT a.time, a.version, a.rows, w.run, s.readers FROM {artifacts} a LEFT JOIN (SELECT version, arg_min(run, time) AS run FROM {writes}"
    " WHERE name = 'features.fraud' GROUP BY version) w USING (version) LEFT JOIN (SELECT version, count(*) AS readers FROM {reads} WHERE name = 'features.fraud'"
    " GROUP BY version) s USING (version) WHERE a.name = 'features.fraud' ORDER BY a.time DESC LIMIT 100",
    "what_changed": "SELECT * FROM (SELECT min(started) AS time, component AS name, version FROM {runs} GROUP BY component, version UNION ALL"
    " SELECT time, model, version FROM {deployments} UNION ALL SELECT time, name, columns FROM {artifacts} UNION ALL"
    f" SELECT started, component, error FROM {{runs}} WHERE {_FAILED}) WHERE time >= 1782777600000000 ORDER BY time DESC LIMIT 100",
}
GRAPH: Final = ("runs", "reads", "writes", "artifacts", "deployments")


def _files(store: Store, kind: str) -> str:
    """Write what reads the files of the model fraud of a kind."""
    found = store._engine.raw_connection()  # noqa: SLF001 - the manifest, as it lies
    try:
        rows = found.cursor().execute(
            "SELECT path FROM files WHERE kind = ? AND model = 'fraud' AND removed IS NULL ORDER BY seq", [kind]
        )
        paths = ", ".join(f"'{store.path}/tables/{path}'" for (path,) in rows)
    finally:
        found.close()
    return f"read_parquet([{paths}])"


def _mirrored(store: Store, folder: Path) -> dict[str, str]:
    """Write the catalog's tables as Parquet files."""
    found = {}
    source = store._engine.raw_connection()  # noqa: SLF001 - as it lies
    with duckdb.connect() as connection:
        for name in GRAPH:
            cursor = source.cursor()
            cursor.execute(f"SELECT * FROM {name}")
            names = [column[0] for column in cursor.description or ()]
            columns = dict(zip(names, map(list, zip(*cursor.fetchall(), strict=True)), strict=True))
            kinds = [
                f"{key}::{'BIGINT' if any(isinstance(value, int) for value in values) else 'VARCHAR'} AS {key}"
                for key, values in columns.items()
            ]
            import polars as pl  # noqa: PLC0415 - costs only this

            connection.register("listed", pl.DataFrame(columns, strict=False, infer_schema_length=None).to_arrow())
            connection.execute(f"COPY (SELECT {', '.join(kinds)} FROM listed) TO '{folder}/{name}.parquet'")
            connection.unregister("listed")
            found[name] = f"read_parquet('{folder}/{name}.parquet')"
    source.close()
    return found


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


def _fetched(bare: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, object]) -> None:
    (bare.execute(sql, dict(values)) if values else bare.execute(sql)).fetchall()


def _given(store: Store) -> dict[str, object]:
    """Give a value for every parameter that a question may need."""
    some = store.sql("SELECT id FROM predictions WHERE model = 'fraud' AND environment = 'live' LIMIT 1").rows()[0][
        "id"
    ]
    return {"model": "fraud", "name": "features.fraud", "run": "train-fraud-20", "id": some, "subject": "u777"}


def questions(store: Store, bare: duckdb.DuckDBPyConnection, names: Mapping[str, str], rounds: int) -> list[Row]:
    """Ask each of the twenty, in turn with the bare statement."""
    rows = []
    values = _given(store)
    for name, question in QUESTIONS.items():
        given = {each.name: values[each.name] for each in question.parameters if each.needed}
        sql = BARE[name].format_map({**names, "truth": _TRUTH.format_map(names)})
        bound = {"id": values["id"]} if "$id" in sql else {}
        ours, theirs = [], []
        asked = partial(answer, store._folder, store._engine, name, given, NOW)  # noqa: SLF001 - the clock is an argument there
        for _ in range(rounds):
            theirs.append(_timed(partial(_fetched, bare, sql, bound)))
            ours.append(_timed(asked))
        rows.append(_row(f"ask {name}, from {question.source}", min(ours), min(theirs)))
    return rows


def _row(what: str, ours: float, bare: float, more: float = MORE) -> Row:
    limit = RATIO * bare + more
    note(f"{what}: {ours:.1f} ms, bare {bare:.1f} ms, {'held' if ours <= limit else 'MISSED'}")
    bar = f"≤ {RATIO} × the limit" + (f" + {more:g} ms" if more else "")
    return Row(what, "ms", ours, bar, bare, "bare DuckDB, the same files", ours <= limit)


def histograms(store: Store, bare: duckdb.DuckDBPyConnection, names: Mapping[str, str], rounds: int) -> list[Row]:
    """Draw twenty columns from rows, in turn with DuckDB's own least, greatest and histogram; and from cells."""
    predictions = names["predictions"]

    def drawn() -> None:
        ends = ", ".join(f"min(features.{name}), max(features.{name})" for name in NUMBERS)
        found = bare.execute(f"SELECT {ends} FROM {predictions} WHERE environment = 'live'").fetchone() or ()
        parts = []
        for place, name in enumerate(NUMBERS):
            low, high = found[2 * place], found[2 * place + 1]
            edges = [low + (high - low) * step / 32 for step in range(1, 33)]
            parts.append(f"histogram(features.{name}, {edges})")
        bare.execute(f"SELECT {', '.join(parts)} FROM {predictions} WHERE environment = 'live'").fetchall()

    def ours(source: str) -> Callable[[], object]:
        wanted = Wanted(NUMBERS, source=source)
        return lambda: distribution(store._folder, store._engine, "fraud", wanted)  # noqa: SLF001 - as above

    theirs, rows, cells = [], [], []
    for _ in range(rounds):
        theirs.append(_timed(drawn))
        rows.append(_timed(ours("rows")))
        cells.append(_timed(ours("cells")))
    first = _row("histograms of 20 columns of a model, from rows", min(rows), min(theirs), 0.0)
    note(f"from cells: {min(cells):.1f} ms")
    told = f"30 days; the first time {cells[0]:.0f} ms"
    second = Row(
        "histograms of 20 columns of a model, from cells",
        "ms",
        min(cells),
        f"≤ {CELLS:g} ms",
        ok=min(cells) <= CELLS,
        detail=told,
    )
    return [first, second]


def peak(store: Store) -> None:
    """Ask everything once and print this process's peak of memory, in MB."""
    values = _given(store)
    for name, question in QUESTIONS.items():
        given = {each.name: values[each.name] for each in question.parameters if each.needed}
        answer(store._folder, store._engine, name, given, NOW)  # noqa: SLF001 - as above
    distribution(store._folder, store._engine, "fraud", Wanted(NUMBERS, source="rows"))  # noqa: SLF001 - as above
    lines = Path("/proc/self/status").read_text().splitlines()
    sys.stdout.write(str(int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024))


def main() -> None:
    """Measure."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=ROWS)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--peak", action="store_true", help="only this process's peak of memory")
    given = arguments.parse_args()
    with Store(month(given.rows, counted=True)) as store, tempfile.TemporaryDirectory() as folder:
        if given.peak:
            peak(store)
            return
        names = {kind: _files(store, kind) for kind in ("predictions", "labels", "cells")} | _mirrored(
            store, Path(folder)
        )
        with duckdb.connect() as bare:
            bare.execute("SET TimeZone = 'UTC'; SET parquet_metadata_cache = true")
            rows = [*questions(store, bare, names, given.rounds), *histograms(store, bare, names, given.rounds)]
    command = [sys.executable, "-m", "bench.questions", "--rows", str(given.rows), "--peak"]
    told = float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    note(f"peak of memory: {told:.0f} MB")
    rows.append(Row("all of these in one process, peak of memory", "MB", told, f"≤ {PEAK:g} MB", ok=told <= PEAK))
    say("questions", rows)


if __name__ == "__main__":
    main()
