"""JSON of sampling rules, from wherever it came → rules that hold what they need, or an error that says what would do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, cast

from watchglass.capture.rule_lists import each, refuse

if TYPE_CHECKING:
    from collections.abc import Mapping

LEAST_RATE: Final = 1e-6
MOST_ROWS: Final = 100_000
_RULE_WOULD_DO: Final = (
    '{"model": "*", "method": "head", "rate": 0.1} or {"model": "*", "method": "reservoir", "rows": 100, "seconds": 60}'
)
_KEYS: Final = {
    "head": {"model", "method", "rate", "key", "rates", "keep"},
    "reservoir": {"model", "method", "rows", "seconds", "key", "keep"},
}


@dataclass(frozen=True, slots=True)
class Rule:
    """Which predictions of the models that a glob fits are kept; capture/sampling.py says how."""

    model: str
    method: Literal["head", "reservoir"]
    rate: float = 1.0
    key: str | None = None
    rates: tuple[tuple[str, float], ...] = ()
    rows: int = 0
    seconds: float = 0.0
    errors: bool = False
    slower_than: float | None = None

    def certain(self, event: Mapping[str, object]) -> bool:
        """Say whether a row is kept whatever chance says: one with an error, or a slow one."""
        if self.errors and event.get("error") is not None:
            return True
        latency = event.get("latency")
        return self.slower_than is not None and isinstance(latency, float) and latency > self.slower_than

    def rate_of(self, value: str) -> float:
        """Give the rate of a value of the key; without one of its own and without "*", all is kept.

        >>> Rule("*", "head", key="country", rates=(("IT", 0.5), ("*", 0.01))).rate_of("FR")
        0.01
        """
        known = dict(self.rates)
        return known.get(value, known.get("*", 1.0))


def rules(given: object, source: str) -> tuple[Rule, ...]:
    """Read rules, or their JSON; raises `BadInput` that names the rule, what is wrong with it and where it is from.

    >>> rules([{"model": "fraud", "method": "head", "rate": 0.1}], "the argument")[0].rate
    0.1
    """
    return tuple(_rule(item, what) for item, what in each(given, "sampling", source, _RULE_WOULD_DO))


def _rule(given: object, what: str) -> Rule:
    if isinstance(given, Rule):
        return given
    if not isinstance(given, dict):
        refuse(what, given, _RULE_WOULD_DO)
    raw = cast("dict[str, object]", given)
    method = raw.get("method")
    if method not in ("head", "reservoir"):
        refuse(f"the method of {what}", method, '"head" or "reservoir"')
    unknown = sorted(str(key) for key in raw if key not in _KEYS[str(method)])
    if unknown:
        refuse(f"{what}, a {method} rule, has a key that", unknown[0], f"{', '.join(sorted(_KEYS[str(method)]))}")
    model, key = raw.get("model"), raw.get("key")
    if not isinstance(model, str) or not model:
        refuse(f"the model of {what}", model, 'a name or a glob such as "fraud*"')
    if key is not None and (not isinstance(key, str) or not key):
        refuse(f"the key of {what}", key, "the name of a tag or of a feature")
    errors, slower = _keep(raw.get("keep"), what)
    about = Rule(model, "head", key=key, errors=errors, slower_than=slower)
    return _head(about, raw, what) if method == "head" else _reservoir(about, raw, what)


def _head(about: Rule, raw: Mapping[str, object], what: str) -> Rule:
    if about.key is None:
        if "rates" in raw:
            refuse(f"{what} has rates but its key", None, "the name of a tag or of a feature")
        rate = _rate(raw.get("rate"), f"the rate of {what}")
        return Rule(about.model, "head", rate, errors=about.errors, slower_than=about.slower_than)
    rates = raw.get("rates")
    if not isinstance(rates, dict) or not rates or "rate" in raw:
        refuse(f"the rates of {what}", rates, 'one for each value of its key, and no rate: {"IT": 0.5, "*": 0.01}')
    known = tuple(
        (str(value), _rate(rate, f"the rate of {value!r} in {what}"))
        for value, rate in cast("dict[object, object]", rates).items()
    )
    return Rule(about.model, "head", 1.0, about.key, known, errors=about.errors, slower_than=about.slower_than)


def _reservoir(about: Rule, raw: Mapping[str, object], what: str) -> Rule:
    rows = raw.get("rows")
    if type(rows) is not int or not 1 <= rows <= MOST_ROWS:
        refuse(f"the rows of {what}", rows, f"a whole number from 1 to {MOST_ROWS}")
    seconds = _number(raw.get("seconds"))
    if seconds is None or not 0 < seconds <= 86_400:  # noqa: PLR2004 - a day
        refuse(f"the seconds of {what}", raw.get("seconds"), "a number above 0, a day at most")
    return Rule(
        about.model,
        "reservoir",
        1.0,
        about.key,
        (),
        rows,
        seconds,
        about.errors,
        about.slower_than,
    )


def _keep(given: object, what: str) -> tuple[bool, float | None]:
    if given is None:
        return False, None
    if not isinstance(given, dict) or not set(given) <= {"errors", "slower_than"}:
        refuse(f"keep of {what}", given, '{"errors": true, "slower_than": 0.5}')
    raw = cast("dict[str, object]", given)
    errors, slower = raw.get("errors", False), raw.get("slower_than")
    if not isinstance(errors, bool):
        refuse(f"keep errors of {what}", errors, "true or false")
    if slower is not None and (_number(slower) is None or cast("float", _number(slower)) < 0):
        refuse(f"keep slower_than of {what}", slower, "seconds, such as 0.5")
    return errors, _number(slower)


def _rate(given: object, what: str) -> float:
    rate = _number(given)
    if rate is None or not (rate == 0 or LEAST_RATE <= rate <= 1):
        refuse(what, given, f"a number from {LEAST_RATE} to 1, or 0 to keep none")
    return rate


def _number(given: object) -> float | None:
    return float(given) if isinstance(given, (int, float)) and not isinstance(given, bool) else None


def document(rule: Rule) -> dict[str, object]:
    """Write a rule as the JSON that it is read from.

    >>> document(rules([{"model": "*", "method": "head", "rate": 0.5, "keep": {"errors": True}}], "a file")[0])
    {'model': '*', 'method': 'head', 'rate': 0.5, 'keep': {'errors': True}}
    """
    found: dict[str, object] = {"model": rule.model, "method": rule.method}
    if rule.method == "reservoir":
        found |= {"rows": rule.rows, "seconds": rule.seconds} | ({"key": rule.key} if rule.key else {})
    elif rule.key is None:
        found["rate"] = rule.rate
    else:
        found |= {"key": rule.key, "rates": dict(rule.rates)}
    keep = {
        **({"errors": True} if rule.errors else {}),
        **({} if rule.slower_than is None else {"slower_than": rule.slower_than}),
    }
    return found | ({"keep": keep} if keep else {})
