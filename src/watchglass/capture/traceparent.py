"""A run ↔ the trace context of W3C: the `traceparent` and `tracestate` that come with a request, a job or an environment, and go out again.

A trace has 32 hexadecimal digits, a span 16: of a run they are the last 16 of its id. `tracestate` carries the whole id,
so that the run at the other end of a wire knows its parent even where other tracers' spans lie between.
Source of the form: W3C Trace Context, level 1.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from watchglass.capture import drops
from watchglass.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from watchglass.records import RunId

SPAN_DIGITS: Final = 16
_FORM: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_ID: Final = re.compile(r"[\x21-\x2b\x2d-\x3c\x3e-\x7e]{1,128}")
_OURS: Final = "watchglass"
_MOST_STATES: Final = 32


class Remote(NamedTuple):
    """Who called from elsewhere: the trace, the caller's span, the nearest run of ours around it, and the states of other tracers."""

    text: str
    trace: str
    flags: str
    parent: RunId | None
    others: tuple[str, ...] = ()


def parsed(traceparent: str, tracestate: str = "") -> Remote | None:
    """Read a trace context; None when it is not of the standard's form, as a stranger may send anything.

    >>> parsed("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").trace
    '0af7651916cd43dd8448eb211c80319c'
    >>> parsed("00-00000000000000000000000000000000-b7ad6b7169203331-01") is None
    True
    """
    found = _FORM.fullmatch(traceparent.strip())
    if found is None:
        return None
    version, trace, span, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or not trace.strip("0") or not span.strip("0"):
        return None
    states = [part.strip() for part in tracestate.split(",") if part.strip()]
    parent = next((part[len(_OURS) + 1 :] for part in states if part.startswith(f"{_OURS}=")), "")
    others = tuple(part for part in states if not part.startswith(f"{_OURS}="))
    known = cast("RunId", parent) if _ID.fullmatch(parent) else None
    return Remote(f"{version}-{trace}-{span}-{flags}", trace, flags, known, others[: _MOST_STATES - 1])


def taken(given: object) -> Remote | None:
    """Take what `wg.run` is given: a traceparent, or the headers it is among; one that cannot be read is warned of.

    Raises `BadInput` when it is neither.
    """
    if given is None:
        return None
    if isinstance(given, str):
        text, state = given, ""
    elif hasattr(given, "get") and hasattr(given, "keys"):
        headers = cast("Mapping[str, object]", given)
        lower = {str(name).lower(): headers[name] for name in headers}
        text, state = str(lower.get("traceparent") or ""), str(lower.get("tracestate") or "")
        if not text:
            return None
    else:
        message = f"traceparent cannot be {given!r:.80}: a text such as 00-<32 hex>-<16 hex>-01, or a request's headers would do"
        raise BadInput(message)
    found = parsed(text, state)
    if found is None:
        drops.warn("traceparent", f"a traceparent cannot be read, the run begins a trace of its own: {text[:80]!r}")
    return found


def around() -> Remote | None:
    """Read the trace context that this process was started with: TRACEPARENT and TRACESTATE."""
    text = os.environ.get("TRACEPARENT")
    return parsed(text, os.environ.get("TRACESTATE", "")) if text else None


def span_of(run: str) -> str:
    """Give the span of a run by its id.

    >>> span_of("019a6e3c-7f10-7c3a-9b5e-0123456789ab")
    '9b5e0123456789ab'
    """
    digits = run.replace("-", "")[-SPAN_DIGITS:].lower()
    if len(digits) == SPAN_DIGITS and digits.strip("0") and not digits.strip("0123456789abcdef"):
        return digits
    from hashlib import blake2b  # noqa: PLC0415 - an id from elsewhere

    return blake2b(run.encode("utf-8", "surrogatepass"), digest_size=SPAN_DIGITS // 2).hexdigest()


def headers(run: str, trace: str, remote: Remote | None) -> dict[str, str]:
    """Write what a request from inside a run carries on."""
    ours = (f"{_OURS}={run}", *(remote.others if remote is not None else ()))
    flags = remote.flags if remote is not None else "01"
    return {"traceparent": f"00-{trace}-{span_of(run)}-{flags}", "tracestate": ",".join(ours)}
