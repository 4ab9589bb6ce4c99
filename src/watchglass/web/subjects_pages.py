"""A store → the list of subjects whose data is tagged, and one subject: what carries its tag, who used it, when it was retracted."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fastapi import APIRouter, Response

from watchglass.errors import UnknownName
from watchglass.show import words
from watchglass.show.run_words import LOOKS, named, short
from watchglass.web import urls
from watchglass.web.pages import emphasised, json, page

if TYPE_CHECKING:
    from datetime import datetime

    from watchglass.store.subjects.following import Subject
    from watchglass.store.subjects.retracting import Uses
    from watchglass.store.subjects.saying import Subjects
    from watchglass.web.reads import Reads

PAGE: Final = 50
USES: Final = 25


@dataclass(frozen=True, slots=True)
class Line:
    """An artifact version that carries a tag, or a run that used one, as the table shows it."""

    hops: int
    look: str
    word: str
    address: str
    text: str
    title: str
    about: str
    run: str | None
    time: datetime


def router(store: Reads) -> APIRouter:
    """Make the routes of subjects over a store."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/subjects")
    def subjects(search: str = "", after: str | None = None) -> Response:
        return page(store, "subjects.html", shown(store, search.strip(), after))

    @routes.get("/subjects.json")
    def subjects_json(search: str = "", after: str | None = None) -> Response:
        return json(store.subjects(search=search.strip() or None, limit=PAGE, after=after))

    @routes.get("/subjects/{tag:path}.json")
    def subject_json(tag: str, after: str | None = None) -> Response:
        try:
            found = store.subject(tag, limit=PAGE, after=after)
        except UnknownName:
            with suppress(UnknownName):
                return page(store, "subject.html", of_subject(store, f"{tag}.json", after))  # a tag may end so itself
            raise
        return json({"subject": found, "uses": used(store, found)})

    @routes.get("/subjects/{tag:path}")
    def subject(tag: str, after: str | None = None) -> Response:
        return page(store, "subject.html", of_subject(store, tag, after))

    return routes


def used(store: Reads, found: Subject) -> Uses | None:
    """Give the newest uses of what carries a tag since it was retracted; None where it was not."""
    return None if found.retracted is None else store.uses(found.tag, limit=USES)


def shown(store: Reads, search: str, after: str | None) -> dict[str, object]:
    """Gather what the list shows."""
    found = store.subjects(search=search or None, limit=PAGE, after=after)
    return {
        "search": search,
        "subjects": found.subjects,
        "lead": _list_lead(found, search, after),
        "newest": urls.subjects(search=search) if after else None,
        "older": urls.subjects(search=search, after=found.next) if found.next else None,
        "twin_address": urls.subjects(search=search, after=after, twin="json"),
        "empty": not found.subjects and not search and not after,
    }


def _list_lead(found: Subjects, search: str, after: str | None) -> object:
    if not found.subjects:
        return f"No subject's tag has {search!r} in it." if search else "No data is said to be of anybody here yet."
    number = len(found.subjects)
    which = "Further" if after else "The first" if found.next else ""
    count = f"{which} {words.count(number)} subjects" if which and number > 1 else words.counted(number, "subject")
    of = f" whose tag has {search!r} in it" if search else " whose data is tagged"
    taken = sum(one.retracted is not None for one in found.subjects)
    said = f"{words.counted(taken, 'tag was', 'tags were') if taken else 'no tag was'} retracted"
    return emphasised(f"{count}{of}; {said}.", [said] if taken else [])


def of_subject(store: Reads, tag: str, after: str | None) -> dict[str, object]:
    """Gather what the page of a subject shows; raises `UnknownName`, `BadInput`."""
    found = store.subject(tag, limit=PAGE, after=after)
    since = used(store, found)
    return {
        "tag": tag,
        "found": found,
        "lead": _lead(found, since),
        "lines": _lines(found),
        "uses": () if since is None else since.uses,
        "more_uses": since is not None and since.next is not None,
        "how": _how,
        "short": short,
        "named": named,
        "newest": urls.subject(tag) if after else None,
        "older": urls.subject(tag, after=found.next) if found.next else None,
        "twin_address": urls.subject(tag, after=after, twin="json"),
    }


def _how(*, blocked: bool, overdue: bool) -> tuple[str, str]:
    """Say how a use since the retraction went: look and word."""
    if blocked:
        return "ok", "Stopped"
    return ("bad", "After the grace") if overdue else ("warn", "In the grace")


def _lines(found: Subject) -> list[Line]:
    """Write artifact versions and runs, the nearest first; of one distance the runs first, as the pages are cut."""
    lines = [
        (one.depth, 0, one.time, Line(
            one.depth, LOOKS[one.status or "running"][0], LOOKS[one.status or "running"][1], urls.run(one.run),
            one.component or short(one.run), one.run, f"run {short(one.run)}", None, one.time,
        ))
        for one in found.runs
    ]  # fmt: skip
    lines += [
        (one.depth, 1, one.time, Line(
            one.depth, "nolab" if one.said else "learn", "Tagged" if one.said else "Derived",
            urls.lineage(one.name, one.version), named(one.name, one.version), f"{one.name}@{one.version}" if one.version else one.name,
            "bytes kept" if one.kept else one.kind or "", one.run, one.time,
        ))
        for one in found.artifacts
    ]  # fmt: skip
    return [line for *_, line in sorted(lines, key=lambda entry: entry[:3])]


def _lead(found: Subject, since: Uses | None) -> object:
    """Say where a subject's data is, and what became of it."""
    versions = words.counted(found.versions, "artifact version")
    said = f"{found.tag}: {versions} {'carries' if found.versions == 1 else 'carry'} the tag"
    said += f", {words.counted(found.used, 'run')} used them" if found.used else ", no run used them" if found.versions else ""  # fmt: skip
    said += f", {words.counted(len(found.models), 'model version')} came of it" if found.models else ""
    said += "."
    if found.retracted is None:
        return emphasised(said, [found.tag, versions])
    taken = f"Retracted on {words.moment(found.retracted)}{f' by {found.retracted_by}' if found.retracted_by else ''}"
    said += f" {taken}"
    if found.block_after is not None:
        said += f"; runs that want so are stopped from {words.moment(found.block_after)} on"
    number = len(since.uses) if since is not None else 0
    more = "or more " if since is not None and since.next is not None else ""
    after = f"{words.count(number)} {more}{'use' if number == 1 and not more else 'uses'} since" if number else "not used since"  # fmt: skip
    return emphasised(f"{said}; {after}.", [found.tag, versions, taken, after])
