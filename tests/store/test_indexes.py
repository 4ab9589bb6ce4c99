"""An index of ids gives the rows of a hash, wherever it lies among the others: even, clustered, repeated, first, last or nowhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchglass.store.asking.indexes import Index

FIXED = 0x8ABC << 48  # as the ends of many UUIDs begin


def index(hashes):
    ordered = np.sort(np.array(hashes, dtype="<u8"))
    return Index(
        memoryview(ordered.tobytes()).cast("Q"), memoryview(np.arange(len(hashes), dtype="<u4").tobytes()).cast("I")
    )


def looked_through(made, wanted):
    return [row for row, found in zip(made.rows, made.hashes, strict=True) if found == wanted]


HASHES = st.lists(
    st.one_of(
        st.integers(0, 2**64 - 1),
        st.integers(FIXED, FIXED + 1000),
        st.sampled_from([0, 1, FIXED, 2**63, 2**64 - 1]),
    ),
    max_size=60,
)


@given(hashes=HASHES, other=st.integers(0, 2**64 - 1))
def test_the_rows_of_a_hash_are_found_wherever_it_lies(hashes, other):
    made = index(hashes)
    for wanted in {*hashes, other, 0, 2**64 - 1}:
        assert made.places(wanted) == looked_through(made, wanted)


@pytest.mark.parametrize("low", [0, FIXED], ids=["any text", "uuids"])
def test_even_hashes_are_found_near_where_they_are_guessed(low):
    made = index(np.random.default_rng(7).integers(low, 2**64 - 1, 50_000, dtype="u8"))
    spans = [made._span(wanted) for wanted in list(made.hashes)[1:-1:97]]
    assert max(high - low for low, high in spans if (low, high) != (0, 50_000)) < 1_000
    assert sum(span == (0, 50_000) for span in spans) < 2
