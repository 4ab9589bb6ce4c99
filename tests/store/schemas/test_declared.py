"""What is said of a model's columns before the first row decides their types; what is said too late is told."""

from __future__ import annotations

import json

import pytest

import watchglass as wg
from tests.store.bench import BEGIN, prediction
from watchglass.capture import recorder
from watchglass.reading import open_store
from watchglass.receive.kinds import KINDS, completed
from watchglass.receive.moments import latest


def declared(bench, *entries, model="digits"):
    bench.write("graph", [{"kind": "model", "name": model, "version": "1", "schema": list(entries), "time": BEGIN}])


def columns(bench, model="digits"):
    from sqlalchemy import select

    from watchglass.store import catalog as c
    from watchglass.store.graph import take_in

    take_in(bench.folder, bench.engine)
    with bench.engine.connect() as connection:
        query = select(c.columns).where(c.columns.c.model == model)
        return {(row.role, row.name): row for row in connection.execute(query)}


def features(bench):
    return [json.loads(row["features"]) for row in bench.ask("SELECT features FROM predictions ORDER BY id")]


def test_a_declaration_alone_registers_columns_that_no_row_has(bench):
    declared(
        bench,
        {"name": "amount", "type": "integer", "unit": "EUR"},
        {"name": "who", "type": "text", "purpose": "subject"},
        {"name": "site", "role": "tag"},
        {"name": "y", "role": "label", "type": "text"},
    )
    found = columns(bench)
    assert {key: (row.type, row.purpose, row.unit, row.declared) for key, row in found.items()} == {
        ("feature", "amount"): ("number", None, "EUR", 1),
        ("feature", "who"): ("text", "subject", None, 1),
        ("tag", "site"): ("text", None, None, 1),
        ("label", "y"): ("text", None, None, 1),
    }
    assert found["feature", "amount"].whole == 1
    assert bench.ask("SELECT * FROM predictions") == []


def test_a_declared_text_keeps_digits_as_they_are_and_takes_numbers_as_text(bench):
    declared(bench, {"name": "zip", "type": "text"})
    bench.write("rows", [prediction(1, features={"zip": "01234"}), prediction(2, features={"zip": 1234})])
    for _ in range(2):
        assert features(bench) == [{"zip": "01234"}, {"zip": "1234"}]
        assert bench.compact().rejected == 0


def test_columns_are_declared_and_inferred_side_by_side(bench):
    declared(bench, {"name": "zip", "type": "text"})
    path = bench.write("rows", [prediction(1, features={"zip": 7, "ink": 0.5})])
    path.rename(path.with_name("by-hand.jsonl"))
    bench.compact()
    assert features(bench) == [{"ink": 0.5, "zip": "7"}]
    found = columns(bench)
    assert [(found["feature", name].type, found["feature", name].declared) for name in ("ink", "zip")] == [
        ("number", 0),
        ("text", 1),
    ]


def test_a_type_that_is_declared_after_the_rows_is_told_once_and_changes_nothing(bench):
    bench.model()
    bench.write("rows", [prediction(1)])
    bench.compact()
    for _ in range(3):
        declared(bench, {"name": "ink", "type": "text", "unit": "mm"}, {"name": "site", "role": "tag", "unit": "port"})
    assert columns(bench)["feature", "ink"].type == "number"
    assert columns(bench)["feature", "ink"].unit is None, "it is kept as it was"
    assert columns(bench)["tag", "site"].unit == "port"
    (told,) = bench.ask("SELECT model, role, name, reason, time FROM rejected")
    assert (told["model"], told["role"], told["name"]) == ("digits", "feature", "ink")
    assert "declared as text, but was registered as number before: it stays number" in told["reason"]
    assert told["time"] is not None
    assert features(bench) == [{"ink": 0.1}]


@pytest.mark.parametrize("apart", [True, False])
def test_a_declaration_wins_over_rows_of_which_nothing_was_taken_in_yet(bench, apart):
    """The segment of a process that runs for long is older than the declaration that its rows came after."""
    shown = {"kind": "schema", "model": "digits", "columns": [["feature", "zip", "number"]], "time": BEGIN + 1}
    said = {
        "kind": "model",
        "name": "digits",
        "schema": [{"name": "zip", "type": "text"}, {"name": "y"}],
        "time": BEGIN,
    }
    wrong = {**said, "schema": [{"name": "zip", "type": "text"}, {"name": "ZIP", "type": "text"}]}
    for part in [[shown], [wrong], [said]] if apart else [[shown, wrong, said]]:
        bench.write("graph", part)
    bench.write("rows", [prediction(1, features={"zip": "01234"})])
    assert features(bench) == [{"zip": "01234"}]
    reasons = [row["reason"].partition(":")[0] for row in bench.ask("SELECT reason FROM rejected ORDER BY id")]
    assert sorted(reasons) == [
        "feature 'ZIP' of model 'digits' is not recorded, its values are kept as NULL",
        "not a graph event",
    ], "what is wrong with a line is told once"


