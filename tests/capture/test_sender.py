"""What waits in a spool reaches the server exactly once, whatever the server and the network do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from tests.capture.listening import Listening, free_port

from watchglass.capture import carrier, drops, sender, spool
from watchglass.capture.segment import Limits, Log, new_name
from watchglass.capture.sender import Sender
from watchglass.errors import BadInput

PROMPT = Limits(seconds=60, size=1 << 26, sync=False)
PREDICTION = b'{"kind":"prediction","id":"%s","features":{"x":1.5,"text":"%s"}}\n'


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


class Waiting:
    """A spool as a recorder fills it."""

    def __init__(self, root):
        self.root = root
        self.ids = []

    def segment(self, lines=10, log="rows", size=10, tail=b""):
        one = Log(str(self.root), log, PROMPT)
        for _ in range(lines):
            name = f"{len(self.ids)}"
            self.ids.append(name)
            one.append(PREDICTION % (name.encode(), b"x" * size))
        if tail:
            one.append(tail)
        one.close()

    def names(self, log="rows"):
        return sorted(path.name for path in (self.root / "log" / log).glob("*"))

    def empty(self):
        return self.names("rows") == self.names("graph") == []


@pytest.fixture
def waiting(tmp_path):
    return Waiting(tmp_path / "spool")


@pytest.fixture
def listening():
    made = []

    def listen(*arguments, **more):
        made.append(Listening(*arguments, **more))
        return made[-1]

    yield listen
    for server in made:
        server.stop()


@pytest.fixture
def send(waiting):
    made = []

    def begin(url):
        made.append(Sender(url, str(waiting.root)))
        made[-1].start()
        return made[-1]

    yield begin
    for one in made:
        one.close(0)


@pytest.fixture(autouse=True)
def _nobody_was_warned(monkeypatch):
    monkeypatch.setattr(drops, "_warned", {})


def test_segments_go_graph_first_then_by_time_and_are_deleted_once_acknowledged(waiting, listening, send):
    for _ in range(3):
        waiting.segment(log="rows")
    waiting.segment(log="graph")
    order = [*waiting.names("graph"), *waiting.names("rows")]
    server = listening()
    send(server.url)
    wait_for(waiting.empty)
    assert server.keys == order
    assert sorted(server.ids(), key=int) == waiting.ids
    path, headers, _ = server.requests[0]
    assert path == "/api/v1/events"
    assert headers["Content-Type"] == "application/x-ndjson"
    assert "Authorization" not in headers


def test_a_segment_is_packed_when_that_pays(waiting, listening, send):
    waiting.segment(lines=500, size=100)
    waiting.segment(lines=1)
    one = Log(str(waiting.root), "rows", PROMPT)
    one.append(os.urandom(30_000).replace(b"\n", b"") + b"\n")
    one.close()
    server = listening()
    send(server.url)
    wait_for(waiting.empty)
    packings = [headers.get("Content-Encoding") for _, headers, _ in server.requests]
    assert packings == ["gzip", None, None]
    assert int(server.requests[0][1]["Content-Length"]) < len(server.requests[0][2]) / 5


def test_a_frame_goes_with_what_says_how_to_read_it(waiting, listening, send):
    folder = waiting.root / "log" / "rows"
    folder.mkdir(parents=True)
    name = f"{new_name()}.parquet"
    data = b"PAR1" + os.urandom(700_000) + b"PAR1"
    (folder / f"{name}.json").write_bytes(b'{"kind":"predictions","columns":{}}\n')
    (folder / name).write_bytes(data)
    server = listening()
    send(server.url)
    wait_for(waiting.empty)
    assert server.frames == {name: ({"kind": "predictions", "columns": {}}, data)}


def test_a_segment_whose_writer_lives_stays_until_it_is_sealed(waiting, listening, send):
    log = Log(str(waiting.root), "rows", PROMPT)
    log.append(PREDICTION % (b"open", b""))
    waiting.segment(lines=1)
    server = listening()
    one = send(server.url)
    wait_for(lambda: len(waiting.names()) == 1)
    assert server.ids() == ["0"]
    log.append(PREDICTION % (b"second", b""))
    log.close()
    one.wake()
    wait_for(waiting.empty)
    assert server.ids() == ["0", "open", "second"]


def test_a_killed_writers_torn_line_is_left_to_the_server(waiting, listening, send, caplog):
    waiting.segment(lines=2, tail=b'{"kind":"predic')
    server = listening()
    send(server.url)
    wait_for(waiting.empty)
    assert server.requests[0][2].endswith(b'{"kind":"predic')
    assert server.ids() == waiting.ids
    assert "set 1 events" in caplog.text


def test_an_empty_segment_is_removed_without_a_request(waiting, listening, send):
    waiting.segment(lines=0)
    (waiting.root / "log" / "rows").mkdir(parents=True, exist_ok=True)
    (waiting.root / "log" / "rows" / f"{new_name()}.jsonl").write_bytes(b"")
    server = listening()
    send(server.url)
    wait_for(waiting.empty)
    assert server.requests == []


TROUBLES = {
    "500": lambda n: (500, {}) if n <= 3 else None,
    "503 with Retry-After": lambda n: (503, {"Retry-After": "1"}) if n <= 2 else None,
    "503 without": lambda n: (503, {}) if n <= 2 else None,
    "429": lambda n: (429, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}) if n <= 2 else None,
    "lost acknowledgement": lambda n: "lost" if n in (1, 2, 4) else None,
    "cut in the middle of the answer": lambda n: "cut" if n in (1, 3) else None,
    "garbage": lambda n: "garbage" if n in (1, 3) else None,
    "a portal's page": lambda n: "portal" if n in (1, 3) else None,
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


def test_retry_after_is_honoured_and_ends_within_a_minute():
    from watchglass.capture.exchange import Answer
    from watchglass.capture.shipping import Later, Part, _judged

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
    trouble = carrier.Later("trouble")
    for failures, longest in ((1, 0.2), (2, 0.4), (5, 3.2), (9, 30), (1000, 30)):
        one._failures = failures
        delays = {one._delay(trouble) for _ in range(200)}
        assert longest / 2 <= min(delays) < max(delays) <= longest
        assert len(delays) > 10, "a herd of workers would knock all at once"
    assert one._delay(carrier.Later("no", "denied")) == 30
    assert one._delay(carrier.Later("no", "asked", 4.0)) == 4


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


@pytest.mark.parametrize("status", [301, 401, 403, 404])
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


def too_large(limit):
    return lambda number, key, data: (413, {}) if len(data) > limit else None


def test_a_segment_that_is_too_large_goes_in_halves_of_whole_lines(waiting, listening, send, lost):
    waiting.segment(lines=100, size=50)
    (name,) = waiting.names()
    server = listening()
    server.trouble = too_large(4000)
    send(server.url)
    wait_for(waiting.empty)
    assert server.ids() == waiting.ids
    assert set(server.keys) == {f"{name}#{a}#{b}" for a in "01" for b in "01"}
    assert lost() == {}


def test_the_one_line_that_is_too_large_is_put_aside_and_its_neighbours_arrive(waiting, listening, send, lost):
    one = Log(str(waiting.root), "rows", PROMPT)
    for number in range(9):
        one.append(PREDICTION % (str(number).encode(), b"x" * (9000 if number == 3 else 10)))
    one.close()
    (name,) = waiting.names()
    server = listening()
    server.trouble = too_large(4000)
    send(server.url)
    wait_for(waiting.empty)
    assert server.ids() == [str(number) for number in range(9) if number != 3]
    aside = sorted(path for path in (waiting.root / "log" / "refused").iterdir())
    assert [json.loads(path.read_bytes())["id"] for path in aside if path.suffix != ".reason"] == ["3"]
    assert all(path.name.startswith(f"{name}#") for path in aside)
    assert lost() == {"refused 413": 1}


def test_halves_are_the_same_after_a_restart_though_the_servers_limit_is_another(waiting, listening, send):
    waiting.segment(lines=100, size=50)
    server = listening()

    def first_half_only(number, key, data):
        return (413, {}) if "#" not in key else None if key.endswith("#0") else (500, {})

    server.trouble = first_half_only
    one = send(server.url)
    wait_for(lambda: len(server.requests) >= 3)
    one.close(5)
    assert [name for name in waiting.names() if name.endswith(".parts")]
    assert 0 < len(server.ids()) < 100
    server.trouble = lambda number, key, data: None  # the whole would fit now, and its first half would come twice
    send(server.url)
    wait_for(waiting.empty)
    assert sorted(server.ids(), key=int) == waiting.ids


@pytest.mark.parametrize("lines", [[1], [5, 5], [1, 1, 1, 500_000], [500_000, 1, 1], [300_000, 300_000], [1] * 1000])
def test_a_middle_is_a_line_end_and_only_one_line_has_none(tmp_path, lines):
    from watchglass.capture.shipping import Part, _middle

    path = tmp_path / "segment"
    data = b"".join(b"x" * (length - 1) + b"\n" for length in lines)
    path.write_bytes(data)
    with path.open("rb") as file:
        middle = _middle(file.fileno(), Part("key", 0, len(data)))
    if len(lines) == 1:
        assert middle is None
    else:
        assert 0 < middle < len(data)
        assert data[middle - 1 : middle] == b"\n"


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


def test_two_processes_on_one_spool_ship_each_segment_once(waiting, listening, tmp_path):
    for _ in range(60):
        waiting.segment(lines=20)
    server = listening()
    script = f"""
