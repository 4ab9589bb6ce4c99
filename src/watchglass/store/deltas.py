"""Counts of several files of one model, as arrays → one file of cells, written where it lies from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from watchglass.store import parquet

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

    from watchglass.profile.counting import Counts
    from watchglass.store.folder import Folder

_CELLS = "(version VARCHAR, environment VARCHAR, day DATE, slice VARCHAR, name VARCHAR, kind VARCHAR, bucket BIGINT, value VARCHAR, known DATE, n BIGINT)"
_ORDER = "name, slice, day"
_TEXTS = ("version", "environment", "slice", "name", "kind", "value")


class Groups(NamedTuple):
    """What a row's group stands for: codes of the version's and the environment's text, and the day since 1970."""

    version: NDArray[np.int64]
    environment: NDArray[np.int64]
    day: NDArray[np.int64]


class Deltas:
    """Counts gathered until they are written; `connection` holds those that SQL adds, in the temporary table `cells`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self._texts: dict[str, int] = {}
        self._parts: list[tuple[NDArray[np.int64], ...]] = []
        connection.execute(f"CREATE OR REPLACE TEMP TABLE cells {_CELLS}")

    def text(self, value: str | None) -> int:
        """Give the code of a text; −1 for none."""
        return -1 if value is None else self._texts.setdefault(value, len(self._texts))

    def add(
        self,
        groups: Groups,
        counts: Counts,
        name: str,
        kinds: tuple[str, str],
        slices: NDArray[np.int64],
        values: NDArray[np.int64] | None = None,
    ) -> None:
        """Add counts; a place is a group times as many slices as `slices` names, `kinds` are of a value and of none.

        With `values`, a bucket is an index into them: codes of texts.
        """
        group, chosen = np.divmod(counts.place, len(slices))
        size = len(group)
        kind = np.where(counts.missing, self.text(kinds[1]), self.text(kinds[0]))
        none = np.full(size, -1, dtype=np.int64)
        value = none if values is None else np.where(counts.missing, -1, values.take(counts.bucket, mode="clip"))
        self._parts.append(
            (
                groups.version[group],
                groups.environment[group],
                slices[chosen],
                np.full(size, self.text(name), dtype=np.int64),
                kind,
                value,
                groups.day[group],
                counts.bucket if values is None else np.zeros(size, dtype=np.int64),
                counts.n,
            )
        )

    def write(self, folder: Folder, model: str) -> dict[str, object] | None:
        """Write what was gathered as a file of cells, synced, and give its row of the manifest; None when it is nothing."""
        self._load()
        return write_summed(folder, self.connection, model, "cells")

    def write_unsynced(self, folder: Folder, model: str) -> dict[str, object] | None:
        """Do what `write` does but for the sync, as `parquet.write_unsynced` does."""
        self._load()
        return parquet.write_unsynced(folder, self.connection, "cells", model, _summed("cells"), _ORDER)

    def _load(self) -> None:
        """Move the gathered arrays into the table `cells`, their codes turned into texts."""
        if not self._parts:
            return
        names = (*_TEXTS, "day", "bucket", "n")
        arrays = {
            name: np.concatenate(parts) for name, parts in zip(names, zip(*self._parts, strict=True), strict=True)
        }
        texts = np.asarray(list(self._texts), dtype=object)
        self.connection.register("coded", arrays)
        self.connection.register("texts", {"code": np.arange(len(texts)), "text": texts})
        joins = " ".join(f"LEFT JOIN texts t_{name} ON coded.{name} = t_{name}.code" for name in _TEXTS)
        self.connection.execute(
            "INSERT INTO cells SELECT t_version.text, t_environment.text, DATE '1970-01-01' + coded.day::INTEGER, t_slice.text,"
            f" t_name.text, t_kind.text, coded.bucket, t_value.text, NULL, coded.n FROM coded {joins}"
        )
        self.connection.unregister("coded")
        self.connection.unregister("texts")
        self._parts.clear()


def write_summed(
    folder: Folder, connection: duckdb.DuckDBPyConnection, model: str, source: str, sign: str = ""
) -> dict[str, object] | None:
    """Write the sum of the cells of a source as one file, synced, with `sign` "-" to take them off; gives what `parquet.write` does."""
    return parquet.write(folder, connection, "cells", model, _summed(source, sign), _ORDER)


def _summed(source: str, sign: str = "") -> str:
    return f"SELECT * EXCLUDE n, {sign}sum(n)::BIGINT AS n FROM {source} GROUP BY ALL HAVING sum(n) != 0"
