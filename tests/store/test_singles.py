"""A question that takes single features or tags reads these alone, and answers what it would had it read all of them."""

from __future__ import annotations

import json

import duckdb
import pytest

from tests.store.bench import prediction
from watchglass.errors import QueryRefused
from watchglass.store.asking.singles import singles_of

ROLES = {"features", "tags"}
ASKED = [  # the question of one model, and the same over all
    ("SELECT id, features.ink AS x FROM predictions", "SELECT id, (features->>'ink')::DOUBLE AS x FROM predictions"),
    ("SELECT sum(p.features.ink) AS x FROM predictions p", "SELECT sum((p.features->>'ink')::DOUBLE) AS x FROM predictions p"),
    ("SELECT tags.site AS x, count(*) AS n FROM predictions GROUP BY ALL", "SELECT tags->>'site' AS x, count(*) AS n FROM predictions GROUP BY ALL"),
    ("SELECT id, features['pen'] AS x, tags.site AS y FROM predictions", "SELECT id, features->>'pen' AS x, tags->>'site' AS y FROM predictions"),
    ("SELECT max(FEATURES.Ink) AS x FROM predictions WHERE features.pen = 'blue'", "SELECT max((features->>'ink')::DOUBLE) AS x FROM predictions WHERE json_extract_string(features, 'pen') = 'blue'"),
    ("WITH a AS (SELECT features.ink AS features, id FROM predictions) SELECT sum(features) AS x FROM a", "SELECT sum((features->'ink')::DOUBLE) AS x FROM predictions"),
    ("SELECT count(*) AS n FROM predictions WHERE features.ink IS NULL", "SELECT count(*) AS n FROM predictions WHERE features->>'ink' IS NULL"),
]  # fmt: skip


def singles(sql):
    with duckdb.connect() as connection:
        (text,) = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()
    return {role: set(names) for role, names in singles_of(json.loads(text)).items()}


@pytest.mark.parametrize(
    ("sql", "features", "tags"),
    [
        ('SELECT features.ink, p.features."A b", predictions.tags.site FROM predictions p', {"ink", "a b"}, {"site"}),
        ("SELECT features->>'ink', features->'pen' FROM predictions", {"ink", "pen"}, set()),
        ("SELECT json_extract(features, 'ink'), struct_extract(tags, 'site') FROM predictions", {"ink"}, {"site"}),
        ("SELECT features['ink'], (features).pen FROM predictions ORDER BY tags.site", {"ink", "pen"}, {"site"}),
        ("SELECT features.features, tags.features FROM predictions", None, None),
        ("SELECT features.ink, features FROM predictions", None, set()),
        ("SELECT features.ink FROM predictions GROUP BY tags", {"ink"}, None),
        ("SELECT features->>'$.ink', tags->>'/site' FROM predictions", None, None),
        ("SELECT features->>id, features['ink'] FROM predictions", None, set()),
        ("SELECT features->>0, tags->>'' FROM predictions", None, None),
        ("SELECT features.ink FROM predictions JOIN other USING (tags)", {"ink"}, None),
        ("SELECT count(features) FROM predictions", None, set()),
        ("SELECT struct_insert(features, a := 1).ink FROM predictions", None, set()),
    ],
)  # fmt: skip
def test_what_is_read_one_by_one_is_told(sql, features, tags):
    found = singles(sql)
    expected = {"features": features, "tags": tags}
    if sql.startswith("SELECT features.features"):
        assert "features" not in found
    else:
        assert found == {role: names for role, names in expected.items() if names is not None}


def stored(bench):
    """Two files whose columns differ, and more rows in the log; one of them of another model."""
    features = (("ink", "number"), ("pen", "text"))
    bench.model(features=features)
    bench.write("rows", [prediction(n, features={"ink": n / 2, "pen": "blue" if n % 2 else None}) for n in range(40)])
    bench.compact()
    bench.model(features=(*features, ("paper", "number")))
    bench.write("rows", [prediction(n, features={"ink": n / 2, "pen": "red", "paper": 1}) for n in range(40, 70)])
    bench.compact()
    bench.write("rows", [prediction(n, features={"pen": "blue"}, tags={}) for n in range(70, 90)])
    bench.model("letters", features=(("ink", "text"),), tags=())
    bench.write("rows", [prediction(n, model="letters", features={"ink": "7"}, tags={}) for n in range(5)])


@pytest.mark.parametrize(("typed", "as_json"), ASKED)
def test_single_values_are_those_of_the_whole(bench, typed, as_json):
    stored(bench)
    whole = "FROM (SELECT * FROM predictions) AS predictions"  # a star: nothing is left out
    for sql, model in ((typed, "digits"), (as_json, None)):
        narrow = bench.ask(sql, model)
        wide = bench.ask(sql.replace("FROM predictions", whole, 1).replace("AS predictions p", "AS p"), model)
        assert sorted(map(str, narrow)) == sorted(map(str, wide))
        assert narrow


def test_the_bytes_of_other_features_are_not_read(bench):
    bench.model(features=(("ink", "number"), ("pen", "text")))
    bench.write("rows", [prediction(n, features={"ink": float(n), "pen": f"blue {n}"}) for n in range(2_000)])
    bench.compact()
    (path,) = (bench.folder.tables / "predictions").glob("*.parquet")
    with duckdb.connect() as connection:
        places = connection.execute(
            "SELECT coalesce(dictionary_page_offset, data_page_offset), total_compressed_size FROM parquet_metadata(?)"
            " WHERE path_in_schema = 'features, pen'",
            [str(path)],
        ).fetchall()
    with path.open("r+b") as file:
        for first, size in places:
            file.seek(first)
            file.write(b"\xff" * size)
    assert bench.ask("SELECT sum(features.ink) AS x FROM predictions", "digits") == [{"x": 1_999_000.0}]
    assert bench.ask("SELECT sum((features->>'ink')::DOUBLE) AS x FROM predictions") == [{"x": 1_999_000.0}]
    with pytest.raises(QueryRefused):
        bench.ask("SELECT count(features.pen) AS x FROM predictions WHERE features.pen > ''", "digits")


def test_a_feature_that_no_file_has_yet_is_read_from_the_log(bench):
    bench.model(features=(), tags=())
    bench.write("rows", [prediction(1, features={}, tags={})])
    bench.compact()
    bench.model()
    bench.write("rows", [prediction(2)])
    for _ in range(2):
        asked = "SELECT id, features.ink AS x, tags.site AS y FROM predictions ORDER BY id"
        told = [{"id": "p1", "x": None, "y": None}, {"id": "p2", "x": 0.2, "y": "harbour"}]
        assert bench.ask(asked, "digits") == told
        assert bench.ask("SELECT features->>'ink' AS x FROM predictions ORDER BY id") == [{"x": None}, {"x": "0.2"}]
        bench.compact()


def test_a_feature_that_is_not_there_is_named_with_those_that_are(bench):
    stored(bench)
    with pytest.raises(QueryRefused, match="pen"):
        bench.ask("SELECT features.pem FROM predictions", "digits")
    assert {row["x"] for row in bench.ask("SELECT features->>'pem' AS x FROM predictions")} == {None}


def test_a_pivot_groups_by_all_columns_that_it_does_not_name(bench):
    stored(bench)
    pivot = "PIVOT (count(id) FOR version IN ('1'))"
    asked = f"SELECT count(*) AS n FROM {{}} {pivot}"
    wide = bench.ask(asked.format("(SELECT * FROM predictions) AS p"), "digits")
    assert bench.ask(asked.format("predictions"), "digits") == wide
    assert wide[0]["n"] > 2
