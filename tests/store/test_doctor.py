"""Each damage is planted for real, named, and mended; rows that were not damaged are all answered afterwards."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from tests.store.bench import BEGIN, Bench, label, prediction
from watchglass.errors import StoreError
from watchglass.store.doctor.examine import diagnose
from watchglass.store.leases import hold

AGES = (1, 1)  # long ago


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Three files of ten predictions, one of labels, counted; ten more predictions in the log."""
    made = Bench(tmp_path_factory.mktemp("template") / "store")
    made.model()
    for start in (0, 10, 20):
        made.write("rows", [prediction(n) for n in range(start, start + 10)])
        made.compact()
    made.write("rows", [label(n, n % 10) for n in range(30)])
    made.compact()
    made.follow()
    made.write("rows", [prediction(n) for n in range(30, 40)])
    made.close()
    return made


@pytest.fixture
def store(template, tmp_path):
    """A store of one's own to damage."""
    shutil.copytree(template.folder.root, tmp_path / "store")
    made = Bench(tmp_path / "store")
    made.names = template.names
    yield made
    made.close()


def look(bench, **options):
    bench.close()
    return diagnose(bench.folder.root, now=datetime.now(UTC), **options)


def ids(bench):
    return [row["id"] for row in bench.ask("SELECT id FROM predictions ORDER BY time")]


def expected(*ranges):
    return [f"p{n}" for begin, end in ranges for n in range(begin, end)]


def files(bench, kind="predictions"):
    with closing(sqlite3.connect(bench.folder.catalog)) as catalog:
        query = "SELECT path FROM files WHERE kind = ? AND removed IS NULL ORDER BY seq"
        return [bench.folder.tables / row[0] for row in catalog.execute(query, [kind])]


def said(report):
    return {(item.severity, item.what) for item in report.findings}


def named(report, what):
    return next(item for item in report.findings if item.what == what)


def lost(bench):
    return bench.ask("SELECT coalesce(sum(rows), 0) AS n FROM rejected")[0]["n"]


def correct(bench):
    """Count what the cells know of the labels: thirty rows, thirty of them right."""
    paths = ", ".join(f"'{path}'" for path in files(bench, "cells"))
    query = f"SELECT kind, sum(n)::BIGINT FROM read_parquet([{paths}]) WHERE slice = '' AND name = '' GROUP BY kind"
    from watchglass.store.compact import engine_room

    with engine_room() as connection:
        return dict(connection.execute(query).fetchall())


def test_a_sound_store_is_called_sound_and_nothing_in_it_is_touched(store):
    before = {path: path.stat().st_mtime_ns for path in store.folder.tables.rglob("*.parquet")}
    report = look(store)
    assert report.sound
    assert not report.findings
    assert (report.files, report.segments) == (len(before), 1)
    assert {path: path.stat().st_mtime_ns for path in store.folder.tables.rglob("*.parquet")} == before
    assert len(list(store.folder.row_log.iterdir())) == 1


def test_a_missing_file_is_named_with_its_rows_and_times_and_struck_only_when_asked(store):
    files(store)[1].unlink()
    report = look(store)
    found = named(report, "missing file")
    assert not report.sound
    assert (found.rows, found.mended) == (10, False)
    assert found.first == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=BEGIN + 10)
    assert "10 predictions of 2026-06-01" in found.means
    assert len(files(store)) == 3, "looking changes nothing"
    assert look(store, mend=True).sound
    assert ids(store) == expected((0, 10), (20, 40))
    assert lost(store) == 10
    assert look(store).sound


