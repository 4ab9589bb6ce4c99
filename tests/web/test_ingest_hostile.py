"""Whatever bytes a client sends, the server answers below 500, takes or refuses each line, and compaction loses no good neighbour."""

from __future__ import annotations

import json
import os
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.web.served import serving

DEEP = "[" * 10_000 + "]" * 10_000
LONG = "y" * 10_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("hostile") / "store") as served:
        yield served


def event(text, kind="prediction", model="h"):
    return f'{{"kind": "{kind}", "model": "{model}", {text}}}'


TAKEN = {
    "NaN is nothing": event('"id": "nan", "features": {"x": NaN, "y": -Infinity}, "score": NaN'),
    "2^80 becomes a double": event('"id": "big", "features": {"x": 1208925819614629174706176}'),
    "1e400 is nothing": event('"id": "huge", "features": {"x": 1e400}'),
    "the last of a repeated key stands": event('"id": "first", "features": {"x": 1, "x": 2}, "id": "twice"'),
    "half a surrogate pair is mended": event('"id": "half", "features": {"t": "\\ud800"}'),
    "a null byte": event('"id": "nul\\u0000l", "features": {"t": "a\\u0000b"}'),
    "ten megabytes": event(f'"id": "long", "features": {{"t": "{LONG}"}}'),
    "a hundred deep": event('"id": "deep", "features": {"d": ' + "[" * 95 + "]" * 95 + "}"),
    "keys nobody asked for": event('"id": "extra", "mystery": {"a": [1]}'),
    "a number for a text": event('"id": 17, "version": 2'),
    "a column name that is not plain": event('"id": "odd", "features": {"a\\"b.c$[0]": 1, "über": 2}'),
    "windows line ends": event('"id": "crlf"') + "\r",
    "names that differ in case": event('"id": "case", "features": {"Amount": 1, "amount": 2}', model="cased"),
}
REFUSED = {
    "ten thousand deep": (event(f'"id": "a", "features": {{"d": {DEEP}}}'), "nested more than 100 deep"),
    "two hundred deep": (
        event('"id": "a", "features": {"d": ' + "[" * 200 + "]" * 200 + "}"),
        "nested more than 100 deep",
    ),
    "not JSON": ("{", "not JSON"),
    "not UTF-8": (b'{"kind": "log", "message": "\xff"}', "not UTF-8"),
    "a list": ("[1]", "not an object but list"),
    "a text": ('"text"', "not an object but str"),
    "no kind": ("{}", "kind is missing"),
    "another kind": ('{"kind": ["a"]}', "kind cannot be ['a']"),
    "a header of our own": ('{"kind": "batch", "keys": []}', "kind cannot be 'batch'"),
    "no model": ('{"kind": "prediction", "id": "x"}', "model is missing"),
    "an empty id": (event('"id": ""'), "id cannot be ''"),
    "a model that is a list": ('{"kind": "prediction", "model": [], "id": "x"}', "model cannot be []"),
    "features that are a list": (event('"id": "a", "features": [1]'), "features cannot be [1]"),
    "a feature without a name": (event('"id": "a", "features": {"": 1}'), "a feature has no name"),
    "a latency that is a text": (event('"id": "a", "latency": "fast"'), "latency cannot be 'fast'"),
    "a score that is a text": (event('"id": "a", "score": "high"'), "score cannot be 'high'"),
    "weight zero": (event('"id": "a", "weight": 0'), "weight cannot be 0"),
    "milliseconds": (event('"id": "a", "time": 1772323200000'), "divide by 1000"),
    "a time that is none": (event('"id": "a", "time": "soon"'), "time cannot be 'soon'"),
    "a time far ahead": (event('"id": "a", "time": "2999-01-01"'), "more than a day ahead"),
    "a label without a label": (event('"id": "a"', "label"), "label is missing"),
    "a metric that is a text": ('{"kind": "metric", "name": "n", "value": "x"}', "value cannot be 'x'"),
    "a level that is none": ('{"kind": "log", "message": "m", "level": "loud"}', "level cannot be 'loud'"),
    "a run that ends before it starts": (
        '{"kind": "run", "component": "c", "started": 2000000, "ended": 1000000}',
        "swapped?",
    ),
    "five thousand columns": (
        event('"id": "a", "features": ' + json.dumps({f"c{n}": n for n in range(5000)}), model="wide"),
        "more than 4000 features and tags",
    ),
}


def test_odd_lines_are_taken_and_their_neighbours_too(server):
    lines = [event(f'"id": "good{n}", "features": {{"x": {n}}}') for n in range(len(TAKEN))]
    body = "\n".join(line for pair in zip(TAKEN.values(), lines, strict=True) for line in pair)
    told = server.post("events", body.encode("utf-8", "surrogatepass")).json()
    assert told["rejected"] == []
    assert told["accepted"] == 2 * len(TAKEN)
    before = server.rows("SELECT id, features FROM predictions WHERE model IN ('h', 'cased') ORDER BY id")
    server.rejected()
    after = server.rows("SELECT id, features FROM predictions WHERE model IN ('h', 'cased') ORDER BY id")
    assert [row["id"] for row in before] == [row["id"] for row in after]
    found = {row["id"]: json.loads(row["features"]) for row in after if row["features"]}
    assert len(after) == 2 * len(TAKEN)
    assert found["nan"]["x"] is None
    assert found["big"]["x"] == 2.0**80
    assert found["twice"]["x"] == 2
    assert found["half"]["t"] == "�"
    assert found["nul\0l"]["t"] == "a\0b"
    assert len(found["long"]["t"]) == len(LONG)
    assert found["odd"]['a"b.c$[0]'] == 1


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_line_is_told_counted_and_kept(server, name):
    line, reason = REFUSED[name]
    raw = line if isinstance(line, bytes) else line.encode()
    mark = f"neighbour of {name}"
    neighbour = json.dumps({"kind": "log", "message": mark}).encode()
    told = server.post("events", neighbour + b"\n" + raw + b"\n" + neighbour).json()
    assert (told["accepted"], told["rejected_count"], told["rejected"][0]["line"]) == (2, 1, 2)
    assert reason in told["rejected"][0]["reason"]
    before = server.rejected()
    kept = [text for _, text in before if text is not None]
    shown = raw.decode("utf-8", "backslashreplace")
    assert any(shown[:1000] in text or json.dumps(shown)[1:900] in text for text in kept), kept[-1][:300]
    assert server.rows(f"SELECT count(*) AS n FROM logs WHERE message = '{mark}'") == [{"n": 2}]


