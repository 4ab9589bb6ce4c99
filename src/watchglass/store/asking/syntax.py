"""A node of a question's syntax tree, of either line of DuckDB → what a function is given, and the constant that a node is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watchglass.records import Json


def listed(value: Json) -> list[Json]:
    """Give a list that a node may have; none where it has none."""
    return list(value) if isinstance(value, list) else []


def arguments_of(node: dict[str, Json]) -> list[Json]:
    """Give what a function or an operator is given, in order."""
    found = listed(node.get("children"))
    for argument in listed(node.get("arguments")):  # DuckDB 2
        found.append(argument.get("expression") if isinstance(argument, dict) else None)
    return found


def constant(node: Json) -> str | None:
    """Give the text of a constant that is a text or a whole number; None for what is something else, or no constant."""
    if not isinstance(node, dict) or node.get("type") != "VALUE_CONSTANT":
        return None
    said = node.get("literal")  # DuckDB 2
    if isinstance(said, dict):
        text = said.get("text")
        return str(text) if said.get("kind") in ("STRING", "INTEGER") else None
    held = node.get("value")
    value = held.get("value") if isinstance(held, dict) else None
    return None if isinstance(value, bool) or not isinstance(value, str | int) else str(value)