@pytest.mark.parametrize(
    ("what", "damage"),
    [
        ("file of another size", lambda data: data[:-7]),
        ("changed file", lambda data: data[:200] + bytes([data[200] ^ 1]) + data[201:]),
        ("file of another size", lambda data: b""),
    ],
)
def test_a_damaged_file_goes_to_quarantine_with_a_note_and_the_others_are_answered(store, what, damage):
    path = files(store)[0]
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert (("error", what)) in said(look(store))
    report = look(store, mend=True)
    assert report.sound
    assert named(report, what).mended
    assert ids(store) == expected((10, 40))
    moved = store.folder.root / "quarantine" / path.name
    assert moved.read_bytes() == damage(whole), "not a byte is thrown away"
    note = json.loads(moved.with_name(moved.name + ".why.json").read_text())
    assert note["from"] == f"tables/predictions/{path.name}"
    assert lost(store) == 10


def test_without_sums_a_changed_byte_goes_unseen_and_the_report_says_that_sums_were_left_out(store):
    path = files(store)[0]
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)
    quick = look(store, quick=True)
    assert quick.quick
    assert "changed file" not in {item.what for item in quick.findings}
    assert not look(store).sound


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [("rows", 11, "miscounted file"), ("first", 5, "misdated file"), ("bytes", 3, "file of another size")],
)
def test_a_manifest_that_says_other_than_the_file_is_found(store, column, value, what):
    with closing(sqlite3.connect(store.folder.catalog)) as catalog, catalog:
        catalog.execute(f"UPDATE files SET {column} = ? WHERE seq = 1", [value])
    assert ("error", what) in said(look(store))


def test_a_spoilt_cell_file_is_mended_by_counting_anew(store):
    files(store, "cells")[0].write_bytes(b"not parquet")
    assert not look(store).sound
    assert look(store, mend=True).sound
    store.follow()
    assert correct(store) == {"rows": 40, "labelled": 30, "correct": 30}
    assert ids(store) == expected((0, 40))


def test_an_index_that_is_gone_cut_or_wrong_is_made_anew(store):
    indexes = [path.with_name(path.name + ".ids") for path in files(store)]
    whole = [path.read_bytes() for path in indexes]
    assert [len(data) for data in whole] == [120] * 3
    indexes[0].unlink()
    indexes[1].write_bytes(whole[1][:-5])
    indexes[2].write_bytes(bytes(120))
    report = look(store)
    assert [item.what for item in report.findings] == ["spoilt index"] * 3
    assert look(store, mend=True).sound
    assert [path.read_bytes() for path in indexes] == whole
    assert look(store).findings == ()


def test_a_file_that_no_transaction_published_is_set_aside_when_its_rows_are_elsewhere(store):
    path = files(store)[0]
    twin = path.with_name("twin.parquet")
    shutil.copy(path, twin)
    assert ("note", "unlisted file") in said(look(store))
    os.utime(twin, AGES)
    assert "all of its 10 rows are answered from elsewhere" in named(look(store), "unlisted file").means
    assert look(store, mend=True).sound
    assert not twin.exists()
    assert (store.folder.root / "quarantine" / "twin.parquet").exists()
    assert ids(store) == expected((0, 40))


def test_a_file_whose_rows_are_still_in_the_log_is_set_aside(store):
    segment = next(store.folder.row_log.iterdir())
    kept = segment.read_bytes()
    store.compact()
    newest = files(store)[-1]
    with closing(sqlite3.connect(store.folder.catalog)) as catalog, catalog:
        catalog.execute("DELETE FROM files WHERE path = ?", [f"predictions/{newest.name}"])
        catalog.execute("DELETE FROM segments WHERE name = ?", [segment.name])
    segment.write_bytes(kept)
    report = look(store, mend=True)
    assert "answered from elsewhere" in named(report, "unlisted file").means
    assert report.sound
    assert ids(store) == expected((0, 40))


