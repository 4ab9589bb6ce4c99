"""Data of clients told with wg's own calls: read, derived, made into a model, retracted, used since; a hostile tag, a long one, many."""

from __future__ import annotations

import time

import watchglass as wg
from tests.web.pipeline_told import SCRIPT
from watchglass.capture import recorder
from watchglass.errors import Blocked
from watchglass.reading import Store

LONG = "client-" + "with-a-number-as-long-as-people-make-them-" * 4


def tell(folder, *, clients=60):
    """Record it all into a folder."""
    wg.init(folder)
    with wg.run("ingest") as run:
        run.write({"a": 1}, "rows", subjects=["client-17", LONG])
        run.write({"h": 1}, SCRIPT, subjects=[SCRIPT])
        for number in range(clients):
            run.write({"n": number}, "table", subjects=[f"customer-{number:03}"])
    with wg.run("clean", version="2") as run:
        run.read({"a": 1}, "rows")
        run.write({"b": 1}, "clean rows")
        run.write({"n": 1}, "sums", subjects=[])
    with wg.run("train") as run:
        run.read({"b": 1}, "clean rows")
        run.write({"w": 1}, "model")
        wg.log_model("fraud", version="3")
        wg.log_prediction("fraud", version="3", prediction=1)
    recorder.flush()
    with Store(folder) as store:
        store.retract("client-17", "ana", grace="0s")
    time.sleep(0.01)
    try:
        with wg.run("train", on_retracted="block") as run:
            run.read({"b": 1}, "clean rows")
    except Blocked:
        pass
    with wg.run("report") as run:
        run.read({"w": 1}, "model")
    recorder.close()
