"""The way of a prediction, from the data that its model was trained on."""

from __future__ import annotations

import pytest

from tests.store.bench import BEGIN, DAY, prediction
from watchglass.errors import UnknownName
from watchglass.store.models import moment


def test_one_call_leads_from_a_prediction_to_training_run_data_and_code(line):
    line.model()
    line.ran("ingest", ["raw.csv"], [("rows", "v1")], at=0)
    trained = line.ran(
        "train", [("rows", "v1")], [("model", "m1")], at=DAY, code={"commit": "c0ffee"}, params={"lr": 0.1}
    )
    serving = line.ran("serve", [("model", "m1")], [], at=2 * DAY)
    artifact = {"name": "model", "version": "m1"}
    line.write(
        "graph",
        [
            {"kind": "model", "name": "digits", "version": "7", "artifact": artifact, "time": BEGIN + DAY},
            {"kind": "deployment", "model": "digits", "version": "7", "time": BEGIN + DAY},
            {"kind": "deployment", "model": "digits", "version": "7", "time": BEGIN + 9 * DAY},
        ],
    )
    line.write("rows", [prediction(1, version="7", run=serving, time=BEGIN + 3 * DAY)])
    (found,) = line.origin("p1")
    assert (found.prediction.id, found.artifact, found.artifact_version) == ("p1", "model", "m1")
    assert (found.training.id, found.training.code["commit"], found.training.params) == (trained, "c0ffee", {"lr": 0.1})
    assert [(one.name, one.version, one.producer) for one in found.training.reads] == [("rows", "v1", "ingest-1")]
    assert (found.run.id, found.deployed, found.unknown) == (serving, moment(BEGIN + DAY), ())


def test_what_is_not_recorded_of_it_is_said(line):
    line.model()
    line.write("rows", [prediction(1, version="9")])
    (found,) = line.origin("p1", "digits")
    assert (found.training, found.run, found.deployed) == (None, None, None)
    assert len(found.unknown) == 4
    with pytest.raises(UnknownName, match="no prediction 'p2'"):
        line.origin("p2")
