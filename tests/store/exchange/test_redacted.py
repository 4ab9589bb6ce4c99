"""What comes in by replay or from an own export goes through the rules of redaction: no byte of the store holds what they are about."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import polars as pl
import pytest

from tests.store.bench import BEGIN, Bench, label, prediction
from tests.store.exchange.test_judgements import drifting
from tests.store.life.searched import places
from watchglass.capture.redaction import hashed
from watchglass.errors import BadInput, StoreError
from watchglass.reading import Store

KEY = "a secret of more than sixteen characters"
MAIL = "ana@mail.example"
PLANTED = [
    *(f"{kind}-planted" for kind in ("id", "ssn", "site", "answer", "truth", "param", "note", "test", "preview")),
    *(f"{kind}-planted" for kind in ("profile", "source", "wrong", "point", "line", "raw")),
    MAIL,
]
RULES = [
    {"field": "id", "action": "hash"},
    {"field": "features.ssn", "action": "drop"},
    {"field": "tags.site", "action": "hash"},
    {"field": "prediction", "action": "hash"},
    {"field": "label", "action": "hash"},
    {"field": "params.*", "action": "mask"},
    {"field": "notes", "action": "mask"},
    {"field": "message", "action": "mask"},
    {"field": "error", "action": "mask"},
    {"field": "preview", "action": "drop"},
    {"field": "labels.*", "action": "mask"},
    {"field": "*", "action": "mask", "pattern": "email"},
]
FORMS = ("parquet", "csv", "jsonl")


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("WATCHGLASS_HASH_KEY", KEY)


def edge(**about):
    return {"name": "table.csv", "version": "1", "rule": "content", "time": BEGIN, "artifact": about}


def fill(root):
    """Make a store without rules that holds each of the planted texts."""
    bench = Bench(root)
    about = {"kind": "run", "id": "r1", "component": "train", "started": BEGIN, "ended": BEGIN + 9, "status": "error"}
    run = {
        **about,
        "error": f"wrong-planted {MAIL}",
        "params": {"who": "param-planted", "depth": 3},
        "notes": ["note-planted"],
        "tests": [{"name": "t", "passed": False, "message": "test-planted"}],
        "reads": [edge(kind="file", preview="preview-planted", profile={"columns": [{"top": "profile-planted"}]})],
    }
    features = [["feature", "ssn", "text"], ["feature", "ink", "number"], ["feature", "kind", "text"]]
    columns = [*features, ["tag", "site", "text"]]
    bench.write(
        "graph",
        [
            {"kind": "model", "name": "digits", "version": "1", "time": BEGIN, "slices": ["site"]},
            {"kind": "schema", "model": "digits", "columns": columns, "time": BEGIN},
            run,
            {"kind": "source", "id": "s1", "text": "def f(): 'source-planted'", "time": BEGIN},
        ],
    )
    told = {"prediction": "answer-planted", "tags": {"site": "site-planted"}, "error": "wrong-planted"}
    rows = [
        prediction(n, features={"ssn": "ssn-planted", "ink": n / 7, "kind": MAIL if n % 2 else "plain"}, **told)
        for n in range(20)
    ]
    rows[0]["id"] = "id-planted"
    rows += [label(n, "truth-planted") for n in range(1, 20)] + [{**label(0, "truth-planted"), "id": "id-planted"}]
    rows += [{"kind": "feedback", "model": "digits", "id": "id-planted", "event": "click", "time": BEGIN}]
    rows += [{"kind": "metric", "name": "m", "value": 1, "labels": {"a": "point-planted"}, "time": BEGIN}]
    rows += [{"kind": "log", "message": "line-planted", "tags": {"site": "site-planted"}, "time": BEGIN}]
    bench.write("rows", rows, raw=b'{"kind": "prediction", "model": "digits", "id": "x", "raw": "raw-planted"\n')
    bench.write("rows", [prediction(99, features={"kind": "raw-planted", "ink": "raw-planted"}, time=1.5)])
    bench.compact()
    bench.follow()
    return bench


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    root = tmp_path_factory.mktemp("source")
    bench = fill(root / "store")
    bench.close()
    with Store(root / "store") as store:
        for form in FORMS:
            store.export(root / form, format=form)
    assert {text.removeprefix("in a column: ") for _, text in places(root / "store", PLANTED)} == set(PLANTED)
    return root


def ruled(root):
    store = Store(root, create=True)
    store.set("redaction", RULES)
    return store


@pytest.mark.parametrize("form", FORMS)
def test_nothing_of_an_export_that_rules_are_about_reaches_the_store_that_takes_it_in(exported, tmp_path, form):
    with ruled(tmp_path / "new") as store:
        done = store.import_(exported / form)
        store.compact()
        assert places(tmp_path / "new", PLANTED) == []
        joined = "SELECT count(*) AS n FROM predictions JOIN labels USING (model, environment, id)"
        assert store.sql(joined).rows() == [{"n": 20}]
        rows = store.sql("SELECT DISTINCT prediction, tags.site AS site FROM predictions", "digits").rows()
        assert rows == [{"prediction": hashed("answer-planted", KEY), "site": hashed("site-planted", KEY)}]
        kinds = store.sql("SELECT features FROM predictions ORDER BY time", "digits").rows()
        assert [row["features"]["kind"] for row in kinds[:2]] == ["plain", "***"]
        assert [row["features"]["ink"] for row in kinds] == [n / 7 for n in range(20)]
        assert "ssn" not in kinds[0]["features"]
        (run,) = store.sql("SELECT * FROM runs").rows()
        assert json.loads(run["params"]) == {"who": "***", "depth": "***"}
        assert run["error"] == "***"
        (found,) = store.prediction(hashed("id-planted", KEY))
        assert found.label == hashed("truth-planted", KEY)
        assert done.rejected == 0


def test_what_went_through_the_same_rules_already_stays_as_it_is(exported, tmp_path):
    with ruled(tmp_path / "once") as once:
        once.import_(exported / "parquet")
        once.export(tmp_path / "out", format="jsonl")
        with Store(tmp_path / "twice", create=True) as twice:
            done = twice.import_(tmp_path / "out")
            assert done.rejected == 0
            assert "WATCHGLASS_HASH_KEY" in done.notes[0]
            for table in (
                "predictions",
                "label_history",
                "feedback",
                "metrics",
                "logs",
                "runs",
                "artifacts",
                "rejected",
            ):
                query = f"SELECT * FROM {table}"
                model = "digits" if table == "predictions" else None
                assert sorted(map(repr, twice.sql(query, model).rows())) == sorted(
                    map(repr, once.sql(query, model).rows())
                )
            assert twice.schema("digits").columns == once.schema("digits").columns


def test_rows_of_another_secret_are_hashed_again_so_that_predictions_and_labels_join(exported, tmp_path, monkeypatch):
    with ruled(tmp_path / "once") as once:
        once.import_(exported / "parquet")
        once.export(tmp_path / "out")
    monkeypatch.setenv("WATCHGLASS_HASH_KEY", "quite another secret")
    with Store(tmp_path / "twice", create=True) as twice:
        twice.import_(tmp_path / "out")
        joined = "SELECT count(*) AS n FROM predictions JOIN labels USING (model, environment, id)"
        assert twice.sql(joined).rows() == [{"n": 20}]
        assert twice.prediction(hashed(hashed("id-planted", KEY), "quite another secret"))


def test_rules_that_hash_without_a_secret_stop_the_import_before_anything_is_written(exported, tmp_path, monkeypatch):
    with ruled(tmp_path / "once") as once:
        once.import_(exported / "parquet")
        once.export(tmp_path / "out")
    monkeypatch.delenv("WATCHGLASS_HASH_KEY")
    with Store(tmp_path / "new", create=True) as store:
        with pytest.raises(
            BadInput, match=r"nothing was taken in.*WATCHGLASS_HASH_KEY is not set.*--table predictions"
        ):
            store.import_(tmp_path / "out")
        assert store.settings() == {}
        assert store.import_(tmp_path / "out", table=["predictions", "labels"]).rows == 40
        with pytest.raises(StoreError, match="WATCHGLASS_HASH_KEY"):
            store.set("redaction", RULES)
            store.import_(tmp_path / "out", table=["feedback"])


def secret_country(frame):
    country = pl.when(pl.int_range(pl.len()) % 3 == 0).then(pl.lit("country-planted")).otherwise(pl.lit("elsewhere"))
    return frame.with_columns(country.alias("country"))


def test_a_replay_goes_through_the_rules(tmp_path):
    frame = secret_country(drifting(40, 20)).with_columns(
        pl.format("id-{}-planted", pl.int_range(pl.len())).alias("id"), pl.lit("ssn-planted").alias("ssn")
    )
    with Store(tmp_path / "store", create=True) as store:
        store.set("redaction", [*RULES, {"field": "tags.country", "action": "hash"}])
        done = store.replay(frame, model="m", reference=28, tags=["country"])
        assert (done.rows, done.labels) == (800, 800)
        assert places(tmp_path / "store", ["ssn-planted", "country-planted", "id-0-planted", "id-799-planted"]) == []
        joined = "SELECT count(*) AS n FROM predictions JOIN labels USING (model, environment, id)"
        assert store.sql(joined).rows() == [{"n": 800}]
        assert [column.name for column in store.schema("m").columns if column.role == "feature"] == ["x"]
        (one,) = store.prediction(hashed("id-0-planted", KEY))
        assert one.tags["country"] == hashed("country-planted", KEY)
        assert one.prediction == hashed(1, KEY)


def test_a_verdict_or_incident_that_shows_such_a_value_is_left_out_and_counted(tmp_path):
    with Store(tmp_path / "plain", create=True) as plain:
        plain.replay(secret_country(drifting()), model="m", reference=28, tags=["country"])
        assert plain.incidents()
        assert "country-planted" in json.dumps([str(item) for item in plain.incidents()])
        plain.export(tmp_path / "out")
    with Store(tmp_path / "new", create=True) as store:
        store.set("redaction", [{"field": "tags.country", "action": "mask"}])
        done = store.import_(tmp_path / "out")
        assert done.rejected > 0
        assert places(tmp_path / "new", ["country-planted"]) == []
        assert any("left out" in item.reason for item in store.rejections().rejections)


KILLED = """
import os, sys
from watchglass.store.exchange import importing, taking
from watchglass.reading import Store

def die(*_):
    os.kill(os.getpid(), 9)

taking._publish = die
with Store(sys.argv[2], create=True) as store:
    store.import_(sys.argv[1])
"""


@pytest.mark.parametrize("form", FORMS)
def test_an_import_that_is_killed_leaves_nothing_of_it_either(exported, tmp_path, form):
    ruled(tmp_path / "new").close()
    command = [sys.executable, "-c", KILLED, str(exported / form), str(tmp_path / "new")]
    done = subprocess.run(command, capture_output=True, check=False, env={**os.environ, "WATCHGLASS_HASH_KEY": KEY})
    assert done.returncode == -9
    assert list((tmp_path / "new" / "tables").glob("predictions/*.parquet"))
    assert places(tmp_path / "new", PLANTED) == []
