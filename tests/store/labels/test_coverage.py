"""How many predictions have labels, by day, as known at any day, and how late they came, counted as one pass over the rows does."""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime, timedelta

import pytest
from click.testing import CliRunner

from tests.store.bench import BEGIN, DAY, label, prediction
from tests.web.served import serving
from watchglass.cli.main import commands
from watchglass.errors import BadInput, UnknownName
from watchglass.reading import Store
from watchglass.store import catalog as c
from watchglass.store.transactions import writing
from watchglass.store.upkeep import keep

FIRST = date(2026, 6, 1)


def day(number):
    return FIRST + timedelta(days=number)


@pytest.fixture
def store(bench):
    with Store(bench.folder.root) as opened:
        yield opened


def take(bench, *events):
    bench.write("rows", events)
    bench.compact()


@pytest.fixture
def told(bench):
    """Four predictions of the first day, two of the second, one of the third; labels up to five days later."""
    bench.model()
    take(bench, *(prediction(n, time=BEGIN + d * DAY) for n, d in enumerate((0, 0, 0, 0, 1, 1, 2))))
    take(
        bench,
        label(0, 0, time=BEGIN),
        label(1, 1, time=BEGIN + 2 * DAY),
        label(2, 2, time=BEGIN + 5 * DAY),
        label(4, 1, time=BEGIN + 2 * DAY),
        label(99, 1, time=BEGIN + 2 * DAY),
    )
    keep(bench.folder, bench.engine)


def figures(found):
    return [(one.day, one.predictions, one.labelled, one.lag_p50, one.lag_p90) for one in found.days]


@pytest.mark.usefixtures("told")
def test_by_day_the_newest_first_and_in_all(store):
    found = store.label_coverage("digits")
    assert figures(found) == [(day(2), 1, 0, None, None), (day(1), 2, 1, 1, 1), (day(0), 4, 3, 2, 5)]
    assert [one.share for one in found.days] == [0, 0.5, 0.75]
    assert (found.predictions, found.labelled, found.share, found.next) == (7, 4, 4 / 7, None)
    assert (found.lag_p50, found.lag_p90, found.lag_p99, found.at) == (1, 5, 5, None)


@pytest.mark.usefixtures("told")
def test_as_known_at_the_end_of_a_day_however_it_is_named(store):
    found = store.label_coverage("digits", at=datetime(2026, 6, 3, 23, tzinfo=UTC))
    assert figures(found) == [(day(2), 1, 0, None, None), (day(1), 2, 1, 1, 1), (day(0), 4, 2, 0, 2)]
    assert found == store.label_coverage("digits", at="2026-06-03") == store.label_coverage("digits", at=day(2))
    assert figures(store.label_coverage("digits", at=day(0))) == [(day(0), 4, 1, 0, 0)]
    assert store.label_coverage("digits", at="2026-05-01").days == ()


@pytest.mark.usefixtures("told")
def test_a_retraction_is_one_less_from_its_day_on(bench, store):
    take(bench, label(1, None, time=BEGIN + 3 * DAY), label(2, 3, time=BEGIN + 6 * DAY))
    keep(bench.folder, bench.engine)
    assert figures(store.label_coverage("digits", at=day(2)))[2] == (day(0), 4, 2, 0, 2)
    assert figures(store.label_coverage("digits", at=day(4)))[2] == (day(0), 4, 1, 0, 0)
    assert store.label_coverage("digits").days[2].labelled == 2


@pytest.mark.usefixtures("told")
def test_pages_follow_one_another(store):
    first = store.label_coverage("digits", limit=2)
    assert ([one.day for one in first.days], first.next, first.predictions) == ([day(2), day(1)], day(1), 7)
    second = store.label_coverage("digits", limit=2, before=first.next)
    assert ([one.day for one in second.days], second.next, second.predictions) == ([day(0)], None, 7)


def test_rows_that_stand_for_several_count_as_several(bench, store):
    bench.model()
    take(bench, prediction(1, weight=5), prediction(2, weight=2), label(1, 1))
    keep(bench.folder, bench.engine)
    (one,) = store.label_coverage("digits").days
    assert (one.predictions, one.labelled, one.share) == (7, 5, 5 / 7)


@pytest.mark.usefixtures("told")
def test_an_environment_is_counted_apart_and_what_came_too_late_is_told(bench, store):
    with writing(bench.engine) as transaction:
        transaction.execute(c.late_labels.insert(), [{"model": "digits", "environment": "shadow", "rows": 3}])
    found = store.label_coverage("digits", "shadow")
    assert (found.days, found.share, found.too_late) == ((), None, 3)
    assert store.label_coverage("digits").too_late == 0
    assert store.status().too_late == 3


@pytest.mark.usefixtures("told")
def test_what_is_not_there_or_cannot_be_read_is_said(store):
    with pytest.raises(UnknownName, match="digts"):
        store.label_coverage("digts")
    with pytest.raises(BadInput, match="at cannot be 'soon'"):
        store.label_coverage("digits", at="soon")
    with pytest.raises(BadInput, match="limit cannot be 0"):
        store.label_coverage("digits", limit=0)


def test_it_is_what_one_pass_over_the_rows_counts(bench, store):
    bench.model()
    chance = random.Random(3)
    served = [prediction(n, time=BEGIN + chance.randrange(6 * DAY)) for n in range(60)]
    labels = {}
    for n in chance.sample(range(60), 40):
        told = label(n, 1, time=served[n]["time"] + chance.randrange(5 * DAY))
        labels[told["id"]] = told
    events = [*served, *labels.values()]
    chance.shuffle(events)
    for first in range(0, len(events), 25):
        take(bench, *events[first : first + 25])
        keep(bench.folder, bench.engine)
    for at in range(11):
        rows = [row for row in served if row["time"] // DAY * DAY <= BEGIN + at * DAY]
        lags = {}
        for row in rows:
            known = labels.get(row["id"])
            if known and known["time"] < BEGIN + (at + 1) * DAY:
                lags.setdefault(row["time"] // DAY, []).append(known["time"] // DAY - row["time"] // DAY)
        wanted = []
        for number in sorted({row["time"] // DAY for row in rows}, reverse=True):
            late = sorted(lags.get(number, ()))
            p50 = late[-(-len(late) // 2) - 1] if late else None
            count = sum(row["time"] // DAY == number for row in rows)
            wanted.append((day(number - BEGIN // DAY), count, len(late), p50))
        assert [one[:4] for one in figures(store.label_coverage("digits", at=day(at)))] == wanted


@pytest.mark.usefixtures("told")
def test_the_command_and_the_server_say_the_same(bench):
    words = ["labels", "digits", "--at", "2026-06-04", "--store", str(bench.folder.root)]
    said = CliRunner().invoke(commands, [*words, "--json"])
    assert said.exit_code == 0, said.output
    with serving(bench.folder.root) as server:
        address = "/api/v1/models/digits/labels"
        answer = server.get(f"{address}?at=2026-06-04").json()
        assert answer == json.loads(said.output)
        first = {"day": "2026-06-01", "predictions": 4, "labelled": 2, "share": 0.5}
        assert answer["days"][2] == {**first, "lag_p50": 0, "lag_p90": 2, "lag_p99": 2}
        assert server.get(f"{address}?limit=1").json()["next"] == "2026-06-03"
        assert server.get("/api/v1/models/digts/labels").status_code == 404
        assert server.get(f"{address}?at=soon").status_code == 400
    drawn = CliRunner().invoke(commands, [*words, "--limit", "1"], env={"COLUMNS": "120"})
    assert "older days: --before 2026-06-03" in drawn.output
    assert "0.429" in drawn.output
