"""A backup is one moment of a store; restored, it answers what the store answered then, whatever went on meanwhile."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys
import time
from datetime import timedelta

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

import watchglass as wg
from tests.store.bench import DAY, Bench, label, prediction
from watchglass.cli.main import commands
from watchglass.errors import BadInput, StoreError
from watchglass.store import catalog as c
from watchglass.store.histories import history
from watchglass.store.life import backups
from watchglass.store.life.backup import backup
from watchglass.store.life.restore import restore
from watchglass.store.merge import FAN_IN, merge
from watchglass.store.mirror import mirror
from watchglass.store.sweep import REPLACED_AGE, sweep
from watchglass.store.tuning import replace_settings

KILLS = 40 if os.environ.get("WATCHGLASS_TORTURE") else 3


def fill(bench, files=4, rows=30):
    bench.model()
    bench.write("graph", [{"kind": "run", "id": "r1", "component": "train", "started": 1, "ended": 2, "status": "ok"}])
    for number in range(files):
        first = number * rows
        bench.write("rows", [prediction(n) for n in range(first, first + rows)])
        bench.write("rows", [label(n, n % 7) for n in range(first, first + rows // 2)])
        bench.compact()
    bench.follow()
    bench.write("rows", [prediction(10_000 + n) for n in range(5)], b'{"kind": "pred')  # its writer died in a line
    bench.write("rows", [{"kind": "metric", "name": "queue", "value": 3, "time": DAY}])
    replace_settings(bench.folder, {"level": "info"})


QUESTIONS = (
    "SELECT * FROM predictions ORDER BY id",
    "SELECT * FROM labels ORDER BY id",
    "SELECT * FROM label_history ORDER BY id, time",
    "SELECT * FROM metrics",
    "SELECT * FROM runs ORDER BY id",
    "SELECT * FROM models",
    "SELECT reason, rows, raw FROM rejected ORDER BY ALL",
)


def answers(root):
    """Ask a store everything, before and after its log is compacted."""
    with wg.open(root) as store:
        told = [store.sql(question).rows() for question in QUESTIONS]
        counted = history(store._folder, store._engine, "digits")
        told.append([counted.rows.tolist(), counted.columns[0].counts.tolist(), counted.labels.correct.tolist()])
        return told, store.settings()


def put(bench, home, **how):
    return backup(bench.folder, bench.engine, home, **how)


def objects(home):
    return {path.name: path.stat().st_ino for path in backups.objects_of(home).iterdir()}


def test_a_restored_store_answers_what_the_store_answered(bench, tmp_path):
    fill(bench)
    made = put(bench, tmp_path / "backups")
    expected = answers(bench.folder.root)
    done = restore(tmp_path / "backups", tmp_path / "again")
    assert answers(tmp_path / "again") == expected
    assert (done.rows, made.rows, made.log_bytes > 0) == (180, 180, True)
    again = Bench(tmp_path / "again")
    assert again.ask("SELECT count(*) AS n FROM predictions WHERE id = 'p7'") == [{"n": 1}], "by its index of ids"
    again.compact()
    again.follow()
    again.close()
    bench.compact()
    bench.follow()
    assert answers(tmp_path / "again") == answers(bench.folder.root)
    with wg.open(tmp_path / "again") as store:
        assert [f for f in store.doctor().findings if f.severity == "error"] == []


def test_the_restored_store_says_where_it_is_from_and_is_its_own(bench, tmp_path):
    fill(bench)
    made = put(bench, tmp_path / "backups")
    restore(tmp_path / "backups", tmp_path / "again")
    again = Bench(tmp_path / "again")
    with again.engine.connect() as connection:
        (row,) = connection.execute(sa.select(c.audit)).all()
    assert row.action == "restore"
    assert json.loads(row.record)["backup"] == made.name
    again.write("rows", [prediction(n) for n in range(500, 520)])
    again.compact()
    merge(again.folder, again.engine)
    sweep(again.folder, again.engine, now=time.time() + REPLACED_AGE + 1)
    again.close()
    restore(tmp_path / "backups", tmp_path / "third")
    assert answers(tmp_path / "third") == answers(bench.folder.root)


@pytest.mark.parametrize("other_disk", [False, True], ids=["linked", "copied"])
def test_a_second_backup_writes_only_what_is_new(bench, tmp_path, monkeypatch, other_disk):
    if other_disk:

        def refused(*_):
            raise OSError(errno.EXDEV, "another disk")

        monkeypatch.setattr(os, "link", refused)
    fill(bench)
    first = put(bench, tmp_path / "backups")
    assert first.new_files == first.files == 9
    lying = objects(tmp_path / "backups")
    bench.compact()
    second = put(bench, tmp_path / "backups")
    assert (second.files, second.new_files) == (11, 2)
    assert objects(tmp_path / "backups").items() >= lying.items()
    some = next(iter(bench.folder.tables.glob("predictions/*.parquet")))
    assert some.stat().st_nlink == (1 if other_disk else 2)
    monkeypatch.undo()
    restore(tmp_path / "backups", tmp_path / "again")
    assert answers(tmp_path / "again") == answers(bench.folder.root)


def test_a_time_chooses_the_newest_backup_that_is_not_later(bench, tmp_path):
    fill(bench)
    home, made = tmp_path / "backups", []
    for number in range(3):
        made.append(put(bench, home))
        bench.write("rows", [prediction(2000 + number)])
    assert [item.name for item in wg.backups(home)] == [item.name for item in reversed(made)]
    assert wg.restore(home, tmp_path / "a", made[1].time).backup.name == made[1].name
    assert wg.restore(home, tmp_path / "b", made[2].time - timedelta(microseconds=1)).backup.name == made[1].name
    with pytest.raises(BadInput, match="none is as old"):
        wg.restore(home, tmp_path / "c", made[0].time - timedelta(seconds=1))
    with wg.open(tmp_path / "a") as store:
        assert store.sql("SELECT id FROM predictions WHERE id SIMILAR TO 'p200[0-9]'").rows() == [{"id": "p2000"}]


def test_old_backups_are_removed_with_what_only_they_name(bench, tmp_path):
    fill(bench, files=FAN_IN)
    home = tmp_path / "backups"
    put(bench, home)
    merge(bench.folder, bench.engine)
    put(bench, home)
    before = len(objects(home))
    put(bench, home, keep=1)
    (left,) = wg.backups(home)
    assert len(objects(home)) == left.files < before
    restore(home, tmp_path / "again")
    assert answers(tmp_path / "again") == answers(bench.folder.root)


def test_a_file_that_is_replaced_and_swept_meanwhile_makes_it_take_the_next_moment(bench, tmp_path, monkeypatch):
    from watchglass.store.life import backup as backing

    fill(bench, files=FAN_IN)
    took = backing._moment
    moments = []

    def late(*arguments):
        found = took(*arguments)
        if not moments:
            merge(bench.folder, bench.engine)
            sweep(bench.folder, bench.engine, now=time.time() + REPLACED_AGE + 1)
        moments.append(found)
        return found

    monkeypatch.setattr(backing, "_moment", late)
    put(bench, tmp_path / "backups")
    assert len(moments) == 2
    assert len(wg.backups(tmp_path / "backups")) == 1
    restore(tmp_path / "backups", tmp_path / "again")
    assert answers(tmp_path / "again") == answers(bench.folder.root)


def test_a_damaged_file_is_told_and_nothing_half_is_left(bench, tmp_path):
    fill(bench)
    home = tmp_path / "backups"
    put(bench, home)
    some = next(iter(backups.objects_of(home).iterdir()))
    whole = some.read_bytes()
    some.unlink()  # the store's file is another name of the same bytes
    some.write_bytes(whole[:-9] + b"x" + whole[-8:])
    with pytest.raises(StoreError, match="is damaged: .* nothing was restored"):
        restore(home, tmp_path / "again")
    assert list(tmp_path.glob("*again*")) == []
    some.unlink()
    with pytest.raises(StoreError, match="is not there: nothing was restored"):
        restore(home, tmp_path / "again")
    source = next(iter(bench.folder.tables.glob("labels/*.parquet")))
    data = source.read_bytes()
    source.unlink()
    source.write_bytes(data[:-9] + b"x" + data[-8:])
    with pytest.raises(StoreError, match="no backup was made"):
        put(bench, tmp_path / "others")
    assert backups.names(tmp_path / "others") == []


def test_places_that_would_not_do_are_refused(bench, tmp_path):
    fill(bench)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("mine")
    with pytest.raises(BadInput, match="holds other things"):
        put(bench, tmp_path / "other")
    with pytest.raises(BadInput, match="in the store itself"):
        put(bench, bench.folder.root / "backups")
    with pytest.raises(BadInput, match="1 or more"):
        put(bench, tmp_path / "backups", keep=0)
    with pytest.raises(BadInput, match="no backup"):
        restore(tmp_path / "other", tmp_path / "again")
    put(bench, tmp_path / "backups")
    with pytest.raises(BadInput, match="holds something"):
        restore(tmp_path / "backups", tmp_path / "other")
    with backups.alone(tmp_path / "backups"), pytest.raises(StoreError, match="another process"):
        put(bench, tmp_path / "backups")
    (tmp_path / "empty").mkdir()
    assert restore(tmp_path / "backups", tmp_path / "empty").rows == 180


def test_the_commands_make_list_and_restore(bench, tmp_path):
    fill(bench)
    run, home = CliRunner().invoke, str(tmp_path / "backups")
    for _ in range(2):
        made = run(
            commands, ["backup", home, "--store", str(bench.folder.root), "--prune", "5"], env={"COLUMNS": "200"}
        )
        assert "180 rows in 9 files" in made.output
    listed = json.loads(run(commands, ["restore", home, "--list", "--json"]).output)
    assert [item["new_files"] for item in listed] == [0, 9]
    assert listed[0]["name"] in run(commands, ["restore", home], env={"COLUMNS": "200"}).output
    done = run(commands, ["restore", home, str(tmp_path / "again"), "--at", listed[1]["time"], "--json"])
    assert json.loads(done.output)["backup"]["name"] == listed[1]["name"]
    assert answers(tmp_path / "again") == answers(bench.folder.root)


RECORDING = """
import sys, time
import watchglass as wg
wg.init(store=sys.argv[1])
number = 0
while True:
    wg.log_prediction("m", features={"x": float(number)}, prediction=1, id=f"{number:06d}")
    print(number, flush=True)
    number += 1
    if number % 20 == 0:
        time.sleep(0.005)
