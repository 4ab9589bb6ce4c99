"""A recorded prediction made again: the same comes out, or what is missing or differs is said."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.linear_model import LogisticRegression

import watchglass as wg
from watchglass.capture import recorder
from watchglass.cli.main import commands
from watchglass.errors import BadInput, UnknownName

ROWS = pd.DataFrame({"zeta": np.arange(40) % 7 * 1.0, "alpha": np.arange(40) % 3 * 1.0})
TRUTH = (ROWS["zeta"] > 3).astype(int)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A store with two versions of a model, one kept as a pickle, one not kept, one fitted on an array; and predictions."""
    root = tmp_path_factory.mktemp("predicted") / "store"
    wg.init(root)
    fitted = {"1": (LogisticRegression(C=1.0).fit(ROWS, TRUTH), "full"), "2": (LogisticRegression(C=0.001).fit(ROWS, 1 - TRUTH), "full"), "unkept": (LogisticRegression(C=3.0).fit(ROWS, TRUTH), "hash"), "array": (LogisticRegression(C=2.0).fit(ROWS.to_numpy(), TRUTH), "full")}  # fmt: skip
    for version, (model, keep) in fitted.items():
        with wg.run("train") as run:
            run.read(ROWS, "rows")
            run.write(model, "net", keep)
            wg.log_model("fraud", version=version, artifact="net")
        row = ROWS.iloc[[5]] if version != "array" else ROWS.iloc[[5]].to_numpy()
        features = {"alpha": float(ROWS["alpha"][5]), "zeta": float(ROWS["zeta"][5])}
        shares = model.predict_proba(row)[0]
        wg.log_prediction("fraud", id=f"by {version}", version=version, features=features, prediction=int(model.predict(row)[0]), score={"0": shares[0], "1": shares[1]})  # fmt: skip
    wg.log_prediction("fraud", id="undeclared", version="9", features={"zeta": 1.0}, prediction=1)
    wg.log_prediction("fraud", id="half", version="1", features={"zeta": 1.0}, prediction=1, score=0.5)
    wg.log_prediction("fraud", id="odd", version="1", features=features, prediction=9, score=0.123)
    wg.log_prediction("other", id="odd", version="1", features=features, prediction=9)
    recorder.close()
    return root


@pytest.fixture
def store(folder):
    with wg.open(folder) as opened:
        yield opened


def test_the_same_prediction_and_scores_come_out_whatever_the_order_of_features(store):
    found = store.rerun_prediction("by 1")
    assert (found.same, found.missing, found.differs) == (True, (), ())
    assert (found.model, found.version, found.artifact) == ("fraud", "1", "net")
    recorded = store.prediction("by 1")[0]
    assert (found.prediction, found.scores) == (recorded.prediction, pytest.approx(recorded.scores))


def test_another_input_or_another_version_gives_another_output(store):
    changed = store.rerun_prediction("by 1", inputs={"zeta": 0.0})
    assert not changed.same
    assert changed.differs[0] == "prediction: '1' → '0'"
    other = store.rerun_prediction("by 1", version="2")
    assert (other.version, other.same, other.missing) == ("2", False, ())
    assert any(line.startswith("score of 1") for line in other.differs)


@pytest.mark.parametrize(
    ("ident", "said"),
    [
        ("by unkept", "nothing is kept of version"),
        ("by array", "fitted on an array"),
        ("half", "features alpha of the model were not recorded with the prediction: 1 of 2"),
        ("undeclared", "no version of model 'fraud' '9' is recorded"),
    ],
)
def test_what_is_missing_is_said_and_nothing_is_called(store, ident, said):
    found = store.rerun_prediction(ident)
    assert (found.same, found.prediction) == (False, None)
    assert said in found.missing[0]


class Threshold:
    """A model that no safe format knows."""

    feature_names_in_ = ("zeta",)

    def predict(self, rows):
        return (rows["zeta"] > 3).to_numpy()


def test_a_pickle_is_called_only_when_it_is_allowed_by_name(tmp_path):
    wg.init(tmp_path)
    with wg.run("train"):
        wg.save(Threshold(), "rule", format="pickle")
        wg.log_model("rule", version="1", artifact="rule")
    wg.log_prediction("rule", id="p", version="1", features={"zeta": 5.0}, prediction=True)
    recorder.close()
    with wg.open(tmp_path) as store:
        assert "pickle" in store.rerun_prediction("p").missing[0]
        found = store.rerun_prediction("p", allow_pickle=True)
        assert (found.same, found.prediction, found.scores) == (True, "true", None)
    words = ["rerun", "p", "--allow-pickle", "--store", str(tmp_path)]
    assert "the same came out" in CliRunner().invoke(commands, words).output


def test_what_was_recorded_wrong_comes_out_differently(store):
    found = store.rerun_prediction("odd", "fraud")
    assert found.differs[0].startswith("prediction: '9' → ")
    assert found.differs[1].startswith("score: 0.123 → 0 ")


def test_what_cannot_be_is_refused(store):
    with pytest.raises(UnknownName, match="no prediction 'nobody'"):
        store.rerun_prediction("nobody")
    with pytest.raises(UnknownName, match="version of model 'fraud' '7'"):
        store.rerun_prediction("by 1", version="7")
    with pytest.raises(BadInput, match=r"no feature 'beta'.*alpha, zeta"):
        store.rerun_prediction("by 1", inputs={"beta": 1})
    with pytest.raises(BadInput, match=r"is not one.*fraud \(live\), other \(live\)"):
        store.rerun_prediction("odd")


def test_a_library_of_another_version_is_named(store, monkeypatch):
    monkeypatch.setattr("watchglass.store.runs.predicted.packages", lambda _: {"scikit-learn": "0.1", "numpy": np.__version__})  # fmt: skip
    found = store.rerun_prediction("by 1")
    assert found.same
    assert any("package scikit-learn: " in line and "0.1 here" in line for line in found.differs)


def test_the_command_knows_a_prediction_by_its_id(folder):
    def told(*words):
        return CliRunner().invoke(commands, ["rerun", *words, "--store", str(folder)])

    same = told("by 1")
    assert (same.exit_code, same.output) == (0, "prediction by 1 by fraud 1 is 1: the same came out\n")
    changed = told("by 1", "--input", "zeta=0", "--model", "fraud=1", "--json")
    assert (changed.exit_code, json.loads(changed.output)["prediction"]) == (1, "0")
    missing = told("by unkept")
    assert (missing.exit_code, "cannot be made again" in missing.output) == (1, True)
    assert isinstance(told("by 1", "--param", "x=1").exception, BadInput)
    assert isinstance(told("nobody").exception, UnknownName)
