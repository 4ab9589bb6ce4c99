"""What mltrace does while it records, and where it fails: one test each, named after its group of tests or its defect."""

from __future__ import annotations

import asyncio
import threading

import pytest
from tests.store.bench import Bench

import watchglass as wg
from watchglass.errors import BadInput


def last(logs):
    return logs.graph("run")[-1]


def test_group_14_a_run_without_a_start_or_an_end_is_refused_and_one_without_data_is_not(logs):
    for missing in ("started", "ended"):
        times = {"started": 1, "ended": 2, missing: None}
        with pytest.raises(BadInput, match=missing):
            wg.log_run("load", **times)
        del times[missing]
        with pytest.raises(TypeError, match=missing):
            wg.log_run("load", **times)
    assert logs.graph("run") == []
    wg.log_run("load", started=1, ended=2)
    assert (last(logs)["reads"], last(logs)["writes"], last(logs)["status"]) == ([], [], "ok")


def test_group_15_a_run_of_an_unknown_component_makes_it(logs):
    wg.log_run("never declared", started=1, ended=2)
    wg.flush()
    bench = Bench(logs.root)
    assert bench.ask("select name from components") == [{"name": "never declared"}]
    bench.close()


def test_defect_failures_are_not_recorded(logs):
    @wg.component("load", inputs=["rows"])
    def load(rows):
        raise OSError(5, "gone")

    with pytest.raises(OSError, match="gone"):
        load([1])
    assert (last(logs)["status"], last(logs)["error"]) == ("error", "OSError: [Errno 5] gone")
    assert last(logs)["reads"][0]["name"] == "rows"


def test_defect_asynchronous_functions_and_generators_fail(logs):
    @wg.component("co", output_vars=["kept"])
    async def co():
        kept = await asyncio.sleep(0, 3)
        return kept  # noqa: RET504

    @wg.component("gen", output_vars=["kept"])
    def gen():
        kept = 4
        yield kept

    assert asyncio.run(co()) == 3
    assert last(logs)["writes"][0]["artifact"]["preview"] == "3"
    assert list(gen()) == [4]
    assert last(logs)["writes"][0]["artifact"]["preview"] == "4"


def test_defect_a_source_that_is_not_ascii_cannot_be_recorded(logs):
    @wg.component("größe")
    def größe():  # noqa: PLC2401 - what it is about
        return "naïve – ∑"

    assert größe() == "naïve – ∑"
    (source,) = [event for event in logs.graph("source") if "größe" in event["name"]]
    assert "naïve – ∑" in source["text"]
    assert last(logs)["component"] == "größe"


def test_defect_two_threads_share_the_trace_hook(logs):
    at_once = threading.Barrier(4, timeout=60)

    @wg.component("work", output_vars=["mine"])
    def work(n):
        at_once.wait()
        mine = n
        at_once.wait()
        return mine

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended = [event for event in logs.graph("run") if event["status"] == "ok"]
    assert sorted(event["writes"][0]["artifact"]["preview"] for event in ended) == ["0", "1", "2", "3"]


def test_defect_a_run_that_reads_and_writes_one_name_is_refused(logs):
    with wg.run("update") as run:
        run.read([1], "table")
        run.write([1, 2], "table")
    read, write = last(logs)["reads"][0], last(logs)["writes"][0]
    assert read["name"] == write["name"] == "table"
    assert read["version"] != write["version"]


def test_defect_a_failed_test_cannot_stop_the_component(logs):
    @wg.component("score", before=[wg.check(lambda rows: len(rows) > 0, "block", "rows")])
    def score(rows):
        return rows

    with pytest.raises(wg.WatchglassError, match="test 'rows' before component 'score' failed"):
        score([])


def test_defect_any_other_error_of_a_test_aborts_the_run(logs):
    @wg.component("score", before=[lambda rows: rows["no such key"]])
    def score(rows):
        return rows

    assert score({}) == {}
    assert last(logs)["tests"][0]["message"] == "KeyError: 'no such key'"


def test_defect_the_description_and_owner_of_a_component_never_change(logs):
    for owner, tags in (("ana", ["a"]), ("bob", ["a", "b"])):
        wg.init(logs.root)
        wg.component("step", owner=owner, description=f"by {owner}", tags=tags)(lambda: None)()
    wg.flush()
    bench = Bench(logs.root)
    (found,) = bench.ask("select owner, description, tags from components")
    assert (found["owner"], found["description"]) == ("bob", "by bob")
    assert "b" in str(found["tags"])
    bench.close()


def test_defect_a_database_that_is_down_stops_or_blocks_the_pipeline(logs, monkeypatch):
    monkeypatch.setenv("WATCHGLASS_CATALOG", "postgresql://nobody@127.0.0.1:1/none")
    with wg.run("train") as run:
        run.write([1], "model")
    assert (last(logs)["component"], last(logs)["status"]) == ("train", "ok")


def test_defect_every_client_needs_the_database_and_its_password(logs, python):
    done = python(
        "import sys, watchglass as wg\n"
        "with wg.run('train') as run: run.write([1], 'model')\n"
        "print(sorted({'sqlalchemy', 'sqlite3', 'psycopg', 'duckdb'} & set(sys.modules)))",
        WATCHGLASS_STORE=str(logs.root),
    )
    assert done.stdout.strip() == "[]"
    assert last(logs)["component"] == "train"
    assert not (logs.root / "catalog.db").exists()


def test_defect_two_classes_of_tests_with_one_method_overwrite_each_others_result(logs):
    class First:
        def test_rows(self, rows):
            assert rows

    class Second:
        def test_rows(self, rows):
            assert len(rows) > 5

    @wg.component("score", before=[First, Second])
    def score(rows):
        return rows

    score([1])
    assert [(one["name"], one["ok"]) for one in last(logs)["tests"]] == [
        ("First.test_rows", True),
        ("Second.test_rows", False),
    ]


def test_defect_default_names_of_saved_things_are_chance(logs):
    """mltrace saves as <variable>_<five letters><time>: equal content twice is two files. Here it lies once, by its sum."""
    for _ in range(2):
        wg.save([1, 2, 3], "numbers")
    wg.flush()
    kept = [path for path in (logs.root / "artifacts").rglob("*") if path.is_file()]
    assert len(kept) == 1


def test_a_run_that_is_named_as_upstream_is_followed_as_after_set_upstream(logs):
    first = wg.log_run("load", started=1, ended=2)
    with wg.run("clean") as second:
        pass
    last_id = wg.log_run("train", started=3, ended=4, outputs=["model"], upstream=[first, second])
    assert last(logs)["upstream"] == [first, second.id]
    wg.flush()
    with wg.open(logs.root) as store:
        found = store.trace("model")
        assert {one.id for _, one in found.steps} == {last_id, first, second.id}
        assert {edge.rule for edge in found.edges} == {"declared"}
    for wrong in ("one", [""], [None]):
        with pytest.raises(BadInput, match="upstream"):
            wg.log_run("train", started=3, ended=4, upstream=wrong)
