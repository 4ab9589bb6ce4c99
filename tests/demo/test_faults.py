"""What is planted, measured without any recording: the same days with and without each change."""

from __future__ import annotations

import sys
from functools import cache
from time import perf_counter

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from watchglass.demo import images, model, pipeline
from watchglass.demo.features import SETTINGS, measure
from watchglass.demo.plan import planted
from watchglass.demo.traffic import Schedule, play
from watchglass.errors import MissingLibrary

SEEDS = range(10)
SITES = [site.name for site in images.SITES]
SCANNER = images.CHANNELS.index("scanner")
HARBOUR = SITES.index("harbour")


@cache
def trained(seed):
    raw, digits = images.reference(seed)
    cleaned = pipeline.clean(raw, np.full(len(raw), 16.0))
    return model.reader(model.train(cleaned, measure(cleaned, SETTINGS["3"]), digits))


@cache
def lived(seed, numbers, clean="1", common=None):
    """Give (site, channel, right, features) of all images of some days."""
    days = [images.arrivals(seed, n, Schedule().day(n), common=common) for n in numbers]
    site, channel, digit, raw = (
        np.concatenate([getattr(d, k) for d in days]) for k in ("site", "channel", "digit", "raw")
    )
    cleaned = pipeline.clean(raw, pipeline._scale(site, clean))
    features = measure(cleaned, SETTINGS["3"])
    return site, channel, trained(seed).read(cleaned, features)[0] == digit, features


@pytest.mark.parametrize("seed", SEEDS)
def test_the_model_is_good_until_the_fault(seed):
    _, _, right, _ = lived(seed, range(20))
    assert 0.93 <= right.mean() <= 0.985


@pytest.mark.parametrize("seed", SEEDS)
def test_the_fault_breaks_harbour_and_nothing_else(seed):
    schedule = Schedule()
    days, common = range(schedule.fault, schedule.fault + 28), (schedule.common, schedule.share)
    site, channel, before, seen = lived(seed, days, "1", common)
    _, _, after, wrong = lived(seed, days, "2", common)
    harbour = site == HARBOUR
    assert 0.15 <= before[harbour].mean() - after[harbour].mean() <= 0.45
    assert (before[~harbour] == after[~harbour]).all()
    assert (seen[~harbour] == wrong[~harbour]).all()
    scanned = channel == SCANNER
    assert before[scanned].mean() - after[scanned].mean() >= 0.05
    for place in range(len(images.CHANNELS)):
        if place != SCANNER:
            here = channel == place
            assert before[here].mean() - after[here].mean() < 0.06
    darker = (wrong[harbour, 0].mean() - seen[harbour, 0].mean()) / seen[harbour, 0].std()
    assert darker > 1, "harbour's images come out too dark"


@pytest.mark.parametrize("seed", SEEDS)
def test_the_population_changes_and_no_performance_is_lost(seed):
    schedule = Schedule()
    days = range(schedule.population, schedule.population + 40)
    _, _, usual, before = lived(seed, days)
    _, _, common, after = lived(seed, days, "1", (schedule.common, schedule.share))
    assert common.mean() > usual.mean() - 0.003
    moved = np.abs(after.mean(0) - before.mean(0)) / before.std(0)
    assert (moved > 0.15).sum() >= 2


@pytest.mark.parametrize("seed", SEEDS[:3])
def test_a_whole_day_is_read_fast(seed):
    day = images.arrivals(seed, 0, Schedule().day(0))
    cleaned = pipeline.clean(day.raw, np.full(len(day.raw), 16.0))
    features = measure(cleaned, SETTINGS["3"])
    reader = trained(seed)
    spent = []
    for _ in range(30):
        begun = perf_counter()
        reader.read(cleaned[:20], features[:20])
        spent.append(perf_counter() - begun)
    assert min(spent) < 0.002


def test_the_classifier_made_from_weights_is_the_one_that_was_fitted():
    raw, digits = images.reference(0)
    cleaned = pipeline.clean(raw, np.full(len(raw), 16.0))
    features = measure(cleaned, SETTINGS["3"])
    inputs = np.hstack([cleaned.reshape(len(cleaned), -1), features])
    spread = np.where(inputs.std(0) == 0, 1, inputs.std(0))
    scaled = (inputs - inputs.mean(0)) / spread
    fitted = LogisticRegression(C=model.C, max_iter=1000).fit(scaled, digits)
    expected = fitted.predict_proba(scaled)
    found, sure = trained(0).read(cleaned, features)
    assert (found == expected.argmax(1)).mean() > 0.9999
    assert sure == pytest.approx(expected.max(1), abs=1e-3)


def test_the_plan_says_what_is_played():
    schedule, plan = Schedule(), planted()
    assert (plan.fault, plan.population, plan.release) == (schedule.day(92), schedule.day(48), schedule.day(90))
    assert pipeline.SITE_SCALES[plan.site] == plan.scale
    assert plan.true_scale == images.FULL == pipeline.SITE_SCALES["office"]
    assert [site for site, scale in pipeline.SITE_SCALES.items() if scale != images.FULL] == [plan.site]
    assert set(pipeline.SITE_SCALES) == set(SITES)
    assert schedule.versions(91).clean != plan.version == schedule.versions(92).clean == schedule.versions(119).clean
    assert schedule.versions(120).clean != plan.version
    assert schedule.versions(89).features != plan.release_version == schedule.versions(90).features
    assert (plan.fault - plan.release).days == 2
    assert schedule.day(120).isoformat() == "2026-06-22"


def test_without_scikit_learn_the_pip_line_is_given(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    monkeypatch.setattr(images, "_bundled", images._bundled.__wrapped__)
    with pytest.raises(MissingLibrary, match=r"pip install 'watchglass\[demo\]'"):
        play(tmp_path, seed=12345)
