"""A fall in a slice → what else could have made it and did not: a shift of the population, or labels that came otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from watchglass.explain.contrast import Group, fall
from watchglass.records import RuledOut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from watchglass.explain.slices import Fallen
    from watchglass.records import Slice

FEWEST = 2  # windows on a side that are old enough to tell how labels come
AS_BEFORE = 0.25  # days: a mean delay that moved less is as before
SMALL = 0.25  # of the fall: a population that explains less of it is not its cause
_TOLD = 0.9  # the lag by which so many of the labels before the onset had come


def population(fallen: Fallen, chosen: Slice) -> RuledOut | None:
    """Rule out a shift of shares among the declared tags of a slice's rows, or give None when it may explain the fall.

    The effect is exact for a tag at a time: the accuracy before, weighted by the shares since, less the accuracy before.
    """
    lost = fall(fallen.inside(chosen)).value
    found = [_reweighted(fallen, pieces) for pieces in _partitions(fallen, chosen)]
    if not found or not np.isfinite(lost):
        return None
    moved, effect = max(share for share, _ in found), max((change for _, change in found), key=abs)
    if -effect > SMALL * max(lost, 0.0):
        return None
    why = f"no share of a declared tag moved by more than {100 * moved:.2g} points; at the accuracy before, that is {effect:+.4f}"
    return RuledOut("the mix of the rows", why)


def _partitions(fallen: Fallen, chosen: Slice) -> list[list[Slice]]:
    """Part the slice by each other declared tag, as far as its pieces are counted."""
    parts: dict[str, list[Slice]] = {}
    for name in fallen.labels.slices:
        extra = [pair for pair in name if pair not in chosen]
        if len(name) == len(chosen) + 1 and len(extra) == 1:
            parts.setdefault(extra[0][0], []).append(name)
    return [pieces for pieces in parts.values() if len(pieces) > 1]


def _reweighted(fallen: Fallen, pieces: Sequence[Slice]) -> tuple[float, float]:
    """Give the largest move of a piece's share of the rows, and what all moves do to the accuracy before."""
    rows, labels = fallen.labels.rows, fallen.labels.slices
    places = [labels.index(piece) for piece in pieces]
    shares = []
    for windows in (fallen.before, fallen.after):
        counted = rows[windows[windows < len(rows)]][:, places].sum(axis=0)
        shares.append(counted / max(counted.sum(), 1))
    labelled, correct = (table[fallen.before][:, places].sum(axis=0) for table in (fallen.labelled, fallen.correct))
    usual = correct.sum() / max(labelled.sum(), 1)
    accuracy = np.where(labelled > 0, correct / np.maximum(labelled, 1), usual)
    moves = shares[1] - shares[0]
    return float(np.abs(moves).max()), float(moves @ accuracy)


def labels(fallen: Fallen, chosen: Slice) -> RuledOut | None:
    """Rule out that labels came later, or for fewer rows, than before; None when they did, or it cannot be told yet.

    Only windows whose labels had the same time to come are compared, so that new windows do not look quick.
    """
    if chosen not in fallen.labels.slices:
        return None
    lag = _usual_lag(fallen, chosen)
    sides = [windows[windows + lag <= fallen.known_day] for windows in (fallen.before, fallen.after)]
    if min(len(side) for side in sides) < FEWEST:
        return None
    (rows_before, told_before, delay_before), (rows_since, told_since, delay_since) = (
        _told(fallen, chosen, side, lag) for side in sides
    )
    group = Group.of((rows_before, told_before), (rows_since, told_since))
    if not group.enough or not np.isfinite(delay_since - delay_before):
        return None
    fewer = fall(group)
    if fewer.low > 0 or fewer.high < 0 or abs(delay_since - delay_before) > AS_BEFORE:
        return None
    shares = f"{100 * (1 - group.rate(0)):.3g} % of its rows had one within {lag} days before, {100 * (1 - group.rate(1)):.3g} % since"
    return RuledOut("the labels", f"{shares}, {delay_before:.2g} days late on average, {delay_since:.2g} since")


def _entries(fallen: Fallen, chosen: Slice, windows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Find the entries of a slice in some windows that were known."""
    kept = fallen.labels
    here: NDArray[np.bool_] = np.isin(kept.window, windows)
    here &= (kept.slice == kept.slices.index(chosen)) & (kept.known <= fallen.known_day)
    return here


def _usual_lag(fallen: Fallen, chosen: Slice) -> int:
    used = _entries(fallen, chosen, fallen.before)
    late, count = (fallen.labels.known - fallen.labels.window)[used], np.maximum(fallen.labels.labelled[used], 0)
    if not count.sum():
        return 0
    order = np.argsort(late, kind="stable")
    reached = np.searchsorted(np.cumsum(count[order]), _TOLD * count.sum())
    return max(int(late[order][min(int(reached), len(late) - 1)]), 0)


def _told(
    fallen: Fallen, chosen: Slice, windows: NDArray[np.int64], lag: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], float]:
    """Give rows, labels within the lag, and their mean delay in days."""
    kept = fallen.labels
    used = _entries(fallen, chosen, windows) & (kept.known - kept.window <= lag)
    told = np.zeros(len(kept.rows), dtype=np.int64)
    np.add.at(told, kept.window[used], kept.labelled[used])
    rows = kept.rows[windows, kept.slices.index(chosen)]
    count = kept.labelled[used].sum()
    delay = float(((kept.known - kept.window)[used] * kept.labelled[used]).sum() / count) if count else float("nan")
    return rows, np.minimum(told[windows], rows), delay
