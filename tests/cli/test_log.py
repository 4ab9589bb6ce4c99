"""`watchglass log`: what a shell sends is in the store, of a folder or of a server, and exit codes say what became of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

import watchglass as wg
from tests.cli.calling import called
from tests.web.served import serving

MAIN = [sys.executable, "-c", "from watchglass.cli.main import main; main()", "log"]


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A folder, and a server of another."""
    root = tmp_path_factory.mktemp("log")
    with serving(root / "served") as served:
        yield {"folder": (str(root / "own"), root / "own"), "server": (served.url, root / "served")}


@pytest.fixture(params=["folder", "server"])
def place(places, request):
    return places[request.param]


def log(place, *words, stdin="", **environment):
    return called("log", *words, says=stdin, WATCHGLASS_STORE=place[0], **environment)


def process(place, *words, stdin=None, **environment):
    return subprocess.run(
        [*MAIN, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        input=stdin,
        env={**os.environ, "WATCHGLASS_STORE": place[0], **environment},
    )


def rows(place, query):
    with wg.open(place[1]) as store:
        return store.sql(query).rows()


def test_a_prediction_and_its_label(place):
    words = [
        "--feature",
        "amount=41.5",
        "--feature",
        "country=IT",
        "--prediction",
        "1",
        "--score",
        ".93",
        "--version",
        "3",
    ]
    done = log(place, "prediction", "fraud", "--id", "tx-1", *words, "--time", "2026-03-01T12:00:00Z")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert process(place, "label", "fraud", "tx-1", "0").returncode == 0
    row = rows(place, "SELECT * FROM predictions WHERE id = 'tx-1'")[0]
    assert (row["prediction"], row["score"], row["version"], row["time"].isoformat()[:19]) == (
        "1",
        0.93,
        "3",
        "2026-03-01T12:00:00",
    )
    assert json.loads(row["features"]) == {"amount": 41.5, "country": "IT"}
    assert rows(place, "SELECT label FROM labels WHERE id = 'tx-1'") == [{"label": "0"}]


def test_an_id_that_was_not_given_is_printed(place):
    ident = log(place, "prediction", "given").stdout.strip()
    assert rows(place, "SELECT id FROM predictions WHERE model = 'given'") == [{"id": ident}]
    told = json.loads(log(place, "prediction", "given2", "--json").stdout)
    assert told["accepted"] == 1
    assert rows(place, "SELECT id FROM predictions WHERE model = 'given2'") == [{"id": told["ids"][0]}]


def test_a_metric_and_a_line(place):
    assert log(place, "metric", "queue_depth", "3", "--label", "host=a", "--step", "7").returncode == 0
    assert log(place, "line", "the queue is full", "--level", "warning", "--tag", "host=a").returncode == 0
    assert rows(place, "SELECT value, step FROM metrics WHERE name = 'queue_depth'") == [{"value": 3.0, "step": 7}]
    assert rows(place, "SELECT level FROM logs WHERE message = 'the queue is full'") == [{"level": "warning"}]


def test_a_command_is_run_as_a_run_and_its_exit_code_passes_through(place, tmp_path):
    (tmp_path / "raw.csv").write_text("a,b\n1,2\n")
    out = tmp_path / "rows.txt"
    script = f"import sys; open({str(out)!r}, 'w').write('x'); print('said'); sys.exit(3)"
    words = ["run", "load", "--input", f"raw={tmp_path / 'raw.csv'}", "--output", out, "--param", "day=1", "--"]
    done = process(place, *words, sys.executable, "-c", script)
    assert (done.returncode, done.stdout) == (3, "said\n")
    found = rows(place, "SELECT id, status, error, ended >= started AS lasted FROM runs WHERE component = 'load'")
    assert [(row["status"], row["error"], row["lasted"]) for row in found] == [("error", "exit code 3", True)]
    read = rows(place, f"SELECT name, version, rule FROM reads WHERE run = '{found[0]['id']}'")
    assert (read[0]["name"], read[0]["rule"], bool(read[0]["version"])) == ("raw", "content", True)
    assert rows(place, f"SELECT name, rule FROM writes WHERE run = '{found[0]['id']}'") == [
        {"name": str(out), "rule": "content"}
    ]


def test_of_whom_inputs_and_outputs_are_is_said_as_in_python(place, tmp_path):
    (tmp_path / "raw.csv").write_text("of,clients\n17,9\n")
    out = tmp_path / "rows.txt"
    script = f"open({str(out)!r}, 'w').write('x')"
    words = ["--input", f"raw={tmp_path / 'raw.csv'}", "--output", f"rows={out}", "--output", "sums"]
    words += ["--subject", "raw=client-17", "--subject", "raw=client-9", "--subject", "rows=client=3", "--subject", "sums="]  # fmt: skip
    assert process(place, "run", "whose", *words, "--", sys.executable, "-c", script).returncode == 0
    query = "SELECT t.name, t.tag, t.version <> '' AS versioned FROM subject_tags t JOIN runs r ON t.run = r.id WHERE component = '{}' ORDER BY ALL"
    wanted = [("raw", "client-17", True), ("raw", "client-9", True), ("rows", "client=3", True), ("sums", "", False)]
    assert [tuple(row.values()) for row in rows(place, query.format("whose"))] == wanted
    done = log(place, "run", "over whose", "--input", "clients.csv", "--subject", "clients.csv=client-17")
    assert done.returncode == 0, done.stderr
    assert [tuple(row.values()) for row in rows(place, query.format("over whose"))] == [
        ("clients.csv", "client-17", False)
    ]
    with wg.open(place[1]) as store:
        assert {one.component for one in store.subject("client-17").runs} == {"whose", "over whose"}


def test_a_command_that_is_not_there_and_one_that_is_killed(place):
    done = process(place, "run", "absent", "--", "no-such-command-at-all")
    assert (done.returncode, "is not found" in done.stderr) == (127, True)
    done = process(
        place, "run", "killed", "--", sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert done.returncode == 137
    found = rows(place, "SELECT status, error FROM runs WHERE component = 'killed'")
    assert found == [{"status": "error", "error": "ended by SIGKILL"}]


def test_what_ends_the_wrapper_ends_the_command_and_is_recorded(places):
    place = places["folder"]
    script = "import time; print('ready', flush=True); time.sleep(60)"
    process = subprocess.Popen(
        [*MAIN, "run", "stopped", "--store", place[0], "--", sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    assert rows(place, "SELECT status FROM runs WHERE component = 'stopped'") == [{"status": "running"}]
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 143
    process.stdout.close()
    assert rows(place, "SELECT error FROM runs WHERE component = 'stopped'") == [{"error": "ended by SIGTERM"}]


def test_a_run_that_is_over(place):
    done = log(
        place,
        "run",
        "nightly",
        "--started",
        "2026-03-01T03:00:00Z",
        "--ended",
        "2026-03-01T03:00:12Z",
        "--input",
        "raw.csv",
    )
    row = rows(place, f"SELECT component, status FROM runs WHERE id = '{done.stdout.strip()}'")
    assert row == [{"component": "nightly", "status": "ok"}]


def test_events_from_standard_input_and_from_a_file(place, tmp_path):
    lines = [json.dumps({"kind": "log", "message": f"piped-{number}"}) for number in range(1000)]
    done = process(place, "events", "-", stdin="\n".join(lines))
    assert (done.returncode, done.stdout) == (0, "1000 events recorded, 0 lines refused\n")
    assert rows(place, "SELECT count(*) AS n FROM logs WHERE starts_with(message, 'piped-')") == [{"n": 1000}]
    file = tmp_path / "events.json"
    file.write_text(json.dumps([{"kind": "log", "message": "from an array"}, {"kind": "log"}], indent=1))
    done = log(place, "events", file, "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["accepted"], told["rejected_count"]) == (1, 1, 1)
    assert "message is missing" in done.stderr


def test_a_large_file_goes_in_pieces_and_lines_are_numbered_through(places, monkeypatch, tmp_path, capsysbinary):
    from click.testing import CliRunner

    from watchglass.cli import delivering
    from watchglass.cli.main import commands

    monkeypatch.setattr(delivering, "PIECE", 1000)
    file = tmp_path / "large.jsonl"
    lines = [json.dumps({"kind": "log", "message": f"large-{number}"}) for number in range(500)]
    lines[321] = "broken"
    file.write_text("\n".join(lines))
    done = CliRunner().invoke(commands, ["log", "events", str(file), "--store", places["folder"][0]])
    assert done.exit_code == 1
    assert "499 events recorded, 1 lines refused" in done.output
    assert "line 322: not JSON" in done.output
    assert rows(places["folder"], "SELECT count(*) AS n FROM logs WHERE starts_with(message, 'large-')") == [{"n": 499}]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["prediction", ""], "model cannot be ''"),
        (["prediction", "m", "--feature", "amount"], "NAME=VALUE"),
        (["prediction", "m", "--score", "high"], "score cannot be 'high'"),
        (["label", "m", "1", "x", "--time", "yesterday"], "time cannot be 'yesterday'"),
        (["metric", "q", "many"], "not a valid float"),
        (["line", "x", "--level", "loud"], "loud"),
        (["events", "/no/such/file"], "No such file"),
        (["run", "c", "--started", "2026-01-02", "--ended", "2026-01-01"], "swapped"),
        (["run", "c", "--started", "2026-01-02", "--", "true"], "COMMAND says them itself"),
        (["run", "c", "--input", "rows", "--subject", "row=client-17", "--", "true"], "of these names: rows"),
        (["run", "c", "--subject", "client-17"], "names no input or output"),
        (
            ["run", "c", "--input", "a", "--subject", "a=", "--subject", "a=b"],
            "--subject of 'a' cannot have the tag ''",
        ),
    ],
)
def test_bad_input_is_one_clear_sentence_and_2(place, words, said):
    done = log(place, *words)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr


def test_what_cannot_be_recorded_is_1(tmp_path):
    (tmp_path / "file").write_text("")
    done = log((str(tmp_path / "file"), None), "line", "x")
    assert (done.returncode, "could not be written" in done.stderr) == (1, True), done.stderr
    begun = time.monotonic()
    done = log(("http://127.0.0.1:9", None), "line", "x")
    assert (done.returncode, "Is it running there" in done.stderr) == (1, True), done.stderr
    assert time.monotonic() - begun < 60


def test_a_wrapped_command_does_not_suffer_from_a_store_that_is_not_there():
    done = process(("http://127.0.0.1:9", None), "run", "load", "--", sys.executable, "-c", "print('done')")
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert done.stderr.count("the run is not recorded") == 2


def test_nothing_is_recorded_where_that_is_said(place):
    assert log(place, "line", "there is a store now").returncode == 0
    assert log(place, "prediction", "off", WATCHGLASS_DISABLED="1").returncode == 0
    assert rows(place, "SELECT count(*) AS n FROM predictions WHERE model = 'off'") == [{"n": 0}]


def test_the_wrong_server_is_told():
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread

    class Other(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as other:
        Thread(target=other.serve_forever).start()
        try:
            done = log((f"http://127.0.0.1:{other.server_port}", None), "line", "x")
        finally:
            other.shutdown()
    assert (done.returncode, "not a watchglass server's" in done.stderr) == (1, True)


def test_a_command_is_a_part_of_the_run_around_it_and_what_it_records_is_a_part_of_it(place):
    script = "import watchglass as wg\nwith wg.run('inner part'): pass\nsum(n * n for n in range(300_000))"
    trace = f"00-{'c' * 32}-{'d' * 16}-01"
    done = process(
        place,
        "run",
        "outer part",
        "--",
        sys.executable,
        "-c",
        script,
        TRACEPARENT=trace,
        TRACESTATE="watchglass=run-above",
        WATCHGLASS_DELIVER_SECONDS="60",
    )
    assert done.returncode == 0, done.stderr
    query = "select * from runs where component in ('inner part', 'outer part')"
    deadline = time.monotonic() + 60
    while (
        len(found := {row["component"]: row for row in rows(place, query)}) < 2 or found["inner part"]["ended"] is None
    ):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    outer, inner = found["outer part"], found["inner part"]
    assert (outer["parent"], inner["parent"]) == ("run-above", outer["id"])
    assert outer["trace"] == inner["trace"] == "c" * 32
    assert outer["status"] == inner["status"] == "ok"


def test_a_wrapper_that_is_killed_leaves_its_run_crashed(places):
    name, folder = places["folder"]
    command = ["run", "killed wrapper", "--", sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(
        [*MAIN, *command], stdin=subprocess.PIPE, env={**os.environ, "WATCHGLASS_STORE": name}
    ) as process:
        query = "select status, error from runs where component = 'killed wrapper'"
        deadline = time.monotonic() + 60
        while not (folder / "catalog.db").exists() or not rows((name, folder), query):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.kill()
        process.wait(60)
        process.stdin.close()
    (row,) = rows((name, folder), query)
    assert row["status"] == "crashed"
    assert str(process.pid) in row["error"]


def test_a_wrapper_says_again_and_again_that_a_long_command_lasts():
    from watchglass.cli.wrapping import _executed

    heard = []
    assert _executed(["sleep", "0.6"], os.environ, lambda: heard.append(1), 0.05) == (0, None)
    assert len(heard) >= 3
    assert _executed(["sh", "-c", "exit 3"], os.environ, lambda: heard.append(1), 5) == (3, "exit code 3")
