"""Estimates, columns and causes → the plain sentences of an incident: title, diagnosis, what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watchglass.records import NextStep, main_slice

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from watchglass.records import Cause, ColumnEvidence, Estimate, Incident, Slice

LIKELY = 0.5  # a cause is named in the diagnosis from this weight on


def day(time: datetime) -> str:
    """Write a day as one says it.

    >>> from datetime import datetime, UTC
    >>> day(datetime(2026, 6, 2, tzinfo=UTC))
    '2 June 2026'
    """
    return f"{time.day} {time:%B %Y}"


def percent(share: float) -> str:
    """Write a share with three significant digits.

    >>> percent(0.0439), percent(0.301)
    ('4.39 %', '30.1 %')
    """
    return f"{100 * share:.3g} %"


def tags(chosen: Slice) -> str:
    """Write a slice as its tags.

    >>> tags((("site", "harbour"),))
    'site = harbour'
    """
    return ", ".join(f"{tag} = {value}" for tag, value in chosen) or "all rows"


def likely(causes: Sequence[Cause]) -> Cause | None:
    """Give the cause that the evidence names, if any."""
    return causes[0] if causes and causes[0].weight >= LIKELY else None


def column_words(column: ColumnEvidence) -> str:
    """Say how one column moved."""
    if column.unit == "sd":
        what = "spread" if column.aspect == "spread" else "mean"
        return f"{column.name} ({what} {column.before:.3g} to {column.after:.3g}, {column.effect:+.2f} sd)"
    what = f"share of {column.value}" if column.value else f"share of {column.aspect}"
    return f"{column.name} ({what} {percent(column.before)} to {percent(column.after)})"


def signed(value: float) -> str:
    """Write a change with three decimals, never a negative nothing.

    >>> signed(0.0131), signed(-0.0002)
    ('+0.013', '+0.000')
    """
    return f"{round(value, 3) + 0.0:+.3f}"


def lost_words(fall: Estimate | None, before: Estimate | None, after: Estimate | None) -> str:
    """Say what a change of the data did to performance, never more than the interval allows."""
    if fall is None or before is None or after is None or not fall.rows:
        return "its effect on performance is not known: no labels since"
    interval = f"change {signed(fall.value)} [{signed(fall.low)}, {signed(fall.high)}]"
    told = f"accuracy {before.value:.3f} before, {after.value:.3f} since, {interval}"
    if fall.low >= 0:
        return f"no performance is lost: {told}"
    if fall.high >= 0:
        return f"no performance is lost that the labels show (no fall shown): {told}"
    return f"performance fell with it: {told}"


def drift_words(model: str, onset: datetime, columns: Sequence[ColumnEvidence], lost: str) -> tuple[str, str]:
    """Give title and sentence of a change of the data."""
    names = [column_words(column) for column in columns if column.evidence >= 1] or [
        column_words(column) for column in columns[:1]
    ]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")  # noqa: PLR2004 - three columns make a sentence
    first = columns[0].name if columns else "the data"
    title = f"the population changed: {first}" + (f" and {len(names) - 1} more columns" if len(names) > 1 else "")
    return title, f"Since {day(onset)} the data of {model} is different: {shown}; {lost}."


def fall_words(
    model: str, onset: datetime, chosen: Slice, before: Estimate, after: Estimate, cause: Cause | None
) -> tuple[str, str]:
    """Give title and sentence of lost performance."""
    where = tags(chosen)
    title = f"accuracy of {where} fell from {before.value:.3f} to {after.value:.3f}"
    said = f"Since {day(onset)} {model} gets {percent(1 - after.value)} of {where} wrong, {percent(1 - before.value)} before."
    if cause is None:
        return title, f"{said} No recorded change explains it."
    inputs = "".join(f", which read {name}@{version[:8]} for the first time" for name, version in cause.artifacts)
    return title, f"{said} Most likely because of {cause.what}{inputs}."


def _text(value: str) -> str:
    """Quote a text for SQL."""
    return "'" + value.replace("'", "''") + "'"


def _asked(query: str) -> str:
    r"""Write the command that asks a question; what a shell would take for its own is escaped.

    >>> _asked("SELECT 1 WHERE 'a' = '$HOME'")
    'watchglass sql "SELECT 1 WHERE \'a\' = \'\\$HOME\'"'
    """
    for special in ("\\", '"', "$", "`"):
        query = query.replace(special, "\\" + special)
    return f'watchglass sql "{query}"'


def _wrong_rows(model: str, onset: str, chosen: Slice) -> str:
    where = "".join(f" AND (p.tags->>{_text(tag)}) = {_text(value)}" for tag, value in chosen)
    return (
        "SELECT p.id, p.time, p.prediction, l.label FROM predictions p JOIN labels l USING (model, environment, id)"  # noqa: S608 - shown to be run by a person
        f" WHERE model = {_text(model)} AND p.time >= '{onset}'{where} AND p.prediction != l.label ORDER BY p.time LIMIT 20"
    )


def next_steps(incident: Incident, cause: Cause | None, differences: Sequence[str]) -> tuple[NextStep, ...]:
    """Say what to do: mend the cause, look at the predictions, see it close."""
    onset = incident.onset.strftime("%Y-%m-%d")
    chosen = main_slice(incident.slices)
    look = NextStep("Look at what it got wrong.", (_asked(_wrong_rows(incident.model, onset, chosen)),))
    if incident.severity == "notice":
        return (
            NextStep(
                "Nothing has to be done while no performance is lost. The monitor takes the new data as its reference.",
                (f"watchglass explain {incident.id}",),
            ),
        )
    if cause is None:
        return (
            NextStep(
                "Look outside what is recorded: the source of the data, a library, a machine.",
                ('watchglass sql "SELECT component, version, min(started) FROM runs GROUP BY ALL ORDER BY 3 DESC"',),
            ),
            look,
        )
    mend = (
        f"Roll {cause.name} back to the version before {cause.version}"
        if cause.kind != "artifact version"
        else f"Put the version of {cause.name} before {cause.version[:8]} back"
    )
    if cause.artifacts:
        mend += ", or correct " + ", ".join(name for name, _ in cause.artifacts)
    seen = (_asked(f"SELECT * FROM reads WHERE run = {_text(cause.run)}"),) if cause.run else ()  # noqa: S608 - shown
    steps = [NextStep(f"{mend}. Then run what is downstream again for the days since {day(incident.onset)}.", seen)]
    if differences:
        steps.append(NextStep("What the new input says: " + "; ".join(differences)))
    closing = NextStep(
        "The incident closes by itself when three labelled windows in a row are back above the midpoint.",
        ("watchglass check", f"watchglass explain {incident.id}"),
    )
    return (*steps, look, closing)
