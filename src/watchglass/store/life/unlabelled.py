"""A file of labels → which of its rows belong to a prediction that is left: those stay, however old."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store import parquet
from watchglass.store.quoting import literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb
    from numpy.typing import NDArray
    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder


class Rows(NamedTuple):
    """The rows of a file in its order: their times in µs, and whether a prediction of that id is left."""

    time: NDArray[np.int64]
    held: NDArray[np.bool_]


class Held:
    """The predictions that are left, by the hashes of their ids: two ids of one hash only keep a label longer."""

    def __init__(
        self, folder: Folder, engine: Engine, connection: duckdb.DuckDBPyConnection, going: Sequence[int]
    ) -> None:
        self._folder, self._engine, self._connection = folder, engine, connection
        self._going = frozenset(going)
        self._number = 0

    def rows(self, place: str, model: str) -> Rows:
        """Look at a model's file of labels."""
        path = literal(str(self._folder.tables / place))
        query = f"SELECT epoch_us(time) AS time, {parquet.hashed('id')} AS hash FROM read_parquet({path}, file_row_number = true) ORDER BY file_row_number"
        found = self._connection.execute(query).fetchnumpy()
        hashes = np.ma.getdata(found["hash"]).astype("<u8")
        order = np.argsort(hashes, kind="stable")
        wanted, held = hashes[order], np.zeros(len(hashes), dtype=np.bool_)
        for known in self._predictions(model):
            place_of = np.searchsorted(known, wanted)
            inside = place_of < len(known)
            held[order[inside]] |= known[place_of[inside]] == wanted[inside]
        return Rows(np.ma.getdata(found["time"]).astype(np.int64), held)

    def without(self, place: str, going: NDArray[np.bool_]) -> str:
        """Write the SELECT of a file's rows without those that go."""
        self._number += 1
        name = f"going_{self._number}"
        self._connection.execute(f"CREATE TEMP TABLE {name} (row BIGINT)")
        self._connection.register("gone", {"row": np.flatnonzero(going).astype(np.int64)})
        self._connection.execute(f"INSERT INTO {name} SELECT row FROM gone")
        self._connection.unregister("gone")
        path = literal(str(self._folder.tables / place))
        return (
            f"SELECT * EXCLUDE file_row_number FROM read_parquet({path}, file_row_number = true)"
            f" ANTI JOIN {name} ON file_row_number = row"
        )

    def _predictions(self, model: str) -> Iterator[NDArray[np.uint64]]:
        """Give the sorted hashes of each live file of predictions, from its index where it has one."""
        query = sa.select(c.files.c.seq, c.files.c.path, c.files.c.rows).where(
            c.files.c.kind == "predictions", c.files.c.model == model, c.files.c.removed.is_(None)
        )
        with self._engine.connect() as connection:
            files = connection.execute(query).all()
        for seq, place, rows in files:
            if seq in self._going:
                continue
            path = self._folder.tables / place
            index = parquet.index_path(path)
            if index.exists() and index.stat().st_size:
                count = index.stat().st_size // 12
                yield np.memmap(index, dtype="<u8", mode="r", shape=(count,))
            elif rows:
                yield parquet.entries(self._connection, path)[0]
