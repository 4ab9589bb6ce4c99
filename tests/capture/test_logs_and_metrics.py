"""Metric points and log lines: what they hold, what is told at the call, and that logging never bites its own tail."""

from __future__ import annotations

import logging
import threading

import numpy as np
import pytest

import watchglass as wg
from watchglass.capture import drops, recorder
from watchglass.capture.logs import set_level
from watchglass.errors import BadInput


def test_a_metric_point(logs):
    wg.log_metric(
        "depth",
        np.float32(0.5),
        time="2026-03-01T00:00:00Z",
        step=np.int64(3),
        labels={"queue": "in", "n": 1, "none": None},
    )
    with wg.run("train") as run:
        wg.log_metric("loss", 2)
        wg.log_metric("loss", float("nan"), run="another")
    first, second, third = logs.rows("metric")
    assert first == {
        "kind": "metric",
        "name": "depth",
        "value": 0.5,
        "time": 1_772_323_200_000_000,
        "step": 3,
        "labels": {"queue": "in", "n": "1"},
    }
    assert (second["value"], second["run"], second["trace"]) == (2, run.id, run.trace)
    assert (third["value"], third["run"]) == (None, "another")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"name": ""}, "a metric's name cannot be ''"),
        ({"value": "high"}, "value of metric 'm' cannot be 'high'"),
        ({"value": True}, "cannot be True"),
        ({"value": [1]}, "cannot be"),
        ({"step": 0.5}, "step of metric 'm' cannot be 0.5"),
        ({"labels": "queue"}, "labels of metric 'm' cannot be a str"),
        ({"time": "noon"}, "time cannot be 'noon'"),
    ],
    ids=str,
)
def test_wrong_use_of_a_metric_is_told(logs, more, says):
    with pytest.raises(BadInput, match=says):
        wg.log_metric(**{"name": "m", "value": 1.0, **more})
    assert logs.rows() == []


@pytest.fixture
def logger():
    """A logger whose records are recorded, and logging as it was afterwards."""
    found, handler = logging.getLogger("app.part"), wg.LogHandler()
    found.addHandler(handler)
    found.setLevel(1)
    yield found
    found.removeHandler(handler)
    set_level("debug")


def test_a_log_line(logs, logger):
    with wg.run("serve") as run:
        logger.warning("%d rows in %s", 3, "queue")
    logger.log(25, "between")
    plain, between = logs.rows("log")
    assert abs(plain.pop("time") / 1e6 - run.started / 1e6) < 60
    assert plain == {
        "kind": "log",
        "message": "3 rows in queue",
        "level": "warning",
        "logger": "app.part",
        "run": run.id,
        "trace": run.trace,
    }
    assert between["level"] == "info"
    assert "run" not in between


def test_an_exception_comes_with_its_trace_and_a_formatter_is_heeded(logs, logger):
    try:
        raise KeyError("ink")  # noqa: TRY301 - the one to be logged
    except KeyError:
        logger.exception("no such column")
    logger.handlers[0].setFormatter(logging.Formatter("<%(message)s>"))
    logger.info("formatted")
    raised, formatted = [row["message"] for row in logs.rows("log")]
    assert raised.startswith("no such column\nTraceback")
    assert raised.endswith("KeyError: 'ink'")
    assert formatted == "<formatted>"


def test_a_message_that_cannot_be_made_is_kept_as_its_text(logs, logger, lost):
    class Odd:
        def __str__(self):
            raise RuntimeError

    logger.propagate = False  # pytest's own handler would raise
    logger.info("%d rows", "three")
    logger.info(Odd())
    logger.propagate = True
    assert [row["message"] for row in logs.rows("log")] == ["%d rows", "<Odd without text>"]
    assert lost() == {}


def test_the_level_is_set_while_the_process_runs(logs, logger):
    logger.info("one")
    set_level("ERROR")
    logger.warning("two")
    logger.error("three")
    assert [row["message"] for row in logs.rows("log")] == ["one", "three"]
    with pytest.raises(BadInput, match="level cannot be 'loud'"):
        set_level("loud")


def test_what_recording_itself_logs_is_not_recorded(tmp_path, logger, lost):
    (tmp_path / "file").write_text("not a folder")
    wg.init(tmp_path / "file" / "store")
    root = logging.getLogger()
    handler = wg.LogHandler()
    root.addHandler(handler)
    try:
        drops._warned.clear()
        logger.info("dropped, which is warned of, which is no event of its own")
    finally:
        root.removeHandler(handler)
    assert lost() == {"ENOTDIR": 2}, "the record by two handlers, nothing more"


def test_threads_log_without_waiting_for_each_other(logs, logger):
    threads = [threading.Thread(target=lambda k=k: [logger.info("%s-%s", k, n) for n in range(200)]) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {row["message"] for row in logs.rows("log")} == {f"{k}-{n}" for k in range(4) for n in range(200)}


def test_the_background_thread_calls_its_ticks_and_survives_them(logs, monkeypatch, lost):
    called = threading.Event()

    def broken():
        raise RuntimeError

    monkeypatch.setattr(recorder, "TICK_EVERY", 0.1)
    monkeypatch.setattr(recorder.Recorder, "ticks", [broken, called.set])
    wg.log_metric("m", 1)
    assert called.wait(20)
    assert lost()["tick"] >= 1
    called.clear()
    assert called.wait(20)
