"""Live a store's whole life, telling what was promised: STORE TOLD [ROUNDS]; each line told is {"durable": [ids]}."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import polars as pl

import watchglass as wg
from watchglass.capture import recorder

BEGIN = datetime(2026, 6, 1, tzinfo=UTC)


class Promises:
    """Say what is durable by contract from here on: one write to a file that the trace shows among the others."""

    def __init__(self, path):
        self.handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def durable(self, ids):
        os.write(self.handle, json.dumps(ids).encode() + b"\n")


def predict(ident, number):
    wg.log_prediction(
        "cut",
        version="1",
        features={"x": float(number), "y": number % 7},
        prediction=number % 3,
        id=ident,
        time=BEGIN + timedelta(hours=number),
        tags={"site": "ab"[number % 2]},
    )


def child(store, name):
    """Record and die without a word: what it wrote was never synced."""
    wg.init(store)
    for number in range(5):
        predict(f"{name}-{number}", number)
    os.kill(os.getpid(), 9)


def frame(name):
    times = [BEGIN + timedelta(hours=n) for n in range(12)]
    table = {"id": [f"{name}-{n}" for n in range(12)], "time": times, "p": [1] * 12, "x": [0.5] * 12, "y": [1] * 12}
    wg.log_predictions("cut", pl.DataFrame(table), version="1", prediction="p", id="id", time="time")
    return table["id"]


def main(store, told, rounds):
    promises = Promises(told)
    wg.init(store)
    wg.log_model("cut", version="1", slices=["site"])
    for turn in range(rounds):
        ids = [f"r{turn}-{n}" for n in range(8)]
        for number, ident in enumerate(ids):
            predict(ident, number)
        wg.log_label("cut", ids[0], 0, time=BEGIN + timedelta(days=3))
        wg.flush()
        promises.durable([*ids, f"label {ids[0]}"])
        if turn % 3 == 1:
            promises.durable(frame(f"f{turn}"))
        if turn % 3 == 2:
            wg.init(store, durability="sync")
            for number in range(3):
                predict(f"s{turn}-{number}", number)
                promises.durable([f"s{turn}-{number}"])
            wg.init(store)
        killed = f"k{turn}"
        subprocess.run([sys.executable, __file__, store, "child", killed], check=False)
        recorder.close()
        with wg.open(store) as opened:
            opened.compact()
            promises.durable([f"{killed}-{n}" for n in range(5)])  # published
            if turn % 2:
                tend(opened)
    with wg.open(store) as opened:
        for number in range(9):  # enough small files that they are merged
            predict(f"m-{number}", number)
            recorder.close()
            promises.durable([f"m-{number}"])
            opened.compact()
        tend(opened)


def tend(opened):
    """Count, and merge what is small, as a server does between compactions."""
    from watchglass.store.cells import follow
    from watchglass.store.merge import merge

    follow(opened._folder, opened._engine)
    merge(opened._folder, opened._engine)


if __name__ == "__main__":
    if sys.argv[2] == "child":
        child(sys.argv[1], sys.argv[3])
    else:
        main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
