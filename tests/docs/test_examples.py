"""Every Python and shell example of the documentation runs, in the order of its page."""

from __future__ import annotations

import pytest

from tests.docs.pages import DOCS, Page, examples, pages
from tests.postgres import BIN

PAGES = pages()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(DOCS)))
def test_the_examples_of_a_page_run(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WATCHGLASS_SPOOL", str(tmp_path / "spool"))
    page = Page(path, tmp_path)
    if "postgresql://" in page.text and BIN is None:
        pytest.skip("Debian's package postgresql is not installed (apt-get install postgresql)")
    try:
        page.run()
    finally:
        page.close()


def test_the_pages_hold_examples():
    found = {path.name: len(examples(path.read_text())) for path in PAGES}
    assert sum(found.values()) >= 20
    assert all(found[name] for name in ("tutorial.md", "choose-durability.md", "keep-a-store-small.md"))


def test_a_block_that_is_marked_is_not_run():
    text = "<!-- not run: why -->\n```sh\nfalse\n```\n\n```sh\ntrue\n```\n```sql\nSELECT 1\n```\n"
    assert examples(text) == [("sh", "true\n")]
