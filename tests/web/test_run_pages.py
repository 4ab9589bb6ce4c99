"""The pages about runs over a store that was told with wg's own calls: what they say, whom they name, what they escape."""

from __future__ import annotations

import asyncio
import html
import re
from collections import Counter
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import httpx
import pytest

from tests.store.runs.graph import Pipeline
from tests.web.pipeline_told import LONG, SCRIPT, tell
from tests.web.test_pages import Broken, Client, Tags
from watchglass.reading import Store
from watchglass.web import urls
from watchglass.web.headers import POLICY
from watchglass.web.review_page import MOST_BYTES, forms


class Browser(Client):
    """A client that sends forms too; the store of its application is writable."""

    def __init__(self, store):
        super().__init__(store)
        self.store = store
        self.app.include_router(forms(store))

    def post(self, path, fields=None, **headers):
        async def send():
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                given = {"content": fields} if isinstance(fields, bytes) else {"data": fields}
                return await client.post(path, headers=headers, **given)

        return asyncio.run(send())


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = tmp_path_factory.mktemp("told")
    ids = tell(folder)
    with Store(folder) as store:
        store.flag("model", note=f"too many sevens {SCRIPT}", who="ana")
        label = store.runs("label").runs[0].id
        yield SimpleNamespace(ids=ids, label=label, browser=Browser(store), store=store)


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    with Store(tmp_path_factory.mktemp("empty"), create=True) as store:
        yield Browser(store)


def said(answer):
    """Give the words of a page as one line."""
    main = answer.text.partition("<main")[2].partition("<footer")[0]
    words = html.unescape(re.sub(r"<[^>]+>", " ", main)).split()
    return re.sub(r" ([.,;:])", r"\1", " ".join(words))


def addresses(told):
    return [
        "/runs",
        "/runs?component=clean&status=ok&since=2026-06-02&until=2026-06-05",
        urls.run(told.ids["clean 6"]),
        urls.run(told.ids["train 3"]),
        urls.run(told.ids["hostile"]),
        urls.run(told.ids["long"]),
        urls.run(told.label),
        urls.component("train"),
        urls.component(SCRIPT),
        urls.lineage(),
        urls.lineage("model"),
        urls.lineage(told.ids["clean 6"], depth=1),
        urls.lineage(SCRIPT),
        urls.compare(),
        urls.compare("clean"),
        urls.compare(told.ids["clean 5"], told.ids["clean 6"]),
        urls.review(),
    ]


def test_each_page_holds_nothing_inline_and_all_its_links_lead_somewhere(told):
    seen, kinds = {}, Counter()
    for path in addresses(told):
        answer = told.browser.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["content-security-policy"] == POLICY
        tags = Tags(answer.text).found
        ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
        assert len(ids) == len(set(ids))
        for tag, attributes in tags:
            assert "style" not in attributes
            assert not [name for name in attributes if name.startswith("on")]
            assert tag != "i"
            if tag == "script":
                assert attributes["src"].startswith("/static/")
        for link in {attributes["href"] for tag, attributes in tags if tag in {"a", "link"}}:
            if link.startswith("#"):
                assert link[1:] in ids, link
            elif link not in seen and kinds[kind := re.match(r"/?\w*", link)[0]] < 5:
                kinds[kind] += 1
                seen[link] = told.browser.get(link.partition("#")[0]).status_code
                assert seen[link] == 200, (path, link)


def test_each_page_has_a_twin_in_json(told):
    for path, keys in (
        ("/runs.json", {"runs", "next"}),
        (urls.run(told.ids["clean 6"], twin="json"), {"run", "diff", "trace", "impact", "stale"}),
        (urls.component("train", twin="json"), {"component", "runs", "next"}),
        (urls.lineage("model", twin="json"), {"trace", "impact"}),
        (urls.compare("clean", twin="json"), {"first", "second", "inputs"}),
        (urls.review(twin="json"), {"flags", "review"}),
    ):
        assert keys <= set(told.browser.get(path).json()), path


