from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest

import watchglass as wg
from watchglass.capture import drops
from watchglass.capture.runs import current_run
from watchglass.errors import BadInput, Blocked


@pytest.fixture(autouse=True)
def _never_warned():
    drops._warned.clear()


def last(logs):
    return logs.graph("run")[-1]


def results(event):
    return [(one["name"], one["when"], one["level"], one["ok"]) for one in event["tests"]]


class Rows:
    """Tests in mltrace's way."""

    def testNotEmpty(self, rows):  # noqa: N802 - as mltrace's are written
        assert len(rows) > 0, "no rows"

    def test_sorted(self, rows):
        assert list(rows.x) == sorted(rows.x)

    def helper(self, rows):
        raise AssertionError


def test_group_20_only_methods_named_test_run_and_see_arguments_before_and_variables_after(logs):
    seen = []

    class Grown:
        def test_grown(self, rows, extra):
            seen.append((len(rows), extra))
            assert len(rows) == 3

    @wg.component("grow", before=[Rows], after=[Grown()])
    def grow(rows):
        extra = 1
        rows = pd.concat([rows, rows.tail(extra)])
        return len(rows)

    assert grow(pd.DataFrame({"x": [1, 2]})) == 3
    assert seen == [(3, 1)], "a frame that was replaced inside the function is seen as it is at the end"
    assert results(last(logs)) == [
        ("Rows.testNotEmpty", "before", "warn", True),
        ("Rows.test_sorted", "before", "warn", True),
        ("Grown.test_grown", "after", "warn", True),
    ]


def test_a_method_of_a_class_of_tests_may_say_its_level(logs):
    class Gate:
        least = 2

        @wg.check(level="block")
        def test_enough(self, rows):
            assert len(rows) >= self.least

        def test_more(self, rows):
            assert len(rows) > self.least

    @wg.component("load", before=[Gate])
    def load(rows):
        return len(rows)

    assert load([1, 2]) == 2
    assert results(last(logs)) == [
        ("Gate.test_enough", "before", "block", True),
        ("Gate.test_more", "before", "warn", False),
    ]
    with pytest.raises(Blocked):
        load([1])


def test_group_20_a_missing_argument_is_an_error_where_the_test_is_named(logs):
    def needs(rowz):
        raise AssertionError

    message = "test 'needs' {} component 'step' asks for 'rowz', which has no value then. There are: {}"
    with pytest.raises(BadInput, match=message.format("before", "rows")):
        wg.component("step", before=[needs])(lambda rows: rows)
    with pytest.raises(BadInput, match=message.format("after", "result, rows")):
        wg.component("step", after=[needs])(lambda rows: rows)


def test_two_classes_with_tests_of_one_name_keep_both_results(logs):
    class A:
        def test_it(self, result):
            assert result

    class B:
        def test_it(self, result):
            assert not result

    @wg.component("step", after=[A, B])
    def step():
        return 1

    step()
    assert results(last(logs)) == [("A.test_it", "after", "warn", True), ("B.test_it", "after", "warn", False)]


def test_a_failure_that_warns_changes_nothing(logs, caplog):
    def positive(result):
        return result > 0

    @wg.check(name="whole")
    def is_whole(result):
        assert isinstance(result, int), "no whole number"

    @wg.component("step", after=[positive, is_whole, wg.check(lambda result: 1 / result, name="odd")])
    def step(value):
        return value

    with caplog.at_level(logging.WARNING, "watchglass"):
        assert step(0.0) == 0.0
    assert last(logs)["status"] == "ok"
    found = {one["name"]: one for one in last(logs)["tests"]}
    assert found["positive"]["message"] == "it returned False"
    assert found["whole"]["message"].startswith("no whole number")
    assert found["odd"]["message"].startswith("ZeroDivisionError")
    assert "test 'whole' after a component failed: no whole number" in caplog.text
    step(2)
    assert all(one["ok"] for one in last(logs)["tests"])


def test_numpy_answers_count_and_other_answers_do_not(logs):
    @wg.component(
        "step",
        after=[
            wg.check(lambda result: np.bool_(False), name="numpy"),
            wg.check(lambda result: 0, name="zero"),
            wg.check(lambda result: pd.DataFrame(), name="frame"),
            wg.check(lambda result: None, name="none"),
        ],
    )
    def step():
        return 1

    step()
    assert [one["ok"] for one in last(logs)["tests"]] == [False, True, True, True]


def test_a_blocking_test_before_keeps_the_function_from_running(logs):
    called = []

    @wg.check(level="block")
    def not_empty(rows):
        assert rows, "no rows"

    @wg.component("load", before=[not_empty], outputs=["out"])
    def load(rows):
        called.append(rows)
        return rows

    with pytest.raises(Blocked, match="before component 'load' failed: no rows"):
        load([])
    assert called == []
    event = last(logs)
    assert (event["status"], event["writes"]) == ("error", [])
    assert event["error"].startswith("Blocked: test ")
    assert event["tests"][0]["level"] == "block"
    assert load([1]) == [1]
    assert current_run() is None
    assert isinstance(Blocked("x"), RuntimeError)


