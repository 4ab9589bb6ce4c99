"""What SQLite and PostgreSQL say in different words → one construct for both, told to each in its own.

Statements are written once, `INSERT … ON CONFLICT` as SQLite's, which PostgreSQL's is word for word.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.dml import OnConflictDoNothing, OnConflictDoUpdate
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable
from sqlalchemy.sql.functions import FunctionElement

from watchglass.store.catalog import META

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection
    from sqlalchemy.sql.compiler import DDLCompiler, SQLCompiler

_Written: TypeAlias = "Callable[..., str]"


class json_line(FunctionElement[str]):  # noqa: N801 - likewise
    """Names and values in turn as the text of a JSON object."""

    inherit_cache = True


class json_number(FunctionElement[int]):  # noqa: N801 - likewise
    """The number that a column's JSON object has under a name."""

    inherit_cache = True


class place_in(FunctionElement[int]):  # noqa: N801 - likewise
    """Where in a text another begins, from 1 on; 0 where it is not in it."""

    inherit_cache = True


class exact_text(FunctionElement[str]):  # noqa: N801 - likewise
    """A double as a text that reads as the same double."""

    inherit_cache = True


def _say(
    construct: type[FunctionElement[object] | FunctionElement[str] | FunctionElement[int]], sqlite: str, postgresql: str
) -> None:
    """Teach both a construct; `{}` stands for the arguments."""

    def written(form: str) -> _Written:
        def write(element: FunctionElement[object], compiler: SQLCompiler, **kw: object) -> str:
            said = [compiler.process(clause, **kw) for clause in element.clauses]
            return form.format(*said, all=", ".join(said))

        return write

    compiles(construct)(written(sqlite))
    compiles(construct, "postgresql")(written(postgresql))


_say(json_line, "json_object({all})", "CAST(json_build_object({all}) AS TEXT)")
_say(json_number, "json_extract({0}, '$.' || {1})", "CAST(CAST({0} AS JSON) ->> {1} AS NUMERIC)")
_say(place_in, "instr({all})", "strpos({all})")
_say(exact_text, "printf('%!.17g', {0})", "CAST({0} AS TEXT)")


@compiles(CreateColumn, "postgresql")
def _column(element: CreateColumn, compiler: DDLCompiler, **kw: object) -> str:
    """Make a column of text of the catalog that is compared and sorted by its bytes, as SQLite does, whatever the database's language."""
    written = str(compiler.visit_create_column(element, **kw))  # type: ignore[no-untyped-call]
    ours = element.element.table.metadata is META  # a program's own tables are none of our business
    if ours and isinstance(element.element.type, sa.String):
        kind = compiler.dialect.type_compiler_instance.process(element.element.type)
        return written.replace(f" {kind}", f' {kind} COLLATE "C"', 1)
    return written


@compiles(OnConflictDoNothing, "postgresql")
def _do_nothing(clause: OnConflictDoNothing, compiler: SQLCompiler, **kw: object) -> str:
    clause.constraint_target = None  # type: ignore[attr-defined]  # PostgreSQL's own may name a constraint instead
    return str(compiler.visit_on_conflict_do_nothing(clause, **kw))  # type: ignore[attr-defined]


@compiles(OnConflictDoUpdate, "postgresql")
def _do_update(clause: OnConflictDoUpdate, compiler: SQLCompiler, **kw: object) -> str:
    clause.constraint_target = None  # type: ignore[attr-defined]
    return str(compiler.visit_on_conflict_do_update(clause, **kw))  # type: ignore[attr-defined]


def make_tables(transaction: Connection) -> None:
    """Make the catalog's tables where there are none: in PostgreSQL by one statement, as each of them would go there and back."""
    if transaction.dialect.name != "postgresql":
        META.create_all(transaction)
    elif not sa.inspect(transaction).has_table("schema_version"):  # another process may have made them meanwhile
        transaction.exec_driver_sql(_all_tables(transaction.dialect.name), execution_options={"no_parameters": True})


@cache
def _all_tables(dialect: str) -> str:
    """Write the statements that make the tables and their indexes."""
    spoken = sa.dialects.registry.load(dialect)()
    made: list[sa.schema.ExecutableDDLElement] = []
    for table in META.sorted_tables:
        made += [CreateTable(table), *(CreateIndex(index) for index in sorted(table.indexes, key=str))]
    return ";\n".join(str(one.compile(dialect=spoken)) for one in made)


def go_on_after(transaction: Connection, column: sa.Column[int]) -> None:
    """Let the numbers that a column is given go on after the largest that is there, as SQLite does by itself."""
    if transaction.dialect.name != "postgresql":
        return
    table = column.table.name
    sequence = sa.func.pg_get_serial_sequence(table, column.name)
    transaction.execute(sa.select(sa.func.setval(sequence, sa.select(sa.func.max(column)).scalar_subquery())))
