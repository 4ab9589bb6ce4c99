"""The ground of a month → what it costs to take it out as files and in again, beside DuckDB copying the same rows; the peak of memory.

`python -m bench.exchange`. Each step is a process of its own, which tells its peak of memory (VmHWM), libraries in it. All tables
go out and in as Parquet; one model of the five as CSV and as JSON lines.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.month import MODELS, month
from bench.record import Row, note, say

if TYPE_CHECKING:
    from collections.abc import Iterator

MEGABYTES: Final = 1500
_CHILD: Final = """
import json, sys, time
from pathlib import Path
from watchglass.reading import Store

verb, store, place, form, model = sys.argv[1:]
begun = time.monotonic()
if verb == "copy":
    import duckdb
    files = str(Path(store) / "tables" / "predictions" / "*.parquet")
    rows = duckdb.execute(
        f"COPY (SELECT * FROM read_parquet('{files}', union_by_name = true)) TO '{place}' (FORMAT parquet, COMPRESSION zstd)"
    ).fetchone()[0]
else:
    with Store(store, create=verb == "import") as opened:
        if verb == "export":
            rows = opened.export(place, model=model or None, tables=["predictions"] if model else None, format=form).rows
        else:
            rows = opened.import_(place).rows
seconds = time.monotonic() - begun
status = Path("/proc/self/status").read_text()
peak = next(int(line.split()[1]) / 1000 for line in status.splitlines() if line.startswith("VmHWM"))
print(json.dumps([seconds, peak, rows]))
"""


def _child(verb: str, store: Path, place: Path, form: str = "parquet", model: str = "") -> tuple[float, float, int]:
    words = [sys.executable, "-c", _CHILD, verb, str(store), str(place), form, model]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    seconds, peak, rows = json.loads(done.stdout.splitlines()[-1])  # before it, DuckDB shows how far it is
    note(f"exchange: {verb} {form} {model or 'all'}: {rows} rows in {seconds:.1f} s, {peak:.0f} MB")
    return seconds, peak, rows


def _both(ground: Path, room: Path, form: str, model: str, limit: float | None) -> Iterator[Row]:
    out, new = room / "out", room / "new"
    for verb, store in (("export", ground), ("import", new)):
        seconds, peak, rows = _child(verb, store, out, form, model)
        what = f"{verb} of {rows:,} rows, {form}{', one model' if model else ''}"
        against = "bare COPY of the predictions into one file" if limit is not None else ""
        yield Row(what, "s", seconds, limit=limit, against=against)
        yield Row(f"{what}: peak of memory", "MB", peak, f"≤ {MEGABYTES} MB", ok=peak <= MEGABYTES)
    shutil.rmtree(out)
    shutil.rmtree(new)


def main() -> None:
    """Measure and say."""
    ground = month()
    with tempfile.TemporaryDirectory(prefix="watchglass-exchange-") as made:
        room = Path(made)
        bare, _, _ = _child("copy", ground, room / "bare.parquet")
        (room / "bare.parquet").unlink()
        rows = list(_both(ground, room, "parquet", "", bare))
        for form in ("csv", "jsonl"):
            rows += _both(ground, room, form, MODELS[3], None)
    say("exchange", rows)


if __name__ == "__main__":
    main()
