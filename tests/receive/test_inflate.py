from __future__ import annotations

import gzip

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from watchglass.receive.inflate import bounded, inflating
from watchglass.receive.lines import TooLarge, Unreadable

PACKERS = {"identity": bytes, "gzip": gzip.compress, "zstd": zstandard.compress}


def inflated(encoding, pieces):
    codec = inflating(encoding)
    found = b"".join(part for piece in pieces for part in codec.feed(piece))
    codec.finish()
    return found


@given(st.sampled_from(sorted(PACKERS)), st.lists(st.binary(max_size=3000), max_size=3), st.integers(1, 700))
def test_however_a_body_is_cut_it_is_the_same(encoding, members, size):
    packed = b"".join(PACKERS[encoding](member) for member in members)
    pieces = [packed[start : start + size] for start in range(0, len(packed), size)]
    assert inflated(encoding, pieces) == b"".join(members)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_no_piece_of_a_bomb_is_large(encoding):
    packed = PACKERS[encoding](b"\0" * 200_000_000)
    largest = 0
    with pytest.raises(TooLarge, match="once decompressed"):
        for part in bounded(inflating(encoding).feed(packed), 0, 100_000_000):
            largest = max(largest, len(part))
    assert largest <= 32 << 20


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_an_end_that_is_missing_is_told(encoding):
    packed = PACKERS[encoding](b"abc" * 1000)
    with pytest.raises(Unreadable, match="before its end"):
        inflated(encoding, [packed[:-2]])
    assert inflated(encoding, []) == b""
