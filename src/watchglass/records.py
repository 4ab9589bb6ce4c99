"""The nouns: frozen records that every answer is made of, and the plain types they are made from.

Times are aware datetimes in UTC; shares and performance lie between 0 and 1; windows are half-open and
named by their start.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, NewType, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

ModelName = NewType("ModelName", str)
RunId = NewType("RunId", str)

Json: TypeAlias = "None | bool | int | float | str | list[Json] | dict[str, Json]"
Time: TypeAlias = "datetime | str | int | float"
Slice: TypeAlias = "tuple[tuple[str, str], ...]"
"""Tag and value pairs sorted by tag; the empty tuple is all rows."""

Severity = Literal["notice", "warning", "page"]
State = Literal["open", "acknowledged", "muted", "resolved"]
Kind = Literal["drift", "performance", "quality", "contract", "system"]
Health = Literal["Healthy", "Drifting", "Degraded", "Learning", "No data", "No labels yet"]
VerdictStatus = Literal["met", "violated", "unknown"]
Status = Literal["running", "ok", "error", "crashed"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its interval at 95 % and the rows behind it; `value` is NaN when there are none."""

    value: float
    low: float
    high: float
    rows: int


@dataclass(frozen=True, slots=True)
class Read:
    """A run read or wrote an artifact version, and by which rule that is known."""

    name: str
    version: str | None
    rule: Literal["content", "time", "declared"]
    time: datetime


Write = Read


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a component."""

    id: RunId
    component: str
    version: str | None
    parent: RunId | None
    started: datetime
    ended: datetime | None
    status: Status
    error: str | None
    params: dict[str, object]
    reads: tuple[Read, ...]
    writes: tuple[Write, ...]


@dataclass(frozen=True, slots=True)
class ColumnEvidence:
    """One column of a drift verdict: how sure, how far, and what would have been seen.

    `evidence` is odds against chance in units of the alarm level (1 = the alarm). `effect` is in standard
    deviations of the reference for a number (`unit` "sd"), in share for a category or missing values
    (`unit` "share"). `before` and `after` are means, or the shares of `value`.
    """

    name: str
    evidence: float
    onset: datetime
    aspect: str
    effect: float
    unit: Literal["sd", "share"]
    before: float
    after: float
    value: str | None = None
    smallest: float | None = None


@dataclass(frozen=True, slots=True)
class SliceEvidence:
    """A slice before and since the onset, against the rest of the rows.

    `excess` is how much more it fell than the rest (positive = worse), with its interval corrected for the
    number of slices looked at. `role`: "the slice", "carried" (falls only through the slice), "as before".
    """

    slice: Slice
    before: Estimate
    after: Estimate
    excess: Estimate
    role: Literal["the slice", "carried", "as before"]
    reason: str


def main_slice(slices: Iterable[SliceEvidence]) -> Slice:
    """Give the slice that ranked evidence is about; all rows when none stands out."""
    return next((found.slice for found in slices if found.role == "the slice"), ())


@dataclass(frozen=True, slots=True)
class Check:
    """One criterion that a candidate cause was held against."""

    name: Literal["in time", "on the path", "dose", "only the slice"]
    passed: bool
    score: float
    evidence: str


@dataclass(frozen=True, slots=True)
class Cause:
    """A change before the onset, with its weight among all candidates (weights add to at most 1)."""

    what: str
    kind: Literal["component version", "artifact version", "deployment"]
    name: str
    version: str
    time: datetime
    run: RunId | None
    artifacts: tuple[tuple[str, str], ...]
    weight: float
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class RuledOut:
    """Something that could have been the cause and is not, with the reason."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Impact:
    """The bill: how many more wrong predictions than expected, over how many predictions and days."""

    wrong: float
    low: float
    high: float
    predictions: int
    days: int


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One line of an incident's history."""

    time: datetime
    text: str
    kind: Literal["change", "onset", "raised", "label", "escalated", "resolved", "note", "cause"]


@dataclass(frozen=True, slots=True)
class Point:
    """One window of a series: its start and an estimate."""

    time: datetime
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Histogram:
    """Shares per bin, reference beside current; `edges` has one more entry than the shares, or `values` names them."""

    column: str
    edges: tuple[float, ...]
    values: tuple[str, ...]
    reference: tuple[float, ...]
    current: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """The evidence of an incident as it was when last judged: what the charts draw.

    `slice_performance` and `other_performance` are daily; `odds` is the evidence of the first column (or of the
    performance) by window in units of the alarm level.
    """

    slice_performance: tuple[Point, ...] = ()
    other_performance: tuple[Point, ...] = ()
    histogram: Histogram | None = None
    odds: tuple[tuple[datetime, float], ...] = ()


@dataclass(frozen=True, slots=True)
class NextStep:
    """What to do, in a sentence, and the commands that show or do it."""

    text: str
    commands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """A clause or monitor at a window: met, violated or unknown, with its evidence.

    `evidence` is the largest odds in units of the alarm level. A performance verdict names its `slice`.
    """

    model: str
    environment: str
    kind: Kind
    window: datetime
    judged: datetime
    status: VerdictStatus
    evidence: float
    onset: datetime | None = None
    columns: tuple[ColumnEvidence, ...] = ()
    slice: Slice = ()
    before: Estimate | None = None
    after: Estimate | None = None


@dataclass(frozen=True, slots=True)
class Incident:
    """Verdicts that belong together: what, since when, how sure, how bad, why, what next."""

    id: int
    model: str
    environment: str
    kind: Kind
    severity: Severity
    state: State
    onset: datetime
    onset_low: datetime
    onset_high: datetime
    raised: datetime
    closed: datetime | None
    title: str
    sentence: str
    evidence: float
    columns: tuple[ColumnEvidence, ...] = ()
    slices: tuple[SliceEvidence, ...] = ()
    causes: tuple[Cause, ...] = ()
    ruled_out: tuple[RuledOut, ...] = ()
    impact: Impact | None = None
    before: Estimate | None = None
    after: Estimate | None = None
    fall: Estimate | None = None
    timeline: tuple[TimelineEntry, ...] = ()
    next_steps: tuple[NextStep, ...] = ()
    charts: Evidence = field(default_factory=Evidence)
    owner: str | None = None
    seen: bool = False


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A model as the first page shows it: health, why, performance and drift by day, volume, label lag."""

    name: str
    version: str | None
    environment: str
    health: Health
    sentence: str
    incident: int | None
    performance: Estimate | None
    metric: str
    limit: float | None
    series: tuple[Point, ...]
    drift: tuple[tuple[datetime, float | None], ...]
    onset: datetime | None
    predictions_a_day: float
    label_lag_days: float | None
    windows: int
    armed_after: int
    first: datetime | None
    last: datetime | None
