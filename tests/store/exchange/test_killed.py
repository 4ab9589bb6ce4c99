"""An import that is killed at any of its steps and begun again takes each row in once."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import polars as pl
import pytest

import watchglass as wg
from watchglass.capture import recorder
from watchglass.reading import Store

IMPORT = """
import os, sys
from watchglass.store import parquet
from watchglass.store.exchange import taking
from watchglass.reading import Store

left = int(sys.argv[3])


def dying(before, verb):
    def step(*given, **named):
        global left
        left -= 1
        if left == 0 and before:
            os.kill(os.getpid(), 9)
        found = verb(*given, **named)
        if left == 0:
            os.kill(os.getpid(), 9)
        return found

    return step


when = sys.argv[4]
if when == "publishing":
    taking._publish = dying(True, taking._publish)
elif when == "published":
    taking._publish = dying(False, taking._publish)  # inside the transaction, all written, nothing committed
else:
    parquet.write = dying(False, parquet.write)
with Store(sys.argv[2], create=True) as store:
    store.import_(sys.argv[1])
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    root = tmp_path_factory.mktemp("source")
    wg.init(root / "store")
    for model in ("a", "b", "c"):
        frame = pl.DataFrame(
            {"p": [1] * 50, "t": [1.7e9 + n for n in range(50)], "x": [n / 7 for n in range(50)], "i": range(50)}
        )
        wg.log_predictions(model, frame, prediction="p", time="t", id="i")
        wg.log_label(model, "7", 1)
    recorder.close()
    with Store(root / "store") as store:
        store.export(root / "out")
    return root / "out"


@pytest.mark.parametrize("when", ["writing", "publishing", "published"])
def test_what_was_killed_and_begun_again_is_in_the_store_once(exported, tmp_path, when):
    store = str(tmp_path / "store")
    for step in (1, 2, 4) if os.environ.get("WATCHGLASS_TORTURE") else (3,):
        done = subprocess.run(
            [sys.executable, "-c", IMPORT, str(exported), store, str(step), when],
            env={**os.environ},
            timeout=120,
            check=False,
        )
        assert done.returncode == -9
    with Store(store) as opened:
        taken = opened.import_(exported)
        assert taken.already > 0
        query = (
            "SELECT model, count(*) AS rows, count(DISTINCT id) AS ids FROM predictions GROUP BY model ORDER BY model"
        )
        assert opened.sql(query).rows() == [{"model": model, "rows": 50, "ids": 50} for model in "abc"]
        assert opened.sql("SELECT count(*) AS n FROM label_history").rows() == [{"n": 3}]
        opened.compact()
        assert opened.label_coverage("a").predictions == 50


AT_ONCE = """
import sys
from pathlib import Path
from watchglass.reading import Store

with Store(sys.argv[1]) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    done = store.import_(sys.argv[2], **eval(sys.argv[3]))
    print(done.files, done.already, done.rows, flush=True)
"""


@pytest.mark.parametrize("what", ["an export", "a file"])
def test_of_two_that_import_the_same_at_once_one_takes_each_file_and_the_other_says_it_was_taken(
    exported, tmp_path, what
):
    if what == "a file":
        path, given, files = tmp_path / "rows.csv", {"model": "m", "id": "i", "time": "t"}, 1
        path.write_text("i,t,x\n" + "".join(f"{n},{1.7e9 + n},{n / 7}\n" for n in range(5000)))
    else:
        path, given, files = exported, {}, len(json.loads((exported / "manifest.json").read_text())["files"])
    Store(tmp_path / "new", create=True).close()
    command = [sys.executable, "-c", AT_ONCE, str(tmp_path / "new"), str(path), repr(given)]
    both = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        for process in both:
            assert process.stdout.readline() == "ready\n"
        for process in both:
            process.stdin.write("go\n")
            process.stdin.flush()
        told = [process.communicate(timeout=300) for process in both]
    finally:
        for process in both:
            process.kill()
            process.wait()
    assert [err for _, err in told] == ["", ""]
    counts = [tuple(map(int, out.split())) for out, _ in told]
    assert sum(taken for taken, _, _ in counts) == files
    assert all(taken + already == files for taken, already, _ in counts)
    if what == "a file":
        with Store(tmp_path / "new") as store:
            assert store.sql("SELECT count(*) AS n FROM predictions").rows() == [{"n": 5000}]
