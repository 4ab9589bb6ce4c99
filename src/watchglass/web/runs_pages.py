"""A store → the list of runs, and the history of a component; and their twins in JSON."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Depends, Response
from starlette.exceptions import HTTPException

from watchglass.show import words
from watchglass.show.durations import chart
from watchglass.show.run_words import LOOKS, component, short, took
from watchglass.web import urls
from watchglass.web.chart_file import chart_file
from watchglass.web.pages import emphasised, json, page

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from watchglass.store.runs.history import History, PastRun
    from watchglass.store.runs.listing import Runs, RunSummary
    from watchglass.web.reads import Reads

PAGE: Final = 50
DRAWN: Final = 200
COMPONENTS: Final = 1000
STATUSES: Final = ("running", "ok", "error", "crashed")
_ERROR = 160


@dataclass(frozen=True, slots=True)
class Line:
    """A run as the table shows it."""

    id: str
    short: str
    component: str
    version: str
    look: str
    word: str
    error: str
    started: datetime
    took: str
    stale: int


@dataclass(frozen=True, slots=True)
class Filters:
    """Which runs are asked for; an empty field of the form asks for nothing."""

    component: str | None = None
    status: str | None = None
    owner: str | None = None
    tag: str | None = None
    since: str | None = None
    until: str | None = None

    def asked(self) -> dict[str, str | None]:
        """Give the fields that are filled, as an address has them."""
        return {name: value for name in self.__slots__ if (value := self._filled(name)) is not None}

    def page(self, store: Reads, after: str | None) -> Runs:
        """Ask for the runs, a page of them."""
        return store.runs(
            self._filled("component"),
            status=self._filled("status"),
            owner=self._filled("owner"),
            tag=self._filled("tag"),
            since=self._filled("since"),
            until=self._filled("until"),
            limit=PAGE,
            after=after or None,
        )

    def _filled(self, name: str) -> str | None:
        return (getattr(self, name) or "").strip() or None


def router(store: Reads) -> APIRouter:
    """Make the routes of runs over a store."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/runs")
    def runs(wanted: Annotated[Filters, Depends()], after: str | None = None) -> Response:
        return page(store, "runs.html", shown(store, wanted, after))

    @routes.get("/runs.json")
    def runs_json(wanted: Annotated[Filters, Depends()], after: str | None = None) -> Response:
        return json(wanted.page(store, after))

    @routes.get("/components/{name:path}/durations.{twin}")
    def durations(name: str, twin: str, run: str | None = None) -> Response:
        past = reversed(store.history(name, DRAWN).runs)
        drawn = chart(name, [(one.id, one.started, one.seconds, one.status) for one in past], run, wide=True)
        if drawn is None:
            raise HTTPException(404, f"component {name!r} has no chart yet: fewer than two of its runs are over.")
        return chart_file(drawn, twin)

    @routes.get("/components/{name:path}.json")
    def history_json(name: str, after: str | None = None) -> Response:
        return json(store.history(name, PAGE, after))

    @routes.get("/components/{name:path}")
    def history(name: str, after: str | None = None) -> Response:
        return page(store, "component.html", of_component(store, name, after))

    return routes


def shown(store: Reads, wanted: Filters, after: str | None) -> dict[str, object]:
    """Gather what the list shows."""
    asked = wanted.asked()
    found = wanted.page(store, after)
    known = store.components(limit=COMPONENTS).components
    lines = listed(found.runs, store.stale_counts([run.id for run in found.runs]))
    return {
        "asked": asked,
        "lines": lines,
        "lead": lead(found, lines, asked, after),
        "components": [one.name for one in known],
        "owners": sorted({one.owner for one in known if one.owner}),
        "tags": sorted({tag for one in known for tag in one.tags}),
        "statuses": STATUSES,
        "newest": urls.runs(asked) if after else None,
        "older": urls.runs({**asked, "after": found.next}) if found.next else None,
        "twin_address": urls.runs({**asked, "after": after}, twin="json"),
        "empty": not known,
    }


