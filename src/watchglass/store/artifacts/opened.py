"""An open store → its artifacts: `store.artifacts(…)` lists versions, `store.artifact(name)` gives one and loads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from watchglass.capture.handed import Handed
    from watchglass.store.artifacts.known import Artifact, Artifacts
    from watchglass.store.artifacts.quarantined import Quarantine, Quarantines
    from watchglass.store.folder import Folder


class Keeping:
    """What of an open store tells what artifacts there are, and gives what is kept of them."""

    _folder: Folder
    _engine: Engine

    def artifacts(
        self,
        name: str | None = None,
        *,
        kind: str | None = None,
        policy: str | None = None,
        run: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Artifacts:
        """List artifact versions, those first seen last first: of a name, a kind, a policy, that a run read or wrote.

        `kind` is frame, array, file, text, json or estimator; `policy` hash, profile, sample or full. At most `limit`
        (1 to 1,000), from the place `after`, the `next` of the page before. Raises `BadInput`, `UnknownName` for a run.
        """
        from watchglass.store.artifacts.known import Wanted, artifacts  # noqa: PLC0415 - costs only who asks

        return artifacts(self._folder, self._engine, Wanted(name, kind, policy, run), limit, after)

    def artifact(self, name: str, version: str | None = None) -> Artifact:
        """Give what is known of a version, by default the one written last; `.load()` gives what is kept of it.

        Of a version four digits or more will do. Raises `UnknownName`, `BadInput` where they fit several.
        """
        from watchglass.store.artifacts.known import artifact  # noqa: PLC0415 - costs only who asks

        return artifact(self._folder, self._engine, name, version)

    def quarantined(self, *, released: bool = False, limit: int = 100, after: str | None = None) -> Quarantines:
        """List the versions that failed a test after their run and stand in quarantine, the newest first, with what failed.

        With `released` also those that a person released. At most `limit` (1 to 1,000), from the place `after`.
        Raises `BadInput`.
        """
        from watchglass.store.artifacts.quarantined import quarantined  # noqa: PLC0415 - costs only who asks

        return quarantined(self._folder, self._engine, released=released, limit=limit, after=after)

    def release(self, artifact: str | Artifact, reason: str, who: str | None = None) -> tuple[Quarantine, ...]:
        """Release a version from quarantine, "name@version": its readers are warned no more, `wg.load` gives it again.

        The name alone will do where one version of it is in quarantine, four digits of a version or more, or a record
        that `artifact` gave. Who, when and why stand in the audit. Raises `UnknownName`, `BadInput`, `StoreError`.
        """
        from watchglass.store.artifacts.quarantined import release  # noqa: PLC0415 - costs only who asks

        return release(self._folder, self._engine, artifact, reason=reason, who=who)

    def marks(self) -> Handed:
        """Give the marks by which processes that record elsewhere are warned: names of files, digests of name and version.

        Of what is in quarantine, of what carries a retracted tag, and of what was released; at most the newest 6,000 of each.
        """
        from watchglass.store.artifacts.quarantine_marks import handed_out  # noqa: PLC0415 - costs only who asks

        return handed_out(self._folder, self._engine)
