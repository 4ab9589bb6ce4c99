"""What will be forgotten → a file that says so until it is done, so that a forget that was killed half-way is finished by the next one."""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from watchglass.store.folder import make_folder, sync_file, sync_folder
from watchglass.store.life.forget_asked import packed, unpacked
from watchglass.store.life.forget_keys import Keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import duckdb

    from watchglass.store.folder import Folder
    from watchglass.store.life.forget_asked import Asked
    from watchglass.store.life.forget_keys import Key

_SUFFIX: Final = ".jsonl"


@dataclass(frozen=True)
class Plan:
    """What was asked, and the rows it means: every row of these (model, environment, id) goes. Its name is in the audit."""

    name: str
    asked: Asked
    keys: Keys

    @property
    def models(self) -> tuple[str, ...]:
        """The models that have rows to go."""
        return self.keys.models


def home_of(folder: Folder) -> Path:
    """Name the place where plans lie that are not done yet."""
    return folder.root / "forgetting"


def planned(folder: Folder, about: Asked, keys: Keys) -> Plan:
    """Write a plan, synced."""
    plan = Plan(uuid.uuid4().hex, about, keys)
    home = home_of(folder)
    make_folder(home)
    draft = home / f"{plan.name}.tmp"
    with draft.open("w") as file:
        file.write(packed(about) + "\n")
        file.writelines(json.dumps(key) + "\n" for key in keys)
    sync_file(draft)
    draft.rename(home / f"{plan.name}{_SUFFIX}")
    sync_folder(home)
    return plan


def unfinished(folder: Folder) -> list[Plan]:
    """Read the plans that were not done to their end; a draft of one is deleted: nothing of it was begun."""
    home, found = home_of(folder), []
    for path in sorted(home.iterdir()) if home.is_dir() else []:
        if path.suffix != _SUFFIX:
            path.unlink(missing_ok=True)
            continue
        with path.open() as file:
            about = unpacked(next(file))
            found.append(Plan(path.stem, about, Keys(_key(text) for text in file)))
    return found


def _key(text: str) -> Key:
    model, environment, ident = json.loads(text)
    return str(model), str(environment), str(ident)


def done(folder: Folder, plan: Plan) -> None:
    """Delete a plan that is carried out to its end."""
    home = home_of(folder)
    (home / f"{plan.name}{_SUFFIX}").unlink(missing_ok=True)
    sync_folder(home)


def table_of(connection: duckdb.DuckDBPyConnection, plan: Plan, model: str, table: str) -> None:
    """Make the table (environment, id) of a model's rows to go, each once."""
    rows = (key for key in plan.keys if key[0] == model)
    texts_of(connection, table, ("environment", "id"), (row[1:] for row in rows))


def texts_of(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str], rows: Iterable[Sequence[str]]
) -> None:
    """Make a table of columns of text."""
    listed = ", ".join(f"{name} VARCHAR" for name in columns)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} ({listed})")
    handle = os.memfd_create("watchglass-forget")
    try:
        with os.fdopen(os.dup(handle), "w") as file:
            file.writelines(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows)
        typed = ", ".join(f"{name}: 'VARCHAR'" for name in columns)
        source = f"read_json('/proc/self/fd/{handle}', columns = {{{typed}}}, format = 'newline_delimited')"
        if os.fstat(handle).st_size:
            connection.execute(f"INSERT INTO {table} SELECT {', '.join(columns)} FROM {source}")
    finally:
        os.close(handle)
