"""Good lines → lines that a broken disk, a wrong hand or another program may have made of them, as a strategy of hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.fuzz.ground import BEGIN, good, line

OTHERS = (
    line({"kind": "label", "model": "digits", "id": "good-1", "label": 1, "time": BEGIN + 9}),
    line({"kind": "metric", "name": "depth", "value": 3, "time": BEGIN, "labels": {"queue": "a"}}),
    line({"kind": "log", "message": "said", "time": BEGIN, "level": "warning", "tags": {"site": "hill"}}),
    line({"kind": "batch", "keys": [["key", 1, 0]]}),
)

_places = st.integers(0, 1 << 20)


def _flip(data, place, bit):
    at = place % max(len(data), 1)
    return data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :] if data else data


def _cut(data, place, length):
    at = place % max(len(data), 1)
    return data[:at] + data[at + length :]


def _put(data, place, extra):
    at = place % (len(data) + 1)
    return data[:at] + extra + data[at:]


def _again(data, place, length):
    at = place % max(len(data), 1)
    return data[:at] + data[at : at + length] + data[at:]


_CHANGES = st.one_of(
    st.tuples(st.just(_flip), _places, st.integers(0, 7)),
    st.tuples(st.just(_cut), _places, st.integers(1, 300)),
    st.tuples(st.just(_again), _places, st.integers(1, 300)),
    st.tuples(st.just(_put), _places, st.binary(min_size=1, max_size=12)),
    st.tuples(
        st.just(_put),
        _places,
        st.sampled_from(
            [
                b"\0",
                b"\n",
                b"\r\n",
                b"\r",
                b"\xef\xbb\xbf",
                b"\xff",
                b"}",
                b"{",
                b'"',
                b"\\",
                b",",
                b"[",
                b"\xe2\x80\xa8",
            ]
        ),
    ),
)


@st.composite
def damaged(draw):
    """A segment of good lines of every kind, changed in up to six places, and the lines of it that are still whole."""
    lines = [good(number) for number in draw(st.lists(st.integers(0, 30), max_size=8, unique=True))]
    lines += draw(st.lists(st.sampled_from(OTHERS), max_size=4))
    data = b"".join(lines)
    if draw(st.booleans()):
        data = data.replace(b"\n", draw(st.sampled_from([b"\r\n", b"\n\n", b"\n \n", b"\n\0\n", b""])))
    for change, *words in draw(st.lists(_CHANGES, max_size=6)):
        data = change(data, *words)
    return data


def untouched(data, most=31):
    """The numbers of the good lines that a segment still holds as they were."""
    whole = data.split(b"\n")[:-1]
    return [number for number in range(most) if good(number)[:-1] in whole]
