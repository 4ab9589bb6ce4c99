"""The pages in Debian's Chromium: both looks, the way from Models to Incident, no request elsewhere, nothing axe finds."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.ui.chromium import looking, serving


@pytest.fixture(scope="module")
def address(made):
    with serving(made.story()) as found:
        yield found


@pytest.fixture(scope="module")
def empty_address(made):
    with serving(made.empty()) as found:
        yield found


@pytest.fixture(scope="module")
def attacked_address(made):
    with serving(made.attacked()) as found:
        yield found


def background(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


@pytest.mark.parametrize(("scheme", "colour"), [("light", "rgb(250, 250, 248)"), ("dark", "rgb(19, 23, 26)")])
def test_from_models_to_the_incident_and_its_source(browser, address, scheme, colour):
    with looking(browser, scheme=scheme) as page:
        page.goto(address)
        assert background(page) == colour
        assert page.locator(".lead").inner_text().startswith("digits is degraded")
        page.get_by_role("link", name="Incident 17").first.click()
        page.wait_for_url("**/incidents/17")
        assert page.locator(".path .root").inner_text().endswith("read for the first time")
        assert page.locator("figure").count() == 3
        assert page.locator("figure .dw svg").first.is_visible()
        assert not page.locator("figure .dn svg").first.is_visible()
        drawn = page.locator("figure svg [stroke='var(--accent)']").first
        stroke = drawn.evaluate("e => getComputedStyle(e).stroke")
        assert stroke == {"light": "rgb(15, 95, 125)", "dark": "rgb(108, 195, 224)"}[scheme]


@pytest.mark.parametrize("width", [390, 1280, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/incidents", "/incidents/17", "/incidents/16", "/incidents/15"])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(browser, address, path, scheme, width):
    with looking(browser, scheme=scheme, width=width) as page:
        page.goto(address + path)
        found = Axe().run(page).response["violations"]
        assert [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("path", ["/", "/incidents/21"])
@pytest.mark.parametrize("width", [390, 1280])
def test_a_hostile_name_runs_nothing(browser, attacked_address, path, width):
    with looking(browser, width=width) as page:
        page.on("dialog", lambda dialog: page.complaints.append(dialog.message))
        page.goto(attacked_address + path)
        assert "<script>alert(1)</script>" in page.locator("main").inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_empty_store_and_an_unknown_page_are_whole(browser, empty_address, scheme):
    with looking(browser, scheme=scheme, width=390) as page:
        page.goto(empty_address)
        assert "wg.log_prediction" in page.locator("main").inner_text()
        assert Axe().run(page).response["violations"] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_pages_are_whole_without_script(browser, address):
    with looking(browser, script=False) as page:
        page.goto(address)
        page.get_by_role("link", name="Incident 17").first.click()
        page.wait_for_url("**/incidents/17")
        assert page.locator("figure .dw svg").count() == 3
        page.fill("#jump", "16")
        page.press("#jump", "Enter")
        page.wait_for_url("**/incidents/16")


def test_keys_turn_the_theme_walk_the_rows_and_list_themselves(browser, address):
    with looking(browser) as page:
        page.goto(address)
        page.keyboard.press("t")
        assert background(page) == "rgb(19, 23, 26)"
        page.reload()
        assert background(page) == "rgb(19, 23, 26)"
        page.keyboard.press("?")
        assert page.get_by_role("dialog", name="Keys").is_visible()
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog.keys", state="detached")
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.id") == "jump"
        page.keyboard.press("Escape")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_url("**/incidents/17")
