"""A number of rows → a store that has run for a month: 5 models, 30 columns, labels, runs and artifacts, real files of the real format.

`month(rows)` gives its folder, made at the first call and kept in the temporary folder under a name that tells
the rows, the catalog's version and the form of this ground, so that several benchmarks share it. `counted` says whether
the cells have followed and the catalog is mirrored. Delete it with `rm -r /tmp/watchglass-month-*`; WATCHGLASS_BENCH_ROWS makes a smaller one.

`python -m bench.month [--rows 10000000] [--counted]`
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb

from bench.record import note
from watchglass.store import catalog as c
from watchglass.store.cells import follow
from watchglass.store.folder import Folder, prepare
from watchglass.store.mirror import mirror
from watchglass.store.parquet import write
from watchglass.store.transactions import SCHEMA_VERSION, connect, next_change, writing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

ROWS: Final = int(os.environ.get("WATCHGLASS_BENCH_ROWS", "10000000"))
FORM: Final = 1
"""Raised when the rows change, so that no benchmark measures an older ground."""
MODELS: Final = ("churn", "credit", "demand", "fraud", "ranking")
DAYS: Final = 30
BEGIN: Final = 1_780_272_000_000_000
"""2026-06-01T00:00Z in µs: the month is June."""
DAY: Final = 86_400_000_000
NUMBERS: Final = tuple(f"n{i:02d}" for i in range(1, 21))
TEXTS: Final = ("campaign", "country", "device", "plan")
TAGS: Final = ("channel", "customer", "site")
SLICES: Final = ("channel", "site")
SUBJECTS: Final = 200_000
BAD_DATA: Final = 17
"""The day whose version of the table `features.MODEL` was broken: the models trained on it are wrong more often."""
SHADOW: Final = 8
"""One of so many rows of the model fraud is also scored in the environment shadow, under the same id."""
_STEPS: Final = ("load", "clean", "join", "features", "split", "train", "evaluate", "publish")


def _chance(salt: int, of: str = "i") -> str:
    """Write a number in [0, 1) that depends on the row alone, so that a label knows its prediction."""
    return f"((hash({of} * 64 + {salt}) >> 11) / 9007199254740992.0)"


def _number(place: int) -> str:
    """Write a column of numbers as they are met: amounts with cents, ages, ratios, counts; some missing."""
    chance = _chance(place)
    shape = (
        f"round(-ln(1 - {chance}) * {10 * place}, 2)",
        f"round(sqrt(-2 * ln(1 - {chance})) * cos(6.283185307 * {_chance(40, 'i + 7')}) * {place} + 100, 3)",
        f"round({chance}, 4)",
        f"floor({chance} * {chance} * 1000)",
    )[place % 4]
    return f"CASE WHEN {_chance(41, f'i + {place}')} < 0.03 THEN NULL ELSE {shape} END" if place % 5 == 0 else shape


def _id(model: int) -> str:
    """Write a row's id, as long and as random as a UUID of version 7."""
    stamp = f"lpad(lower(to_hex(({BEGIN // 1000} + day * 86400000 + (elapsed / 1000)::BIGINT)::BIGINT)), 12, '0')"
    return (
        f"substr({stamp}, 1, 8) || '-' || substr({stamp}, 9, 4) || '-7' || substr(m, 1, 3) || '-8' || substr(m, 4, 3) || '-{model:02x}'"
        " || substr(m, 7, 10)"
    )


def _base(model: int, day: int, rows: int) -> str:
    """Write the rows of a day as numbers: place, µs of the day, the random part of the id, truth and whether it was met."""
    version, first = day // 7 + 1, (model * DAYS + day) * rows
    right = 0.74 if (version - 1) * 7 <= BAD_DATA < version * 7 else 0.92
    return (
        f"SELECT i, {day}::BIGINT AS day, '{version}' AS version, (i - {first}) * {DAY // rows} AS elapsed, md5(i::VARCHAR) AS m,"
        f" {_chance(50)} < 0.3 AS truth, {_chance(51)} < {right} - 0.1 * ({_chance(52)} * 12 < 1)::INT AS met"
        f" FROM range({first}, {first + rows}) t(i)"
    )


