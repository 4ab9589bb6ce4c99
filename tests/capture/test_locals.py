from __future__ import annotations

import asyncio
import cProfile
import functools
import sys
import threading

import pytest

import watchglass as wg
from watchglass.capture import drops
from watchglass.capture.fingerprint import content_of
from watchglass.errors import BadInput


def edges(logs, kind):
    return [(edge["name"], edge["artifact"].get("preview")) for edge in logs.graph("run")[-1][kind]]


def test_group_17_local_variables_are_captured_with_and_without_a_return(logs):
    @wg.component("with", input_vars=["rows", "extra"], output_vars={"total": "sum of rows"})
    def with_return(rows):
        extra = [9]
        rows = [*rows, *extra]
        total = sum(rows)
        return -total

    assert with_return([1, 2]) == -12
    assert edges(logs, "reads") == [("rows", "[1,2]"), ("extra", "[9]")], "a parameter is read as it came in"
    assert edges(logs, "writes") == [("sum of rows", "12")]

    @wg.component("without", output_vars=["total"])
    def without():
        total = 3  # noqa: F841

    assert without() is None
    assert edges(logs, "writes") == [("total", "3")]


def test_group_17_an_unknown_variable_is_an_error_where_it_is_named(logs):
    for option in ("input_vars", "output_vars"):
        with pytest.raises(
            BadInput, match=f"component 'step' has no local variable 'modle' for {option}. It has: model"
        ):

            @wg.component("step", **{option: ["modle"]})
            def step():
                model = 1  # noqa: F841

    with pytest.raises(BadInput, match="a list would do"):
        wg.component("step", output_vars="model")(test_group_17_an_unknown_variable_is_an_error_where_it_is_named)
    with pytest.raises(BadInput, match="no function of Python"):
        wg.component("step", output_vars=["x"])(len)
    with pytest.raises(ValueError, match="has no local variable"):  # as mltrace raises
        wg.component("step", output_vars=["x"])(lambda: None)
    assert logs.graph() == []


def test_a_variable_without_a_value_at_return_is_named_and_hinders_nothing(logs, caplog):
    drops._warned.clear()

    @wg.component("step", output_vars=["found"])
    def step(flag):
        if flag:
            found = 1  # noqa: F841
        return flag

    assert step(False) is False
    assert logs.graph("run")[-1]["left_out"] == ["local variable 'found': it had no value when the function returned"]
    assert "'found' of component 'step' is not recorded" in caplog.text
    assert step(True) is True
    assert edges(logs, "writes") == [("found", "1")]
    assert "left_out" not in logs.graph("run")[-1]


def test_recursion_has_the_variables_of_each_call(logs):
    @wg.component("down", output_vars=["mine"])
    def down(n):
        mine = n * 10  # noqa: F841
        return 0 if n == 0 else 1 + down(n - 1)

    assert down(3) == 3
    ended = [event for event in logs.graph("run") if event["status"] == "ok"]
    assert [event["writes"][0]["artifact"]["preview"] for event in ended] == ["0", "10", "20", "30"]
    assert sys.getprofile() is None


