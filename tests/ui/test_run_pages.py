"""The pages about runs in Debian's Chromium: light, dark, a phone; nothing axe finds, nothing asked elsewhere, whole without script."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.ui.chromium import looking, serving
from tests.web.pipeline_told import SCRIPT, tell
from watchglass.reading import Store
from watchglass.web import urls
from watchglass.web.ingest import Ingest

PAGES = ("runs", "run", "failed run", "run of a function", "long run", "component", "lineage", "compare", "review")
OFTEN = {("light", 1280): ("runs", "lineage", "review"), ("dark", 400): ("run", "run of a function", "compare")}
LOOKS = [
    pytest.param(name, *look, marks=() if name in often else pytest.mark.slow)
    for look, often in OFTEN.items()
    for name in PAGES
]
"""Some pages in one look each every day, all in both with the slow tests."""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = tmp_path_factory.mktemp("told")
    ids = tell(folder)
    with Store(folder) as store:
        store.flag("model", note="too many sevens", who="ana")
        label = store.runs("label").runs[0].id
        paths = (
            urls.runs(),
            urls.run(ids["clean 6"]),
            urls.run(ids["hostile"]),
            urls.run(label),
            urls.run(ids["long"]),
            urls.component("train"),
            urls.lineage("model"),
            urls.compare("label"),
            urls.review(),
        )
        with serving(store) as at:
            yield SimpleNamespace(at=at, ids=ids, paths=dict(zip(PAGES, paths, strict=True)))


@pytest.mark.parametrize(("name", "scheme", "width"), LOOKS)
def test_axe_finds_nothing_and_nothing_scrolls_sideways(browser, told, name, scheme, width):
    with looking(browser, scheme=scheme, width=width) as page:
        page.on("dialog", lambda dialog: page.complaints.append(dialog.message))
        page.goto(told.at + told.paths[name])
        found = Axe().run(page).response["violations"]
        assert [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_from_the_list_to_the_run_to_its_lineage_without_script(browser, told):
    with looking(browser, script=False) as page:
        page.goto(told.at + "/runs")
        page.get_by_label("Component").fill("clean")
        page.get_by_label("Status").select_option("ok")
        page.get_by_role("button", name="Show").click()
        page.locator("table.runs tbody tr a").first.click()
        page.wait_for_url("**/runs/" + told.ids["clean 7"])
        assert page.locator("svg.lin .nd.self").text_content().find("this run") >= 0
        page.locator("svg.lin a", has_text="clean_images").click()
        page.wait_for_url("**/lineage?of=clean_images&version=*")
        assert "was written by clean, version 2" in page.locator(".lead").inner_text()


@pytest.mark.parametrize(("scheme", "colour"), [("light", "rgb(173, 58, 12)"), ("dark", "rgb(255, 156, 107)")])
def test_the_way_from_what_is_flagged_is_red_in_both_looks(browser, told, scheme, colour):
    with looking(browser, scheme=scheme) as page:
        page.goto(told.at + told.paths["lineage"])
        assert page.locator(".edge.hot").first.evaluate("e => getComputedStyle(e).stroke") == colour
        assert page.locator(".nd.bad rect").first.evaluate("e => getComputedStyle(e).stroke") == colour
        left, right = page.locator(".roll").evaluate(
            "e => [e.getBoundingClientRect().left, e.getBoundingClientRect().right]"
        )
        box = page.locator(".nd.asked").bounding_box()
        assert left <= box["x"]
        assert box["x"] + box["width"] <= right


def test_words_in_the_drawing_stay_in_their_boxes(browser, told):
    with looking(browser) as page:
        for name in ("run", "long run", "lineage"):
            page.goto(told.at + told.paths[name])
            over = page.locator("svg.lin .nd").evaluate_all(
                "nodes => nodes.flatMap(n => [...n.querySelectorAll('text')].filter(t => t.getBBox().width > n.querySelector('rect').getBBox().width).map(t => t.textContent))"
            )
            assert over == []


def test_keys_walk_the_runs(browser, told):
    with looking(browser) as page:
        page.goto(told.at + told.paths["runs"])
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_url("**/runs/*")
        page.keyboard.press("/")
        page.keyboard.type("train")
        page.keyboard.press("Enter")
        page.wait_for_url("**/components/train")


def test_an_output_is_flagged_and_the_flag_taken_back_without_script(browser, tmp_path):
    ids = tell(tmp_path / "store")
    ingest = Ingest(tmp_path / "store")
    with Store(tmp_path / "store") as store, serving(store, ingest) as at, looking(browser, script=False) as page:
        page.goto(at + urls.run(ids["clean 7"]))
        page.get_by_text("Flag as wrong").click()
        page.get_by_label("What is wrong").fill("harbour is dark")
        page.get_by_role("button", name="Flag clean_images as wrong").click()
        page.wait_for_url("**/runs/*#io")
        assert "harbour is dark" in page.locator("table.io").inner_text()
        assert page.locator(".nd.bad").count() == 1
        page.goto(at + "/review")
        page.get_by_role("button", name="Take the flag back of clean_images").click()
        page.wait_for_url("**/review")
        assert page.locator(".lead").inner_text() == "No output is flagged as wrong."
    ingest.close()


def test_an_empty_store_and_an_unknown_run_are_whole(browser, tmp_path):
    with (
        Store(tmp_path, create=True) as store,
        serving(store) as at,
        looking(browser, scheme="dark", width=400) as page,
    ):
        for path, words in (("/runs", "@wg.component"), ("/review", "watchglass flag"), ("/lineage", "run.write")):
            page.goto(at + path)
            assert words in page.locator("main").inner_text()
            assert Axe().run(page).response["violations"] == []
            assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_a_hostile_name_runs_nothing(browser, told):
    with looking(browser) as page:
        page.on("dialog", lambda dialog: page.complaints.append(dialog.message))
        for path in (told.paths["failed run"], urls.component(SCRIPT), urls.lineage(SCRIPT)):
            page.goto(told.at + path)
            assert SCRIPT in page.locator("main").inner_text()
