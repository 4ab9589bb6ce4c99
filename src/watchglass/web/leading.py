"""The models and their incidents → the sentence that opens the first page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from watchglass.explain.wording import likely
from watchglass.show import words
from watchglass.show.evidence import the_slice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from watchglass.records import Incident, ModelStatus

_NAMED = 3


def lead(models: Sequence[ModelStatus], incidents: Mapping[int, Incident]) -> Markup:
    """Say what needs the reader, worst first, and what does not."""
    degraded = [status for status in models if status.health == "Degraded"]
    silent = [status for status in models if status.health == "No data"]
    said = [_degraded(status, incidents.get(status.incident or 0)) for status in degraded[:_NAMED]]
    if len(degraded) > _NAMED:
        said.append(Markup("{} more are degraded.").format(words.count(len(degraded) - _NAMED)))
    said += [_silent(status) for status in silent[:_NAMED]]
    if len(silent) > _NAMED:
        said.append(Markup("{} more are silent.").format(words.count(len(silent) - _NAMED)))
    said.append(_rest(models, needing=len(degraded) + len(silent)))
    return Markup(" ").join(filter(None, said))


def _degraded(status: ModelStatus, incident: Incident | None) -> Markup:
    if incident is None:
        return Markup("<b>{}</b> is degraded: {}").format(status.name, status.sentence)
    chosen = the_slice(incident)
    before, after = (chosen.before, chosen.after) if chosen else (incident.before, incident.after)
    said = Markup("<b>{}</b> is degraded: since {}").format(status.name, words.date(incident.onset))
    if before is None or after is None:
        return Markup("{}, {}.").format(said, incident.title.rstrip("."))
    where = Markup(" at <b>{}</b>").format(words.slice_words(chosen.slice)) if chosen else Markup("")
    said += Markup(" its {}{} is {} instead of {}").format(
        status.metric, where, words.number(after.value), words.number(before.value)
    )
    cause = likely(incident.causes)
    if cause is None:
        return said + Markup("; no recorded change explains it.")
    return said + Markup(", most likely because of <b>{}</b>.").format(cause.what)


def _silent(status: ModelStatus) -> Markup:
    if status.last is None:
        return Markup("<b>{}</b> has no prediction yet.").format(status.name)
    return Markup("<b>{}</b> went silent on {}.").format(status.name, words.date(status.last))


def _rest(models: Sequence[ModelStatus], *, needing: int) -> Markup:
    drifting = [status.name for status in models if status.health == "Drifting"]
    learning = sum(status.health in {"Learning", "No labels yet"} for status in models)
    healthy = sum(status.health == "Healthy" for status in models)
    if needing:
        return Markup("Nothing else needs you.") if len(models) > needing else Markup("")
    said = []
    if drifting:
        names = Markup(", ").join(Markup("<b>{}</b>").format(name) for name in drifting[:_NAMED])
        more = f" and {len(drifting) - _NAMED} more" if len(drifting) > _NAMED else ""
        verb = "drifts" if len(drifting) == 1 else "drift"
        said.append(
            Markup("Nothing needs you now. {}{} {}, without a loss of performance shown.").format(names, more, verb)
        )
    else:
        said.append(Markup("Nothing needs you."))
    if healthy:
        said.append(Markup("{} healthy.").format(words.counted(healthy, "model is", "models are")))
    if learning:
        said.append(Markup("{} learning, or without labels.").format(words.counted(learning, "model is", "models are")))
    return Markup(" ").join(said)
