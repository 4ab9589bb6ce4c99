"""Whatever comes in whatever order, the cells say what one pandas pass over the final truth says, as known on each day."""

from __future__ import annotations

import os
from contextlib import closing
from datetime import date, timedelta

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.store.bench import BEGIN, DAY, Bench, label, prediction
from tests.store.published import summed
from watchglass.store import cells, labelled, merge

LONG = bool(os.environ.get("WATCHGLASS_TORTURE"))
DAYS = 4
KNOWN = DAYS + 3
JUNE = date(2026, 6, 1)

predictions = st.builds(
    lambda number, day, second, said, version, environment, site, ink, weight: prediction(
        number,
        time=BEGIN + day * DAY + second * 1_000_000,
        prediction=said,
        version=version,
        environment=environment,
        tags={"site": site} if site else {},
        features={"ink": ink},
        # what else is in the row follows from what rows are ordered by, so that two rows of one id never tie and differ
        **({"weight": weight} if weight > 1 else {}),
    ),
    number=st.integers(0, 7),
    day=st.integers(0, DAYS - 1),
    second=st.sampled_from((0, 1, 86_399)),
    said=st.sampled_from(("0", "1")),
    version=st.sampled_from(("1", "2")),
    environment=st.sampled_from(("live", "live", "shadow")),
    site=st.sampled_from(("harbour", "office", None)),
    ink=st.sampled_from((0.5, 7.25, None)),
    weight=st.sampled_from((1, 1, 3)),
)
labels = st.builds(
    lambda number, day, second, truth, environment: label(
        number, truth, time=BEGIN + day * DAY + second * 1_000_000, environment=environment
    ),
    number=st.integers(0, 8),
    day=st.integers(0, KNOWN - 1),
    second=st.sampled_from((0, 1, 86_399)),
    truth=st.sampled_from(("0", "1", "1.0", None)),
    environment=st.sampled_from(("live", "live", "shadow")),
)
upkeep = st.lists(st.sampled_from(("compact", "follow", "merge")), min_size=0, max_size=4)


@st.composite
def stories(draw):
    """Draw what is sent, some of it twice, and what is done in between."""
    sent = draw(st.lists(predictions, min_size=1, max_size=24)) + draw(st.lists(labels, max_size=24))
    sent += draw(st.lists(st.sampled_from(sent), max_size=6))
    order = draw(st.permutations(sent))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=6)))
    parts = [order[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(order)], strict=True)]
    return [(part, draw(upkeep)) for part in parts]


def unlike(story):
    """Make the rows of an id differ in time, version or prediction where they differ at all: their order is then known."""
    first = {}
    for part, _ in story:
        for row in part:
            if row["kind"] == "prediction":
                key = tuple(row[name] for name in ("environment", "id", "time", "version", "prediction"))
                rest = {name: row.get(name) for name in ("tags", "features", "weight")}
                row.update({name: value for name, value in first.setdefault(key, rest).items() if value is not None})
                if first[key]["weight"] is None:
                    row.pop("weight", None)


def the_truth(events):
    """Count in pandas: ("rows" | "missing" | …, version, environment, day, site, known on) → n."""
    served = pd.DataFrame([e for e in events if e["kind"] == "prediction"])
    served["site"] = [tags.get("site") for tags in served["tags"]]
    served["ink"] = [features["ink"] for features in served["features"]]
    served["weight"] = served["weight"].fillna(1).astype(int) if "weight" in served else 1
    served = served.sort_values(["time", "version", "prediction"]).drop_duplicates(["environment", "id"])
    served["day"] = (served["time"] - BEGIN) // DAY
    told = pd.DataFrame(
        [e for e in events if e["kind"] == "label"], columns=["environment", "id", "label", "time"], dtype=object
    )
    told["order"] = told["label"].fillna("")  # none comes first
    found = {}
    whole = served.assign(site="")
    for rows in (whole, served[served["site"].notna()]):
        for group, part in rows.groupby(["version", "environment", "day", "site"]):
            found["rows", *group, None] = part["weight"].sum()
            found["missing", *group, None] = part.loc[part["ink"].isna(), "weight"].sum()
            found["there", *group, None] = part.loc[part["ink"].notna(), "weight"].sum()
            found["scored", *group, None] = found["predicted", *group, None] = part["weight"].sum()
        for day in range(KNOWN):
            known = told[told["time"] < BEGIN + (day + 1) * DAY].sort_values(["time", "order"])
            latest = known.drop_duplicates(["environment", "id"], keep="last").dropna(subset="label")
            joined = rows.merge(latest[["environment", "id", "label"]], on=["environment", "id"])
            joined["right"] = joined["prediction"].astype(float) == joined["label"].astype(float)
            for group, part in joined.groupby(["version", "environment", "day", "site"]):
                found["labelled", *group, day] = part["weight"].sum()
                found["correct", *group, day] = part.loc[part["right"], "weight"].sum()
    return {key: int(n) for key, n in found.items() if n}