def predictions(model: int, day: int, rows: int, *, shadow: bool = False) -> str:
    """Write the SELECT of a day's predictions of a model, in the order of their time."""
    name = MODELS[model]
    numbers = ", ".join(f"{label} := {_number(place)}" for place, label in enumerate(NUMBERS, start=1))
    texts = (
        f"campaign := CASE WHEN {_chance(60)} < 0.02 THEN NULL ELSE 'c' || ({_chance(61)} * {_chance(61)} * {40 + 3 * day})::INT END,"
        f" country := ['de', 'fr', 'it', 'es', 'pl', 'nl', 'at', 'be'][1 + ({_chance(62)} * 7.99)::INT],"
        f" device := ['phone', 'laptop', 'tablet'][1 + ({_chance(63)} * 2.99)::INT],"
        f" plan := ['free', 'plus', 'team'][1 + ({_chance(53)} * 2.99)::INT]"
    )
    tags = (
        f"channel := ['web', 'app', 'post'][1 + ({_chance(54)} * 2.99)::INT],"
        f" customer := 'u' || ({_chance(55)} * {SUBJECTS})::INT, site := 'site ' || ({_chance(52)} * 12)::INT"
    )
    said, environment, version = ("(truth = met)", "live", "version")
    if shadow:
        said, environment, version = (
            f"(truth = (met <> ({_chance(56)} < 0.08)))",
            "shadow",
            "(version::INT + 1)::VARCHAR",
        )
    return (
        f"SELECT {_id(model)} AS id, make_timestamp({BEGIN + day * DAY} + elapsed) AS time, '{name}' AS model, {version} AS version,"
        f" '{environment}' AS environment, CASE WHEN {said} THEN 'yes' ELSE 'no' END AS prediction, NULL::DOUBLE AS prediction_number,"
        f" round(CASE WHEN {said} THEN 1 - 0.5 * {_chance(57)} ELSE 0.5 * {_chance(57)} END, 4) AS score, NULL::VARCHAR AS scores,"
        f" round(3 - ln(1 - {_chance(58)}) * 9, 3) AS latency, 'serve-{name}-{day:02d}' AS run, NULL::VARCHAR AS trace,"
        f" NULL::BIGINT AS weight, CASE WHEN {_chance(59)} < 0.001 THEN 'TimeoutError: features' END AS error,"
        f" struct_pack({texts}, {numbers}) AS features, struct_pack({tags}) AS tags FROM ({_base(model, day, rows)})"
        f" WHERE {f'i % {SHADOW} = 0' if shadow else 'true'}"
    )


def labels(model: int, day: int, rows: int) -> str:
    """Write the SELECT of the labels of a day's predictions: three of five get one, 6 to 54 hours later; one in a hundred is corrected."""
    told = f"SELECT *, elapsed + {DAY // 4} + ({_chance(70)} * {2 * DAY})::BIGINT AS known FROM ({_base(model, day, rows)}) WHERE {_chance(71)} < 0.594"
    return (
        f"SELECT {_id(model)} AS id, make_timestamp({BEGIN + day * DAY} + known + again * {DAY}) AS time, '{MODELS[model]}' AS model,"
        " 'live' AS environment, CASE WHEN truth <> (again = 0 AND corrected) THEN 'yes' ELSE 'no' END AS label"
        f" FROM (SELECT *, {_chance(72)} < 0.01 AS corrected FROM ({told})), range(2) g(again) WHERE again = 0 OR corrected"
    )


