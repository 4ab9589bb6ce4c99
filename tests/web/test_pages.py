from __future__ import annotations

import asyncio
import math
import re
from dataclasses import fields, replace
from html.parser import HTMLParser

import httpx
import orjson
import pytest

from watchglass.records import Incident, ModelStatus
from watchglass.web.app import create_app
from watchglass.web.headers import POLICY
from watchglass.web.inbox import counts, group_of
from watchglass.web.models_page import days_shown


class Broken:
    """A store whose folder went away."""

    path = "the secret inside"

    def models(self):
        raise RuntimeError(self.path)

    incidents = models


class Client:
    """A browser without a window: each call is one request to the application."""

    def __init__(self, store):
        self.app = create_app(store)

    def get(self, path, **headers):
        async def ask():
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await client.get(path, headers={name.replace("_", "-"): v for name, v in headers.items()})

        return asyncio.run(ask())


@pytest.fixture(scope="module")
def story(made):
    return Client(made.story())


@pytest.fixture(scope="module")
def empty(made):
    return Client(made.empty())


@pytest.fixture(scope="module")
def attacked(made):
    return Client(made.attacked())


PAGES = [
    "/",
    "/incidents",
    "/incidents?state=resolved",
    "/incidents/17",
    "/incidents/16",
    "/incidents/15",
    "/incidents/18",
]


