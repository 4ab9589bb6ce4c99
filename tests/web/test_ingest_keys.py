"""A request with a key is recorded once, whatever happens between its sending and its answer."""

from __future__ import annotations

import json
import os
import random
import threading

import httpx
import pytest

import watchglass as wg
from tests.web.served import serving


def lines(mark, events=10):
    return "".join(
        json.dumps({"kind": "prediction", "model": "m", "features": {"x": n}, "id": f"{mark}-{n}"}) + "\n"
        for n in range(events)
    )


def stored(served, mark):
    return served.rows(
        f"SELECT count(*) AS n, count(DISTINCT id) AS ids FROM predictions WHERE starts_with(id, '{mark}-')"
    )[0]


def test_a_repeated_request_is_answered_as_the_first_was(tmp_path):
    with serving(tmp_path / "store") as served:
        body = lines("a") + "bad\n" + '{"kind": "prediction", "model": "m"}\n'
        first = served.post("events", body, Idempotency_Key="k").json()
        again = served.post("events", body, Idempotency_Key="k").json()
        assert first == {**again, "duplicate": False}
        assert again["duplicate"] is True
        assert (again["accepted"], again["rejected_count"], again["ids"][0]["line"]) == (11, 1, 12)
        assert stored(served, "a") == {"n": 10, "ids": 10}
        served.post("events", lines("b"))
        served.post("events", lines("b"))
        assert stored(served, "b") == {"n": 20, "ids": 10}, "without a key nothing is promised"


def test_two_at_once_with_one_key_are_one(tmp_path):
    with serving(tmp_path / "store") as served:
        told = []
        body = lines("same", 2000)
        senders = [
            threading.Thread(target=lambda: told.append(served.post("events", body, Idempotency_Key="same").json()))
            for _ in range(8)
        ]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        assert sorted(one["duplicate"] for one in told) == [False] + [True] * 7
        assert {one["accepted"] for one in told} == {2000}
        assert stored(served, "same") == {"n": 2000, "ids": 2000}


@pytest.mark.slow
def test_keys_outlive_the_server_and_compaction(tmp_path):
    folder = tmp_path / "store"
    run = json.dumps({"component": "load"})
    with serving(folder) as served:
        served.post("events", lines("live"), Idempotency_Key="live")
        first = served.post("runs", run, Idempotency_Key="run").json()
        served.kill()
    with serving(folder) as served:
        again = served.post("events", lines("live"), Idempotency_Key="live").json()
        assert (again["duplicate"], again["accepted"]) == (True, 10)
        assert served.post("runs", run, Idempotency_Key="run").json() == {**first, "duplicate": True}
        with wg.open(folder) as store:
            assert store.compact().rows == 10
        served.kill()
    with serving(folder) as served:
        again = served.post("events", lines("live"), Idempotency_Key="live").json()
        assert (again["duplicate"], again["accepted"]) == (True, 10)
        assert served.post("runs", run, Idempotency_Key="run").json()["duplicate"] is True
        assert stored(served, "live") == {"n": 10, "ids": 10}
        assert served.rows("SELECT count(*) AS n FROM runs") == [{"n": 1}]


def test_a_request_of_rows_and_graph_events_is_known_by_its_rows(tmp_path):
    """Were the key in the graph segment too, a crash between the two segments would call lost rows a duplicate."""
    with serving(tmp_path / "store") as served:
        served.post(
            "events", lines("both") + json.dumps({"kind": "component", "name": "c"}) + "\n", Idempotency_Key="both"
        )
        headers = {
            log: json.loads(next((served.folder / "log" / log).glob("*.jsonl")).read_text().splitlines()[0])
            for log in ("rows", "graph")
        }
    assert headers == {
        "rows": {"kind": "batch", "keys": [["both", 11, 0]]},
        "graph": {"kind": "batch", "keys": []},
    }


LIVES = 6 if os.environ.get("WATCHGLASS_TORTURE") else 2


@pytest.mark.slow
def test_what_was_acknowledged_is_there_once_though_servers_are_killed(tmp_path):
    chance = random.Random(3)
    acknowledged = 0
    number = 0
    for _ in range(LIVES):
        with serving(tmp_path / "store", "--maintain") as served:
            killer = threading.Timer(chance.uniform(0.5, 2.5), served.kill)
            killer.start()
            with httpx.Client(base_url=f"{served.url}/api/v1", timeout=30) as client:
                while True:
                    body = lines(f"kill-{number}", 50)
                    try:
                        told = client.post("/events", content=body, headers={"Idempotency-Key": f"kill-{number}"})
                    except httpx.HTTPError:
                        break
                    assert told.status_code == 200
                    number += 1
            killer.join()
        acknowledged = number
    with serving(tmp_path / "store") as served:
        told = served.post("events", lines(f"kill-{number}", 50), Idempotency_Key=f"kill-{number}").json()
        assert told["accepted"] == 50
        found = stored(served, "kill")
        assert found == {"n": 50 * (acknowledged + 1), "ids": 50 * (acknowledged + 1)}
        with wg.open(served.folder) as store:
            store.compact()
        assert stored(served, "kill") == found
    assert acknowledged > 10
