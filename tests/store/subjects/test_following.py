"""A subject's tag, followed to all that is derived: versions, runs, models, predictions; whatever was told first."""

from __future__ import annotations

import itertools
import random

import pytest
import sqlalchemy as sa

from tests.store.bench import BEGIN, Bench, prediction
from tests.store.lineage.told import at, run
from watchglass.errors import BadInput, UnknownName
from watchglass.store.lineage.carriers import closure
from watchglass.store.subjects.following import subject
from watchglass.store.subjects.saying import subjects, tag


def said(name, tag, version="", seconds=0, of=""):
    return {"kind": "subject_tag", "name": name, "version": version, "tag": tag, "run": of, "time": at(seconds)}


def of(bench, tag="client-17", **wanted):
    return subject(bench.folder, bench.engine, tag, **{"predictions": False, **wanted})


def carriers(found):
    return [(one.depth, one.name, one.version) for one in found.artifacts]


def users(found):
    return [(one.depth, one.run) for one in found.runs]


LINE = [
    run("ingest", 0, writes=[("rows", "1"), ("log", "1")]),
    said("rows", "client-17", "1"),
    run("clean", 1, reads=[("rows", "1")], writes=[("clean rows", "1"), "counts"]),
    run("train", 2, reads=["clean rows"], writes=[("model", "1")]),
    run("other", 3, reads=[("log", "1")], writes=["sums"]),
]


def test_every_version_that_derives_from_it_carries_it_with_its_distance_and_nothing_else_does(bench):
    bench.write("graph", LINE)
    found = of(bench)
    assert carriers(found) == [(0, "rows", "1"), (1, "clean rows", "1"), (1, "counts", None), (2, "model", "1")]
    assert users(found) == [(1, "clean"), (2, "train")]
    assert [one.said for one in found.artifacts] == [True, False, False, False]
    assert (found.versions, found.used, found.retracted, found.next) == (4, 2, None, None)


def test_inputs_tags_are_united_on_outputs_as_mltrace_does(bench):
    bench.write(
        "graph",
        [
            said("a", "ana"),
            said("b", "bo"),
            run("join", 1, reads=["a", "b"], writes=["both"]),
            run("look", 2, reads=["both"]),
        ],
    )
    for tag_of, name in (("ana", "a"), ("bo", "b")):
        assert carriers(of(bench, tag_of)) == [(0, name, None), (1, "both", None)]


def test_a_tag_or_a_run_that_comes_late_is_followed_as_if_it_had_come_first(tmp_path):
    found = []
    for place, order in enumerate(itertools.permutations(range(4))):
        if place % 5:  # five orders of the 24 will do
            continue
        bench = Bench(tmp_path / str(place))
        for number in order:
            bench.write("graph", [LINE[number]])
            bench.ask("SELECT count(*) FROM runs")
        answer = of(bench)
        found.append((carriers(answer), users(answer)))
        bench.close()
    assert len(found) == 5
    assert all(one == found[0] for one in found)


def test_what_is_said_to_be_of_nobody_ends_the_way_and_what_is_said_of_it_itself_stays(bench):
    bench.write(
        "graph",
        [
            said("rows", "ana"),
            run("sum", 1, reads=["rows"], writes=[("totals", "1"), ("copy", "1")]),
            run("report", 2, reads=[("totals", "1")], writes=["report"]),
            run("report again", 2.5, reads=["totals"], writes=["report two"]),
            run("keep", 3, reads=[("copy", "1")], writes=["kept"]),
        ],
    )
    assert ("report" in {one.name for one in of(bench, "ana").artifacts}) is True
    tag(bench.folder, bench.engine, "totals", None, [])
    found = of(bench, "ana")
    assert carriers(found) == [(0, "rows", None), (1, "copy", "1"), (2, "kept", None)]
    assert users(found) == [(1, "sum"), (2, "keep")]
    tag(bench.folder, bench.engine, "totals", "1", "bo")
    assert users(of(bench, "bo")) == [(1, "report"), (1, "report again")]