def test_a_blocking_test_after_withholds_the_result_and_marks_what_was_written(logs):
    @wg.component("score", outputs=["scores"], after=[wg.check(lambda result: min(result) >= 0, "block", "sign")])
    def score(values):
        return values

    assert score([1, 2]) == [1, 2]
    with pytest.raises(Blocked, match="test 'sign' after component 'score' failed: it returned False"):
        score([1, -2])
    event = last(logs)
    assert event["status"] == "error"
    (write,) = event["writes"]
    assert write["artifact"]["quarantined"] > 0


def test_what_is_in_quarantine_is_handed_on_and_its_readers_are_warned_in_any_process(logs, python, caplog):
    @wg.component("clean", outputs=["rows"], after=[wg.check(lambda result: len(result) > 2, "quarantine", "enough")])
    def clean(rows):
        return rows

    assert clean([1, 2]) == [1, 2]
    bad = last(logs)
    assert (bad["status"], bad["writes"][0]["artifact"]["quarantined"] > 0) == ("ok", True)
    clean([1, 2, 3])
    assert "quarantined" not in last(logs)["writes"][0]["artifact"]

    with caplog.at_level(logging.WARNING, "watchglass"), wg.run("train") as run:
        run.read([1, 2, 3], "rows")
        assert "quarantine" not in caplog.text.replace("enough", "")
        run.read([1, 2], "rows")
    assert "run 'train' reads what it should not: artifact 'rows' is in quarantine" in caplog.text
    (told,) = last(logs)["tests"]
    assert (told["name"], told["ok"], told["when"]) == ("quarantine of rows", False, "before")

    script = "import watchglass as wg\nwith wg.run('other') as run:\n    run.read([1, 2], 'rows')"
    assert "is in quarantine" in python(script).stderr
    assert last(logs)["component"] == "other"
    assert last(logs)["tests"][0]["name"] == "quarantine of rows"


def test_an_input_that_fails_puts_the_outputs_in_quarantine(logs):
    @wg.component("step", before=[wg.check(lambda n: n > 0, "quarantine", "sign")], output_vars=["made"])
    def step(n):
        made = n
        return made  # noqa: RET504

    step(-1)
    assert last(logs)["writes"][0]["artifact"]["quarantined"] > 0


def test_generators_and_coroutines_are_tested_at_their_end(logs):
    import asyncio

    @wg.component("gen", after=[wg.check(lambda total: total < 3, "block", "small")])
    def gen(n):
        total = 0
        while total < n:
            total += 1
            yield total

    assert list(gen(2)) == [1, 2]
    with pytest.raises(Blocked):
        list(gen(3))
    assert last(logs)["status"] == "error"

    @wg.component("co", before=[wg.check(lambda n: n != 0, "block", "given")])
    async def co(n):
        return n

    assert asyncio.run(co(1)) == 1
    with pytest.raises(Blocked):
        asyncio.run(co(0))


def test_a_call_that_python_refuses_is_refused_by_python(logs):
    @wg.component("step", before=[wg.check(lambda n: n != 0, "block", "given")])
    def step(n):
        return n

    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        step()


def test_tests_hold_though_nothing_is_recorded(logs, monkeypatch, tmp_path):
    monkeypatch.setenv("WATCHGLASS_DISABLED", "1")
    wg.init(tmp_path / "none")

    @wg.component(
        "step",
        before=[wg.check(lambda n: n != 0, "block", "given")],
        after=[wg.check(lambda result: result < 5, "block")],
    )
    def step(n):
        return n

    assert step(1) == 1
    for wrong in (0, 7):
        with pytest.raises(Blocked):
            step(wrong)
    assert not (tmp_path / "none").exists()


def test_wrong_use_is_told(logs):
    with pytest.raises(BadInput, match="level of a test cannot be 'stop': warn, block, quarantine would do"):
        wg.check(len, "stop")
    with pytest.raises(BadInput, match="a test cannot be 'rows'"):
        wg.component("step", before=["rows"])(lambda rows: rows)
    with pytest.raises(BadInput, match="before of component 'step' cannot be"):
        wg.component("step", before=len)(lambda rows: rows)

    async def later(rows):
        raise AssertionError

    with pytest.raises(BadInput, match="not async"):
        wg.check(later)
    with pytest.raises(BadInput, match="a function of Python would do"):
        wg.check(max)
    assert wg.check(wg.check(len, "block"), "warn").level == "warn"
    assert wg.check(lambda x: x + 1)(1) == 2