import time
from watchglass.capture.sender import Sender
sender = Sender({server.url!r}, {str(waiting.root)!r}); sender.start(); time.sleep(3); sender.close(5)
"""
    both = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert waiting.empty()
    assert sorted(server.ids(), key=int) == waiting.ids
    assert len(server.requests) == 60, "a segment was shipped by both"


def test_what_a_killed_sender_was_shipping_is_shipped_by_the_next_one(waiting, listening, send, tmp_path):
    for _ in range(5):
        waiting.segment()
    server = listening()
    server.trouble = lambda number, key, data: "hang" if number == 2 else None
    script = f"""
import time
from watchglass.capture.sender import Sender
Sender({server.url!r}, {str(waiting.root)!r}).start(); time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", script])
    wait_for(lambda: len(server.requests) == 2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(waiting.names()) == 4
    send(server.url)
    wait_for(waiting.empty)
    assert sorted(server.ids(), key=int) == waiting.ids


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


def test_closing_ends_the_thread_soon_whatever_the_server_does(waiting, listening, send):
    waiting.segment()
    server = listening()
    server.trouble = lambda number, key, data: "hang"
    one = send(server.url)
    wait_for(lambda: len(server.requests) == 1)
    thread = one._thread
    one.close(0.3)
    thread.join(5)
    assert not thread.is_alive()
    assert len(waiting.names()) == 1, "nobody acknowledged it"
    assert len(server.requests) == 1, "it was not asked again on the way out"


def test_closing_ships_what_was_sealed_though_the_server_was_down_before(waiting, listening, send):
    port = free_port()
    waiting.segment()
    one = send(f"http://127.0.0.1:{port}")
    wait_for(lambda: one._carrier._failures >= 4)
    server = listening(port)
    waiting.segment()
    one.close(10)
    assert waiting.empty()
    assert server.ids() == waiting.ids
    one.start()
    waiting.segment()
    one.wake()
    wait_for(waiting.empty)
    assert server.ids() == waiting.ids


def test_delivery_waits_for_this_process_and_says_whether_the_server_took_it(waiting, listening, send):
    server = listening()
    one = send(server.url)
    waiting.segment()
    assert one.deliver(10)
    assert server.ids() == waiting.ids
    assert one.deliver(0), "nothing waits"
    server.trouble = lambda number, key, data: (500, {})
    waiting.segment()
    assert not one.deliver(0.3)
    server.trouble = lambda number, key, data: (400, {})
    assert not one.deliver(10), "refused for good is not delivered"


def test_a_fork_in_the_middle_of_a_request_costs_nothing(waiting, listening, tmp_path):
    for _ in range(3):
        waiting.segment()
    server = listening()
    server.trouble = lambda number, key, data: "slow" if number == 1 else None
    script = f"""
import os, time
from watchglass.capture.sender import Sender
from watchglass.capture import spool
from watchglass.capture.segment import Limits, Log
root = {str(waiting.root)!r}
sender = Sender({server.url!r}, root); sender.start()
while not spool._held or sender._carrier.line._connection is None: time.sleep(0.001)
time.sleep(0.5)  # it waits for the answer now
child = os.fork()
if child == 0:
    sender.after_fork_in_child()
    assert not spool._held and sender._thread is None
    log = Log(root, "rows", Limits(60, 1 << 26, False))
    log.append(b'{{"kind":"prediction","id":"child"}}\\n')
    log.close()
    sender.start()
    ok = sender.deliver(20)
    sender.close(5)
    os._exit(0 if ok else 1)
assert os.waitpid(child, 0)[1] == 0, "the child hung or failed"
deadline = time.monotonic() + 20
while any(spool.waiting(root, log) for log in ("rows", "graph")): assert time.monotonic() < deadline; time.sleep(0.02)
sender.close(5)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=False, timeout=60)
    assert done.returncode == 0
    assert sorted(server.ids()) == sorted([*waiting.ids, "child"])
    assert len(server.requests) == 4, "a segment was shipped twice"


def test_forks_while_the_first_request_is_made_do_not_hang_the_children(listening, tmp_path):
    server = listening()
    script = f"""
import os, time
from watchglass.capture.sender import Sender
sender = Sender({server.url!r}, {str(tmp_path / "spool")!r})
os.makedirs({str(tmp_path / "spool/log/rows")!r})
open({str(tmp_path / "spool/log/rows/a.jsonl")!r}, "wb").write(b'{{"kind":"label","id":"a"}}\\n')
sender.start()
children = []
for _ in range(15):
    child = os.fork()
    if child == 0:
        sender.after_fork_in_child()
        import http.client, ssl  # half done in the parent, whole here
        sender.start(); sender.close(5)
        os._exit(0)
    children.append(child)
    time.sleep(0.003)
assert [os.waitpid(child, 0)[1] for child in children] == [0] * 15
sender.close(5)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=False, timeout=60)
    assert done.returncode == 0
    assert server.ids() == ["a"]


