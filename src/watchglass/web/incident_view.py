"""An incident → what its page says: the six answers, the way to the source, the causes, the slices, the commands."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from watchglass.explain.wording import likely
from watchglass.show import words
from watchglass.show.evidence import the_slice
from watchglass.show.run_words import short
from watchglass.web import urls

if TYPE_CHECKING:
    from watchglass.records import Cause, ColumnEvidence, Estimate, Incident, ModelStatus

_VERSION_SHOWN = 8
_HEADLINE = 44
_VERY_SURE, _SURE = 10.0, 2.0
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Answer:
    """One of the six: the question, the answer, what it rests on; `look` colours it, `link` leads on."""

    question: str
    answer: str
    detail: str
    look: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the way from the wrong predictions to their source."""

    kind: str
    name: str
    evidence: str
    code: bool = False
    link: str = ""
    title: str = ""


def six(incident: Incident, status: ModelStatus | None) -> tuple[Answer, ...]:
    """Answer what, since when, how sure, how bad, why, and what next."""
    return (
        _what(incident, status),
        _since(incident),
        _sure(incident),
        _bad(incident),
        _why(incident),
        _next(incident),
    )


def path(incident: Incident) -> tuple[Step, ...]:
    """Walk from the slice over the column, the component version and the run to the artifact version."""
    steps: list[Step] = []
    chosen = the_slice(incident)
    if chosen is not None:
        moved = f"performance {words.number(chosen.before.value)} → {words.number(chosen.after.value)}"
        steps.append(Step("Slice", words.slice_words(chosen.slice), moved, link="#h-slices"))
    cause = likely(incident.causes)
    if cause is None:
        return ()
    if incident.columns:
        column = incident.columns[0]
        steps.append(Step("Column", words.cut(column.name), column_words(column), link="#h-ev", title=column.name))
    return (*steps, *_from_cause(cause))


def column_words(column: ColumnEvidence) -> str:
    """Say how far a column moved."""
    if column.unit == "sd":
        means = f"{words.number(column.before)} → {words.number(column.after)}"
        return f"{column.aspect} moved {words.signed(column.effect)} sd, {means}"
    what = f"share of {column.value}" if column.value is not None else column.aspect
    return f"{what}: {words.percent(column.before)} → {words.percent(column.after)}"


def change_words(estimate: Estimate | None) -> str:
    """Write a change of performance with its interval, in points."""
    if estimate is None or math.isnan(estimate.value):
        return ""
    low, high = sorted((estimate.low, estimate.high))
    return f"{words.signed(estimate.value * 100)} points [{words.signed(low * 100)} to {words.signed(high * 100)}]"


def _from_cause(cause: Cause) -> list[Step]:
    checked = {check.name: check.evidence for check in cause.checks}
    steps = []
    if cause.kind != "artifact version":
        kind = "Component version" if cause.kind == "component version" else "Deployment"
        link = urls.component(cause.name) if cause.kind == "component version" else "#h-cause"
        steps.append(Step(kind, cause.what, checked.get("on the path", ""), link=link))
    if cause.run is not None:
        ran = f"{words.moment(cause.time)}, {checked.get('in time', 'before the onset')}"
        steps.append(Step("Run", short(cause.run), ran, code=True, link=urls.run(cause.run), title=cause.run))
    artifacts = cause.artifacts or (((cause.name, cause.version),) if cause.kind == "artifact version" else ())
    for name, version in artifacts[:1]:
        more = f"; {words.counted(len(artifacts) - 1, 'more', 'more')} with it" if len(artifacts) > 1 else ""
        shown = f"{words.cut(name, 24)}@{version[:_VERSION_SHOWN]}"
        kind = "Artifact version, the root"
        told = f"read for the first time{more}"
        steps.append(Step(kind, shown, told, code=True, link=urls.lineage(name, version), title=f"{name}@{version}"))
    return steps


def _what(incident: Incident, status: ModelStatus | None) -> Answer:
    chosen = the_slice(incident)
    before, after = (chosen.before, chosen.after) if chosen else (incident.before, incident.after)
    if incident.kind == "drift" and incident.severity != "page" and incident.columns:
        return _what_moved(incident.columns[0])
    if before is None or after is None or math.isnan(after.value):
        return _what_moved(incident.columns[0]) if incident.columns else Answer("What", incident.title, "")
    metric = status.metric.capitalize() if status else "Performance"
    detail = [f"at {words.slice_words(chosen.slice)} {words.interval(after)}" if chosen else words.interval(after)]
    if status is not None and status.performance is not None and chosen and status.performance.rows:
        detail.append(f"{words.number(status.performance.value)} over all rows now")
    if status is not None and status.limit is not None:
        detail.append(f"limit ≥ {words.number(status.limit)}")
    answer = f"{metric} {words.number(before.value)} → {words.number(after.value)}"
    return Answer("What", answer, "; ".join(filter(None, detail)), link="#h-slices" if chosen else "")


