"""Two runs and what differs between them → the rows of a table: what, before, after, by how much; and how many things are the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from watchglass.show import words
from watchglass.show.run_words import listed, named, size, took, value
from watchglass.store.runs.comparing import flat

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from watchglass.store.runs.comparing import Change, DataChange, RunDiff
    from watchglass.store.runs.one import RunRecord

DETAILS: Final = 6
_DIGITS: Final = 12
_BYTES: Final = ("peak_memory", "read_bytes", "written_bytes")
_SECONDS: Final = ("seconds", "cpu_seconds")
_NAMES: Final = {
    "seconds": "duration",
    "cpu_seconds": "CPU",
    "peak_memory": "peak memory",
    "read_bytes": "bytes read",
    "written_bytes": "bytes written",
    "source_hash": "source",
}
_MARKED: Final = ("version", "status")


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that differs; `top` is what most likely matters, `code` has the values set as code."""

    what: str
    kind: str
    before: str
    after: str
    effect: str = ""
    top: bool = False
    code: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """A line of a text difference: `look` is ins, del, at (a place), or nothing."""

    look: str
    text: str


def rows(diff: RunDiff) -> tuple[Row, ...]:
    """List what differs, that first which says most: status, inputs, code, parameters, then what came of them."""
    status = [_plain(one, "outcome") for one in diff.resources if one.name == "status"]
    spent = [_spent(one) for one in diff.resources if one.name not in ("status", "peak_before")]
    version = next(((one.before, one.after) for one in diff.code if one.name == "version"), None)
    code = [one for one in diff.code if one.name != "source_hash" or (one.before, one.after) != version]
    return (
        *status,
        *(_data(one, "input") for one in diff.inputs if one.change in ("added", "removed")),
        *(_code(one) for one in code),
        *(_plain(one, "parameter") for one in diff.params),
        *(_data(one, "input") for one in diff.inputs if one.change == "changed"),
        *(_data(one, "output") for one in diff.outputs if one.change in ("added", "removed", "changed")),
        *(_plain(one, "metric") for one in diff.metrics),
        *spent,
        *(_plain(one, "environment") for one in diff.environment),
    )


def same(diff: RunDiff, before: RunRecord, after: RunRecord) -> int:
    """Count the named values that both runs have alike: code, parameters, environment, data, metrics, resources."""
    pairs: list[tuple[dict[str, object], dict[str, object]]] = [
        ({"version": before.version, **before.code}, {"version": after.version, **after.code}),
        (before.params, after.params),
        (flat(before.environment or {}), flat(after.environment or {})),
        (before.metrics, after.metrics),
        ({"seconds": before.seconds, "status": before.status, **before.resources}, {"seconds": after.seconds, "status": after.status, **after.resources}),
    ]  # fmt: skip
    alike = sum(one.get(name) == value for one, other in pairs for name, value in other.items() if name in one)
    return alike + sum(one.change == "same" for one in (*diff.inputs, *diff.outputs))


def source_parts(source: str | None) -> tuple[Part, ...]:
    r"""Cut a unified diff into lines, its two heads left out.

    >>> [(part.look, part.text) for part in source_parts("--- a 1\n+++ a 2\n@@ -1 +1 @@\n-x = 1\n+x = 2")]
    [('at', '@@ -1 +1 @@'), ('del', '-x = 1'), ('ins', '+x = 2')]
    """
    lines = (source or "").splitlines()
    looks = {"+": "ins", "-": "del", "@": "at"}
    return tuple(Part(looks.get(line[:1], ""), line) for line in lines[2:])


def since(diff: RunDiff, found: Sequence[Row], most: int = 4) -> str:
    """Say in a sentence what differs from the run before, without what any two runs have apart, and without the version.

    >>> from types import SimpleNamespace as N
    >>> since(N(same=False), [Row("site_scales", "input", "–", "site_scales@3f1c08", "new", top=True), Row("duration", "", "1 s", "2 s")])
    'Since the run before: input site_scales (new).'
    >>> since(N(same=False), [Row("raw_images", "input", "raw_images@5d90aa", "raw_images@b20e71")])
    'Since the run before only data is new: raw_images.'
    """
    said = [_told(row) for row in found if row.top and row.kind in ("outcome", "input")]
    versions = any(row.top and row.kind == "code" for row in found)
    params = [row for row in found if row.kind == "parameter"]
    if len(params) == 1:
        said.append(f"parameter {_told(params[0])}")
    elif params:
        said.append(f"parameters {listed([row.what for row in params])}")
    if said:
        more = len(said) - most
        return f"Since the run before: {'; '.join(said[:most])}{f'; {words.count(more)} more' if more > 0 else ''}."
    data = [row.what for row in found if row.kind == "input"]
    other = [row for row in found if row.kind in ("code", "environment", "package")]
    if other and not versions:
        new = f"; new data: {listed(data)}" if data else ""
        return f"Since the run before {_kinds(other)} changed{new}."
    if versions:
        return f"New data: {listed(data)}." if data else ""
    if data:
        return f"Since the run before only data is new: {listed(data)}."
    alike = "Code, parameters, environment and inputs are those of the run before"
    return f"{alike}, as far as it is known." if diff.unknown else f"{alike}."


