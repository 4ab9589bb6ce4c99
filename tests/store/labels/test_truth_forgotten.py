"""Two models, weights, repeats, corrections, ids forgotten in between: the cells say what one pandas pass says of what is left."""

from __future__ import annotations

import os
from contextlib import closing

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.store.bench import BEGIN, Bench
from tests.store.labels.test_truth import counted, labels, predictions, the_truth
from watchglass.store import catalog as c
from watchglass.store import cells, labelled, merge
from watchglass.store.doctor.examine import diagnose
from watchglass.store.life import forget as forgetting
from watchglass.store.life.forget_asked import asked
from watchglass.store.models import moment
from watchglass.store.transactions import writing

LONG = bool(os.environ.get("WATCHGLASS_TORTURE"))
MODELS = ("digits", "other")

events = st.tuples(st.sampled_from(MODELS), st.one_of(predictions, predictions, labels))
works = st.one_of(
    st.sampled_from([("compact",), ("follow",), ("merge",), ("recount",)]),
    st.tuples(st.just("forget"), st.integers(0, 7), st.sampled_from((None, *MODELS)), st.sampled_from((None, "live"))),
)


class Story:
    """A store of two models, and what was sent that is not forgotten."""

    def __init__(self, bench):
        self.bench = bench
        self.sent = []
        for name in MODELS:
            bench.model(name=name)

    def send(self, part):
        made = []
        for model, event in part:
            row = {**event, "model": model}
            if (
                row["kind"] == "prediction"
            ):  # rows of an id differ in time, version or prediction where they differ at all
                key = ("model", "environment", "id", "time", "version", "prediction")
                alike = [old for old in (*self.sent, *made) if all(old.get(name) == row[name] for name in key)]
                row = alike[0] if alike else row
            made.append(row)
        self.sent += made
        if made:
            self.bench.write("rows", made)

    def compact(self):
        self.bench.compact()

    def follow(self):
        self.bench.follow()

    def merge(self):
        merge.merge(self.bench.folder, self.bench.engine)

    def recount(self):
        """Count all anew, as after damage."""
        self.follow()
        with writing(self.bench.engine) as transaction:
            transaction.execute(c.watermarks.delete().where(c.watermarks.c.name == "cells"))
            transaction.execute(c.files.delete().where(c.files.c.kind == "cells"))
            transaction.execute(c.files.update().where(c.files.c.removed.is_(None)).values(origin=0))

    def forget(self, number, model, environment):
        self.follow()
        about = asked(prediction=f"p{number}", model=model, environment=environment)
        forgetting.forget(self.bench.folder, self.bench.engine, about)
        self.sent = [
            row
            for row in self.sent
            if row["id"] != f"p{number}"
            or (model is not None and row["model"] != model)
            or (environment is not None and row["environment"] != environment)
        ]


def of(bench, model):
    """Count the cells of one model alone."""
    with writing(bench.engine) as transaction:
        others = (c.files.c.kind == "cells") & (c.files.c.model != model) & c.files.c.removed.is_(None)
        hidden = transaction.execute(sa.select(c.files.c.seq).where(others)).scalars().all()
        transaction.execute(c.files.update().where(c.files.c.seq.in_(hidden)).values(removed=1.0))
    try:
        return counted(bench)
    finally:
        with writing(bench.engine) as transaction:
            transaction.execute(c.files.update().where(c.files.c.seq.in_(hidden)).values(removed=None))


@pytest.mark.slow
@pytest.mark.many_stores
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("many", [0, 1 << 40], ids=["looked up", "all joined"])
@settings(
    max_examples=200 if LONG else 4,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    story=st.lists(
        st.tuples(st.lists(events, min_size=1, max_size=10), st.lists(works, max_size=3)), min_size=1, max_size=6
    )
)
def test_what_is_left_after_forgetting_is_counted_as_one_pass_over_it_counts(tmp_path_factory, many, story):
    with pytest.MonkeyPatch.context() as patch, closing(Bench(tmp_path_factory.mktemp("truth") / "store")) as bench:
        patch.setattr(labelled, "MANY", many)
        patch.setattr(merge, "FAN_IN", 2)
        patch.setattr(cells, "BATCH_ROWS", 7)
        told = Story(bench)
        for part, work in story:
            told.send(part)
            for step, *how in work:
                getattr(told, step)(*how)
        for step in (told.compact, told.follow, told.merge, told.follow):
            step()
        for model in MODELS:
            mine = [row for row in told.sent if row["model"] == model]
            wanted = the_truth(mine) if any(row["kind"] == "prediction" for row in mine) else {}
            assert of(bench, model) == wanted
        report = diagnose(bench.folder.root, now=moment(BEGIN))
        assert [one for one in report.findings if one.severity == "error"] == []
