"""A SELECT and a server's URL → all rows of the answer, page by page, or an error that says why not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

from watchglass.capture.exchange import Line, NoAnswer, Request, address, credentials
from watchglass.errors import BadInput, StoreError
from watchglass.store.labels.asked import ALL, in_order

if TYPE_CHECKING:
    from watchglass.records import Json

PAGE: Final = 10_000  # what a server gives at most at once
_SECONDS: Final = 60.0
_OK: Final = 200
_SERVER_FAILS: Final = 500


def served_rows(url: str, query: str) -> tuple[list[str], list[dict[str, Json]]]:
    """Give the columns and rows of a server's answer.

    Pages are parts of the rows in their own order. Raises `StoreError` when there is no answer, or when it changed from
    one page to the next: a row could have slipped between them; `BadInput` for a query that the server refuses.
    """
    whole = in_order(query)
    line = Line(address(url), credentials(), answer=2 * _SECONDS)
    rows: list[dict[str, Json]] = []
    try:
        page: int | None = 1
        while page is not None:
            found = _answer(url, line, {"query": whole, "limit": PAGE, "page": page, "seconds": _SECONDS})
            page = found.next
            rows += found.rows
    finally:
        line.close()
    if any(row.pop(ALL) != len(rows) for row in rows):
        message = f"the answer of {url!r} changed while its pages were read: ask again, or ask on the store's folder"
        raise StoreError(message)
    return found.columns[:-1], rows


class _Page(NamedTuple):
    """What a server says of one page."""

    columns: list[str]
    rows: list[dict[str, Json]]
    next: int | None


def _answer(url: str, line: Line, asked: dict[str, Json]) -> _Page:
    """Ask for one page."""
    data = json.dumps(asked).encode()
    headers = {"Content-Type": "application/json"}
    answer = line.ask(Request("POST", "/api/v1/sql", headers, lambda: iter((data,)), len(data)))
    if isinstance(answer, NoAnswer):
        message = f"the server {url!r} does not answer: {answer.why}. Is it running there (watchglass serve)?"
        raise StoreError(message)
    try:
        found = json.loads(answer.body)
        if answer.status == _OK:
            return _Page(found["columns"], found["rows"], found["next"])
        why = str(found.get("detail") or found.get("title"))
    except (ValueError, KeyError, AttributeError):
        why = answer.body[:200].decode(errors="replace").strip()
    message = f"the server {url!r} answers {answer.status}: {why}"
    raise (StoreError if answer.status >= _SERVER_FAILS else BadInput)(message)