def test_a_file_that_a_lost_manifest_row_hid_is_listed_again(store):
    path = files(store)[1]
    with closing(sqlite3.connect(store.folder.catalog)) as catalog, catalog:
        catalog.execute("DELETE FROM files WHERE path = ?", [f"predictions/{path.name}"])
    os.utime(path, AGES)
    found = named(look(store), "unlisted file")
    assert (found.severity, found.rows) == ("error", 10)
    assert look(store, mend=True).sound
    assert ids(store) == expected((0, 40))
    assert path in files(store)
    store.follow()
    assert correct(store) == {"rows": 40, "labelled": 30, "correct": 30}, "its rows were counted before, and count once"


def test_of_a_file_that_is_half_answered_the_other_half_is_listed_in_a_file_of_its_own(store):
    import duckdb

    orphan = store.folder.tables / "predictions" / "half.parquet"
    segment = store.write("rows", [prediction(n) for n in range(40, 50)])
    store.compact()
    path = files(store)[-1]
    both = ", ".join(f"'{item}'" for item in (files(store)[0], path))
    duckdb.sql(f"COPY (SELECT * FROM read_parquet([{both}]) ORDER BY time) TO '{orphan}' (FORMAT parquet)")
    with closing(sqlite3.connect(store.folder.catalog)) as catalog, catalog:
        catalog.execute("DELETE FROM files WHERE path = ?", [f"predictions/{path.name}"])
    path.unlink()
    os.utime(orphan, AGES)
    assert not segment.exists()
    assert ids(store) == expected((0, 30))
    found = named(look(store), "unlisted file")
    assert (found.severity, found.rows) == ("error", 20)
    assert look(store, mend=True).sound
    assert ids(store) == expected((0, 50))


def test_torn_and_bad_lines_are_told_and_nothing_of_their_neighbours_is_lost(store):
    store.write("rows", [prediction(40)], b'{"kind":"prediction"\n[1]\n{"torn')
    report = look(store)
    assert said(report) == {("warning", "bad lines"), ("note", "torn last line")}
    assert named(report, "bad lines").rows == 2
    look(store, mend=True)
    assert ids(store) == expected((0, 41))
    assert lost(store) == 3
    assert not list(store.folder.row_log.iterdir()), "mending compacts last"


def test_the_torn_line_of_a_writer_that_lives_is_no_finding(store):
    path = store.write("rows", [prediction(40)], b'{"half')
    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        assert look(store).findings == ()


def test_leftovers_are_swept_when_old_and_left_alone_when_young(store):
    log = store.folder.row_log
    left = [log / name for name in ("a.jsonl.open", "b.parquet.tmp", "c.parquet.json", "d.jsonl")]
    for path in left:
        path.write_bytes(b"" if path.suffix != ".tmp" else b"half a frame")
    look(store, mend=True)
    assert all(path.exists() for path in left[:3]), "a living writer may be at them"
    for path in left[:3]:
        os.utime(path, AGES)
    report = look(store, mend=True)
    assert {item.what for item in report.findings} == {"leftover", "sidecar without segment"}
    assert not any(path.exists() for path in left)
    assert report.sound


def test_events_under_a_name_that_a_power_cut_undid_are_answered_again(store):
    path = store.write("rows", [prediction(n) for n in range(40, 45)])
    hidden = path.rename(path.with_name(path.name + ".open"))
    os.utime(hidden, AGES)
    assert ("error", "events in an unnamed segment") in said(look(store))
    assert look(store, mend=True).sound
    assert ids(store) == expected((0, 45))


def frame(store, *, sidecar=True):
    path = store.folder.row_log / f"{'f' * 32}-1.parquet"
    times = [datetime(2026, 6, 2, tzinfo=UTC) + timedelta(seconds=n) for n in range(5)]
    table = {"id": [f"f{n}" for n in range(5)], "t": times, "p": [1, 2, 3, 4, 5], "ink": [0.5] * 5}
    pl.DataFrame(table).write_parquet(path)
    about = {
        "kind": "predictions",
        "model": "digits",
        "environment": "live",
        "columns": {"prediction": "p", "score": None, "id": "id", "time": "t"},
        "features": ["ink"],
        "tags": [],
        "time_type": "datetime",
    }
    beside = path.with_name(path.name + (".json" if sidecar else ".json.tmp"))
    beside.write_text(json.dumps(about) + "\n")
    return path, beside


