"""Whatever the server and the network do, all is delivered later, once; what is refused for good is kept, counted and told."""

from __future__ import annotations

import json
import time

import pytest
from tests.capture.listening import wait_for
from tests.ports import free_port

from watchglass.capture import carrier, sender, spool
from watchglass.capture.exchange import Answer
from watchglass.capture.shipping import Later, Part, _judged

TROUBLES = {
    "500": lambda n: (500, {}) if n <= 3 else None,
    "503 with Retry-After": lambda n: (503, {"Retry-After": "1"}) if n <= 2 else None,
    "503 without": lambda n: (503, {}) if n <= 2 else None,
    "429": lambda n: (429, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}) if n <= 2 else None,
    "lost acknowledgement": lambda n: "lost" if n in (1, 2, 4) else None,
    "cut in the middle of the answer": lambda n: "cut" if n in (1, 3) else None,
    "garbage": lambda n: "garbage" if n in (1, 3) else None,
    "a portal's page": lambda n: "portal" if n in (1, 3) else None,
    "another's answer": lambda n: (200, {}) if n in (1, 3) else None,
    "slow": lambda n: "slow" if n == 1 else None,
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_whatever_the_trouble_all_is_delivered_exactly_once(waiting, listening, send, trouble, caplog):
    for _ in range(3):
        waiting.segment(lines=5)
    waiting.segment(lines=5, log="graph")
    server = listening()
    server.trouble = lambda number, key, data: trouble(number)
    send(server.url)
    wait_for(waiting.empty)
    assert sorted(server.ids(), key=int) == waiting.ids
    assert (len(server.requests) > 4) or trouble(1) == "slow"
    if trouble(1) not in ("lost", "slow"):  # a connection that fails only once is asked again without a word
        assert "events wait in" in caplog.text


def test_a_server_that_is_down_is_waited_for(waiting, listening, send, caplog):
    waiting.segment()
    port = free_port()
    send(f"http://127.0.0.1:{port}")
    wait_for(lambda: "Connection refused" in caplog.text)
    waiting.segment()
    server = listening(port)
    wait_for(waiting.empty)
    assert server.ids() == waiting.ids


def test_the_server_dies_and_comes_back_in_the_middle(waiting, listening, send):
    port = free_port()
    first = listening(port)
    first.trouble = lambda number, key, data: "hang" if number == 3 else None
    for _ in range(6):
        waiting.segment()
    send(first.url)
    wait_for(lambda: len(first.requests) == 3)
    kept = first.ids()
    first.stop()
    second = listening(port)
    wait_for(waiting.empty)
    assert sorted(kept + second.ids(), key=int) == waiting.ids


def test_retry_after_is_honoured_and_ends_within_a_minute():
    def heard(value, status=503):
        return _judged(Answer(status, {"retry-after": value}, b""), Part("key", 0, 1))

    assert heard("7") == Later("503", "asked", 7.0)
    assert heard("86400").seconds == 60
    assert heard("-3").seconds == 0
    assert heard("Fri, 31 Dec 2100 23:59:59 GMT", 429).seconds == 60
    assert heard("soon") == Later("503")


def test_a_request_waits_as_long_as_the_server_asked(waiting, listening, send):
    waiting.segment()
    server = listening()
    moments = []

    def once(number, key, data):
        moments.append(time.monotonic())
        return (503, {"Retry-After": "1"}) if number == 1 else None

    server.trouble = once
    one = send(server.url)
    for _ in range(20):
        one.wake()
        time.sleep(0.02)
    wait_for(waiting.empty)
    assert moments[1] - moments[0] >= 1


def test_delays_grow_to_half_a_minute_and_never_leave_their_bounds(waiting):
    one = carrier.Carrier("http://x", str(waiting.root), sender.Line(sender.address("http://x"), {}))
    trouble = Later("trouble")
    for failures, longest in ((1, 0.2), (2, 0.4), (5, 3.2), (9, 30), (1000, 30)):
        one._failures = failures
        delays = {one._delay(trouble) for _ in range(200)}
        assert longest / 2 <= min(delays) < max(delays) <= longest
        assert len(delays) > 10, "a herd of workers would knock all at once"
    assert one._delay(Later("no", "denied")) == 30
    assert one._delay(Later("no", "asked", 4.0)) == 4


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_what_can_never_succeed_is_put_aside_counted_and_told(waiting, listening, send, lost, caplog, status):
    waiting.segment(lines=1)
    (bad,) = waiting.names()
    waiting.segment(lines=4)
    server = listening()
    server.trouble = lambda number, key, data: (status, {}) if key == bad else None
    send(server.url)
    wait_for(waiting.empty)
    assert server.ids() == waiting.ids[1:]
    aside = waiting.root / "log" / "refused"
    assert json.loads((aside / bad).read_bytes())["id"] == "0"
    reason = json.loads((aside / f"{bad}.reason").read_text())
    assert (reason["status"], reason["server"]) == (status, server.url)
    assert lost() == {f"refused {status}": 1}
    assert "refused events for good" in caplog.text


