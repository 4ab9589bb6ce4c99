from __future__ import annotations

import asyncio
import functools
import inspect

import numpy as np
import pytest

import watchglass as wg
from watchglass.capture.fingerprint import content_of
from watchglass.capture.origin import source_version
from watchglass.capture.runs import current_run
from watchglass.errors import BadInput


def last(logs):
    return logs.graph("run")[-1]


def test_a_call_is_a_run_and_the_function_stays_what_it_was(logs):
    @wg.component("clean", owner="ana", tags=["daily"], version="2")
    def clean(rows, *, scale=1):
        """Clean the rows.

        More.
        """
        assert current_run() is not None
        return [row * scale for row in rows]

    assert clean.__name__ == "clean"
    assert logs.graph() == [], "decorating records nothing"
    assert clean([1, 2], scale=3) == [3, 6]
    assert clean([1]) == [1]
    (component,) = logs.graph("component")
    assert {name: component[name] for name in ("name", "owner", "tags", "description")} == {
        "name": "clean",
        "owner": "ana",
        "tags": ["daily"],
        "description": "Clean the rows.",
    }
    assert logs.graph()[0]["kind"] == "component"
    assert [event["status"] for event in logs.graph("run")] == ["running", "ok", "running", "ok"]
    assert last(logs)["version"] == "2"
    assert last(logs)["code"]["function"].endswith("clean")
    assert current_run() is None


def test_the_version_is_a_fingerprint_of_the_source_without_its_decorators(logs):
    def made(owner):
        @wg.component("step", owner=owner)
        def step(x):
            return x + 1

        return step

    made("ana")(1)
    first = last(logs)["version"]
    made("bob")(1)
    assert last(logs)["version"] == first
    assert len(first) == 12
    int(first, 16)

    @wg.component("step")
    def step(x):
        return x + 2

    step(1)
    assert last(logs)["version"] != first


def test_without_source_the_bytecode_stands_in():
    def compiled(text):
        scope = {}
        exec(text, scope)
        return scope["f"]

    one, same, other = (
        compiled("def f(x): return x + 1"),
        compiled("def f(x):\n  return x + 1"),
        compiled("def f(x): return x + 2"),
    )
    assert source_version(one) == source_version(same) != source_version(other)
    assert source_version(compiled("def f():\n  def g(): return 1\n  return g")) != source_version(
        compiled("def f():\n  def g(): return 2\n  return g")
    )
    assert source_version(len) is None


def test_the_text_of_a_command_is_not_taken_for_that_of_a_function_made_in_it(python):
    script = """
from watchglass.capture.origin import source_version
one, other = {}, {}
exec("def f(x): return x + 1", one)
exec("def f(x): return x + 2", other)
print(source_version(one["f"]), source_version(other["f"]))
"""
    one, other = python(script).stdout.split()
    assert one != other


def test_inputs_and_outputs_by_name(logs, tmp_path):
    path = tmp_path / "out.csv"

    @wg.component("split", inputs=["rows", "settings", "warehouse"], outputs=["head", "tail"])
    def split(rows, n=1, settings=None):
        return rows[:n], rows[n:]

    rows = np.arange(5)
    split(rows, settings={"a": 1})
    reads, writes = last(logs)["reads"], last(logs)["writes"]
    assert [(edge["name"], edge["version"]) for edge in reads] == [
        ("rows", content_of(rows).version),
        ("settings", content_of({"a": 1}).version),
        ("warehouse", None),
    ]
    assert [(edge["name"], edge["version"]) for edge in writes] == [
        ("head", content_of(rows[:1]).version),
        ("tail", content_of(rows[1:]).version),
    ]

    @wg.component("by key", outputs=["b", "a"])
    def by_key():
        return {"a": 1, "b": 2, "c": 3}

    by_key()
    assert [(edge["name"], edge["artifact"]["preview"]) for edge in last(logs)["writes"]] == [("b", "2"), ("a", "1")]

    @wg.component("by itself", inputs=["source"], outputs=[str(path)])
    def by_itself(source):
        path.write_text("x")

    by_itself(str(path))  # not there yet: its text is the content
    (edge,) = last(logs)["writes"]
    assert (edge["artifact"]["kind"], edge["rule"]) == ("file", "content")


def test_what_is_read_is_read_before_the_function_changes_it(logs):
    @wg.component("change", inputs=["rows"], outputs=["rows"])
    def change(rows):
        rows.append(3)
        return rows

    change([1, 2])
    assert last(logs)["reads"][0]["version"] == content_of([1, 2]).version
    assert last(logs)["writes"][0]["version"] == content_of([1, 2, 3]).version


def test_recording_never_changes_what_the_call_does(logs, lost):
    @wg.component("odd", inputs=["rows"], outputs=["a", "b"])
    def odd(rows):
        return 5

    assert odd([1]) == 5
    assert lost() == {"write": 1}
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        odd()
    assert last(logs)["status"] == "error"


def test_a_raising_function_is_recorded_and_raises_the_same(logs):
    boom = ValueError("no rows")

    @wg.component("clean")
    def clean():
        raise boom

    with pytest.raises(ValueError, match="no rows") as caught:
        clean()
    assert caught.value is boom
    assert (last(logs)["status"], last(logs)["error"]) == ("error", "ValueError: no rows")


