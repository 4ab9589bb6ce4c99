from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

import watchglass as wg
from watchglass.capture import recorder
from watchglass.errors import BadInput, UnknownName

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


def served(version, shift, days, seed, site="harbour"):
    rng = np.random.default_rng(seed)
    n = 40 * len(days)
    return pl.DataFrame(
        {
            "when": [BEGIN + timedelta(days=day, minutes=30 * i) for day in days for i in range(40)],
            "ink": rng.normal(shift, 1, n),
            "channel": rng.choice(["post", "web"], n).tolist(),
            "site": [site] * n,
            "y": rng.choice(["yes", "no"], n).tolist(),
            "s": rng.random(n),
            "version": [version] * n,
        }
    )


@pytest.fixture
def store(tmp_path):
    wg.init(store=tmp_path / "store")
    for frame in (
        served("2", 0.0, range(20), 1),
        served("3", 0.8, range(20, 40), 2),
        served("3", 0.8, range(20, 40), 3, "station"),
    ):
        wg.log_predictions(
            "digits", frame, version=frame["version"][0], prediction="y", score="s", time="when", features=["ink", "channel"], tags=["site"]
        )  # fmt: skip
    wg.flush()
    recorder.close()
    with wg.open(tmp_path / "store") as opened:
        yield opened


def test_two_versions_of_a_model_are_compared_from_the_log_and_from_the_tables(store):
    first = store.compare({"model": "digits", "version": "2"}, "model=digits,version=3,tag.site=harbour")
    assert {column.name: column.found for column in first.columns} == {
        "ink": "moved",
        "channel": "steady",
        "prediction": "steady",
        "score": "steady",
        "site": "steady",
    }
    assert (first.rows_reference, first.rows_current, first.blocks.unit) == (800, 800, "days")
    assert "version '2'" in first.reference
    store.compact()
    again = store.compare({"model": "digits", "version": "2"}, "model=digits,version=3,tag.site=harbour")
    assert repr(again.columns) == repr(first.columns)  # NaN, which is none, equals itself in text


def test_windows_are_half_open_and_a_frame_may_stand_beside_a_store(store):
    whole = store.compare("model=digits,start=2026-03-01,end=2026-03-11", {"model": "digits", "start": BEGIN + timedelta(days=10), "end": BEGIN + timedelta(days=20)})  # fmt: skip
    assert (whole.rows_reference, whole.rows_current) == (400, 400)
    frame = served("2", 0.0, range(20), 1).rename({"y": "prediction", "s": "score", "when": "time"}).drop("version")
    beside = store.compare(frame, {"model": "digits", "version": "2"})
    assert {column.found for column in beside.columns} == {"steady"}
    assert max(column.wasserstein for column in beside.columns if column.unit == "sd") == 0


def test_what_is_not_recorded_or_not_known_is_named(store):
    with pytest.raises(UnknownName, match="Did you mean 'digits'"):
        store.compare("model=digts", "model=digits")
    with pytest.raises(UnknownName, match="no tag of model 'digits' 'sight'"):
        store.compare("model=digits,tag.sight=harbour", "model=digits")
    with pytest.raises(BadInput, match="cannot be chosen by 'verison'"):
        store.compare({"model": "digits", "verison": "2"}, "model=digits")
    with pytest.raises(BadInput):
        store.compare("model=digits,start=yesterday", "model=digits")


def test_a_version_without_rows_is_told_column_by_column(store):
    found = store.compare("model=digits,version=9", "model=digits")
    assert all(column.found in ("unknown", "new") for column in found.columns)
    assert found["ink"].sentence == "the reference table has no rows"