class Tags(HTMLParser):
    """The tags of a page, with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize("path", [*PAGES, "/incidents/99", "/nowhere"])
def test_a_page_holds_nothing_inline_and_nothing_from_elsewhere(story, path):
    answer = story.get(path)
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    tags = Tags(answer.text).found
    for tag, attributes in tags:
        assert "style" not in attributes
        assert tag != "style"
        assert not [name for name in attributes if name.startswith("on")]
        if tag == "script":
            assert attributes["src"].startswith("/static/")
        for name in ("href", "src", "action"):
            assert not re.match(r"(https?:)?//", attributes.get(name) or "")
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("path", PAGES)
def test_every_link_of_a_page_leads_somewhere(story, path):
    tags = Tags(story.get(path).text).found
    ids = {attributes["id"] for _, attributes in tags if "id" in attributes}
    links = {attributes["href"] for tag, attributes in tags if tag in {"a", "link"}}
    for link in links:
        if link.startswith("#"):
            assert link[1:] in ids, link
        elif not link.startswith(("/runs/", "/components/", "/lineage?")):  # of runs there is no record here
            assert story.get(link).status_code == 200, link


def test_the_first_page_opens_with_the_sentence(story):
    page = story.get("/").text
    lead = re.search(r'<p class="lead">(.*?)</p>', page)[1]
    assert lead == (
        "<b>digits</b> is degraded: since 12 June its accuracy at <b>site = harbour</b> is 0.699 instead of 0.956, "
        "most likely because of <b>clean, version 2</b>. <b>elec-price</b> went silent on 21 June. Nothing else needs you."
    )
    assert page.index("lead") < page.index("<table")


def test_all_healthy_says_that_nothing_needs_the_reader(made):
    page = Client(made.Records([made.status("a"), made.status("b")], [])).get("/").text
    assert "Nothing needs you. 2 models are healthy." in page
    assert "None is open." in page


def test_models_stand_in_the_order_given_with_a_word_for_their_health(story, made):
    page = story.get("/").text
    places = [page.index(f'title="{status.name}"') for status in made.models()]
    assert places == sorted(places)
    for status in made.models():
        assert f"{status.health}</span>" in page


def test_an_empty_store_gives_the_next_lines_of_code(empty):
    page = empty.get("/").text
    assert "wg.log_model(" in page
    assert "wg.log_prediction(" in page
    assert "wg.log_label(" in page
    assert "<table" not in page
    assert "No window has closed yet" in page


def test_incidents_are_grouped_by_what_they_want(made):
    page, silent, notice, bare, resolved = made.story().known
    known = [page, silent, notice, bare, resolved]
    assert [group_of(one, known) for one in known] == ["New", "New", "Ongoing", "Muted", "Resolved"]
    assert group_of(replace(page, seen=True), [page]) == "Ongoing"
    back = replace(page, onset=made.END + made.DAY)
    assert group_of(back, [back, resolved]) == "Regressed"
    late = replace(page, onset=made.END + 31 * made.DAY)
    assert group_of(late, [late, resolved]) == "New"
    assert counts(known) == {"New": 2, "Regressed": 0, "Ongoing": 1, "Muted": 1, "Resolved": 1}


def test_a_page_incident_answers_the_six_and_shows_the_way(story):
    page = story.get("/incidents/17").text
    said = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page).replace("\u00a0", " "))
    for text in (
        "What Accuracy 0.956 → 0.699",
        "Since 12 June 2026 between 11 and 13 June at 95 %",
        "How sure Sure evidence 5.64 times the alarm level",
        "How bad 565 more wrong [493–642]; of 2 450 predictions in 10 days, 56.5 a day",
        "Why clean, version 2 weight 0.93; next candidate 0.05",
        "Next Correct the input",
        "Slice site = harbour",
        "Column ink",
        "Component version clean, version 2",
        "Run 019eb98e",
        "Artifact version, the root site_scales@3f1c08aa",
        "failed: share reached and share wrong go together, r = 0.04",
        "passed: 2 steps upstream",
        "watchglass explain 17",
        "channel = post: without site = harbour it is 0.959",
    ):
        assert text in said, text
    assert said.index("What to do next") > said.index("Evidence as it was") > said.index("Ruled out")


def test_a_notice_without_loss_says_so_plainly(story):
    page = story.get("/incidents/16").text
    assert "No loss shown" in page
    assert "No cause is named." in page
    assert "From the wrong predictions" not in page
    assert "Nothing to do" in page


def test_a_notice_without_labels_does_not_claim_more_than_is_known(story):
    page = story.get("/incidents/15").text
    assert "Not known yet" in page
    assert "No chart was kept" in page


def test_a_resolved_incident_has_its_end_and_its_bill(story):
    page = story.get("/incidents/9").text
    assert "Resolved</span>" in page
    assert "412 more wrong" in page
    assert "open since" not in page


def test_there_are_no_buttons_that_do_nothing(story):
    for path in PAGES:
        assert not [tag for tag, _ in Tags(story.get(path).text).found if tag == "button"]


def test_a_hostile_name_is_text_everywhere(attacked, made):
    for path in ("/", "/incidents", "/incidents/21", f"/jump?q={made.SCRIPT}x"):
        page = attacked.get(path).text
        assert "alert(1)" in page
        assert "<script>" not in page
        assert "<b>bold" not in page
        assert 'onload="alert' not in page


def test_the_twins_give_the_records_as_they_are(story, made):
    index = orjson.loads(story.get("/index.json").content)
    assert [m["name"] for m in index["models"]] == [m.name for m in made.models()]
    assert set(index["models"][0]) == {field.name for field in fields(ModelStatus)}
    one = orjson.loads(story.get("/incidents/17.json").content)
    assert set(one) == {field.name for field in fields(Incident)}
    assert one["onset"] == "2026-06-12T00:00:00+00:00"
    assert one["charts"]["slice_performance"][-1]["estimate"]["value"] is None
    assert one["charts"]["histogram"]["edges"][0] is None
    assert one["slices"][0]["slice"] == [["site", "harbour"]]
    listed = orjson.loads(story.get("/incidents.json?state=resolved").content)
    assert [incident["id"] for incident in listed] == [9]
    assert orjson.loads(story.get("/api/v1/incidents/17").content) == one
    assert math.isinf(made.silent().evidence)


def test_the_api_is_described_and_a_number_may_be_null(story):
    described = story.get("/api/v1/openapi.json").json()
    known = {"/api/v1/models", "/api/v1/incidents", "/api/v1/incidents/{number}", "/api/v1/status"}
    assert known <= set(described["paths"])
    assert not {"/api/v1/events", "/api/v1/forget"} & set(described["paths"])  # of a server that takes nothing in
    shapes = described["components"]["schemas"]
    assert shapes["Estimate"]["properties"]["value"]["type"] == ["number", "null"]
    assert shapes["Incident"]["properties"]["severity"]["enum"] == ["notice", "warning", "page"]
    assert story.get("/api/v1/models").json()[0]["name"] == "digits"
    assert [i["id"] for i in story.get("/api/v1/incidents?model=digits&state=open").json()] == [17]


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/api/v1/incidents/99", 404, "no incident '99' is recorded"),
        ("/api/v1/incidents/x", 422, "number"),
        ("/api/v1/incidents?state=gone", 422, "state"),
        ("/api/v1/nowhere", 404, "there is no page"),
        ("/incidents/99.json", 404, "no incident '99' is recorded"),
        ("/incidents.json?model=digts", 404, "Did you mean 'digits'?"),
    ],
)
def test_errors_of_the_api_are_json(story, path, status, said):
    answer = story.get(path)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert said in answer.json()["error"]


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/incidents/99", 404, "No incident"),
        ("/nowhere", 404, "There is no page"),
        ("/incidents?model=digts", 404, "Did you mean"),
        ("/incidents?state=gone", 404, "open, acknowledged, muted, resolved"),
        ("/incidents?page=7", 404, "there is no page 7"),
        ("/incidents/17/pie.svg", 404, "accuracy, histogram, evidence"),
        ("/incidents/15/accuracy.svg", 404, "no evidence was kept"),
        ("/incidents/17/accuracy.pdf", 404, "json, png, svg"),
        ("/?to=yesterday", 400, "2026-06-22"),
        ("/?to=0001-01-02", 400, "2026-06-22"),
        ("/incidents?page=x", 422, "page"),
        ("/static/passwd", 404, "belongs to the pages"),
        ("/jump?q=digtis", 404, "Did you mean"),
    ],
)
def test_an_error_page_names_what_would_do(story, path, status, said):
    answer = story.get(path)
    assert answer.status_code == status
    assert said.lower() in answer.text.replace("&#39;", "'").lower()
    assert 'aria-label="Pages"' in answer.text


def test_what_nobody_foresaw_gives_a_page_without_a_traceback():
    client = Client(Broken())
    page = client.get("/")
    assert page.status_code == 500
    assert "in its log" in page.text
    assert "secret" not in page.text
    assert page.headers["content-security-policy"] == POLICY
    assert client.get("/index.json").json() == {"error": page.text.split('said">')[1].split("</p>")[0]}


def test_the_charts_are_files_too(story):
    svg = story.get("/incidents/17/accuracy.svg")
    assert svg.headers["content-type"] == "image/svg+xml"
    assert "var(--" not in svg.text
    assert story.get("/incidents/17/evidence.png").content.startswith(b"\x89PNG")
    spec = story.get("/incidents/17/histogram.json").json()
    assert spec["$schema"].endswith("v6.json")
    assert spec["description"].startswith("ink at site = harbour moved from")


def test_the_box_leads_to_the_model_or_the_incident(story):
    assert story.get("/jump?q=17").headers["location"] == "/incidents/17"
    assert story.get("/jump?q=incident 17").headers["location"] == "/incidents/17"
    assert story.get("/jump?q=digits").headers["location"] == "/#m-digits"
    assert story.get("/jump?q=inv").headers["location"] == "/#m-invoice-fields"
    assert story.get("/jump?q=").headers["location"] == "/"


def test_a_packaged_file_is_kept_by_its_mark_and_compared_by_its_tag(story):
    page = story.get("/").text
    address = re.search(r'href="(/static/style\.css\?v=\w+)"', page)[1]
    kept = story.get(address)
    assert "immutable" in kept.headers["cache-control"]
    bare = story.get("/static/style.css")
    assert bare.headers["cache-control"] == "no-cache"
    assert story.get("/static/style.css", if_none_match=bare.headers["etag"]).status_code == 304
    assert story.get("/static/style.css", if_none_match='"other"').status_code == 200


def test_a_long_list_comes_in_parts(made):
    many = [replace(made.bare(), id=i) for i in range(120)]
    client = Client(made.Records(made.models(), many))
    assert client.get("/incidents").text.count('href="/incidents/') == 50
    last = client.get("/incidents?page=3").text
    assert last.count('href="/incidents/') == 20
    assert "part 3 of 3" in last
    assert "newer" in last
    assert ">older<" not in last


def test_earlier_and_later_days_can_be_looked_at(story, made):
    page = story.get("/").text
    assert 'href="/?to=2026-04-23" aria-label="Earlier 60 days"' in page
    earlier = story.get("/?to=2026-04-23").text
    assert 'href="/?to=2026-06-22" aria-label="Later 60 days"' in earlier
    assert days_shown(made.models(), None).end == made.END
    assert days_shown([], None).days == 60


def test_a_model_without_anything_yet_has_a_row(made):
    nothing = made.status(
        "new",
        "No data",
        series=(),
        drift=(),
        performance=None,
        limit=None,
        first=None,
        last=None,
        windows=0,
        predictions_a_day=0.0,
    )
    page = Client(made.Records([nothing], [])).get("/").text
    assert "went silent" not in page
    assert "has no prediction yet" in page


def test_a_cause_that_is_not_likely_is_not_named_as_the_cause(made):
    weak = replace(made.page(), causes=(replace(made.causes()[0], weight=0.31),))
    client = Client(made.Records([made.digits()], [weak]))
    index, page = client.get("/").text, client.get("/incidents/17").text
    assert "most likely because" not in index.split("</p>")[0]
    assert "no recorded change explains it" in index
    assert "No cause found" in page
    assert "best candidate clean, version 2, weight 0.31" in page
    assert "From the wrong predictions" not in page


def test_what_was_dropped_is_told_by_reason_over_http_too(story):
    answer = story.get("/api/v1/status").json()
    assert (answer["dropped"], answer["drops"]) == (3, [["ENOSPC", 3]])
