"""mltrace's defects of delayed labels, of its database and of its packaging, each by its name: none of them is here."""

from __future__ import annotations

import inspect
import re
import tomllib
from pathlib import Path

import pytest
import sqlalchemy as sa

import watchglass as wg
from tests import postgres
from tests.store.bench import BEGIN, DAY, Bench, label, prediction
from tests.store.lineage.told import run
from watchglass.store.cells import follow
from watchglass.store.graph import take_in

ROOT = Path(__file__).parents[2]
TRUTH = "SELECT p.id, l.label FROM predictions p LEFT JOIN labels l ON l.model = p.model AND l.id = p.id ORDER BY p.id"


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path / "store")
    yield made
    made.close()


def test_defect_a_second_feedback_for_an_id_violates_an_index_or_is_counted_twice(bench):
    bench.model()
    bench.write("rows", [prediction(1), label(1, 0), label(1, 7, time=BEGIN + 2 * DAY)])
    for _ in range(2):
        assert bench.ask(TRUTH) == [{"id": "p1", "label": "7"}]
        assert bench.ask("SELECT count(*) AS n FROM label_history") == [{"n": 2}]
        bench.compact()
    follow(bench.folder, bench.engine)


def test_defect_feedback_without_an_output_joins_to_nothing(bench):
    """So it must, and it must not be lost: group 22."""
    bench.model()
    bench.write("rows", [label(1, 0)])
    assert bench.ask(TRUTH) == []
    bench.write("rows", [prediction(1)])
    assert bench.ask(TRUTH) == [{"id": "p1", "label": "0"}]


def test_defect_labels_that_are_texts_are_impossible(bench):
    bench.model()
    bench.write("rows", [prediction(1, prediction="cat"), label(1, "dog")])
    assert bench.ask(TRUTH) == [{"id": "p1", "label": "dog"}]


@pytest.mark.parametrize("task", ["two words", "x'; DROP TABLE runs; --", 'a"b', "größe"])
def test_defect_the_name_of_a_task_is_pasted_into_sql(bench, task):
    bench.model(task)
    bench.write("rows", [prediction(1, model=task), label(1, 1, model=task)])
    for _ in range(2):
        assert bench.ask(TRUTH) == [{"id": "p1", "label": "1"}]
        assert len(bench.ask("SELECT features FROM predictions", model=task)) == 1
        bench.compact()
        follow(bench.folder, bench.engine)
    assert sa.inspect(bench.engine).has_table("runs")


def test_defect_a_window_is_seconds_here_and_rows_there(tmp_path):
    """One meaning: a length of time, said with its unit; a number alone is refused."""
    wg.init(tmp_path / "store")
    for wrong in (100, "100", "100 rows"):
        with pytest.raises(wg.WatchglassError, match="window"):
            wg.log_model("digits", version="1", window=wrong)


def test_defect_a_limit_and_a_window_together_raise(tmp_path):
    wg.init(tmp_path / "store")
    ids = [wg.log_run("load", started=BEGIN / 1e6 + n, ended=BEGIN / 1e6 + n + 0.5) for n in range(6)]
    with wg.open(tmp_path / "store") as store:
        since, until = BEGIN / 1e6 + 1, BEGIN / 1e6 + 5
        found = store.history("load", limit=2, since=since, until=until)
        assert [one.id for one in found.runs] == [ids[4], ids[3]]
        rest = store.history("load", limit=2, after=found.next, since=since, until=until)
        assert [one.id for one in rest.runs] == [ids[2], ids[1]]


@postgres.NEEDED
def test_defect_in_a_database_of_others_a_run_of_an_unknown_component_fails_and_their_tables_are_dropped(tmp_path, monkeypatch):  # fmt: skip
    with postgres.postgres() as url:
        others = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
        with others.begin() as connection:
            connection.execute(sa.text("CREATE TABLE components (kept INTEGER)"))
        monkeypatch.setenv("WATCHGLASS_CATALOG", url)
        made = Bench(tmp_path / "store")
        made.write("graph", [run("never declared", 0, reads=["x"], writes=["x"])])
        assert made.ask("SELECT component FROM runs") == [{"component": "never declared"}]
        made.close()
        assert [column["name"] for column in sa.inspect(others).get_columns("components")] == ["kept"]
        others.dispose()


def test_defect_a_pointer_that_many_runs_read_is_loaded_with_all_of_them(bench):
    """One more reader of a model costs as many statements, and brings as many rows, after a thousand readers as after one."""
    costs = []
    bench.write("graph", [run("train", 0, writes=[("model", "1")])])
    for start, many in ((1, 1), (10, 1000), (2000, 1)):
        asked = []
        bench.write("graph", [run(f"r{start + n}", start + n, reads=[("model", "1")]) for n in range(many)])
        note = lambda *given, asked=asked: asked.append(given[2])  # noqa: E731 - it must be removed again
        sa.event.listen(bench.engine, "before_cursor_execute", note)
        take_in(bench.folder, bench.engine)
        sa.event.remove(bench.engine, "before_cursor_execute", note)
        costs.append(len(asked))
    assert costs[2] <= costs[0] + 2


def test_defect_every_call_opens_engines_of_its_own(tmp_path):
    wg.init(tmp_path / "store")
    wg.log_run("load", started=1, ended=2, outputs=["rows"])
    opened = []

    def note(*_):
        opened.append(1)

    with wg.open(tmp_path / "store") as store:
        store.trace("rows")
        sa.event.listen(sa.pool.Pool, "connect", note)
        try:
            for _ in range(20):
                store.trace("rows")
                store.runs()
        finally:
            sa.event.remove(sa.pool.Pool, "connect", note)
    assert len(opened) <= 1


def test_defect_default_arguments_are_mutable_everywhere():
    for name in wg.__all__:
        public = getattr(wg, name)
        if not callable(public) or (inspect.isclass(public) and issubclass(public, Exception)):
            continue
        for parameter in inspect.signature(public).parameters.values():
            assert not isinstance(parameter.default, (list, dict, set)), (name, parameter.name)


def test_defect_what_tests_and_docs_need_is_needed_to_run():
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    names = {re.split(r"[\s<>=!~\[;]", one)[0].lower() for one in needed}
    assert not names & {"pytest", "furo", "sphinx", "psycopg2", "psycopg2-binary", "flask", "werkzeug", "mltrace"}