def test_a_prefix_a_token_and_ipv6(waiting, listening, send, monkeypatch):
    monkeypatch.setenv("WATCHGLASS_TOKEN", "s3cret")
    waiting.segment(lines=1)
    server = listening(host="::1")
    send(f"{server.url}/watchglass/")
    wait_for(waiting.empty)
    path, headers, _ = server.requests[0]
    assert path == "/watchglass/api/v1/events"
    assert headers["Authorization"] == "Bearer s3cret"
    assert headers["Host"] == server.url.removeprefix("http://")


def test_https_with_a_certificate_that_the_system_knows_and_not_without(
    waiting, listening, send, tmp_path, monkeypatch, caplog
):
    pem = tmp_path / "both.pem"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    both = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert")]
    subprocess.run([*made, *both], check=True, capture_output=True)
    pem.write_bytes((tmp_path / "key").read_bytes() + (tmp_path / "cert").read_bytes())
    waiting.segment()
    server = listening(certificate=pem)
    one = send(server.url)
    wait_for(lambda: "CERTIFICATE_VERIFY_FAILED" in caplog.text)
    assert server.requests == []
    one.close(0)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert"))
    send(server.url)
    wait_for(waiting.empty)
    assert server.ids() == waiting.ids


def test_a_proxy_of_the_environment_is_not_used(waiting, listening, send, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    waiting.segment()
    server = listening()
    send(server.url)
    wait_for(waiting.empty)


def test_asking_for_one_thing(listening, monkeypatch):
    monkeypatch.setenv("WATCHGLASS_TOKEN", "s3cret")
    server = listening()
    status, headers, body = sender.get(f"{server.url}/wg/", "/api/v1/settings", {"If-None-Match": '"0"'}, 5)
    assert (status, headers["etag"], json.loads(body)) == (200, '"1"', {"path": "/wg/api/v1/settings"})
    assert server.asked[0][1]["If-None-Match"] == '"0"'
    assert server.asked[0][1]["Authorization"] == "Bearer s3cret"
    with pytest.raises(OSError, match="refused"):
        sender.get(f"http://127.0.0.1:{free_port()}", "/api/v1/settings", {}, 1)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://", "http://host:port"),
        ("ftp://host", "http://host:port"),
        ("http://host:port", "http://host:port"),
        ("http://host:99999", "http://host:port"),
        ("http://[::1", "http://host:port"),
        ("http://ana:secret@host", "setting 'token'"),
        ("http://host/?a=1", "a query"),
    ],
)
def test_a_url_that_leads_nowhere_is_told(url, says):
    with pytest.raises(BadInput, match=says) as caught:
        Sender(url, "/nowhere")
    assert "secret" not in str(caught.value)


