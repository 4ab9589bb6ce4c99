"""The process beside a server keeps the store, gives its memory back, and never outlives its parent."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest

import watchglass as wg
from tests.web.served import serving, until
from watchglass.web import maintenance


def body(mark, events=50):
    return "".join(
        json.dumps({"kind": "prediction", "model": "m", "id": f"{mark}-{n}", "features": {"x": n}}) + "\n"
        for n in range(events)
    )


def told(served):
    return served.get("/api/v1/health").json()["maintenance"]


def segments(served):
    return list(served.folder.glob("log/rows/*.jsonl"))


def counted(folder):
    with wg.open(folder) as store:
        return store.sql("SELECT count(*) AS n, count(DISTINCT id) AS ids FROM predictions").rows()[0]


def gone(pid):
    return not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text()


@pytest.mark.slow
def test_what_comes_is_compacted_and_counted_and_a_killed_process_starts_again(tmp_path):
    with serving(tmp_path / "store", "--maintain") as served:
        assert served.post("events", body("a")).status_code == 200
        until(lambda: not segments(served))
        assert counted(served.folder) == {"n": 50, "ids": 50}
        until(lambda: list(served.folder.glob("tables/cells/*")))
        pid = told(served)["pid"]
        os.kill(pid, signal.SIGKILL)
        until(lambda: told(served)["restarts"] == 1)
        assert served.post("events", body("b")).status_code == 200
        until(lambda: not segments(served))
        assert counted(served.folder) == {"n": 100, "ids": 100}
        assert told(served)["pid"] not in (pid, None)


def test_it_ends_when_the_server_is_killed(tmp_path):
    with serving(tmp_path / "store", "--maintain") as served:
        served.post("events", body("a"))
        until(lambda: told(served)["pid"])
        pid = told(served)["pid"]
        served.kill()
        until(lambda: gone(pid))


def test_it_ends_when_told_though_it_is_at_work(tmp_path):
    beside = maintenance.Maintenance(str(tmp_path))
    (tmp_path / "log" / "rows").mkdir(parents=True)
    (tmp_path / "log" / "rows" / "0-1.jsonl").write_text("")
    beside.start()
    until(lambda: beside.told()["running"])
    pid = beside.told()["pid"]
    beside.close()
    assert gone(pid)
    assert beside.told() == {"running": False, "pid": None, "restarts": 0}


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(maintenance, "LINGER", 0.2)
    monkeypatch.setattr(maintenance, "EVERY", 0.05)


class Never(maintenance.Stop):
    """No pipe of a parent to watch."""

    def wait(self, seconds):
        time.sleep(max(seconds, 0))
        return self.asked


def test_it_leaves_when_nothing_comes_any_more_with_everything_done(tmp_path, quick):
    wg.init(tmp_path / "store")
    for number in range(3):
        wg.log_prediction("m", id=str(number), features={"x": number}, prediction=1)
    from watchglass.capture import recorder

    recorder.close()
    maintenance.keep(str(tmp_path / "store"), Never())
    assert not list((tmp_path / "store" / "log" / "rows").glob("*.jsonl"))
    assert counted(tmp_path / "store") == {"n": 3, "ids": 3}


def test_what_fails_is_told_and_tried_again(tmp_path, quick, caplog):
    from watchglass.capture import drops, recorder

    drops._warned.clear()
    store = tmp_path / "store"
    wg.init(store)
    wg.log_prediction("m", id="1", features={"x": 1}, prediction=1)
    recorder.close()
    wg.open(store).close()
    shutil.rmtree(store / "tables" / "predictions", ignore_errors=True)
    (store / "tables" / "predictions").write_text("in the way")
    threading.Timer(1.5, (store / "tables" / "predictions").unlink).start()
    maintenance.keep(str(store), Never())
    assert "compaction failed and is tried again" in caplog.text
    assert counted(store) == {"n": 1, "ids": 1}
    assert not list((store / "log" / "rows").glob("*.jsonl"))
