"""Events, or values of a column, and rules of redaction → the same without what must not be written.

Rules are dicts, as in WATCHGLASS_REDACTION, in `wg.init(redaction=[…])` and in a store's settings.json; those of a store
are added to those of a process. All that fit a field hold: drop goes before hash, hash before mask.

- `{"model": "fraud", "field": "features.ssn", "action": "drop"}`: the value is not written.
- `{"field": "id", "action": "hash"}`: 32 hexadecimal digits stand for it, the same for the same value, so that joins go on
  to work: 24 of an HMAC-SHA256 with the secret WATCHGLASS_HASH_KEY and 8 by which a hash is known for one.
- `{"field": "*", "action": "mask", "pattern": "email"}`: what the pattern matches is written as `***`, with the last
  `keep` characters; without a pattern the whole value. Named patterns: email, card, iban, ip.

Fields are features.NAME, tags.NAME, labels.NAME (of metrics), params.NAME (of runs), each also as a glob; prediction, score,
label, id, error, message (of log lines, of tests, and the source of functions), notes and preview (of what a run read and wrote); "*" is all but score and id.
What has no model, such as a run, fits rules of the model "*".

Redacted twice is the same as once. What a rule cannot do to a value, drops it and is counted; never is the raw value written.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final, cast

from watchglass.capture import drops
from watchglass.capture.encode import canonical, plain
from watchglass.capture.redaction_patterns import masking
from watchglass.capture.redaction_rules import GONE, OBJECTS, WHOLE, WHY, WHY_VALUE, Rule, needs_key
from watchglass.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from watchglass.records import Json

SHORTEST_KEY: Final = 16
MOST_PLANS: Final = 20_000
_VALUE_DIGITS: Final = 24
_SEAL_DIGITS: Final = 8
PREVIEW_CHARACTERS: Final = 2000  # capture/artifacts.py, which a process that only predicts never imports
_UNSURE: Final = 320  # the longest address that RFC 5321 allows
_EXACT: Final = float(1 << 63)
_UNDROPPABLE: Final = ("id", "label")
_PLACES: Final = (
    *_UNDROPPABLE,
    *OBJECTS,
    *(role for role in WHOLE if role not in _UNDROPPABLE),
    "reads",
    "writes",
    "artifact",
    "tests",
    "text",
)


def check_key(rules: Sequence[Rule], key: str) -> None:
    """Raise `BadInput` where rules hash and there is no key to do it with, or one that could be guessed."""
    if needs_key(rules) and len(key) < SHORTEST_KEY:
        what = "is not set" if not key else f"has {len(key)} characters"
        message = (
            f"a rule of redaction hashes, but WATCHGLASS_HASH_KEY {what}: a secret of {SHORTEST_KEY} characters or more would do, "
            "the same wherever hashes must agree. Next: python -c 'import secrets; print(secrets.token_hex(32))'"
        )
        raise BadInput(message)


def hashed(value: object, key: str) -> str:
    """Hash a value with a secret key; a hash that this key made stays as it is.

    >>> hashed(17, "k" * 16) == hashed("17", "k" * 16) == hashed(hashed(17, "k" * 16), "k" * 16)
    True
    """
    text = text_of(value)
    secret = key.encode()
    if _is_hash(text, secret):
        return text
    digits = hmac.new(secret, b"value:" + text.encode(), hashlib.sha256).hexdigest()[:_VALUE_DIGITS]
    return digits + _seal(digits, secret)


def _seal(digits: str, secret: bytes) -> str:
    return hmac.new(secret, b"seal:" + digits.encode(), hashlib.sha256).hexdigest()[:_SEAL_DIGITS]


def _is_hash(text: str, secret: bytes) -> bool:
    if len(text) != _VALUE_DIGITS + _SEAL_DIGITS or not text.isascii():
        return False
    return hmac.compare_digest(_seal(text[:_VALUE_DIGITS], secret), text[_VALUE_DIGITS:])


def text_of(value: object) -> str:
    """Write a value as the text that is hashed: 17.0 is 17, whatever library or frame it came from.

    >>> text_of(17.0), text_of(True), text_of({"b": 1})
    ('17', 'true', '{"b":1}')
    """
    found = _known(value)
    if isinstance(found, float) and found.is_integer() and abs(found) < _EXACT:
        found = int(found)
    return found if isinstance(found, str) else canonical(found)


def _known(value: object) -> Json:
    """Give a value as JSON has it, halves of surrogate pairs mended; one that cannot be shown is refused."""
    return plain(value)


class _NoKeyError(Exception):
    """A rule hashes, and there is no secret to do it with."""


class Redactor:
    """Rules in force: what is done to each field of each model is found once."""

    def __init__(self, rules: Iterable[Rule], key: str) -> None:
        self.rules = tuple(rules)
        self._key = key if len(key) >= SHORTEST_KEY else ""
        self._plans: dict[tuple[str, str, str], Callable[[object], object] | None] = {}
        self._last: Mapping[str, object] = {}

    def event(self, event: Mapping[str, object]) -> Mapping[str, object]:
        """Redact an event, which stays as it is; an empty one for what cannot be written without what it must not hold."""
        if event is self._last:
            return event
        try:
            made = self._event(event)
        except Exception as error:  # noqa: BLE001 - whatever an odd value does while it is looked at, the host's work goes on
            _count(WHY, f"an event of kind {str(event.get('kind'))[:40]!r}", error)
            return {}
        self._last = made
        return made

    def _event(self, event: Mapping[str, object]) -> Mapping[str, object]:
        made = dict(event)
        model = event.get("model")
        about = model if isinstance(model, str) else "" if model is None else text_of(model)
        for role in _PLACES:
            value = made.get(role)
            if value is None or (role == "id" and model is None) or (role == "tags" and isinstance(value, list)):
                continue  # a component's tags are words of its code
            kept = self._place(about, role, value)
            if kept is not GONE:
                made[role] = kept
            elif role in _UNDROPPABLE:
                drops.count(WHY, f"a row of model {about!r:.80} is not written, as its {role} could not be redacted")
                return {}
            elif role == "text":  # the source of a function is nothing without it
                return {}
            elif role == "message":
                made[role] = ""
            else:
                del made[role]
        return made

    def _place(self, model: str, role: str, value: object) -> object:
        if role in OBJECTS:
            return self._object(model, role, value)
        if role in ("reads", "writes"):
            return [self._edge(cast("Mapping[str, object]", edge)) for edge in cast("Iterable[object]", value)]
        if role == "artifact":
            return self._about(value)
        if role == "notes":
            verb = self.verb(model, role)
            found = [verb(item) for item in cast("Iterable[object]", value)] if verb is not None else value
            return [item for item in found if item is not GONE] if isinstance(found, list) else found
        if role == "tests":
            return [self._test(one) for one in cast("Iterable[object]", value)]
        verb = self.verb(model, "message" if role == "text" else role)
        return value if verb is None else verb(value)

    def _test(self, result: object) -> object:
        """Redact what a test said, which may be a value."""
        verb = self.verb("", "message")
        if verb is None or not isinstance(result, dict) or result.get("message") is None:
            return result
        kept = verb(result["message"])
        return {**result, "message": "" if kept is GONE else kept}

    def _object(self, model: str, role: str, value: object) -> object:
        fields = cast("Mapping[object, object]", value)
        made: dict[object, object] | None = None
        for key, held in fields.items():
            verb = self.verb(model, role, key if type(key) is str else text_of(key))
            if verb is None or held is None:
                continue
            if made is None:
                made = dict(fields)
            kept = verb(held)
            if kept is GONE:
                del made[key]
            else:
                made[key] = kept
        return fields if made is None else made

    def _edge(self, edge: Mapping[str, object]) -> Mapping[str, object]:
        about = edge.get("artifact")
        return edge if about is None else {**edge, "artifact": self._about(about)}

    def _about(self, about: object) -> object:
        found = cast("Mapping[str, object]", about)
        verb = self.verb("", "preview")
        if not isinstance(about, dict) or verb is None:
            return about
        kept = GONE if found.get("preview") is None else verb(found["preview"])
        made = {**found, "preview": kept, "profile": GONE}  # a profile shows values too
        return {name: value for name, value in made.items() if value is not GONE}

    def touches(self, model: str, role: str, name: str = "") -> bool:
        """Say whether a rule is about a field."""
        return self.verb(model, role, name) is not None

    def drops(self, model: str, role: str, name: str = "") -> bool:
        """Say whether nothing of a field is written."""
        return any(rule.action == "drop" and rule.fits(model, role, name) for rule in self.rules)

    def verb(self, model: str, role: str, name: str = "") -> Callable[[object], object] | None:
        """Give what is done to a field's values; `GONE` is what is not written. None: nothing is."""
        place = (model, role, name)
        try:
            return self._plans[place]
        except KeyError:
            found = self._verb(place)
            if len(self._plans) < MOST_PLANS:  # names that are data would grow without end
                self._plans[place] = found
            return found

    def _verb(self, place: tuple[str, str, str]) -> Callable[[object], object] | None:
        fitting = [rule for rule in self.rules if rule.fits(*place)]
        actions = {rule.action for rule in fitting}
        if not actions:
            return None
        if "drop" in actions:
            return lambda _: GONE
        if "hash" in actions:
            verb: Callable[[object], object] = self._hash
        else:
            masks = [masking(rule.pattern, rule.keep) for rule in fitting]
            verb = (
                (lambda value: _preview(value, masks))
                if place[1] == "preview"
                else (lambda value: _masked(value, masks))
            )
        what = ".".join(part for part in place[1:] if part)

        def careful(value: object) -> object:
            try:
                return verb(value)
            except Exception as error:  # noqa: BLE001 - others' methods may raise anything, and what they say may be the value
                _count(WHY_VALUE, f"a value of {what[:80]!r}", error)
                return GONE

        return careful

    def _hash(self, value: object) -> object:
        if not self._key:
            raise _NoKeyError
        return hashed(value, self._key)


