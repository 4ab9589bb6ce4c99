"""Runs under way whose events go to a server → a line for each every half minute, so that the server can tell a dead one from a long one."""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING, Final

from watchglass.capture import recorder
from watchglass.capture.around import BEAT_SECONDS, beat

if TYPE_CHECKING:
    from watchglass.capture.runs import Run


class Beats:
    """The runs of this process that a server waits for, and when each was last told of."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[Run, float]] = {}

    def add(self, run: Run) -> None:
        """Begin to tell of a run."""
        self._told[run.id] = (run, monotonic())
        if self.tell not in recorder.Recorder.ticks:
            recorder.Recorder.ticks.append(self.tell)

    def remove(self, run: Run) -> None:
        """Tell of a run no more."""
        self._told.pop(run.id, None)

    def tell(self) -> None:
        """Tell of every run that was not told of for as long as is promised."""
        moment, here = monotonic(), recorder.current()
        for run, last in list(self._told.values()):
            if moment - last >= BEAT_SECONDS and run.ended is None:
                about = {"kind": "run", "id": run.id, "component": run.component, "started": run.started}
                here.graph({**about, "status": "running", "resources": beat(0)})
                self._told[run.id] = (run, moment)

    def forget(self) -> None:
        """Forget them all: a child's parent tells of its own."""
        self._told.clear()


BEATS: Final = Beats()
os.register_at_fork(after_in_child=BEATS.forget)
