"""Simulated labels → the slice that fell, the channel it carries, and silence where nothing fell."""

import numpy as np
import pytest

from tests.explain.simulated import APP, HARBOUR, ONSET, World, made
from watchglass.explain.slices import Fallen, rank
from watchglass.profile.histories import LabelHistory


def ranked(seed, world, *, known=56, onset=ONSET):
    fallen = Fallen.at(made(seed, world).labels, known, range(onset - 30, onset), range(onset, known + 1))
    return fallen, rank(fallen)


def the_slice(found):
    return next(item.slice for item in found if item.role == "the slice")


@pytest.mark.parametrize("onset", [ONSET - 1, ONSET, ONSET + 1])
def test_harbour_is_the_slice_and_app_is_carried(onset):
    found = [ranked(seed, World(), onset=onset)[1] for seed in range(100)]
    assert sum(the_slice(item) == HARBOUR for item in found) >= 95
    assert sum(any(one.slice == APP and one.role == "carried" for one in item) for item in found) >= 90


def test_app_itself_fell_by_five_points_and_its_reason_names_harbour():
    _, found = ranked(3, World())
    app = next(item for item in found if item.slice == APP)
    assert app.before.value - app.after.value >= 0.05
    assert "falls only through site = harbour" in app.reason
    assert found[0].excess.low > 0
    assert [item.role for item in found] == sorted(
        (item.role for item in found), key=["the slice", "carried", "as before"].index
    )


def test_nothing_is_named_where_nothing_fell():
    named = [the_slice(ranked(seed, World(fallen=None))[1]) for seed in range(100)]
    assert sum(bool(item) for item in named) <= 5
    _, found = ranked(0, World(fallen=None))
    assert found[0].slice == ()
    assert "no slice stands out: all rows; no fall is shown" in found[0].reason


def test_where_all_rows_fall_all_rows_are_named():
    fallen, _ = ranked(1, World(fallen=None))
    correct = fallen.correct.copy()
    correct[fallen.after] = (correct[fallen.after] * 0.75).astype(np.int64)
    found = rank(Fallen(fallen.labels, fallen.labelled, correct, fallen.before, fallen.after, fallen.known_day))
    assert found[0].slice == ()
    assert "they fell together" in found[0].reason
    assert found[0].before.value - found[0].after.value > 0.2


def test_without_pairs_a_channel_cannot_be_said_to_be_carried():
    labels = made(3, World()).labels
    singles = [place for place, name in enumerate(labels.slices) if len(name) < 2]
    kept = np.isin(labels.slice, singles)
    less = LabelHistory(
        tuple(labels.slices[place] for place in singles),
        labels.rows[:, singles],
        labels.window[kept],
        np.searchsorted(singles, labels.slice[kept]),
        labels.known[kept],
        labels.labelled[kept],
        labels.correct[kept],
    )
    found = rank(Fallen.at(less, 56, range(20, ONSET), range(ONSET, 57)))
    assert found[0].slice == HARBOUR
    assert all(item.role != "carried" for item in found)


def test_no_declared_tags_is_all_rows():
    labels = made(3, World()).labels
    kept = labels.slice == 0
    whole = LabelHistory(
        ((),),
        labels.rows[:, :1],
        *(field[kept] for field in (labels.window, labels.slice, labels.known, labels.labelled, labels.correct)),
    )
    found = rank(Fallen.at(whole, 56, range(20, ONSET), range(ONSET, 57)))
    assert [(item.slice, item.role) for item in found] == [((), "the slice")]


def test_labels_that_were_not_known_yet_change_nothing():
    labels = made(3, World()).labels
    early = labels.known <= 53
    past = LabelHistory(
        labels.slices,
        labels.rows,
        *(field[early] for field in (labels.window, labels.slice, labels.known, labels.labelled, labels.correct)),
    )
    asked = (53, range(20, ONSET), range(ONSET, 54))
    assert rank(Fallen.at(labels, *asked)) == rank(Fallen.at(past, *asked))


def test_a_fault_of_the_pair_alone_does_not_make_its_halves_carry_each_other():
    labels = made(4, World(fallen=None)).labels
    rng = np.random.default_rng(4)
    fallen = Fallen.at(labels, 58, range(20, ONSET), range(ONSET, 59))
    both, site, app = (labels.slices.index(name) for name in ((*APP, *HARBOUR), HARBOUR, APP))
    lost = np.zeros_like(fallen.correct)
    lost[ONSET:, both] = rng.binomial(fallen.correct[ONSET:, both], 0.4)
    for place in (site, app, 0):
        lost[:, place] = lost[:, both]
    found = rank(Fallen(labels, fallen.labelled, fallen.correct - lost, fallen.before, fallen.after, 58))
    assert all(item.role != "carried" for item in found if item.slice in (HARBOUR, APP))