def _count(reason: str, what: str, error: Exception) -> None:
    why = "WATCHGLASS_HASH_KEY is not set" if isinstance(error, _NoKeyError) else type(error).__name__
    drops.count(reason, f"{what} is not written, as it could not be redacted: {why}")


def _masked(value: object, masks: Sequence[Callable[[str], str]]) -> object:
    """Mask a value, or what it holds; a number stays one unless a mask matches it."""
    kind = type(value)
    found = value if kind is int or kind is float else plain(value)
    if isinstance(found, str):
        for mask in masks:
            found = mask(found)
        return found
    if isinstance(found, list):
        return [_masked(item, masks) for item in found]
    if isinstance(found, dict):
        return {str(_masked(key, masks)): _masked(item, masks) for key, item in found.items()}
    if found is None or isinstance(found, bool):
        return found
    text = masked = _digits(cast("float", found))
    for mask in masks:
        masked = mask(masked)
    return value if masked == text else masked


def _digits(number: float) -> str:
    """Write a number as `text_of` does, without the way round by JSON."""
    if not abs(number) < _EXACT:
        return text_of(number)
    return repr(int(number)) if number == number // 1 else repr(number)


def _preview(value: object, masks: Sequence[Callable[[str], str]]) -> object:
    """Mask a preview; where it was cut short, its end goes, which may be half of what a mask would have matched."""
    text = text_of(value)
    masked = str(_masked(text, masks))
    return masked if len(text) < PREVIEW_CHARACTERS else masked[:-_UNSURE]
