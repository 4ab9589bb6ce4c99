"""What somebody wants forgotten → checked: exactly one of a subject, a prediction, a condition; and its salted sum, which tells nobody the text."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, Literal

from watchglass.errors import BadInput
from watchglass.store.life.forget_mentions import mentions

if TYPE_CHECKING:
    from watchglass.records import Json

_WAYS: Final = ("subject", "prediction", "where")
_LONGEST: Final = 100_000


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose rows: of a `subject`, of one `prediction`, or `where` a condition holds; of a model and an environment, or of any."""

    by: Literal["subject", "prediction", "where"]
    text: str
    model: str | None = None
    environment: str | None = None
    who: str | None = None
    reason: str | None = None

    @property
    def everywhere(self) -> bool:
        """Say whether no model and no environment was named, so that what belongs to none is meant too."""
        return self.model is None and self.environment is None

    @property
    def names(self) -> frozenset[str]:
        """The texts that must lie nowhere any more, beside the ids: the subject's."""
        return frozenset((self.text,)) if self.by == "subject" else frozenset()


def asked(  # noqa: PLR0913 - the settled signature
    *,
    subject: str | None = None,
    prediction: str | None = None,
    where: str | None = None,
    model: str | None = None,
    environment: str | None = None,
    who: str | None = None,
    reason: str | None = None,
) -> Asked:
    """Check what is asked; raises `BadInput` unless it is one thing, and when the record of it would keep what is to go."""
    given = {name: text for name, text in zip(_WAYS, (subject, prediction, where), strict=True) if text is not None}
    if len(given) != 1:
        said = " and ".join(given) or "nothing"
        message = f"forget takes exactly one of subject, prediction and where; given: {said}"
        raise BadInput(message)
    ((way, text),) = given.items()
    if not isinstance(text, str) or not text.strip() or len(text) > _LONGEST:
        message = f"{way} cannot be {text!r:.80}: a text of 1 to {_LONGEST} characters would do"
        raise BadInput(message)
    if way == "where" and model is None:
        message = "where is a condition on the predictions of one model: name it with model (--model)"
        raise BadInput(message)
    for name, told in (("who", who), ("reason", reason)):
        if told is not None and way != "where" and mentions(told, frozenset((text,))):
            message = (
                f"{name} names the very {way} that is to be forgotten, and the audit would keep it: say it otherwise"
            )
            raise BadInput(message)
    return Asked(way, text, model, environment, who, reason)  # type: ignore[arg-type]  # one of _WAYS


def sealed(about: Asked) -> dict[str, Json]:
    """Tell what was asked without the text: its BLAKE2b sum (128 bits) under a salt of its own.

    Who has the text can see whether it was this one: `sum_of(text, salt)`.
    """
    salt = secrets.token_hex(16)
    told: dict[str, Json] = {"by": about.by, "sum": sum_of(about.text, salt), "salt": salt}
    return {**told, "model": about.model, "environment": about.environment}


def sum_of(text: str, salt: str) -> str:
    """Give the sum of a text under a salt, as the audit keeps it.

    >>> sum_of("ana", "00")
    'a07ce676b7999dee5c556523af5f9dca'
    """
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, salt=bytes.fromhex(salt)).hexdigest()


def packed(about: Asked) -> str:
    """Write what was asked as one line of JSON."""
    values = {"by": about.by, "text": about.text, "model": about.model, "environment": about.environment}
    return json.dumps({**values, "who": about.who, "reason": about.reason})


def unpacked(text: str) -> Asked:
    """Read what `packed` wrote."""
    return Asked(**json.loads(text))
