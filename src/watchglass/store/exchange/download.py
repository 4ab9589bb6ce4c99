"""One table of a store, one moment of it → one file, open, which has no name on the disk any more: for whoever streams it on."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO
from uuid import uuid4

import duckdb

from watchglass.errors import BadInput, StoreError
from watchglass.store.compact import engine_room
from watchglass.store.exchange.export import rows_of
from watchglass.store.exchange.sources import nothing, parts
from watchglass.store.exchange.tables import chosen, format_of
from watchglass.store.exchange.written import OPTIONS, outward
from watchglass.store.models import require_model
from watchglass.store.quoting import literal

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Engine

    from watchglass.store.exchange.export import Wanted
    from watchglass.store.folder import Folder


def download(folder: Folder, engine: Engine, table: str, wanted: Wanted) -> BinaryIO:
    """Write a table as one file and give it, to be read from its start and closed; a table without rows is a file too.

    Raises `BadInput` for what cannot be chosen, for predictions without a model, which have other columns than another
    model's, and for Delta, which is a folder; `UnknownName` for a model, `StoreError` when a file cannot be read or written.
    """
    form, (kind,) = format_of(wanted.format), chosen([table])
    if form == "delta":
        message = (
            "a Delta table is a folder, not one file: parquet, csv or jsonl would do; watchglass export writes Delta"
        )
        raise BadInput(message)
    if kind.nested and wanted.model is None:
        message = (
            f"{table} of several models have not the same columns: name one, model=…; watchglass export writes them all"
        )
        raise BadInput(message)
    rows = rows_of(wanted)
    if wanted.model is not None:
        require_model(folder, engine, wanted.model)
    folder.scratch.mkdir(exist_ok=True)
    path = folder.scratch / f"{uuid4().hex}.{form}"
    try:
        with engine_room(folder) as connection, parts(folder, engine, connection, (kind,), rows) as found:
            selects = [outward(kind, part.nested, part.select, form) for part in found or [nothing(kind)]]
            connection.execute(f"COPY ({' UNION ALL BY NAME '.join(selects)}) TO {literal(str(path))} {OPTIONS[form]}")
        return _unnamed(path)
    except (duckdb.IOException, OSError) as error:
        message = f"table {table!r} cannot be written as {form}: {str(error).splitlines()[0]}"
        raise StoreError(message) from error
    finally:
        path.unlink(missing_ok=True)


def _unnamed(path: Path) -> BinaryIO:
    """Open a file; it is gone with the one who reads it, whatever kills them."""
    return path.open("rb")
