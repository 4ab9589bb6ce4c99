"""The way back from an output and forward from it, from a shell: a tree, a table, JSON, pages, errors."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from tests.store.bench import BEGIN, Bench, prediction
from tests.store.lineage.told import run
from watchglass.cli.main import commands
from watchglass.errors import UnknownName

TOLD = [
    run("ingest", 0, reads=["raw.csv"], writes=[("rows", "v1")]),
    run("clean", 1, reads=[("rows", "v1")], writes=["clean [rows]"]),
    run("train", 2, reads=["clean [rows]", ("rows", "v1")], writes=[("model", "m1")], status="error"),
    run("report", 3, upstream=["train"]),
    {"kind": "model", "name": "fraud", "version": "3", "artifact": {"name": "model", "version": "m1"}, "time": BEGIN},
]


@pytest.fixture
def folder(tmp_path):
    bench = Bench(tmp_path / "store")
    bench.write("graph", TOLD)
    bench.write("graph", [run(f"r{n:02d}", 10 + n, reads=[f"i{n}"], writes=[f"i{n + 1}"]) for n in range(45)])
    bench.write("rows", [prediction(n, model="fraud", version="3") for n in range(4)])
    bench.close()
    return tmp_path / "store"


def told(folder, *words):
    return CliRunner().invoke(commands, [*map(str, words), "--store", str(folder)], env={"COLUMNS": "200"})


def test_a_trace_is_a_tree_that_tells_each_run_once(folder):
    lines = told(folder, "trace", "model").output.splitlines()
    assert "train train at 2026-06-01" in lines[0]
    assert lines[0].endswith(", error")
    assert [line.strip(" ├└─│") for line in lines[1:]] == [
        "clean [rows] by time: clean clean at 2026-06-01 00:00Z",
        "rows@v1 by content: ingest ingest at 2026-06-01 00:00Z (told elsewhere)",
        "rows@v1 by content: ingest ingest at 2026-06-01 00:00Z",
        "raw.csv: nobody is known to have made it",
    ]


def test_a_long_way_is_a_table(folder):
    lines = told(folder, "trace", "i45").output.splitlines()
    assert len(lines) == 46
    assert lines[-1].split()[:3] == ["44", "r", "r00"]


def test_a_trace_as_json_has_the_fields_of_the_record(folder):
    found = json.loads(told(folder, "trace", "report", "--depth", "1", "--json").output)
    assert (found["run"], [hops for hops, _ in found["steps"]]) == ("report", [0, 1])
    assert found["edges"][0] == {"run": "report", "name": "", "version": None, "rule": "declared", "producer": "train"}


def test_impact_says_what_came_of_it_and_pages(folder):
    found = told(folder, "impact", "raw.csv").output
    assert found.startswith("4 runs are downstream of raw.csv; it became fraud 3; 4 predictions came of it")
    assert "rows (content)" in found
    first = told(folder, "impact", "raw.csv", "--limit", 3)
    after = first.output.splitlines()[-1].removeprefix("more: --after ")
    second = told(folder, "impact", "raw.csv", "--limit", 3, "--after", after, "--exact").output
    assert "report" in second
    assert "more:" not in second
    assert json.loads(told(folder, "impact", "report", "--json").output)["runs"] == 0


@pytest.mark.parametrize("command", ["trace", "impact"])
def test_an_unknown_name_is_said_with_the_nearest(folder, command):
    failed = told(folder, command, "modle")
    assert isinstance(failed.exception, UnknownName)
    assert "Did you mean 'model'" in str(failed.exception)


def test_both_ways_are_drawn_into_a_file(folder, tmp_path):
    assert told(folder, "trace", "rows", "--svg", tmp_path / "rows.svg").output == ""
    drawn = (tmp_path / "rows.svg").read_text(encoding="utf-8")
    assert drawn.startswith("<svg ")
    for name in ("ingest", "rows", "clean", "model"):
        assert f">{name}</text>" in drawn
    assert told(folder, "trace", "rows", "--svg", "-").output == drawn
    wrong = tmp_path / "wrong.svg"
    assert isinstance(told(folder, "trace", "rwos", "--svg", wrong).exception, UnknownName)
    assert not wrong.exists()
