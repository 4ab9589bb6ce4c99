"""Labels whose prediction never came are counted, found, and go by the retention of labels, counted as such."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from tests.store.bench import BEGIN, label, prediction
from tests.store.labels.test_late import HOUR, let_go, ours, take, told
from watchglass.cli.labelling import labels
from watchglass.errors import BadInput, UnknownName
from watchglass.reading import Store
from watchglass.store.life.retention import expire
from watchglass.store.tuning import replace_settings


def at(hours):
    return datetime.fromtimestamp((BEGIN + hours * HOUR) / 1e6, UTC)


@pytest.fixture
def asked(bench):
    bench.model()
    with Store(bench.folder.root) as store:
        yield lambda **options: store.waiting_labels("digits", **options)


def test_those_without_a_prediction_wait_whether_in_a_file_or_in_the_log(bench, asked):
    take(bench, prediction(1, id="there"), prediction(2, id="elsewhere", environment="shadow"))
    take(bench, told("there", 1), told("never", 3), told("elsewhere", 2), told("never", 5, environment="shadow"))
    bench.write("rows", [told("logged", 1), told("never", 4)])
    found = asked()
    assert (found.waiting, found.oldest, found.unclear, found.expired) == (3, at(1), 0, 0)
    assert [(one.id, one.time) for one in found.labels] == [("logged", at(1)), ("elsewhere", at(2)), ("never", at(4))]
    assert [one.id for one in asked(environment="shadow").labels] == ["never"]
    take(bench, prediction(3, id="never"))
    assert asked().waiting == 2


def test_a_label_that_was_taken_back_waits_for_nothing(bench, asked):
    take(bench, told("a", 1), label(0, None, id="a", time=BEGIN + 2 * HOUR))
    assert (asked().waiting, asked().labels) == (0, ())


def test_once_predictions_went_only_an_id_that_tells_its_time_surely_waits(bench, asked):
    let_go(bench, 10)
    take(bench, told(ours(9), 50), told(ours(11), 50), told("before", 9), told("after", 11))
    found = asked()
    assert (found.waiting, found.unclear, found.oldest) == (1, 1, at(50))
    assert [(one.id, one.unclear) for one in found.labels] == [("after", True), (ours(11), False)]


def test_pages_are_a_whole_also_where_times_are_equal(bench, asked):
    take(bench, *(told(f"id {number % 7} {number}", number // 5) for number in range(23)))
    seen, page = [], asked(limit=4)
    seen += page.labels
    while page.next is not None:
        page = asked(limit=4, after=page.next)
        seen += page.labels
    assert len(seen) == 23
    assert seen == sorted(seen, key=lambda one: (one.time, one.id))
    with pytest.raises(BadInput, match="`next` of the page before"):
        asked(after="yesterday")


def test_a_model_that_is_not_there_is_said(bench):
    with Store(bench.folder.root) as store, pytest.raises(UnknownName):
        store.waiting_labels("nobody")


@pytest.mark.parametrize("whole", [True, False])
def test_they_go_by_the_retention_of_labels_and_are_counted_once(bench, asked, whole):
    replace_settings(bench.folder, {"retention": {"predictions": {"days": 5}, "labels": {"days": 5}}})
    take(bench, prediction(1, id="there", time=BEGIN + 8 * 24 * HOUR))
    late_one = () if whole else (told("young", 8 * 24),)
    take(bench, told("a", 1), told("b", 2), told("c", 3, environment="shadow"), *late_one)
    take(bench, told("there", 1))
    bench.follow()
    assert asked().waiting == 2 + len(late_one)
    for _ in range(2):
        expire(bench.folder, bench.engine, at(0) + timedelta(days=10))
        found = asked()
        assert (found.waiting, found.expired) == (len(late_one), 2)
        assert asked(environment="shadow").expired == 1
    assert bench.ask("SELECT id FROM labels WHERE id = 'there'") == [{"id": "there"}], "its prediction is left"


def test_of_what_goes_only_what_surely_waited_is_counted(bench, asked):
    replace_settings(bench.folder, {"retention": {"predictions": {"days": 5}, "labels": {"days": 5}}})
    take(bench, prediction(1, id="tx-1", time=BEGIN))
    take(bench, told("tx-1", 1), told("tx-2", 2), told(ours(30), 31))
    bench.follow()
    expire(bench.folder, bench.engine, at(0) + timedelta(days=10))
    assert (asked().waiting, asked().expired) == (0, 1), "the prediction of tx-2 may have been let go"


def test_the_command_says_how_many_since_when_and_which(bench, asked):
    assert asked().waiting == 0
    take(bench, told("tx-1", 1), told("tx-2", 2))
    done = CliRunner().invoke(labels, ["digits", "--waiting", "--limit", "1", "--store", str(bench.folder.root)])
    assert done.exit_code == 0, done.output
    assert "2 labels wait for their prediction, the oldest since" in done.output
    assert "tx-1" in done.output
    assert "tx-2" not in done.output
    assert "more: --after" in done.output
