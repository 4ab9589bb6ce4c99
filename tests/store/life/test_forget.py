"""A person is forgotten: not a byte of their rows is left on the disk, the counts are those of a store that never had them."""

from __future__ import annotations

import json
import random
import shutil
from datetime import UTC, datetime, timedelta

import duckdb
import pytest
import sqlalchemy as sa

from tests.store.bench import BEGIN, DAY, Bench, label, prediction
from tests.store.life.searched import frame, places
from tests.store.published import declare, frozen_of, judged, moment, oracle, publish, summed
from watchglass.errors import BadInput, UnknownName
from watchglass.store import catalog as c
from watchglass.store.doctor.examine import diagnose
from watchglass.store.life.audit import audits
from watchglass.store.life.coarsening import coarsen
from watchglass.store.life.forget import forget
from watchglass.store.life.forget_asked import asked, sum_of
from watchglass.store.merge import merge
from watchglass.store.transactions import writing

NAME = "Zoë Ångström-Kaya"
FEATURES = (("ink", "number"), ("person", "text"))


def subject(bench, model="digits", name="person"):
    with writing(bench.engine) as transaction:
        chosen = (c.columns.c.model == model) & (c.columns.c.name == name)
        transaction.execute(c.columns.update().where(chosen).values(purpose="subject"))


