"""A run that begins and ends → what stands around it: its code, environment and host, what it used, what capture left out and why."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from watchglass import settings
from watchglass.capture import code, recorder
from watchglass.capture.budget import Spending, budget
from watchglass.capture.drops import shielded
from watchglass.capture.environment import announced
from watchglass.capture.forking import whole
from watchglass.capture.origin import host
from watchglass.capture.resources import measured, used

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchglass.capture.artifacts import Artifact
    from watchglass.capture.code import Code
    from watchglass.capture.recorder import Recorder
    from watchglass.capture.resources import Usage


class Surroundings:
    """What stands around one run. Raises `BadInput` for a budget that is none, or a `keep`."""

    __slots__ = (
        "_before",
        "_code",
        "_environment",
        "_links",
        "_resources",
        "host",
        "keep",
        "kept",
        "left_out",
        "spending",
    )

    def __init__(self, given: object = None, of: Code | None = None, keep: str | None = None) -> None:
        here = recorder.current()
        self.host = host()
        self.left_out: list[str] = []
        self.keep = None if keep is None else settings.resolve(settings.ARTIFACTS, keep)
        self.kept = 0
        self.spending = Spending(budget(here, given))
        self._links: dict[str, str] = {}
        self._before: Usage | None = None
        self._resources: dict[str, object] | None = None
        self._environment: str | None = None
        self._code = of
        if not here.disabled:
            self._look(here)

    def _look(self, here: Recorder) -> None:
        if self._code is None:
            self._code = shielded("code", "the code of a run is unknown", code.here, None)
        lacking = self._code.announce(here) if self._code is not None else None
        if lacking is not None:
            self.left_out.append(lacking)
        self._environment = announced(here)

    def begin(self, traceparent: str | None) -> None:
        """Look at what this process has used so far, and say who writes the run, so that its death can be told."""
        here = recorder.current()
        self._links = {"writer": here.losses.writer, **({} if traceparent is None else {"traceparent": traceparent})}
        self._before = shielded("resources", "what a run uses is unknown", measured, None)
        if here.sender is not None:
            self._resources = beat(0)

    def take(self, thing: object, name: object, keep: object = None) -> Artifact:
        """Describe what the run reads or writes, within the budget; keep of it what `keep`, else the run, else the setting artifacts says.

        Raises `BadInput` for a value without a name, and for a `keep` that is not known.
        """
        unread, taken = _takers()
        policy = _policy(recorder.current(), self.keep if keep is None else keep)
        if policy == "none" and (bare := unread(thing, name)) is not None:
            return bare
        artifact = taken(thing, name, self.spending, self.left_out)
        if policy in ("none", "hash") or artifact.version is None or artifact is thing:
            return artifact
        if self.spending.left <= 0:
            self.left_out.append(f"{policy} of {artifact.name!r}: no seconds are left (setting capture_seconds)")
            return artifact
        with whole:
            from watchglass.capture.keeping import kept  # noqa: PLC0415 - only where something is kept
        value = thing[1] if name is None and isinstance(thing, tuple) else thing
        return self.spending.timed(0, lambda: kept(artifact, value, policy, self))

    def finish(self) -> None:
        """Look at what was used, and what is still lacking."""
        self._links.pop("writer", None)
        before, self._resources = self._before, None
        if before is not None:
            after = shielded("resources", "what a run used is unknown", measured, None)
            self._resources = None if after is None else used(before, after)
        if self._code is not None and (lacking := self._code.lacks(self.spending.left)):
            self.left_out.append(lacking)

    def event(self) -> dict[str, object]:
        """Write what is known by now, as it stands in a run's event."""
        return {
            "code": self._code.about() if self._code is not None else None,
            "host": self.host,
            "environment": self._environment,
            "resources": self._resources,
            "left_out": _named(self.left_out),
            "links": dict(self._links) or None,
        }


def _policy(here: Recorder, given: object) -> str:
    """Give how much is kept of an artifact: as given, else as the setting says, which is read once a recorder."""
    if given is not None:
        return settings.resolve(settings.ARTIFACTS, given)
    found = here.announced.get(_POLICY)
    if not isinstance(found, str):
        found = here.announced[_POLICY] = settings.resolve(settings.ARTIFACTS)
    return found


@lru_cache(maxsize=1)
def _takers() -> tuple[Callable[[object, object], Artifact | None], Callable[..., Artifact]]:
    """Give what takes a name alone, and what takes a content: 10 ms of imports, for runs that read or write."""
    with whole:
        from watchglass.capture.artifacts import unread  # noqa: PLC0415 - above
        from watchglass.capture.taking import taken  # noqa: PLC0415 - above
    return unread, taken


def _named(left_out: list[str]) -> list[str] | None:
    """Name what was left out, the first hundred and how many more: a loop over a million files must not be the run."""
    more = len(left_out) - MOST_NAMED
    return [*left_out[:MOST_NAMED], *([f"and {more} more"] if more > 0 else [])] or None


def beat(moment: int) -> dict[str, object]:
    """Write that a run is alive: a server puts the time in when it hears of it, and expects the next within `beat` seconds."""
    return {"beat": BEAT_SECONDS, "seen": moment}


_POLICY = "policy of artifacts"
BEAT_SECONDS = 30
MOST_NAMED = 100
