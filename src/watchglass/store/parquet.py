"""A SELECT → one Parquet file on the disk, with its sum and its index of ids, and the file's row of the manifest."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import duckdb
import numpy as np

from watchglass.store.folder import make_folder, sync_file, sync_folder
from watchglass.store.quoting import literal

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from watchglass.store.folder import Folder

OPTIONS: Final = "(FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd, ROW_GROUP_SIZE 16384)"
"""Version 2 has times as differences: a fifth less to read, and smaller."""
INDEXED: Final = ("predictions", "labels")
CLOSE: Final = timedelta(minutes=10)
INDEX: Final = ".ids"
ENTRY: Final = 12
"""Bytes a row in an index of ids: the hash, then the place."""
_CHUNK: Final = 1 << 20


def write(
    folder: Folder,
    connection: duckdb.DuckDBPyConnection,
    kind: str,
    model: str,
    select: str,
    order: str,
) -> dict[str, object] | None:
    """Write the rows of a SELECT as one file; gives its row of the manifest, None when there are no rows.

    `order` is what they are sorted by; empty leaves them as they come, which costs less.
    The file and its folder are synced: what the manifest lists outlives a power cut.
    """
    row = write_unsynced(folder, connection, kind, model, select, order)
    if row is not None:
        synced(folder.tables / str(row["path"]))
    return row


def write_unsynced(
    folder: Folder,
    connection: duckdb.DuckDBPyConnection,
    kind: str,
    model: str,
    select: str,
    order: str,
) -> dict[str, object] | None:
    """Do what `write` does but for the sync (`synced`), which must be over before the file is listed."""
    home = folder.tables / kind
    make_folder(home)
    path = home / f"{uuid.uuid4().hex}.parquet"
    try:
        ordered = f"SELECT * FROM ({select})" + (f" ORDER BY {order}" if order else "")
        done = connection.execute(f"COPY ({ordered}) TO {literal(str(path))} {OPTIONS}").fetchall()
        if not done[0][0]:
            path.unlink()
            return None
        with ThreadPoolExecutor(1) as beside:
            summed = beside.submit(sum_of, path)
            if kind in INDEXED:
                write_index(connection, path)
    except duckdb.Error:
        path.unlink(missing_ok=True)
        raise
    return _row(connection, path, folder, kind, model, summed.result())


def synced(path: Path) -> None:
    """Bring a new file and its name to the disk."""
    sync_file(path)
    sync_folder(path.parent)


def described(
    connection: duckdb.DuckDBPyConnection, path: Path, folder: Folder, kind: str, model: str
) -> dict[str, object]:
    """Sync a new file and give its row of the manifest."""
    synced(path)
    return _row(connection, path, folder, kind, model, sum_of(path))


def _row(
    connection: duckdb.DuckDBPyConnection, path: Path, folder: Folder, kind: str, model: str, summed: str
) -> dict[str, object]:
    edge = "day" if kind == "cells" else "time"
    query = f"SELECT count(*), epoch_us(min({edge})::TIMESTAMP), epoch_us(max({edge})::TIMESTAMP) FROM read_parquet({literal(str(path))})"
    rows, first, last = connection.execute(query).fetchall()[0]
    return {
        "kind": kind,
        "model": model,
        "path": str(path.relative_to(folder.tables)),
        "rows": rows,
        "bytes": path.stat().st_size,
        "first": first,
        "last": last,
        "origin": 0,
        "sum": summed,
        "indexed": int(index_path(path).exists()),
    }


def order_of(connection: duckdb.DuckDBPyConnection, source: str) -> str:
    """Say what the rows of a source are sorted by: their time, unless they lie so close together that no reader gains by it.

    Rows of a few minutes come nearly in order as it is, and a row group holds as many minutes either way.
    """
    first, last = connection.execute(f"SELECT min(time), max(time) FROM {source}").fetchall()[0]
    return "" if first is not None and last - first <= CLOSE else "time"


def delete(path: Path) -> None:
    """Delete a file that is not listed, or no more, and its index."""
    path.unlink(missing_ok=True)
    index_path(path).unlink(missing_ok=True)


def sum_of(path: Path) -> str:
    """Give the BLAKE2b sum of a file's bytes, 128 bits as hexadecimal digits."""
    found = blake2b(digest_size=16)
    with path.open("rb") as file:
        while part := file.read(_CHUNK):
            found.update(part)
    return found.hexdigest()


def index_path(path: Path) -> Path:
    """Name the index of ids that lies beside a file."""
    return path.with_name(path.name + INDEX)


def entries(connection: duckdb.DuckDBPyConnection, path: Path) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    """Give each row's id, hashed to 64 bits, in order, and the row's place in the file."""
    query = (
        f"SELECT {hashed('id')} AS h, file_row_number AS r FROM read_parquet({literal(str(path))}, file_row_number = true)"
        " WHERE id IS NOT NULL"
    )
    found = connection.execute(query).fetchnumpy()
    hashes = np.ma.getdata(found["h"]).astype("<u8")
    order = np.argsort(hashes, kind="stable")
    return hashes[order], np.ma.getdata(found["r"]).astype("<u4")[order]


def hashed(text: str) -> str:
    """Write the expression of a text's hash, 64 bits: the end of a UUID, which is random, else the low half of the MD5.

    Both are what they are in any version; a reader compares the id itself too.
    """
    return f"coalesce(CASE WHEN length({text}) = 36 THEN TRY_CAST('0x' || substr({text}, 20, 4) || substr({text}, 25, 12) AS UBIGINT) END, md5_number_lower({text}))"


def write_index(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Write the index of ids of a file: all hashes, sorted, then all places; 12 bytes a row."""
    hashes, rows = entries(connection, path)
    target = index_path(path)
    with target.open("wb") as file:
        file.write(hashes.tobytes())
        file.write(rows.tobytes())
    sync_file(target)
