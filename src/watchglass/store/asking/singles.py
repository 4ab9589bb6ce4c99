"""A question's syntax tree, as DuckDB gives it → the single features and tags that it reads; nothing of what it reads whole.

A struct that a question takes one field of costs that field alone, where the view holds no others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from watchglass.store.asking.syntax import arguments_of, constant, listed
from watchglass.store.needed import nodes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from watchglass.records import Json

ROLES: Final = ("features", "tags")
_FUNCTIONS: Final = ("->>", "->", "json_extract", "json_extract_string", "struct_extract")
_OPERATORS: Final = ("ARRAY_EXTRACT", "STRUCT_EXTRACT")
_PATH: Final = ("$", "/", "*", '"', "'")
"""What may begin or make a path: such a text is no plain key."""


def singles_of(tree: Json) -> Mapping[str, frozenset[str]]:
    """Give, for features and for tags, the names that are read one by one, in small letters; a role that may be read whole is left out.

    Tell it nothing that names a row whole or a star: `names_of` tells these.
    """
    found: dict[str, set[str]] = {role: set() for role in ROLES}
    whole: set[str] = set()
    seen: set[int] = set()
    for node in nodes(tree):  # a node comes before those in it
        source, key = _access(node)
        parts = _parts(source)
        if key is not None and parts and parts[-1] in ROLES:
            found[parts[-1]].add(key)
            seen.add(id(source))
        whole.update(_texts(node.get("using_columns")))
        parts = _parts(node)
        for place, part in enumerate(parts):
            if part in ROLES and place + 1 < len(parts):
                found[part].add(parts[place + 1])
            elif part in ROLES and id(node) not in seen:
                whole.add(part)
    return {role: frozenset(names) for role, names in found.items() if role not in whole}


def _access(node: dict[str, Json]) -> tuple[Json, str | None]:
    """Give what a node takes a value out of, and the key it takes; no key where it does something else, or by a path."""
    pair: list[Json] = []
    if node.get("function_name") in _FUNCTIONS or node.get("type") in _OPERATORS:
        pair = arguments_of(node)
    elif node.get("type") == "LAMBDA":  # `a -> b` may be one, for the parser
        pair = [node.get("lhs"), node.get("expr")]
    return (pair[0], _key(pair[1])) if len(pair) == 2 else (None, None)  # noqa: PLR2004 - what, and its key


def _key(node: Json) -> str | None:
    text = constant(node)
    plain = text and not text.isdigit() and not any(sign in text for sign in _PATH)  # a number is a place in a list
    return text.lower() if text and plain else None


def _parts(node: Json) -> list[str]:
    return _texts(node.get("column_names")) if isinstance(node, dict) else []


def _texts(value: Json) -> list[str]:
    return [str(part).lower() for part in listed(value)]
