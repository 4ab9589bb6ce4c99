"""How much of what a run reads and writes is kept: as its policy says, within its budget, and what is left out is named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression

import watchglass as wg
from watchglass.capture import keeping, recorder
from watchglass.capture.keeping_place import FOLDER, held
from watchglass.capture.keeping_profile import file_profile, profile
from watchglass.capture.keeping_sample import sample
from watchglass.capture.saving import save
from watchglass.errors import BadInput

FRAME = pl.DataFrame({"x": [1, 2, None], "t": ["b", "a", "b"]})


def told(logs):
    """Give what the run's last event says of each artifact, and what it left out."""
    wg.flush()
    event = logs.graph("run")[-1]
    return {edge["name"]: edge for edge in event["reads"] + event["writes"]}, event.get("left_out") or []


def files(logs):
    return sorted(path.name for path in (logs.root / FOLDER).glob("??/*"))


def test_each_policy_keeps_so_much_and_no_more(logs):
    with wg.run("train") as run:
        for policy in ("none", "hash", "profile", "sample", "full"):
            assert (run.write(FRAME, policy, keep=policy) is None) == (policy == "none")
    found, left_out = told(logs)
    assert left_out == []
    about = {name: edge["artifact"] for name, edge in found.items()}
    assert (about["none"], found["none"]["rule"]) == ({"kind": "name"}, "declared")
    assert about["hash"] == {"kind": "frame", "rows": 3, "columns": ["x", "t"]}
    assert about["profile"] == {**about["hash"], "policy": "profile", "profile": profile(FRAME)}
    assert about["sample"]["policy"] == "sample"
    assert about["sample"]["kept"].endswith(".sample.polars.parquet")
    assert about["full"]["kept"].endswith(".polars.parquet")
    assert files(logs) == sorted([about["sample"]["kept"], about["full"]["kept"]])


def test_the_setting_says_what_is_kept_where_the_call_does_not(logs, monkeypatch):
    monkeypatch.setenv("WATCHGLASS_ARTIFACTS", "full")
    with wg.run("train") as run:
        run.read([1, 2], "numbers")
        run.read([1], "less", keep="hash")
    found, _ = told(logs)
    assert "kept" in found["numbers"]["artifact"]
    assert "kept" not in found["less"]["artifact"]
    with wg.run("train") as run, pytest.raises(BadInput, match="'artifacts' cannot be 'all'"):
        run.read([1], "a", keep="all")


def test_a_hundred_megabytes_logged_twice_are_kept_once(logs, tmp_path):
    path = tmp_path / "big"
    path.write_bytes(os.urandom(100_000_000))
    with wg.run("train") as run:
        run.read(path, "one", keep="full")
        run.write(str(path), "other", keep="full")
    assert held(str(logs.root)) == 100_000_000
    keeping._full_before.clear()  # as in another process
    with wg.run("again") as run:
        run.read(path, keep="full")
    found, left_out = told(logs)
    assert (len(files(logs)), left_out, len(found)) == (1, [], 1)


def test_a_run_keeps_no_more_than_its_budget(logs, monkeypatch, lost):
    monkeypatch.setenv("WATCHGLASS_ARTIFACT_RUN_BYTES", "1000")
    with wg.run("train") as run:
        run.write("a" * 600, "first", keep="full")
        run.write("b" * 600, "second", keep="full")
        run.write("a" * 600, "the first again", keep="full")
        run.write("c" * 400, "third", keep="full")
    found, left_out = told(logs)
    assert left_out == ["full of 'second' is not kept: 600 bytes are more than the 400 that may still be kept"]
    assert found["second"]["version"] is not None
    assert found["second"]["artifact"]["policy"] == "profile"
    assert held(str(logs.root)) == 1000
    with wg.run("train") as run:
        run.write("b" * 600, "second", keep="full")
    assert held(str(logs.root)) == 1600
    assert lost() == {}


def test_a_store_keeps_no_more_than_its_budget(logs, monkeypatch):
    monkeypatch.setenv("WATCHGLASS_ARTIFACT_STORE_BYTES", "1000")
    for number, size in enumerate((600, 600, 400)):
        with wg.run("train") as run:
            run.write(str(number) * size, "text", keep="full")
    assert held(str(logs.root)) == 1000


def test_a_file_too_large_is_not_written_first(logs, tmp_path, monkeypatch):
    monkeypatch.setenv("WATCHGLASS_ARTIFACT_RUN_BYTES", "1000")
    (tmp_path / "big").write_bytes(b"x" * 5000)
    monkeypatch.setattr(keeping, "copy_file", lambda *_: pytest.fail("it was copied"))
    with wg.run("train") as run:
        assert run.read(tmp_path / "big", keep="full") is not None
    _, left_out = told(logs)
    assert "5000 bytes are more than the 1000" in left_out[0]


def test_an_array_too_large_is_not_written_first(logs, monkeypatch):
    monkeypatch.setenv("WATCHGLASS_ARTIFACT_RUN_BYTES", "1000")
    monkeypatch.setattr(keeping.keeping_place, "put", lambda *_: pytest.fail("it was written"))
    with wg.run("train") as run:
        assert run.write(np.zeros(1000), "array", keep="full") is not None
    _, left_out = told(logs)
    assert "8000 bytes are more than the 1000" in left_out[0]


