"""A thing that a run read or wrote, and how much of it to keep → what its record says beside its version, and the bytes that are kept.

======= =======================================================================================================
none    only the name: nothing is read
hash    the version of the content (the default)
profile and a summary of a few kilobytes: rows, missing values, extremes, means, the commonest values
sample  and at most 1,000 rows (of a text or a file its beginning)
full    and all of it, once, in a safe format, so that `wg.load` gives it again
======= =======================================================================================================

A run keeps at most the setting `artifact_run_bytes`, a store at most `artifact_store_bytes`. What is not kept though it
was asked for is said by the run (`left_out`); the host's work goes on.
"""

from __future__ import annotations

import os
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Final, Protocol, cast

from watchglass import settings
from watchglass.capture import drops, keeping_place, recorder
from watchglass.capture.budget import size_of
from watchglass.capture.keeping_formats import copy_file, form, pack_folder
from watchglass.capture.keeping_place import Kept, TooMuch, adopt, draft, summed
from watchglass.capture.keeping_profile import file_profile, profile
from watchglass.capture.keeping_read import SAMPLE
from watchglass.capture.keeping_sample import BYTES, sample
from watchglass.errors import BadInput, WatchglassError

if TYPE_CHECKING:
    from watchglass.capture.artifacts import Artifact

_LOOK_SECONDS: Final = 60.0
_full_before: Final[dict[tuple[str, str | None, str], Kept]] = {}
_MOST_REMEMBERED: Final = 10_000
_store_bytes: Final[dict[str, tuple[float, int]]] = {}


class Account(Protocol):
    """Whose bytes are counted: what a run has kept so far, and what it was to keep and did not."""

    kept: int
    left_out: list[str]


def kept(artifact: Artifact, thing: object, policy: str, account: Account) -> Artifact:
    """Give the artifact with what the policy keeps of it; what cannot be kept is named in the account, a fault is counted.

    What is not kept whole or as a sample still has its profile. Where a rule of redaction is about previews, which show
    content too, nothing is kept.
    """
    try:
        _check_redaction()
        return keep(artifact, thing, policy, account)
    except (WatchglassError, OSError) as error:
        why = f"{policy} of {artifact.name!r} is not kept: {error}"
        if not isinstance(error, (BadInput, TooMuch)):
            drops.count(f"keep {drops.reason(error)}", why)
    except Exception as error:  # noqa: BLE001 - a library's own error while it writes: the host's work goes on
        why = f"{policy} of {artifact.name!r} is not kept: {type(error).__name__}: {error}"
        drops.count("keep", why)
    account.left_out.append(why)
    if policy == "profile" or _redacted():
        return artifact
    return drops.shielded(
        "keep",
        f"the profile of {artifact.name!r} is unknown",
        lambda: keep(artifact, thing, "profile", account),
        artifact,
    )


def _redacted() -> bool:
    redactor = recorder.current().redactor
    return redactor is not None and redactor.touches("", "preview")


def _check_redaction() -> None:
    if _redacted():
        message = "a rule of redaction is about previews of artifacts; wg.save keeps it all the same"
        raise BadInput(message)


def keep(artifact: Artifact, thing: object, policy: str, account: Account, wanted: str | None = None) -> Artifact:
    """Keep as the policy says; raises `BadInput` for what has no safe format, `TooMuch`, `MissingLibrary`, `OSError`."""
    path = cast("str | None", artifact.about.get("path"))
    more: dict[str, object] = {"policy": policy}
    if policy == "profile" or path is None:
        more["profile"] = file_profile(path) if path is not None else profile(thing)
    if policy == "profile":
        return replace(artifact, about={**artifact.about, **more})
    root = recorder.current().store
    known = (root, artifact.version, policy if wanted is None else wanted)
    found = _full_before.get(known)
    if found is None or not keeping_place.touched(keeping_place.place_of(root, found.name), found.size):
        version, found = _put(artifact, thing, policy, _allowed(root, account), wanted)
        if version != artifact.version:  # the file changed between the two looks
            artifact = replace(artifact, version=version)
        elif len(_full_before) < _MOST_REMEMBERED:
            _full_before[known] = found
        if found.new:
            _spend(root, account, found.size)
    return replace(artifact, about={**artifact.about, **more, "kept": found.name})


def _put(artifact: Artifact, thing: object, policy: str, most: int, wanted: str | None) -> tuple[str | None, Kept]:
    """Write the bytes; gives the version of what was written."""
    root, path = recorder.current().store, cast("str | None", artifact.about.get("path"))
    if path is not None:
        return _put_file(artifact, root, path, policy, most)
    if policy == "sample":
        thing = sample(thing)
    found = form(thing, wanted)
    if found.name == "npy" and (size := size_of(thing)) > most:  # as many bytes in the file: spare the writing
        message = f"{size} bytes are more than the {most} that may still be kept"
        raise TooMuch(message)
    name = f"{SAMPLE}{found.name}" if policy == "sample" else found.name
    return artifact.version, keeping_place.put(root, found.write, name, found.ending, most)


def _put_file(artifact: Artifact, root: str, path: str, policy: str, most: int) -> tuple[str | None, Kept]:
    if policy == "sample":
        return artifact.version, keeping_place.put(root, lambda target: _head(path, target), f"{SAMPLE}file", "", most)
    if os.path.isdir(path):  # noqa: PTH112 - text paths here
        return artifact.version, keeping_place.put(root, lambda target: pack_folder(path, target), "tar", "", most)
    size = os.path.getsize(path)  # noqa: PTH202 - likewise
    if size > most:  # spare the writing, unless it is there already
        name = f"{summed(path)[0]}.file"
        if keeping_place.touched(keeping_place.place_of(root, name), size):
            return artifact.version, Kept(name, size, new=False)
        message = f"{size} bytes are more than the {most} that may still be kept"
        raise TooMuch(message)
    target = draft(root)
    try:
        version = copy_file(path, target)
        return version, adopt(root, target, "file", most)
    finally:
        if os.path.exists(target):  # noqa: PTH110 - likewise
            os.unlink(target)  # noqa: PTH108 - likewise


def _head(path: str, target: str) -> None:
    """Copy the beginning of a file, whole lines where it has any."""
    with open(path, "rb") as file, open(target, "wb") as copy:  # noqa: PTH123 - text paths here
        data = file.read(BYTES)
        copy.write(data[: data.rfind(b"\n") + 1] if b"\n" in data and len(data) == BYTES else data)


def _allowed(root: str, account: Account) -> int:
    """Say how many bytes more may be kept, by this run and in this store."""
    moment = monotonic()
    seen, held = _store_bytes.get(root, (-_LOOK_SECONDS, 0))
    if moment - seen >= _LOOK_SECONDS:  # others keep there too, and a sweep lets go
        held = keeping_place.held(root)
        _store_bytes[root] = (moment, held)
    of_run = settings.resolve(settings.ARTIFACT_RUN_BYTES) - account.kept
    return max(0, min(of_run, settings.resolve(settings.ARTIFACT_STORE_BYTES) - held))


def _spend(root: str, account: Account, size: int) -> None:
    account.kept += size
    seen, held = _store_bytes[root]
    _store_bytes[root] = (seen, held + size)