def test_the_list_is_newest_first_and_opens_with_what_failed(told):
    page = told.browser.get("/runs")
    assert len(re.findall(r'<th scope="row">', page.text)) == len(told.store.runs(limit=50).runs) > 40
    starts = re.findall(r'<time datetime="([^"]+)"', page.text)
    assert starts == sorted(starts, reverse=True)
    assert "2 failed, 1 read something stale." in said(page)


def test_a_part_begins_where_the_one_before_ended(told, monkeypatch):
    monkeypatch.setattr("watchglass.web.runs_pages.PAGE", 10)
    found, path = [], "/runs"
    while path:
        page = told.browser.get(path).text
        found += re.findall(r'<th scope="row"><a href="(/runs/[^"]+)"', page)
        older = re.search(r'<a href="([^"]+)">older</a>', page)
        path = older[1].replace("&amp;", "&") if older else None
    assert len(found) == len(set(found)) == len(told.store.runs(limit=1000).runs)


def test_the_filters_are_those_of_the_store(told):
    assert said(told.browser.get("/runs?component=train&status=error")).count("Failed") == 1
    assert "owner: team intake" in said(told.browser.get(urls.component("label")))
    assert "No run fits what is asked for" in said(told.browser.get("/runs?component=train&status=crashed"))
    assert told.browser.get("/runs?component=&status=&since=").status_code == 200
    assert told.browser.get("/runs?owner=team+intake&tag=daily").text.count('<th scope="row">') == 2


def test_stale_inputs_are_marked_in_the_list_and_told_on_the_page(told):
    for path in ("/runs", "/runs?component=late", urls.component("late")):
        assert said(told.browser.get(path)).count("1 stale") == 1, path
    assert "stale" not in said(told.browser.get("/runs?component=clean"))
    words = said(told.browser.get(urls.run(told.ids["late"])))
    assert "When it began raw_images was stale." in words
    assert "Stale when it began" in words
    assert "raw_images then: raw_images has 7 newer versions" in words
    assert "Stale" not in said(told.browser.get(urls.run(told.ids["clean 6"])))


def test_a_run_says_what_it_was_and_what_changed(told):
    words = said(told.browser.get(urls.run(told.ids["clean 6"])))
    for text in (
        "The first run of clean, version 2 after version 1, ended without an error.",
        "Since the run before: input site_scales (new); parameter scale image → site.",
        "site_scales input – site_scales@",
        "version code 1 2",
        "scale parameter image site",
        "written by ingest 60 s before",
        "read by train 3 min later",
        "nobody is known to have written it; new: the run before did not read it",
        "artifact, new input site_scales",
        "1 run upstream",
        "Packages",
        "none changed",
    ):
        assert text in words, text


def test_a_run_that_failed_shows_its_error_in_full(told):
    words = said(told.browser.get(urls.run(told.ids["train 3"])))
    assert "failed: ValueError: no rows." in words
    assert "ValueError: no rows line 7" in words
    assert "this run, failed" in words


def test_tests_quarantine_source_parts_and_notes_are_told(told):
    words = said(told.browser.get(urls.run(told.label)))
    for text in (
        "both of its tests failed",
        "In quarantine: digits.",
        "0 met, 2 failed",
        "Before: dark warn met failed a pixel is brighter than 16",
        "After: few quarantine met failed it returned False",
        "+ bright = max(images)",
        "artifact, quarantined",
        "Parts",
        "look",
        "limit 3 → 2",
    ):
        assert text in words, text
    first = told.store.history("label").runs[1].id
    assert "the left camera was cleaned" in said(told.browser.get(urls.run(first)))
    assert "auc 0.83" in said(told.browser.get(urls.run(first)))


def test_hostile_names_are_text_everywhere(told):
    for path in [*addresses(told), f"/jump?q={SCRIPT}nowhere", urls.lineage(SCRIPT + "x"), urls.run("<b>x")]:
        page = told.browser.get(path).text
        assert "<script>alert" not in page
        assert "<b>bold" not in page
        assert "<i>1" not in page
    assert SCRIPT in said(told.browser.get(urls.run(told.ids["hostile"])))
    assert SCRIPT in said(told.browser.get(urls.lineage(SCRIPT)))


