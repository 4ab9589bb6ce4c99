from __future__ import annotations

import logging

import pytest

import watchglass as wg
from watchglass.capture import drops
from watchglass.capture.traceparent import parsed, span_of
from watchglass.errors import BadInput

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
COMES_IN = f"00-{TRACE}-{SPAN}-01"


def test_a_run_tells_its_trace_context_in_the_form_of_the_standard(logs):
    with wg.run("outer") as outer, wg.run("inner") as inner:
        assert outer.traceparent == f"00-{outer.trace}-{outer.id.replace('-', '')[-16:]}-01"
        assert inner.traceparent.split("-")[1] == outer.trace
        assert wg.traceparent() == inner.traceparent
        assert wg.trace_headers()["tracestate"] == f"watchglass={inner.id}"
    assert wg.traceparent() is None
    assert wg.trace_headers() == {}
    assert [len(part) for part in inner.traceparent.split("-")] == [2, 32, 16, 2]


def test_a_run_continues_the_trace_of_who_called_it(logs):
    with wg.run("serve", traceparent=COMES_IN) as run, wg.run("step") as step:
        pass
    by_id = {event["id"]: event for event in logs.graph("run")}
    assert by_id[run.id]["trace"] == by_id[step.id]["trace"] == TRACE
    assert by_id[run.id]["links"] == {"traceparent": COMES_IN}
    assert "parent" not in by_id[run.id]
    assert by_id[step.id]["parent"] == run.id
    assert "links" not in by_id[step.id]


def test_the_headers_of_a_request_name_the_run_that_sent_it_and_keep_what_other_tracers_say(logs):
    with wg.run("caller") as caller:
        sent = dict(caller.trace_headers)
    sent["tracestate"] += ",vendor=00f067aa0ba902b7"
    received = {name.title(): text for name, text in sent.items()}
    with wg.run("served", traceparent=received) as served:
        onward = served.trace_headers
    event = logs.graph("run")[-1]
    assert (event["parent"], event["trace"]) == (caller.id, caller.trace)
    assert onward["tracestate"] == f"watchglass={served.id},vendor=00f067aa0ba902b7"
    with wg.run("served", traceparent={"content-type": "text/plain"}) as alone:
        assert alone.trace == alone.id.replace("-", "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        COMES_IN.replace("00-", "ff-", 1),
        COMES_IN + "-more",
        COMES_IN.replace(TRACE, "0" * 32),
        COMES_IN.replace(SPAN, "0" * 16),
        COMES_IN.upper(),
        COMES_IN.replace(TRACE, TRACE[:-1]),
    ],
)
def test_what_is_not_of_the_standards_form_is_no_trace(text):
    assert parsed(text) is None


def test_a_later_version_may_say_more(logs):
    assert parsed(COMES_IN.replace("00-", "cc-", 1) + "-what-the-future-will-be-like").trace == TRACE


def test_a_bad_header_never_hinders_a_run_and_is_warned_of(logs, caplog):
    drops._warned.pop("traceparent", None)
    with caplog.at_level(logging.WARNING, "watchglass"), wg.run("serve", traceparent="nonsense") as run:
        pass
    assert run.trace == run.id.replace("-", "")
    assert "nonsense" in caplog.text
    with pytest.raises(BadInput, match="traceparent cannot be 7"):
        wg.run("serve", traceparent=7)


def test_an_id_that_is_none_of_ours_has_a_span_all_the_same():
    assert len(span_of("job 17")) == 16
    assert span_of("job 17") == span_of("job 17") != span_of("job 18")
    assert span_of("0000000000000000") != "0" * 16