"""


@pytest.mark.slow
def test_backups_of_a_store_that_is_recorded_into_and_compacted_hold_every_row_once(tmp_path):
    wg.init(store=str(tmp_path / "store"))
    wg.log_model("m", version="1")
    wg.flush()
    env = {**os.environ, "WATCHGLASS_ROLL_SECONDS": "0.3"}
    command = [sys.executable, "-c", RECORDING, str(tmp_path / "store")]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process,
        wg.open(tmp_path / "store") as store,
    ):
        told = iter(process.stdout)
        acknowledged = []
        try:
            for _ in range(20 if os.environ.get("WATCHGLASS_TORTURE") else 4):
                for number in told:
                    if int(number) % 150 == 149:
                        break
                store.compact()
                acknowledged.append((int(number), store.backup(tmp_path / "backups")))
        finally:
            process.kill()
            process.stdout.read()
    for number, made in acknowledged:
        restore(tmp_path / "backups", tmp_path / made.name, made.time)
        with wg.open(tmp_path / made.name) as again:
            ids = [int(row["id"]) for row in again.sql("SELECT id FROM predictions ORDER BY id").rows()]
            assert ids == list(range(len(ids)))
            assert len(ids) > number
            again.compact()
            assert again.sql("SELECT count(*) AS n, count(features->>'x') AS x FROM predictions").rows() == [
                {"n": len(ids), "x": len(ids)}
            ]


WORKING = """
import sys
import watchglass as wg
print("ready", flush=True)
if sys.argv[1] == "backup":
    with wg.open(sys.argv[2]) as store:
        store.backup(sys.argv[3])