def test_a_coroutine(logs):
    @wg.component("fetch", inputs=["n"], outputs=["rows"])
    async def fetch(n):
        await asyncio.sleep(0)
        assert current_run() is not None
        if n < 0:
            raise ValueError(n)
        return [n]

    async def main():
        assert await asyncio.gather(fetch(1), fetch(2)) == [[1], [2]]
        with pytest.raises(ValueError, match="-1"):
            await fetch(-1)
        task = asyncio.create_task(fetch(3))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert inspect.iscoroutinefunction(fetch)
    asyncio.run(main())
    ends = [event for event in logs.graph("run") if "ended" in event]
    assert [event["status"] for event in ends] == ["ok", "ok", "error", "error"]
    assert ends[-1]["error"] == "CancelledError"


def test_a_generator_is_one_run_and_the_consumer_is_outside_of_it(logs):
    @wg.component("stream", outputs=["rows"])
    def stream(n):
        total = 0
        for step in range(n):
            assert current_run().component == "stream"
            try:
                total += (yield step) or 0
            except KeyError:
                total += 100
        return total

    assert inspect.isgeneratorfunction(stream)
    steps = stream(3)
    assert logs.graph() == [], "a generator begins with its first step"
    assert next(steps) == 0
    assert current_run() is None
    with wg.run("consumer") as consumer:
        assert steps.send(5) == 1
        assert current_run() is consumer
        assert steps.throw(KeyError("x")) == 2
        with pytest.raises(StopIteration) as stop:
            next(steps)
    assert stop.value.value == 105
    runs = [event for event in logs.graph("run") if event["component"] == "stream"]
    assert [event["status"] for event in runs] == ["running", "ok"]
    assert "parent" not in runs[0]
    assert runs[1]["writes"][0] | {"time": 0} == {
        "name": "rows",
        "version": None,
        "rule": "declared",
        "time": 0,
        "artifact": {"kind": "name"},
    }


def test_a_generator_closed_early_or_failing(logs):
    closed = []

    @wg.component("stream")
    def stream():
        try:
            yield 1
            yield 2
        finally:
            closed.append(current_run().component)

    steps = stream()
    next(steps)
    steps.close()
    assert closed == ["stream"]
    assert last(logs)["status"] == "ok"

    for _ in stream():
        break
    assert last(logs)["status"] == "ok"

    steps = stream()
    next(steps)
    with pytest.raises(ZeroDivisionError):
        steps.throw(ZeroDivisionError("thrown in"))
    assert last(logs)["error"] == "ZeroDivisionError: thrown in"


def test_an_async_generator(logs):
    seen = []

    @wg.component("stream")
    async def stream(n):
        for step in range(n):
            await asyncio.sleep(0)
            seen.append(current_run().component)
            try:
                seen.append((yield step))
            except KeyError:
                seen.append("caught")
        if n > 5:
            raise ValueError(n)

    async def main():
        assert [step async for step in stream(2)] == [0, 1]
        assert current_run() is None
        steps = stream(3)
        assert await anext(steps) == 0
        assert await steps.asend("sent") == 1
        assert await steps.athrow(KeyError()) == 2
        await steps.aclose()
        with pytest.raises(ValueError, match="6"):
            async for _ in stream(6):
                pass

    assert inspect.isasyncgenfunction(stream)
    asyncio.run(main())
    assert "sent" in seen
    assert "caught" in seen
    assert [event["status"] for event in logs.graph("run") if "ended" in event] == ["ok", "ok", "error"]


def test_methods_and_other_callables(logs):
    class Step:
        @wg.component("method", inputs=["x"])
        def go(self, x):
            return x

        @staticmethod
        @wg.component("static")
        def static(x):
            return x

        @classmethod
        @wg.component("class")
        def klass(cls, x):
            return cls, x

    assert Step().go(1) == Step.static(1) == 1
    assert Step.klass(1) == (Step, 1)
    assert wg.component("partial")(functools.partial(max, 3))(5) == 5
    assert {event["component"] for event in logs.graph("run")} == {"method", "static", "class", "partial"}


def test_wrong_use_is_told_when_decorating():
    with pytest.raises(BadInput, match="name of a component"):
        wg.component(lambda: 1)
    with pytest.raises(BadInput, match="a list would do"):
        wg.component("a", inputs="rows")
    with pytest.raises(BadInput, match="under @classmethod"):
        wg.component("a")(classmethod(len))


def test_arguments_are_parameters_where_that_is_said(logs):
    @wg.component("some", params=["limit", "mode"])
    def some(rows, limit=3, *, mode="fast", token="secret"):
        return None

    @wg.component("all", params=True, inputs=["name"])
    def every(rows, name, limit=3, *, mode=None):
        return None

    @wg.component("none")
    def none(limit):
        return None

    some([1], 5)
    assert last(logs)["params"] == {"limit": 5, "mode": "fast"}
    every([1], "ink", limit=2.5)
    assert last(logs)["params"] == {"limit": 2.5, "mode": None}, (
        "what is read is no parameter, nor is what is not plain"
    )
    none(1)
    assert last(logs)["params"] == {}
    with pytest.raises(BadInput, match="component 'x' has no argument 'limt' for params. It has: limit"):
        wg.component("x", params=["limt"])(lambda limit: None)
    with pytest.raises(BadInput, match="params of a component cannot be 'limit' alone"):
        wg.component("x", params="limit")(lambda limit: None)
