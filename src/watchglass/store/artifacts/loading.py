"""A name → the value that was saved under it, from the store that this process records into; the run around has read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watchglass.capture import artifacts as described
from watchglass.capture import recorder
from watchglass.capture.runs import current_run
from watchglass.errors import BadInput
from watchglass.store.artifacts.known import artifact
from watchglass.store.folder import prepare
from watchglass.store.transactions import connect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchglass.store.artifacts.known import Artifact


def load(
    name: str,
    version: str | None = None,
    *,
    to: str | None = None,
    format: str | None = None,  # noqa: A002 - the settled name
    allow_pickle: bool = False,
    trusted: Sequence[str] = (),
) -> object:
    """Give what was saved under a name, by default the version written last, and record that the run around read it.

    A file is given as a path, not to be changed, or copied to `to`; a folder goes to `to`. A pickle is read only when it
    is called for: `allow_pickle=True`, or `format="pickle"`. `trusted` names types of an estimator that skops does not
    know as harmless. Raises `UnknownName`, `BadInput` where that version is not kept whole or is quarantined,
    `StoreError` for bytes that are gone or damaged, `MissingLibrary`.
    """
    if format not in (None, "pickle"):
        message = f"format cannot be {format!r}: the kept bytes say their format, 'pickle' alone is called for by name"
        raise BadInput(message)
    recorder.flush()
    found = _found(name, version)
    _check(found, asked=version is not None)
    value = found.load(to=to, allow_pickle=allow_pickle or format == "pickle", trusted=trusted)
    run = current_run()
    if run is not None:
        run.read(described.Artifact(found.name, found.version, {"kind": found.kind}))
    return value


def _found(name: str, version: str | None) -> Artifact:
    here = recorder.current()
    if here.sender is not None:
        from watchglass.store.artifacts.fetching import fetched  # noqa: PLC0415 - only with a server

        return fetched(here.sender.url, here.store, name, version)
    folder = prepare(here.store)
    engine = connect(folder)
    try:
        return artifact(folder, engine, name, version)
    finally:
        engine.dispose()


def _check(found: Artifact, *, asked: bool) -> None:
    """Refuse what would be loaded in place of what is meant; raises `BadInput`."""
    if found.policy == "sample":
        message = (
            f"only a sample is kept of version {found.version} of {found.name!r}: store.artifact({found.name!r}).load() "
            "gives it; wg.save(thing, name) keeps all of the next one"
        )
        raise BadInput(message)
    if found.quarantined is not None and not asked:
        message = (
            f"the newest version of {found.name!r}, {found.version}, is quarantined since {found.quarantined.isoformat()}: "
            "name the version that is wanted: wg.load(name, version=…). Next: watchglass artifacts"
        )
        raise BadInput(message)
