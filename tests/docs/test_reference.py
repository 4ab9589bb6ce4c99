"""The reference is what the code says now, links lead somewhere, and the benchmarks' tables are those of the kept results."""

from __future__ import annotations

import importlib.util
import re

import pytest

import watchglass as wg
from bench import record, tables
from tests.docs.pages import DOCS, ROOT
from watchglass.cli.main import commands
from watchglass.settings import SETTINGS
from watchglass.store.query import VIEWS


@pytest.fixture(scope="module")
def make():
    spec = importlib.util.spec_from_file_location("docs_make", DOCS / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made(make):
    return make.made()


@pytest.mark.parametrize("name", ["settings.md", "commands.md", "python.md", "views.md", "http.md"])
def test_a_page_of_the_reference_is_fresh(made, name):
    assert (DOCS / "reference" / name).read_text() == made[name], "make docs writes the reference anew"


def test_no_other_page_lies_in_the_reference(made):
    assert {path.name for path in (DOCS / "reference").iterdir()} == set(made)


def test_everything_public_has_its_place(make, made):
    assert all(f"## wg.{name}\n" in made["python.md"] for name in wg.__all__ if callable(getattr(wg, name)))
    assert all(f"`{setting.env}`" in made["settings.md"] for setting in SETTINGS)
    assert all(f"## watchglass {name}\n" in made["commands.md"] for name in commands.commands)
    assert all(f"## {name}\n" in made["views.md"] for name in VIEWS)
    assert "## POST /api/v1/events" in made["http.md"]


def test_the_tables_of_the_benchmarks_are_those_of_the_kept_results():
    page = tables.PAGE.read_text()
    assert tables.filled(page, tables.kept()) == page, "make docs writes the tables anew"


def test_every_benchmark_has_its_table():
    from bench.__main__ import there

    page = tables.PAGE.read_text()
    assert set(there()) == set(re.findall(r"<!-- table: (\w+) -->", page))


def test_a_result_becomes_a_table_that_names_limit_ratio_and_verdict():
    rows = (
        record.Row("parsing", "µs", 12.34, "≤ 1.5 × the limit", 10.0, "bare parsing", ok=True),
        record.Row("memory", "MB", 25.0, "≤ 20", ok=False),
    )
    result = record.Result("some", rows, "2026-11-25T00:00:00+00:00", record.machine())
    page = tables.filled("<!-- table: some -->\nold\n<!-- end of table -->\n", [result])
    assert "| parsing | 12.3 µs | 10 µs: bare parsing | 1.23 × | ≤ 1.5 × the limit | held |" in page
    assert "| memory | 25 MB | – | – | ≤ 20 | **missed** |" in page
    assert "old" not in page
    assert tables.filled(page, [result]) == page


@pytest.mark.parametrize(
    "path", [*DOCS.rglob("*.md"), ROOT / "README.md"], ids=lambda path: str(path.relative_to(ROOT))
)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), target