def test_a_frame_that_is_refused_keeps_its_sidecar_and_one_without_is_put_aside(waiting, listening, send, lost):
    folder = waiting.root / "log" / "rows"
    folder.mkdir(parents=True)
    (folder / "a.parquet.json").write_bytes(b'{"kind":"predictions"}\n')
    (folder / "a.parquet").write_bytes(b"PAR1")
    (folder / "b.parquet").write_bytes(b"PAR1")
    server = listening()
    server.trouble = lambda number, key, data: (413, {})
    send(server.url)
    wait_for(waiting.empty)
    aside = sorted(path.name for path in (waiting.root / "log" / "refused").iterdir())
    assert aside == ["a.parquet", "a.parquet.json", "a.parquet.reason", "b.parquet", "b.parquet.reason"]
    assert lost() == {"refused 413": 1, "refused 0": 1}


@pytest.mark.parametrize("status", [301, 401, 403, 404, 405])
def test_what_somebody_has_to_mend_is_kept_and_tried_slowly(waiting, listening, send, status, caplog, lost):
    waiting.segment()
    server = listening()
    server.trouble = lambda number, key, data: (status, {"Location": "http://else/"})
    one = send(server.url)
    wait_for(lambda: str(status) in caplog.text)
    for _ in range(20):
        one.wake()
        time.sleep(0.02)
    assert len(server.requests) == 1, "the next try is half a minute away"
    assert len(waiting.names()) == 1
    assert lost() == {}
    server.trouble = lambda number, key, data: None
    assert one.deliver(10), "asking for delivery tries at once"
    assert server.ids() == waiting.ids


def test_a_segment_that_the_server_always_fails_on_does_not_keep_the_others_back(waiting, listening, send):
    waiting.segment(lines=2, log="graph")
    (poison,) = waiting.names("graph")
    waiting.segment(lines=2)
    waiting.segment(lines=2)
    server = listening()
    server.trouble = lambda number, key, data: (500, {}) if key == poison else None
    send(server.url)
    wait_for(lambda: waiting.names("rows") == [])
    assert waiting.names("graph") == [poison]
    server.trouble = lambda number, key, data: None
    wait_for(waiting.empty)
    assert sorted(server.ids(), key=int) == waiting.ids


def test_the_thread_outlives_what_goes_wrong_on_this_machine(waiting, listening, send, caplog):
    folder = waiting.root / "log" / "rows"
    folder.parent.mkdir(parents=True)
    folder.write_text("not a folder")
    server = listening()
    send(server.url)
    wait_for(lambda: "NotADirectoryError" in caplog.text)
    folder.unlink()
    waiting.segment()
    wait_for(waiting.empty)
    assert server.ids() == waiting.ids


def test_a_file_that_cannot_be_read_does_not_keep_the_others_back(waiting, listening, send, caplog):
    folder = waiting.root / "log" / "rows"
    (folder / "0.jsonl").mkdir(parents=True)  # opens, and cannot be read as a file
    (folder / "1.jsonl").symlink_to("1.jsonl")  # does not open
    for _ in range(3):
        waiting.segment(lines=2)
    server = listening()
    one = send(server.url)
    wait_for(lambda: sorted(server.ids(), key=int) == waiting.ids)
    assert "events wait in" in caplog.text
    wait_for(lambda: len(one._carrier._not_before) == 2)
    waiting.segment(lines=2)
    one.wake()
    wait_for(lambda: sorted(server.ids(), key=int) == waiting.ids, 5)
    assert one._carrier._failures == 0


def test_what_is_refused_fills_no_disk(waiting, listening, send, lost, caplog, monkeypatch):
    monkeypatch.setattr(spool, "REFUSED_BYTES", 3000)
    for _ in range(10):
        waiting.segment(lines=5, size=100)
    server = listening()
    server.trouble = lambda number, key, data: (400, {})
    one = send(server.url)
    wait_for(waiting.empty)
    aside = list((waiting.root / "log" / "refused").iterdir())
    assert sum(path.stat().st_size for path in aside) < 3000 + 2000
    assert lost() == {"refused 400": 50}
    waiting.segment(lines=1)
    assert not one.deliver(10), "refused, and not even kept"


def test_losses_that_cannot_be_read_are_put_aside(waiting, listening, send, lost):
    folder = waiting.root / "log" / "drops"
    folder.mkdir(parents=True)
    (folder / "host-1-ab.json").write_bytes(b'{"writer": "host:1:ab", "reas')
    server = listening()
    send(server.url)
    wait_for(lambda: waiting.names("drops") == [])
    assert (waiting.root / "log" / "refused" / "host-1-ab.json").exists()
    assert lost() == {"refused 0": 1}
    assert server.requests == []