def test_what_has_no_safe_format_is_named_and_the_work_goes_on(logs, lost):
    with wg.run("train") as run:
        run.write({1: {2}}, "sets", keep="full")
        run.write({"a": 1}, "dict", keep="sample")
        run.write(LogisticRegression(), "model", keep="sample")
    found, left_out = told(logs)
    assert [text.partition(":")[0] for text in left_out] == [
        "full of 'sets' is not kept",
        "sample of 'dict' is not kept",
        "sample of 'model' is not kept",
    ]
    assert all(edge["version"] for edge in found.values())
    assert found["model"]["artifact"]["profile"]["params"]["C"] == 1.0
    assert lost() == {}


def test_a_disk_that_cannot_be_written_costs_the_bytes_and_not_the_run(logs, lost):
    with wg.run("train") as run:
        (logs.root / FOLDER).write_text("no folder")
        assert run.write([1], "numbers", keep="full") is not None
    _, left_out = told(logs)
    assert "full of 'numbers' is not kept" in left_out[0]
    assert list(lost().values()) == [1]


def test_a_file_that_changes_between_two_looks_is_recorded_as_it_is_kept(logs, tmp_path, monkeypatch):
    path = tmp_path / "rows"
    path.write_text("one")
    copy = keeping.copy_file

    def changed(source, target):
        Path(source).write_text("two")
        return copy(source, target)

    monkeypatch.setattr(keeping, "copy_file", changed)
    with wg.run("train") as run:
        run.read(path, "rows", keep="full")
    found, _ = told(logs)
    with wg.run("look") as run:
        assert run.read(path, "rows") == found["rows"]["version"]


def test_where_previews_are_redacted_nothing_is_kept(tmp_path):
    wg.init(tmp_path / "store", redaction=[{"field": "preview", "action": "drop"}])
    with wg.run("train") as run:
        run.write("a secret", "text", keep="full")
        assert any("rule of redaction" in text for text in run.around.left_out)
    assert not (tmp_path / "store" / FOLDER).exists()


def test_save_records_a_write_of_the_run_around_or_of_its_own(logs):
    with wg.run("train"):
        version = save(FRAME, "rows")
    found, _ = told(logs)
    assert found["rows"]["version"] == version
    assert found["rows"]["artifact"]["policy"] == "full"
    assert save(FRAME, "rows") == version
    wg.flush()
    assert [event["component"] for event in logs.graph("run") if event.get("ended")] == ["train", "save"]
    assert len(files(logs)) == 1


@pytest.mark.parametrize(
    ("thing", "more", "said"),
    [
        ({1: {2}}, {}, "has no safe format"),
        ([1], {"keep": "hash"}, "'full' or 'sample' would do"),
        (pl.LazyFrame({"a": [1]}), {}, "cannot be read"),
        ({1: {2}}, {"format": "joblib"}, "format cannot be 'joblib'"),
    ],
)
def test_save_refuses_what_it_cannot_keep(logs, thing, more, said):
    with pytest.raises(BadInput, match=said):
        save(thing, "it", **more)
    assert not files(logs)


def test_nothing_is_saved_where_nothing_is_recorded(tmp_path, monkeypatch):
    monkeypatch.setenv("WATCHGLASS_DISABLED", "1")
    wg.init(tmp_path / "store")
    with pytest.raises(BadInput, match="nothing is recorded"):
        save([1], "numbers")


CELLS = {
    "i": [1, 2, None, 4],
    "f": [0.5, float("nan"), 1.5, None],
    "t": ["b", "a", "b", None],
    "b": [True, None, True, False],
    "l": [[1], [2], None, []],
}


