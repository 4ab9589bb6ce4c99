"""A run and what lies around it → what its page shows: what it touched, its tests, its resources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from watchglass.show import words
from watchglass.show.run_words import apart, named, size, took

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from watchglass.records import Run
    from watchglass.store.lineage.flags import Flag
    from watchglass.store.lineage.impact import Impact
    from watchglass.store.lineage.stale import Input, Staleness
    from watchglass.store.runs.one import RunRecord, Touched

ROWS: Final = 200
"""Rows of a table at most; the page's JSON has all."""
_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Touch:
    """A version that the run read or wrote, as the table shows it."""

    shown: str
    name: str
    version: str | None
    wrote: bool
    rule: str
    rows: str
    size: str
    note: str
    flag: Flag | None
    bad: bool
    top: bool


@dataclass(frozen=True, slots=True)
class Tested:
    """A test, how it went in this run, and in the one before."""

    when: str
    name: str
    level: str
    now: tuple[str, str, str]
    before: tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of the resources; `code` sets the value as code, `link` leads on."""

    name: str
    value: str
    beside: str = ""
    code: bool = False
    link: str = ""


@dataclass(frozen=True, slots=True)
class Marks:
    """What is to be told of versions: flags on them, those in quarantine, and inputs that the run before did not have."""

    flags: Sequence[Flag]
    quarantined: Collection[tuple[str, str | None]]
    new: Collection[tuple[str, str | None]]


def touches(run: RunRecord, makers: Mapping[str, Run], impact: Impact, marks: Marks) -> list[Touch]:
    """List what a run read and wrote, at most `ROWS` of each, with who made it and who read it."""
    standing = {(flag.name, flag.version): flag for flag in marks.flags}
    found = []
    for wrote, several in ((False, run.reads), (True, run.writes)):
        for one in several[:ROWS]:
            key = (one.name, one.version)
            notes = [_read_by(one, impact) if wrote else _written_by(run, one, makers)]
            notes += ["new: the run before did not read it"] if not wrote and key in marks.new else []
            notes += ["in quarantine: a test of the run that wrote it failed"] if key in marks.quarantined else []
            notes += [f"at {words.cut(one.path, 60)}"] if one.path else []
            flag = standing.get(key)
            notes += [_flagged(flag)] if flag is not None else []
            found.append(
                Touch(
                    shown=named(one.name, one.version),
                    name=one.name,
                    version=one.version,
                    wrote=wrote,
                    rule=one.rule,
                    rows=words.count(one.rows),
                    size=size(one.bytes),
                    note="; ".join(filter(None, notes)),
                    flag=flag,
                    bad=flag is not None or key in marks.quarantined,
                    top=not wrote and key in marks.new,
                )
            )
    return found


def _flagged(flag: Flag) -> str:
    who = f" by {flag.who}" if flag.who else ""
    return f"flagged {words.moment(flag.time)}{who}{f': {flag.note}' if flag.note else ''}"


def _written_by(run: RunRecord, one: Touched, makers: Mapping[str, Run]) -> str:
    if one.producer is None:
        return "nobody is known to have written it"
    maker = makers.get(one.producer)
    if maker is None:
        return f"written by run {one.producer}"
    ended = maker.ended or maker.started
    return f"written by {words.cut(maker.component, 32)} {apart((run.started - ended).total_seconds())} before"


def _read_by(one: Touched, impact: Impact) -> str:
    readers = {edge.run for edge in impact.edges if edge.name == one.name and edge.version in (one.version, None)}
    first = next((step for _, step in impact.steps if step.id in readers), None)
    if first is None:
        return "" if impact.steps else "nobody has read it yet"
    more = f" and {words.count(len(readers) - 1)} more" if len(readers) > 1 else ""
    return f"read by {words.cut(first.component, 32)} {apart((first.started - one.time).total_seconds())} later{more}"


def tested(run: RunRecord, before: RunRecord | None) -> list[Tested]:
    """List the tests of a run, and of the one before that this one has no more."""
    now, old = _by_name(run), _by_name(before)
    keys = [*now, *(key for key in old if key not in now)]
    return [
        Tested(
            when, name, str((now.get(key) or old[key]).get("level", "")), _result(now.get(key)), _result(old.get(key))
        )
        for key in sorted(keys, key=lambda key: key[0] != "before")
        for when, name in [key]
    ]


def _by_name(run: RunRecord | None) -> dict[tuple[str, str], dict[str, object]]:
    tests = () if run is None else run.tests
    return {(str(test.get("when", "after")), str(test.get("name", ""))): test for test in tests}


def _result(test: Mapping[str, object] | None) -> tuple[str, str, str]:
    """Give the look, the word and what was said of a test's result."""
    if test is None:
        return "none", "not run", ""
    if test.get("ok"):
        return "ok", "met", ""
    return ("warn" if test.get("level") == "warn" else "bad"), "failed", words.cut(str(test.get("message") or ""), 160)


def facts(run: RunRecord, before: RunRecord | None, packages: int | None) -> list[Fact]:
    """List what a run took and where it ran; `packages` are how many differ from the run before, None where that is unknown."""
    spent, about = run.resources, run.environment or {}
    was = f"({took(before.seconds)} before)" if before is not None and before.seconds is not None else ""
    found = [Fact("Duration", took(run.seconds), was)]
    cpu, peak, host = _number(spent, "cpu_seconds"), _number(spent, "peak_memory"), about.get("host")
    cores = host.get("cpus") if isinstance(host, dict) else None
    if cpu is not None:
        found.append(Fact("CPU", took(cpu), f"of {cores} cores" if isinstance(cores, int) else ""))
    if peak is not None:
        found.append(Fact("Peak memory", size(peak), "of the process" if spent.get("peak_before") else ""))
    if "read_bytes" in spent or "written_bytes" in spent:
        moved = [size(_number(spent, name)) for name in ("read_bytes", "written_bytes")]
        found.append(Fact("Read, written", ", ".join(moved)))
    if isinstance(about.get("python"), str):
        found.append(Fact("Python", str(about["python"])))
    listed_packages = about.get("packages")
    if isinstance(listed_packages, dict):
        changed = "" if packages is None else f", {words.count(packages) if packages else 'none'} changed"
        found.append(Fact("Packages", f"{words.count(len(listed_packages))}{changed}"))
    commit = run.code.get("commit")
    if isinstance(commit, str):
        found.append(
            Fact("Code", commit[:_DIGITS], "with changes" if run.code.get("dirty") else "clean tree", code=True)
        )
    if isinstance(run.code.get("function"), str):
        found.append(Fact("Function", words.cut(str(run.code["function"]), 60), code=True))
    if run.host:
        found.append(Fact("Host", words.cut(run.host, 40), f"process {run.pid}" if run.pid is not None else ""))
    if run.trace:
        found.append(Fact("Trace", run.trace, code=True))
    return found


def _number(values: Mapping[str, object], name: str) -> float | None:
    found = values.get(name)
    return float(found) if isinstance(found, (int, float)) and not isinstance(found, bool) else None


def stale_words(found: Staleness) -> list[tuple[Input, str, str]]:
    """Say of each input that was or is stale why: when the run began, and now."""
    said = []
    for one in found.inputs:
        then, now = (_reasons([r.sentence for r in several], more) for several, more in ((one.then, one.more_then), (one.now, one.more_now)))  # fmt: skip
        if one.then or one.now:
            said.append((one, then, now))
    return said


def _reasons(sentences: list[str], more: int) -> str:
    shown = "; ".join(sentences[:3])
    rest = max(len(sentences) - 3, 0) + more
    return shown + (f"; {words.count(rest)} more reasons" if rest else "")
