"""What mltrace recorded in PostgreSQL is in the store afterwards, once, without mltrace and without loading a pickle."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, timedelta

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from tests import postgres
from tests.store.foreign import mltraced
from tests.store.foreign.mltraced import START, Mltraced
from watchglass.cli.main import commands
from watchglass.errors import BadInput, StoreError
from watchglass.store import catalog as c
from watchglass.store.foreign.pickled import NotPlain, plain

pytestmark = postgres.NEEDED


@pytest.fixture(scope="module")
def url():
    with postgres.postgres() as found:
        yield found


@pytest.fixture
def old(url):
    made = Mltraced(url)
    yield made
    made.engine.dispose()


@pytest.fixture
def store(tmp_path):
    from watchglass.reading import create_store

    with create_store(tmp_path / "store") as made:
        yield made


def test_runs_come_with_all_that_was_known_of_them(old, url, store):
    old.component("train", "fits a model", "ana", ["nightly", "ml"])
    old.run(
        "train",
        ["rows"],
        ["model"],
        notes="a good one",
        git_hash="abc",
        git_tags=["v1", "v2"],
        code_snapshot=b"def f(): ...",
        mlflow_run_id="m1",
        mlflow_run_params={"lr": "0.1"},
        mlflow_run_metrics={"auc": 0.9},
        stale=["load (ID 1) was run 40 days ago."],
        test_results={"Shapes": {"testRows": "success", "testNulls": "fail, error: 3 are null"}},
    )
    moved = store.import_mltrace(url)
    assert (moved.components, moved.runs, dict(moved.left_out)) == (1, 1, {})
    (run,) = store.sql("SELECT * FROM runs").rows()
    assert (run["id"], run["component"], run["status"]) == ("mltrace-1", "train", "ok")
    assert run["started"] == (START + timedelta(minutes=10)).replace(tzinfo=UTC)
    (told,) = store.sql("SELECT params, metrics, code, notes, tests FROM runs").rows()
    assert "0.1" in str(told["params"])
    assert "m1" in str(told["params"])
    assert "0.9" in str(told["metrics"])
    assert "v1, v2" in str(told["code"])
    assert "abc" in str(told["code"])
    assert "a good one" in str(told["notes"])
    assert "40 days ago" in str(told["notes"])
    assert "3 are null" in str(told["tests"])
    (component,) = store.sql("SELECT description, owner, tags FROM components").rows()
    assert (component["description"], component["owner"]) == ("fits a model", "ana")
    assert "nightly" in str(component["tags"])


def test_again_nothing_is_doubled_and_what_is_new_comes(old, url, store):
    old.run("load", [], ["rows"])
    old.task(mltraced.outputs, "fraud", [(1, 1), (2, 0)])
    old.task(mltraced.feedback, "fraud", [(1, 1), (2, 1)])
    first = store.import_mltrace(url)
    assert (first.runs, first.predictions, first.labels) == (1, 2, 2)
    again = store.import_mltrace(url)
    assert (again.predictions, again.labels) == (0, 0)
    assert store.sql("SELECT count(*) AS n FROM runs").rows() == [{"n": 1}]
    old.run("clean", ["rows"], ["clean"])
    old.task(mltraced.outputs, "fraud", [(3, 1)], START + timedelta(days=1))
    store.import_mltrace(url)
    assert store.sql("SELECT count(*) AS n FROM runs").rows() == [{"n": 2}]
    rows = store.sql("SELECT id, prediction, label FROM predictions LEFT JOIN labels USING (id) ORDER BY id").rows()
    assert rows == [
        {"id": "1", "prediction": "1", "label": "1"},
        {"id": "2", "prediction": "0", "label": "1"},
        {"id": "3", "prediction": "1", "label": None},
    ]


def test_a_pickle_is_never_loaded(old, url, store):
    old.evil("train")
    moved = store.import_mltrace(url)
    assert (moved.runs, list(moved.left_out.values())) == (1, [1])
    assert "json" in next(iter(moved.left_out))


def test_two_databases_side_by_side_have_two_prefixes(old, url, store):
    old.run("load", [], ["rows"])
    store.import_mltrace(url)
    store.import_mltrace(url, prefix="team-b")
    assert {row["id"] for row in store.sql("SELECT id FROM runs").rows()} == {"mltrace-1", "team-b-1"}


def test_times_without_a_zone_are_of_the_zone_that_is_named(old, url, store):
    old.run("load", [], ["rows"])
    store.import_mltrace(url, zone="Europe/Vienna")
    (run,) = store.sql("SELECT started FROM runs").rows()
    assert run["started"] == (START + timedelta(minutes=10)).replace(tzinfo=UTC) - timedelta(hours=1)


def test_what_is_wrong_is_said(old, url, store):
    with pytest.raises(BadInput, match="cannot be read: postgresql://"):
        store.import_mltrace("mysql://x@y/z")
    with pytest.raises(BadInput, match="no URL of a database"):
        store.import_mltrace("what")
    with pytest.raises(StoreError, match="cannot be read"):
        store.import_mltrace("postgresql://nobody:secret@127.0.0.1:9/none")
    with pytest.raises(BadInput, match="prefix cannot be"):
        store.import_mltrace(url, prefix="a b")
    with pytest.raises(BadInput, match="no time zone"):
        store.import_mltrace(url, zone="Mars")
    mltraced.META.drop_all(old.engine)
    with pytest.raises(BadInput, match="component_runs"):
        store.import_mltrace(url)


def test_a_password_is_not_told(old, url, store):
    old.run("load", [], ["rows"])
    moved = store.import_mltrace(url.replace("watchglass@", "watchglass:geheim@"))
    assert "geheim" not in moved.source
    assert "geheim" not in repr(store.audits())


@pytest.mark.parametrize("data", [b"", b"no pickle", pickle.dumps(print), pickle.dumps({1: (len,)}), b"\x80\x04P1\n."])
def test_only_plain_values_come_out_of_a_pickle(data):
    with pytest.raises(NotPlain):
        plain(data)


def test_the_command_says_what_came(old, url, tmp_path):
    old.run("load", [], ["rows"])
    old.evil("train")
    words = ["import", "mltrace", url, "--store", str(tmp_path / "store")]
    done = CliRunner().invoke(commands, words)
    assert (done.exit_code, "2 runs" in done.output, "not taken, 1 ×" in done.output) == (0, True, True), done.output
    told = CliRunner().invoke(commands, [*words, "--json"])
    assert json.loads(told.output)["runs"] == 2
    wrong = CliRunner().invoke(commands, ["import", "mlrun", url, "--store", str(tmp_path / "store")])
    assert "mltrace would do" in str(wrong.exception)


def traced(store, name):
    return [(depth, int(run.id.removeprefix("mltrace-"))) for depth, run in store.trace(name).steps]


def test_a_linked_list_is_traced_as_mltrace_documents_it(old, url, store):
    for n in range(1, 11):
        old.run(f"step_{n}", [f"iop_{n}"], [f"iop_{n + 1}"])
    store.import_mltrace(url)
    assert traced(store, "iop_11") == [(n, 10 - n) for n in range(10)]


def test_of_two_runs_that_wrote_an_input_the_newer_is_traced(old, url, store):
    old.run("cr1", [], ["iop_1"])
    old.run("cr2", [], ["iop_1"])
    old.run("cr3", ["iop_1"], ["iop_2", "iop_3"])
    old.run("cr4", ["iop_3"], ["iop_4"])
    store.import_mltrace(url)
    assert traced(store, "iop_4") == [(0, 4), (1, 3), (2, 2)]


def test_a_dependency_that_no_name_tells_is_followed(old, url, store):
    first = old.run("load", [], ["rows"])
    old.run("train", [], ["model"], upstream=[first])
    store.import_mltrace(url)
    assert traced(store, "model") == [(0, 2), (1, 1)]


def test_a_history_comes_newest_first_a_page_at_a_time(old, url, store):
    for _ in range(5):
        old.run("train", ["rows"], ["model"])
    store.import_mltrace(url)
    first = store.history("train", limit=2)
    assert [run.id for run in first.runs] == ["mltrace-5", "mltrace-4"]
    assert [run.id for run in store.history("train", limit=9, after=first.next).runs] == [
        f"mltrace-{n}" for n in (3, 2, 1)
    ]


def test_a_review_counts_as_mltrace_does(old, url, store):
    old.run("A", [], ["iop1", "iop2"])
    old.run("B", ["iop1"], ["iop3"])
    old.run("B", ["iop2"], ["iop4"])
    old.flag("iop3")
    old.flag("iop4")
    store.import_mltrace(url)
    counts = {int(run.run.removeprefix("mltrace-")): (run.count, run.coverage) for run in store.review().runs}
    assert counts == {1: (2, 1.0), 2: (1, 0.5), 3: (1, 0.5)}


def test_labels_on_pointers_become_tags_of_subjects(old, url, store):
    old.run("load", [], ["rows"])
    old.put(mltraced.labels, id="client-1")
    old.put(mltraced.labels_io_pointers, label="client-1", io_pointer_name="rows", io_pointer_value=b"")
    old.put(mltraced.deleted_labels, label="client-1", deletion_request_time=START)
    assert store.import_mltrace(url).subjects == 2
    with store._engine.connect() as connection:
        assert connection.execute(sa.select(c.subject_tags.c.name, c.subject_tags.c.tag)).all() == [
            ("rows", "client-1")
        ]
        assert connection.execute(sa.select(c.retractions.c.tag)).all() == [("client-1",)]
    assert store.rejected() == 0
