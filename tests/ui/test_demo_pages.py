"""The pages over a store that lived through the demonstration, in a real browser: light, dark, narrow; Models → Incident by click."""

from __future__ import annotations

import json
import urllib.request

import pytest

from tests.ui.chromium import looking, serving
from watchglass.demo.telling import run_demo
from watchglass.reading import Store


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    told = run_demo(tmp_path_factory.mktemp("pages") / "store", seed=3, http=False)
    with Store(told.folder) as store, serving(store) as at:
        yield at


@pytest.mark.parametrize(("scheme", "colour"), [("light", "rgb(250, 250, 248)"), ("dark", "rgb(19, 23, 26)")])
def test_from_the_first_page_to_the_incident_by_click(browser, address, scheme, colour):
    with looking(browser, scheme=scheme) as page:
        page.goto(address)
        assert page.locator(".lead").inner_text().startswith("digits is degraded")
        assert "site = harbour" in page.locator(".lead").inner_text()
        page.get_by_role("link", name="Incident 2").first.click()
        page.wait_for_url("**/incidents/2")
        text = page.inner_text("main")
        for words in ("clean, version 2", "site_scales", "features, version 4", "channel = scanner", "What to do next"):
            assert words in text
        assert page.locator("figure svg").count() >= 3
        page.locator(".path a code").first.click()
        page.wait_for_url("**/runs/*")
        assert (
            "The first run of clean, version 2 after version 1, ended without an error."
            in page.locator(".lead").inner_text()
        )
        assert "It is behind incident 2." in page.locator(".lead").inner_text()
        assert "artifact, new input" in page.locator("svg.lin .nd.bad").text_content()
        assert page.locator("svg.lin .edge.hot").count() == 4
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == colour


@pytest.mark.parametrize("path", ["/", "/incidents", "/incidents/1", "/incidents/2"])
def test_nothing_scrolls_sideways_on_a_phone(browser, address, path):
    with looking(browser, width=390) as page:
        page.goto(address + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize(
    "path",
    [
        "/index.json",
        "/incidents.json",
        "/incidents/2.json",
        "/api/v1/models",
        "/api/v1/incidents",
        "/api/v1/incidents/2",
    ],
)
def test_every_page_has_its_json_twin(address, path):
    with urllib.request.urlopen(address + path) as reply:
        found = json.load(reply)
    assert "digits" in json.dumps(found)


def test_the_api_describes_itself(address):
    with urllib.request.urlopen(address + "/api/v1/openapi.json") as reply:
        described = json.load(reply)
    assert {"/api/v1/models", "/api/v1/incidents", "/api/v1/incidents/{number}"} <= set(described["paths"])