@pytest.mark.parametrize(
    "to", [lambda f: f, pl.DataFrame.to_arrow, pl.DataFrame.to_pandas], ids=["polars", "pyarrow", "pandas"]
)
def test_a_profile_says_the_same_whatever_holds_the_frame(to):
    found = profile(to(pl.DataFrame(CELLS)))
    assert found["rows"] == 4
    columns = found["columns"]
    assert columns["i"] == {"type": "number", "count": 3, "nulls": 1, "min": 1, "max": 4, "mean": pytest.approx(7 / 3)}
    assert columns["f"] == {"type": "number", "count": 2, "nulls": 2, "min": 0.5, "max": 1.5, "mean": 1.0}
    assert columns["t"] == {"type": "text", "count": 3, "nulls": 1, "top": [["b", 2], ["a", 1]]}
    assert columns["b"]["top"] == [[True, 2], [False, 1]]
    assert columns["l"] == {"type": "json", "count": 3, "nulls": 1}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (np.array([[1.0, np.nan], [3.0, 5.0]]), {"shape": [2, 2], "nulls": 1, "min": 1.0, "max": 5.0, "mean": 3.0}),
        (np.array(["a"]), {"shape": [1]}),
        (np.zeros((0, 2)), {"shape": [0, 2]}),
        ("a\nb", {"characters": 3, "lines": 2}),
        (b"abc", {"bytes": 3}),
        ({"a": 1}, {"entries": 1, "keys": ["a"]}),
        ([1, "a", 2], {"entries": 3, "types": {"int": 2, "str": 1}}),
        (2.5, {"value": 2.5}),
        (LogisticRegression(C=2), {"type": "sklearn.linear_model._logistic.LogisticRegression"}),
        (pa.array([1, 2]), {"rows": 2}),
        (pd.Series(["a"], name="s"), {"rows": 1}),
        (pd.DataFrame({"a": [pd.Timestamp("2026-01-01")], "c": pd.Categorical(["x"])}), {"rows": 1}),
        (pd.DataFrame({"a": []}), {"rows": 0}),
        (pl.DataFrame({f"c{n}": [n] for n in range(501)}), {"columns left out": 1}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_profile_of_anything(value, said):
    assert profile(value).items() >= said.items()


def test_a_profile_of_files(tmp_path):
    (tmp_path / "a").write_bytes(b"xyz")
    assert file_profile(str(tmp_path)) == {"files": 1, "bytes": 3}
    assert file_profile(str(tmp_path / "a"))["bytes"] == 3


@pytest.mark.parametrize(
    "value",
    [
        pl.DataFrame({"a": range(2500)}),
        pl.DataFrame({"a": range(2500)}).to_pandas(),
        pl.DataFrame({"a": range(2500)}).to_arrow(),
        np.arange(2500),
        list(range(2500)),
    ],
    ids=lambda value: type(value).__module__,
)
def test_a_sample_is_every_so_manyth_row(value):
    thin = sample(value)
    rows = thin["a"].to_list() if isinstance(thin, pl.DataFrame) else list(np.asarray(thin).ravel())
    assert [int(row if not hasattr(row, "as_py") else row.as_py()) for row in rows] == list(range(0, 2500, 3))


def test_a_sample_of_a_file_is_its_first_lines(logs, tmp_path):
    (tmp_path / "log").write_text("line\n" * 100_000)
    with wg.run("train") as run:
        run.read(tmp_path / "log", keep="sample")
    found, _ = told(logs)
    kept = found[str(tmp_path / "log")]["artifact"]["kept"]
    data = (logs.root / FOLDER / kept[:2] / kept).read_text()
    assert set(data.splitlines()) == {"line"}
    assert 60_000 < len(data) <= 65_536
    assert data.endswith("\n")


def test_a_run_and_a_component_say_what_is_kept_of_all_they_touch(logs):
    with wg.run("load", keep="profile") as run:
        run.write([1], "numbers")
        run.write([2], "more", keep="hash")
    found, _ = told(logs)
    assert found["numbers"]["artifact"]["policy"] == "profile"
    assert "policy" not in found["more"]["artifact"]

    @wg.component("add", inputs=["rows"], outputs=["sum"], keep="full")
    def add(rows):
        return sum(rows)

    assert add([1, 2]) == 3
    found, _ = told(logs)
    assert [found[name]["artifact"]["policy"] for name in ("rows", "sum")] == ["full", "full"]
    for wrong in (lambda: wg.run("load", keep="all"), lambda: wg.component("add", keep="all")):
        with pytest.raises(BadInput, match="'artifacts' cannot be 'all'"):
            wrong()


def test_a_profile_is_redacted_with_the_preview_wherever_it_comes_from(tmp_path):
    wg.init(tmp_path / "store", redaction=[{"field": "preview", "action": "drop"}])
    about = {"kind": "frame", "profile": {"rows": 1}, "preview": "[1]"}
    event = {"kind": "read", "run": "r", "name": "rows", "version": "v", "artifact": about}
    assert recorder.current().redactor.event(event)["artifact"] == {"kind": "frame"}


def test_keeping_counts_as_capture_and_ends_with_its_seconds(logs):
    with wg.run("train", budget=(1e-6, None)) as run:
        assert run.write([1], "numbers", keep="full") is not None
    found, left_out = told(logs)
    assert "kept" not in found["numbers"]["artifact"]
    assert left_out == ["full of 'numbers': no seconds are left (setting capture_seconds)"]
    with wg.run("train") as run:
        run.write("x" * 3_000_000, "text", keep="full")
        assert run.around.spending.seconds > 0
    assert "kept" in told(logs)[0]["text"]["artifact"]


TOGETHER = """
import sys
import watchglass as wg
sys.stdin.readline()
with wg.run("train") as run:
    for number in range(60):
        run.write(str(number) * 1000, f"n{number}", keep="full")
    assert run.around.left_out == [], run.around.left_out
"""


def test_processes_that_keep_the_same_at_once_keep_it_once(tmp_path):
    env = {**os.environ, "WATCHGLASS_STORE": str(tmp_path / "store")}
    command = [sys.executable, "-c", TOGETHER]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, env=env, text=True) for _ in range(3)]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.close()
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    found = list((tmp_path / "store" / FOLDER).glob("??/*"))
    assert len(found) == 60
    assert not list((tmp_path / "store" / FOLDER).glob(".*"))
