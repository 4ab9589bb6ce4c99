"""The kept results → the tables of docs/benchmarks.md, between their markers. `python -m bench.tables` writes them anew."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.record import RESULTS, Result, read
from bench.shown import number

if TYPE_CHECKING:
    from collections.abc import Iterable

PAGE: Final = Path(__file__).parents[1] / "docs" / "benchmarks.md"
_BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)
_VERDICT = {True: "held", False: "**missed**", None: ""}


def table(result: Result) -> str:
    """Write a result as Markdown: the figures, and where and when they were measured."""
    about = result.machine
    libraries = ", ".join(
        f"{name} {about[name]}" for name in ("duckdb", "orjson", "polars", "pyarrow") if name in about
    )
    lines = [
        "| what | measured | limit, same run | ratio | bar | |",
        "|---|---|---|---|---|---|",
        *(
            f"| {row.what}{f'<br>{row.detail}' if row.detail else ''} | {number(row.measured)} {row.unit} |"
            f" {'–' if row.limit is None else f'{number(row.limit)} {row.unit}: {row.against}'} |"
            f" {'–' if row.ratio is None else f'{number(row.ratio)} ×'} | {row.bar or 'reported'} | {_VERDICT[row.ok]} |"
            for row in result.rows
        ),
        "",
        (
            f"{result.date[:10]}, {about['cpu']}, {about['cores']} cores, load {about['load_1m']} at the end;"
            f" Python {about['python']}, {libraries}."
        ),
    ]
    return "\n".join(lines)


def filled(page: str, results: Iterable[Result]) -> str:
    """Put each result where the page has its markers; a benchmark that was not run yet says so."""
    known = {result.bench: result for result in results}

    def fill(found: re.Match[str]) -> str:
        name = found[2]
        inner = table(known[name]) if name in known else f"Not measured yet: `python -m bench {name}`."
        return f"{found[1]}{inner}\n{found[3]}"

    return _BLOCK.sub(fill, page)


def kept() -> list[Result]:
    """Read every result that is kept."""
    return [read(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]


def main() -> None:
    """Write the page's tables anew."""
    PAGE.write_text(filled(PAGE.read_text(), kept()))


if __name__ == "__main__":
    main()
