"""What a user says of a model's columns → the entries of its model event: role, name, type, purpose and unit of each.

The entries are what goes over the wire too, and are taken again as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from watchglass.capture.encode import shown
from watchglass.capture.events import name as checked
from watchglass.capture.events import present
from watchglass.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable

Entry = dict[str, object]
ROLES: Final = ("feature", "tag", "prediction", "score", "label", "id", "time")
IN_ROWS: Final = ("feature", "tag")
"""The roles of which a model may have any number; of the others it has one column each."""
PURPOSES: Final = ("subject", "embedding", "text", "image")
_TYPES: Final[Mapping[object, str]] = {
    **dict.fromkeys(("number", "float", "double", "integer", "int", float, int), "number"),
    **dict.fromkeys(("boolean", "bool", bool), "boolean"),
    **dict.fromkeys(("text", "string", "str", "category", str), "text"),
    **dict.fromkeys(("json", "object", "list", list, dict), "json"),
}
_WHOLE: Final = ("integer", "int", int)
_OF_ROLE: Final = {"tag": "text", "id": "text", "time": "text", "score": "number"}
_OF_PURPOSE: Final = {"embedding": "json", "text": "text", "image": "text"}
_SAID: Final = ("type", "role", "purpose", "unit", "whole")


def declared(schema: object) -> list[Entry] | None:
    """Read a mapping from names to types or descriptions, or a list of entries; None when nothing is said.

    >>> declared({"amount": {"type": "number", "unit": "EUR"}, "zip": "text"})
    [{'role': 'feature', 'name': 'amount', 'type': 'number', 'unit': 'EUR'}, {'role': 'feature', 'name': 'zip', 'type': 'text'}]
    """
    if schema is None:
        return None
    if not isinstance(schema, (Mapping, list, tuple)):
        message = f"schema cannot be {shown(schema)}: {{'amount': 'number', 'city': {{'type': 'text', 'role': 'tag'}}}} would do"
        raise BadInput(message)
    found = [_entry(name, about) for name, about in _listed(schema)]
    _once(found)
    return found or None


def _listed(schema: Mapping[object, object] | list[object] | tuple[object, ...]) -> Iterable[tuple[object, object]]:
    if isinstance(schema, Mapping):
        yield from schema.items()
        return
    for entry in schema:
        if not isinstance(entry, Mapping):
            message = f"a column of schema cannot be {shown(entry)}: {{'name': 'amount', 'type': 'number'}} would do"
            raise BadInput(message)
        yield entry.get("name"), {key: value for key, value in entry.items() if key != "name"}


def _entry(column: object, about: object) -> Entry:
    name = checked(column, "a column's name in schema")
    said = about if isinstance(about, Mapping) else {"type": about}
    for key in said:
        if key not in _SAID:
            message = (
                f"column {name!r} of schema says {shown(key)}, which is not known: {', '.join(_SAID[:-1])} would do"
            )
            raise BadInput(message)
    role = _one_of(name, "role", said.get("role") or "feature", ROLES)
    purpose = None if said.get("purpose") is None else _one_of(name, "purpose", said["purpose"], PURPOSES)
    unit = None if said.get("unit") is None else checked(said["unit"], f"the unit of column {name!r}")
    if purpose is not None and role not in IN_ROWS:
        message = f"column {name!r} of schema is the {role}, so its purpose cannot be {purpose!r}: only a feature or a tag has one"
        raise BadInput(message)
    kind = _type(name, role, purpose, said.get("type"))
    whole = True if kind == "number" and (_word(said.get("type")) in _WHOLE or said.get("whole") is True) else None
    return present({"role": role, "name": name, "type": kind, "purpose": purpose, "unit": unit, "whole": whole})


def _word(said: object) -> object:
    """Read a type as it may be said: a word of any case, or Python's own type."""
    if isinstance(said, str):
        return said.lower()
    return said if isinstance(said, type) else None


def _type(name: str, role: str, purpose: str | None, said: object) -> str:
    """Give the type of a column; where it is not said, its role or its purpose may tell."""
    wanted = _OF_ROLE.get(role) if role == "tag" else _OF_PURPOSE.get(purpose or "")
    found = _TYPES.get(_word(said)) if said is not None else wanted or _OF_ROLE.get(role)
    if found is None:
        message = (
            f"column {name!r} of schema says no type: number, boolean, text or json would do"
            if said is None
            else f"the type of column {name!r} cannot be {shown(said)}: number (or integer), boolean, text (or category) "
            "or json would do; a time is text, or a number of seconds"
        )
        raise BadInput(message)
    if wanted is not None and found != wanted:
        what = "a tag" if role == "tag" else f"the purpose {purpose!r}"
        message = f"the type of column {name!r} cannot be {found!r}: {what} is of type {wanted!r}"
        raise BadInput(message)
    return found


def _one_of(name: str, what: str, value: object, known: tuple[str, ...]) -> str:
    if isinstance(value, str) and value in known:
        return value
    message = f"the {what} of column {name!r} cannot be {shown(value)}: {', '.join(known)} would do"
    raise BadInput(message)


def _once(entries: Iterable[Entry]) -> None:
    """Refuse two columns for what a model has one of, and a column that is said twice."""
    seen: dict[object, object] = {}
    for entry in entries:
        role, name = entry["role"], entry["name"]
        key = (role, name) if role in IN_ROWS else role
        if key in seen:
            message = f"schema names two columns for one thing, {role} {seen[key]!r} and {role} {name!r}: one would do"
            raise BadInput(message)
        seen[key] = name
