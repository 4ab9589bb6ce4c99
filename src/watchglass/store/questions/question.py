"""A question's name, sentence, parameters and columns → one record of it, and values as given → values that were checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from watchglass.capture.times import WOULD_DO, micros
from watchglass.errors import BadInput
from watchglass.store.models import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from watchglass.store.answers import Table
    from watchglass.store.questions.asked import Asked
    from watchglass.store.questions.paging import Order

Kind: TypeAlias = Literal["text", "model", "time", "whole"]
Value: TypeAlias = "str | int | datetime | None"
_AGO: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([dhm])\s*")
_LENGTHS: Final = {"d": "days", "h": "hours", "m": "minutes"}
MOST: Final = 1_000_000
"""No list is longer."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a question may be asked with. Without a default it must be given; a time may be "7d": so long before now."""

    name: str
    kind: Kind
    sentence: str
    default: str | int | None = None
    needed: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """A question of the field: what it tells, from what ("rows", "cells": what was counted, "graph"), with which columns, in which order."""

    name: str
    sentence: str
    source: Literal["rows", "cells", "graph"]
    parameters: tuple[Parameter, ...]
    columns: tuple[tuple[str, str], ...]
    order: Order
    answer: Callable[[Asked], Table]

    def checked(self, given: Mapping[str, object], now: datetime) -> dict[str, Value]:
        """Check values and fill in the defaults; raises `BadInput` that says which would do."""
        known = [parameter.name for parameter in self.parameters]
        for name in given:
            if name not in known:
                near = get_close_matches(name, known, n=1)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                message = f"question {self.name!r} has no parameter {name!r}.{hint} It has: {', '.join(known)}"
                raise BadInput(message)
        return {parameter.name: self._value(parameter, given.get(parameter.name), now) for parameter in self.parameters}

    def _value(self, parameter: Parameter, value: object, now: datetime) -> Value:
        if value is None:
            value = parameter.default
        if value is None:
            if not parameter.needed:
                return None
            message = f"question {self.name!r} needs {parameter.name!r}: {parameter.sentence}"
            raise BadInput(message)
        what = f"{parameter.name} of question {self.name!r}"
        if parameter.kind == "time":
            return _time(value, what, now)
        if parameter.kind == "whole":
            return whole(value, what)
        if not isinstance(value, str):
            message = f"{what} cannot be {value!r}: a text would do"
            raise BadInput(message)
        if parameter.choices and value not in parameter.choices:
            message = f"{what} cannot be {value!r}: {' or '.join(map(repr, parameter.choices))} would do"
            raise BadInput(message)
        return value


def _time(value: object, what: str, now: datetime) -> datetime:
    """Read a time, or a length such as 7d that lies before now; gives it without its zone, in UTC, as the tables hold times."""
    if isinstance(value, str) and (found := _AGO.fullmatch(value)):
        return (now - timedelta(**{_LENGTHS[found[2]]: float(found[1])})).replace(tzinfo=None)
    try:
        return moment(micros(value, what)).replace(tzinfo=None)  # type: ignore[arg-type]  # it refuses what is no time
    except BadInput as error:
        message = f"{str(error).replace(WOULD_DO, WOULD_DO.replace(' would do', ''))}, or a length before now such as '7d', '36h' or '90m' would do"
        raise BadInput(message) from None


def whole(value: object, what: str) -> int:
    """Read how many; raises `BadInput` that names what it is for."""
    try:
        found = int(value) if isinstance(value, str | int) and not isinstance(value, bool) else 0
    except ValueError:
        found = 0
    if not 1 <= found <= MOST:
        message = f"{what} cannot be {value!r}: a whole number from 1 to {MOST} would do"
        raise BadInput(message)
    return found


MODEL: Final = Parameter("model", "model", "the model", needed=True)
ENVIRONMENT: Final = Parameter("environment", "text", "where it served", "live")
START: Final = Parameter("start", "time", "from then on")
END: Final = Parameter("end", "time", "up to then, not with it")
LIMIT: Final = Parameter("limit", "whole", "rows of a page", 100)
LONG: Final = Parameter("limit", "whole", "rows of a page", 10_000)
AFTER: Final = Parameter("after", "text", "the `next` of the page before")


def known(questions: Sequence[Question]) -> dict[str, Question]:
    """Name questions; no name twice."""
    found = {question.name: question for question in questions}
    assert len(found) == len(questions), "two questions of one name"  # noqa: S101 - the package's own list
    return found
