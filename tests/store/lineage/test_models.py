"""Which run made the artifact of a model's version, and from there everything that asks: also where only its name was told."""

from __future__ import annotations

import pytest

from tests.store.bench import BEGIN, prediction
from tests.store.runs.graph import HOUR, Pipeline
from watchglass.store.lineage.impact import Wanted, impact
from watchglass.store.subjects.following import subject


@pytest.fixture
def line(tmp_path):
    made = Pipeline(tmp_path / "store")
    yield made
    made.close()


def declare(line, version, artifact, at, **fields):
    line.write("graph", [{"kind": "model", "name": "fraud", "version": version, "artifact": artifact, "time": BEGIN + at, **fields}])  # fmt: skip


def reached(line, of):
    found = impact(line.folder, line.engine, of, None, Wanted())
    return [version for _, version in found.models], found.predictions


def trained(line):
    """Tell of two trainings, a registration after each by name alone, and one prediction of each version."""
    for number in (1, 2):
        line.ran("ingest", [], [("rows", f"v{number}")], id=f"ingest {number}")
        line.ran("train", [("rows", f"v{number}")], [("net", f"m{number}")], id=f"train {number}")
        line.ran("register", ["net"], [], id=f"register {number}")
        declare(line, str(number), {"name": "net"}, line.told * HOUR + 1, run=f"register {number}")
    line.write("rows", [prediction(number, model="fraud", version=str(number)) for number in (1, 2)])


def test_a_name_alone_is_the_newest_write_before_the_declaration(line):
    trained(line)
    for number in (1, 2):
        assert reached(line, f"ingest {number}") == ([str(number)], 1)
        assert reached(line, f"train {number}") == ([str(number)], 1)
        (found,) = line.origin(f"p{number}")
        assert (found.artifact, found.artifact_version) == ("net", f"m{number}")
        assert found.training.id == f"train {number}"
        assert [one.version for one in found.training.reads] == [f"v{number}"]
        assert line.run(f"train {number}").models == (("fraud", str(number)),)
    assert reached(line, "net") == (["2"], 1), "the newest version of the artifact is the second model alone"


def test_what_the_declaring_run_wrote_itself_goes_before_though_it_was_written_after(line):
    """A function declares the model of what it then returns."""
    line.ran("train", [], [("net", "m1")], id="before")
    line.ran("train", ["rows"], [("net", "m2")], id="own", at=5 * HOUR)
    declare(line, "1", {"name": "net"}, 5 * HOUR + 1, run="own")
    line.ran("train", [], [("net", "m3")], id="after")
    line.write("rows", [prediction(1, model="fraud", version="1")])
    assert [reached(line, one)[0] for one in ("before", "own", "after")] == [[], ["1"], []]
    assert line.origin("p1")[0].training.id == "own"


def test_an_artifact_that_was_written_by_name_alone_leads_to_its_run_and_has_no_version(line):
    for number in (1, 2, 3):
        line.ran("train", [], ["net"], id=f"t{number}")
    declare(line, "1", {"name": "net"}, 2 * HOUR + HOUR // 2)
    line.write("rows", [prediction(1, model="fraud", version="1")])
    assert [reached(line, one)[0] for one in ("t1", "t2", "t3")] == [[], ["1"], []]
    (found,) = line.origin("p1")
    assert (found.training.id, found.artifact_version) == ("t2", None)


def test_a_write_that_is_told_late_changes_the_answer(line):
    declare(line, "1", {"name": "net"}, 9 * HOUR)
    line.write("rows", [prediction(1, model="fraud", version="1")])
    assert line.origin("p1")[0].training is None
    line.ran("train", [], [("net", "m1")], id="late told")
    assert line.origin("p1")[0].training.id == "late told"
    assert reached(line, "late told") == (["1"], 1)


def test_the_state_names_the_run_that_made_what_is_deployed(line):
    trained(line)
    line.write("graph", [{"kind": "deployment", "model": "fraud", "version": "1", "time": BEGIN + 9 * HOUR, "run": "d"}])  # fmt: skip
    (found,) = line.state(at="2026-06-01T10:00:00Z").deployed
    assert found.run == "train 1"


def test_a_tag_reaches_the_model_of_an_artifact_that_derives_from_it(line):
    trained(line)
    line.write("graph", [{"kind": "subject_tag", "name": "rows", "version": "v1", "tag": "ana", "time": BEGIN + HOUR}])
    found = subject(line.folder, line.engine, "ana", predictions=True)
    assert (found.models, found.predictions) == ((("fraud", "1"),), 1)
    line.write("graph", [{"kind": "subject_tag", "name": "net", "version": "m2", "tag": "ben", "time": BEGIN + HOUR}])
    assert subject(line.folder, line.engine, "ben", predictions=False).models == (("fraud", "2"),)