def test_of_many_inputs_some_are_drawn_and_all_are_listed(told):
    page = told.browser.get(urls.run(told.ids["long"]))
    assert "5 more" in said(page)
    assert page.text.count('<td data-th="Direction">read</td>') == 9
    assert LONG in page.text


def test_ids_with_slashes_numbers_that_are_none_and_runs_that_go_on_have_pages(tmp_path):
    line = Pipeline(tmp_path / "store")
    line.ran("etl/train", [("rows", "v1")], [("model", "m1")], params={"limit": float("inf")}, id="a/1", metrics={"loss": float("nan")})  # fmt: skip
    line.ran("etl/train", [("rows", "v2")], [], id="a/2.json", ended=None, status="running", upstream=["a/1"])
    line.ran("etl/train", [], [], id="a?3#x", status="crashed", notes=["the node went away"])
    many = [(f"part {number}", "v") for number in range(250)]
    line.ran("merge", many, many[:3], id="many", params={f"p{number}": number for number in range(250)})
    line.close()
    with Store(tmp_path / "store") as store:
        browser = Browser(store)
        for ident, text in (
            ("a/1", "The first recorded run of etl/train ended without an error."),
            ("a/2.json", "has been running since"),
            ("a?3#x", "crashed: its process died before it could say how it ended"),
            ("many", "50 more: this page as JSON has all."),
        ):
            answer = browser.get(urls.run(ident))
            assert answer.status_code == 200, ident
            assert text in said(answer), ident
            assert browser.get(urls.run(ident, twin="json")).json()["run"]["id"] == ident
        assert browser.get(urls.run("many")).text.count('<td data-th="Direction">') == 203
        assert "etl/train" in said(browser.get(urls.component("etl/train")))
        assert "Crashed" in said(browser.get("/runs?status=crashed"))


def test_what_is_the_same_is_said_to_be(told):
    first, second = (run.id for run in told.store.history("report").runs[:2])
    assert "have the same code, parameters, environment and inputs" in said(
        told.browser.get(urls.compare(first, second))
    )
    page = said(told.browser.get(urls.run(first)))
    assert "Code, parameters, environment and inputs are those of the run before" in page
    clean = said(told.browser.get(urls.run(told.ids["clean 2"])))
    assert "Since the run before only data is new: raw_images." in clean


def test_old_runs_components_that_never_ran_and_runs_known_by_name_alone_are_shown(tmp_path, monkeypatch):
    monkeypatch.setattr("watchglass.web.run_page.BARS", 4)
    line = Pipeline(tmp_path / "store")
    for number in range(8):
        line.ran(
            "daily", [], ["out"], id=f"d{number}", took=(number + 1) * 1_000_000, code={"commit": f"{number // 5:040d}"}
        )
    line.ran("late", [], ["of late"], id="late", upstream=["gone"])
    line.write("graph", [{"kind": "component", "name": "planned", "time": 1_780_000_000_000_000}])
    line.close()
    with Store(tmp_path / "store") as store:
        browser = Browser(store)
        old = browser.get(urls.run("d2"))
        assert "The last 3 runs of daily: median 2.00 s, longest 3.00 s; this run 3.00 s." in said(old)
        assert "Since the run before code changed." in said(browser.get(urls.run("d5")))
        assert "planned is known, and has not run yet." in said(browser.get(urls.component("planned")))
        assert "named, not recorded" in said(browser.get(urls.lineage("late")))
        assert "named, not recorded" in said(browser.get(urls.run("late")))


def test_the_chart_of_durations_is_a_file_too(told):
    assert told.browser.get(urls.durations("clean", "svg")).text.startswith("<svg")
    assert told.browser.get(urls.durations("clean", "png")).content.startswith(b"\x89PNG")
    spec = told.browser.get(urls.durations("clean", "json", told.ids["clean 6"])).json()
    assert spec["description"].endswith("this run 14.0 s.")
    assert told.browser.get(urls.durations("clean", "pdf")).status_code == 404
    assert "fewer than two" in told.browser.get(urls.durations("late", "svg")).text


