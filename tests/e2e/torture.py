"""Processes that are killed, what they acknowledged before, and what a store answers: the means of the kill tests."""

from __future__ import annotations

import os
import random
import signal
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import watchglass as wg
from watchglass.store.cells import follow
from watchglass.store.compact import compact
from watchglass.store.merge import merge

HERE = Path(__file__).parent
LONG = bool(os.environ.get("WATCHGLASS_TORTURE"))
SEED = int(os.environ.get("WATCHGLASS_SEED", "0")) or random.SystemRandom().randrange(1 << 30)
"""Printed when a test fails: WATCHGLASS_SEED=… chooses the same victims in the same order."""
QUICK_ROLL = {"WATCHGLASS_ROLL_BYTES": "60000", "WATCHGLASS_ROLL_SECONDS": "0.5"}


def stop(processes):
    """End what still lives, however a test ended."""
    for process in processes:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()


def start(script, *arguments, **environment):
    """Start one of the scripts here."""
    code = f"import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path({str(HERE / script)!r}, run_name='__main__')"
    return bound(code, script, *arguments, **environment)


def bound(code, *arguments, **environment):
    """Run Python code in a process that the kernel ends when this one ends, whatever way."""
    command = [sys.executable, "-c", f"import ctypes; ctypes.CDLL(None).prctl(1, 9); {code}", *map(str, arguments)]
    env = {**os.environ, **environment}
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, env=env, start_new_session=True)


def kill(process):
    """Kill -9 a process; says whether it lived until then."""
    code = process.poll()
    assert code in (None, -signal.SIGKILL), f"{process.args[3:5]} ended by itself with {code} (WATCHGLASS_SEED={SEED})"
    lived = code is None
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
    return process.wait() == -signal.SIGKILL and lived


class Writers:
    """Writers that are born again under a new name when they are killed; each life has a tally of its own."""

    def __init__(self, store, home, many, count, **environment):
        self.store, self.home, self.count, self.environment = store, home, count, environment
        self.lives = []
        self.alive = [self._born(f"w{place}") for place in range(many)]

    def _born(self, name):
        tally = self.home / f"{name}.tally"
        tally.write_bytes(bytes(16))
        self.lives.append((name, tally))
        return name, start("writer.py", self.store, self.count, name, tally, **self.environment)

    def kill(self, place, *, again=True):
        """Kill a writer, and start its next life; says whether it lived."""
        name, process = self.alive[place]
        lived = kill(process)
        if again:
            base = name.split(".")[0]
            number = sum(known.split(".")[0] == base for known, _ in self.lives)
            self.alive[place] = self._born(f"{base}.{number}")
        return lived

    def acknowledged(self):
        """Give {name of a life: (predictions, labels) acknowledged}; read it before you ask the store."""
        return {name: struct.unpack("<qq", tally.read_bytes()) for name, tally in self.lives}

    @property
    def processes(self):
        """The processes of the present lives."""
        return [process for _, process in self.alive]


def seen(store, table="predictions"):
    """Count by life: (rows, distinct ids, highest number)."""
    query = (
        "SELECT split_part(id, '-', 1) AS life, count(*) AS n, count(DISTINCT id) AS ids,"
        f" max(split_part(id, '-', 2)::BIGINT) AS top FROM {table} WHERE model = 'torture' GROUP BY life"
    )
    return {row["life"]: (row["n"], row["ids"], row["top"]) for row in store.sql(query).rows()}


def check(store, before):
    """Hold what the store answers against what was acknowledged before it was asked; gives the rows seen."""
    total = 0
    for table, place, step in (("predictions", 0, 1), ("label_history", 1, 2)):
        found = seen(store, table)
        for life, counts in before.items():
            rows, ids, top = found.get(life, (0, 0, -1))
            assert rows == ids, f"{rows - ids} of {table} of {life} are seen twice (WATCHGLASS_SEED={SEED})"
            assert rows >= counts[place], (
                f"{counts[place] - rows} acknowledged {table} of {life} are not seen (WATCHGLASS_SEED={SEED})"
            )
            assert rows == top // step + 1, (
                f"{table} of {life} has a hole below {top}: {rows} rows, {counts[place]} acknowledged before"
                f" (WATCHGLASS_SEED={SEED})"
            )
            total += rows
    return total


def check_end(store, writers):
    """Compact, count and merge what is left; then every life has all it acknowledged, and one event in flight at most."""
    known = writers.acknowledged()
    tend(store)
    check(store, known)
    for table, place in (("predictions", 0), ("label_history", 1)):
        found = seen(store, table)
        for life, counts in known.items():
            rows = found.get(life, (0, 0, -1))[0]
            assert rows <= counts[place] + 1, (
                f"{life} acknowledged {counts[place]} {table}, {rows} are there (WATCHGLASS_SEED={SEED})"
            )
    rows = store.sql("SELECT count(*) AS n FROM predictions WHERE model = 'torture'").rows()[0]["n"]
    joined = store.sql(
        "SELECT count(*) AS n FROM predictions p JOIN labels l USING (model, environment, id) WHERE model = 'torture'"
    ).rows()[0]["n"]
    labels = store.sql("SELECT count(*) AS n FROM label_history WHERE model = 'torture'").rows()[0]["n"]
    assert joined == labels, f"{labels} labels, {joined} joined (WATCHGLASS_SEED={SEED})"
    assert cells(store) == {"rows": rows, "labelled": labels, "correct": labels}, f"WATCHGLASS_SEED={SEED}"
    return rows


def tend(store):
    """Do all that is due, in this process."""
    compact(store._folder, store._engine)
    follow(store._folder, store._engine)
    merge(store._folder, store._engine)


def cells(store):
    """Sum what the cells say of all rows: {rows, labelled, correct}."""
    from watchglass.store.compact import engine_room

    with store._engine.connect() as catalog:
        query = "SELECT path FROM files WHERE kind = 'cells' AND model = 'torture' AND removed IS NULL"
        paths = ", ".join(f"'{store._folder.tables / row[0]}'" for row in catalog.exec_driver_sql(query))
    with engine_room() as connection:
        query = f"SELECT kind, sum(n)::BIGINT FROM read_parquet([{paths}], union_by_name = true) WHERE slice = '' AND name = '' GROUP BY kind"
        return {kind: n for kind, n in connection.execute(query).fetchall() if kind in ("rows", "labelled", "correct")}


def declare(folder):
    """Make a store in which the model is known."""
    wg.init(folder)
    wg.log_model("torture", version="1")
    wg.flush()
    from watchglass.capture import recorder

    recorder.close()
