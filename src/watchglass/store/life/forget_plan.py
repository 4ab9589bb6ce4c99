"""What will be forgotten → a file that says so until it is done, so that a forget that was killed half-way is finished by the next one."""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from watchglass.store.folder import make_folder, sync_file, sync_folder
from watchglass.store.life.forget_asked import packed, unpacked

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from watchglass.store.folder import Folder
    from watchglass.store.life.forget_asked import Asked
    from watchglass.store.life.forget_log import Key

_SUFFIX: Final = ".jsonl"


@dataclass(frozen=True)
class Plan:
    """What was asked, and the rows it means: every row of these (model, environment, id) goes. Its name is in the audit."""

    name: str
    asked: Asked
    keys: frozenset[Key]

    @property
    def models(self) -> tuple[str, ...]:
        """The models that have rows to go."""
        return tuple(sorted({model for model, _, _ in self.keys}))

    @cached_property
    def by_id(self) -> dict[str, tuple[Key, ...]]:
        """The rows by their id."""
        found: dict[str, tuple[Key, ...]] = {}
        for key in self.keys:
            found[key[2]] = (*found.get(key[2], ()), key)
        return found

    def of(self, model: str) -> list[tuple[str, str]]:
        """Give (environment, id) of a model."""
        return sorted((environment, ident) for name, environment, ident in self.keys if name == model)


def home_of(folder: Folder) -> Path:
    """Name the place where plans lie that are not done yet."""
    return folder.root / "forgetting"


def planned(folder: Folder, about: Asked, keys: frozenset[Key]) -> Plan:
    """Write a plan, synced."""
    plan = Plan(uuid.uuid4().hex, about, keys)
    home = home_of(folder)
    make_folder(home)
    draft = home / f"{plan.name}.tmp"
    with draft.open("w") as file:
        file.write(packed(about) + "\n")
        file.writelines(json.dumps(key) + "\n" for key in sorted(keys))
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
        about, *keys = path.read_text().splitlines()
        listed = frozenset(
            (str(model), str(environment), str(ident)) for model, environment, ident in map(json.loads, keys)
        )
        found.append(Plan(path.stem, unpacked(about), listed))
    return found


def done(folder: Folder, plan: Plan) -> None:
    """Delete a plan that is carried out to its end."""
    home = home_of(folder)
    (home / f"{plan.name}{_SUFFIX}").unlink(missing_ok=True)
    sync_folder(home)


def table_of(connection: duckdb.DuckDBPyConnection, plan: Plan, model: str, table: str) -> None:
    """Make the table (environment, id) of a model's rows to go, each once."""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} (environment VARCHAR, id VARCHAR)")
    rows = plan.of(model)
    handle = os.memfd_create("watchglass-forget")
    try:
        with os.fdopen(os.dup(handle), "w") as file:
            file.writelines(json.dumps({"environment": environment, "id": ident}) + "\n" for environment, ident in rows)
        if rows:
            source = f"read_json('/proc/self/fd/{handle}', columns = {{environment: 'VARCHAR', id: 'VARCHAR'}}, format = 'newline_delimited')"
            connection.execute(f"INSERT INTO {table} SELECT environment, id FROM {source}")
    finally:
        os.close(handle)
