"""The pages of subjects in Debian's Chromium: light, dark, a phone; nothing axe finds, nothing asked elsewhere, whole without script."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.ui.chromium import looking, serving
from tests.web.pipeline_told import SCRIPT
from tests.web.subjects_told import LONG, tell
from watchglass.reading import Store
from watchglass.web import urls

PATHS = {"list": "/subjects?search=c", "one": urls.subject("client-17"), "long": urls.subject(LONG)}


@pytest.fixture(scope="module")
def at(tmp_path_factory):
    folder = tmp_path_factory.mktemp("told")
    tell(folder)
    with Store(folder) as store, serving(store) as address:
        yield address


@pytest.mark.parametrize(
    ("name", "scheme", "width"),
    [("list", "light", 1280), ("one", "dark", 400), ("one", "light", 1280), ("list", "dark", 400), ("long", "light", 400)],
)  # fmt: skip
def test_axe_finds_nothing_and_nothing_scrolls_sideways(browser, at, name, scheme, width):
    with looking(browser, scheme=scheme, width=width) as page:
        page.goto(at + PATHS[name])
        found = Axe().run(page).response["violations"]
        assert [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_from_the_search_to_a_subject_to_the_run_that_used_it_without_script(browser, at):
    with looking(browser, script=False) as page:
        page.goto(at + "/subjects")
        page.get_by_label("Tag has in it").fill("client-1")
        page.get_by_role("button", name="Show").click()
        page.locator("table.runs tbody tr a").first.click()
        page.wait_for_url("**/subjects/client-17")
        assert "2 uses since" in page.locator(".lead").inner_text()
        page.locator("section[aria-labelledby=h-uses] tbody tr a").first.click()
        page.wait_for_url("**/runs/*")
        assert "report" in page.locator("main").inner_text()


def test_a_hostile_tag_runs_nothing_and_an_empty_store_is_whole(browser, at, tmp_path):
    with looking(browser) as page:
        page.on("dialog", lambda dialog: page.complaints.append(dialog.message))
        page.goto(at + urls.subject(SCRIPT))
        assert SCRIPT in page.locator("main").inner_text()
    with Store(tmp_path, create=True) as store, serving(store) as bare, looking(browser, scheme="dark", width=400) as page:  # fmt: skip
        page.goto(bare + "/subjects")
        assert "watchglass retract" in page.locator("main").inner_text()
        assert Axe().run(page).response["violations"] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
