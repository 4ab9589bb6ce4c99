"""A browser for each file of page tests: while it runs, its event loop is the thread's."""

from __future__ import annotations

import os

import pytest
from playwright.sync_api import sync_playwright

from tests.ui.chromium import CHROMIUM, QUIET


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None and os.environ.get("CI") != "true":
        pytest.skip("no chromium on this machine: apt-get install chromium")
    assert CHROMIUM is not None, "in CI the pages must be looked at: apt-get install chromium"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield running
        running.close()
