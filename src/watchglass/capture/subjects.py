"""Of whom the data is that a run reads or writes → tags in the log; and whether what is read carries one that was retracted.

What carries a retracted tag has a small file in the store's folder `retracted`, named by a digest of name and version, so
that another process sees it with one look. In it stands from when on (µs) a run that wants so is stopped, 0 for never, and
`said` where a tag was said of the name itself; whose the tag is stands nowhere in it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from hashlib import blake2b
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING, Final, NamedTuple

from watchglass import settings
from watchglass.capture import drops
from watchglass.capture.times import now
from watchglass.errors import BadInput, Blocked

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from watchglass.capture.artifacts import Artifact
    from watchglass.capture.runs import Run

FOLDER: Final = "retracted"
DRAFT: Final = "."
CLEAN: Final = ""
LONGEST: Final = 500
_OF_TAG: Final = ""
"""The name that no artifact has: under it stand the tags themselves."""


class Mark(NamedTuple):
    """From when on, in µs, who reads it is stopped where he wants so, 0 for never; `said` of the name, whatever is written under it."""

    block_after: int
    said: bool = False


def tags_of(given: object, what: str = "subjects") -> tuple[str, ...]:
    """Check the tags of something, one or several; none at all says that it is of nobody. Raises `BadInput`.

    >>> tags_of("client-17"), tags_of([])
    (('client-17',), ('',))
    """
    tags = (given,) if isinstance(given, str) else tuple(given) if hasattr(given, "__iter__") else (given,)
    for tag in tags:
        if not isinstance(tag, str) or not tag.strip() or len(tag) > LONGEST or "\0" in tag:
            message = f"{what} cannot have the tag {tag!r:.80}: texts of 1 to {LONGEST} characters would do, an empty list for nobody"
            raise BadInput(message)
    return tags or (CLEAN,)


def tags_by_name(given: object) -> Mapping[str, tuple[str, ...]]:
    """Check {name of an artifact: its tags}; raises `BadInput`."""
    if given is None:
        return {}
    if not hasattr(given, "items"):
        message = (
            f"subjects cannot be {given!r:.80}: the tags by an artifact's name would do, {{'rows': ['client-17']}}"
        )
        raise BadInput(message)
    return {str(name): tags_of(tags, f"subjects of {name!r}") for name, tags in given.items()}


def checked_reaction(given: object) -> str | None:
    """Check what follows where a run reads what was retracted; None is as the setting says. Raises `BadInput`."""
    return None if given is None else settings.resolve(settings.ON_RETRACTED, given)


def events(name: str, version: str | None, tags: Iterable[str], run: str | None, time: int) -> list[dict[str, object]]:
    """Write the lines of the log that say of whom a version is."""
    said = {"kind": "subject_tag", "name": name, "version": version or "", "run": run or "", "time": time}
    return [{**said, "tag": tag} for tag in tags]


def digest(name: str, version: str | None) -> str:
    """Give the name of a mark's file."""
    return blake2b(f"{name}\0{version or ''}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def digest_of_tag(tag: str) -> str:
    """Give the name of the file that stands for a tag itself."""
    return digest(_OF_TAG, tag)


def found(store: str, name: str, version: str | None, tags: Iterable[str] = ()) -> Mark | None:
    """Look whether a version carries a retracted tag, or is about to be given one; the strictest counts. Raises `OSError`."""
    wanted = [digest(name, version), *(digest_of_tag(tag) for tag in tags if tag)]
    marks = [mark for one in wanted if (mark := read(f"{store}/{FOLDER}/{one}")) is not None]
    return min(marks, key=_strictness, default=None)


def _strictness(mark: Mark) -> int:
    return mark.block_after or 2**63


def read(path: str) -> Mark | None:
    """Read a mark; None where there is none. Raises `OSError` for one that cannot be read."""
    if not os.path.exists(path):  # noqa: PTH110 - a hot text path
        return None
    with suppress(FileNotFoundError):
        words = Path(path).read_text("ascii", "replace").split()
        return Mark(int(words[0]) if words and words[0].isdecimal() else 0, "said" in words)
    return None


def write(store: str, mark: Mark, *digests: str) -> None:
    """Put marks down; each appears whole. Raises `OSError`."""
    home = Path(store, FOLDER)
    home.mkdir(parents=True, exist_ok=True)
    text = f"{mark.block_after}{' said' if mark.said else ''}\n"
    for one in digests:
        draft = home / f"{DRAFT}{one}.{os.getpid()}.{get_ident()}"
        draft.write_text(text)
        draft.rename(home / one)


def passed_on(store: str, mark: Mark, name: str, version: str | None) -> None:
    """Mark what a run writes that has read what was retracted, under its version and as the newest of its name."""
    write(store, Mark(mark.block_after), digest(name, version), *([digest(name, None)] if version else []))


def lifted(store: str, name: str) -> None:
    """Take the mark off a name whose newest version is of others now, unless it was said of the name itself."""
    path = f"{store}/{FOLDER}/{digest(name, None)}"
    mark = read(path)
    if mark is not None and not mark.said:
        with suppress(FileNotFoundError):
            Path(path).unlink()


def mind(run: Run, kind: str, store: str, artifact: Artifact, said: tuple[str, ...], moment: int | None = None) -> None:
    """Look whether what a run reads, now or at a moment in µs, carries a tag that was retracted; what it writes then does too. Raises `Blocked`."""
    if run.met is None and not os.path.exists(f"{store}/{FOLDER}"):  # noqa: PTH110 - nothing was ever retracted here
        return
    name, version = artifact.name, artifact.version
    why = f"whether {name!r} carries what was retracted is unknown"
    seen = drops.shielded("retracted", why, lambda: found(store, name, version, said), None) if kind == "read" or said else None  # fmt: skip
    if kind == "write":
        mark = seen if said else run.met
        verb = partial(lifted, store, name) if mark is None else partial(passed_on, store, mark, name, version)
        drops.shielded("retracted", f"readers of {name!r} may be warned wrongly, or not at all", verb, None)
    elif seen is not None:
        run.met = min((mark for mark in (run.met, seen) if mark is not None), key=_strictness)
        over = 0 < seen.block_after <= (now() if moment is None else moment)
        _tell(run, name, stop=over and settings.resolve(settings.ON_RETRACTED, run.on_retracted) == "block")


def _tell(run: Run, name: str, *, stop: bool) -> None:
    """Warn of it, and keep that with the run; raises `Blocked` where the run stops."""
    what = "it is stopped, as the time of grace is over" if stop else "nothing new should be made of it"
    text = f"run {run.component!r} reads {name!r}, which carries a subject's tag that was retracted: {what}. Next: watchglass retracted --uses"
    drops.warn(f"retracted {name}", text)
    level = "block" if stop else "warn"
    run.tested({"name": f"retraction of {name}", "when": "before", "level": level, "ok": False, "message": text})
    if stop:
        raise Blocked(text)
