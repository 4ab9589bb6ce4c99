"""A thing that a run read or wrote → its name, the version of its content and a few words about it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from watchglass.capture import drops
from watchglass.capture.encode import canonical
from watchglass.capture.fingerprint import Content, content_of, file_content
from watchglass.errors import BadInput

PREVIEW_CHARACTERS: Final = 2000
Item: TypeAlias = "str | os.PathLike[str] | tuple[str, object]"
Kind = Literal["frame", "array", "file", "text", "json", "estimator", "name"]


@dataclass(frozen=True, slots=True)
class Artifact:
    """A name with the version of its content; the version is None when only the name is known."""

    name: str
    version: str | None
    about: dict[str, object]

    def edge(self, time: int) -> dict[str, object]:
        """Write the read or write of it, as it stands in a run."""
        rule = "declared" if self.version is None else "content"
        return {"name": self.name, "version": self.version, "rule": rule, "time": time, "artifact": self.about}


def declared(item: Item) -> Artifact:
    """Take an item of `inputs` or `outputs`: a path that exists, a bare name, or (name, value).

    Raises `BadInput` for a value without a name.
    """
    if isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str) and item[0]:  # noqa: PLR2004 - a pair
        return named(item[0], item[1])
    if isinstance(item, str) and item:
        return _file(item, item) if is_file(item) else Artifact(item, None, {"kind": "name"})
    if isinstance(item, os.PathLike):
        return _file(os.fspath(item), os.fspath(item))
    message = (
        f"an artifact of type {type(item).__name__} has no name: write ('rows', value), or a path, or a name alone"
    )
    raise BadInput(message)


def given(thing: object, name: str | None) -> Artifact:
    """Take what `run.read` and `run.write` get; with a name, text that is no file's path is the content itself."""
    if name is None:
        return declared(thing)  # type: ignore[arg-type]  # told apart there, with a clear error
    if not isinstance(name, str) or not name:
        message = f"an artifact's name cannot be {name!r}: a text that is not empty would do"
        raise BadInput(message)
    if isinstance(thing, str) and is_file(thing):
        return _file(name, thing)
    return named(name, thing)


def named(name: str, value: object) -> Artifact:
    """Describe a value with content under a name; where the content cannot be read, the version stays unknown."""
    if isinstance(value, os.PathLike):
        return _file(name, os.fspath(value))
    content = drops.shielded(
        "fingerprint",
        f"the version of artifact {name!r} is unknown",
        lambda: content_of(value),
        Content("estimator", None),
    )
    about: dict[str, object] = {"kind": content.kind}
    if content.rows is not None:
        about["rows"] = content.rows
    if content.columns is not None:
        about["columns"] = list(content.columns)
    if content.size is not None:
        about["bytes"] = content.size
    if content.preview:
        about["preview"] = drops.shielded(
            "preview", f"artifact {name!r} has no preview", lambda: canonical(value)[:PREVIEW_CHARACTERS], ""
        )
    return Artifact(name, content.version, about)


def unread(thing: object, name: object) -> Artifact | None:
    """Take the name alone of what `given` takes, and read nothing; None for what has no name."""
    if name is None and isinstance(thing, tuple) and thing:
        name = thing[0]
    found = thing if name is None else name
    text = os.fspath(found) if isinstance(found, os.PathLike) else found
    return Artifact(text, None, {"kind": "name"}) if isinstance(text, str) and text else None


def is_file(text: str) -> bool:
    """Say whether a text is the path of a file that is there."""
    try:
        return os.access(text, os.F_OK) and os.path.isfile(text)  # noqa: PTH113 - most are no path, and access() does not raise
    except ValueError:
        return False


def _file(name: str, path: str) -> Artifact:
    content = drops.shielded(
        "fingerprint", f"the version of file {path!r} is unknown", lambda: file_content(path), Content("file", None)
    )
    about: dict[str, object] = {"kind": "file", "path": os.path.abspath(path)}  # noqa: PTH100 - text in, text out
    if content.size is not None:
        about["bytes"] = content.size
    return Artifact(name, content.version, about)
