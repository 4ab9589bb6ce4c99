"""An export that stops half way leaves nothing under its name, and nothing beside it once another is begun; it is small in memory."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from watchglass.errors import BadInput, StoreError
from watchglass.reading import Store

ROWS = 1_000_000 if os.environ.get("WATCHGLASS_TORTURE") else 150_000
COLUMNS = 20
EXPORT = """
import os, sys
from pathlib import Path
import watchglass as wg

told = []


def progress(done, total):
    told.append((done, total))
    if len(told) == 3 and sys.argv[4] == "kill":
        os.kill(os.getpid(), 9)
    if len(told) == 3 and sys.argv[4] == "stop":
        raise KeyboardInterrupt


with wg.open(sys.argv[1]) as store:
    done = store.export(sys.argv[2], format=sys.argv[3], progress=progress)
assert told == sorted(told) and told[-1] == (done.rows, done.rows)
print(done.rows, Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    root = tmp_path_factory.mktemp("filled")
    draw = np.random.default_rng(1)
    frame = pl.DataFrame(
        {
            "id": [f"id-{n:09d}" for n in range(ROWS)],
            "time": 1.75e9 + np.arange(ROWS),
            "prediction": draw.integers(0, 2, ROWS),
            **{f"x{n}": draw.normal(size=ROWS) for n in range(COLUMNS)},
        }
    )
    frame.write_parquet(root / "rows.parquet")
    with Store(root / "store", create=True) as store:
        store.import_(root / "rows.parquet", model="m")
    return root / "store"


def export(store, to, form="parquet", how="whole"):
    command = [sys.executable, "-c", EXPORT, str(store), str(to), form, how]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
def test_a_whole_one_takes_less_than_500_mb_and_tells_how_far_it_is(filled, tmp_path, form):
    done = export(filled, tmp_path / "out", form)
    assert done.returncode == 0, done.stderr
    rows, peak = map(int, done.stdout.split())
    assert rows > ROWS
    assert peak < 500 << 10
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_one_that_is_killed_leaves_no_name_and_the_next_clears_what_lies_beside(filled, tmp_path):
    assert export(filled, tmp_path / "out", how="kill").returncode == -9
    assert not (tmp_path / "out").exists()
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".out.")
    assert export(filled, tmp_path / "out").returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_one_that_is_stopped_by_hand_leaves_nothing(filled, tmp_path):
    done = export(filled, tmp_path / "out", how="stop")
    assert "KeyboardInterrupt" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_on_a_full_disk_it_says_so_and_leaves_nothing(filled, tmp_path, form):
    with Store(filled) as store:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
        try:
            with pytest.raises(StoreError, match="the export stopped.*Nothing of it is left"):
                store.export(tmp_path / "out", ["predictions"], format=form)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert list(tmp_path.iterdir()) == []
        (tmp_path / "there").mkdir()  # an empty folder will do, or a link to one
        (tmp_path / "out").symlink_to(tmp_path / "there")
        assert store.export(tmp_path / "out", ["predictions"], format=form).rows == ROWS
        assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "there"]


def test_what_is_put_there_meanwhile_stays(filled, tmp_path):
    def put(_, __):
        (tmp_path / "out").mkdir(exist_ok=True)
        (tmp_path / "out" / "note.txt").write_text("mine")

    with Store(filled) as store, pytest.raises(StoreError, match="written to meanwhile"):
        store.export(tmp_path / "out", ["settings", "predictions"], progress=put)
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["out", "out/note.txt"]


def test_a_place_where_something_is_mounted_is_refused(filled):
    with Store(filled) as store, pytest.raises(BadInput, match="mounted at '/proc'.*'/proc/export'"):
        store.export("/proc")
