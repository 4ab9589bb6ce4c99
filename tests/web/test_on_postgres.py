"""Every page, and every answer of the JSON API, is the same whether the catalog lies in a file or in PostgreSQL."""

from __future__ import annotations

import re
import shutil
from contextlib import ExitStack
from datetime import UTC, datetime
from types import SimpleNamespace

import httpx
import pytest

import watchglass as wg
from tests import postgres
from tests.store.bench import BEGIN, DAY, Bench, label, prediction
from tests.web.pipeline_told import tell
from tests.web.served import serving
from watchglass.store import catalog as c
from watchglass.store.codec import encode
from watchglass.store.models import moment
from watchglass.store.transactions import writing
from watchglass.web import urls

pytestmark = postgres.NEEDED


def record(root):
    """Record runs, predictions and labels, and what people say of them, into a folder whose catalog nobody has opened."""
    ids = tell(root)
    other = Bench(root.with_name("other"))
    other.model()
    other.write("rows", [prediction(n, time=BEGIN + n * DAY // 5, run=ids["train 3"]) for n in range(50)])
    other.write("rows", [label(n, n % 7) for n in range(0, 40, 2)] + [{"kind": "prediction"}])
    other.write(
        "graph",
        [
            {"kind": "flag", "name": "model", "version": "", "time": BEGIN + DAY, "who": "ana", "note": "odd"},
            {"kind": "component", "name": "train", "owner": "ana", "tags": ["ml"], "time": BEGIN},
            {"kind": "deployment", "model": "digits", "version": "1", "time": BEGIN + DAY},
        ],
    )
    other.close()
    for log in ("graph", "rows"):
        shutil.copytree(root.with_name("other") / "log" / log, root / "log" / log, dirs_exist_ok=True)
    return ids


def settled(root, incidents):
    """Compact, count, judge, and add what is said to a store alone."""
    with wg.open(root) as store:
        store.compact()
        store.check(now=moment(BEGIN + 30 * DAY))
        store.save_question("all", "SELECT count(*) AS n FROM predictions", model="digits")
        store.tag("clean_images", "eva")
        store.retract("eva", who="ana")
        with writing(store._engine) as transaction:
            for one in incidents:
                transaction.execute(c.incidents.insert().values(**row_of(one)))
        return store._engine.dialect.name


def row_of(one):
    plain = {name: getattr(one, name) for name in ("id", "model", "environment", "kind", "severity", "state")}
    times = {name: round(getattr(one, name).timestamp() * 1e6) for name in ("onset", "raised")}
    return {**plain, **times, "record": encode(one)}


@pytest.fixture(scope="module")
def both(tmp_path_factory, made):
    """Two servers of the same store, and ids of some of its runs."""
    root = tmp_path_factory.mktemp("both")
    with postgres.postgres() as url, ExitStack() as stack:
        ids = record(root / "store")
        recorded = root / "recorded"
        (root / "store").rename(recorded)
        begun, clients, folders = datetime.now(UTC), [], []
        for kind in ("sqlite", "postgresql"):
            folder = root / kind
            folders.append(folder)
            shutil.copytree(recorded, folder)
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("WATCHGLASS_CATALOG", url if kind == "postgresql" else "")
                assert settled(folder, [made.page(), made.notice()]) == kind
            served = stack.enter_context(serving(folder))
            clients.append(stack.enter_context(httpx.Client(base_url=served.url, timeout=120, follow_redirects=True)))
        yield SimpleNamespace(ids=ids, clients=clients, folders=folders, begun=begun)


PAGES = {
    "models": lambda _: "/",
    "models as JSON": lambda _: "/index.json",
    "incidents": lambda _: "/incidents",
    "incidents as JSON": lambda _: "/incidents.json",
    "an incident": lambda _: "/incidents/17",
    "an incident as JSON": lambda _: "/incidents/17.json",
    "runs": lambda _: "/runs",
    "runs as JSON": lambda _: "/runs.json?component=clean&status=ok&since=2026-06-02&until=2026-06-05",
    "a run": lambda ids: urls.run(ids["clean 6"]),
    "a run that failed": lambda ids: urls.run(ids["hostile"]),
    "a run as JSON": lambda ids: urls.run(ids["train 3"], twin="json"),
    "a component": lambda _: urls.component("train"),
    "a component as JSON": lambda _: urls.component("train", twin="json"),
    "lineage": lambda _: urls.lineage(),
    "lineage of an output": lambda _: urls.lineage("model"),
    "lineage as JSON": lambda _: urls.lineage("model", twin="json"),
    "two runs": lambda _: urls.compare("clean"),
    "two runs as JSON": lambda ids: urls.compare(ids["clean 6"], ids["clean 5"], twin="json"),
    "a review": lambda _: "/review",
    "a review as JSON": lambda _: "/review.json",
    "a jump to a run": lambda ids: f"/jump?q={ids['clean 6']}",
}
ANSWERS = {
    "/artifacts": "?limit=5",
    "/artifact": "?name=model",
    "/models": "",
    "/incidents": "?state=open",
    "/incidents/17": "",
    "/status": "",
    "/audit": "",
    "/models/digits/schema": "",
    "/rejected": "",
    "/models/digits/labels": "",
    "/models/digits/labels/waiting": "",
    "/questions": "",
    "/questions/all": "",
    "/models/digits/distributions": "",
    "/sql": "?query=SELECT component, count(*) AS n FROM runs GROUP BY 1 ORDER BY 1",
    "/predictions/p7": "",
    "/latest/predictions": "?limit=5",
    "/export/runs": "?format=csv",
    "/runs": "?limit=3",
    "/runs/{clean 6}": "",
    "/components": "",
    "/components/train/history": "?limit=3",
    "/origin": "?prediction=p7",
    "/durations": "",
    "/stale": "?age=1d",
    "/flags": "",
    "/review": "",
    "/diff": "?first=clean",
    "/compare": "?reference=model%3Ddigits&current=model%3Ddigits",
    "/state": "?at=2026-06-05",
    "/state/diff": "?first=2026-06-02&last=2026-06-05",
    "/trace": "?of=model",
    "/impact": "?of=clean_images",
    "/subjects": "",
    "/subjects/eva": "",
    "/retractions": "",
    "/retractions/uses": "",
    "/quarantined": "",
    "/health": "",
    "/settings": "",
    "/marks": "",
}
ELSEWHERE = {
    "/artifacts/{kept}": "the bytes lie in the folder, whatever the catalog is",
    "/backups": "those of a folder that the server is started with",
}


MOMENT = re.compile(r"\b(\d{4}-\d\d-\d\d)([T ][0-9:.]+(Z|\+00:00)?)?|\b(\d{10})\d{6}\b|(?<=\"days\":)[0-9.]+")


def same(both, address):
    """Ask both, and give the text that both say, but for times that are none of the data's and names of folder and server."""

    def moment_of(found):
        day, seconds = found[1], found[4]
        if day:
            return "NOW" if day >= f"{both.begun:%Y-%m-%d}" else found[0]
        return found[0] if seconds and int(seconds) < int(both.begun.timestamp()) else "NOW"

    said = []
    for client, folder in zip(both.clients, both.folders, strict=True):
        answer = client.get(address)
        assert answer.status_code == 200, (address, answer.status_code, answer.text[:2000])
        text = answer.text.replace(f"127.0.0.1:{client.base_url.port}", "SERVER").replace(str(folder), "FOLDER")
        said.append(MOMENT.sub(moment_of, text))
    in_file, in_server = (sorted(text.splitlines()) if "/export/" in address else text for text in said)
    assert in_file == in_server, address
    return in_file


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_the_same(both, name):
    assert len(same(both, PAGES[name](both.ids))) > 100


@pytest.mark.parametrize("path", ANSWERS)
def test_an_answer_is_the_same(both, path):
    assert same(both, f"/api/v1{path}{ANSWERS[path]}".format(**both.ids))


def test_no_answer_of_the_api_is_left_out(both):
    described = both.clients[0].get("/api/v1/openapi.json").json()["paths"]
    read = {path.removeprefix("/api/v1") for path, methods in described.items() if "get" in methods} - set(ELSEWHERE)
    asked = {path: re.compile(re.sub(r"\\\{\w+\\\}", r"[^/?]+", re.escape(path))) for path in read}
    assert [path for path, form in asked.items() if not any(form.fullmatch(one) for one in ANSWERS)] == []
