"""A run and what is known around it → the sentence its page opens with, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from watchglass.show import words
from watchglass.show.run_words import component, listed, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchglass.store.lineage.flags import Flag
    from watchglass.store.lineage.stale import Staleness
    from watchglass.store.runs.listing import RunSummary
    from watchglass.store.runs.one import RunRecord

_SMALL = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_LINE = 160


@dataclass(frozen=True, slots=True)
class Around:
    """What a run's sentence is made of, beside the run: the one before of its component, what changed since, what is wrong."""

    before: RunSummary | None
    changed: str
    stale: Staleness | None
    flags: Sequence[Flag]
    quarantined: Sequence[str]


def lead(run: RunRecord, around: Around) -> tuple[str, list[str]]:
    """Write the sentence, and the phrases in it that carry it."""
    name = component(run.component, run.version)
    said = [f"{_which(run, around.before)} {name}{_since(run, around.before)} {_ended(run)}{_tested(run)}."]
    phrases = [name, *(one.name for one in around.flags)]
    said.append(around.changed)
    stale = [one.name or short(one.producer or "") for one in around.stale.inputs if one.then] if around.stale else []
    if stale:
        said.append(f"When it began {listed(stale)} {'was' if len(stale) == 1 else 'were'} stale.")
    if around.flags:
        flagged = [one.name for one in around.flags]
        said.append(
            f"Of what it wrote {listed(list(dict.fromkeys(flagged)))} {'is' if len(flagged) == 1 else 'are'} flagged as wrong."
        )
    if around.quarantined:
        said.append(f"In quarantine: {listed(list(around.quarantined))}.")
    return " ".join(filter(None, said)), phrases


def _which(run: RunRecord, before: RunSummary | None) -> str:
    if before is None:
        return "The first recorded run of"
    return "A run of" if before.version == run.version else "The first run of"


def _since(run: RunRecord, before: RunSummary | None) -> str:
    """Say after which version this one came."""
    if before is None or before.version == run.version:
        return ""
    return f" after version {before.version}," if before.version is not None else " after runs without a version,"


def _ended(run: RunRecord) -> str:
    if run.status == "ok":
        return "ended without an error"
    if run.status == "running":
        return f"has been running since {words.moment(run.started)}"
    if run.status == "crashed":
        return "crashed: its process died before it could say how it ended"
    first = (run.error or "").strip().splitlines()
    return f"failed: {words.cut(first[0].rstrip('.'), _LINE)}" if first else "failed"


def _tested(run: RunRecord) -> str:
    """Say how its tests went.

    >>> from types import SimpleNamespace as N
    >>> _tested(N(tests=({"ok": True}, {"ok": True}))), _tested(N(tests=({"ok": True}, {"ok": False})))
    (' and met its two tests', '; one of its two tests failed')
    """
    failed = sum(not test.get("ok") for test in run.tests)
    if not run.tests:
        return ""
    if failed == len(run.tests) > 1:
        return f"; {'both' if failed == 2 else f'all {spelled(failed)}'} of its tests failed"  # noqa: PLR2004 - a pair
    of = f"its {spelled(len(run.tests))} tests" if len(run.tests) > 1 else "its test"
    if not failed:
        return f" and met {of}"
    return f"; {spelled(failed)} of {of} failed" if len(run.tests) > 1 else f"; {of} failed"


def spelled(count: int) -> str:
    """Write a small number as a word.

    >>> spelled(5), spelled(12)
    ('five', '12')
    """
    return _SMALL[count] if count < len(_SMALL) else words.count(count)
