"""Plans of forgetting that were not carried out to their end → findings: the ids of the rows lie in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watchglass.store.doctor.visit import Finding
from watchglass.store.life.forget_plan import home_of

if TYPE_CHECKING:
    from watchglass.store.doctor.visit import Visit


def check_unfinished(visit: Visit) -> None:
    """Look for what a killed forget left to be done."""
    home = home_of(visit.folder)
    for path in sorted(home.glob("*.jsonl")) if home.is_dir() else []:
        means = "a forget was killed, or is under way: rows that it is to remove may be there still, and this file names them"
        mend = "watchglass forget the same again, or anything else: whoever forgets next finishes it"
        visit.found(Finding("warning", "unfinished forget", visit.shown(path), means, mend))
