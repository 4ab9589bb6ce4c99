from __future__ import annotations

import pytest

import watchglass as wg
from watchglass.capture.fingerprint import content_of
from watchglass.errors import BadInput


def reads(logs):
    return logs.graph("run")[-1]["reads"]


def test_a_query_is_an_input_by_its_text_and_connection(logs):
    with wg.run("load") as run:
        assert run.read(wg.query("select *\n  from orders", "warehouse")) is None
    (edge,) = reads(logs)
    assert (edge["name"], edge["rule"]) == ("warehouse: select * from orders", "declared")
    assert edge["artifact"] == {"kind": "query", "path": "warehouse", "preview": "select *\n  from orders"}


def test_the_answer_of_a_query_is_its_version(logs):
    asked = wg.query("select 1", "postgresql://ana:secret@db/shop", name="orders")
    with wg.run("load") as run:
        version = run.read([{"a": 1}], asked)
    (edge,) = reads(logs)
    assert edge["version"] == version == content_of([{"a": 1}]).version
    assert edge["name"] == "orders"
    assert edge["artifact"]["path"] == "postgresql://db/shop"
    assert edge["artifact"]["kind"] == "query"
    assert "secret" not in str(logs.graph())


def test_the_decorator_and_the_plain_call_take_queries_and_urls(logs):
    @wg.component("load", inputs=[wg.query("select 1", "db"), "https://ana:pw@host/data.csv?X-Amz-Signature=abc&v=2"])
    def load():
        return None

    load()
    assert [edge["name"] for edge in reads(logs)] == ["db: select 1", "https://host/data.csv?X-Amz-Signature=…&v=2"]
    assert reads(logs)[1]["artifact"]["kind"] == "url"
    wg.log_run("load", started=1, ended=2, inputs=[wg.query("select 2", "db"), "s3://bucket/key", ("n", 3)])
    assert [edge["name"] for edge in reads(logs)] == ["db: select 2", "s3://bucket/key", "n"]


def test_a_url_of_a_file_is_the_file(logs, tmp_path):
    path = tmp_path / "a b.csv"
    path.write_text("x\n")
    with wg.run("load") as run:
        version = run.read(path.as_uri())
        assert version == run.read(path)
    assert reads(logs)[0]["artifact"]["path"] == str(path)


def test_a_long_query_has_a_name_that_fits_and_that_is_its_own(logs):
    one, other = (wg.query("select " + "column, " * 40 + end, "db") for end in ("a", "b"))
    assert len(one.name) < 140
    assert one.name != other.name


def test_wrong_use_is_told():
    with pytest.raises(BadInput, match="the text of a query cannot be ''"):
        wg.query("", "db")
    with pytest.raises(BadInput, match="connection cannot be None"):
        wg.query("select 1", None)
