"""A segment that ends anywhere in its last line, as a killed writer leaves it: the lines before are whole, the rest is a reject."""

from __future__ import annotations

import pytest

from tests.fuzz.ground import good, hold


@pytest.mark.parametrize("extra", [b"", b"\r", b" ", b"\0", b"{", b"\xff"])
def test_what_follows_the_last_line_end_is_rejected(ground, extra):
    ground.announce()
    hold(ground, [good(1) + good(2) + extra, good(3)], [1, 2, 3])


def test_a_segment_cut_at_every_tenth_byte_of_its_last_line(ground):
    ground.announce()
    last = good(9)
    segments = [good(n) + last[:end] for n, end in enumerate(range(1, len(last), 10))]
    hold(ground, segments, range(len(segments)))


def test_a_last_line_that_lacks_only_its_end_is_the_same_before_and_after_compaction(ground):
    ground.announce()
    hold(ground, [good(1) + good(2)[:-1]], [1])


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"\n\n\n", b" \n\t\n", b"\r\n\r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n", b"\0", b"{"]
)
def test_a_segment_with_next_to_nothing_in_it(ground, data):
    ground.announce()
    hold(ground, [data, good(1)], [1])
    assert list(ground.folder.row_log.iterdir()) == []


@pytest.mark.parametrize("end", [b"\r\n", b"\n\r", b"\n\n", b"\r"])
def test_other_line_ends(ground, end):
    ground.announce()
    data = b"".join(good(number)[:-1] + end for number in range(4)) + b"\n"
    hold(ground, [data, good(9)], [9] if end == b"\r" else [0, 1, 2, 3, 9])


@pytest.mark.parametrize("broken", [b"", b"{\n"])
def test_a_byte_order_mark_does_not_cost_the_first_line(ground, broken):
    ground.announce()
    hold(ground, [b"\xef\xbb\xbf" + good(1) + broken + good(2)], [1, 2])
