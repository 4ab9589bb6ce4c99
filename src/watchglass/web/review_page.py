"""A store → the flagged outputs and the runs that stand behind them; flags set and taken back by forms that need no script."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from watchglass.show import words
from watchglass.show.run_words import component, listed, named, short
from watchglass.web import urls
from watchglass.web.pages import emphasised, json, page
from watchglass.web.saving import only_from_here

if TYPE_CHECKING:
    from markupsafe import Markup

    from watchglass.store.lineage.flags import Flag
    from watchglass.store.lineage.review import Review
    from watchglass.web.reads import Reads

LISTED: Final = 100
SUSPECTS: Final = 25
SAMPLE: Final = 1_000
"""Good outputs that the page contrasts with at most; `watchglass review` takes 10,000 unless told."""
MOST_BYTES: Final = 65_536


def router(store: Reads, *, writable: bool) -> APIRouter:
    """Make the routes of the review over a store."""
    routes = APIRouter(include_in_schema=False)

    @routes.get(urls.REVIEW)
    def review(after: int = 0) -> Response:
        return page(store, "review.html", {**shown(store, after), "writable": writable})

    @routes.get(f"{urls.REVIEW}.json")
    def review_json(after: int = 0) -> Response:
        return json({"flags": store.flags(limit=LISTED), "review": store.review(SUSPECTS, after, sample=SAMPLE)})

    return routes


def forms(store: Reads) -> APIRouter:
    """Make the routes that the forms of a writable store send to."""
    routes = APIRouter(include_in_schema=False)

    @routes.post(urls.FLAG)
    async def flag(request: Request) -> Response:
        given = await _form(request)
        await asyncio.to_thread(store.flag, given["name"], given.get("version"), given.get("note"), given.get("who"))
        return _back(given)

    @routes.post(urls.UNFLAG)
    async def unflag(request: Request) -> Response:
        given = await _form(request)
        await asyncio.to_thread(store.unflag, given["name"], given.get("version"), given.get("who"))
        return _back(given)

    return routes


async def _form(request: Request) -> dict[str, str]:
    """Read a form's fields, those that are filled; raises an error for one that names no output."""
    only_from_here(request)
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            raise HTTPException(413, f"the form has more than {MOST_BYTES:,} bytes: shorten the note.")
    try:
        fields = parse_qs(body.decode(), max_num_fields=20)
    except ValueError:
        raise HTTPException(400, "the form cannot be read: send its fields URL-encoded in UTF-8.") from None
    given = {name: values[0] for name, values in fields.items() if values[0].strip()}
    if "name" not in given:
        raise HTTPException(400, "the form names no output: its field `name` is missing.")
    return given


def _back(given: dict[str, str]) -> Response:
    """Lead back to the run whose page the form stood on."""
    to = f"{urls.run(given['run'])}#io" if "run" in given else urls.REVIEW
    return RedirectResponse(to, status_code=303)


def shown(store: Reads, after: int) -> dict[str, object]:
    """Gather what the page shows."""
    flags, found = store.flags(limit=LISTED), store.review(SUSPECTS, after, sample=SAMPLE)
    return {
        "flags": flags.flags,
        "more_flags": flags.next is not None,
        "review": found,
        "after": after,
        "lead": _lead(flags.flags, found),
        "named": named,
        "short": short,
        "component_words": component,
        "older": None if found.next is None else urls.review(after=found.next),
        "newest": urls.review() if after else None,
        "twin_address": urls.review(after=after or None, twin="json"),
    }


def _lead(flags: tuple[Flag, ...], found: Review) -> Markup:
    if not flags:
        return emphasised("No output is flagged as wrong.", [])
    names = list(dict.fromkeys(flag.name for flag in flags))
    count = words.counted(len(flags), "output is", "outputs are")
    said = f"{count} flagged: {listed(names)}."
    if not found.runs:
        return emphasised(f"{said} Nobody knows which runs stand behind.", names)
    top = found.runs[0]
    name = component(top.component, top.version)
    said += f" Most suspicious is {name} of {words.moment(top.started)}: behind {words.count(top.count)} of {words.count(found.flagged)} flagged and {words.count(top.good)} of {words.count(found.good)} good ones."
    return emphasised(said, [*names, name])
