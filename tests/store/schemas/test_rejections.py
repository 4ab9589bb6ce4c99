"""Values that do not fit are NULL, counted once each and listed with their line, whichever way they came."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import watchglass as wg
from tests.store.bench import BEGIN, Bench, prediction
from watchglass.capture import recorder
from watchglass.errors import BadInput, UnknownName
from watchglass.reading import open_store
from watchglass.store.schemas.registered import schema_of
from watchglass.store.schemas.rejections import rejections


def listed(bench, model=None, **page):
    return rejections(bench.folder, bench.engine, model, **page)


def test_each_value_that_does_not_fit_is_listed_once_with_its_line_and_time(bench):
    bench.model()
    values = [1, "much", None, 2.5, "more", [1]]
    bench.write("rows", [prediction(n, features={"ink": value}) for n, value in enumerate(values)])
    assert bench.compact().rejected == 3
    found = listed(bench).rejections
    assert {(one.model, one.role, one.name, one.rows) for one in found} == {("digits", "feature", "ink", 1)}
    raws = [json.loads(one.raw) for one in found]
    assert sorted(str(raw["features"]["ink"]) for raw in raws) == ["[1]", "more", "much"]
    assert {raw["time"] for raw in raws} == {BEGIN + n for n in (1, 4, 5)}
    assert all(one.time is not None and one.segment for one in found)


def test_values_beyond_a_thousand_are_counted_together(bench):
    bench.model()
    bench.write("rows", [prediction(n, features={"ink": "much"}) for n in range(1200)])
    assert bench.compact().rejected == 1200
    rows = Counter()
    for one in (*listed(bench, limit=1000).rejections, *listed(bench, limit=1000, after=201).rejections):
        rows[one.raw is None] += one.rows
    assert sum(one.rows for one in listed(bench, limit=1000).rejections if one.raw is None) == 200
    (change,) = (one for one in schema_of(bench.folder, bench.engine, "digits").changes if one.change == "conflict")
    assert (change.before, change.after, change.rows) == ("number", None, 1200)


def test_conflicts_of_one_day_are_one_change_and_two_models_are_counted_apart(bench):
    bench.model("a", features=(("x", "number"),))
    bench.model("b", features=(("x", "text"),))
    bench.model("c", features=(("x", "boolean"),))
    for part in range(2):
        rows = [prediction(n, model=model, features={"x": "red"}) for n in range(part + 1) for model in "abc"]
        bench.write("rows", rows)
        bench.compact()
    counts = {}
    for model in "abc":
        found = schema_of(bench.folder, bench.engine, model)
        counts[model] = [(one.change, one.before, one.rows) for one in found.changes if one.change == "conflict"]
        assert [column.conflicts for column in found.columns if column.name == "x"] == [0 if model == "b" else 3]
    assert counts == {"a": [("conflict", "number", 3)], "b": [], "c": [("conflict", "boolean", 3)]}


def test_lines_tell_their_model_where_it_can_be_read(bench):
    bench.model()
    lines = b'{"kind":"prediction","model":"digits","id":"x","time":1.5}\n{"kind":"tune","model":"m"}\nnonsense\n'
    refused = {"kind": "rejected", "line": 7, "reason": "id is missing", "raw": '{"kind":"label","model":"digits"}'}
    bench.write("rows", [prediction(1), refused], lines)
    bench.write("graph", [{"kind": "model", "name": "digits", "schema": [{"name": "x", "type": "money"}]}])
    assert bench.compact().rejected == 4
    found = {one.reason.partition(":")[0]: one.model for one in listed(bench).rejections}
    assert found == {
        "time must be whole microseconds since the epoch, not 1.5": "digits",
        "unknown kind 'tune'; known": "m",
        "not JSON": None,
        "id is missing": "digits",
        "not a graph event": "digits",
    }
    assert all(one.role is None for one in listed(bench, "digits").rejections)


def test_pages_follow_each_other_newest_first_and_a_name_that_is_not_known_is_told(bench):
    bench.model()
    bench.write("rows", [prediction(n, features={"ink": f"v{n}"}) for n in range(25)])
    bench.compact()
    seen, after = [], None
    while True:
        page = listed(bench, "digits", limit=10, after=after)
        seen += [one.id for one in page.rejections]
        after = page.next
        if after is None:
            break
    assert len(seen) == 25
    assert seen == sorted(seen, reverse=True)
    with pytest.raises(UnknownName, match="Did you mean 'digits'"):
        listed(bench, "digts")
    with pytest.raises(UnknownName, match="Did you mean 'digits'"):
        schema_of(bench.folder, bench.engine, "digts")
    with pytest.raises(BadInput, match="1 to 1000"):
        listed(bench, limit=0)


def test_a_schema_counts_what_was_rejected_by_reason_and_pages_its_changes(bench):
    bench.model()
    bad = [prediction(n, features={"ink": "much"}) for n in range(3)]
    bench.write("rows", bad, b'{"kind":"label","model":"digits","id":"x"}\n')
    bench.compact()
    found = schema_of(bench.folder, bench.engine, "digits", limit=1)
    assert found.rejected == (
        ("feature 'ink' of model 'digits': value is not a DOUBLE, kept as NULL", 3),
        ("time must be whole microseconds since the epoch, not None", 1),
    )
    assert (len(found.changes), found.next) == (1, None)


def is_taken(kind, value):
    """Say whether a value is of a type, as one pass in Python would."""
    if value is None:
        return None
    if kind in ("text", "json"):
        return True
    if isinstance(value, str):
        return value in {"number": ("1", "2.5"), "boolean": ("1", "true")}[kind]
    return isinstance(value, (bool, int, float))


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.floats(-1e9, 1e9),
    st.sampled_from(["red", "", "é", "1", "2.5", "true", "1 2"]),
    st.just([1, 2]),
    st.just({"a": 1}),
)


@pytest.mark.many_stores
@settings(max_examples=200 if os.environ.get("WATCHGLASS_TORTURE") else 10, deadline=None)
@given(
    kind=st.sampled_from(["number", "boolean", "text", "json"]),
    parts=st.lists(st.tuples(st.booleans(), st.booleans(), st.lists(VALUES, max_size=6)), min_size=1, max_size=4),
)
def test_any_interleaving_is_counted_as_one_pass_in_python_counts_it(kind, parts):
    """Parts are segments; some promise their columns, some are compacted at once, some together with the next."""
    with tempfile.TemporaryDirectory() as home:
        bench = Bench(Path(home) / "store")
        bench.model(features=(("x", kind),))
        number = 0
        for promised, at_once, values in parts:
            events = [prediction(number + n, features={"x": value}) for n, value in enumerate(values)]
            number += len(values)
            path = bench.write("rows", events)
            if not promised:
                path.rename(path.with_name(f"by-hand-{number}-{bench.names}.jsonl"))
            if at_once:
                bench.compact()
        bench.compact()
        verdicts = Counter(is_taken(kind, value) for _, _, values in parts for value in values)
        (found,) = bench.ask("SELECT count(features.x) AS taken, count(*) AS n FROM predictions", "digits")
        assert (found["taken"], found["n"]) == (verdicts[True], number)
        shown = schema_of(bench.folder, bench.engine, "digits")
        assert sum(rows for _, rows in shown.rejected) == verdicts[False]
        assert next(column for column in shown.columns if column.name == "x").conflicts == verdicts[False]
        assert all(one.raw is not None and one.rows == 1 for one in listed(bench).rejections)
        bench.close()


def test_a_frame_tells_each_value_with_its_row(tmp_path):
    pandas = pytest.importorskip("pandas")
    wg.init(store=tmp_path / "store")
    wg.log_model("m", version="1", schema={"n": "number", "ok": "boolean"})
    frame = pandas.DataFrame({"n": ["1", "x", None], "ok": ["true", "no way", "false"], "p": 1, "t": 1_770_000_000})
    wg.log_predictions("m", frame, version="1", prediction="p", time="t")
    recorder.close()
    with open_store(tmp_path / "store") as store:
        assert store.compact().rejected == 2
        found = {one.name: json.loads(one.raw) for one in store.rejections("m").rejections}
        assert (found["n"]["n"], found["ok"]["ok"]) == ("x", "no way")
        assert {column.name: column.conflicts for column in store.schema("m").columns} == {"n": 1, "ok": 1}
