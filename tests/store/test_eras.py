"""Slices are declared and struck, columns get their first numbers late, files are merged, ids forgotten: the cells count the rest as it was counted."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from contextlib import closing

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.store.bench import Bench
from tests.store.labels.test_uncount import take_away
from tests.store.published import declare, frozen_of, moment, oracle, plus, publish, summed
from watchglass.store import catalog as c
from watchglass.store import labelled, merge
from watchglass.store.manifest import POSITION
from watchglass.store.parquet import described
from watchglass.store.transactions import writing

LONG = bool(os.environ.get("WATCHGLASS_TORTURE"))
FEATURES = {"shape": "number", "odd": "number"}
TAGS = ("channel", "site")

rows = st.builds(
    lambda day, second, environment, said, shape, odd, channel, site, weight: {
        "time": moment(day, second),
        "environment": environment,
        "version": "1",
        "prediction": said,
        "features": {"shape": shape, "odd": odd},
        "tags": {"channel": channel, "site": site},
        "weight": weight,
    },
    day=st.integers(0, 1),
    second=st.integers(0, 86_399),
    environment=st.sampled_from(("live", "live", "shadow")),
    said=st.sampled_from("ab"),
    shape=st.sampled_from((0.5, 7.25, None)),
    odd=st.sampled_from((math.inf, -math.inf, math.nan, math.inf, 3.5)),
    channel=st.sampled_from(("web", None)),
    site=st.sampled_from(("office", "harbour")),
    weight=st.sampled_from((1, 1, 3)),
)
steps = st.one_of(
    st.tuples(st.just("rows"), st.lists(rows, min_size=1, max_size=6)),
    st.tuples(
        st.just("labels"),
        st.lists(st.tuples(st.integers(0, 40), st.sampled_from("ab"), st.integers(0, 3)), min_size=1, max_size=6),
    ),
    st.tuples(st.just("slices"), st.sets(st.sampled_from(TAGS))),
    st.tuples(st.just("follow"), st.none()),
    st.tuples(st.just("forget"), st.sets(st.integers(0, 40), max_size=6)),
    st.tuples(st.just("merge"), st.none()),
)


class Told:
    """A store, and what of each row is to be counted under which tags, with which columns framed."""

    def __init__(self, bench):
        self.bench = bench
        self.tags = ()
        self.framed = frozenset()
        self.made = 0
        self.waiting = []
        self.counted = []
        self.labels = []
        self.keys = {}
        declare(bench, FEATURES, TAGS, ())

    def rows(self, listed):
        named = [{**one, "id": f"p{self.made + number}"} for number, one in enumerate(listed)]
        self.keys.update({self.made + number: (one["environment"], one["id"]) for number, one in enumerate(named)})
        self.made += len(named)
        publish(self.bench, "predictions", named, FEATURES, TAGS)
        finite = {name for one in named for name, v in one["features"].items() if v is not None and math.isfinite(v)}
        self.waiting.append((named, finite))

    def told(self, listed):
        made = []
        for number, label, day in listed:
            environment, ident = self.keys.get(number, ("live", f"p{number}"))
            time = moment(day, len(self.labels) + len(made))
            made.append({"id": ident, "environment": environment, "label": label, "time": time})
        self.labels += made
        publish(self.bench, "labels", made)

    def slices(self, tags):
        self.tags = tuple(sorted(tags))
        with writing(self.bench.engine) as transaction:
            transaction.execute(c.models.update().values(slices=json.dumps(self.tags)))

    def follow(self, _=None):
        self.bench.follow()
        for listed, finite in self.waiting:
            self.framed |= finite
            self.counted += [(row, self.tags, self.framed) for row in listed]
        self.waiting.clear()

    def merge(self, _=None):
        merge.merge(self.bench.folder, self.bench.engine)

    def forget(self, numbers):
        self.follow()
        gone = {self.keys[number] for number in numbers if number in self.keys}
        take_away(self.bench, gone)
        self.counted = [one for one in self.counted if (one[0]["environment"], one[0]["id"]) not in gone]
        self.labels = [row for row in self.labels if (row["environment"], row["id"]) not in gone]
        t, tables = c.files, self.bench.folder.tables
        query = sa.select(t.c.seq, t.c.kind, t.c.path, POSITION.label("at")).where(
            t.c.kind.in_(("predictions", "labels")), t.c.removed.is_(None)
        )
        with self.bench.engine.connect() as connection:
            live = connection.execute(query).all()
        for file in live:
            table = pq.read_table(tables / file.path)
            keep = [(e.as_py(), i.as_py()) not in gone for e, i in zip(table["environment"], table["id"], strict=True)]
            if all(keep):
                continue
            path = tables / file.kind / f"{self.bench.names:032x}.parquet"
            self.bench.names += 1
            if any(keep):
                pq.write_table(table.filter(pa.array(keep)), path)
            with duckdb.connect() as duck, writing(self.bench.engine) as transaction:
                transaction.execute(t.update().where(t.c.seq == file.seq).values(removed=1.0))
                if any(keep):
                    values = described(duck, path, self.bench.folder, file.kind, "m")
                    transaction.execute(t.insert().values(**{**values, "origin": file.at}))

    def wanted(self):
        """Count what is left, each row under the tags and in the frames that it was counted by."""
        total = Counter()
        frozen = frozen_of(self.bench)
        for row, tags, framed in self.counted:
            seen = {name: of if name in framed else (0.0, [], set()) for name, of in frozen.items()}
            for key, n in oracle([row], self.labels, FEATURES, tags, seen).items():
                plus(total, key, n)
        return dict(total)


@pytest.mark.many_stores
@pytest.mark.parametrize("many", [0, 1 << 40], ids=["looked up", "all joined"])
@settings(
    max_examples=300 if LONG else 8,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(first=st.lists(rows, min_size=2, max_size=6), story=st.lists(steps, min_size=3, max_size=12))
def test_rows_are_taken_away_from_the_slices_and_frames_they_were_counted_by(tmp_path_factory, many, first, story):
    with pytest.MonkeyPatch.context() as patch, closing(Bench(tmp_path_factory.mktemp("eras") / "store")) as bench:
        patch.setattr(labelled, "MANY", many)
        patch.setattr(merge, "FAN_IN", 2)
        told = Told(bench)
        does = {
            "rows": told.rows,
            "labels": told.told,
            "slices": told.slices,
            "follow": told.follow,
            "forget": told.forget,
            "merge": told.merge,
        }
        told.rows(first)
        for step, what in story:
            does[step](what)
        told.follow()
        assert summed(bench) == told.wanted()
        told.forget(set(told.keys))
        assert summed(bench) == {}


def row(number, **fields):
    tags = {"channel": "web", "site": "office"}
    features = {"shape": 1.0, "odd": 2.0}
    return {
        "id": f"p{number}",
        "time": moment(0, number),
        "environment": "live",
        "version": "1",
        "prediction": "a",
        "features": features,
        "tags": tags,
        **fields,
    }


def under(bench, kind):
    """Sum the cells of a kind by slice."""
    found = Counter()
    for key, n in summed(bench).items():
        if key[5] == kind:
            found[key[3]] += n
    return {name: n for name, n in found.items() if n}


def test_a_slice_declared_later_counts_what_comes_from_then_on_and_only_the_labels_of_that(bench):
    told = Told(bench)
    told.rows([row(0), row(1)])
    told.follow()
    told.slices({"site"})
    told.rows([row(2)])
    told.told([(0, "a", 1), (2, "a", 1)])
    told.follow()
    office = '{"site":"office"}'
    assert under(bench, "rows") == {"": 3, office: 1}
    assert under(bench, "labelled") == under(bench, "correct") == {"": 2, office: 1}
    told.told([(0, "b", 2), (2, "b", 2)])
    told.follow()
    assert under(bench, "correct") == {}
    told.forget({0})
    assert under(bench, "rows") == {"": 2, office: 1}
    assert under(bench, "labelled") == {"": 1, office: 1}


def test_a_store_of_an_older_version_is_taken_to_have_counted_under_the_tags_of_its_cells(bench):
    told = Told(bench)
    told.slices({"site"})
    told.rows([row(0), row(1)])
    told.follow()
    with writing(bench.engine) as transaction:
        transaction.execute(c.watermarks.delete().where(c.watermarks.c.name.startswith("era:")))
    told.slices({"channel", "site"})
    told.forget({0})
    assert under(bench, "rows") == {"": 1, '{"site":"office"}': 1}
    told.rows([row(2)])
    told.forget({1})
    pair = '{"channel":"web","site":"office"}'
    assert under(bench, "rows") == {"": 1, '{"channel":"web"}': 1, '{"site":"office"}': 1, pair: 1}
    assert summed(bench) == told.wanted()


def test_when_all_is_counted_anew_the_slices_of_now_hold_for_all(bench):
    told = Told(bench)
    told.rows([row(0), row(1)])
    told.follow()
    told.slices({"site"})
    with writing(bench.engine) as transaction:
        transaction.execute(c.watermarks.delete().where(c.watermarks.c.name == "cells"))
        transaction.execute(c.files.delete().where(c.files.c.kind == "cells"))
    bench.follow()
    assert under(bench, "rows") == {"": 2, '{"site":"office"}': 2}
    told.counted = [(one, ("site",), framed) for one, _, framed in told.counted]
    told.forget({0})
    assert summed(bench) == told.wanted()


def test_a_column_gets_its_frame_from_its_first_numbers_however_late_they_come_in_a_file(bench, monkeypatch):
    from watchglass.store import countable

    monkeypatch.setattr(countable, "VALUES", 1)  # two row groups at a time
    told = Told(bench)
    told.slices({"site"})
    size = 2 * countable.ROW_GROUP
    listed = [row(0, time=moment(0, n / 10), features={"shape": 1.0, "odd": math.inf}) for n in range(size + 10)]
    listed += [row(0, time=moment(1, n), features={"shape": 1.0, "odd": 100.0 + n}) for n in range(5)]
    told.rows(listed)
    told.follow()
    assert frozen_of(bench)["odd"][0] == 102.0
    assert summed(bench) == told.wanted()