def test_a_columnar_segment_gets_its_sidecar_back_when_only_the_name_was_lost(store):
    frame(store, sidecar=False)
    assert ("error", "segment without sidecar") in said(look(store))
    assert look(store, mend=True).sound
    assert ids(store) == expected((0, 40)) + [f"f{n}" for n in range(5)]


@pytest.mark.parametrize(
    "damage", ["no sidecar", "sidecar not JSON", "sidecar of nothing", "types of no form", "no Parquet"]
)
def test_a_columnar_segment_that_cannot_be_read_goes_to_quarantine_and_the_rest_is_answered(store, damage):
    path, sidecar = frame(store)
    if damage == "no sidecar":
        sidecar.unlink()
    elif damage == "sidecar not JSON":
        sidecar.write_bytes(b'{"kind": "pred')
    elif damage == "sidecar of nothing":
        sidecar.write_bytes(b"{}")
    elif damage == "types of no form":
        sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), "types": True}))
    else:
        path.write_bytes(path.read_bytes()[:100])
    assert not look(store).sound
    assert look(store, mend=True).sound
    assert (store.folder.root / "quarantine" / path.name).exists()
    assert ids(store) == expected((0, 40))


def test_a_segment_that_is_published_and_lies_there_is_deleted(store):
    segment = next(store.folder.row_log.iterdir())
    kept = segment.read_bytes()
    store.compact()
    segment.write_bytes(kept)
    assert said(look(store)) == {("note", "segment published already")}
    look(store, mend=True)
    assert not segment.exists()
    assert ids(store) == expected((0, 40))


def test_a_log_that_nobody_compacts_is_told_and_compacted(store):
    segment = next(store.folder.row_log.iterdir())
    os.utime(segment, AGES)
    assert said(look(store)) == {("warning", "log not compacted")}
    look(store, mend=True)
    assert not segment.exists()
    assert look(store).findings == ()


def test_bad_lines_of_the_graph_are_told(store):
    store.write("graph", [], b"nonsense\n[]\n")
    assert named(look(store), "bad lines").rows == 2


def test_settings_that_cannot_be_read_are_set_aside(store):
    path = store.folder.root / "settings.json"
    path.write_text('{"enabled": tr')
    assert ("warning", "settings unreadable") in said(look(store))
    look(store, mend=True)
    assert not path.exists()
    path.write_text('{"enabled": true}')
    assert look(store).findings == ()


def test_a_lease_that_a_jumping_clock_left_for_a_year_is_freed(store):
    with closing(sqlite3.connect(store.folder.catalog)) as catalog, catalog:
        catalog.execute("INSERT OR REPLACE INTO leases VALUES ('alerts', 'elsewhere:1:x', 7, ?)", [time.time() + 3e7])
    assert said(look(store)) == {("warning", "lease too long")}
    look(store, mend=True)
    with hold(store.engine, "alerts") as lease:
        assert lease.epoch == 9


def test_dropped_and_rejected_events_are_told(store):
    with closing(sqlite3.connect(store.folder.catalog)) as catalog, catalog:
        catalog.execute("INSERT INTO drops VALUES ('host:1:a', 'ENOSPC', 12, 0)")
    assert "ENOSPC 12" in named(look(store), "events dropped").means


def test_mending_waits_for_no_compactor_but_says_who_is_in_the_way(store):
    with hold(store.engine, "compactor"), pytest.raises(StoreError, match="holds the lease 'compactor'"):
        look(store, mend=True)