def test_nested_components_and_threads_do_not_mix(logs):
    @wg.component("inner", output_vars=["value"])
    def inner(n):
        value = n  # noqa: F841

    @wg.component("outer", output_vars=["value"])
    def outer(n):
        inner(n + 100)
        value = n  # noqa: F841
        inner(n + 200)

    threads = [threading.Thread(target=outer, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended = [event for event in logs.graph("run") if event["status"] == "ok"]
    seen = {"inner": [], "outer": []}
    for event in ended:
        seen[event["component"]].append(int(event["writes"][0]["artifact"]["preview"]))
    assert sorted(seen["outer"]) == list(range(8))
    assert sorted(seen["inner"]) == sorted([n + 100 for n in range(8)] + [n + 200 for n in range(8)])


def test_generators_coroutines_and_asynchronous_generators_too(logs):
    @wg.component("gen", output_vars=["seen"])
    def gen():
        seen = 0
        for n in (1, 2):
            seen += n
            yield n

    assert list(gen()) == [1, 2]
    assert edges(logs, "writes") == [("seen", "3")]

    @wg.component("co", output_vars=["seen"])
    async def co(n):
        await asyncio.sleep(0)
        seen = n  # noqa: F841

    async def both():
        await asyncio.gather(co(1), co(2))

    asyncio.run(both())
    ended = [event for event in logs.graph("run") if event["component"] == "co" and event["status"] == "ok"]
    assert sorted(event["writes"][0]["artifact"]["preview"] for event in ended) == ["1", "2"]

    @wg.component("agen", output_vars=["seen"])
    async def agen():
        seen = 5  # noqa: F841
        yield 1

    async def through():
        return [item async for item in agen()]

    assert asyncio.run(through()) == [1]
    assert edges(logs, "writes") == [("seen", "5")]


def test_a_function_under_other_decorators_is_the_one_whose_variables_are_read(logs):
    def twice(function):
        @functools.wraps(function)
        def call(*arguments):
            function(*arguments)
            return function(*arguments)

        return call

    @wg.component("step", output_vars=["value"])
    @twice
    def step(n):
        value = n + 1
        return value  # noqa: RET504

    assert step(1) == 2
    assert edges(logs, "writes") == [("value", "2")]

    @wg.component("cached", output_vars=["value"])
    @functools.lru_cache
    def cached(n):
        value = n + 1
        return value  # noqa: RET504

    assert (cached(1), cached(1)) == (2, 2)
    assert logs.graph("run")[-1]["left_out"] == ["local variable 'value': the function was not called"]
    assert sys.getprofile() is None


def test_an_error_passes_through_and_leaves_no_profile_function_behind(logs):
    @wg.component("step", output_vars=["value"])
    def step():
        value = 1 / 0  # noqa: F841

    with pytest.raises(ZeroDivisionError):
        step()
    assert sys.getprofile() is None
    assert logs.graph("run")[-1]["status"] == "error"
    assert logs.graph("run")[-1]["writes"] == []


def test_a_profiler_at_work_is_left_alone(logs):
    @wg.component("step", output_vars=["value"])
    def step():
        value = 1
        return value  # noqa: RET504

    profiler = cProfile.Profile()
    coverage = sys.gettrace()
    sys.settrace(None)
    try:
        assert profiler.runcall(step) == 1
    finally:
        sys.settrace(coverage)
    assert edges(logs, "writes") == [("value", "1")]
    assert any(entry.code is step.__wrapped__.__code__ for entry in profiler.getstats())

    sys.settrace(lambda *_: None)
    try:
        assert profiler.runcall(step) == 1
    finally:
        sys.settrace(coverage)
    assert logs.graph("run")[-1]["left_out"] == ["local variable 'value': a profiler and a tracer are at work"]

    heard = []

    def own(frame, event, argument):
        heard.append((event, frame.f_code.co_name))

    sys.setprofile(own)
    try:
        step()
    finally:
        sys.setprofile(None)
    assert ("call", "step") in heard
    assert ("return", "step") in heard
    assert edges(logs, "writes") == [("value", "1")]


if sys.version_info >= (3, 12):  # there sys.monitoring has room for both
    del test_a_profiler_at_work_is_left_alone


def test_a_trace_function_as_debuggers_and_coverage_have_sees_every_line_of_the_body(logs):
    lines = []

    def trace(frame, event, argument):
        if frame.f_code.co_name == "step":
            lines.append((event, frame.f_lineno - frame.f_code.co_firstlineno))
        return trace

    @wg.component("step", output_vars=["value"])
    def step():
        value = 1
        return value  # noqa: RET504

    coverage = sys.gettrace()
    sys.settrace(trace)
    try:
        assert step() == 1
    finally:
        sys.settrace(coverage)
    assert [line for event, line in lines if event == "line"] == [2, 3]
    assert edges(logs, "writes") == [("value", "1")]


def test_the_body_runs_without_a_hook_on_it(logs):
    hooks = []

    @wg.component("step", output_vars=["value"])
    def step():
        hooks.append((sys.getprofile(), sys.gettrace()))
        value = 1  # noqa: F841

    before = sys.gettrace()
    step()
    assert hooks == [(None, before)]


def test_a_frame_is_a_variable_like_any(logs):
    import pandas as pd

    @wg.component("clean", inputs=["rows"], output_vars={"rows": "clean rows"})
    def clean(rows):
        rows = rows[rows.x > 1]
        return len(rows)

    rows = pd.DataFrame({"x": [1, 2, 3]})
    assert clean(rows) == 2
    event = logs.graph("run")[-1]
    assert event["reads"][0]["version"] == content_of(rows).version
    assert event["writes"][0]["version"] == content_of(rows[rows.x > 1]).version
