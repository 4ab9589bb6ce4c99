"""Histories of a model's columns → one finding a window: did a step begin, in which columns, since when.

The monitor learns from reference windows, is armed, and after an alert takes the windows from the onset on as its
new reference: onset ≤ i < max(onset + 30, raised + 1). A window is judged once, causally, and never again.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from watchglass.monitor import conformal, ted
from watchglass.monitor.effects import Moved, moved
from watchglass.monitor.functionals import FEWEST_ROWS, Table, table
from watchglass.monitor.seasons import affordable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from watchglass.profile.histories import ColumnHistory

Guarantee = Literal["default", "exact"]
FEWEST_REFERENCE = 28
REBASED = 30  # windows of the new reference after an alert
SURE = 0.95
SHOWN = 12  # columns listed on a finding


@dataclass(frozen=True, slots=True)
class DriftState:
    """Where a drift monitor stands, in window indices; `previous` is (start, end, wanted) before the last alert.

    The reference [start, end) needs `wanted` windows with data: `end` moves on past days without. Windows before
    `since` were judged against another reference, and do not count against this one.
    """

    start: int
    end: int
    judged: int
    previous: tuple[int, int, int] | None = None
    wanted: int = REBASED
    since: int = 0

    @classmethod
    def fresh(cls, reference: int) -> DriftState:
        """Begin with a burn-in of so many windows."""
        return cls(0, reference, 0, wanted=reference)

    def armed(self, window: int) -> bool:
        """Say whether alarms are armed at a window."""
        return window >= self.end

    def put_back(self, window: int) -> DriftState:
        """Take the reference before the last alert again: what had changed has been mended. Judging goes on after `window`.

        Also when the monitor was armed meanwhile: what it learnt since the alert is the fault.
        """
        if self.previous is None:
            return self
        start, end, wanted = self.previous
        judged = max(self.judged, window + 1)
        return DriftState(start, end, judged, wanted=wanted, since=judged)

    def to_json(self) -> str:
        """Write the state."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> DriftState:
        """Read a state back."""
        raw = json.loads(text)
        return cls(**{**raw, "previous": tuple(raw["previous"]) if raw["previous"] else None})


@dataclass(frozen=True, slots=True)
class DriftFinding:
    """What a window says: `evidence` in units of the alarm level, `strip` the worst column in times its own limit.

    While a monitor learns anew, a window is held against the reference before and `judged` is False: it alarms nothing.
    """

    window: int
    violated: bool
    evidence: float
    strip: float
    onset: int
    onset_low: int
    onset_high: int
    columns: tuple[Moved, ...]
    judged: bool = True


class Reference(NamedTuple):
    """What a reference gave: functionals of all windows, which of it have rows, what was learnt (None: nothing), what is known beside."""

    made: Table
    used: NDArray[np.int64]
    learnt: ted.Learnt | None
    about: ted.Circumstances


