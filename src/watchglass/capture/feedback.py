"""What a user did about a prediction → a feedback event; the rule of a model that makes labels of such events, checked.

The rule: an event within so long after the prediction's time makes it positive, none by then makes it negative.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from watchglass.capture import recorder
from watchglass.capture.encode import plain, shown
from watchglass.capture.events import name, text_of
from watchglass.capture.times import micros, now
from watchglass.errors import BadInput

if TYPE_CHECKING:
    from watchglass.records import Time

_KEYS: Final = ("event", "within", "positive", "negative")
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")
_UNITS: Final = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_LONGEST: Final = 366 * _UNITS["d"]
_EXAMPLE: Final = '{"event": "click", "within": "30m", "positive": 1, "negative": 0}'


@dataclass(frozen=True, slots=True)
class Rule:
    """How events become labels: `within` is in µs; labels are texts, of which the positive one sorts last."""

    event: str
    within: int
    positive: str
    negative: str


def log_feedback(
    model: str,
    id: str,  # noqa: A002 - the settled public face
    *,
    event: str,
    time: Time | None = None,
    environment: str = "live",
) -> None:
    """Record what a user did about a prediction, by its id: a click, a purchase, a complaint; `time` is now unless given.

    A model whose `log_model` has a rule, `feedback=`, gets its labels from these; others keep them in the view `feedback`.
    Nothing that the disk does is raised here; a missing name or a time that cannot be read is.
    """
    recorder.current().row(
        {
            "kind": "feedback",
            "model": name(model, "model"),
            "environment": name(environment, "environment"),
            "id": name(id, "id"),
            "event": name(event, "event"),
            "time": now() if time is None else micros(time),
        }
    )


def written(feedback: object) -> dict[str, object] | None:
    """Check a rule as `log_model` takes it and write it as its event holds it; raises `BadInput`.

    None says nothing of the rule, {} that there is none any more.

    >>> written({"event": "click", "within": timedelta(minutes=90)})
    {'event': 'click', 'within': '5400s', 'positive': 1, 'negative': 0}
    """
    if feedback is None:
        return None
    if feedback == {}:
        return {}
    if not isinstance(feedback, Mapping):
        message = f"feedback cannot be {shown(feedback)}: a rule such as {_EXAMPLE} would do"
        raise BadInput(message)
    told = {"positive": 1, "negative": 0, **feedback}
    if isinstance(told.get("within"), timedelta):
        told["within"] = f"{told['within'].total_seconds():.6f}".rstrip("0").rstrip(".") + "s"
    rule_of(told)
    return {key: plain(told[key]) for key in _KEYS}


def rule_of(told: Mapping[str, object]) -> Rule | None:
    """Read a rule from the event of a model, None where it is struck ({}); raises `BadInput` that says what would do.

    >>> rule_of({"event": "click", "within": "30m", "positive": 1, "negative": 0})
    Rule(event='click', within=1800000000, positive='1', negative='0')
    """
    if not told:
        return None
    odd = [key for key in told if key not in _KEYS] + [key for key in ("event", "within") if key not in told]
    if odd:
        message = f"the rule of feedback has {odd[0]!r} wrongly or not at all: {_EXAMPLE} would do"
        raise BadInput(message)
    event = name(told["event"], "the event of feedback")
    positive, negative = (_label(told.get(key, default), key) for key, default in (("positive", 1), ("negative", 0)))
    if positive <= negative:
        message = (
            f"the labels of feedback cannot be positive={positive!r} and negative={negative!r}: as a text the positive one "
            "must sort last, for of two labels of one time the last counts; 1 and 0, or 'yes' and 'no', would do"
        )
        raise BadInput(message)
    return Rule(event, _within(told["within"]), positive, negative)


def _label(value: object, key: str) -> str:
    if isinstance(value, (bool, int, float, str)) and value != "" and plain(value) is not None:
        return text_of(value)
    message = f"{key} of feedback cannot be {shown(value)}: a label such as 1 would do"
    raise BadInput(message)


def _within(value: object) -> int:
    found = _SPAN.fullmatch(value.strip()) if isinstance(value, str) else None
    span = round(float(found[1]) * _UNITS[found[2]]) if found else 0
    if not 0 < span <= _LONGEST:
        message = f"within of feedback cannot be {shown(value)}: '90s', '30m', '12h', '7d' (up to 366d) would do"
        raise BadInput(message)
    return span
