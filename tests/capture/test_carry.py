from __future__ import annotations

import asyncio
import json
import multiprocessing
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

import watchglass as wg
from watchglass.capture.runs import current_run


def by_component(logs):
    return {event["component"]: event for event in logs.graph("run")}


def step(name):
    with wg.run(name):
        wg.log_prediction("m", prediction=name)
    wg.flush()
    return name


def test_a_thread_works_inside_the_run_that_carried_it_there(logs):
    seen = []
    with wg.run("outer") as outer, ThreadPoolExecutor(2) as pool:
        assert list(pool.map(wg.carry(step), ["a", "b"])) == ["a", "b"]
        thread = threading.Thread(target=wg.carry(lambda: seen.append(current_run())))
        thread.start()
        thread.join()
        assert pool.submit(current_run).result() is None, "a pool's thread is left as it was"
    assert seen == [outer]
    found = by_component(logs)
    assert {found[name]["parent"] for name in "ab"} == {outer.id}
    assert {found[name]["trace"] for name in "ab"} == {outer.trace}


def test_outside_of_a_run_nothing_is_carried(logs):
    assert wg.carry(step)("alone") == "alone"
    assert "parent" not in by_component(logs)["alone"]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_process_of_a_pool_works_for_the_run_that_carried_it_there(logs, monkeypatch, method):
    monkeypatch.setenv("WATCHGLASS_STORE", str(logs.root))
    context = multiprocessing.get_context(method)
    with wg.run("outer") as outer, ProcessPoolExecutor(1, mp_context=context) as pool:
        assert pool.submit(wg.carry(step), "child").result(timeout=120) == "child"
    found = by_component(logs)["child"]
    assert (found["parent"], found["trace"]) == (outer.id, outer.trace)
    assert found["pid"] != by_component(logs)["outer"]["pid"]
    (row,) = logs.rows("prediction")
    assert row["run"] == found["id"]


def test_what_a_carried_process_predicts_outside_of_runs_of_its_own_belongs_to_the_run(logs, monkeypatch):
    monkeypatch.setenv("WATCHGLASS_STORE", str(logs.root))
    with wg.run("outer") as outer:
        process = multiprocessing.get_context("spawn").Process(target=wg.carry(_predict))
        process.start()
        process.join(120)
    assert process.exitcode == 0
    (row,) = logs.rows("prediction")
    assert (row["run"], row["trace"]) == (outer.id, outer.trace)


def _predict():
    wg.log_prediction("m", prediction=1)


def test_a_command_started_with_the_environment_of_a_run_is_a_part_of_it(logs, tmp_path):
    script = f"""
import watchglass as wg
wg.init({str(logs.root)!r})
with wg.run("child") as run:
    print(run.id)
wg.log_run("past", started=1, ended=2)
"""
    with wg.run("outer") as outer:
        environment = wg.trace_environment()
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=120
        )
    assert environment["TRACEPARENT"] == outer.traceparent
    found = by_component(logs)
    assert found["child"]["id"] == done.stdout.strip()
    assert found["child"]["parent"] == found["past"]["parent"] == outer.id
    assert found["child"]["trace"] == found["past"]["trace"] == outer.trace
    assert found["child"]["links"]["traceparent"] == outer.traceparent
    assert "TRACEPARENT" not in wg.trace_environment()


def test_a_process_hands_on_the_trace_that_it_was_started_in(python):
    trace = f"00-{'a' * 32}-{'b' * 16}-00"
    script = "import json, watchglass as wg; print(json.dumps([wg.traceparent(), wg.trace_headers()]))"
    first, headers = json.loads(python(script, TRACEPARENT=trace, TRACESTATE="watchglass=run-1,x=1").stdout)
    assert first == trace
    assert headers["tracestate"] == "watchglass=run-1,x=1"


def test_tasks_and_their_threads_need_nothing(logs):
    async def work():
        async with wg.run("outer") as outer:
            await asyncio.gather(asyncio.to_thread(step, "a"), asyncio.create_task(_async_step("b")))
            return outer

    outer = asyncio.run(work())
    assert {by_component(logs)[name]["parent"] for name in "ab"} == {outer.id}


def test_a_coroutine_function_is_carried_into_the_loop_of_another_thread(logs):
    with wg.run("outer") as outer, ThreadPoolExecutor(1) as pool:
        carried = wg.carry(_async_step)
        pool.submit(lambda: asyncio.run(carried("far"))).result(timeout=60)
    assert by_component(logs)["far"]["parent"] == outer.id


async def _async_step(name):
    async with wg.run(name):
        await asyncio.sleep(0)
