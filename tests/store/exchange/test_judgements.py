"""What was judged, refused and set goes out and comes in too: a store imported anew gives the same answers and judges on from there."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa

from tests.store.bench import BEGIN, DAY, Bench, label, prediction
from watchglass.reading import Store
from watchglass.store import catalog as c
from watchglass.store.exchange.tables import FORMATS
from watchglass.store.upkeep import keep

TABLES = ("verdicts", "incidents", "rejected", "label_history", "labels")
SECOND = 1_000_000
RULE = {"event": "click", "within": "1h", "positive": 1, "negative": 0}


def drifting(days=60, rows=40):
    draw = np.random.default_rng(3)
    at = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=d, minutes=m) for d in range(days) for m in range(rows)]
    moved = np.repeat(np.arange(days) >= days - 15, rows)
    x = draw.normal(0, 1, days * rows) + 3 * moved
    y = (draw.random(days * rows) < np.where(moved, 0.5, 0.9)).astype(int)
    return pl.DataFrame({"time": at, "x": x, "prediction": np.ones(days * rows, int), "label": y})


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    root = tmp_path_factory.mktemp("judged") / "store"
    with Store(root, create=True) as store:
        store.replay(drifting(), model="m", reference=28)
        store.set("retention", {"predictions": {"days": 9000}})
        store.set("level", "warning")
        (root / "log" / "rows" / "bad.jsonl").write_text('{"kind": "prediction", "model": "m"}\nnot json\n')
        store.compact()
        yield store


def answers(store):
    found = {name: sorted(map(repr, store.sql(f"SELECT * FROM {name}").rows())) for name in TABLES}
    found |= {"said": store.incidents(), "status": store.models(), "settings": store.settings()}
    with store._engine.connect() as connection:
        found["monitors"] = sorted(map(tuple, connection.execute(sa.select(c.monitors))))
        found["records"] = sorted(map(tuple, connection.execute(sa.select(c.verdicts))))
    return found


@pytest.mark.parametrize("form", FORMATS)
def test_verdicts_incidents_monitors_settings_and_what_was_rejected_are_the_same(judged, tmp_path, form):
    done = judged.export(tmp_path / "out", format=form)
    assert {"verdicts", "incidents", "monitors", "settings", "rejected"} <= set(done.tables)
    with Store(tmp_path / "new", create=True) as other:
        taken = other.import_(tmp_path / "out")
        assert (taken.rows, taken.rejected) == (done.rows, 0)
        other.compact()
        before, after = answers(judged), answers(other)
        assert before["said"]
        for name, found in before.items():
            assert after[name] == found, name
        assert other.import_(tmp_path / "out").rows == 0
        last = datetime(2026, 3, 20, tzinfo=UTC)
        assert [item.id for item in other.check(last).incidents] == [item.id for item in judged.check(last).incidents]
        assert answers(other)["records"] == answers(judged)["records"]


def test_a_number_that_is_taken_becomes_another_and_what_is_set_here_stays(judged, tmp_path):
    judged.export(tmp_path / "out")
    with Store(tmp_path / "new", create=True) as other:
        other.replay(drifting().with_columns(pl.col("x") * 2), model="n", reference=28)
        other.set("level", "error")
        own = other.incidents("n")
        other.import_(tmp_path / "out")
        assert other.incidents("n") == own
        numbers = [item.id for item in other.incidents()]
        assert len(set(numbers)) == len(numbers) == len(own) + len(judged.incidents())
        for item in other.incidents("m"):
            assert other.incident(item.id) == item
        assert other.settings()["level"] == "error"
        assert other.settings()["retention"] == judged.settings()["retention"]
        kinds = "SELECT model, count(*) AS n FROM verdicts GROUP BY model ORDER BY model"
        (m, _) = other.sql(kinds).rows()
        assert m == judged.sql(kinds).rows()[0]


def test_a_record_that_cannot_be_read_costs_only_itself(judged, tmp_path):
    judged.export(tmp_path / "out", ["incidents"], format="jsonl")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    path = tmp_path / "out" / manifest["files"][0]["path"]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[0]["record"] = '{"model": 3}'
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    from watchglass.store.parquet import sum_of

    manifest["files"][0] |= {"sum": sum_of(path), "bytes": path.stat().st_size}
    (tmp_path / "out" / "manifest.json").write_text(json.dumps(manifest))
    with Store(tmp_path / "new", create=True) as other:
        taken = other.import_(tmp_path / "out")
        assert (taken.rows, taken.rejected) == (len(lines) - 1, 1)
        assert len(other.incidents()) == len(lines) - 1


def click(number, seconds):
    about = {"kind": "feedback", "model": "digits", "id": f"p{number}", "event": "click"}
    return {**about, "time": BEGIN + seconds * SECOND}


def fill(bench):
    """Some were clicked, some were not, one is clicked too late to be seen when it expired, some wait still."""
    bench.write("graph", [{"kind": "model", "name": "digits", "version": "1", "time": BEGIN, "feedback": RULE}])
    bench.write("rows", [prediction(n, time=BEGIN + n * SECOND) for n in range(8)])
    bench.write("rows", [click(0, 60), click(1, 70)])
    bench.compact()
    keep(bench.folder, bench.engine)
    bench.write("rows", [click(2, 80), label(3, 1, time=BEGIN + DAY)])
    bench.compact()
    keep(bench.folder, bench.engine)


def history(store):
    rows = store.sql("SELECT id, label, time FROM label_history ORDER BY ALL").rows()
    return [(row["id"], row["label"], row["time"]) for row in rows]


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_labels_that_a_rule_made_stand_once_and_the_rule_goes_on(tmp_path, form):
    with closing(Bench(tmp_path / "store")) as bench:
        fill(bench)
        bench.write("rows", [prediction(20, time=BEGIN), click(20, 30)])  # nobody looked at these yet
        bench.compact()
    with Store(tmp_path / "store") as store, Store(tmp_path / "new", create=True) as other:
        store.export(tmp_path / "out", format=form)
        assert other.import_(tmp_path / "out").rejected == 0
        for one in (store, other):
            one.compact()
        found = history(store)
        assert len(found) > 8
        assert history(other) == found
        assert other.label_coverage("digits") == store.label_coverage("digits")
        one = [click(4, 90)]
        for place in (tmp_path / "store", tmp_path / "new"):
            with closing(Bench(place)) as later:
                later.write("rows", one)
                later.compact()
        for store_ in (store, other):
            store_.compact()
        assert history(other) == history(store) != found


def test_where_labels_were_left_out_the_rule_makes_them_anew(tmp_path):
    with closing(Bench(tmp_path / "store")) as bench:
        fill(bench)
    with Store(tmp_path / "store") as store, Store(tmp_path / "new", create=True) as other:
        store.export(tmp_path / "out")
        other.import_(tmp_path / "out", table=["models", "columns", "predictions", "feedback"])
        other.compact()
        latest = "SELECT id, label FROM labels WHERE id != 'p3' ORDER BY id"
        assert other.sql(latest).rows() == store.sql(latest).rows()