class DriftMonitor:
    """The drift monitor of one model over its histories; `state` is all that it must remember between runs.

    `unknown` says why the last window asked for was not judged; it is empty when it was.
    """

    def __init__(
        self,
        columns: Sequence[ColumnHistory],
        state: DriftState,
        *,
        windows_per_false_alert: float = 365.0,
        guarantee: Guarantee = "default",
        covariates: NDArray[np.float64] | None = None,
    ) -> None:
        """Take up judging at `state`; T = windows a year / false alerts a year.

        `covariates` (W, p) of all windows, a constant first (`seasons.covariates`), enter the default detector's
        regression, as many as the reference can tell. The exact one ranks windows as they are, and takes none.
        """
        self.state = state
        self.unknown = ""
        self._columns = tuple(columns)
        self._log_alarm = math.log(2 * windows_per_false_alert)
        self._exact = guarantee == "exact"
        self._covariates = covariates
        self._learnt: dict[tuple[int, int], Reference] = {}
        self._ranked: dict[tuple[int, int, int], tuple[int, conformal.Running]] = {}

    def _reference(self, start: int, end: int) -> Reference:
        """Learn from a reference, once for each."""
        if (start, end) not in self._learnt:
            asked = np.arange(start, end)
            made = table(self._columns, asked)
            used = asked[made.there[asked]]
            known = np.ones((len(made.rows), 1)) if self._covariates is None else self._covariates
            about = ted.Circumstances(affordable(known, len(used)), made.rows)
            learnt = ted.learn(made.z[used], made.floor, circumstances=about.at(used)) if len(used) else None
            self._learnt = {
                **dict(list(self._learnt.items())[-1:]),
                (start, end): Reference(made, used, learnt, about),
            }
        return self._learnt[start, end]

    def step(self, window: int) -> DriftFinding | None:
        """Judge one closed window; None while learning first, where there are no rows, or when it was judged before."""
        self.unknown = self._not_to_judge(window)
        if self.unknown:
            return None
        self.state = replace(self.state, judged=window + 1)
        if not self.state.armed(window):
            self.unknown = f"learning: window {window} of a reference that ends before window {self.state.end}"
            self.state = self._filled(self.state, window)
            return self._seen_while_learning(window)
        finding = self._weigh((self.state.start, self.state.end), max(self.state.end, self.state.since), window)
        if finding is not None and finding.violated:
            end = max(finding.onset + REBASED, window + 1)
            held = (self.state.start, self.state.end, self.state.wanted)
            self.state = self._filled(DriftState(finding.onset, end, window + 1, held), window)
        return finding

    def _not_to_judge(self, window: int) -> str:
        if not self._columns:
            return "unknown, because the model has no columns that are judged"
        if window >= len(self._columns[0].counts):
            return f"unknown, because window {window} is not counted yet; the last one is {len(self._columns[0].counts) - 1}"
        return f"window {window} was judged before" if window < self.state.judged else ""

    def _weigh(self, reference: tuple[int, int], since: int, window: int) -> DriftFinding | None:
        """Weigh the windows [since, window] against a reference; None without enough of it, or without rows in the window."""
        made, used, learnt, about = self._reference(*reference)
        if learnt is None or len(used) < FEWEST_REFERENCE:
            self.unknown = (
                f"unknown, because the reference has {len(used)} windows with rows; {FEWEST_REFERENCE} would do"
            )
            return None
        if not made.there[window]:
            self.unknown = f"unknown, because the window has {made.rows[window]:g} rows; {FEWEST_ROWS} would do"
            return None
        after = np.arange(since, window + 1)
        after = after[made.there[after]]
        found = ted.evidence(learnt, made.z[after], circumstances=about.at(np.concatenate([used, after])))
        if self._exact:
            found = replace(found, log_sr=self._exactly(reference, made, used, after))
        log_odds = np.log(made.weight) + found.log_sr - self._log_alarm
        return self._finding(window, (made, used, after), found, log_odds)

    def _exactly(
        self, reference: tuple[int, int], made: Table, used: NDArray[np.int64], after: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Give the exact detector's log SR, going on from where it stood; onsets are the other's, which are surer."""
        key = (*reference, int(after[0]))
        done, running = self._ranked.get(key, (0, conformal.begin(conformal.learn(made.z[used], seed=reference[0]))))
        for place in after[done:]:
            running = conformal.step(running, made.z[place])
        self._ranked = {**dict(list(self._ranked.items())[-1:]), key: (len(after), running)}
        return conformal.log_sr(running)

    def _seen_while_learning(self, window: int) -> DriftFinding | None:
        """Tell how far a window lies from the reference before the last alert; it alarms nothing."""
        if self.state.previous is None or window < self.state.start:
            return None
        start, end, _ = self.state.previous
        seen = self._weigh((start, end), self.state.start, window)
        return None if seen is None else replace(seen, judged=False, violated=False, columns=())

    def _filled(self, state: DriftState, window: int) -> DriftState:
        """Move the end of a reference that is due at the next window, but had days without data, by what it lacks."""
        if window + 1 < state.end:
            return state
        rows = [
            column.counts[state.start : window + 1].sum(axis=1) + column.missing[state.start : window + 1]
            for column in self._columns
        ]
        lacking = state.wanted - int((np.max(rows, axis=0) >= FEWEST_ROWS).sum())
        return replace(state, end=window + 1 + lacking) if lacking > 0 else state

    def _finding(
        self,
        window: int,
        weighed: tuple[Table, NDArray[np.int64], NDArray[np.int64]],
        found: ted.Evidence,
        log_odds: NDArray[np.float64],
    ) -> DriftFinding:
        made, used, after = weighed
        best = int(np.argmax(log_odds))
        low, onset, high = onset_interval(found, best)
        violated = bool(log_odds[best] >= 0)
        strip = float(np.max(np.log1p(np.exp(found.log_sr)) / np.log1p(np.exp(self._log_alarm) / made.weight)))
        columns: tuple[Moved, ...] = ()
        if violated:
            since = after[found.starts[onset_index(found, best)] :]
            columns = ranked(self._columns, made, used, since, log_odds, self._log_alarm)[:SHOWN]
        return DriftFinding(
            window,
            violated,
            float(np.exp(min(log_odds[best], 700.0))),
            strip,
            int(after[onset]),
            int(after[low]),
            int(after[high]),
            columns,
        )


def onset_index(found: ted.Evidence, functional: int) -> int:
    """Give the position, among the starts tried, of the start with most evidence."""
    return int(np.argmax(found.log_bf[:, functional]))


def onset_interval(found: ted.Evidence, functional: int) -> tuple[int, int, int]:
    """Give (low, onset, high): the start with most evidence, within the starts that hold 95 % of it; counts after the reference."""
    log_bf = found.log_bf[:, functional]
    mass = np.exp(log_bf - log_bf.max())
    order = np.argsort(-mass, kind="stable")
    enough = int(np.searchsorted(np.cumsum(mass[order]) / mass.sum(), SURE)) + 1
    held = found.starts[order[:enough]]
    return int(held.min()), int(found.starts[order[0]]), int(held.max())


def ranked(
    columns: Sequence[ColumnHistory],
    made: Table,
    used: NDArray[np.int64],
    since: NDArray[np.int64],
    log_odds: NDArray[np.float64],
    log_alarm: float,
) -> tuple[Moved, ...]:
    """List the columns, each by its functional with most evidence: the surest first, of equals the one that moved most."""
    best: dict[int, int] = {}
    for index in np.argsort(-log_odds, kind="stable"):
        best.setdefault(made.functionals[index].column, int(index))
    found = [
        (
            round(float(log_odds[index]), 6),
            moved(columns[column], made, index, (used, since), (float(log_odds[index]), log_alarm)),
        )
        for column, index in best.items()
    ]
    return tuple(column for _, column in sorted(found, key=lambda item: (-item[0], -abs(item[1].effect))))
