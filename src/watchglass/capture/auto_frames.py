"""Reads and writes of pandas and polars → reads and writes of a run: files by their content, databases by query and table."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from watchglass.capture import recorder
from watchglass.capture.auto_patches import Call, Recording
from watchglass.capture.queries import is_url, query, without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType

    from watchglass.capture.auto_patches import Patches

_PATHS: Final = (
    "filepath_or_buffer",
    "path_or_buffer",
    "path_or_buf",
    "path",
    "path_or_stream",
    "io",
    "source",
    "file",
    "excel_writer",
    "workbook",
    "target",
    "buf",
)
_READS: Final = {
    "pandas": (
        *("read_csv", "read_table", "read_fwf", "read_parquet", "read_json", "read_excel", "read_feather", "read_orc"),
        *("read_pickle", "read_hdf", "read_xml", "read_html", "read_sas", "read_spss", "read_stata"),
    ),
    "polars": (
        *("read_csv", "read_parquet", "read_json", "read_ndjson", "read_ipc", "read_avro", "read_excel", "read_delta"),
        *("scan_csv", "scan_parquet", "scan_ndjson", "scan_ipc", "scan_delta"),
    ),
}
_QUERIES: Final = {"pandas": ("read_sql", "read_sql_query"), "polars": ("read_database", "read_database_uri")}
_CLASSES: Final = {"pandas": ("DataFrame", "Series"), "polars": ("DataFrame", "LazyFrame")}
_WRITES: Final = {
    "pandas": (
        *("to_csv", "to_parquet", "to_json", "to_excel", "to_feather", "to_orc", "to_pickle", "to_hdf", "to_xml"),
        "to_stata",
    ),
    "polars": (
        *("write_csv", "write_parquet", "write_json", "write_ndjson", "write_ipc", "write_avro", "write_excel"),
        *("write_delta", "sink_csv", "sink_parquet", "sink_ndjson", "sink_ipc"),
    ),
}
_TABLES: Final = {"pandas": "to_sql", "polars": "write_database"}


def patch(module: ModuleType, patches: Patches) -> None:
    """Have what a library reads and writes recorded."""
    library = module.__name__
    for name in _READS[library]:
        patches.put(module, name, _recording(f"{library}.{name}", _read))
    for name in _QUERIES[library]:
        patches.put(module, name, _recording(f"{library}.{name}", _queried))
    patches.put(module, "read_sql_table", _recording(f"{library}.read_sql_table", _read_table))
    for title in _CLASSES[library]:
        for name in (*_WRITES[library], _TABLES[library]):
            owner = next((kind for kind in getattr(module, title).__mro__ if name in vars(kind)), None)
            if owner is not None and not patches.has(owner, name):
                after = _wrote_table if name == _TABLES[library] else _wrote
                patches.put(owner, name, _recording(f"{library}.{name}", after))


def _nothing(call: Call) -> None:
    del call


def _recording(title: str, after: Callable[[str, Call, object], None]) -> Recording:
    return Recording(lambda _: title, _nothing, partial(after, title))


def _read(title: str, call: Call, result: object) -> None:
    for thing in _places(title, call, call.argument(0, *_PATHS)):
        call.run.read(thing)
    _frame(call, result, call.argument(0, *_PATHS))


def _queried(title: str, call: Call, result: object) -> None:
    del title
    text, connection = call.argument(0, "sql", "query"), call.argument(1, "con", "connection", "uri")
    asked = query(str(text), _connection(connection))
    call.run.read(result, asked) if _is_frame(result) else call.run.read(asked)


def _read_table(title: str, call: Call, result: object) -> None:
    del title
    name = f"{_connection(call.argument(1, 'con'))}.{call.argument(0, 'table_name')}"
    call.run.read(name)
    _frame(call, result, name)


def _wrote(title: str, call: Call, result: object) -> None:
    if result is not None and type(result).__name__ in ("str", "bytes"):  # no place was given: the text is the result
        return
    for thing in _places(title, call, call.argument(1, *_PATHS)):
        call.run.write(thing)


def _wrote_table(title: str, call: Call, result: object) -> None:
    del title, result
    name = call.argument(1, "name", "table_name")
    call.run.write(f"{_connection(call.argument(2, 'con', 'connection'))}.{name}")


def _frame(call: Call, result: object, name: object) -> None:
    """Of a read that is a run of its own, the frame is what it writes: whoever fits it next is linked to the file."""
    if call.alone and _is_frame(result) and isinstance(name, (str, os.PathLike)):
        call.run.write(result, f"{without_secrets(os.fspath(cast('str', name)))} (frame)")


def _is_frame(thing: object) -> bool:
    return type(thing).__name__ in ("DataFrame", "Series")


def _places(title: str, call: Call, place: object) -> Iterable[object]:
    """Give what was read or written as a run takes it: files, folders, URLs; nothing of the store's own."""
    for one in place if isinstance(place, (list, tuple)) else [place]:
        found = _place(one)
        if found is None:
            call.run.lack(f"{title}: of or to a {type(one).__name__}, which is no file")
        elif not _ours(found):
            yield found


def _place(one: object) -> object:
    text = (
        os.fspath(one)
        if isinstance(one, (str, os.PathLike))
        else getattr(one, "name", None) or getattr(one, "io", None)
    )
    if not isinstance(text, str) or not text or text.startswith("<"):
        return None
    if is_url(text):
        return text
    full = os.path.expanduser(text)  # noqa: PTH111 - text paths here
    return Path(full) if os.path.exists(full) else full  # noqa: PTH110 - likewise


def _ours(found: object) -> bool:
    """Say whether it lies in the store that is recorded into: what capture itself keeps there."""
    home = recorder.current().store
    return isinstance(found, Path) and os.path.abspath(found).startswith(f"{os.path.abspath(home)}{os.sep}")  # noqa: PTH100 - text paths


def _connection(connection: object) -> str:
    """Name a connection without what logs in."""
    if isinstance(connection, str):
        return without_secrets(connection)
    for owner in (connection, getattr(connection, "engine", None)):
        url = getattr(owner, "url", None)
        if url is not None:
            return without_secrets(str(url))
    return type(connection).__module__.partition(".")[0]