def damaged(path, how):
    if how == "gone":
        for side in ("", "-wal", "-shm"):
            path.with_name(path.name + side).unlink(missing_ok=True)
    elif how == "zeroed head":
        path.write_bytes(bytes(200) + path.read_bytes()[200:])
    elif how == "empty":
        path.write_bytes(b"")
    else:  # pages in the middle
        data = bytearray(path.read_bytes())
        for page in range(4096 * 6, len(data), 4096 * 5):
            data[page : page + 4096] = os.urandom(4096)
        path.write_bytes(data)


@pytest.mark.catalog_file
@pytest.mark.parametrize("how", ["gone", "empty", "zeroed head", "pages in the middle"])
def test_a_broken_catalog_is_made_anew_from_the_files_and_what_can_be_read(store, how):
    store.close()
    with closing(sqlite3.connect(store.folder.catalog)) as catalog:
        catalog.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damaged(store.folder.catalog, how)
    report = look(store)
    assert (report.sound, said(report)) == (False, {("error", "broken catalog")})
    assert how == "gone" or not (store.folder.root / "quarantine").exists(), "looking changes nothing"
    report = look(store, mend=True)
    assert report.sound, report.findings
    assert ids(store) == expected((0, 40))
    rows = store.ask("SELECT features.ink AS ink, tags.site AS site FROM predictions ORDER BY time", model="digits")
    assert [row["ink"] for row in rows] == [n / 10 for n in range(40)]
    assert {row["site"] for row in rows} == {"harbour"}
    assert store.ask("SELECT count(*) AS n FROM labels") == [{"n": 30}]
    store.follow()
    counts = correct(store)
    assert (counts["rows"], counts["labelled"], counts["correct"]) == (40, 30, 30)
    assert look(store).sound


@pytest.mark.catalog_file
def test_with_the_catalog_gone_a_segment_counts_once_whether_it_was_published_or_not(store):
    segment = next(store.folder.row_log.iterdir())
    kept = segment.read_bytes()
    store.write("rows", [prediction(n) for n in range(40, 50)])
    store.compact()
    segment.write_bytes(kept)  # published together with the other, and not deleted
    before = set(files(store))
    waiting = store.write("rows", [prediction(n) for n in range(50, 60)])
    kept = waiting.read_bytes()
    store.compact()
    waiting.write_bytes(kept)  # its file was written and, for all we know then, not published
    assert len(set(files(store)) - before) == 1
    store.close()
    damaged(store.folder.catalog, "gone")
    assert look(store, mend=True).sound
    assert ids(store) == expected((0, 60))


@pytest.mark.catalog_file
def test_with_the_catalog_gone_a_merged_file_and_those_it_replaced_count_once(store):
    import duckdb

    parts = ", ".join(f"'{path}'" for path in files(store)[:2])
    merged = store.folder.tables / "predictions" / "merged.parquet"
    duckdb.sql(f"COPY (SELECT * FROM read_parquet([{parts}]) ORDER BY time) TO '{merged}' (FORMAT parquet)")
    store.close()
    damaged(store.folder.catalog, "gone")
    assert look(store, mend=True).sound
    assert ids(store) == expected((0, 40))


@pytest.mark.catalog_file
def test_a_catalog_that_another_process_has_open_is_not_replaced(store, tmp_path):
    import subprocess
    import sys

    store.close()
    store.folder.catalog.write_bytes(b"broken" * 1000)
    code = "import sys; f = open(sys.argv[1]); print('open', flush=True); sys.stdin.read(1)"
    command = [sys.executable, "-c", code, str(store.folder.catalog)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        with pytest.raises(StoreError, match=f"is open in process {holder.pid}: stop it first"):
            look(store, mend=True)
        holder.communicate(b"x", timeout=30)
    assert look(store, mend=True).sound


def test_a_catalog_that_may_not_be_opened_is_not_taken_for_a_broken_one(store):
    store.close()
    store.folder.catalog.rename(store.folder.root / "elsewhere.db")
    store.folder.catalog.mkdir()
    with pytest.raises(StoreError, match="cannot be looked at"):
        look(store, mend=True)
