from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchglass.receive import lines as module
from watchglass.receive.columns import WIDEST, Columns
from watchglass.receive.lines import Lines, Reading, TooLarge, Unreadable


def read(data, size=10**9, columns=None, **reading):
    found = Lines(Reading(**reading), columns or Columns(lambda _: ()))
    raw = data if isinstance(data, bytes) else data.encode()
    for start in range(0, len(raw), size):
        found.feed(raw[start : start + size])
    return found.finish()


def events(parts):
    return [json.loads(line) for part in parts for line in part.splitlines()]


def plain(**more):
    return {"kind": "log", "message": "m", "time": 1_772_323_200_000_000, **more}


@given(
    st.lists(
        st.sampled_from([json.dumps(plain(message=f"a{n}")) for n in range(3)] + ["", " ", "bad", "5", '{"kind":"x"}']),
        max_size=8,
    ),
    st.integers(1, 60),
    st.sampled_from(["\n", "\r\n"]),
)
def test_however_a_body_is_cut_it_comes_to_the_same(chosen, size, end):
    body = end.join(chosen)
    whole, cut = read(body), read(body, size)
    assert (whole.accepted, whole.refused, whole.reasons) == (cut.accepted, cut.refused, cut.reasons)
    assert b"".join(whole.rows) == b"".join(cut.rows)
    assert whole.accepted + whole.refused == sum(bool(line.strip()) for line in chosen)


def test_line_numbers_count_blank_lines():
    assert read('\n\nbad\n{"kind": "log", "message": "x"}\nworse').reasons[0][0] == 3
    assert [number for number, _ in read("\n\nbad\n\nworse", 3).reasons] == [3, 5]


def test_an_array_is_taken_by_place_and_one_that_cannot_be_read_not_at_all():
    done = read(json.dumps([plain(), 5, plain(kind="nothing"), plain(message="b")]))
    assert (done.accepted, [number for number, _ in done.reasons]) == (2, [2, 3])
    with pytest.raises(Unreadable, match="the array cannot be read, and nothing of it is recorded"):
        read("[" + json.dumps(plain()) + ",")


def test_a_long_array_is_refused_and_long_lines_are_not(monkeypatch):
    monkeypatch.setattr(module, "WHOLE", 1000)
    monkeypatch.setattr(module, "LONGEST", 5000)
    with pytest.raises(TooLarge, match="an array of more than 1000 bytes"):
        read(json.dumps([plain(message="x" * 2000)]), 100)
    assert read(json.dumps(plain(message="x" * 2000)), 100).accepted == 1
    with pytest.raises(TooLarge, match="a line of more than 5000 bytes"):
        read(json.dumps(plain(message="x" * 7000)), 100)


def test_an_object_over_several_lines_and_lines_that_look_like_one():
    assert read(json.dumps(plain(), indent=1), 7).accepted == 1
    torn = read("{\n" + json.dumps(plain()) + "\n}", 5)
    assert (torn.accepted, torn.refused) == (1, 2)


def test_what_is_refused_goes_on_as_it_is_or_wrapped_where_a_reader_could_take_it():
    done = read('bad\n{"kind": "prediction", "model": "m", "id": "i", "time": 1772323200000}')
    first, second = b"".join(done.rows).splitlines()
    assert first == b"bad"
    wrapped = json.loads(second)
    assert (wrapped["kind"], wrapped["line"], json.loads(wrapped["raw"])["time"]) == ("rejected", 2, 1_772_323_200_000)


def test_ids_come_again_with_the_key_and_are_new_without():
    body = '{"model": "m"}\n{"model": "m"}'
    first, again, other = (read(body, kind="prediction", key=key).ids for key in ("k", "k", "j"))
    assert first == again != other
    assert len({ident for _, ident in first}) == 2
    assert read(body, kind="prediction").ids != read(body, kind="prediction").ids


def test_columns_are_announced_until_they_are_on_the_disk():
    known = Columns(lambda model: [("feature", "old")] if model == "m" else [])
    body = json.dumps(
        {"kind": "prediction", "model": "m", "features": {"old": 1, "x": 1, "t": "a", "later": None}, "tags": {"c": 1}}
    )
    first = read(body, columns=known)
    assert events(first.graph)[0]["columns"] == [
        ["feature", "x", "number"],
        ["feature", "t", "text"],
        ["tag", "c", "text"],
    ]
    assert read(body, columns=known).graph == first.graph or len(read(body, columns=known).graph) == 1
    known.committed(first.news)
    assert read(body, columns=known).graph == []
    late = read(body.replace("null", "true"), columns=known)
    assert events(late.graph)[0]["columns"] == [["feature", "later", "boolean"]]


def test_names_that_are_data_do_not_grow_a_model_without_end():
    known = Columns(lambda _: ())
    for start in range(0, WIDEST, 500):
        features = {f"f{n}": n for n in range(start, start + 500)}
        done = read(json.dumps({"kind": "prediction", "model": "m", "features": features}), columns=known)
        known.committed(done.news)
    done = read(json.dumps({"kind": "prediction", "model": "m", "features": {"one more": 1}}), columns=known)
    assert "more than 4000 features and tags" in done.reasons[0][1]


def test_graph_and_rows_go_to_their_logs():
    done = read('{"kind": "component", "name": "c"}\n{"kind": "metric", "name": "m", "value": 1}')
    assert [event["kind"] for event in events(done.graph)] == ["component"]
    assert [event["kind"] for event in events(done.rows)] == ["metric"]
    assert done.size == sum(len(part) for part in [*done.graph, *done.rows])