def test_of_a_label_the_last_declaration_stays(bench):
    declared(bench, {"name": "y", "role": "label", "type": "number"})
    declared(bench, {"name": "truth", "role": "label", "type": "text"})
    assert [(key, row.type) for key, row in columns(bench).items()] == [(("label", "truth"), "text")]


@pytest.mark.parametrize("together", [True, False], ids=["one segment", "one batch"])
def test_two_models_of_which_one_declares_the_type_do_not_disturb_each_other(bench, together):
    declared(bench, {"name": "x", "type": "text"}, model="a")
    bench.model("b", features=(("x", "number"),))
    rows = [prediction(n, model=model, features={"x": n}) for n in range(3) for model in ("a", "b")]
    for part in [rows] if together else [rows[::2], rows[1::2]]:
        bench.write("rows", part)
    for _ in range(2):
        assert [row["x"] for row in bench.ask("SELECT features.x AS x FROM predictions ORDER BY id", "a")] == list(
            "012"
        )
        assert [row["x"] for row in bench.ask("SELECT features.x AS x FROM predictions ORDER BY id", "b")] == [0, 1, 2]
        assert bench.compact().rejected == 0


def test_one_model_alone_in_a_batch_goes_the_direct_way_with_its_declared_types(bench):
    from watchglass.store import loading

    declared(bench, {"name": "zip", "type": "text"}, {"name": "site", "role": "tag"})
    bench.write("rows", [prediction(n, features={"zip": n}) for n in range(3)])
    before, loading.load = loading.load, None
    try:
        assert bench.compact().rows == 3
    finally:
        loading.load = before
    assert features(bench) == [{"zip": "0"}, {"zip": "1"}, {"zip": "2"}]


def test_a_recording_process_declares_before_its_first_row(tmp_path):
    wg.init(store=tmp_path / "store")
    wg.log_model("m", version="1", schema={"zip": "text", "n": {"type": int, "unit": "pieces"}, "open": bool})
    wg.log_prediction("m", version="1", features={"zip": 1234, "n": 2, "open": True, "more": 0.5}, prediction=1, id="a")
    recorder.close()
    with open_store(tmp_path / "store") as store:
        for _ in range(2):
            (row,) = store.sql("SELECT features FROM predictions").rows()
            assert json.loads(row["features"]) == {"zip": "1234", "n": 2, "open": True, "more": 0.5}
            assert store.compact().rejected == 0


@pytest.mark.parametrize("library", ["pandas", "polars", "lists"])
def test_declared_types_hold_in_a_frame_too(tmp_path, library):
    from datetime import UTC, datetime

    table = {"zip": [1234, 5], "n": ["1", "x"], "p": [1, 0], "t": [datetime(2026, 3, 1, tzinfo=UTC)] * 2}
    frame = table if library == "lists" else pytest.importorskip(library).DataFrame(table)
    wg.init(store=tmp_path / "store")
    wg.log_model("m", version="1", schema={"zip": "text", "n": "number"})
    assert wg.log_predictions("m", frame, version="1", prediction="p", time="t") == 2
    recorder.close()
    with open_store(tmp_path / "store") as store:
        for _ in range(2):
            rows = store.sql("SELECT features.zip AS zip, features.n AS n FROM predictions", "m").rows()
            assert sorted(rows, key=lambda row: row["zip"]) == [{"zip": "1234", "n": 1}, {"zip": "5", "n": None}]
            store.compact()
        (told,) = store.sql("SELECT * FROM rejected").rows()
    assert (told["rows"], told["model"], told["role"], told["name"]) == (1, "m", "feature", "n")
    assert '"zip":5' in told["raw"]
    assert '"x"' in told["raw"]


def test_over_http_a_schema_may_be_a_mapping_and_decides_for_the_rows_beside_it():
    from watchglass.receive.columns import Columns
    from watchglass.receive.lines import Lines, Reading

    lines = Lines(Reading(), Columns(lambda _: ()))
    row = {"kind": "prediction", "model": "m", "id": "1", "features": {"zip": 1, "ink": 1}}
    model = {
        "kind": "model",
        "name": "m",
        "schema": {"zip": {"type": "Text", "unit": "code"}, "y": {"role": "label", "type": "int"}},
    }
    for event in (row, model, row):
        lines.feed(json.dumps(event).encode() + b"\n")
    done = lines.finish()
    assert (done.accepted, done.refused) == (3, 0)
    schema, said = (json.loads(part) for part in b"".join(done.graph).splitlines())
    assert sorted(schema["columns"]) == [["feature", "ink", "number"], ["feature", "zip", "text"]]
    assert said["schema"] == [
        {"role": "feature", "name": "zip", "type": "text", "unit": "code"},
        {"role": "label", "name": "y", "type": "number", "whole": True},
    ]
    again = {"kind": "model", "name": "m", "schema": said["schema"]}
    completed(again, KINDS["model"], latest())
    assert again["schema"] == said["schema"]
