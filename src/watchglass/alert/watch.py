"""The history of one model → its windows judged in order, each once, with what was known when it closed.

Live and replayed history take the same path: window by window the drift monitor, the labelled performance of the
window whose labels are due, then the lifecycle of the incidents. Only the newest window tells open incidents anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from watchglass.alert import lifecycle
from watchglass.alert.accounts import Known, account
from watchglass.explain import wording
from watchglass.monitor.accuracy import accuracy, recovered
from watchglass.monitor.drift import DriftMonitor, DriftState
from watchglass.monitor.performance import PerformanceMonitor, PerformanceState
from watchglass.records import ColumnEvidence, Incident, Verdict, main_slice
from watchglass.store import judgements
from watchglass.store.judgements import Judged
from watchglass.store.transactions import writing

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Engine

    from watchglass.monitor.drift import DriftFinding
    from watchglass.monitor.performance import PerformanceFinding
    from watchglass.records import Kind, VerdictStatus
    from watchglass.store.folder import Folder
    from watchglass.store.histories import History
    from watchglass.store.leases import Lease
    from watchglass.store.models import Model

DAY = timedelta(days=1)
RECENT = 3  # labelled windows in a row that must have recovered
BATCH = 50  # windows a transaction, where nothing is raised


@dataclass(slots=True, eq=False)
class Watch:
    """The state of judging one model in one environment, from one window to the next."""

    folder: Folder
    engine: Engine
    model: Model
    history: History
    drift: DriftMonitor
    performance: PerformanceMonitor
    incidents: list[Incident]
    _judged: list[Judged] = field(default_factory=list)
    _changed: set[int] = field(default_factory=set)

    @classmethod
    def take_up(cls, folder: Folder, engine: Engine, model: Model, history: History) -> Watch:
        """Take up judging where it was left; `incidents` are all of this model, oldest first."""
        windows = 365 / model.false_alerts_per_year
        with engine.connect() as connection:
            kept = [
                judgements.monitor_state(connection, model.name, history.environment, kind)
                for kind in ("drift", "performance")
            ]
        drift = DriftState.from_json(kept[0]) if kept[0] else DriftState.fresh(model.reference)
        performance = PerformanceState.from_json(kept[1]) if kept[1] else PerformanceState(model.reference)
        incidents = [
            item for item in judgements.incidents(engine, model.name) if item.environment == history.environment
        ][::-1]
        return cls(
            folder,
            engine,
            model,
            history,
            DriftMonitor(history.columns, drift, windows_per_false_alert=windows),
            PerformanceMonitor(history.labels, performance, windows_per_false_alert=windows),
            incidents,
        )

    @property
    def delay(self) -> int:
        """Windows after which a window's labels are due."""
        return -(-self.model.label_delay // DAY)

    def next_window(self) -> int:
        """Give the first window that has something to judge: its own drift, or the labels due in it."""
        return min(self.drift.state.judged, self.performance.state.judged + self.delay)

    def known(self, window: int) -> Known:
        """Give what an account at a window is made from."""
        return Known(self.folder, self.engine, self.history, window)

    def step(self, window: int, lease: Lease, *, newest: bool) -> None:
        """Judge one closed window and let incidents follow."""
        closed = self.known(window).time(window) + DAY
        found = self.drift.step(window)
        if found is not None:
            self._keep(self._drift_verdict(found, closed), found.strip)
            if found.violated:
                self._raise_drift(found, window, closed)
        fallen = self.performance.step(window - self.delay, window) if window >= self.delay else None
        if fallen is not None:
            self._keep(self._fall_verdict(fallen, closed), None)
            if fallen.violated:
                self._raise_fall(fallen, window, closed)
        self._end(window, closed)
        if newest:
            for item in [item for item in self.incidents if item.state in lifecycle.ACTIVE]:
                self._tell(item, window)
        if newest or self._changed or len(self._judged) >= BATCH:
            self.save(lease)

    def _keep(self, verdict: Verdict, strip: float | None) -> None:
        self._judged.append(Judged(verdict, strip))

    def _verdict(self, kind: Kind, window: int, closed: datetime, *, violated: bool, evidence: float) -> Verdict:
        status: VerdictStatus = "violated" if violated else "met"
        return Verdict(
            self.model.name, self.history.environment, kind, self.known(window).time(window), closed, status, evidence
        )

    def _drift_verdict(self, found: DriftFinding, closed: datetime) -> Verdict:
        verdict = self._verdict("drift", found.window, closed, violated=found.violated, evidence=found.evidence)
        if not found.judged:
            return replace(verdict, status="unknown")
        return (
            replace(verdict, onset=self.known(found.window).time(found.onset), columns=self._columns(found))
            if found.violated
            else verdict
        )

    def _fall_verdict(self, found: PerformanceFinding, closed: datetime) -> Verdict:
        verdict = self._verdict("performance", found.window, closed, violated=found.violated, evidence=found.evidence)
        return (
            replace(verdict, onset=self.known(found.window).time(found.onset), slice=found.slice)
            if found.violated
            else verdict
        )

    def _columns(self, found: DriftFinding) -> tuple[ColumnEvidence, ...]:
        onset = self.known(found.window).time(found.onset)
        return tuple(
            ColumnEvidence(
                item.name,
                item.evidence,
                onset,
                item.aspect,
                item.effect,
                item.unit,
                item.before,
                item.after,
                item.value,
                item.smallest,
            )
            for item in found.columns
        )

    def _new(self, kind: Kind, found: DriftFinding | PerformanceFinding, window: int, closed: datetime) -> Incident:
        """Open an incident under the next number; it is kept with the window's verdicts, whole or not at all."""
        with self.engine.connect() as connection:
            kept = judgements.newest_number(connection)
        known = self.known(window)
        onset = known.time(found.onset)
        opened = Incident(
            id=1 + max([kept, *(item.id for item in self.incidents)]),
            model=self.model.name,
            environment=self.history.environment,
            kind=kind,
            severity="notice" if kind == "drift" else "page",
            state="open",
            onset=onset,
            onset_low=known.time(found.onset_low),
            onset_high=known.time(found.onset_high),
            raised=closed,
            closed=None,
            title="",
            sentence="",
            evidence=found.evidence,
        )
        opened = lifecycle.noted(opened, onset, "Onset, estimated when it was raised", "onset")
        self.incidents.append(opened)
        return opened

    def _raise_drift(self, found: DriftFinding, window: int, closed: datetime) -> None:
        columns = self._columns(found)
        onset = self.known(window).time(found.onset)
        home = lifecycle.home_of_drift(self.incidents, onset, columns)
        if home is not None and lifecycle.is_recovery(home, onset, columns):
            text = f"Drift of {', '.join(column.name for column in columns[:3])}: the data moved back with the recovery"
            self._put(lifecycle.noted(home, closed, text, "note"))
            return
        item = home or self._new("drift", found, window, closed)
        odds = self._odds("drift", found.onset)
        item = replace(
            item, columns=item.columns or columns, charts=replace(item.charts, odds=item.charts.odds or odds)
        )
        text = (
            f"Drift of {', '.join(column.name for column in columns[:3])}: evidence {found.evidence:.3g} times the alarm level"
            + ("" if home else "; a notice")
        )
        self._tell(lifecycle.noted(item, closed, text, "raised"), window)

    def _raise_fall(self, found: PerformanceFinding, window: int, closed: datetime) -> None:
        known = self.known(window)
        home = lifecycle.home_of_fall(self.incidents, found.slice, known.time(found.onset))
        item = home or self._new("performance", found, window, closed)
        words = wording.tags(found.slice)
        if home is not None and home.severity != "page":
            item = replace(lifecycle.escalated(item), evidence=max(item.evidence, found.evidence))
            item = replace(
                item,
                onset=known.time(found.onset),
                onset_low=known.time(found.onset_low),
                onset_high=known.time(found.onset_high),
            )
            item = replace(item, charts=replace(item.charts, odds=()))
            item = lifecycle.noted(item, closed, f"Accuracy of {words} fell: severity raised to page", "escalated")
        else:
            item = lifecycle.noted(
                item, closed, f"Accuracy of {words} fell: evidence {found.evidence:.3g} times the alarm level", "raised"
            )
        if not item.charts.odds:
            item = replace(item, charts=replace(item.charts, odds=self._odds("performance", found.onset)))
        self._tell(item, window)

    def _odds(self, kind: Kind, onset: int) -> tuple[tuple[datetime, float], ...]:
        """Give the evidence by window around an onset, kept verdicts and those of this run together."""
        since = self.known(onset).time(max(0, onset - 20))
        with self.engine.connect() as connection:
            kept = judgements.odds(connection, self.model.name, self.history.environment, kind, since)
        fresh = [
            (item.verdict.window, item.verdict.evidence)
            for item in self._judged
            if item.verdict.kind == kind and item.verdict.window >= since
        ]
        return tuple(sorted({**dict(kept), **dict(fresh)}.items()))

    def _tell(self, item: Incident, window: int, until: int | None = None) -> Incident:
        """Tell an incident with what is known now, and put it in its place."""
        known = replace(self.known(window), until=until)
        told = account(known, item, [other for other in self.incidents if other.id != item.id])
        if cause := wording.likely(told.causes):
            inputs = "".join(f"; reads {name}@{version[:8]}" for name, version in cause.artifacts)
            told = lifecycle.noted(told, cause.time, f"First run of {cause.what}{inputs}", "cause")
        self._put(told)
        return told

    def _put(self, item: Incident) -> None:
        place = next(index for index, other in enumerate(self.incidents) if other.id == item.id)
        self.incidents[place] = item
        self._changed.add(item.id)

    def _end(self, window: int, closed: datetime) -> None:
        """Close what has ended: notices when drift is armed again, pages when their slice has recovered."""
        for item in [item for item in self.incidents if item.state in lifecycle.ACTIVE]:
            if item.severity == "page":
                self._end_page(item, window, closed)
            elif item.raised < closed and self.drift.state.armed(window + 1):
                told = self._tell(item, window)
                self._put(
                    lifecycle.close(told, closed, "Closed: the monitor has learnt the new data and is armed again")
                )

    def _end_page(self, item: Incident, window: int, closed: datetime) -> None:
        known = self.known(window)
        fallen = known.fallen(item)
        chosen = main_slice(item.slices)
        due = np.flatnonzero((fallen.of(chosen, fallen.after)[0] > 0) & (fallen.after <= window - self.delay))
        if len(due) <= RECENT or item.before is None:
            return
        last, first = due[-1], due[-RECENT]
        during = accuracy(*fallen.of(chosen, fallen.after[: due[-RECENT]]))
        recent = fallen.of(chosen, fallen.after[due[-RECENT:]])
        if not during.rows or not recovered(item.before, during, recent):
            return
        back = int(fallen.after[first])
        told = self._tell(item, window, until=back)
        bill = (
            f"; the bill: {told.impact.days} days, {told.impact.wrong:.0f} more wrong predictions than expected"
            if told.impact
            else ""
        )
        self._put(lifecycle.close(told, closed, f"Recovered since {known.time(back):%Y-%m-%d}{bill}", known.time(back)))
        self.performance.state = self.performance.state.recover(int(fallen.after[last]))
        self._end_echoes(told, known.time(back), window, closed)

    def _end_echoes(self, page: Incident, back: datetime, window: int, closed: datetime) -> None:
        """Close notices of the recovery itself: the data that moved back is no new event; the old reference holds again."""
        known = self.known(window)
        for item in [
            item
            for item in self.incidents
            if item.state in lifecycle.ACTIVE and item.severity == "notice" and lifecycle.near(item, back)
        ]:
            self._put(lifecycle.close(item, closed, f"Closed: the recovery of incident {page.id}"))
        learnt = known.time(self.drift.state.start)
        if page.onset_low - lifecycle.NEAR <= learnt <= back + lifecycle.NEAR:  # what was learnt then is the fault
            self.drift.state = self.drift.state.put_back(window)

    def save(self, lease: Lease) -> None:
        """Keep states, verdicts and changed incidents in one transaction; raises `LeaseLost`, then nothing is kept."""
        name, environment = self.model.name, self.history.environment
        with writing(self.engine) as transaction:
            lease.check(transaction)
            judgements.keep_monitor(transaction, name, environment, "drift", self.drift.state.to_json())
            judgements.keep_monitor(transaction, name, environment, "performance", self.performance.state.to_json())
            judgements.keep_verdicts(transaction, self._judged)
            for item in self.incidents:
                if item.id in self._changed:
                    judgements.keep_incident(transaction, item)
        self._judged.clear()
        self._changed.clear()
