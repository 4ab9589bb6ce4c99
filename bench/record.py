"""What one benchmark measured → one JSON document of a form that all share: printed by a benchmark, kept in results/.

A benchmark is a module that, run as `python -m bench.NAME`, ends by calling `say(NAME, rows)`: one JSON document
on stdout. What it tells while it runs goes to stderr.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RESULTS = Path(__file__).parent / "results"
LIBRARIES = ("watchglass", "duckdb", "orjson", "polars", "pyarrow", "pandas", "sqlalchemy", "fastapi", "uvicorn")


@dataclass(frozen=True, slots=True)
class Row:
    """One promise: what was measured against what, in one unit."""

    what: str
    unit: str
    measured: float
    bar: str = ""
    """What was promised, in words: "≤ 1.5 × the limit + 3 µs". Empty: reported, nothing promised."""
    limit: float | None = None
    """The physical limit, or a peer, measured in the same run in the same unit."""
    against: str = ""
    """What the limit is: "bare COPY of the same lines"."""
    ok: bool | None = None
    """Whether the bar is held; None where nothing was promised."""
    detail: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times the limit was measured."""
        return self.measured / self.limit if self.limit else None


@dataclass(frozen=True, slots=True)
class Result:
    """All rows of one benchmark, when and where they were measured."""

    bench: str
    rows: tuple[Row, ...]
    date: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    machine: Mapping[str, str | int | float] = field(default_factory=lambda: machine())  # noqa: PLW0108 - defined below

    def document(self) -> dict[str, object]:
        """Give the plain form, each row's ratio worked out."""
        rows = [{**asdict(row), "ratio": row.ratio} for row in self.rows]
        return {"bench": self.bench, "date": self.date, "machine": dict(self.machine), "rows": rows}


def machine() -> dict[str, str | int | float]:
    """Describe where a figure was measured: processor, cores, how busy it was, the versions that matter."""
    found: dict[str, str | int | float] = {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load_1m": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def say(bench: str, rows: Sequence[Row]) -> None:
    """End a benchmark: its one JSON document on stdout."""
    json.dump(Result(bench, tuple(rows)).document(), sys.stdout, ensure_ascii=False, indent=1)
    sys.stdout.write("\n")


def note(text: str) -> None:
    """Tell how far a benchmark is, on stderr."""
    sys.stderr.write(f"{text}\n")


def read(document: str) -> Result:
    """Read a benchmark's document; raises `ValueError` that names what is missing in it."""
    try:
        found = json.loads(document)
        names = Row.__slots__
        rows = tuple(Row(**{name: row[name] for name in names if name in row}) for row in found["rows"])
        return Result(found["bench"], rows, found["date"], found["machine"])
    except (KeyError, TypeError) as error:
        message = f"not a benchmark's document: {type(error).__name__}: {error}. bench.record.say() writes one"
        raise ValueError(message) from None


def kept(bench: str) -> Path:
    """Name the file that holds a benchmark's last result."""
    return RESULTS / f"{bench}.json"


def keep(result: Result) -> Path:
    """Write a result where the tables of the documentation are made from."""
    RESULTS.mkdir(exist_ok=True)
    path = kept(result.bench)
    path.write_text(json.dumps(result.document(), ensure_ascii=False, indent=1) + "\n")
    return path