def _registered(transaction: Connection) -> None:
    """Declare the models, their columns, versions and deployments."""
    kinds = [("feature", name, "number") for name in NUMBERS]
    kinds += [("feature", name, "text") for name in TEXTS] + [("tag", name, "text") for name in TAGS]
    for name in MODELS:
        transaction.execute(
            c.models.insert().values(name=name, slices=json.dumps(SLICES), window="1d", label_delay="3d", time=BEGIN)
        )
        transaction.execute(
            c.columns.insert(),
            [
                {
                    "model": name,
                    "role": role,
                    "name": column,
                    "type": kind,
                    "purpose": "subject" if column == "customer" else None,
                }
                for role, column, kind in kinds
            ],
        )
        for version in range(1, DAYS // 7 + 3):
            day = min((version - 1) * 7, DAYS - 1)
            run = f"train-{name}-{day:02d}"
            about = {"model": name, "version": str(version), "time": BEGIN + day * DAY, "run": run}
            transaction.execute(
                c.model_versions.insert().values(artifact=f"model.{name}", artifact_version=f"v{version}", **about)
            )
            transaction.execute(c.deployments.insert().values(environment="live", **about))


def _worked(transaction: Connection) -> None:
    """Record a month of nightly pipelines: eight steps a model and night, and the run that serves; each reads what the one before wrote."""
    runs, reads, writes, artifacts = [], [], [], []
    changed = next_change(transaction)
    for name in MODELS:
        for day in range(DAYS):
            begun = BEGIN + day * DAY - DAY // 8
            for place, step in enumerate((*_STEPS, "serve")):
                run = f"{step}-{name}-{day:02d}"
                started = begun + place * 600_000_000
                failed = step == "load" and (day * 7 + len(name)) % 11 == 0
                runs.append(
                    {
                        "id": run,
                        "component": f"{step}_{name}",
                        "version": f"{day // 10 + 1}",
                        "started": started,
                        "ended": started + (1 + place) * 60_000_000 + day * 1_000_000,
                        "status": "error" if failed else "ok",
                        "error": "ConnectionError: warehouse" if failed else None,
                        "code": json.dumps({"function": step, "file": f"pipelines/{name}.py", "line": 10 * place + 1}),
                        "host": f"worker-{day % 3}",
                        "pid": 1000 + place,
                        "changed": changed,
                    }
                )
                before, after = ("raw", *_STEPS[:-1], "publish")[place], step
                reads.append(_edge(run, f"{before}.{name}", day, started, changed))
                if step != "serve":
                    writes.append(_edge(run, f"{after}.{name}", day, started + 60_000_000, changed))
                    artifacts.append(_artifact(f"{after}.{name}", day, started + 60_000_000, changed))
            artifacts.append(_artifact(f"raw.{name}", day, begun, changed))
    for table, listed in ((c.runs, runs), (c.reads, reads), (c.writes, writes), (c.artifacts, artifacts)):
        transaction.execute(table.insert(), listed)


def _edge(run: str, name: str, day: int, at: int, changed: int) -> dict[str, object]:
    return {"run": run, "name": name, "version": f"d{day:02d}", "rule": "content", "time": at, "changed": changed}


def _artifact(name: str, day: int, at: int, changed: int) -> dict[str, object]:
    about = {"kind": "table", "rows": 50_000 + day, "columns": json.dumps(NUMBERS), "bytes": 8_000_000, "path": None}
    return {"name": name, "version": f"d{day:02d}", "time": at, "changed": changed, "preview": None, **about}


def make(root: Path, rows: int) -> None:
    """Write the store: a file a model and day of predictions, one of their labels, listed as compaction lists them."""
    folder = prepare(root, create=True)
    engine = connect(folder)
    share = max(rows // (len(MODELS) * DAYS), 1)
    begun = time.monotonic()
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET memory_limit = '1GB'")
        for day in range(DAYS):
            written = []
            for model, name in enumerate(MODELS):
                selects = [("predictions", predictions(model, day, share))]
                selects += [("predictions", predictions(model, day, share, shadow=True))] if name == "fraud" else []
                selects += [("labels", labels(model, day, share))]
                written += [write(folder, connection, kind, name, select, "") for kind, select in selects]
            with writing(engine) as transaction:
                transaction.execute(c.files.insert(), [file for file in written if file is not None])
            note(f"month: day {day + 1} of {DAYS}, {time.monotonic() - begun:.0f} s")
    with writing(engine) as transaction:
        _registered(transaction)
        _worked(transaction)
    engine.dispose()


def _named(rows: int, *, counted: bool) -> Path:
    return (
        Path(tempfile.gettempdir()) / f"watchglass-month-{rows}-v{SCHEMA_VERSION}-{FORM}{'-counted' if counted else ''}"
    )


def month(rows: int = ROWS, *, counted: bool = False) -> Path:
    """Give the folder of the store, made when it is not there yet. Do not change it: take a `copy_of` it."""
    home = _named(rows, counted=counted)
    if home.exists():
        return home
    aside = home.with_name(f"{home.name}.{os.getpid()}")
    if counted:
        linked(month(rows), aside)
        folder = prepare(aside)
        engine = connect(folder)
        begun = time.monotonic()
        note(f"month: {follow(folder, engine)} files counted in {time.monotonic() - begun:.0f} s")
        mirror(folder, engine, late=0)
        engine.dispose()
    else:
        make(aside, rows)
    try:
        aside.rename(home)
    except OSError:  # another process was first
        shutil.rmtree(aside)
    return home


def linked(store: Path, target: Path) -> Path:
    """Copy a store whose tables are hard links, for who wants to change it: files of tables are never written twice."""

    def placed(source: str, wanted: str) -> None:
        if Path(source).suffix in (".parquet", ".ids"):
            os.link(source, wanted)
        else:
            shutil.copy2(source, wanted)

    shutil.copytree(store, target, copy_function=placed)
    return target


@contextmanager
def copy_of(store: Path) -> Iterator[Folder]:
    """Give a copy to change, with the tables that the catalog got since the store was made; deleted afterwards."""
    target = store.with_name(f"{store.name}.copy-{os.getpid()}")
    try:
        folder = prepare(linked(store, target))
        engine = connect(folder)
        c.META.create_all(engine)
        engine.dispose()
        yield folder
    finally:
        shutil.rmtree(target, ignore_errors=True)


def main() -> None:
    """Make it and say where it lies."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=ROWS)
    arguments.add_argument("--counted", action="store_true")
    given = arguments.parse_args()
    note(str(month(given.rows, counted=given.counted)))


if __name__ == "__main__":
    main()
