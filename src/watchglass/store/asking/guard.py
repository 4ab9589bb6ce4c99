"""A text → the one SELECT that it is, over the documented views and nothing else; raises `QueryRefused` for any other.

DuckDB's own parser decides what the text is; its tree is walked, and what is not known to be harmless is refused.
The locked connection (store/reader.py) stands behind this: even what slipped through could reach the store's files alone.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

import duckdb

from watchglass.errors import QueryRefused
from watchglass.store.asking.costly import growth, refusal, too_long, too_many_sets
from watchglass.store.asking.singles import singles_of
from watchglass.store.asking.syntax import listed
from watchglass.store.asking.views import DOCUMENTED
from watchglass.store.needed import names_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from watchglass.records import Json

LONGEST: Final = 200_000
_MOST_BRACKETS: Final = 10_000
_MOST_COMMENTS: Final = 1_000
"""DuckDB 1.5 reads them in a time that grows with the square of how many there are: 6,000 take 0.7 s."""
DEEPEST: Final = 900
"""Levels of the tree: DuckDB walks it with its stack, and a process whose stack is used up is killed."""
_BRACKETS: Final = re.compile(r"[()\[\]{}]")
_SELECTS: Final = re.compile(
    r"(?>(?:\s+|--[^\n]*\n|/\*.*?\*/)*)(select|with|from|values|\()", re.IGNORECASE | re.DOTALL
)
"""What stands before is taken as it is and never tried again in another way: many comments would take for ever."""
_NODES: Final = ("SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE")
"""Others write: DuckDB 2 takes an INSERT as a common table expression of a SELECT."""
_NAMES_ITSELF: Final = {"RECURSIVE_CTE_NODE": "right", "CTE_NODE": "child"}
"""In which part of these the name that they give holds."""
_TABLE_FUNCTIONS: Final = ("range", "generate_series", "unnest", "json_each", "json_tree", "repeat", "repeat_row")
_TELLING: Final = frozenset(
    (
        *("current_setting", "getenv", "getvariable", "current_query", "json_serialize_plan", "write_log", "nextval"),
        *("currval", "setval", "sleep_ms", "col_description", "obj_description", "shobj_description"),
    )
)
_TELLING_BEGIN: Final = ("pg_", "inet_", "__internal", "duckdb_", "read_", "parquet_", "pragma_")
_HARMLESS: Final = ("pg_typeof", "pg_size_pretty")
_VIEWS: Final = f"Views: {', '.join(DOCUMENTED)}"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that may be asked: its text, the names of its parameters, the views and the columns it names (None: maybe any).

    `singles` has the features and tags that it reads one by one; one of the two that is not there may be read whole.
    """

    text: str
    parameters: frozenset[str]
    views: frozenset[str]
    columns: frozenset[str] | None
    singles: Mapping[str, frozenset[str]]


def checked(connection: duckdb.DuckDBPyConnection, sql: str) -> Asked:
    """Check that a text is exactly one SELECT over the views; `connection` is any DuckDB, which only parses."""
    if len(sql) > LONGEST:
        message = f"a question of {len(sql):,} characters is too long: at most {LONGEST:,} are read"
        raise QueryRefused(message)
    _check_text(sql)
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        message = f"this cannot be read as SQL: {str(error).splitlines()[0]}"
        raise QueryRefused(message) from error
    kinds = [statement.type for statement in statements]
    if kinds != [duckdb.StatementType.SELECT] or not _SELECTS.match(sql):  # 1.5 calls some PRAGMAs a SELECT
        said = ", ".join(kind.name for kind in kinds) or "nothing"
        message = f"a question is exactly one SELECT; this is {said}. {_VIEWS}"
        raise QueryRefused(message)
    tree = _tree(connection, sql)
    views = frozenset(_walk(tree))
    names = names_of(tree, DOCUMENTED)
    singles = {} if names is None else singles_of(tree)
    return Asked(statements[0].query, frozenset(statements[0].named_parameters), views, names, singles)


def _check_text(sql: str) -> None:
    """Refuse what the parser would take gigabytes for, or does not take at all: brackets in brackets, half a surrogate pair."""
    try:
        sql.encode()
    except UnicodeEncodeError as error:
        message = f"this cannot be read as SQL: character {error.start} is half a surrogate pair, which is no text"
        raise QueryRefused(message) from None
    if sql.count("/*") > _MOST_COMMENTS:
        message = f"a question has at most {_MOST_COMMENTS:,} comments"
        raise QueryRefused(message)
    depth = 0
    for bracket in _BRACKETS.findall(sql):
        depth += 1 if bracket in "([{" else -1
        if depth > _MOST_BRACKETS:
            raise too_deep()


