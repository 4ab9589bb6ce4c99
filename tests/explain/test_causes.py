"""Simulated faults and the changes around them → the right cause, decoys that lose for the stated reason, or nothing named."""

import re

import numpy as np
import pytest

from tests.explain.simulated import CLEAN, FIRST, HARBOUR, ONSET, World, made, release, story
from watchglass.explain.causes import FEWEST, Scene, ruled_out, sharpest_step, weigh
from watchglass.explain.slices import Fallen, rank
from watchglass.explain.wording import likely


def weighed(seed, world, changes, *, known=56, onset=ONSET, features=True):
    recorded = made(seed, world)
    fallen = Fallen.at(recorded.labels, known, range(onset - 30, onset), range(onset, known + 1))
    chosen = next(item.slice for item in rank(fallen) if item.role == "the slice")
    inside = recorded.features if features and chosen == HARBOUR else {}
    return weigh(changes, Scene(FIRST, chosen, fallen, onset, inside))


@pytest.mark.parametrize("onset", [ONSET - 1, ONSET, ONSET + 1])
def test_clean_is_the_cause_and_features_ran_well_before_the_fall(onset):
    found = [weighed(seed, World(), story(), onset=onset) for seed in range(100)]
    assert sum(bool(causes) and causes[0].name == "clean" and causes[0].weight >= 0.5 for causes in found) >= 95
    told = [
        next((item.why for item in ruled_out(causes) if item.what == "features, version 3"), "") for causes in found
    ]
    said = re.compile(r"ran 2 windows and \d+ predictions of site = harbour at 0\.\d{3} before the fall")
    assert sum(bool(said.search(why)) for why in told) >= 90


def test_the_decoy_alone_is_not_made_the_cause():
    blamed = [weighed(seed, World(), story()[:1]) for seed in range(100)]
    assert sum(likely(causes) is not None for causes in blamed) <= 3


def test_a_release_off_the_path_loses_though_it_came_in_time():
    causes = weighed(3, World(), story())
    gateway = next(cause for cause in causes if cause.name == "gateway")
    assert gateway.weight < FEWEST
    assert [check.passed for check in gateway.checks][:2] == [True, False]
    assert any("not upstream" in item.why for item in ruled_out(causes) if item.what.startswith("gateway"))


def test_a_release_after_the_fall_is_too_late():
    causes = weighed(3, World(), [release("clean", "2", ONSET, **CLEAN), release("features", "4", ONSET + 3)])
    late = next(item.why for item in ruled_out(causes) if item.what == "features, version 4")
    assert re.search(
        r"came 3 windows after the fall: \d+ predictions of site = harbour were at 0\.\d{3} before it", late
    )


def test_weights_add_to_less_than_one():
    for seed in range(10):
        total = sum(cause.weight for cause in weighed(seed, World(), story()))
        assert 0 < total < 1


def test_nothing_is_blamed_where_nothing_fell():
    found = [weighed(seed, World(fallen=None), story()) for seed in range(100)]
    assert sum(likely(causes) is not None for causes in found) <= 2


def test_without_candidates_no_cause_is_named():
    assert weighed(3, World(), []) == ()


def test_a_change_that_fits_no_better_than_chance_leaves_room_for_what_was_not_recorded():
    early = [release("features", "3", ONSET - 9)]
    assert likely(weighed(3, World(), early)) is None


def test_a_canary_is_known_by_its_dose():
    """Only a third of harbour's predictions run through it at first, then all: the errors follow the share."""
    share = np.zeros(60)
    share[ONSET : ONSET + 4], share[ONSET + 4 :] = 0.3, 1.0
    canary = release("clean", "2", ONSET, **CLEAN)
    canary.exposed[:] = share
    rng = np.random.default_rng(8)
    recorded = made(8, World(fallen=None))
    fallen = Fallen.at(recorded.labels, 59, range(20, ONSET), range(ONSET, 60))
    place = recorded.labels.slices.index(HARBOUR)
    fallen.correct[:, place] = rng.binomial(fallen.labelled[:, place], 0.955 - 0.3 * share)
    scene = Scene(FIRST, HARBOUR, fallen, ONSET + 4, {})
    causes = weigh([canary, release("features", "9", ONSET + 4)], scene)
    assert causes[0].name == "clean"
    assert causes[0].weight > causes[1].weight


def test_without_features_by_slice_it_is_still_found_and_says_so():
    causes = weighed(3, World(), story(), features=False)
    assert causes[0].name == "clean"
    assert causes[0].checks[3].evidence == "no features to tell by"
    assert not causes[0].checks[3].passed


def test_the_slice_alone_dates_a_fall_to_its_window():
    found = []
    for seed in range(50):
        fallen = Fallen.at(made(seed, World()).labels, 57, range(22, ONSET + 2), range(ONSET + 2, 58))
        found.append(sharpest_step(fallen, HARBOUR, (ONSET - 5, ONSET + 5)))
    assert sum(abs(step - ONSET) <= 1 for step in found) >= 48
    assert sharpest_step(fallen, HARBOUR, (200, 210)) is None
