"""A file of JSON lines → the relation that has its rows, and each line that has no form told with its reason.

A file that DuckDB takes as it is, is read as it lies. Of any other its good lines are written apart, one by one in Python.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Final

from watchglass.errors import BadInput
from watchglass.store.exchange.written import line_reader
from watchglass.store.lines import Rejected, has_half_pairs, shown
from watchglass.store.quoting import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import duckdb

TOLD: Final = 1000
"""Lines told one by one; the rest are told together, by reason."""
KEYS: Final = 5000
"""Names of all lines together; each is a column."""
_SAMPLE: Final = 20_480
_BOM: Final = b"\xef\xbb\xbf"
_NOT_OBJECT: Final = "trim(line) != '' AND CASE WHEN json_valid(line) THEN json_type(line) != 'OBJECT' ELSE true END"


def as_it_lies(connection: duckdb.DuckDBPyConnection, source: Path) -> tuple[str, Sequence[tuple[str, str]]] | None:
    """Give the relation and the typed columns of a file whose lines are all objects, by its first lines; None for any other."""
    lines = line_reader(str(source))
    if connection.execute(f"SELECT count(*) FROM {lines} WHERE {_NOT_OBJECT}").fetchall()[0][0]:
        return None
    keys = f"SELECT DISTINCT json_keys(line) AS keys FROM (FROM {lines} LIMIT {_SAMPLE}) WHERE trim(line) != ''"
    names = connection.execute(f"SELECT DISTINCT unnest(keys) FROM ({keys}) LIMIT {KEYS + 1}").fetchall()
    _require_few(source, len(names))
    return _texted(connection, source, _SAMPLE)


def line_by_line(
    connection: duckdb.DuckDBPyConnection, source: Path, aside: Path
) -> tuple[str, Sequence[tuple[str, str]], list[Rejected]]:
    """Write the good lines apart; gives the relation and the typed columns of these, by all of them, and what was left out."""
    told = _sifted(source, aside)
    relation, columns = _texted(connection, aside, -1)
    return relation, columns, told


def _texted(connection: duckdb.DuckDBPyConnection, path: Path, sample: int) -> tuple[str, Sequence[tuple[str, str]]]:
    """Read lines so that a column of several types is text: as it was written, without the quotes of JSON."""
    relation = f"read_json({literal(str(path))}, format = 'newline_delimited', sample_size = {sample})"
    columns = [(str(row[0]), str(row[1])) for row in connection.execute(f"DESCRIBE FROM {relation}").fetchall()]
    mixed = [f"{identifier(name)} ->> '$' AS {identifier(name)}" for name, of in columns if of == "JSON"]
    if mixed:
        relation = f"(SELECT * REPLACE ({', '.join(mixed)}) FROM {relation})"
    return relation, [(name, "VARCHAR" if of == "JSON" else of) for name, of in columns]


def _sifted(source: Path, aside: Path) -> list[Rejected]:
    """Write the good lines of a file to another; gives those that have no form.

    Raises `BadInput` where the good ones have more names than any table has columns.
    """
    told: list[Rejected] = []
    more: Counter[str] = Counter()
    names: set[str] = set()
    with source.open("rb") as file, aside.open("wb") as good:
        for number, raw in enumerate(_lines(file), start=1):
            fault = _fault(raw, names) if raw.strip() else ""
            if fault is None:
                good.write(raw.rstrip(b"\n") + b"\n")
                _require_few(source, len(names))
            elif fault and len(told) < TOLD:
                told.append(Rejected(source.name, number, fault, shown(raw.rstrip(b"\n"))))
            elif fault:
                more[fault.partition(":")[0]] += 1
    return [*told, *(Rejected(source.name, None, reason, None, rows) for reason, rows in sorted(more.items()))]


def _require_few(source: Path, names: int) -> None:
    """Raise `BadInput` for a file whose lines have more names than a table has columns."""
    if names > KEYS:
        message = (
            f"the lines of file {source.name!r} have more than {KEYS:,} different names, each of which would be a column: "
            "put what varies into one object, or cut out the lines that are no rows"
        )
        raise BadInput(message)


def _lines(file: Iterator[bytes]) -> Iterator[bytes]:
    for number, raw in enumerate(file):
        yield raw if number else raw.removeprefix(_BOM)


def _fault(raw: bytes, names: set[str]) -> str | None:
    """Say why a line is no row; None for one that is, whose names are added to `names`."""
    twice: list[str] = []

    def pairs(items: list[tuple[str, object]]) -> dict[str, object]:
        made = dict(items)
        if len(made) != len(items):
            twice.append(next(name for name, n in Counter(name for name, _ in items).items() if n > 1))
        return made

    try:
        event = json.loads(raw.decode("utf-8"), object_pairs_hook=pairs, parse_int=float)
    except RecursionError:
        return "the line is nested too deep to be looked through"
    except ValueError as error:
        return f"the line is not JSON: {type(error).__name__}: {error}"[:500]
    if not isinstance(event, dict):
        return f"the line is not a JSON object but {type(event).__name__}"
    if twice:
        return f"a key comes twice in the line: {twice[0]!r:.200}"
    if b"\\ud" in raw.lower() and has_half_pairs(
        json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass")
    ):
        return "the line has half a surrogate pair, which is no text"
    names.update(event)
    return None