def _tree(connection: duckdb.DuckDBPyConnection, sql: str) -> Json:
    try:
        row = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()
        tree: Json = json.loads(row[0]) if row else None
    except RecursionError:
        raise too_deep() from None
    except (duckdb.Error, ValueError) as error:
        message = f"this cannot be read as one SELECT: {str(error).splitlines()[0]}"
        raise QueryRefused(message) from error
    if not isinstance(tree, dict) or tree.get("error") is not False:
        said = tree.get("error_message") if isinstance(tree, dict) else None
        message = f"this cannot be read as one SELECT: {said or 'DuckDB does not say why'}"
        raise QueryRefused(message)
    return tree


def too_deep() -> QueryRefused:
    """Say that a question cannot be taken as it is nested."""
    return QueryRefused("the question is nested too deeply: a list (IN, list_sum, OR) would do instead of a chain")


def _walk(tree: Json) -> Iterator[str]:
    """Look at every node; gives the views that it reads."""
    waiting: list[tuple[Json, frozenset[str], int]] = [(tree, frozenset(), 0)]
    grown = 1.0
    while waiting:
        node, scope, depth = waiting.pop()
        if depth > DEEPEST:
            raise too_deep()
        if isinstance(node, list):
            waiting.extend((part, scope, depth + 1) for part in node)
        if not isinstance(node, dict):
            continue
        _check_kind(node)
        _check_function(node)
        grown *= growth(node)
        if why := too_long(grown) or too_many_sets(node):
            raise QueryRefused(why)
        view = _table(node, scope)
        if view is not None:
            yield view
        waiting.extend((part, named, depth + 1) for part, named in _parts(node, scope))


def _parts(node: dict[str, Json], scope: frozenset[str]) -> Iterator[tuple[Json, frozenset[str]]]:
    """Give the parts of a node, each with the names of WITH that hold in it.

    A name holds in what stands after it, not in its own query nor in those before: there it is a table of DuckDB.
    """
    held = node.get("cte_map")
    for entry in listed(held.get("map")) if isinstance(held, dict) else []:
        yield entry, scope
        if isinstance(entry, dict):
            scope |= {str(entry.get("key")).lower()}
    own, where = scope, _NAMES_ITSELF.get(str(node.get("type")))
    if where is not None:
        own = scope | {str(node.get("cte_name") or node.get("ctename")).lower()}
    for key, part in node.items():
        if key == "function" and node.get("type") == "TABLE_FUNCTION" and isinstance(part, dict):
            yield list(part.values()), scope  # itself is looked at as what gives a table
        elif key != "cte_map":
            yield part, own if key == where else scope


def _check_kind(node: dict[str, Json]) -> None:
    kind = str(node.get("type") or "")
    if kind.endswith("_NODE") and kind not in _NODES:
        message = (
            f"a question only reads; this has {kind.removesuffix('_QUERY_NODE').removesuffix('_NODE')} in it. {_VIEWS}"
        )
        raise QueryRefused(message)
    if node.get("materialized") == "CTE_MATERIALIZE_NEVER":
        message = "WITH … AS NOT MATERIALIZED may double the question with every name: leave NOT MATERIALIZED out"
        raise QueryRefused(message)
    if kind == "SHOW_REF" and not isinstance(node.get("query"), dict):
        message = f"a question cannot list what DuckDB holds. {_VIEWS}"
        raise QueryRefused(message)


def _check_function(node: dict[str, Json]) -> None:
    name = str(node.get("function_name") or "").lower()
    if name in _HARMLESS or not name:
        return
    if name in _TELLING or name.startswith(_TELLING_BEGIN):
        message = f"{name}() tells or does what is not the question's: it is refused. {_VIEWS}"
        raise QueryRefused(message)
    if why := refusal(node):
        raise QueryRefused(why)


def _table(node: dict[str, Json], scope: frozenset[str]) -> str | None:
    """Give the view that a node reads; None when it is no table, or one of WITH."""
    if node.get("type") == "TABLE_FUNCTION":
        function = node.get("function")
        name = str(function.get("function_name") if isinstance(function, dict) else "").lower()
        if name not in _TABLE_FUNCTIONS:
            message = f"a question reads views, not {name}(): of functions only {', '.join(_TABLE_FUNCTIONS)}. {_VIEWS}"
            raise QueryRefused(message)
    if node.get("type") != "BASE_TABLE":
        return None
    named = str(node.get("table_name"))
    name = named.lower()
    qualified = any(node.get(key) for key in ("schema_name", "catalog_name", "at_clause"))
    if not qualified and name in scope:
        return None
    if qualified or name not in DOCUMENTED:
        near = get_close_matches(name, DOCUMENTED, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        message = f"there is no view {named[:200]!r}.{hint} {_VIEWS}"
        raise QueryRefused(message)
    return name
