"""The runs that flagged outputs have in common: groups 11 and 12 of mltrace's tests, and the faulty run among good ones."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchglass.errors import BadInput
from watchglass.store.lineage.review import Seeds, behind


def counts(found):
    return [(one.run, one.count) for one in found.runs]


def test_group_11_two_outputs_of_one_source(line):
    line.ran("a", [], ["iop1", "iop2"], id="A1")
    line.ran("b", ["iop1"], ["iop3"], id="B1")
    line.ran("b", ["iop2"], ["iop4"], id="B2")
    line.flag("iop3")
    line.flag("iop4")
    found = line.review()
    assert counts(found) == [("A1", 2), ("B2", 1), ("B1", 1)]
    assert [one.coverage for one in found.runs] == [1.0, 0.5, 0.5]
    assert (found.flagged, found.good, found.sample, found.missing, found.next) == (2, 0, None, (), None)


def test_group_12_four_outputs_that_share_two_runs(line):
    line.ran("a", [], ["iop1"], id="A1")
    line.ran("b", ["iop1"], ["iop2"], id="B1")
    for number in range(1, 5):
        line.ran("c", ["iop2"], [f"out{number}"], id=f"C{number}")
        line.flag(f"out{number}")
    assert counts(line.review()) == [("B1", 4), ("A1", 4), ("C4", 1), ("C3", 1), ("C2", 1), ("C1", 1)]


def test_a_faulty_run_behind_most_bad_and_few_good_outputs_comes_first_and_the_ingest_of_all_does_not(line):
    dice = random.Random(5)
    line.ran("ingest", [], ["raw"], id="ingest")
    line.ran("features", ["raw"], ["faulty features"], id="faulty")
    line.ran("features", ["raw"], ["good features"], id="sound")
    for number in range(140):
        bad = number < 40
        through = dice.random() < (0.95 if bad else 0.05)
        read = "faulty features" if through else "good features"
        line.ran("score", [read], [f"out{number}"], id=f"score{number}")
        if bad:
            line.flag(f"out{number}")
    found = line.review(limit=1000)
    assert found.runs[0].run == "faulty"
    assert (found.flagged, found.good) == (40, 100)
    ingest = next(one for one in found.runs if one.run == "ingest")
    assert (ingest.count, ingest.coverage, ingest.good) == (40, 1.0, 100)
    assert ingest.suspiciousness == pytest.approx(40 / math.sqrt(40 * 140))
    assert max(found.runs, key=lambda one: one.count).run == "ingest"  # mltrace's plain count leads there


def test_many_good_outputs_are_sampled_and_the_answer_says_so(line):
    line.ran("ingest", [], ["raw"], id="ingest")
    for number in range(30):
        line.ran("score", ["raw"], [f"out{number}"], id=f"score{number:02}")
    line.flag("out7")
    found = line.review(sample=10)
    assert (found.good, found.sample) == (10, "10 of 29 good runs of score")
    assert found == line.review(sample=10)


def test_a_review_comes_in_pages(line):
    for number in range(5):
        line.ran("score", [], [f"out{number}"], id=f"score{number}")
        line.flag(f"out{number}")
    first = line.review(limit=2)
    assert (len(first.runs), first.next) == (2, 2)
    last = line.review(limit=2, after=4)
    assert ([one.run for one in last.runs], last.next) == (["score0"], None)
    with pytest.raises(BadInput, match="limit cannot be 0"):
        line.review(limit=0)


def test_where_nothing_is_flagged_nobody_is_suspicious(line):
    line.ran("score", [], ["out"])
    found = line.review()
    assert (found.flagged, found.good, found.runs) == (0, 0, ())


def test_a_flag_whose_run_is_not_known_is_named(line):
    line.ran("score", [], ["out"])
    line.flag("out")
    line.write("graph", [{"kind": "flag", "name": "gone", "version": "", "time": 1}])
    found = line.review()
    assert (found.missing, found.flagged) == (("gone",), 1)


def test_defect_a_run_reached_by_many_paths_counts_once(line):
    """mltrace walks without a visited set: 2^18 nodes of such a ladder."""
    line.ran("top", [], ["x0", "y0"], id="top")
    for layer in range(18):
        reads = [f"x{layer}", f"y{layer}"]
        line.ran("left", reads, [f"x{layer + 1}"], id=f"left{layer}")
        line.ran("right", reads, [f"y{layer + 1}"], id=f"right{layer}")
    line.flag("x18")
    found = line.review()
    assert len(found.runs) == 36
    assert {one.count for one in found.runs} == {1}


RUNS = st.integers(0, 11).map(str)


@given(st.dictionaries(RUNS, st.sets(RUNS, max_size=4), max_size=12), st.sets(RUNS, min_size=1), st.sets(RUNS))
def test_the_counts_are_those_of_a_walk_from_each_output_whatever_the_graph(producers, bad, good):
    def upstream(run):
        found, waiting = {run}, [run]
        for one in waiting:
            more = producers.get(one, set()) - found
            found |= more
            waiting += more
        return found

    good = good - bad
    expected = {}
    for place, seeds in enumerate((bad, good)):
        for seed in seeds:
            for run in upstream(seed):
                expected.setdefault(run, [0, 0])[place] += 1
    told = behind(producers, Seeds(tuple(bad), tuple(good), None))
    assert {run: list(one) for run, one in told.items() if any(one)} == expected
