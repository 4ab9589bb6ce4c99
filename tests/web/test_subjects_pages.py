"""The pages of subjects over a store that was told with wg's own calls: what they list, follow, search and escape."""

from __future__ import annotations

import re

import pytest

from tests.web.pipeline_told import SCRIPT
from tests.web.subjects_told import LONG, tell
from tests.web.test_pages import Client, Tags
from tests.web.test_run_pages import said
from watchglass.reading import Store
from watchglass.web import urls


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("subjects")
    tell(folder)
    with Store(folder) as store:
        found = Client(store)
        found.store = store
        yield found


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    with Store(tmp_path_factory.mktemp("none"), create=True) as store:
        yield Client(store)


def links(page, start):
    return re.findall(rf'<th scope="row"><a href="({start}[^"]+)"', page.text)


def test_the_list_has_every_subject_once_page_after_page(client):
    found, path = [], "/subjects"
    while path:
        page = client.get(path)
        assert page.status_code == 200
        found += links(page, "/subjects/")
        further = re.search(r'<a href="([^"]+)">next</a>', page.text)
        path = further[1].replace("&amp;", "&") if further else None
    assert found == [urls.subject(one.tag) for one in client.store.subjects(limit=1000).subjects]
    assert len(found) > 60
    assert "The first 50 subjects whose data is tagged; 1 tag was retracted." in said(client.get("/subjects"))


def test_it_is_searched_by_a_part_of_the_tag_and_by_no_pattern(client):
    page = client.get("/subjects?search=client")
    assert [link.rpartition("/")[2] for link in links(page, "/subjects/")] == ["client-17", LONG]
    assert "2 subjects whose tag has 'client' in it; 1 tag was retracted." in said(page)
    assert [one.tag for one in client.store.subjects(search="mer-03", limit=3).subjects] == ["customer-030", "customer-031", "customer-032"]  # fmt: skip
    for nothing in ("%25", "_", "*", "Client"):
        assert "No subject's tag has" in said(client.get(f"/subjects?search={nothing}"))
    assert client.get("/api/v1/subjects?search=client").json()["subjects"][0]["tag"] == "client-17"


def test_one_subject_is_followed_and_told_when_and_by_whom_it_was_retracted(client):
    page = client.get(urls.subject("client-17"))
    told = said(page)
    assert re.search(r"client-17: 3 artifact versions carry the tag, 4 runs used them, 1 model version came of it\. Retracted on \S+ \S+ by ana; runs that want so are stopped from \S+ \S+ on; 2 uses since\.", told), told  # fmt: skip
    names = re.findall(r'<th scope="row"><a href="[^"]+" title="[^"]+">([^<]+)</a>', page.text)
    assert [name.partition("@")[0] for name in names] == ["rows", "clean", "clean rows", "train", "train", "model", "report"]  # fmt: skip
    assert ("Tagged" in told, "Derived" in told, "sums" in told) == (True, True, False)
    assert "fraud version 3 1 prediction by these versions and in these runs" in told
    assert ("Stopped" in told, "After the grace" in told) == (True, True)
    twin = client.get(urls.subject("client-17", twin="json")).json()
    assert (twin["subject"]["versions"], len(twin["uses"]["uses"])) == (3, 2)
    assert twin["subject"]["retracted_by"] == "ana"


def test_what_carries_a_tag_is_told_part_after_part(client, monkeypatch):
    monkeypatch.setattr("watchglass.web.subjects_pages.PAGE", 3)
    found, path = [], urls.subject("client-17")
    while path:
        page = client.get(path)
        found += re.findall(r'<th scope="row"><a href="[^"]+" title="([^"]+)">[^<]+</a></th><td class="num"', page.text)
        farther = re.search(r'<a href="([^"]+)">farther</a>', page.text)
        path = farther[1].replace("&amp;", "&").replace("&#34;", '"') if farther else None
    assert len(found) == len(set(found)) == 7


def test_a_subject_that_was_not_retracted_has_no_list_of_uses(client):
    told = said(client.get(urls.subject("customer-007")))
    assert "customer-007: 1 artifact version carries the tag, no run used them." in told
    assert ("Used since" in told, "Retracted" in told) == (False, False)
    assert "No model version was made of it." in told
    assert client.get(urls.subject("customer-007", twin="json")).json()["uses"] is None


def test_an_unknown_subject_and_a_place_that_is_none_are_told(client):
    answer = client.get(urls.subject("client-1"))
    assert answer.status_code == 404
    assert "Did you mean 'client-17'?" in said(answer)
    assert client.get(urls.subject("client-1", twin="json")).json()["error"].startswith("no subject 'client-1'")
    assert client.get(urls.subject("client-17", after="x")).status_code == 400


def test_a_tag_may_end_like_a_twin(client):
    client.store.tag("sums", ["people.json"])
    assert "people.json: 1 artifact version" in said(client.get(urls.subject("people.json")))
    assert client.get(urls.subject("people.json", twin="json")).json()["subject"]["tag"] == "people.json"
    client.store.tag("sums", [])


def test_an_empty_store_gives_the_next_line_of_code(empty):
    told = said(empty.get("/subjects"))
    assert "No data is said to be of anybody here yet." in told
    assert ("subjects=[" in told, "watchglass tag rows client-17" in told) == (True, True)


@pytest.mark.parametrize("path", ["/subjects", urls.subject(SCRIPT), urls.subject(LONG), urls.subject("client-17")])
def test_names_are_escaped_and_nothing_is_inline(client, path):
    answer = client.get(path)
    assert answer.status_code == 200
    assert SCRIPT not in answer.text
    ids = [attributes["id"] for _, attributes in Tags(answer.text).found if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in Tags(answer.text).found:
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        if tag in {"a", "link"} and attributes["href"].startswith(("/subjects", "/runs/", "/lineage")):
            assert client.get(attributes["href"]).status_code == 200, attributes["href"]