def test_every_refusal_is_counted_once(tmp_path):
    with serving(tmp_path / "store") as served:
        body = b"\n".join(line if isinstance(line, bytes) else line.encode() for line, _ in REFUSED.values())
        assert served.post("events", body).json()["rejected_count"] == len(REFUSED)
        assert len(served.rejected()) == len(REFUSED)
        assert len(served.rejected()) == len(REFUSED)


KINDS = (
    "prediction",
    "label",
    "metric",
    "log",
    "run",
    "component",
    "read",
    "write",
    "model",
    "schema",
    "deployment",
    "drops",
)
NAMES = (
    "kind",
    "model",
    "id",
    "time",
    "features",
    "tags",
    "score",
    "label",
    "labels",
    "name",
    "value",
    "step",
    "message",
    "level",
    "component",
    "started",
    "ended",
    "reads",
    "writes",
    "params",
    "columns",
    "writer",
    "reasons",
    "weight",
    "error",
    "version",
    "latency",
    "run",
    "environment",
    "slices",
    "artifact",
    "status",
    "notes",
    "pid",
    "metrics",
    "code",
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(KINDS),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.sampled_from(NAMES), inner, max_size=3)
    ),
    max_leaves=6,
)
events = st.fixed_dictionaries(
    {"kind": st.sampled_from(KINDS)},
    optional={
        name: values | st.sampled_from(["a", 1, 1772323200, {"x": 1}, [["feature", "x", "number"]]])
        for name in NAMES[1:]
    },
)
bodies = st.lists(events.map(lambda found: json.dumps(found).encode()) | st.binary(max_size=40), max_size=12).map(
    b"\n".join
)


@settings(
    max_examples=300 if os.environ.get("WATCHGLASS_TORTURE") else 40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    bodies | st.lists(events, max_size=5).map(lambda found: json.dumps(found).encode()),
    st.sampled_from(["events", "predictions", "labels", "runs", "metrics", "logs"]),
)
def test_no_body_is_answered_with_500_and_every_line_is_accounted_for(server, body, path):
    told = server.post(path, body)
    assert told.status_code in (200, 400), (told.status_code, told.text)
    if told.status_code == 200 and not body.lstrip().startswith((b"[", b"{")):
        found = told.json()
        wanted = sum(1 for line in body.split(b"\n") if line.strip())
        assert found["accepted"] + found["rejected_count"] == wanted


SAID = [
    (1, {"p": 0.4, "1": 0.6}),
    ("p", {"p": 0.4}),
    ('q"o\\', 0.5),
    ({"a": 1}, 0.5),
    ([2], None),
    (False, {"a": None}),
    (None, {"a": 1}),
    ('q"o\\', {'q"o\\': 0.5}),
    ("", {"": 0.5}),
    ({"a": 1}, {"a": 0.5}),
    ([2], {"*": 0.5}),
]


def test_what_the_fuzz_left_is_compacted_and_counted(tmp_path):
    chance = random.Random(11)
    accepted = rejected = 0
    with serving(tmp_path / "store") as served:
        for number in range(25):
            lines = [
                json.dumps(
                    {
                        "kind": chance.choice(("prediction", "label", "metric", "log")),
                        "model": chance.choice(("a", "b", 3, None)),
                        "id": f"{number}-{place}",
                        "name": "n",
                        "message": chance.choice(("m", {"a": 1}, None)),
                        "value": chance.choice((1, None, 2.5, True)),
                        "label": chance.choice((1, "x", None, [1], {"a": None})),
                        "features": chance.choice(({"x": 1}, {"x": "t"}, {"y": [1]}, {"z": None}, None, {"x": True})),
                        **dict(zip(("prediction", "score"), chance.choice(SAID), strict=True)),
                        "step": chance.choice((1, None, 2.0)),
                        "tags": chance.choice(({"t": 1}, {"t": {"a": 1}}, None)),
                        "error": chance.choice((None, "bad", {"code": 3})),
                    }
                )
                for place in range(20)
            ]
            told = served.post("events", "\n".join(lines)).json()
            accepted += told["accepted"]
            rejected += told["rejected_count"]
        tables = ("predictions", "label_history", "metrics", "logs")
        live = sum(served.rows(f"SELECT count(*) AS n FROM {table}")[0]["n"] for table in tables)
        refused = [reason for reason, raw in served.rejected() if raw is not None and "kept as NULL" not in reason]
        stored = sum(served.rows(f"SELECT count(*) AS n FROM {table}")[0]["n"] for table in tables)
        assert live == stored == accepted
        assert len(refused) == rejected
        assert not list(served.folder.glob("log/rows/*.jsonl"))