def person(number, name, **fields):
    return prediction(number, features={"ink": number / 10, "person": name}, **fields)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store with sixty rows of three people in the tables, labels, a repeated id, and rejected lines."""
    bench = Bench(tmp_path_factory.mktemp("made") / "store")
    bench.model(features=FEATURES, slices=("site",))
    names = (NAME, "bo", "cy")
    for first in (0, 20, 40):
        rows = [person(i, names[i % 3], tags={"site": f"site of {names[i % 3]}"}) for i in range(first, first + 20)]
        bench.write("rows", [*rows, person(first, names[first % 3], time=BEGIN + DAY)])
        bench.compact()
        bench.follow()
    broken = [{**person(100, NAME), "time": "never"}, {**person(101, "bo"), "time": "never"}]
    bench.write("rows", [label(i, i % 10) for i in range(70)] + broken, raw=f'{{"id": "torn", "x": "{NAME}'.encode())
    bench.compact()
    bench.follow()
    subject(bench)
    bench.close()
    return bench.folder.root


@pytest.fixture
def people(made, tmp_path):
    """A copy of that store, as its killed writer would have left it."""
    shutil.copytree(made, tmp_path / "copy")
    bench = Bench(tmp_path / "copy")
    yield bench
    bench.close()


def run(bench, *, dry=False, progress=None, **what):
    return forget(bench.folder, bench.engine, asked(**what), dry=dry, progress=progress)


def ids_of(name, count=60, names=(NAME, "bo", "cy")):
    return [f"p{i}" for i in range(count) if names[i % 3] == name]


def test_no_byte_of_a_person_is_left_anywhere(people):
    gone = {f'"{ident}"' for ident in ids_of(NAME)}
    assert places(people.folder.root, [NAME])
    done = run(people, subject=NAME, who="the officer", reason="a letter of May")
    assert (done.predictions, done.labels, done.ids, done.models) == (21, 20, 20, ("digits",))
    assert not places(people.folder.root, [NAME, f"site of {NAME}"])
    assert not places(people.folder.root, gone)
    left = {row["id"] for row in people.ask("SELECT id FROM predictions")}
    assert left == {*ids_of("bo"), *ids_of("cy")}
    assert {row["id"] for row in people.ask("SELECT id FROM label_history")} == left | {f"p{i}" for i in range(60, 70)}


def test_the_catalog_keeps_that_a_line_was_rejected_and_not_its_text(people):
    before = people.ask("SELECT count(*) AS n, sum(rows) AS rows FROM rejected")
    done = run(people, subject=NAME)
    assert people.ask("SELECT count(*) AS n, sum(rows) AS rows FROM rejected") == before
    assert done.rejected == 2
    kept = [row["raw"] for row in people.ask("SELECT raw FROM rejected WHERE raw IS NOT NULL")]
    assert [json.loads(raw)["id"] for raw in kept] == ["p101"]


def test_a_dictionary_and_the_list_of_repeats_forget_too(people):
    run(people, subject=NAME)
    with people.engine.connect() as connection:
        told = connection.execute(sa.select(c.columns.c.categories).where(c.columns.c.name == "person")).scalar()
        repeated = set(connection.execute(sa.select(c.repeats.c.id)).scalars())
    assert sorted(json.loads(told)) == ["bo", "cy"]
    assert repeated.isdisjoint(ids_of(NAME))


def test_a_dry_run_counts_the_same_and_removes_nothing(people):
    before = places(people.folder.root, [NAME])
    dry = run(people, subject=NAME, dry=True)
    assert (dry.dry, dry.audit) == (True, None)
    assert {path for path, _ in places(people.folder.root, [NAME])} >= {path for path, _ in before if "wal" not in path}
    assert audits(people.engine).audits == ()
    done = run(people, subject=NAME)
    assert (dry.predictions, dry.labels, dry.ids) == (done.predictions, done.labels, done.ids)


def test_one_prediction_goes_with_its_labels_and_its_repeats(people):
    done = run(people, prediction="p20")
    assert (done.predictions, done.labels, done.ids) == (2, 1, 1)
    assert not places(people.folder.root, ['"p20"'])
    assert people.ask("SELECT count(*) AS n FROM predictions WHERE id = 'p20'") == [{"n": 0}]
    assert people.ask("SELECT count(*) AS n FROM predictions WHERE id = 'p2'") == [{"n": 1}]


def test_a_label_that_waits_for_its_prediction_goes_by_its_id(people):
    done = run(people, prediction="p65")
    assert (done.predictions, done.labels) == (0, 1)
    assert people.ask("SELECT count(*) AS n FROM label_history WHERE id = 'p65'") == [{"n": 0}]


def test_rows_go_where_a_condition_holds(people):
    run(people, where="features.ink >= 5 AND tags.site = 'site of bo' OR id = 'p0'", model="digits")
    left = {row["id"] for row in people.ask("SELECT id FROM predictions")}
    assert {f"p{i}" for i in range(60)} - left == {"p0", "p52", "p55", "p58"}


def test_an_environment_keeps_others_out(bench):
    bench.model(features=FEATURES)
    bench.write("rows", [person(1, NAME), person(1, NAME, environment="shadow"), person(2, "bo")])
    bench.compact()
    subject(bench)
    assert run(bench, subject=NAME, environment="shadow").predictions == 1
    assert bench.ask("SELECT environment FROM predictions WHERE id = 'p1'") == [{"environment": "live"}]


def test_the_same_name_and_id_of_another_model_stay(people):
    people.model("other", features=FEATURES)
    people.write("rows", [person(0, "bo", model="other"), label(0, 0, model="other")])
    people.compact()
    done = run(people, prediction="p0", model="digits")
    assert done.models == ("digits",)
    assert people.ask("SELECT count(*) AS n FROM predictions WHERE model = 'other'") == [{"n": 1}]
    assert people.ask("SELECT count(*) AS n FROM label_history WHERE model = 'other'") == [{"n": 1}]


def test_what_is_left_keeps_its_order_and_its_values(people):
    query = "SELECT * EXCLUDE (file_row_number) FROM read_parquet($p, file_row_number = true) WHERE features.person != $n ORDER BY file_row_number"
    paths = sorted((people.folder.tables / "predictions").glob("*.parquet"))
    before = sorted(str(duckdb.execute(query, {"p": str(path), "n": NAME}).fetchall()) for path in paths)
    run(people, subject=NAME)
    paths = sorted((people.folder.tables / "predictions").glob("*.parquet"))
    assert sorted(str(duckdb.sql(f"FROM read_parquet('{path}')").fetchall()) for path in paths) == before


def test_a_file_of_nobody_else_goes_whole(bench):
    bench.model(features=FEATURES)
    bench.write("rows", [person(i, NAME) for i in range(5)])
    bench.compact()
    bench.follow()
    subject(bench)
    assert run(bench, subject=NAME).predictions == 5
    assert not list(bench.folder.tables.rglob("*.parquet*"))
    assert summed(bench) == {}


def test_counts_are_those_of_a_store_that_never_had_the_rows(bench):
    chance = random.Random(5)
    features = {"shape": "number", "colour": "text", "who": "text"}
    declare(bench, features, ("site",), ("site",))
    predictions, labels = [], []
    for _ in range(3):
        rows = [
            {
                "id": f"p{len(predictions) + n}",
                "time": moment(chance.randrange(9), n),
                "environment": chance.choice(("live", "shadow")),
                "version": chance.choice(("1", "2")),
                "prediction": chance.choice("ab"),
                "weight": chance.choice((1, 3)),
                "features": {
                    "shape": chance.gauss(5, 2),
                    "colour": chance.choice(("red", None)),
                    "who": chance.choice((NAME, "bo", "cy")),
                },
                "tags": {"site": chance.choice(("north", "south", None))},
            }
            for n in range(120)
        ]
        told = [
            {**{key: row[key] for key in ("id", "environment")}, "label": chance.choice("ab"), "time": moment(20, n)}
            for n, row in enumerate(chance.choices(rows, k=80))
        ]
        publish(bench, "predictions", rows, features, ("site",))
        publish(bench, "labels", told)
        predictions, labels = predictions + rows, labels + told
        bench.follow()
    subject(bench, "m", "who")
    run(bench, subject=NAME)
    gone = {(row["environment"], row["id"]) for row in predictions if row["features"]["who"] == NAME}
    left = [row for row in predictions if (row["environment"], row["id"]) not in gone]
    truth = [row for row in labels if (row["environment"], row["id"]) not in gone]
    assert len(gone) > 100
    assert summed(bench) == oracle(left, truth, features, ("site",), frozen_of(bench))
    assert not places(bench.folder.root, [NAME])
    bench.follow()
    merge(bench.folder, bench.engine)
    assert summed(bench) == oracle(left, truth, features, ("site",), frozen_of(bench))


def test_a_row_of_the_id_that_comes_later_is_a_new_row(people):
    run(people, prediction="p4")
    people.write("rows", [person(4, "bo"), label(4, 4)])
    people.compact()
    people.follow()
    assert people.ask("SELECT count(*) AS n FROM predictions WHERE id = 'p4'") == [{"n": 1}]
    assert sum(n for key, n in summed(people).items() if key[5] == "rows" and key[3] == "") == 60


def test_a_frame_is_searched_where_it_waits_in_the_log(bench):
    bench.model(features=FEATURES)
    home = bench.folder.row_log
    rows = [
        {"key": f"row number {i}", "at": datetime(2026, 6, 1) + timedelta(seconds=i), "p": 1, "person": n}
        for i, n in enumerate((NAME, "bo"))
    ]
    about = {"kind": "predictions", "model": "digits", "columns": {"id": "key", "time": "at", "prediction": "p"}}
    frame(home / "019eaaaaaaaa-1.parquet", rows, **about, features=["person"], types={"person": "text"})
    assert bench.ask("SELECT count(*) AS n FROM predictions") == [{"n": 2}]  # its reader has a second name for it now
    subject(bench)
    assert run(bench, subject=NAME).predictions == 1
    assert not places(bench.folder.root, [NAME, "row number 0"])
    assert bench.ask("SELECT id FROM predictions") == [{"id": "row number 1"}]


def test_what_lies_in_quarantine_goes_where_it_speaks_of_the_person(people):
    home = people.folder.root / "quarantine"
    home.mkdir()
    (home / "a.jsonl").write_text(json.dumps(person(900, NAME)) + "\n")
    (home / "a.jsonl.why.json").write_text(json.dumps({"why": NAME}))
    (home / "b.jsonl").write_text(json.dumps(person(901, "bo")) + "\n")
    frame(home / "c.parquet", [{"person": NAME}])
    (home / "d.parquet").write_bytes(b"PAR1 and no end")
    done = run(people, subject=NAME)
    assert (done.quarantined, done.unread) == (2, 1)
    assert sorted(path.name for path in home.iterdir()) == ["b.jsonl", "c.parquet.json", "d.parquet"]
    assert not places(people.folder.root, [NAME])


def test_files_that_a_merge_replaced_a_moment_ago_do_not_outlive_it(bench):
    bench.model(features=FEATURES)
    for first in range(9):
        bench.write("rows", [person(first, NAME), person(first + 100, "bo")])
        bench.compact()
        bench.follow()
    merge(bench.folder, bench.engine)
    assert len(list((bench.folder.tables / "predictions").glob("*.parquet"))) > 9
    subject(bench)
    run(bench, subject=NAME)
    assert len(list((bench.folder.tables / "predictions").glob("*.parquet"))) == 1
    assert not places(bench.folder.root, [NAME])


def test_evidence_keeps_its_numbers_and_loses_the_name(people):
    told = {
        "columns": [{"name": "person", "value": NAME}],
        "sentence": f"more of '{NAME}' than before",
        "evidence": 4.5,
    }
    with writing(people.engine) as transaction:
        values = {
            "model": "digits",
            "environment": "live",
            "kind": "drift",
            "window": 1,
            "judged": 2,
            "status": "violated",
        }
        transaction.execute(c.verdicts.insert().values(**values, record=json.dumps(told)))
    run(people, subject=NAME)
    with people.engine.connect() as connection:
        record = json.loads(connection.execute(sa.select(c.verdicts.c.record)).scalar_one())
    assert record["sentence"] == "more of '(forgotten)' than before"
    assert (record["columns"][0]["value"], record["evidence"]) == ("(forgotten)", 4.5)


def test_the_audit_says_what_was_done_and_not_whose_rows_they_were(people):
    done = run(people, subject=NAME, who="the officer", reason="a letter of May")
    (record,) = audits(people.engine).audits
    assert (record.id, record.action, record.who) == (done.audit, "forget", "the officer")
    said = record.record["asked"]
    assert said["sum"] == sum_of(NAME, said["salt"]) != sum_of("bo", said["salt"])
    assert (record.record["predictions"], record.record["models"]) == (21, ["digits"])
    assert record.record["not_looked_at"] == ["the bytes of artifacts", "backups", "exports"]
    run(people, subject=NAME)
    newest = audits(people.engine, limit=1)
    assert ([one.id for one in newest.audits], newest.next) == ([2], 2)
    older = audits(people.engine, action="forget", after=newest.next)
    assert ([one.id for one in older.audits], older.next) == ([1], None)
    assert audits(people.engine, action="retention").audits == ()
    with pytest.raises(BadInput, match="limit cannot be 0"):
        audits(people.engine, limit=0)


def test_rows_that_went_with_their_age_are_still_in_aggregates(bench):
    bench.model(features=FEATURES)
    for day in range(3):
        bench.write("rows", [person(10 * day + i, NAME, time=BEGIN + day * DAY + i) for i in range(day + 3)])
        bench.compact()
        bench.follow()
    with writing(bench.engine) as transaction:  # as retention does
        oldest = sa.select(sa.func.min(c.files.c.seq)).where(c.files.c.kind == "predictions").scalar_subquery()
        transaction.execute(c.files.update().where(c.files.c.seq == oldest).values(removed=1.0))
    subject(bench)
    done = run(bench, subject=NAME)
    assert (done.predictions, done.aggregates) == (9, 3)
    assert audits(bench.engine).audits[0].record["remains"] == "in aggregates of at least 3 rows"


def test_progress_is_told_up_to_the_end(people):
    told = []
    run(people, subject=NAME, progress=lambda done, total: told.append((done, total)))
    assert told
    assert told[-1][0] == told[-1][1]


def test_what_is_asked_must_be_one_thing_that_is_known(people):
    with pytest.raises(BadInput, match="given: nothing"):
        run(people)
    with pytest.raises(BadInput, match="given: subject and prediction"):
        run(people, subject="a", prediction="b")
    with pytest.raises(BadInput, match="name it with model"):
        run(people, where="true")
    with pytest.raises(UnknownName, match="Did you mean 'digits'"):
        run(people, prediction="p1", model="digit")
    with pytest.raises(BadInput, match="reason names the very subject"):
        run(people, subject=NAME, reason=f"{NAME} wrote to us")
    assert audits(people.engine).audits == ()


def test_nobody_is_found_by_name_where_no_column_holds_names(bench):
    bench.model(features=FEATURES)
    bench.write("rows", [person(1, NAME)])
    with pytest.raises(BadInput, match="no feature or tag of any model is declared as a subject"):
        run(bench, subject=NAME)


def test_what_the_catalog_had_deleted_before_is_off_its_pages_too(people):
    with writing(people.engine) as transaction:
        rows = [{"segment": "s", "reason": "odd", "raw": f"{NAME} {n}" * 50} for n in range(50)]
        transaction.execute(c.rejected.insert(), rows)
    with writing(people.engine) as transaction:
        transaction.execute(c.rejected.delete().where(c.rejected.c.segment == "s"))
    run(people, prediction="p0")
    assert not [path for path, _ in places(people.folder.root, [f"{NAME} 7{NAME} 7"]) if path.startswith("catalog")]


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ({"model": "digits", "id": "p1", "time": "x"}, False),
        ({"model": "digits", "id": "p10", "features": {"ink": 1, "said": "p1"}}, True),
        ({"model": "other", "id": "p1", "time": "x"}, True),
        ({"model": "digits", "id": "p1", "environment": "shadow"}, True),
        ('{"model": "digits", "id": "p1", "time"', False),
        ('{"model": "digits", "id": "p10", "time"', True),
    ],
)
def test_a_kept_line_is_wiped_where_it_is_of_the_row_and_no_other(bench, raw, kept):
    bench.model()
    bench.write("rows", [prediction(1)])
    with writing(bench.engine) as transaction:
        text = raw if isinstance(raw, str) else json.dumps(raw)
        transaction.execute(c.rejected.insert().values(segment="s", reason="a text p1 was odd", raw=text))
    run(bench, prediction="p1", model="digits")
    assert bench.ask("SELECT count(raw) AS n, min(reason) AS why FROM rejected") == [
        {"n": int(kept), "why": "a text p1 was odd"}
    ]


def test_old_days_on_the_coarser_grid_lose_the_rows_too(bench):
    features = {"shape": "number", "who": "text"}
    declare(bench, features, (), ())
    chance = random.Random(9)
    rows = [
        {
            "id": f"p{n}",
            "time": moment(n % 150, n),
            "environment": "live",
            "version": "1",
            "prediction": "a",
            "features": {"shape": chance.gauss(5, 2), "who": (NAME, "bo")[n % 2]},
        }
        for n in range(1500)
    ]
    publish(bench, "predictions", rows, features)
    bench.follow()
    subject(bench, "m", "who")
    judged(bench)
    assert coarsen(bench.folder, bench.engine, datetime(2026, 12, 1, tzinfo=UTC)) == 1
    run(bench, subject=NAME)
    found = summed(bench)
    assert min(found.values()) > 0
    assert sum(n for key, n in found.items() if key[5] == "number") == 750
    assert not places(bench.folder.root, [NAME])


def test_a_doctor_finds_nothing_wrong_afterwards(people):
    run(people, subject=NAME)
    report = diagnose(str(people.folder.root), now=datetime.now(UTC))
    assert report.sound
    assert [item.what for item in report.findings if item.severity == "error"] == []


def test_what_users_did_about_a_prediction_goes_with_it(bench):
    bench.model(features=FEATURES)
    clicks = [
        {"kind": "feedback", "model": "digits", "id": f"p{i}", "event": "click", "time": BEGIN + i} for i in range(4)
    ]
    bench.write("rows", [*(person(i, (NAME, "bo")[i % 2]) for i in range(4)), *clicks])
    bench.compact()
    subject(bench)
    done = run(bench, subject=NAME)
    assert (done.predictions, done.feedback) == (2, 2)
    (path,) = (bench.folder.tables / "feedback").glob("*.parquet")
    assert duckdb.sql(f"SELECT id FROM read_parquet('{path}') ORDER BY id").fetchall() == [("p1",), ("p3",)]


def test_what_fails_on_the_way_leaves_the_store_as_it_was_and_is_finished_by_the_next(people, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    before = sorted(path.name for path in (people.folder.tables / "predictions").iterdir())
    with monkeypatch.context() as patched:
        patched.setattr("watchglass.store.parquet.sync_folder", full)
        with pytest.raises(OSError, match="No space"):
            run(people, subject=NAME)
    assert people.ask("SELECT count(*) AS n FROM predictions") == [{"n": 63}]
    assert set(before) <= {path.name for path in (people.folder.tables / "predictions").iterdir()}
    run(people, prediction="p1")
    assert not places(people.folder.root, [NAME])
