"""What the API asks of a store about subjects, and the records it is answered with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from watchglass.store.subjects.following import Subject
    from watchglass.store.subjects.retracting import Retraction, Retractions, Uses
    from watchglass.store.subjects.saying import Subjects, Tagged


class SubjectReads(Protocol):
    """A store as the routes of subjects see it."""

    def tag(self, name: str, subjects: str | Iterable[str], version: str | None = None) -> Tagged:
        """Say of whom an artifact is; raises `UnknownName`, `BadInput`."""
        ...

    def subjects(self, *, limit: int = 100, after: str | None = None) -> Subjects:
        """List tags."""
        ...

    def subject(self, tag: str, *, limit: int = 50, after: str | None = None) -> Subject:
        """Follow a tag; raises `UnknownName`, `BadInput`."""
        ...

    def retract(self, tag: str, who: str | None = None, *, grace: str | None = "7d") -> Retraction:
        """Take a tag back; raises `BadInput`."""
        ...

    def retracted(self, *, limit: int = 100, after: str | None = None) -> Retractions:
        """List retractions; raises `BadInput`."""
        ...

    def uses(self, tag: str | None = None, *, limit: int = 50, after: str | None = None) -> Uses:
        """List uses after retractions; raises `UnknownName`, `BadInput`."""
        ...
