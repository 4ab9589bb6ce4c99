"""How long components take: quantiles, their own time, their share of the whole."""

from __future__ import annotations

import pytest

from watchglass.errors import BadInput, UnknownName

SECOND = 1_000_000


def test_quantiles_own_time_and_share(line):
    whole = line.ran("all", at=0, took=100 * SECOND)
    line.ran("load", at=0, took=40 * SECOND, parent=whole)
    fit = line.ran("fit", at=40 * SECOND, took=50 * SECOND, parent=whole)
    line.ran("step", at=45 * SECOND, took=20 * SECOND, parent=fit)
    line.ran("step", at=55 * SECOND, took=20 * SECOND, parent=fit)
    found = {one.component: one for one in line.durations().components}
    assert (found["all"].own, found["all"].share) == (10.0, 0.1)
    assert (found["load"].own, found["load"].share) == (40.0, 0.4)
    assert (found["fit"].own, found["fit"].share) == (20.0, 0.2)
    assert (found["step"].runs, found["step"].own, found["step"].share) == (2, 20.0, 0.4)


def test_quantiles_are_values_that_were_measured(line):
    for number in range(1, 101):
        line.ran("serve", at=number * SECOND, took=number * SECOND)
    (found,) = line.durations("serve").components
    assert (found.p50, found.p95, found.p99, found.longest, found.mean) == (50.0, 95.0, 99.0, 100.0, 50.5)


def test_running_ones_are_left_out_and_old_ones_said(line):
    line.ran("serve", took=SECOND)
    line.ran("serve", took=3 * SECOND)
    line.ran("serve", ended=None, status="running")
    assert line.durations().components[0].runs == 2
    assert line.durations(most=2).left_out == "runs before the newest 2"
    assert line.durations(most=2).components[0].longest == 3.0
    assert line.durations(until="3650d").components == ()
    with pytest.raises(BadInput, match="most cannot be 0"):
        line.durations(most=0)
    with pytest.raises(UnknownName, match="no component 'sevre'"):
        line.durations("sevre")
