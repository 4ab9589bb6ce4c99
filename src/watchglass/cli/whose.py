"""NAME=TAG on a command line, and what a run reads and writes → the events that say of whom that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from watchglass.capture.subjects import events, tags_of
from watchglass.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def whose(words: Sequence[str], items: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Take the tags of inputs and outputs, as they were named, by name; NAME= says that it is of nobody. Raises `BadInput`.

    >>> whose(["rows=client-17", "rows=client-9", "sums="], ["rows=rows.csv", "sums"])
    {'rows': ('client-17', 'client-9'), 'sums': ('',)}
    """
    known = sorted({*items, *(item.partition("=")[0] for item in items)}, key=len, reverse=True)
    found: dict[str, list[str]] = {}
    for word in words:
        name = next((one for one in known if word.startswith(f"{one}=")), None)
        if name is None:
            listed = ", ".join(known) or "none"
            message = f"--subject {word!r} names no input or output: NAME=TAG would do, of these names: {listed}"
            raise BadInput(message)
        found.setdefault(name, []).append(word[len(name) + 1 :])
    return {name: _tags(name, tags) for name, tags in found.items()}


def _tags(name: str, tags: list[str]) -> tuple[str, ...]:
    return tags_of([] if tags == [""] else tags, f"--subject of {name!r}")


def said(run: Mapping[str, object], of_whom: Mapping[str, tuple[str, ...]], moment: int) -> list[dict[str, object]]:
    """Give the events of what a run's event says that it read and wrote; `moment`, in µs, where an edge has no time."""
    found = []
    for edge in (*_listed(run, "reads"), *_listed(run, "writes")):
        name, version = str(edge["name"]), cast("str | None", edge.get("version"))
        tags = of_whom.get(name) or of_whom.get(name.partition("=")[0], ())
        found += events(name, version, tags, str(run["id"]), int(str(edge.get("time", moment))))
    return found


def _listed(run: Mapping[str, object], what: str) -> Sequence[Mapping[str, object]]:
    return cast("Sequence[Mapping[str, object]]", run.get(what, ()))