def _what_moved(column: ColumnEvidence) -> Answer:
    name = words.cut(column.name, 24)
    if column.unit == "sd":
        answer = f"{name} {words.number(column.before)} → {words.number(column.after)}"
        detail = f"{column.aspect} moved {words.signed(column.effect)} sd"
    else:
        subject = f"{name} = {words.cut(column.value, 20)}" if column.value is not None else f"{name}, {column.aspect}"
        answer = f"{subject}: {words.percent(column.before)} → {words.percent(column.after)}"
        detail = f"{words.signed(column.effect * 100)} points of the rows"
    if column.smallest is not None:
        least = words.number(column.smallest) if column.unit == "sd" else words.percent(column.smallest)
        detail += f"; the smallest step that could be seen was {least}" + (" sd" if column.unit == "sd" else "")
    return Answer("What", answer, detail)


def _since(incident: Incident) -> Answer:
    low, high = incident.onset_low, incident.onset_high
    between = f"between {words.days_between(low, high)} at 95 %; " if high - low >= _DAY else "to the day at 95 %; "
    return Answer(
        "Since", words.date(incident.onset, year=True), f"{between}raised {words.moment(incident.raised)}", link="#h-tl"
    )


def _sure(incident: Incident) -> Answer:
    evidence = incident.evidence
    said = "Past the alarm level"
    if evidence >= _VERY_SURE:
        said = "Very sure"
    elif evidence >= _SURE:
        said = "Sure"
    elif math.isnan(evidence):
        said = words.NONE
    elif evidence < 1:
        said = "Not sure"
    return Answer(
        "How sure", said, f"evidence {words.times_alarm(evidence)}" if not math.isnan(evidence) else "not kept"
    )


def _bad(incident: Incident) -> Answer:
    impact = incident.impact
    change = change_words(incident.fall)
    if impact is not None:
        bounds = f"[{words.count(impact.low)}–{words.count(impact.high)}]"
        a_day = words.number(impact.wrong / impact.days) if impact.days else words.NONE
        detail = f"{bounds}; of {words.counted(impact.predictions, 'prediction')} in {words.counted(impact.days, 'day')}, {a_day} a day"
        return Answer("How bad", f"{words.count(impact.wrong)} more wrong", detail, look="bad")
    if incident.fall is not None and incident.fall.rows:
        if incident.fall.low <= 0 <= incident.fall.high or incident.fall.value >= 0:
            return Answer("How bad", "No loss shown", f"performance {change}")
        return Answer(
            "How bad", f"{words.signed(incident.fall.value * 100)} points", f"performance {change}", look="bad"
        )
    return Answer("How bad", "Not known yet", "no labels tell whether performance changed")


def _why(incident: Incident) -> Answer:
    if likely(incident.causes) is not None:
        first, *others = incident.causes
        rest = f"; next candidate {others[0].weight:.2f}" if others else "; no other candidate"
        return Answer("Why", first.what, f"weight {first.weight:.2f}{rest}", link="#h-cause")
    if incident.severity == "notice":
        return Answer("Why", "No cause named", "what comes in changed; no recorded change of yours has to be behind it")
    if incident.causes:
        best = incident.causes[0]
        return Answer("Why", "No cause found", f"best candidate {best.what}, weight {best.weight:.2f}", link="#h-cause")
    return Answer("Why", "No cause found", "no recorded change before the onset passes the checks")


def _next(incident: Incident) -> Answer:
    if not incident.next_steps:
        return Answer("Next", "Nothing to do" if incident.state == "resolved" else words.NONE, "no step is recorded")
    sentence, _, rest = incident.next_steps[0].text.partition(". ")
    if len(sentence) <= _HEADLINE:
        detail = rest or words.counted(len(incident.next_steps), "step")
        return Answer("Next", sentence.rstrip("."), detail, link="#h-next")
    return Answer("Next", "What to do", incident.next_steps[0].text, link="#h-next")