def test_a_token_that_no_header_can_carry_is_told_without_showing_it(monkeypatch):
    monkeypatch.setenv("WATCHGLASS_TOKEN", "pass\nword")
    with pytest.raises(BadInput, match="no HTTP header can carry") as caught:
        Sender("http://host", "/nowhere")
    assert "word" not in str(caught.value)


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


def test_a_wake_in_the_middle_of_a_wake_does_not_hang(waiting, listening, send):
    one = send(listening().url)
    signal.signal(signal.SIGALRM, lambda signum, frame: one.wake())
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        for _ in range(50_000):
            one.wake()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    assert one._thread.is_alive()


def test_no_segment_is_whole_in_memory(waiting, listening, send):
    waiting.segment(lines=40_000, size=800)
    size = sum(path.stat().st_size for path in (waiting.root / "log" / "rows").iterdir())
    import tracemalloc

    from watchglass.capture.shipping import Part, _events

    (name,) = waiting.names()
    with spool.sealed(str(waiting.root), "rows", name) as segment:
        tracemalloc.start()
        request = _events(segment, Part(name, 0, segment.size))
        sent = sum(len(chunk) for chunk in request.body())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert size > 30_000_000
    assert sent == request.length < size / 5
    assert peak < sent + 3_000_000


def test_starting_from_several_threads_at_once_gives_one_thread(waiting, listening):
    one = Sender(listening().url, str(waiting.root))
    starters = [threading.Thread(target=one.start) for _ in range(8)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    assert [thread.name for thread in threading.enumerate()].count("watchglass-sender") == 1
    one.close(5)