def counted(bench):
    """Give the same from the cells."""
    found = {}

    def plus(key, n):
        found[key] = found.get(key, 0) + n

    outputs = {"\x1fscore": "scored", "\x1fprediction": "predicted"}
    for (version, environment, day, chosen, name, kind, _, _, known), n in summed(bench).items():
        place = version, environment, (day - JUNE).days, chosen.removeprefix('{"site":"').removesuffix('"}')
        if kind in ("labelled", "correct"):
            for until in range((known - JUNE).days, KNOWN):
                plus((kind, *place, until), n)
        elif name in outputs:
            assert kind in ("number", "coarse", "category")
            plus((outputs[name], *place, None), n)
        elif kind in ("rows", "missing", "number", "coarse"):
            plus(({"number": "there", "coarse": "there"}.get(kind, kind), *place, None), n)
    return {key: n for key, n in found.items() if n}


@pytest.mark.slow
@pytest.mark.many_stores
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("many", [0, 4, 1 << 40], ids=["looked up", "as it comes", "all joined"])
@settings(
    max_examples=100 if LONG else 3,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(stories())
def test_any_interleaving_says_what_one_pass_over_the_final_truth_says(tmp_path_factory, many, story):
    unlike(story)
    with pytest.MonkeyPatch.context() as patch, closing(Bench(tmp_path_factory.mktemp("truth") / "store")) as bench:
        patch.setattr(labelled, "MANY", many)
        patch.setattr(merge, "FAN_IN", 2)
        patch.setattr(cells, "BATCH_ROWS", 7)
        bench.model()
        does = {
            "compact": bench.compact,
            "follow": bench.follow,
            "merge": lambda: merge.merge(bench.folder, bench.engine),
        }
        for part, work in story:
            if part:
                bench.write("rows", part)
            for step in work:
                does[step]()
        for step in ("compact", "follow", "merge", "follow"):
            does[step]()
        events = [event for part, _ in story for event in part]
        assert counted(bench) == the_truth(events)
        repeated = pd.DataFrame([e for e in events if e["kind"] == "prediction"]).value_counts(["environment", "id"])
        told = bench.ask("SELECT count(*) AS n FROM predictions")[0]["n"]
        assert told == repeated.sum(), "every row stays in the tables"


def test_a_label_is_withdrawn_and_comes_again(bench):
    bench.model()
    bench.write("rows", [prediction(1, prediction="a", tags={"site": "office"})])
    for day, truth in ((1, "a"), (2, None), (2, None), (3, "b"), (4, "a"), (5, None)):
        bench.write("rows", [label(1, truth, time=BEGIN + day * DAY)])
        bench.compact()
        bench.follow()
        bench.follow()
    sums = {
        (key[5], key[8] - JUNE): n
        for key, n in summed(bench).items()
        if key[3] == "" and key[5] in ("labelled", "correct")
    }
    assert sums == {
        ("labelled", timedelta(1)): 1,
        ("correct", timedelta(1)): 1,
        ("labelled", timedelta(2)): -1,
        ("correct", timedelta(2)): -1,
        ("labelled", timedelta(3)): 1,
        ("correct", timedelta(4)): 1,
        ("labelled", timedelta(5)): -1,
        ("correct", timedelta(5)): -1,
    }
    assert bench.ask("SELECT count(*) AS n FROM label_history")[0]["n"] == 6
    assert bench.ask("SELECT count(*) AS n FROM rejected")[0]["n"] == 0
