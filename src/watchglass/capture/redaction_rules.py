"""JSON of rules of redaction, from wherever it came → rules that hold what they need, or an error that says what would do.

A rule says of which models (a glob, "*" without) which field is dropped, hashed or masked:
`{"model": "fraud", "field": "features.ssn", "action": "hash"}`. capture/redaction.py says what each comes to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, Literal, cast

from watchglass.capture.redaction_patterns import NAMED
from watchglass.capture.rule_lists import each, refuse
from watchglass.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence

Action = Literal["drop", "hash", "mask"]
ACTIONS: Final[tuple[Action, ...]] = ("drop", "hash", "mask")
OBJECTS: Final = ("features", "tags", "labels", "params")
"""Fields that hold others by name: a rule names one of them, or a glob: "features.ssn", "tags.*"."""
TEXTS: Final = ("prediction", "label", "error", "message", "notes", "preview")
WHOLE: Final = (*TEXTS, "score", "id")
MOST_KEPT: Final = 8
WHY: Final = "redaction"
"""The reason under which rows are counted that could not be redacted and so are not written."""
WHY_VALUE: Final = "redaction value"
"""The reason under which values are counted that could not be redacted; the rest of their rows is written."""
GONE: Final = object()
"""In the place of a value that is not written."""
_KEYS: Final = ("model", "field", "action", "pattern", "keep")
_FIELDS: Final = f"{', '.join(f'{name}.NAME' for name in OBJECTS)}, {', '.join(WHOLE)}, or with mask *"
_RULE_WOULD_DO: Final = '{"model": "fraud", "field": "features.ssn", "action": "hash"}'
_NEVER: Final = {
    ("id", "drop"): "a row is found by its id; hash would do",
    ("id", "mask"): "two masked ids would be one; hash would do",
    ("score", "hash"): "a score is a number; drop would do",
    ("score", "mask"): "a score is a number; drop would do",
    ("label", "drop"): "a label without a value takes back what was known; hash would do, or leave its recording out",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """What happens to a field of the models that a glob fits."""

    model: str
    field: str
    action: Action
    pattern: str | None = None
    keep: int = 0

    def fits(self, model: str, role: str, name: str) -> bool:
        """Say whether the rule is about a field: its role, and its name where the role holds fields by name.

        >>> Rule("*", "features.card_*", "drop").fits("fraud", "features", "card_number")
        True
        """
        if not fnmatchcase(model, self.model):
            return False
        if self.field == "*":
            return role in TEXTS or role in OBJECTS
        wanted, dot, glob = self.field.partition(".")
        return wanted == role and (not dot or fnmatchcase(name, glob))


def rules(given: object, source: str) -> tuple[Rule, ...]:
    """Read rules, or their JSON; raises `BadInput` that names the rule, what is wrong with it and where it is from.

    >>> rules([{"field": "message", "action": "mask", "pattern": "email"}], "the argument")[0].model
    '*'
    """
    return tuple(_rule(item, what) for item, what in each(given, "redaction", source, _RULE_WOULD_DO))


def needs_key(found: Sequence[Rule]) -> bool:
    """Say whether a rule hashes."""
    return any(rule.action == "hash" for rule in found)


def _rule(given: object, what: str) -> Rule:
    if isinstance(given, Rule):
        return given
    if not isinstance(given, dict):
        refuse(what, given, _RULE_WOULD_DO)
    raw = cast("dict[str, object]", given)
    unknown = sorted(str(key) for key in raw if key not in _KEYS)
    if unknown:
        refuse(f"a key of {what}", unknown[0], ", ".join(_KEYS))
    model, action, field = raw.get("model", "*"), raw.get("action"), raw.get("field")
    if not isinstance(model, str) or not model:
        refuse(f"the model of {what}", model, 'a name or a glob such as "fraud*"')
    if action not in ACTIONS:
        refuse(f"the action of {what}", action, ", ".join(ACTIONS))
    chosen = action
    if not isinstance(field, str) or not _known(field, chosen):
        refuse(f"the field of {what}", field, _FIELDS)
    if (field, action) in _NEVER:
        message = f"{what} cannot {action} {field!r}: {_NEVER[field, chosen]}"
        raise BadInput(message)
    if chosen != "mask" and ("pattern" in raw or "keep" in raw):
        message = f"{what} cannot have a pattern, nor keep anything: it takes the whole value. mask has both"
        raise BadInput(message)
    return Rule(model, field, chosen, _pattern(raw.get("pattern"), what), _keep(raw.get("keep", 0), what))


def _known(field: str, action: Action) -> bool:
    role, dot, name = field.partition(".")
    if dot:
        return role in OBJECTS and bool(name)
    return field in WHOLE or (field == "*" and action == "mask")


def _pattern(given: object, what: str) -> str | None:
    if given is None:
        return None
    if isinstance(given, str) and given in NAMED:
        return given
    try:
        if isinstance(given, str) and given and not re.compile(given).match(""):
            return given
    except re.error as error:
        refuse(f"the pattern of {what}", given, f"({error}) {', '.join(NAMED)} or a regular expression")
    return refuse(
        f"the pattern of {what}", given, f"{', '.join(NAMED)} or a regular expression that matches no empty text"
    )


def _keep(given: object, what: str) -> int:
    if type(given) is int and 0 <= given <= MOST_KEPT:
        return given
    return refuse(f"keep of {what}", given, f"how many characters at the end stay, 0 to {MOST_KEPT},")


def document(rule: Rule) -> dict[str, object]:
    """Write a rule as the JSON that it is read from.

    >>> document(rules([{"field": "tags.card", "action": "mask", "keep": 4}], "a file")[0])
    {'model': '*', 'field': 'tags.card', 'action': 'mask', 'keep': 4}
    """
    found: dict[str, object] = {"model": rule.model, "field": rule.field, "action": rule.action}
    return (
        found
        | ({"pattern": rule.pattern} if rule.pattern is not None else {})
        | ({"keep": rule.keep} if rule.keep else {})
    )
