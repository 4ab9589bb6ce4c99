"""Clocks that jump: backwards, to year 1, to year 9999, past what microseconds hold: kept in order, or rejected with the reason."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.ground import BEGIN, good, hold, line, new_ground
from tests.fuzz.hostile import TIMES
from tests.fuzz.limits import fuzz

YEAR_1 = -62_135_596_800_000_000
DAY = 86_400_000_000


def at(moment, number):
    event = json.loads(good(number))
    return line({**event, "id": f"at-{number}", "time": moment})


def label_at(moment, number):
    return line({"kind": "label", "model": "digits", "id": f"at-{number}", "label": 1, "time": moment})


def taken(moment):
    """Whether a store has to take a row of this time."""
    return YEAR_1 <= moment <= int(time.time() * 1e6) + DAY


def test_a_time_that_cannot_be_is_rejected_with_its_line_and_every_other_is_kept():
    with new_ground() as ground:
        chosen = list(TIMES.values())
        hold(
            ground,
            [good(1), *(at(moment, n) + label_at(moment, n) for n, moment in enumerate(chosen)), good(2)],
            [1, 2],
        )
        wanted = {f"at-{n}" for n, moment in enumerate(chosen) if taken(moment)}
        assert {ident for ident in ground.ids() if ident.startswith("at-")} == wanted
        assert set(ground.ids("label_history")) == wanted
        raws = " ".join(row["raw"] for row in ground.rejected())
        assert all(f'"at-{n}"' in raws for n, moment in enumerate(chosen) if not taken(moment))


def test_a_time_more_than_a_day_ahead_is_rejected_and_one_less_than_that_is_kept():
    with new_ground() as ground:
        now = int(time.time() * 1e6)
        hold(ground, [good(1) + at(now + DAY - 60_000_000, 1), at(now + DAY + 60_000_000, 2) + good(2)], [1, 2])
        assert {ident for ident in ground.ids() if ident.startswith("at-")} == {"at-1"}
        (reject,) = ground.rejected()
        assert "ahead" in reject["reason"]


def test_the_first_and_the_last_moment_are_told_exactly():
    with new_ground() as ground:
        hold(ground, [at(YEAR_1, 1) + at(-1, 2) + at(0, 3) + at(BEGIN + 1, 4)], [])
        query = "SELECT epoch_us(time) AS moment FROM predictions ORDER BY time"
        assert [row["moment"] for row in ground.store.sql(query).rows()] == [YEAR_1, -1, 0, BEGIN + 1]


@fuzz(6)
@given(
    moments=st.lists(
        st.one_of(
            st.integers(YEAR_1 // 10**6 - 10, -YEAR_1 * 5 // 10**6).map(lambda seconds: seconds * 10**6),
            st.integers(-(2**70) // 10**6, 2**70 // 10**6).map(lambda seconds: seconds * 10**6),
            st.integers(-1000, 1000),
            st.integers(BEGIN - DAY, BEGIN + DAY),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_times_in_any_order_are_kept_or_rejected_one_by_one(moments):
    with new_ground() as ground:
        half = len(moments) // 2
        lines = [at(moment, n) for n, moment in enumerate(moments)]
        hold(ground, [b"".join(lines[:half]) + good(100), b"".join(lines[half:])], [100])
        wanted = {f"at-{n}" for n, moment in enumerate(moments) if taken(moment)}
        assert {ident for ident in ground.ids() if ident.startswith("at-")} == wanted


def test_windows_are_judged_in_seconds_though_one_clock_stood_at_year_1():
    with new_ground() as ground:
        days = [YEAR_1, -1, 0, BEGIN, BEGIN - DAY, BEGIN + 3 * DAY]
        ground.segment(b"".join(at(moment, n) + label_at(moment + 5, n) for n, moment in enumerate(days)))
        ground.store.check(now=datetime(2026, 6, 20, tzinfo=UTC) + timedelta(days=1))
        assert ground.store.status().predictions == len(days)
