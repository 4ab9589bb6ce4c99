from __future__ import annotations

import io
import sqlite3
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import watchglass as wg
from watchglass.capture.fingerprint import content_of

FRAME = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0]})
TRUTH = np.array([0, 1, 0, 1])


@pytest.fixture
def on(logs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wg.auto()
    yield logs
    wg.auto(False)


def ended(logs):
    return [event for event in logs.graph("run") if event["status"] != "running"]


def names(event, kind):
    return [edge["name"] for edge in event[kind]]


def test_inside_a_run_what_libraries_read_write_fit_and_predict_is_the_runs(on):
    FRAME.to_csv("raw.csv", index=False)
    with wg.run("train"):
        rows = pd.read_csv("raw.csv")
        model = LogisticRegression(C=3.0).fit(rows, TRUTH)
        model.predict(rows)
        pl.from_pandas(rows).write_parquet("rows.parquet")
    outside, event = ended(on)
    assert (outside["component"], names(outside, "writes")) == ("pandas.to_csv", ["raw.csv"])
    assert names(event, "reads") == ["raw.csv", "X", "y", "LogisticRegression", "X"]
    assert names(event, "writes") == ["LogisticRegression", "LogisticRegression.predict", "rows.parquet"]
    assert event["reads"][0]["version"] == outside["writes"][0]["version"]
    assert event["reads"][1]["version"] == content_of(rows).version
    assert event["reads"][3]["version"] == event["writes"][0]["version"] == content_of(model).version
    assert event["params"]["LogisticRegression.C"] == 3.0
    assert len(ended(on)) == 2


def test_outside_of_a_run_fits_reads_and_writes_are_runs_of_their_own_that_are_linked(on):
    FRAME.to_csv("raw.csv", index=False)
    rows = pd.read_csv("raw.csv")
    scaler = StandardScaler()
    scaler.fit(rows)
    scaler.transform(rows)
    _, read, fit = ended(on)
    assert (read["component"], fit["component"]) == ("pandas.read_csv", "StandardScaler.fit")
    assert names(read, "reads") == ["raw.csv"]
    assert names(read, "writes") == names(fit, "reads") == ["raw.csv (frame)"]
    assert read["writes"][0]["version"] == fit["reads"][0]["version"]
    assert names(fit, "writes") == ["StandardScaler"]
    assert fit["params"]["with_mean"] is True


def test_a_name_that_a_run_gave_is_kept(on):
    with wg.run("load") as run:
        run.write(FRAME, "customers")
    with wg.run("train"):
        LinearRegression().fit(FRAME, TRUTH)
    assert names(ended(on)[-1], "reads") == ["customers", "y"]


def test_of_calls_inside_calls_the_outermost_counts(on):
    with wg.run("train"):
        pipeline = make_pipeline(StandardScaler(), LogisticRegression())
        pipeline.fit(FRAME, TRUTH)
        pipeline.predict(FRAME)
        GridSearchCV(LogisticRegression(), {"C": [1.0, 2.0]}, cv=2).fit(FRAME, TRUTH)
        KMeans(2, n_init=1).fit_predict(FRAME)
    event = ended(on)[-1]
    assert names(event, "writes") == [
        "Pipeline",
        "Pipeline.predict",
        "GridSearchCV",
        "KMeans",
        "KMeans.fit_predict",
    ]


def test_parts_of_a_fit_that_threads_do_belong_to_it(on):
    import joblib

    with wg.run("train"), joblib.parallel_backend("threading", n_jobs=2):
        GridSearchCV(LogisticRegression(), {"C": [1.0, 2.0]}, cv=2, n_jobs=2).fit(FRAME, TRUTH)
    (event,) = ended(on)
    assert names(event, "writes") == ["GridSearchCV"]


def test_a_component_that_an_estimator_calls_has_reads_of_its_own(on):
    FRAME.to_csv("side.csv", index=False)

    @wg.component("look up")
    def look_up():
        return pd.read_csv("side.csv")

    class Joined(TransformerMixin, BaseEstimator):
        def fit(self, X, y=None):
            look_up()
            self.fitted_ = True
            return self

        def transform(self, X):
            return X

    with wg.run("train"):
        Joined().fit(FRAME)
    inner, outer = ended(on)[-2:]
    assert (names(inner, "reads"), names(outer, "reads")) == (["side.csv"], ["X"])
    assert names(outer, "writes") == ["Joined"], "a class that was made after the switch is recorded too"


def test_results_and_errors_are_what_they_were(on):
    plain = LogisticRegression.fit.__wrapped__
    assert LogisticRegression().fit(FRAME, TRUTH).coef_ == pytest.approx(
        plain(LogisticRegression(), FRAME, TRUTH).coef_
    )
    with wg.run("train"), pytest.raises(NotFittedError):
        LogisticRegression().predict(FRAME)
    with wg.run("train"), pytest.raises(FileNotFoundError, match=r"none\.csv"):
        pd.read_csv("none.csv")
    with pytest.raises(FileNotFoundError):
        pd.read_csv("none.csv")
    assert ended(on)[-1]["status"] == "error"
    assert ended(on)[-1]["component"] == "pandas.read_csv"


def test_a_method_that_an_object_does_not_have_is_still_not_there(on):
    pipeline = make_pipeline(StandardScaler())
    assert not hasattr(pipeline, "predict")
    assert hasattr(pipeline, "transform")
    with wg.run("use"):
        np.testing.assert_allclose(pipeline.fit(FRAME).transform(FRAME).mean(), 0, atol=1e-12)
    assert names(ended(on)[-1], "writes") == ["Pipeline", "Pipeline.transform"]


def test_estimators_are_cloned_shown_and_routed_as_before(on):
    import inspect

    with sklearn.config_context(enable_metadata_routing=True):
        made = LogisticRegression().set_fit_request(sample_weight=True)
        assert sklearn.base.clone(made).get_params() == made.get_params()
    assert list(inspect.signature(LogisticRegression.fit).parameters) == ["self", "X", "y", "sample_weight"]
    assert "C=" in repr(LogisticRegression(C=2))
    output = StandardScaler().set_output(transform="pandas").fit_transform(FRAME)
    assert isinstance(output, pd.DataFrame)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_every_way_to_a_file_and_back(on, library):
    ways = {
        "pandas": [
            ("a.csv", lambda f, p: f.to_csv(p, index=False), pd.read_csv),
            ("a.json", lambda f, p: f.to_json(p), pd.read_json),
            ("a.parquet", lambda f, p: f.to_parquet(path=p), pd.read_parquet),
            ("a.feather", lambda f, p: f.to_feather(p), pd.read_feather),
            ("a.pkl", lambda f, p: f.to_pickle(p), pd.read_pickle),
        ],
        "polars": [
            ("a.csv", lambda f, p: f.write_csv(p), pl.read_csv),
            ("a.parquet", lambda f, p: f.write_parquet(file=p), pl.read_parquet),
            ("a.ndjson", lambda f, p: f.write_ndjson(p), pl.scan_ndjson),
            ("a.ipc", lambda f, p: f.write_ipc(p), lambda p: pl.scan_ipc(source=p)),
            ("b.parquet", lambda f, p: f.lazy().sink_parquet(p), pl.scan_parquet),
            ("b.csv", lambda f, p: f.lazy().sink_csv(p), pl.scan_csv),
        ],
    }[library]
    frame = FRAME if library == "pandas" else pl.from_pandas(FRAME)
    for name, write, read in ways:
        with wg.run("both"):
            write(frame, name)
            again = read(name)
        event = ended(on)[-1]
        assert (names(event, "writes"), names(event, "reads")) == ([name], [name]), name
        assert event["writes"][0]["version"] == event["reads"][0]["version"] is not None
        assert (again.collect() if hasattr(again, "collect") else again).shape == frame.shape


def test_databases_are_known_by_query_and_table(on):
    connection = sqlite3.connect("a.db")
    with wg.run("both"):
        FRAME.to_sql("t", connection, index=False)
        found = pd.read_sql("select *  from t", connection)
        pl.read_database("select * from t", connection)
    connection.close()
    event = ended(on)[-1]
    assert names(event, "writes") == ["sqlite3.t"]
    assert names(event, "reads") == ["sqlite3: select * from t"] * 2
    assert event["reads"][0]["version"] == content_of(found).version


def test_a_table_written_by_one_run_is_the_one_that_another_reads(on, tmp_path):
    import sqlalchemy as sa

    engine = sa.create_engine(f"sqlite:///{tmp_path}/shop.db")
    with wg.run("load"):
        FRAME.to_sql("orders", engine, index=False)
    with wg.run("report"):
        pd.read_sql_table("orders", engine)
    alone = pd.read_sql_table(table_name="orders", con=f"sqlite:///{tmp_path}/shop.db")
    engine.dispose()
    load, report, own = ended(on)
    assert (
        names(load, "writes")
        == names(report, "reads")
        == names(own, "reads")
        == [f"sqlite:///{tmp_path}/shop.db.orders"]
    )
    assert own["writes"][0]["version"] == content_of(alone).version


def test_what_is_no_file_is_named_on_the_run(on):
    with wg.run("memory"):
        assert FRAME.to_csv(index=False).startswith("x\n")
        pd.read_csv(io.StringIO("x\n1\n"))
        with Path("a.csv").open("w", encoding="utf-8") as file:
            FRAME.to_csv(file)
    event = ended(on)[-1]
    assert names(event, "reads") == []
    assert event["left_out"] == ["pandas.read_csv: of or to a StringIO, which is no file"]
    assert names(event, "writes") == ["a.csv"]


def test_what_lies_in_the_store_itself_is_capture_s_own(on):
    with wg.run("work"):
        FRAME.to_csv(on.root / "own.csv")
    assert names(ended(on)[-1], "writes") == []


def test_threads_have_runs_of_their_own(on):
    def work(n):
        with wg.run(f"work {n}"):
            LinearRegression().fit(FRAME, TRUTH + n)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(event["component"] for event in ended(on)) == [f"work {n}" for n in range(4)]
    assert all(names(event, "writes") == ["LinearRegression"] for event in ended(on))


def test_switched_off_all_is_as_it_was(logs):
    before = (pd.read_csv, pd.DataFrame.to_csv, pl.scan_csv, vars(LogisticRegression)["fit"], len(sys.meta_path))
    hook = "__init_subclass__" in vars(BaseEstimator)
    for _ in range(2):
        wg.auto()
        wg.auto()
        assert pd.read_csv is not before[0]
        wg.auto(False)
        wg.auto(False)
        assert before == (
            pd.read_csv,
            pd.DataFrame.to_csv,
            pl.scan_csv,
            vars(LogisticRegression)["fit"],
            len(sys.meta_path),
        )
        assert ("__init_subclass__" in vars(BaseEstimator)) is hook
    with wg.run("train"):
        LinearRegression().fit(FRAME, TRUTH)
    assert ended(logs)[-1]["reads"] == []


SCRIPT = """
import watchglass as wg
{first}
import sys
assert not {{"pandas", "polars", "sklearn"}} & set(sys.modules), "nothing is imported that the user does not import"
with wg.run("train"):
    import pandas as pd
    from sklearn.linear_model import LinearRegression
    frame = pd.DataFrame({{"x": [1.0, 2.0]}})
    frame.to_csv("a.csv")
    LinearRegression().fit(frame, [1, 2])
assert "exec_module" not in vars(pd.__spec__.loader)
"""


@pytest.mark.parametrize("first", ["wg.auto()", "wg.init()", "wg.init(auto=True)"])
def test_libraries_that_are_imported_later_are_recorded_too_by_call_or_by_setting(logs, python, first):
    python(SCRIPT.format(first=first), WATCHGLASS_AUTO="1" if first == "wg.init()" else "0")
    (event,) = ended(logs)
    assert names(event, "writes") == ["a.csv", "LinearRegression"]
    assert names(event, "reads") == ["X", "y"]


def test_nothing_is_recorded_while_recording_is_off(monkeypatch, tmp_path):
    monkeypatch.setenv("WATCHGLASS_DISABLED", "1")
    wg.init(tmp_path / "none")
    wg.auto()
    try:
        LinearRegression().fit(FRAME, TRUTH)
    finally:
        wg.auto(False)
    assert not (tmp_path / "none").exists()