def test_lineage_draws_the_way_from_the_sources_to_what_came_of_it(told):
    page = told.browser.get(urls.lineage("model"))
    words = said(page)
    assert "was written by train" in words
    assert "this artifact, flagged" in words
    assert "7 runs report" in words
    assert "Red is what is flagged, and what came of it." in words
    assert page.text.count('class="edge hot') >= 3
    for name in ("ingest, version 1", "raw_images", "clean, version 2", "site_scales", "publish"):
        assert name in words, name
    assert "by name alone" in words


def test_of_lineage_beyond_what_can_be_drawn_the_nearest_is_drawn_and_all_is_listed(told, monkeypatch):
    monkeypatch.setattr("watchglass.web.lineage_page.DRAWN", 5)
    page = told.browser.get(urls.lineage("model"))
    assert re.search(r"Drawn are the 4 nearest of \d+; the list has all\.", said(page))
    assert page.text.count('class="nd') == 4
    assert page.text.count('<ol class="tree">') == page.text.count("</li></ol>") >= 3
    assert "As a list" not in said(page), "the list stands open"
    assert "7 runs of report" in said(page)
    monkeypatch.setattr("watchglass.web.lineage_page.DRAWN", 3)
    page = told.browser.get(urls.lineage("model"))
    assert '<svg viewBox="-1' not in page.text
    assert "more than the 3 that can be drawn" in said(page)


def test_a_drawing_is_a_file_with_its_own_colours(told):
    found = told.browser.get(urls.lineage("model", twin="svg"))
    assert (found.status_code, found.headers["content-type"]) == (200, "image/svg+xml")
    root = ET.fromstring(found.text)
    words = " ".join(root.itertext())
    assert "this artifact, flagged" in words
    assert "#ad3a0c" in words, "its style"
    assert "href" not in found.text
    assert found.text.strip() == told.store.lineage_svg("model", depth=3).strip()
    assert told.browser.get("/lineage.svg").status_code == 400
    assert told.browser.get("/lineage.svg?of=modell").status_code == 404


def test_an_unknown_name_gives_the_names_that_are_like_it_as_links(told):
    for asked, name in (("modell", "model"), ("image", "clean_images"), ("CLEAN", "clean_images")):
        page = told.browser.get("/lineage?of=" + asked)
        assert page.status_code == 404
        assert "Names like it" in said(page)
        assert f'href="{urls.lineage(name)}"' in page.text
    assert "Artifacts seen last" in said(told.browser.get("/lineage?of=zzzzzz"))


def test_stale_runs_are_marked_in_the_drawing_and_in_the_list(told):
    page = told.browser.get(urls.lineage(told.ids["late"]))
    assert "this run, 1 stale" in said(page)
    assert "Stale inputs had a newer version" in said(page)
    assert told.browser.get(urls.lineage(told.ids["late"], twin="json")).json()["stale"] == {told.ids["late"]: 1}
    assert "stale" not in said(told.browser.get(urls.lineage("clean_images"))).lower()


def test_predictions_that_are_too_many_are_left_to_the_command(told, monkeypatch):
    monkeypatch.setattr("watchglass.web.lineage_page.COUNTED", -1)
    assert "watchglass impact model" in said(told.browser.get(urls.lineage("model")))


def test_what_was_only_read_has_nothing_upstream(told):
    assert "is read, and nobody is known to have written it" in said(told.browser.get(urls.lineage("site_scales")))


def test_two_runs_are_compared_side_by_side(told):
    words = said(told.browser.get(urls.compare(told.ids["clean 5"], told.ids["clean 6"])))
    assert "differ in 1 place of the code, 1 parameter and 2 inputs." in words
    assert "Before: " in words
    assert "After: " in words
    back = said(told.browser.get(urls.compare(told.ids["clean 6"], told.ids["clean 5"])))
    assert "site_scales@" in back
    assert "no more" in back


