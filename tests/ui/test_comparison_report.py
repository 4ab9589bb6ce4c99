"""The report of a comparison in Debian's Chromium: one file, both looks, narrow, searched, printed, asking for nothing."""

from __future__ import annotations

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

import watchglass as wg
from tests.ui.chromium import looking


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    rng = np.random.default_rng(0)
    one = {
        "<script>alert(1)</script>": rng.normal(size=400),
        "a_column_whose_name_is_much_longer_than_what_a_table_has_room_for": rng.normal(size=400),
        "channel": rng.choice(["post", "<b>web</b>"], 400).tolist(),
        "gone": [1] * 400,
        "nothing": [None] * 400,
        "text": ["x" * int(n) + str(i) for i, n in enumerate(rng.integers(1, 30, 400))],
        "born": [86_400.0 * i for i in range(400)],
    }
    other = {name: values for name, values in one.items() if name != "gone"} | {"<script>alert(1)</script>": rng.normal(2, 1, size=400)}  # fmt: skip
    path = tmp_path_factory.mktemp("report") / "comparison.html"
    wg.compare(one, other).html(path)
    return path.as_uri()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(browser, report, scheme, width):
    with looking(browser, scheme=scheme, width=width) as page:
        page.goto(report)
        page.locator("details").first.locator("summary").click()
        found = Axe().run(page).response["violations"]
        assert [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.asked == [report], "the page asks for itself alone"
        page.asked.clear()


def test_columns_are_found_by_name_and_by_what_was_found(browser, report):
    with looking(browser) as page:
        page.goto(report)
        rows = page.locator("tbody.columns > tr")
        assert rows.count() == 7
        page.keyboard.press("/")
        page.keyboard.type("chan")
        assert [row.get_attribute("data-name") for row in rows.all() if row.is_visible()] == ["channel"]
        page.get_by_role("searchbox").fill("no such column")
        assert page.get_by_text("No column of that name.").is_visible()
        page.get_by_role("searchbox").fill("")
        page.get_by_role("checkbox", name="Steady").uncheck()
        assert {row.get_attribute("data-found") for row in rows.all() if row.is_visible()} == {"gone", "moved", "unknown"}  # fmt: skip
        page.asked.clear()


def test_without_script_all_is_there_and_nothing_useless(browser, report):
    with looking(browser, script=False) as page:
        page.goto(report)
        assert page.locator("tbody.columns > tr").count() == 7
        assert not page.get_by_role("searchbox").is_visible()
        page.asked.clear()


def test_printed_it_has_no_controls_and_light_colours(browser, report):
    with looking(browser, scheme="dark") as page:
        page.goto(report)
        page.set_viewport_size({"width": 718, "height": 1000})  # A4 within its margins
        page.emulate_media(media="print")
        assert page.locator("tbody.columns > tr").first.evaluate("row => getComputedStyle(row).display") == "table-row"
        assert page.evaluate("document.documentElement.scrollWidth") <= 718
        assert not page.get_by_role("searchbox").is_visible()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        page.asked.clear()
