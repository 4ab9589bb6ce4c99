"""The files of log lines and metric points, and whose rows go → the places of those that speak of them; a few texts are looked for by all, many by their words."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from watchglass.store.life.forget_files import Rewritten, source, without
from watchglass.store.life.forget_find import live_files
from watchglass.store.life.forget_keys import FIELDS, MESSAGE
from watchglass.store.life.forget_mentions import FEW, written
from watchglass.store.life.forget_plan import texts_of
from watchglass.store.mirror import MIRRORS
from watchglass.store.quoting import identifier, literal

if TYPE_CHECKING:
    import duckdb
    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder
    from watchglass.store.life.forget_find import File
    from watchglass.store.life.forget_held import Held
    from watchglass.store.life.forget_keys import Sought

TOLD: Final = {"logs": "log", "metrics": "metric"}
_WORDS: Final = "sought_words"
_WORD: Final = re.compile(r"[^\s\"',{}\[\]():;.!?]+")
_MEMORY: Final = "192MB"
"""Files of seven narrow columns need no more, beside a million words; what does not fit is spilt."""
_AT_ONCE: Final = 10_000


def told_files(folder: Folder, engine: Engine, kinds: tuple[str, ...] = tuple(TOLD)) -> list[File]:
    """List the live files of log lines and metric points, or of other kinds that belong to no model."""
    with engine.connect() as catalog:
        return live_files(folder, catalog, "", kinds)


def prepare(connection: duckdb.DuckDBPyConnection, sought: Sought) -> None:
    """Make the table of the first words of all that is looked for, where that is more than a few."""
    if len(sought.ids) > FEW:
        words = ((found[0],) for text in sought.ids if (found := _WORD.search(text)))
        texts_of(connection, _WORDS, ("word",), words)


def doomed_told(connection: duckdb.DuckDBPyConnection, file: File, sought: Sought) -> int:
    """Make the table `doomed` of the places of a file's rows that speak of what is forgotten; gives how many."""
    kind = TOLD[file.kind]
    fields, text = FIELDS[kind], MESSAGE[kind]
    texts = f"concat_ws(' ', {text}, {fields}, array_to_string(json_extract_string({fields}, '$.*'), ' '))"
    rows = connection.execute(
        f"SELECT file_row_number, {fields}, {text} FROM {source(file)} WHERE {_may_hold(texts, sought, file)}"
    )
    places: list[int] = []
    while part := rows.fetchmany(_AT_ONCE):
        places += [place for place, told, said in part if sought.of_row(json.loads(told or "{}"), said)]
    connection.execute("CREATE OR REPLACE TEMP TABLE doomed (file_row_number BIGINT)")
    if places:
        connection.execute("INSERT INTO doomed SELECT unnest(?::BIGINT[])", [places])
    return len(places)


def _may_hold(texts: str, sought: Sought, file: File) -> str:
    """Write the condition that a row may hold one of the texts: it is cheap, and lets through more than what holds one."""
    few = sought.wanted if len(sought.ids) <= FEW else sought.about.names
    ways = sorted({way for text in few for way in written(text)})
    held = " OR ".join(f"contains({texts}, {literal(way)})" for way in ways) or "false"
    if few is sought.wanted:
        return held
    words = f"unnest(regexp_extract_all({texts}, {literal(_WORD.pattern)}))"
    inner = f"SELECT file_row_number AS place, {words} AS word FROM {source(file)}"
    return f"{held} OR file_row_number IN (SELECT place FROM ({inner}) SEMI JOIN {_WORDS} USING (word))"


def rewrite_told(
    folder: Folder, engine: Engine, connection: duckdb.DuckDBPyConnection, sought: Sought, held: Held
) -> Rewritten:
    """Write the files anew without those rows, while the leases are held; an interrupted one leaves no file."""
    done = Rewritten()
    files = told_files(folder, engine)
    held.expect(len(files))
    limit = (connection.execute("SELECT current_setting('memory_limit')").fetchone() or ("",))[0]
    try:
        connection.execute(f"SET memory_limit = '{_MEMORY}'")
        for file in files:
            if rows := doomed_told(connection, file, sought):
                without(folder, connection, file, rows, done)
            held.step()
    except BaseException:
        done.drop(folder)
        raise
    finally:
        connection.execute(f"SET memory_limit = {literal(limit)}")
    return done


def mirrors_hold(folder: Folder, engine: Engine, connection: duckdb.DuckDBPyConnection, sought: Sought) -> bool:
    """Say whether a copy of the catalog's tables may hold one of the texts, also of a row that says it no more."""
    for file in told_files(folder, engine, MIRRORS):
        relation = connection.sql(f"FROM {source(file)}")
        names = [
            name
            for name, kind in zip(relation.columns, relation.types, strict=True)
            if str(kind) in ("VARCHAR", "JSON")
        ]
        texts = f"concat_ws(' ', {', '.join(map(identifier, names))})"
        if connection.execute(
            f"SELECT 1 FROM {source(file)} WHERE {_may_hold(texts, sought, file)} LIMIT 1"
        ).fetchone():
            return True
    return False