def test_the_review_names_the_suspects(told):
    words = said(told.browser.get("/review"))
    assert "1 output is flagged: model." in words
    assert f"too many sevens {SCRIPT}" in words
    assert "Most suspicious is" in words
    assert "behind 1 of 1 flagged" in words


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/runs/nobody", 404, "No run 'nobody' is recorded"),
        ("/runs/nobody.json", 404, "no run 'nobody' is recorded"),
        ("/runs?component=cleen", 404, "Did you mean 'clean'?"),
        ("/runs?status=gone", 400, "running, ok, error, crashed"),
        ("/runs?since=yesterday", 400, "'7d'"),
        ("/runs?after=x", 400, "the `next` of a page of runs"),
        ("/components/trian", 404, "Did you mean 'train'?"),
        ("/lineage?of=modell", 404, "Did you mean 'model'?"),
        ("/lineage?of=model&depth=0", 422, "depth"),
        ("/lineage.json", 400, "of is missing"),
        ("/compare?a=cleen", 404, "No run 'cleen'"),
        ("/compare.json", 400, "a is missing"),
        ("/jump?q=trian", 404, "Did you mean 'train'?"),
    ],
)
def test_what_is_not_recorded_is_named_with_what_would_do(told, path, status, text):
    answer = told.browser.get(path)
    assert answer.status_code == status
    assert text in answer.text.replace("&#39;", "'")


def test_the_box_leads_to_runs_components_and_artifacts(told):
    def jump(asked):
        return told.browser.get("/jump?q=" + asked).headers["location"]

    ident = told.ids["clean 6"]
    assert jump(ident) == urls.run(ident)
    assert jump("clean") == urls.component("clean")
    assert jump("rep") == urls.component("report")
    assert jump("clean_images") == urls.lineage("clean_images")
    assert jump("site_scales") == urls.lineage("site_scales")


@pytest.mark.parametrize("path", ["/runs", "/runs/x", "/components/x", "/lineage?of=x", "/compare?a=x", "/review"])
def test_a_store_that_went_away_gives_a_page_without_a_traceback(path):
    answer = Client(Broken()).get(path)
    assert answer.status_code == 500
    assert "in its log" in answer.text
    assert "secret" not in answer.text


def test_an_empty_store_says_how_each_page_is_filled(empty):
    for path, text in (
        ("/runs", "@wg.component"),
        ("/lineage", "None is recorded yet."),
        ("/compare", "What differs between two runs?"),
        ("/review", "watchglass flag"),
    ):
        answer = empty.get(path)
        assert answer.status_code == 200
        assert text in answer.text


def test_a_flag_is_set_and_taken_back_by_forms(tmp_path):
    ids = tell(tmp_path / "store")
    with Store(tmp_path / "store") as store:
        browser = Browser(store)
        clean = ids["clean 7"]
        version = store.run(clean).writes[0].version
        answer = browser.post(
            urls.FLAG, {"name": "clean_images", "version": version, "run": clean, "note": "dark <i>", "who": ""}
        )
        assert (answer.status_code, answer.headers["location"]) == (303, urls.run(clean) + "#io")
        assert [(flag.name, flag.note, flag.who) for flag in store.flags().flags] == [
            ("clean_images", "dark <i>", None)
        ]
        words = said(browser.get(urls.run(clean)))
        assert "Of what it wrote clean_images is flagged as wrong." in words
        assert "dark <i>" in words
        assert browser.post(urls.UNFLAG, {"name": "clean_images"}).headers["location"] == urls.REVIEW
        assert store.flags().flags == ()


def test_a_form_of_another_site_or_without_a_name_changes_nothing(told):
    before = told.store.flags().flags
    assert told.browser.post(urls.FLAG, {"name": "site"}, origin="http://elsewhere.example").status_code == 403
    assert told.browser.post(urls.FLAG, {"note": "x"}).status_code == 400
    assert told.browser.post(urls.FLAG, b"name=%ff%fe&\xff").status_code == 400
    assert told.browser.post(urls.FLAG, b"a" * (MOST_BYTES + 1)).status_code == 413
    assert told.browser.post(urls.UNFLAG, {"name": "nothing"}).status_code == 404
    assert told.store.flags().flags == before


def test_a_server_that_takes_nothing_in_shows_no_form_that_does_nothing(told):
    assert "Flag as wrong" not in told.browser.get(urls.run(told.label)).text
    assert Client(told.store).get("/flag").status_code == 404
