"""An open store → what it says of itself in files, and what it takes from them: `store.export(…)` and `store.import_(…)`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from watchglass.errors import BadInput

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Sequence
    from typing import BinaryIO

    from sqlalchemy.engine import Engine

    from watchglass.records import Time
    from watchglass.store.exchange.export import Exported
    from watchglass.store.exchange.importing import Imported
    from watchglass.store.folder import Folder


class Exchanging:
    """What of an open store takes data out and in."""

    _folder: Folder
    _engine: Engine

    def export(  # noqa: PLR0913 - the settled signature
        self,
        to: str | os.PathLike[str],
        tables: Iterable[str] | None = None,
        *,
        model: str | None = None,
        environment: str | None = None,
        start: Time | None = None,
        end: Time | None = None,
        format: str = "parquet",  # noqa: A002 - the settled name
        progress: Callable[[int, int], None] | None = None,
    ) -> Exported:
        """Write what was recorded into a folder that is empty or not there, for other tools and for `import_`.

        `tables` are named as in docs/how-to/take-data-out-and-in.md, None is all. `model`, `environment`, `start` and `end`
        (not in it) choose rows of the tables that have them. `format` is parquet, csv, jsonl or delta (extra `delta`).
        `progress` is told rows done and in all. Raises `BadInput`, `UnknownName`, `MissingLibrary`, `StoreError`.
        """
        from watchglass.store.exchange.export import Wanted, export  # noqa: PLC0415 - costs only who exports

        wanted = Wanted(tables, model, environment, start, end, format)
        return export(self._folder, self._engine, to, wanted, progress)

    def download(
        self,
        table: str,
        *,
        model: str | None = None,
        environment: str | None = None,
        start: Time | None = None,
        end: Time | None = None,
        format: str = "parquet",  # noqa: A002 - the settled name
    ) -> BinaryIO:
        """Give one table as one open file, which has no name on the disk: to be read from its start, and closed.

        The rows are chosen as `export` does; predictions need a `model`. `format` is parquet, csv or jsonl.
        Raises `BadInput`, `UnknownName`, `StoreError`.
        """
        from watchglass.store.exchange.download import download  # noqa: PLC0415 - costs only who exports
        from watchglass.store.exchange.export import Wanted  # noqa: PLC0415 - likewise

        wanted = Wanted((table,), model, environment, start, end, format)
        return download(self._folder, self._engine, table, wanted)

    def import_(  # noqa: PLR0913 - the settled signature
        self,
        source: str | os.PathLike[str],
        *,
        table: str | Sequence[str] | None = None,
        model: str | None = None,
        id: str | None = None,  # noqa: A002 - the settled name
        time: str | None = None,
        prediction: str | None = None,
        score: str | None = None,
        label: str | None = None,
        features: Sequence[str] | None = None,
        tags: Sequence[str] = (),
        version: str | None = None,
        environment: str = "live",
        progress: Callable[[int, int], None] | None = None,
    ) -> Imported:
        """Take in the folder that `export` wrote, or with `model` a file from elsewhere; the same again changes nothing.

        Of an export, `table` names the tables that are wanted, None is all. Of a file (Parquet, CSV, JSON lines, Arrow, a
        Delta table's folder) it is "predictions" (default) or "labels", and `id`, `time`, `prediction`, `score`, `label`,
        `features` and `tags` name columns, else guessed as `replay` does. A row that cannot be taken costs only itself and
        is counted. `progress` is told rows done and in all. Raises `BadInput` for what cannot be taken in at all.
        """
        from watchglass.store.exchange.foreign import Foreign, import_file  # noqa: PLC0415 - costs only who imports
        from watchglass.store.exchange.importing import import_export  # noqa: PLC0415 - likewise
        from watchglass.store.history import Roles  # noqa: PLC0415 - likewise

        given = (id, time, prediction, score, label, features, version)
        if model is None:
            if any(value is not None for value in given) or tags:
                message = "columns are named for a file from elsewhere, which needs its model: --model NAME (model=… in Python)"
                raise BadInput(message)
            tables = [table] if isinstance(table, str) else table
            return import_export(self._folder, self._engine, Path(source), tables, progress)
        if table is not None and not isinstance(table, str):
            message = f"table cannot be {table!r} for a file from elsewhere: 'predictions' or 'labels' would do"
            raise BadInput(message)
        chosen = None if features is None else tuple(features)
        roles = Roles(time, prediction, score, label, id, tuple(tags), chosen)
        what = Foreign(table or "predictions", model, roles, version, environment)
        return import_file(self._folder, self._engine, Path(source), what, progress)
