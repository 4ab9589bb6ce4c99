"""A folder and some texts → every file in which one of them lies: as bytes, as JSON writes them, or inside a Parquet file's columns."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq


def ways(texts):
    """Give the bytes in which a text may lie."""
    return {way for text in texts for way in (text.encode(), json.dumps(text)[1:-1].encode())}


def places(root, texts):
    """Search all files below a folder; gives (path, text) of what is found."""
    found = []
    for path in sorted(root.rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        found += [(str(path.relative_to(root)), way.decode()) for way in ways(texts) if way in data]
        if data[:4] == data[-4:] == b"PAR1":
            found += [(str(path.relative_to(root)), f"in a column: {text}") for text in values_of(path) & set(texts)]
    return found


def values_of(path):
    """Read every text that stands in a Parquet file, in structs and lists and inside JSON too."""
    texts = set()
    for column in pq.read_table(path).columns:
        for value in column.to_pylist():
            texts |= _texts(value)
    return texts


def _texts(value):
    if isinstance(value, dict):
        return {text for part in value.values() for text in _texts(part)}
    if isinstance(value, list):
        return {text for part in value for text in _texts(part)}
    if not isinstance(value, str):
        return set()
    try:
        inside = json.loads(value)
    except ValueError:
        return {value}
    return {value} | (_texts(inside) if isinstance(inside, dict | list) else set())


def frame(path, rows, **about):
    """Write a columnar segment as a recorder does, its sidecar first."""
    path.with_name(path.name + ".json").write_text(json.dumps(about))
    pq.write_table(pa.Table.from_pylist(rows), path)
