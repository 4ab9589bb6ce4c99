"""An open store → of whom its artifacts are: tags said, followed, retracted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder
    from watchglass.store.life.audit import Audits
    from watchglass.store.subjects.following import Subject
    from watchglass.store.subjects.retracting import Retraction, Retractions, Uses
    from watchglass.store.subjects.saying import Subjects, Tagged


class Following:
    """What of an open store knows whose data is where."""

    _folder: Folder
    _engine: Engine

    def tag(self, name: str, subjects: str | Iterable[str], version: str | None = None) -> Tagged:
        """Say of whom an artifact is, such as "client-17": its newest version, or one that is named; beside what was said before.

        No subject at all, [], says that it is of nobody, such as sums over many: what is derived from tagged data carries
        no tag from there on. Raises `UnknownName` for what nobody read or wrote, `BadInput`, `StoreError`.
        """
        from watchglass.store.subjects.saying import tag  # noqa: PLC0415 - costs only who asks

        return tag(self._folder, self._engine, name, version, subjects)

    def subjects(self, *, search: str | None = None, limit: int = 100, after: str | None = None) -> Subjects:
        """List the tags that were said, by name, with how many versions each was said of; at most `limit` (1 to 1,000).

        With `search` only those that have this text in them.
        """
        from watchglass.store.subjects.saying import subjects  # noqa: PLC0415 - costs only who asks

        return subjects(self._folder, self._engine, search=search, limit=limit, after=after)

    def subject(self, tag: str, *, limit: int = 50, after: str | None = None, predictions: bool = True) -> Subject:
        """Follow a subject's tag to all that carries it: artifact versions, the runs that used them, models, predictions.

        A run that reads what carries a tag hands it on to all that it writes; reads are resolved as `trace` does, now, so
        it does not matter what was told first. At most `limit` (1 to 1,000) artifacts and runs, the nearest first, from
        the place `after`, the `next` of the page before. Raises `UnknownName`, `BadInput`.
        """
        from watchglass.store.subjects.following import subject  # noqa: PLC0415 - costs only who asks

        return subject(self._folder, self._engine, tag, limit=limit, after=after, predictions=predictions)

    def retract(self, tag: str, who: str | None = None, *, grace: str | timedelta | None = "7d") -> Retraction:
        """Take a subject's tag back: who reads what carries it is warned from now on, and stopped after `grace` where he wants so.

        A run wants so by `on_retracted="block"`. With `grace` None it is never stopped. A tag that nothing carries yet
        will do. Raises `BadInput`, `StoreError`.
        """
        from watchglass.store.subjects.retracting import retract  # noqa: PLC0415 - costs only who asks

        return retract(self._folder, self._engine, tag, who=who, grace=grace)

    def retracted(self, *, limit: int = 100, after: str | None = None) -> Retractions:
        """List the tags that were retracted, the newest first, with how much carries each and how many runs used it since."""
        from watchglass.store.subjects.retracting import retractions  # noqa: PLC0415 - costs only who asks

        return retractions(self._folder, self._engine, limit=limit, after=after)

    def uses(self, tag: str | None = None, *, limit: int = 50, after: str | None = None) -> Uses:
        """List the runs that read what carries a retracted tag, or any such, after it was retracted, the newest first.

        Worked out of what was recorded, so uses on machines that were not warned are among them. Raises `UnknownName`
        for a tag that was not retracted, `BadInput`.
        """
        from watchglass.store.subjects.retracting import uses  # noqa: PLC0415 - costs only who asks

        return uses(self._folder, self._engine, tag, limit=limit, after=after)

    def audits(self, action: str | None = None, *, limit: int = 100, after: int | None = None) -> Audits:
        """List what was done to the store's data (forget, retention, restore, import, retraction, release), newest first, as records.

        At most `limit` (1 to 1,000), those older than the one with the id `after`. Records of retractions say who used
        what carries the tag since.
        """
        from watchglass.store.life.audit import audits  # noqa: PLC0415 - costs only who asks
        from watchglass.store.subjects.retracting import with_uses  # noqa: PLC0415 - likewise

        page = audits(self._engine, action=action, limit=limit, after=after)
        return with_uses(self._folder, self._engine, page)
