"""A comparison shows itself: as a table of any library, as JSON, in a notebook, and as a page that asks for nothing."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import watchglass as wg


@pytest.fixture(scope="module")
def found():
    rng = np.random.default_rng(0)
    one = {
        "age": rng.normal(40, 5, 300),
        "pen": ["blue", "red", "<i>"] * 100,
        "born": [86_400.0 * i for i in range(300)],
        "lost": [1] * 300,
    }
    other = {**one, "age": rng.normal(50, 5, 300)}
    del other["lost"]
    return wg.compare(one, other)


def test_rows_are_those_of_its_frames(found):
    rows = found.rows()
    assert [row["name"] for row in rows[:2]] == ["lost", "age"]
    assert found.table().frame("polars")["sentence"].to_list() == [row["sentence"] for row in rows]
    assert found["age"].found == "moved"
    with pytest.raises(KeyError):
        found["agee"]


def test_json_has_every_figure_and_null_for_none(found):
    told = json.loads(found.to_json())
    assert told["columns"][0]["wasserstein"] is None
    assert told["columns"][1]["histogram"]["reference"]
    assert told["made"].endswith("+00:00")


def test_the_page_asks_for_nothing_from_anywhere_and_holds_no_markup_of_the_data(found, tmp_path):
    page = found.html(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page
    assert not re.search(r"https?://|//[a-z]|@import|url\(", page)
    assert "<i>" not in page
    assert page.count("<tr data-found=") == 4


def test_a_notebook_shows_the_page_in_a_frame_of_its_own(found):
    shown = found._repr_html_()
    assert shown.startswith('<iframe srcdoc="')
    assert shown.count(chr(34)) == 6, "no quote of the page ends the attribute"


def test_every_drawing_says_what_it_shows(found):
    labels = re.findall(r'role="img" aria-label="([^"]+)"', found.html())
    assert len(labels) == 3
    assert any("its fullest bin" in label for label in labels)
    assert any("blue 33.3" in label for label in labels)
