"""How a segment becomes requests: packed where that pays, with what says how to read it, in halves where it is too large."""

from __future__ import annotations

import json
import os
import tracemalloc

import pytest
from tests.capture.listening import PREDICTION, PROMPT, wait_for

from watchglass.capture import spool
from watchglass.capture.segment import Log, new_name
from watchglass.capture.shipping import Part, _events, _middle


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


def test_a_killed_writers_torn_line_is_left_to_the_server(waiting, listening, send, caplog):
    waiting.segment(lines=2, tail=b'{"kind":"predic')
    server = listening()
    send(server.url)
    wait_for(waiting.empty)
    assert server.requests[0][2].endswith(b'{"kind":"predic')
    assert server.ids() == waiting.ids
    assert "set 1 events" in caplog.text


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


def test_no_segment_is_whole_in_memory(waiting, listening, send):
    waiting.segment(lines=40_000, size=800)
    size = sum(path.stat().st_size for path in (waiting.root / "log" / "rows").iterdir())
    from watchglass.capture.shipping import Part

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
