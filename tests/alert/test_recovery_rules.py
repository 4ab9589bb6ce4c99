"""Incidents and verdicts → what belongs together: recoveries are no news, muted notices wake when it gets worse."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from watchglass.alert import lifecycle
from watchglass.records import ColumnEvidence, Incident

DAY = timedelta(days=1)
ONSET = datetime(2026, 6, 12, tzinfo=UTC)
INK = ColumnEvidence("ink", 5.0, ONSET, "mean", 1.8, "sd", 0.30, 0.48)
BACK = ColumnEvidence("ink", 4.0, ONSET + 40 * DAY, "mean", -1.2, "sd", 0.48, 0.31)


def page(**changes):
    made = Incident(
        1,
        "digits",
        "live",
        "performance",
        "page",
        "open",
        ONSET,
        ONSET - DAY,
        ONSET + DAY,
        ONSET + 3 * DAY,
        None,
        "",
        "",
        5.0,
        columns=(INK,),
    )
    return replace(made, **changes)


def closed(since):
    return lifecycle.close(page(), since + 5 * DAY, "Recovered", since)


@pytest.mark.parametrize("apart", [-3, 0, 3])
def test_a_drift_at_a_known_recovery_is_part_of_it_though_the_page_is_closed(apart):
    since = ONSET + 40 * DAY
    assert lifecycle.home_of_drift([closed(since)], since + apart * DAY).id == 1


@pytest.mark.parametrize("apart", [-4, 4, 30])
def test_a_drift_of_another_time_is_not_swallowed(apart):
    since = ONSET + 40 * DAY
    assert lifecycle.home_of_drift([closed(since)], since + apart * DAY) is None


def test_before_labels_tell_the_column_that_moves_back_tells():
    assert lifecycle.home_of_drift([page()], ONSET + 40 * DAY, [BACK]).id == 1


@pytest.mark.parametrize(
    "other",
    [
        replace(BACK, name="slant"),
        replace(BACK, effect=1.2, after=0.60),
        replace(BACK, after=0.42),
        replace(BACK, aspect="spread"),
    ],
)
def test_another_column_or_a_move_on_is_a_new_event(other):
    assert lifecycle.home_of_drift([page()], ONSET + 40 * DAY, [other]) is None


def test_the_recovery_is_remembered_by_its_start_not_by_the_day_it_was_told():
    since = ONSET + 40 * DAY
    done = closed(since)
    assert lifecycle.recovery(done) == since
    assert done.closed == since + 5 * DAY
    assert lifecycle.recovery(page()) is None


@pytest.mark.parametrize("state", ["muted", "acknowledged", "open"])
def test_a_notice_that_becomes_a_page_is_open_and_new_again(state):
    notice = page(kind="drift", severity="notice", state=state, seen=True)
    worse = lifecycle.escalated(notice)
    assert (worse.severity, worse.kind, worse.state, worse.seen) == ("page", "performance", "open", False)
    assert lifecycle.standing(worse, []) == "New"
    assert worse.columns == notice.columns


def test_a_page_stays_a_page_as_it_is():
    muted = page(state="muted", seen=True)
    assert lifecycle.escalated(muted) == muted
