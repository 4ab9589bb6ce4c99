"""A query of a database, or a URL → the artifact that stands for it: known by its text, without content and without secrets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from watchglass.capture.artifacts import PREVIEW_CHARACTERS, Artifact, declared
from watchglass.capture.events import name as checked

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S")
_SECRET: Final = re.compile(
    r"([?&][^=&#]*(?:sig|token|key|secret|password|pwd|credential)[^=&#]*=)[^&#]*", re.IGNORECASE
)
_LONGEST_NAME: Final = 120


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked of a database: its text, the connection's name, and the name it goes by in the lineage."""

    text: str
    connection: str
    name: str


def query(text: str, connection: str, name: str | None = None) -> Query:
    """Name a query as an input or output: `run.read(wg.query("select …", "warehouse"))`, `inputs=[wg.query(…)]`.

    Given as the name of a value, `run.read(frame, wg.query(…))`, the value's content is the version. Without `name` it
    goes by the connection and the text. A password in a connection's URL is left out.
    """
    where = without_secrets(checked(connection, "connection"))
    words = " ".join(checked(text, "the text of a query").split())
    given = f"{where}: {words}" if name is None else checked(name, "name")
    return Query(text, where, given if len(given) <= _LONGEST_NAME or name is not None else _short(given))


def _short(text: str) -> str:
    from hashlib import blake2b  # noqa: PLC0415 - only for a long text

    return f"{text[:_LONGEST_NAME]}… {blake2b(text.encode('utf-8', 'surrogatepass'), digest_size=4).hexdigest()}"


def without_secrets(text: str) -> str:
    """Leave out of a URL who logs in and what in its query looks like a secret.

    >>> without_secrets("postgresql://ana:pw@db/shop?sslkey=a&mode=ro")
    'postgresql://db/shop?sslkey=…&mode=ro'
    """
    scheme, sign, rest = text.partition("://")
    if not sign:
        return text
    place, slash, path = rest.partition("/")
    return _SECRET.sub(r"\1…", f"{scheme}://{place.rpartition('@')[2]}{slash}{path}")


def is_url(thing: object) -> bool:
    """Say whether a text is a URL of something elsewhere."""
    return isinstance(thing, str) and "://" in thing[:32] and bool(_SCHEME.match(thing))


def asked(query: Query, content: Artifact | None = None) -> Artifact:
    """Describe what a query gives; with the content that came of it, by that."""
    about = {} if content is None else {key: value for key, value in content.about.items() if key != "preview"}
    told = {"kind": "query", "path": query.connection, "preview": query.text[:PREVIEW_CHARACTERS]}
    return Artifact(query.name, None if content is None else content.version, {**about, **told})


def located(url: str) -> Artifact:
    """Describe what lies at a URL by that alone; a file's is the file."""
    if url.startswith("file://"):
        from urllib.parse import unquote, urlsplit  # noqa: PLC0415 - only here

        return declared(unquote(urlsplit(url).path))
    plain = without_secrets(url)
    return Artifact(plain, None, {"kind": "url", "path": plain})