def _line(run: RunSummary | PastRun, component: str, stale: int) -> Line:
    """Write the line of a run in a table."""
    return Line(
        id=run.id,
        short=short(run.id),
        component=component,
        version=words.NONE if run.version is None else words.cut(run.version, 20),
        look=LOOKS[run.status][0],
        word=LOOKS[run.status][1],
        error=words.cut(" ".join((run.error or "").split()), _ERROR),
        started=run.started,
        took=took(run.seconds),
        stale=stale,
    )


def listed(runs: Sequence[RunSummary], stale: dict[str, int]) -> list[Line]:
    """Write the lines of a table of runs."""
    return [_line(run, run.component, stale.get(run.id, 0)) for run in runs]


def lead(found: Runs, lines: Sequence[Line], asked: dict[str, str | None], after: str | None) -> object:
    """Say in a sentence what the list shows: how many, from when, and what did not go well."""
    if not lines:
        return "No run fits what is asked for." if asked or after else "No run is recorded here yet."
    which = "older" if after else "newest"
    count = (
        f"{words.counted(len(lines), 'run')}" if found.next is None and not after else f"The {len(lines)} {which} runs"
    )
    name = asked.get("component")
    of = f" of {name}" if name else ""
    first, last = lines[-1].started, lines[0].started
    when = f"on {words.date(last)}" if words.day(first) == words.day(last) else f"from {words.date(first)} to {words.date(last)}"  # fmt: skip
    bad = {word: sum(line.word == word for line in lines) for word in ("Failed", "Crashed", "Running")}
    said = [f"{words.count(number)} {word.lower() if word != 'Running' else 'still running'}" for word, number in bad.items() if number]  # fmt: skip
    said = said or ["none failed"]
    stale = sum(line.stale > 0 for line in lines)
    said += [f"{words.count(stale)} read something stale"] if stale else []
    phrases = [*said, *([name] if name else [])]
    return emphasised(f"{count}{of}, {when}: {', '.join(said)}.", phrases)


def of_component(store: Reads, name: str, after: str | None) -> dict[str, object]:
    """Gather what the page of a component shows."""
    found = store.history(name, PAGE, after)
    about = next((one for one in store.components(limit=COMPONENTS).components if one.name == name), None)
    past = store.history(name, DRAWN) if after is None else found
    timed = [(run.id, run.started, run.seconds, run.status) for run in reversed(past.runs)]
    return {
        "name": name,
        "about": about,
        "lead": _component_lead(name, past),
        "lines": _history_lines(found),
        "wide": chart(name, timed, wide=True),
        "phone": chart(name, timed[-41:]),
        "newest": urls.component(name) if after else None,
        "older": urls.component(name, after=found.next) if found.next else None,
        "twin_address": urls.component(name, after=after, twin="json"),
    }


def _history_lines(found: History) -> list[Line]:
    return [_line(run, found.component, run.stale) for run in found.runs]


def _component_lead(name: str, past: History) -> object:
    """Say how a component's last runs went."""
    if not past.runs:
        return emphasised(f"{name} is known, and has not run yet.", [name])
    newest = past.runs[0]
    over = [run.seconds for run in past.runs if run.seconds is not None]
    title = component(name, newest.version)
    word = LOOKS[newest.status][1].lower()
    failed = sum(run.status in ("error", "crashed") for run in past.runs)
    of = words.counted(len(past.runs), "run") if past.next is None else f"the last {words.count(len(past.runs))} runs"
    said = f"{title} ran last on {words.moment(newest.started)} and {'is still running' if newest.status == 'running' else word}."
    said += f" Of {of} {words.count(failed) if failed else 'none'} failed"
    said += f"; the median is {took(median(over))}." if over else "."
    return emphasised(said, [title])
