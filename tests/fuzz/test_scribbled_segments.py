"""Arbitrary bytes and damaged lines in the log: read in the tail, compacted, counted; nothing good is lost, nothing bad uncounted."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from tests.fuzz.ground import good, hold, new_ground
from tests.fuzz.limits import fuzz
from tests.fuzz.mutating import damaged, untouched


@fuzz(8)
@example(segments=[b'{"kind":"batch"'])
@example(segments=[b'{"kind":"batch","keys":[1,["k",1]]}\n'])
@given(segments=st.lists(st.binary(max_size=400), min_size=1, max_size=4))
def test_arbitrary_bytes_cost_only_themselves(segments):
    with new_ground() as ground:
        hold(ground, [good(1) + good(2), *segments, good(3)], [1, 2, 3])


@fuzz(8)
@given(inner=st.lists(st.binary(max_size=60), min_size=1, max_size=6))
def test_arbitrary_lines_between_good_ones_cost_only_themselves(inner):
    with new_ground() as ground:
        data = b"".join(good(n) + part.replace(b"\n", b"") + b"\n" for n, part in enumerate(inner))
        hold(ground, [data], range(len(inner)))


@fuzz(8)
@given(first=damaged(), second=damaged())
def test_damage_costs_only_the_lines_it_touches(first, second):
    with new_ground() as ground:
        hold(ground, [good(100), first], [100])
        ids = ground.ids()
        assert all(ids[f"good-{number}"] for number in untouched(first))
        ground.segment(second)
        before = ground.rows()
        ids = ground.ids()
        assert all(ids[f"good-{number}"] for number in untouched(second))
        ground.compact()
        assert ground.rows() == before
