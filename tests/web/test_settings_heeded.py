"""What is put to a real server's settings is in force in a process that records to it, and what that process kept arrives with its weight."""

from __future__ import annotations

import json
import time

import httpx

from tests.capture.test_tuning import recording, until
from tests.web.served import serving

RULE = {"model": "*", "method": "head", "rate": 0.000001}


def put(server, document):
    done = httpx.put(f"{server.url}/api/v1/settings", content=json.dumps(document), timeout=60)
    assert done.status_code == 200, done.text


def test_a_process_heeds_what_is_put_to_its_server(tmp_path):
    with serving(tmp_path / "store") as server:
        with recording(tmp_path, server.url) as ask:
            assert ask() == (False, 0)
            put(server, {"sampling": [RULE]})
            until(ask, (False, 1))
            put(server, {"enabled": False})
            until(ask, (True, 0))
            put(server, {"sampling": [{"model": "*", "method": "reservoir", "rows": 1, "seconds": 3600}]})
            until(ask, (False, 1))
            for _ in range(20):
                ask()
        query = "SELECT count(*) AS kept, max(weight) AS most FROM predictions"
        end = time.monotonic() + 60
        while (found := server.rows(query)[0])["most"] in (None, 1) and time.monotonic() < end:
            time.sleep(0.2)
        assert found["most"] >= 20, "the rows that the reservoir left out are counted by the one it kept"
        server.end()