def test_an_old_version_that_is_read_and_a_newer_one_of_others_are_kept_apart(bench):
    bench.write(
        "graph",
        [
            run("w1", 0, writes=[("rows", "1")]),
            run("w2", 1, writes=[("rows", "2")]),
            said("rows", "ana", "1"),
            run("newest", 2, reads=["rows"], writes=["x"]),
            run("old", 3, reads=[("rows", "1")], writes=["y"]),
        ],
    )
    assert users(of(bench, "ana")) == [(1, "old")]
    tag(bench.folder, bench.engine, "rows", "2", "bo")
    assert users(of(bench, "bo")) == [(1, "newest")]


def test_a_version_that_comes_again_carries_it_whoever_wrote_it(bench):
    bench.write(
        "graph",
        [
            run("w1", 0, writes=[("rows", "1")]),
            said("rows", "ana", "1"),
            run("w2", 1, writes=[("rows", "2")]),
            run("w3", 2, writes=[("rows", "1")]),
            run("named", 3, reads=["rows"]),
            run("exact", 4, reads=[("rows", "1")]),
        ],
    )
    assert users(of(bench, "ana")) == [(1, "named"), (1, "exact")]


def test_a_table_updated_in_place_carries_it_from_update_to_update_and_not_before(bench):
    bench.write("graph", [run(f"u{n}", n, reads=["table"], writes=["table"], seconds=0) for n in range(4)])
    bench.write("graph", [said("rows", "ana"), run("mix", 1.5, reads=["rows"], writes=["table"], seconds=0)])
    assert users(of(bench, "ana")) == [(1, "mix"), (2, "u2"), (3, "u3")]


def test_a_cycle_ends_and_a_run_that_is_named_as_upstream_hands_it_on(bench):
    bench.write(
        "graph",
        [
            said("rows", "ana"),
            run("a", 1, reads=["rows"]),
            run("b", 2, upstream=["a"], writes=["x"]),
            run("c", 3, reads=["x"], writes=["y"], upstream=["d"]),
            run("d", 4, reads=["y"], upstream=["c"]),
        ],
    )
    assert users(of(bench, "ana")) == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]


def test_models_made_of_it_and_predictions_of_these_and_of_the_subject_itself_are_counted(bench):
    bench.write("graph", LINE)
    for version, by in (("1", {"run": "train"}), ("2", {"run": "other"}), ("3", {"artifact": {"name": "model", "version": "1"}})):  # fmt: skip
        bench.write("graph", [{"kind": "model", "name": "digits", "version": version, "time": BEGIN, **by}])
    schema = [{"role": "feature", "name": "who", "type": "text", "purpose": "subject"}, {"role": "feature", "name": "number", "type": "number", "purpose": "subject"}]  # fmt: skip
    bench.write("graph", [{"kind": "model", "name": "digits", "schema": schema, "time": BEGIN}])
    bench.write("graph", [said("rows", "17", "1")])
    rows = [
        prediction(n, version=str(1 + n % 3), features={"who": "client-17" if n < 2 else "ana", "number": 17 if n == 4 else 1})
        for n in range(6)
    ]  # fmt: skip
    bench.write("rows", rows)
    bench.write("rows", [prediction(9, model="else", run="clean")])
    found = of(bench, predictions=True)
    assert found.models == (("digits", "1"), ("digits", "3"))
    assert (found.predictions, found.own) == (5, 2)
    bench.compact()
    assert (of(bench, predictions=True).predictions, of(bench, predictions=True).own) == (5, 2)
    assert of(bench, "17", predictions=True).own == 1, "a number is the same however it is written"
    assert of(bench, "ana", predictions=True).own == 4, "whose data is in predictions alone is known too"


def test_pages_give_everything_once_whatever_their_size(bench):
    bench.write("graph", [said("rows", "ana")])
    rng = random.Random(7)
    bench.write(
        "graph",
        [run(f"r{n}", n, reads=["rows" if n < 3 else f"o{rng.randrange(n)}"], writes=[f"o{n}", (f"p{n}", "1")]) for n in range(40)],
    )  # fmt: skip
    whole = of(bench, "ana", limit=1000)
    assert (whole.versions, whole.used, whole.next) == (81, 40, None)
    for limit in (1, 7, 60):
        artifacts, runs, after = [], [], None
        while True:
            page = of(bench, "ana", limit=limit, after=after)
            assert len(page.artifacts) + len(page.runs) <= limit
            artifacts += page.artifacts
            runs += page.runs
            after = page.next
            if after is None:
                break
        assert (tuple(artifacts), tuple(runs)) == (whole.artifacts, whole.runs)