def _told(row: Row) -> str:
    if row.kind == "input":
        return f"input {row.what} ({row.effect})"
    return f"{row.what} {row.before} → {row.after}"


def _kinds(found: Sequence[Row]) -> str:
    packages = sum(row.kind == "package" for row in found)
    kinds = list(dict.fromkeys(row.kind for row in found if row.kind != "package"))
    return listed(kinds + ([words.counted(packages, "package")] if packages else []))


def _plain(one: Change, kind: str) -> Row:
    top = one.name in _MARKED
    name = one.name.removeprefix("packages.") if kind == "environment" else one.name
    kind = "package" if one.name.startswith("packages.") and kind == "environment" else kind
    effect = "" if one.by is None else _signed(one.by, words.number)
    return Row(
        words.cut(name, 48), kind, _cell(one.before), _cell(one.after), effect, top=top, code=kind == "parameter"
    )


def _code(one: Change) -> Row:
    before, after = (_digits(found) for found in (one.before, one.after))
    return Row(_NAMES.get(one.name, one.name), "code", before, after, top=one.name == "version", code=True)


def _spent(one: Change) -> Row:
    write: Callable[[float | None], str] = words.number
    if one.name in _SECONDS:
        write = took
    if one.name in _BYTES:
        write = size
    before, after = (write(v) if isinstance(v, (int, float)) else _cell(v) for v in (one.before, one.after))
    effect = "" if one.by is None else _signed(one.by, write)
    return Row(_NAMES.get(one.name, one.name), "", before, after, effect)


def _data(one: DataChange, kind: str) -> Row:
    before, after = (words.NONE if version is None else named(one.name, version) for version in (one.before, one.after))
    if one.change == "added":
        return Row(words.cut(one.name, 48), kind, words.NONE, named(one.name, one.after), "new", top=True, code=True)
    if one.change == "removed":
        return Row(
            words.cut(one.name, 48), kind, named(one.name, one.before), words.NONE, "no more", top=True, code=True
        )
    return Row(words.cut(one.name, 48), kind, before, after, _details(one.details), code=True)


def _details(details: Sequence[Change]) -> str:
    """Say what differs of two versions of data.

    >>> from watchglass.store.runs.comparing import Change
    >>> _details([Change("rows", 10, 12, 2.0), Change("profile.age.mean", 30.5, 41.0, 10.5)])
    'rows +2; age.mean 30.5 → 41'
    """
    said = []
    for one in details[:DETAILS]:
        name = one.name.removeprefix("profile.").removeprefix("columns.")
        if one.name in ("rows", "bytes") and one.by is not None:
            said.append(f"{name} {_signed(one.by, words.count if one.name == 'rows' else size)}")
        else:
            before, after = (f"{v:.4g}" if isinstance(v, float) else value(v, 24) for v in (one.before, one.after))
            said.append(f"{words.cut(name, 32)} {before} → {after}")
    more = len(details) - len(said)
    return "; ".join(said) + (f"; {words.count(more)} more" if more > 0 else "")


def _signed(by: float, write: Callable[[float | None], str]) -> str:
    """Write a difference with its sign, in the words of what differs."""
    return f"{'+' if by > 0 else words.MINUS}{write(abs(by))}"


def _cell(found: object) -> str:
    if isinstance(found, float):
        return words.number(found)
    return words.cut(found, 80) if isinstance(found, str) else value(found)


def _digits(found: object) -> str:
    """Write a part of the code's identity: of a sum the first digits."""
    if not isinstance(found, str):
        return value(found)
    return (
        found[:_DIGITS] if len(found) > _DIGITS and not set(found) - set("0123456789abcdef") else words.cut(found, 60)
    )
