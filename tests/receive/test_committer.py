from __future__ import annotations

import json
import threading

import pytest

from watchglass.receive.committer import Committer, Request, ShuttingDown
from watchglass.receive.keys import Keys, Taken
from watchglass.receive.ledger import Busy, Ledger
from watchglass.receive.lines import Checked


def checked(*messages, graph=False):
    lines = [json.dumps({"kind": "log", "message": message}).encode() + b"\n" for message in messages]
    return Checked(
        rows=lines, graph=[b'{"kind":"component","name":"c"}\n'] if graph else [], accepted=len(lines) + graph
    )


@pytest.fixture
def make(tmp_path):
    made = []

    def committer(known=None):
        one = Committer(
            str(tmp_path),
            Keys(str(tmp_path), lambda keys: {k: v for k, v in (known or {}).items() if k in keys}),
            lambda _: None,
        )
        made.append(one)
        return one

    yield committer
    for one in made:
        one.close()


def files(folder, log="rows"):
    return sorted((folder / "log" / log).glob("*"))


def test_requests_that_wait_together_become_one_segment(tmp_path, make):
    asked, gate = threading.Event(), threading.Event()

    def look_up(_):
        asked.set()
        gate.wait(20)
        return {}

    committer = Committer(str(tmp_path), Keys(str(tmp_path), look_up), lambda _: None)
    first = committer.submit(Request("first", checked("a")))
    assert asked.wait(20)
    rest = [committer.submit(Request(f"k{n}", checked(f"b{n}"))) for n in range(20)]
    same = committer.submit(Request("k3", checked("b3")))
    assert not first.done()
    gate.set()
    assert first.result(20).duplicate is False
    assert [one.result(20).duplicate for one in rest] == [False] * 20
    assert same.result(20).duplicate is True
    committer.close()
    segments = [path.read_text().splitlines() for path in files(tmp_path)]
    assert [len(lines) for lines in segments] == [2, 21]
    assert json.loads(segments[1][0]) == {"kind": "batch", "keys": [[f"k{n}", 1, 0] for n in range(20)]}


def test_known_keys_are_told_by_the_catalog_and_by_segments_of_others(tmp_path, make):
    one, other = make({"old": Taken(7, 2)}), make()
    receipt = one.submit(Request("old", checked("x"))).result(20)
    assert (receipt.duplicate, receipt.taken) == (True, Taken(7, 2))
    assert other.submit(Request("new", checked("x", "y"))).result(20).duplicate is False
    receipt = one.submit(Request("new", checked("x", "y"))).result(20)
    assert (receipt.duplicate, receipt.taken) == (True, Taken(2, 0))
    assert len(files(tmp_path)) == 1


def test_a_segment_of_a_recorder_has_no_keys_and_one_that_is_torn_none_either(tmp_path, make):
    folder = tmp_path / "log" / "rows"
    folder.mkdir(parents=True)
    (folder / "a.jsonl").write_bytes(b'{"kind":"log"}\n')
    (folder / "b.jsonl").write_bytes(b'{"kind":"batch","keys":[["torn",')
    (folder / "c.jsonl").write_bytes(b'{"kind":"batch","keys":[["whole",1,0]]}\n')
    committer = make()
    assert committer.submit(Request("torn", checked("x"))).result(20).duplicate is False
    assert committer.submit(Request("whole", checked("x"))).result(20).duplicate is True


def test_a_folder_that_cannot_be_written_fails_the_request_and_the_next_succeeds(tmp_path, make):
    (tmp_path / "log").write_text("in the way")
    committer = make()
    future = committer.submit(Request(None, checked("x", "y")))
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        future.result(20)
    assert sum(committer.failed.values()) == 2
    (tmp_path / "log").unlink()
    assert committer.submit(Request("k", checked("x"))).result(20).taken == Taken(1, 0)
    assert not [path for path in files(tmp_path) if path.suffix == ".tmp"]


def test_a_catalog_that_cannot_be_asked_fails_only_requests_with_keys(tmp_path):
    def broken(_):
        raise OSError(5, "Input/output error")

    committer = Committer(str(tmp_path), Keys(str(tmp_path), broken), lambda _: None)
    keyed = committer.submit(Request("k", checked("x")))
    with pytest.raises(OSError, match="Input/output"):
        keyed.result(20)
    assert committer.submit(Request(None, checked("x"))).result(20).duplicate is False
    committer.close()
    with pytest.raises(ShuttingDown):
        committer.submit(Request(None, checked("x")))


def test_the_graph_goes_first(tmp_path, make):
    committer = make()
    committer.submit(Request("k", checked("x", graph=True))).result(20)
    graph, rows = files(tmp_path, "graph")[0], files(tmp_path)[0]
    assert graph.stat().st_mtime_ns <= rows.stat().st_mtime_ns
    assert graph.name < rows.name


def test_a_ledger_lets_what_is_alone_grow_and_bounds_the_others():
    ledger = Ledger(100, 50)
    large, small = ledger.begin(), ledger.begin()
    large.set(1000)
    with pytest.raises(Busy):
        small.set(1)
    with pytest.raises(Busy):
        ledger.begin()
    large.done()
    small.set(120)
    with pytest.raises(Busy):
        ledger.begin()
    small.set(10)
    ledger.begin().set(140)
    assert ledger.held == 150
    small.done()
    assert ledger.held == 140