@pytest.mark.parametrize("after", ["", "x", "[1]", "[1,2,3,4,5]", '{"a": 1}'])
def test_a_place_that_is_none_is_refused(bench, after):
    bench.write("graph", LINE)
    with pytest.raises(BadInput, match="the `next` of the page before"):
        of(bench, after=after)


def test_a_subject_that_nobody_named_is_unknown_and_the_nearest_is_told(bench):
    bench.write("graph", LINE)
    with pytest.raises(UnknownName, match="Did you mean 'client-17'"):
        of(bench, "client-71")


def test_ten_thousand_runs_in_a_chain_take_three_questions(bench):
    bench.write("graph", [said("o0", "ana")])
    bench.write("graph", [run(f"r{n}", n, reads=[f"o{n}"], writes=[f"o{n + 1}"]) for n in range(10_000)])
    of(bench, "ana")
    statements = []

    def count(_connection, _cursor, statement, *_rest):
        if statement.startswith(("SELECT", "WITH")) and "schema_version" not in statement:
            statements.append(statement)

    with bench.engine.connect() as connection:
        sa.event.listen(bench.engine, "before_cursor_execute", count)
        found = closure(connection, ["ana"])
        sa.event.remove(bench.engine, "before_cursor_execute", count)
    assert (len(found.used), found.used[-1].depth, len(found.carried)) == (10_000, 10_000, 10_001)
    assert len(statements) == 3


def test_the_ladder_gives_each_run_once(bench):
    """Two runs a layer that read both of the layer before: mltrace walks every way, 2 to the 18th of them."""
    events = [said("o0a", "ana"), said("o0b", "ana")]
    for layer in range(18):
        events += [
            run(f"r{layer}{side}", layer, reads=[f"o{layer}a", f"o{layer}b"], writes=[f"o{layer + 1}{side}"])
            for side in "ab"
        ]
    bench.write("graph", events)
    found = of(bench, "ana", limit=1000)
    assert (len(found.runs), len({one.run for one in found.runs}), found.used, found.versions) == (36, 36, 36, 38)


def test_tags_are_listed_with_how_often_they_were_said_and_what_is_of_nobody_is_not_one(bench):
    bench.write("graph", [*LINE, said("log", "client-17", "1"), said("log", "bo"), said("log", "", "1"), said("rows", "client-17", "1", of="ingest")])  # fmt: skip
    bench.write("graph", [{"kind": "retraction", "tag": "zoe", "time": at(3)}])
    page = subjects(bench.folder, bench.engine, limit=2)
    assert [(one.tag, one.versions, one.retracted) for one in page.subjects] == [("bo", 1, None), ("client-17", 2, None)]  # fmt: skip
    rest = subjects(bench.folder, bench.engine, limit=2, after=page.next)
    assert [(one.tag, one.versions) for one in rest.subjects] == [("zoe", 0)]
    assert rest.subjects[0].retracted is not None
    assert rest.next is None


def test_a_tag_is_said_of_the_newest_version_or_of_what_was_only_read(bench):
    bench.write("graph", [*LINE, run("again", 5, writes=[("rows", "2")]), run("raw", 6, reads=[("raw.csv", "9")])])
    assert tag(bench.folder, bench.engine, "rows", None, ["ana", "bo"]).version == "2"
    assert tag(bench.folder, bench.engine, "rows", "1", "cy").tags == ("cy",)
    assert tag(bench.folder, bench.engine, "raw.csv", None, "ana").version == "9"
    assert carriers(of(bench, "ana")) == [(0, "rows", "2"), (0, "raw.csv", "9")]
    with pytest.raises(UnknownName, match="artifact 'rowz'.*Did you mean 'rows'"):
        tag(bench.folder, bench.engine, "rowz", None, "ana")
    with pytest.raises(UnknownName, match="version of artifact 'rows' '7'"):
        tag(bench.folder, bench.engine, "rows", "7", "ana")
    with pytest.raises(BadInput, match="cannot have the tag ''"):
        tag(bench.folder, bench.engine, "rows", None, "")
