"""Over HTTP a store lets go of what is past and is backed up, and never writes where a request says."""

from __future__ import annotations

import json

import pytest

import watchglass as wg
from tests.web.served import serving


def predict(server):
    rows = [{"model": "m", "id": f"p{n}", "time": f"2020-01-0{n}T00:00:00Z", "prediction": 1} for n in range(1, 4)]
    assert server.post("predictions", json.dumps(rows)).status_code == 200


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("kept") / "store") as served:
        predict(served)
        yield served


def test_what_would_go_is_told_and_then_it_goes(tmp_path):
    with serving(tmp_path / "store") as server:
        predict(server)
    with wg.open(tmp_path / "store") as store:
        store.compact()
        store.set("retention", {"predictions": {"days": 30}})
    with serving(tmp_path / "store") as server:
        count = "SELECT count(*) AS n FROM predictions"
        for body, dry, left in (('{"dry": true}', True, 3), ("{}", False, 0)):
            told = server.post("expire", body).json()
            assert (told["dry"], told["rows"], told["tables"][0]["table"]) == (dry, 3, "predictions")
            assert server.rows(count) == [{"n": left}]
        assert server.get("/api/v1/audit?action=retention").json()["audits"][0]["record"]


def test_backups_go_into_the_servers_own_folder_and_are_listed_page_by_page(tmp_path):
    home = tmp_path / "backups"
    with serving(tmp_path / "store", WATCHGLASS_BACKUPS=str(home)) as server:
        predict(server)
        assert server.get("/api/v1/backups").json() == {"backups": [], "next": None}
        made = [server.post("backups", "").json()["name"] for _ in range(3)]
        page = server.get("/api/v1/backups?limit=2").json()
        assert [one["name"] for one in page["backups"]] == [made[2], made[1]]
        rest = server.get(f"/api/v1/backups?limit=2&after={page['next']}").json()
        assert ([one["name"] for one in rest["backups"]], rest["next"]) == ([made[0]], None)
    wg.restore(home, tmp_path / "restored")
    with wg.open(tmp_path / "restored") as store:
        assert store.sql("SELECT count(*) AS n FROM predictions").rows() == [{"n": 3}]


def test_a_server_without_a_folder_of_backups_names_the_setting(server):
    for answer in (server.get("/api/v1/backups"), server.post("backups", "")):
        assert (answer.status_code, "WATCHGLASS_BACKUPS" in answer.json()["error"]) == (409, True)


def test_a_folder_that_will_not_do_and_a_page_of_another_site_are_refused(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("mine")
    with serving(tmp_path / "store", WATCHGLASS_BACKUPS=str(tmp_path / "other")) as server:
        answer = server.post("backups", "")
        assert (answer.status_code, "holds other things" in answer.json()["error"]) == (409, True)
        assert server.post("backups", "", origin="http://elsewhere").status_code == 403
        assert server.post("expire", "{}", origin="http://elsewhere").status_code == 403
        assert [path.name for path in (tmp_path / "other").iterdir()] == ["letter.txt"]


@pytest.mark.parametrize(
    ("body", "said"),
    [("{", "not JSON"), ("[]", "not an object"), ('{"dry": 1}', "true or false"), ('{"to": "/etc"}', "'to' is not")],
)
def test_a_body_that_will_not_do_is_refused(server, body, said):
    answer = server.post("expire", body)
    assert (answer.status_code, said in answer.json()["error"]) == (400, True)
