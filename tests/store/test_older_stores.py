"""Every store that a version of this package ever wrote is opened by this one, answers as it did then, and goes on."""

from __future__ import annotations

import json
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import watchglass as wg
from tests.store.fixtures import make
from watchglass.capture import recorder
from watchglass.store.transactions import SCHEMA_VERSION

ARCHIVES = sorted(make.HERE.glob("*.tar.gz"))


@pytest.fixture(params=ARCHIVES, ids=lambda path: path.name.removesuffix(".tar.gz"))
def older(request, tmp_path):
    """A store of an older version, with what it answered when that version asked."""
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path, filter="data")
    told = request.param.with_name(request.param.name.removesuffix(".tar.gz") + ".json")
    return tmp_path / "store", json.loads(told.read_text())


def counted(store):
    return store.sql("SELECT count(*) AS n FROM predictions WHERE model = 'fraud'").rows()[0]["n"]


def test_it_answers_as_it_did_then_before_and_after_its_log_is_compacted(older):
    root, told = older
    for when in ("as it came", "opened again", "compacted"):
        found = make.answers(root)
        for name, expected in told.items():
            if name == "sql":
                for (question, _), then, now in zip(make.QUESTIONS, expected, found["sql"], strict=True):
                    assert now == then, (when, question)
            elif name in ("digits", "fraud") and when == "compacted":
                assert found[name]["rows"][: len(expected["rows"])] == expected["rows"]
            elif when != "compacted":
                assert found[name] == expected, (when, name)
        if when == "opened again":
            with wg.open(root) as store:
                assert store.compact().rows == 7
    with wg.open(root) as store:
        assert [item for item in store.doctor().findings if item.severity == "error"] == []


def test_it_goes_on(older):
    root, _ = older
    wg.init(store=str(root))
    for number in range(20):
        when = make.BEGIN + timedelta(days=make.DAYS + 1, hours=number)
        wg.log_prediction(
            "fraud", version="4", id=f"new-{number}", time=when, prediction=1, features={"amount": 100.0, "age": 40}
        )
        wg.log_label("fraud", f"new-{number}", number % 2, time=when + timedelta(days=1))
        wg.log_label("fraud", f"tx-{make.DAYS - 3}-0{number % 10}", 1, time=when)
    wg.flush()
    recorder.close()
    with wg.open(root) as store:
        before = counted(store)
        assert before == 603 + 20
        store.compact()
        assert store.check(datetime(2026, 5, 10, tzinfo=UTC)).windows > 0
        assert counted(store) == before
        (rows,) = store.sql(
            "SELECT count(*) AS n, sum((p.prediction = l.label)::INT)::BIGINT AS hits FROM predictions p"
            " JOIN labels l USING (model, environment, id) WHERE p.id LIKE 'new-%'"
        ).rows()
        assert rows == {"n": 20, "hits": 10}
        assert store.sql("SELECT features.age AS age FROM predictions WHERE id = 'new-7'", model="fraud").rows() == [
            {"age": 40.0}
        ]
        assert store.models()[0].windows == make.DAYS + 2
        assert [item for item in store.doctor().findings if item.severity == "error"] == []


def test_there_is_a_store_of_this_version():
    assert any(path.name.endswith(f"-catalog-{SCHEMA_VERSION}.tar.gz") for path in ARCHIVES), (
        "python tests/store/fixtures/make.py"
    )
    assert all(Path(str(path).replace(".tar.gz", ".json")).exists() for path in ARCHIVES)