else:
    wg.restore(sys.argv[2], sys.argv[3])
"""


def killed(words, after):
    """Run until killed; says whether it had ended before."""
    with subprocess.Popen([sys.executable, "-c", WORKING, *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        try:
            process.wait(timeout=after)
        except subprocess.TimeoutExpired:
            process.kill()
        return process.wait() == 0


@pytest.mark.slow
def test_a_kill_leaves_no_backup_and_no_store_that_is_not_whole(bench, tmp_path):
    fill(bench, files=12)
    chance, home, ended = random.Random(5), tmp_path / "backups", 0
    for number in range(KILLS):
        ended += killed(["backup", str(bench.folder.root), str(home)], chance.uniform(0.3, 1.5))
        bench.write("rows", [prediction(5000 + number)])
        bench.compact()
        bench.follow()
        for name in backups.names(home) if home.exists() else []:
            made = backups.moment_of(home, name).backup
            assert restore(home, tmp_path / "whole" / f"{number}-{name}", made.time).rows == made.rows
    assert (
        ended <= len(backups.names(home) if home.exists() else []) <= KILLS
    )  # one may be whole before its process ends
    put(bench, home)
    expected = answers(bench.folder.root)
    for number in range(KILLS):
        target = tmp_path / f"restored {number}"
        done = killed(["restore", str(home), str(target)], chance.uniform(0.2, 1.5))
        assert target.exists() or not done
        if not target.exists():  # it may be whole before its process ends
            restore(home, target)
        assert answers(target) == expected
    assert list(tmp_path.glob(".*")) == []


def test_counts_of_what_was_dropped_are_in_it(bench, tmp_path):
    fill(bench)
    home = bench.folder.root / "log" / "drops"
    home.mkdir(parents=True)
    told = {"writer": "w", "reasons": {"ENOSPC": 7}, "time": 1}
    (home / "w.json").write_text(json.dumps(told).ljust(4096))
    put(bench, tmp_path / "backups")
    restore(tmp_path / "backups", tmp_path / "again")
    with wg.open(tmp_path / "again") as store:
        assert store.dropped() == 7


def test_copies_of_the_catalogs_tables_are_in_it_and_are_no_rows(bench, tmp_path):
    fill(bench)
    assert mirror(bench.folder, bench.engine, late=0) == 1
    assert (put(bench, tmp_path / "backups").rows, put(bench, tmp_path / "backups").files) == (180, 10)
    restore(tmp_path / "backups", tmp_path / "again")
    assert answers(tmp_path / "again") == answers(bench.folder.root)
