"""What was given for a setting, by an argument or the environment → its value; `ValueError` says what would do."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def store(value: object) -> str:
    """Take a folder's path, its ~ put in, or a server's URL."""
    text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        message = "a folder's path would do"
        raise ValueError(message)
    scheme, sign, place = text.strip().partition("://")
    if not sign:
        return os.path.expanduser(text)  # noqa: PTH111 - pathlib costs its import here
    if scheme.lower() not in ("http", "https") or not place.strip("/"):
        message = "a folder's path, or a server's URL such as http://host:port would do"
        raise ValueError(message)
    return text.strip()


def one_of(*known: str) -> Callable[[object], str]:
    """Make what takes one of some words."""

    def take(value: object) -> str:
        if value not in known:
            message = f"{', '.join(map(repr, known[:-1]))} or {known[-1]!r} would do"
            raise ValueError(message)
        return str(value)

    return take


_WORDS: Final = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off", ""), False),
}


def switch(value: object) -> bool:
    """Take yes or no, as people write them in an environment."""
    known = _WORDS.get(str(value).strip().lower())
    if known is None:
        message = "1 or 0 would do"
        raise ValueError(message)
    return known


def positive(value: object) -> float:
    """Take a number above 0."""
    message = "a number above 0 would do"
    try:
        number = float(cast("str", value))
    except (TypeError, ValueError):
        raise ValueError(message) from None
    if not 0 < number < float("inf"):
        raise ValueError(message)
    return number


def size(value: object) -> int:
    """Take a whole number from 1 on; of a fraction what lies below it."""
    return max(1, int(positive(value)))


def size_or_none(value: object) -> int:
    """Take a whole number from 0 on; 0 is none."""
    return 0 if str(value).strip() in ("0", "0.0") else size(value)


def text(value: object) -> str:
    """Take anything as a text without space around it."""
    return str(value).strip()


def rules(value: object) -> str:
    """Give a list of rules as JSON; capture/rules.py and capture/redaction_rules.py say what is in them."""
    message = 'a list of rules would do, as JSON in the environment: [{"model": "*", "method": "head", "rate": 0.1}]'
    if isinstance(value, str) and not value.strip():
        return ""
    import json  # noqa: PLC0415 - only where there are rules

    try:
        found = json.loads(value) if isinstance(value, str) else list(cast("Iterable[object]", value))
        if isinstance(found, list):
            return json.dumps(found)
    except (TypeError, ValueError):
        pass
    raise ValueError(message)
