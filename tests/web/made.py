"""A seed → records as the store gives them, made by hand, and an object that answers with them as a store does."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Never

from watchglass.errors import UnknownName
from watchglass.records import (
    Cause,
    Check,
    ColumnEvidence,
    Estimate,
    Evidence,
    Histogram,
    Impact,
    Incident,
    ModelStatus,
    NextStep,
    Point,
    RuledOut,
    SliceEvidence,
    TimelineEntry,
)
from watchglass.store.artifacts.known import Artifacts
from watchglass.store.lineage.flags import Flags
from watchglass.store.lineage.review import Review
from watchglass.store.overview import Overview
from watchglass.store.runs.components import Components
from watchglass.store.runs.listing import Runs
from watchglass.store.subjects.saying import Subjects

DAY = timedelta(days=1)
FIRST = datetime(2026, 4, 23, tzinfo=UTC)
END = datetime(2026, 6, 22, tzinfo=UTC)
ONSET = datetime(2026, 6, 12, tzinfo=UTC)
DAYS = 60
SCRIPT = "<script>alert(1)</script>"
LONG = "a_model_with_a_name_as_long_as_people_make_them_in_big_firms"
HARBOUR = (("site", "harbour"),)


def estimate(value: float, rows: int) -> Estimate:
    half = 1.96 * math.sqrt(max(value * (1 - value), 1e-4) / rows)
    return Estimate(value, max(value - half, 0), min(value + half, 1), rows)


def days(level: float, rows: int, draw: random.Random, fall: float = 0.0, last: int = DAYS) -> tuple[Point, ...]:
    points = []
    for i in range(DAYS):
        when = FIRST + i * DAY
        true = level - (fall if when >= ONSET else 0)
        value = true + draw.gauss(0, math.sqrt(true * (1 - true) / rows))
        points.append(
            Point(when, estimate(min(value, 1), rows) if i < last else Estimate(math.nan, math.nan, math.nan, 0))
        )
    return tuple(points)


def strip(draw: random.Random, steps: dict[int, float]) -> tuple[tuple[datetime, float | None], ...]:
    level, out = 0.45, []
    for i in range(DAYS):
        level = steps.get(i, level)
        out.append((FIRST + i * DAY, abs(level * draw.lognormvariate(0, 0.16))))
    return tuple(out)


def status(name: str, health: str = "Healthy", **changes: object) -> ModelStatus:
    draw = random.Random(name)
    given: dict[str, object] = {
        "name": name,
        "version": "3",
        "environment": "live",
        "health": health,
        "sentence": "Performance and all 48 columns as in the reference.",
        "incident": None,
        "performance": estimate(0.931, 4000),
        "metric": "accuracy",
        "limit": 0.9,
        "series": days(0.935, 1500, draw, last=58),
        "drift": strip(draw, {}),
        "onset": None,
        "predictions_a_day": 1160.4,
        "label_lag_days": 1.83,
        "windows": 113,
        "armed_after": 60,
        "first": FIRST - 53 * DAY,
        "last": END,
    }
    return ModelStatus(**(given | changes))


def digits() -> ModelStatus:
    draw = random.Random(7)
    return status(
        "digits",
        "Degraded",
        sentence="Accuracy fell by 4.98 points on 12 June, only for site = harbour. Likely cause: clean, version 2.",
        incident=17,
        performance=estimate(0.904, 8120),
        limit=0.93,
        series=days(0.957, 1160, draw, fall=0.052, last=57),
        drift=strip(draw, {31: 1.8, 50: 3.4, 59: 4.6}),
        onset=ONSET,
    )


def models() -> list[ModelStatus]:
    draw = random.Random(3)
    nothing = Estimate(math.nan, math.nan, math.nan, 0)
    quiet = strip(draw, {})
    return [
        digits(),
        status(
            "elec-price",
            "No data",
            sentence="No prediction since 21 June 14:10Z; one came every 3 minutes before.",
            incident=18,
            performance=None,
            last=END - timedelta(hours=9, minutes=50),
            drift=(*quiet[:-2], (quiet[-2][0], None), (quiet[-1][0], None)),
            onset=END - DAY,
            predictions_a_day=0.0,
            label_lag_days=0.25,
        ),
        status(
            "invoice-fields",
            "Drifting",
            sentence="The share of language = nl rose from 8.10 % to 21.4 % on 9 June; no loss of accuracy is shown.",
            incident=15,
            series=days(0.945, 400, draw),
            drift=strip(draw, {47: 2.1}),
            onset=datetime(2026, 6, 9, tzinfo=UTC),
            predictions_a_day=5210.0,
        ),
        status(
            "churn",
            "No labels yet",
            sentence="14 060 predictions, and no label yet: whether it is right is not known.",
            performance=nothing,
            series=(),
            label_lag_days=None,
            limit=None,
            predictions_a_day=12400.0,
        ),
        status(
            "leaf-disease",
            "Learning",
            sentence="22 of 60 windows seen; drift alarms are armed on 30 July.",
            series=status("leaf").series[38:],
            drift=tuple((when, None if i < 38 else value) for i, (when, value) in enumerate(quiet)),
            windows=22,
            first=FIRST + 38 * DAY,
        ),
        status("fraud", predictions_a_day=184000.0, label_lag_days=21.0),
        status(LONG, sentence="Performance as in the reference."),
    ]


def checks(*found: tuple[bool, str]) -> tuple[Check, ...]:
    names = ("in time", "on the path", "dose", "only the slice")
    return tuple(Check(n, ok, 0.9 if ok else 0.05, text) for n, (ok, text) in zip(names, found, strict=True))


def causes() -> tuple[Cause, ...]:
    return (
        Cause(
            "clean, version 2",
            "component version",
            "clean",
            "2",
            ONSET + timedelta(hours=2),
            "019eb98e4f1c7d21a6b03c55e1f20a11",
            (("site_scales", "3f1c08aa90b2c4d6e8f0a1b2c3d4e5f6"),),
            0.93,
            checks(
                (True, "reached the first predictions of the onset's window"),
                (True, "2 steps upstream"),
                (True, "share reached and share wrong go together, r = 0.91"),
                (True, "ink moved +1.85 sd in site = harbour, -0.05 sd outside"),
            ),
        ),
        Cause(
            "features, version 5",
            "component version",
            "features",
            "5",
            ONSET - 2 * DAY,
            "019eb0aa4f1c7d21a6b03c55e1f20a11",
            (("stroke_table", "77aa08aa90b2c4d6e8f0a1b2c3d4e5f6"),),
            0.05,
            checks(
                (False, "ran 2 windows and 491 predictions of site = harbour at 0.955 before the fall"),
                (True, "1 step upstream"),
                (False, "share reached and share wrong go together, r = 0.04"),
                (False, "slant moved +0.02 sd in site = harbour, +0.02 sd outside"),
            ),
        ),
        Cause(
            "gateway, version 12",
            "deployment",
            "gateway",
            "12",
            ONSET - timedelta(hours=8),
            None,
            (),
            0.01,
            checks(
                (True, "reached the first predictions of the onset's window"),
                (False, "not upstream of the affected predictions"),
                (False, "reached all windows alike"),
                (False, "no features to tell by"),
            ),
        ),
    )


def slices() -> tuple[SliceEvidence, ...]:
    return (
        SliceEvidence(
            HARBOUR,
            estimate(0.956, 7400),
            estimate(0.699, 1720),
            Estimate(0.257, 0.23, 0.284, 1720),
            "the slice",
            "falls most, and what is left without it is as before",
        ),
        SliceEvidence(
            (("channel", "post"),),
            estimate(0.957, 9100),
            estimate(0.878, 2300),
            Estimate(0.079, 0.055, 0.103, 2300),
            "carried",
            "without harbour it is 0.959, as before",
        ),
        SliceEvidence(
            (("site", "mill"),),
            estimate(0.961, 8800),
            estimate(0.963, 2010),
            Estimate(-0.002, -0.016, 0.012, 2010),
            "as before",
            "its interval holds zero",
        ),
        SliceEvidence(
            (("site", "market"),),
            estimate(0.959, 8300),
            estimate(0.957, 1950),
            Estimate(0.002, -0.012, 0.016, 1950),
            "as before",
            "its interval holds zero",
        ),
    )


def ink() -> Histogram:
    edges = (float("-inf"), *(round(0.03 * i, 2) for i in range(1, 32)), float("inf"))

    def shares(mean: float, sd: float) -> tuple[float, ...]:
        cdf = [0.5 * (1 + math.erf((edge - mean) / sd / math.sqrt(2))) for edge in edges]
        return tuple(b - a for a, b in pairwise(cdf))

    return Histogram("ink", edges, (), shares(0.305, 0.095), shares(0.481, 0.16))


def page() -> Incident:
    draw = random.Random(11)
    odds = [(FIRST + i * DAY, 0.002 * draw.lognormvariate(0, 0.8)) for i in range(31, 50)]
    odds += [(ONSET, 0.03), (ONSET + DAY, 0.4), (ONSET + 2 * DAY, 5.64)]
    return Incident(
        id=17,
        model="digits",
        environment="live",
        kind="performance",
        severity="page",
        state="open",
        onset=ONSET,
        onset_low=ONSET - DAY,
        onset_high=ONSET + DAY,
        raised=datetime(2026, 6, 14, 6, tzinfo=UTC),
        closed=None,
        title="accuracy of site = harbour fell from 0.956 to 0.699",
        sentence=(
            "Since 12 June 2026 digits gets 30.1 % of site = harbour wrong, 4.39 % before. "
            "Most likely because of clean, version 2, which read site_scales@3f1c08aa for the first time."
        ),
        evidence=5.64,
        columns=(
            ColumnEvidence("ink", 5.64, ONSET, "mean", 1.85, "sd", 0.305, 0.481, smallest=0.31),
            ColumnEvidence("stroke_width", 1.2, ONSET, "spread", 0.62, "sd", 2.1, 2.9, smallest=0.4),
        ),
        slices=slices(),
        causes=causes(),
        ruled_out=(
            RuledOut("the model", "no version was deployed in the fourteen days before the onset"),
            RuledOut("all other rows", "accuracy 0.960 before, 0.960 since"),
            RuledOut(
                "features, version 5", "ran 2 windows and 491 predictions of site = harbour at 0.955 before the fall"
            ),
            RuledOut("channel = post", "without site = harbour it is 0.959, as before"),
        ),
        impact=Impact(565, 493, 642, 2450, 10),
        before=estimate(0.957, 40000),
        after=estimate(0.904, 8120),
        fall=Estimate(-0.053, -0.06, -0.046, 8120),
        timeline=(
            TimelineEntry(ONSET - timedelta(hours=8), "gateway, version 12, deployed (ruled out)", "change"),
            TimelineEntry(
                ONSET + timedelta(hours=2), "First run of clean, version 2; reads site_scales@3f1c08aa", "cause"
            ),
            TimelineEntry(ONSET, "Onset, estimated later", "onset"),
            TimelineEntry(datetime(2026, 6, 14, 6, tzinfo=UTC), "Raised as drift of ink: a notice", "raised"),
            TimelineEntry(datetime(2026, 6, 14, 7, 40, tzinfo=UTC), "First labels of 12 June arrive", "label"),
            TimelineEntry(
                datetime(2026, 6, 16, 6, tzinfo=UTC),
                "Accuracy of harbour is lost: severity raised to page",
                "escalated",
            ),
        ),
        next_steps=(
            NextStep(
                "Correct the input. Look at site_scales@3f1c08aa, or go back to clean, version 1; then run clean and features again.",
                ("watchglass explain 17", "watchglass sql \"select * from runs where component = 'clean'\""),
            ),
            NextStep(
                "Expect accuracy of harbour back at 0.956; the incident resolves itself after three labelled days."
            ),
        ),
        charts=Evidence(
            slice_performance=days(0.956, 245, draw, fall=0.257, last=57),
            other_performance=days(0.96, 915, draw, last=57),
            histogram=ink(),
            odds=tuple(odds),
        ),
        owner="team vision",
    )


def notice() -> Incident:
    draw = random.Random(5)
    onset = datetime(2026, 5, 24, tzinfo=UTC)
    before = (0.098, 0.104, 0.1, 0.101, 0.099, 0.102, 0.1, 0.1, 0.097, 0.099)
    after = (0.089, 0.193, 0.09, 0.091, 0.089, 0.091, 0.09, 0.09, 0.088, 0.089)
    odds = tuple(
        (FIRST + i * DAY, 0.01 * draw.lognormvariate(0, 1) * (1 if i < 31 else 20 ** (i - 30))) for i in range(10, 34)
    )
    return Incident(
        id=16,
        model="digits",
        environment="live",
        kind="drift",
        severity="notice",
        state="acknowledged",
        onset=onset,
        onset_low=onset,
        onset_high=onset + DAY,
        raised=onset + timedelta(days=2, hours=6),
        closed=None,
        title="prediction 1 became common, 10.4 % to 19.3 %",
        sentence=(
            "On 24 May prediction 1 became common, 19.3 % instead of 10.4 %. No performance is lost: accuracy was 0.957 before "
            "and is 0.961 since."
        ),
        evidence=42.0,
        columns=(
            ColumnEvidence("prediction", 42.0, onset, "share", 0.089, "share", 0.104, 0.193, value="1", smallest=0.03),
        ),
        before=estimate(0.957, 30000),
        after=estimate(0.961, 11000),
        fall=Estimate(0.004, -0.001, 0.008, 11000),
        timeline=(
            TimelineEntry(onset, "Onset, estimated later", "onset"),
            TimelineEntry(onset + timedelta(days=2, hours=6), "Raised", "raised"),
        ),
        next_steps=(
            NextStep(
                "Nothing to do. The monitor takes the days from 24 May as its new reference.",
                ("watchglass explain 16",),
            ),
        ),
        charts=Evidence(
            slice_performance=days(0.957, 1160, draw, last=57),
            histogram=Histogram("prediction", (), tuple("0123456789"), before, after),
            odds=odds,
        ),
        seen=True,
    )


def bare() -> Incident:
    """A drift notice of a model without labels: nothing but a column."""
    onset = datetime(2026, 6, 9, tzinfo=UTC)
    return Incident(
        id=15,
        model="invoice-fields",
        environment="live",
        kind="drift",
        severity="notice",
        state="muted",
        onset=onset,
        onset_low=onset,
        onset_high=onset,
        raised=onset + 2 * DAY,
        closed=None,
        title="language = nl rose from 8.10 % to 21.4 %",
        sentence="Since 9 June language = nl is 21.4 % of the rows, 8.10 % before.",
        evidence=3.2,
        columns=(ColumnEvidence("language", 3.2, onset, "share", 0.133, "share", 0.081, 0.214, value="nl"),),
    )


def silent() -> Incident:
    onset = END - timedelta(hours=9, minutes=50)
    return Incident(
        id=18,
        model="elec-price",
        environment="live",
        kind="system",
        severity="warning",
        state="open",
        onset=onset,
        onset_low=onset,
        onset_high=onset,
        raised=onset + timedelta(minutes=50),
        closed=None,
        title="no prediction for 15.8 hours",
        sentence="elec-price went silent on 21 June 14:10Z.",
        evidence=math.inf,
    )


def resolved() -> Incident:
    found = page()
    return Incident(
        **{name: getattr(found, name) for name in found.__slots__}
        | {
            "id": 9,
            "state": "resolved",
            "closed": END,
            "severity": "page",
            "seen": True,
            "impact": Impact(412, 360, 470, 1980, 8),
            "sentence": "Resolved on 22 June: accuracy of site = harbour is back at 0.955. It cost 412 wrong predictions in 8 days.",
            "timeline": (
                *found.timeline,
                TimelineEntry(END, "Resolved: three labelled days above the midpoint", "resolved"),
            ),
        }
    )


def hostile() -> Incident:
    found = page()
    return Incident(
        **{name: getattr(found, name) for name in found.__slots__}
        | {
            "id": 21,
            "model": SCRIPT,
            "title": SCRIPT,
            "sentence": f"{SCRIPT} & <b>bold</b> & site = {SCRIPT}",
            "owner": SCRIPT,
            "slices": (
                SliceEvidence(
                    (("site", SCRIPT),), estimate(0.95, 900), estimate(0.7, 100), estimate(0.2, 90), "the slice", SCRIPT
                ),
            ),
            "columns": (ColumnEvidence(SCRIPT, 5.0, ONSET, SCRIPT, 0.1, "share", 0.1, 0.2, value=SCRIPT),),
            "charts": Evidence(
                slice_performance=found.charts.slice_performance,
                other_performance=found.charts.other_performance,
                histogram=Histogram(SCRIPT, (), (SCRIPT, 'x" onload="alert(1)'), (0.4, 0.6), (0.6, 0.4)),
                odds=found.charts.odds,
            ),
            "causes": (Cause(SCRIPT, "deployment", SCRIPT, SCRIPT, ONSET, None, ((SCRIPT, SCRIPT),), 0.9, ()),),
            "ruled_out": (RuledOut(SCRIPT, SCRIPT),),
            "timeline": (TimelineEntry(ONSET, SCRIPT, "note"),),
            "next_steps": (NextStep(SCRIPT, (SCRIPT,)),),
        }
    )


@dataclass
class Records:
    """Records in memory that answer as a store does."""

    statuses: list[ModelStatus] = field(default_factory=list)
    known: list[Incident] = field(default_factory=list)
    path: str = "watchglass-data"

    def models(self) -> list[ModelStatus]:
        return self.statuses

    def incidents(self, model: str | None = None, state: str | None = None) -> list[Incident]:
        return [i for i in self.known if model in {None, i.model} and state in {None, i.state}]

    def incident(self, id: int) -> Incident:  # noqa: A002 - the settled name
        for found in self.known:
            if found.id == id:
                return found
        names = [str(i.id) for i in self.known]
        raise UnknownName.named("incident", str(id), names, step="watchglass incidents")

    def runs(self, component=None, **asked) -> Runs:
        return Runs((), None)

    def run(self, id: str, *, predictions: bool = True) -> Never:  # noqa: A002 - the settled name
        raise UnknownName.named("run", id, [], step="watchglass runs")

    def components(self, tag=None, owner=None, **asked) -> Components:
        return Components((), None)

    def artifacts(self, name=None, **asked) -> Artifacts:
        return Artifacts((), None)

    def impact(self, of: str, version=None, depth=None, **asked) -> Never:
        raise UnknownName.named("artifact", of, [], step="watchglass runs")

    def flags(self, **asked) -> Flags:
        return Flags((), None)

    def review(self, limit: int = 50, after: int = 0, *, sample: int = 10_000) -> Review:
        return Review(0, 0, (), None, (), None)

    def stale_counts(self, runs) -> dict[str, int]:
        return {}

    def subjects(self, **asked) -> Subjects:
        return Subjects((), None)

    def last_window(self) -> datetime | None:
        return END if self.statuses else None

    def dropped(self) -> int:
        return 0

    def rejected(self) -> int:
        return 0

    def status(self) -> Overview:
        return Overview(
            path=self.path, predictions=0, labels=0, first=None, last=None, models=len(self.statuses), runs=0, artifacts=0,
            files=0, bytes=0, waiting_segments=0, waiting_bytes=0, rejected=0, dropped=3, drops=(("ENOSPC", 3),), open_incidents=0,
        )  # fmt: skip


def story() -> Records:
    return Records(models(), [page(), silent(), notice(), bare(), resolved()])


def empty() -> Records:
    return Records()


def attacked() -> Records:
    return Records(
        [status(SCRIPT, "Degraded", sentence=SCRIPT, incident=21, version=SCRIPT, metric=SCRIPT, onset=ONSET)],
        [hostile()],
    )
