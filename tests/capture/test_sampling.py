"""Rules of sampling keep the same rows everywhere, hold reservoirs in bounded memory, and lose nothing that they held but by a kill."""

from __future__ import annotations

import json
import math
import random
import threading
from collections import Counter

import pytest

import watchglass as wg
from watchglass.capture import recorder, sampling
from watchglass.capture.rules import Rule, document, rules
from watchglass.capture.sampling import Sampler
from watchglass.errors import BadInput

HEAD = {"model": "*", "method": "head", "rate": 0.2}
RESERVOIR = {"model": "*", "method": "reservoir", "rows": 10, "seconds": 3600}


def log(count, model="fraud", **more):
    for number in range(count):
        wg.log_prediction(model, id=f"p{number}", features={"ink": number}, prediction=1, **more)


@pytest.fixture
def sampled(logs):
    def begin(*given):
        wg.init(logs.root, sampling=given)
        return logs

    return begin


@pytest.fixture
def left_out():
    before = Counter(sampling.skipped())
    return lambda: dict(Counter(sampling.skipped()) - before)


def test_head_sampling_keeps_the_same_rows_in_every_process(sampled, python, remote, left_out):
    logs = sampled(HEAD)
    log(500)
    here = [row["id"] for row in logs.rows("prediction")]
    assert 60 < len(here) < 140
    assert left_out() == {"fraud": 500 - len(here)}
    assert {row["weight"] for row in logs.rows()} == {5}
    python(
        "import watchglass as wg\nfor n in range(500): wg.log_prediction('other', id=f'p{n}', prediction=0)\n",
        WATCHGLASS_SAMPLING=json.dumps([HEAD]),
    )
    assert [row["id"] for row in remote.rows("prediction") if row["model"] == "other"] == here


def test_rows_of_one_trace_are_kept_together(sampled):
    logs = sampled({"model": "*", "method": "head", "rate": 0.5})
    for number in range(40):
        with wg.run(f"request {number}"):
            wg.log_prediction("first", prediction=1)
            wg.log_prediction("second", prediction=1)
    kept = {model: {row["trace"] for row in logs.rows() if row["model"] == model} for model in ("first", "second")}
    assert kept["first"] == kept["second"]
    assert 5 < len(kept["first"]) < 35


def test_each_value_of_a_key_has_its_rate_tags_before_features(sampled):
    rule = {"model": "*", "method": "head", "key": "country", "rates": {"IT": 1, "FR": 0, "*": 0.1}}
    logs = sampled(rule)
    for number in range(200):
        for country in ("IT", "FR", "DE"):
            wg.log_prediction(
                "m", id=f"{country}{number}", tags={"country": country}, features={"country": "IT"}, prediction=1
            )
        wg.log_prediction("m", id=f"none{number}", features={"country": "IT"}, prediction=1)
    found = Counter((row["id"].rstrip("0123456789"), row.get("weight", 1)) for row in logs.rows())
    assert found["IT", 1] == found["none", 1] == 200
    assert not any(name == "FR" for name, _ in found)
    assert 5 < found["DE", 10] < 45


def test_a_key_without_a_rate_for_the_rest_keeps_the_rest_whole():
    sampler = Sampler(rules([{"model": "*", "method": "head", "key": "k", "rates": {"a": 0}}], "a test"), print)
    event = {"model": "m", "id": "1", "tags": {"k": "b"}}
    assert sampler.decide(event)
    assert "weight" not in event
    assert not sampler.decide({"model": "m", "id": "1", "tags": {"k": "a"}})


def test_errors_and_slow_rows_are_kept_for_certain_and_stand_for_themselves(sampled):
    rule = {"model": "*", "method": "head", "rate": 0, "keep": {"errors": True, "slower_than": 0.5}}
    logs = sampled(rule)
    wg.log_prediction("m", id="fine", latency=0.5, prediction=1)
    wg.log_prediction("m", id="slow", latency=0.51, prediction=1)
    wg.log_prediction("m", id="failed", error=KeyError("ink"))
    wg.log_prediction("m", id="said", error="no answer", latency=0.1)
    found = {row["id"]: row for row in logs.rows()}
    assert set(found) == {"slow", "failed", "said"}
    assert not any("weight" in row for row in found.values())
    assert (found["failed"]["error"], found["said"]["error"]) == ("KeyError: 'ink'", "no answer")


def test_the_first_rule_that_fits_wins_and_without_one_all_is_kept(sampled):
    logs = sampled({"model": "fraud*", "method": "head", "rate": 0}, {"model": "*d*", "method": "head", "rate": 1})
    log(5, "fraud-2")
    log(5, "ads")
    log(5, "other")
    assert Counter(row["model"] for row in logs.rows()) == {"ads": 5, "other": 5}


def test_a_reservoir_holds_its_rows_until_the_end_and_their_weights_add_up_to_all(sampled, left_out):
    logs = sampled(RESERVOIR)
    log(137)
    assert logs.rows() == []
    recorder.close()
    kept = logs.rows()
    assert len(kept) == 10
    assert sum(row.get("weight", 1) for row in kept) == 137
    assert {row["weight"] for row in kept} == {13, 14}
    assert left_out() == {"fraud": 127}


def test_fewer_rows_than_a_reservoir_holds_are_all_kept_as_they_were(sampled):
    logs = sampled(RESERVOIR)
    features = {"ink": 1.5, "vector": [1, 2]}
    wg.log_prediction("m", id="a", features=features, prediction="x", time=1.0)
    features["ink"] = 99
    recorder.close()
    assert logs.rows() == [
        {
            "kind": "prediction",
            "model": "m",
            "id": "a",
            "time": 1_000_000,
            "environment": "live",
            "features": {"ink": 1.5, "vector": [1, 2]},
            "prediction": "x",
            "tags": {},
        }
    ]


def test_what_a_reservoir_holds_is_written_when_the_process_ends(python, remote):
    python(
        "import watchglass as wg\nfor n in range(50): wg.log_prediction('m', prediction=n)\n",
        WATCHGLASS_SAMPLING=json.dumps([RESERVOIR]),
    )
    assert sum(row.get("weight", 1) for row in remote.rows()) == 50
    assert len(remote.rows()) == 10


def test_an_interval_ends_by_itself_while_the_process_goes_on(python, remote):
    python(
        "import watchglass as wg, time, os, glob\n"
        "for n in range(50): wg.log_prediction('m', prediction=n)\n"
        "end = time.monotonic() + 60\n"
        "while time.monotonic() < end and sum(len(open(p).readlines()) for p in glob.glob('store/log/rows/*.jsonl')) < 10: time.sleep(0.1)\n"
        "os._exit(0)\n",
        WATCHGLASS_SAMPLING=json.dumps([{**RESERVOIR, "seconds": 1}]),
    )
    assert sum(row["weight"] for row in remote.rows()) == 50


def test_a_reservoir_has_a_sample_of_each_value_of_its_key(sampled):
    logs = sampled({**RESERVOIR, "key": "site"})
    for number in range(300):
        wg.log_prediction("m", tags={"site": "big" if number % 30 else "small"}, prediction=1)
    recorder.close()
    found = Counter()
    for row in logs.rows():
        found[row["tags"]["site"]] += row.get("weight", 1)
    assert found == {"big": 290, "small": 10}
    assert len(logs.rows()) == 20


def test_every_row_is_as_likely_to_be_held():
    random.seed(7)
    held = Counter()
    for _ in range(2000):
        kept = []
        sampler = Sampler(rules([{**RESERVOIR, "rows": 3}], "a test"), kept.append)
        for number in range(12):
            assert not sampler.decide({"model": "m", "id": str(number)})
        sampler.finish()
        held.update(row["id"] for row in kept)
    expected = 2000 * 3 / 12
    assert all(abs(held[str(number)] - expected) < 5 * math.sqrt(expected) for number in range(12))


def test_a_reservoir_that_grows_too_large_in_memory_is_written_before_its_time(monkeypatch):
    monkeypatch.setattr(sampling, "MOST_BYTES", 10_000)
    kept = []
    sampler = Sampler(rules([{**RESERVOIR, "rows": 1000}], "a test"), kept.append)
    for number in range(105):
        sampler.decide({"model": "m", "id": str(number), "features": {"text": "x" * 1000}})
    assert 80 <= len(kept) < 105
    sampler.finish()
    assert len(kept) == 105


def test_keys_without_end_do_not_make_reservoirs_without_end(monkeypatch):
    monkeypatch.setattr(sampling, "MOST_KEYS", 5)
    kept = []
    sampler = Sampler(rules([{**RESERVOIR, "rows": 1, "key": "user"}], "a test"), kept.append)
    for number in range(100):
        sampler.decide({"model": "m", "id": str(number), "tags": {"user": str(number)}})
    sampler.finish()
    assert len(kept) <= 6
    assert sum(row.get("weight", 1) for row in kept) == 100


def test_after_its_end_a_sampler_writes_at_once():
    kept = []
    sampler = Sampler(rules([RESERVOIR], "a test"), kept.append)
    sampler.finish(for_good=True)
    assert sampler.decide({"model": "m", "id": "late"})


def test_what_cannot_be_encoded_leaves_the_count_of_a_reservoir_true(sampled, lost):
    class Odd:
        def __iter__(self):
            raise RuntimeError

        def __str__(self):
            raise RuntimeError

        __repr__ = __str__

    logs = sampled(RESERVOIR)
    log(3)
    wg.log_prediction("fraud", features={Odd(): 1}, prediction=1)
    recorder.close()
    assert sum(row.get("weight", 1) for row in logs.rows() if row["id"].startswith("p")) == 3


def test_threads_share_a_reservoir(sampled):
    logs = sampled({**RESERVOIR, "rows": 50})
    threads = [threading.Thread(target=log, args=(300,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorder.close()
    assert sum(row.get("weight", 1) for row in logs.rows()) == 1200
    assert len(logs.rows()) == 50


def test_a_child_does_not_write_what_its_parent_holds(python, remote):
    python(
        "import os, watchglass as wg\n"
        "for n in range(30): wg.log_prediction('m', id=f'parent{n}', prediction=n)\n"
        "pid = os.fork()\n"
        "for n in range(20): wg.log_prediction('m', id=f'{\"child\" if pid == 0 else \"parent\"}{100 + n}', prediction=n)\n"
        "if pid: assert os.waitpid(pid, 0)[1] == 0\n",
        WATCHGLASS_SAMPLING=json.dumps([RESERVOIR]),
    )
    found = Counter()
    for row in remote.rows():
        found[row["id"].rstrip("0123456789")] += row.get("weight", 1)
    assert found == {"parent": 50, "child": 20}


def test_labels_are_never_left_out(sampled):
    logs = sampled({"model": "*", "method": "head", "rate": 0})
    log(5)
    for number in range(5):
        wg.log_label("fraud", f"p{number}", 1)
    assert [row["kind"] for row in logs.rows()] == ["label"] * 5


@pytest.mark.parametrize("given", [HEAD, RESERVOIR], ids=["head", "reservoir"])
def test_a_frame_is_sampled_row_by_row_as_if_logged_one_by_one(sampled, given, left_out):
    import polars as pl

    logs = sampled(given)
    frame = pl.DataFrame({"id": [f"p{n}" for n in range(500)], "ts": [1.0] * 500, "p": [1] * 500, "ink": range(500)})
    kept = wg.log_predictions("fraud", frame, prediction="p", time="ts", id="id")
    recorder.close()
    rows = logs.rows()
    assert kept == (len(rows) if given is HEAD else 0)
    assert left_out() == {"fraud": 500 - len(rows)}
    assert list(logs.root.glob("log/rows/*.parquet")) == []
    if given is RESERVOIR:
        assert sum(row.get("weight", 1) for row in rows) == 500
    else:
        log(500, "one by one")
        assert {row["id"] for row in rows} == {row["id"] for row in logs.rows() if row["model"] == "one by one"}


def test_a_frame_of_which_nothing_is_kept_leaves_no_segment(sampled):
    logs = sampled({"model": "*", "method": "head", "rate": 0})
    assert wg.log_predictions("m", [{"ts": 1.0, "p": 1, "ink": 2}], prediction="p", time="ts") == 0
    assert logs.segments("rows") == []
    assert list(logs.root.glob("log/rows/*.tmp")) == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("[{", "not JSON"),
        ({"model": "*"}, "a list of rules would do"),
        ([5], "sampling rule 1 from a test cannot be 5"),
        ([{"model": "*", "method": "tail"}], '"head" or "reservoir" would do'),
        ([{"model": "", "method": "head", "rate": 1}], "a name or a glob"),
        ([{"model": "*", "method": "head"}], "from 1e-06 to 1"),
        ([{"model": "*", "method": "head", "rate": True}], "from 1e-06 to 1"),
        ([{"model": "*", "method": "head", "rate": math.nan}], "from 1e-06 to 1"),
        ([HEAD, {"model": "*", "method": "head", "rate": 1e-9}], "the rate of sampling rule 2"),
        ([{**HEAD, "rows": 5}], "'rows'"),
        ([{"model": "*", "method": "head", "rates": {"a": 1}, "rate": 1}], "has rates but its key"),
        ([{"model": "*", "method": "head", "key": "k", "rate": 1}], "one for each value of its key"),
        ([{"model": "*", "method": "head", "key": "k", "rates": {"a": 7}}], "the rate of 'a'"),
        ([{**RESERVOIR, "rows": 0}], "from 1 to 100000"),
        ([{**RESERVOIR, "seconds": 0}], "a day at most"),
        ([{**HEAD, "key": 3}], "the name of a tag"),
        ([{**HEAD, "keep": {"errors": "yes"}}], "true or false"),
        ([{**HEAD, "keep": {"slower_than": "long"}}], "seconds, such as 0.5"),
        ([{**HEAD, "keep": {"fast": True}}], '"slower_than": 0.5'),
    ],
    ids=str,
)
def test_a_rule_that_would_not_do_is_refused_by_name(given, says):
    with pytest.raises(BadInput) as caught:
        rules(given, "a test")
    assert says in str(caught.value)
    assert "a test" in str(caught.value)


def test_init_refuses_rules_that_would_not_do_and_goes_on_as_it_was(logs):
    before = recorder.current()
    with pytest.raises(BadInput, match="sampling"):
        wg.init(logs.root, sampling=[{"model": "*", "method": "head", "rate": 3}])
    with pytest.raises(BadInput, match="sampling"):
        wg.init(logs.root, sampling=7)
    assert recorder.current() is before


@pytest.mark.parametrize(
    "given",
    [
        HEAD,
        RESERVOIR | {"key": "site"},
        {"model": "a*", "method": "head", "key": "k", "rates": {"x": 0.5, "*": 0.01}, "keep": {"slower_than": 2.0}},
        HEAD | {"keep": {"errors": True, "slower_than": 0.5}},
    ],
    ids=str,
)
def test_a_rule_is_written_as_it_was_read(given):
    (rule,) = rules(json.dumps([given]), "a test")
    assert isinstance(rule, Rule)
    assert document(rule) == given


def test_a_sampled_out_row_costs_no_write(sampled):
    logs = sampled({"model": "*", "method": "head", "rate": 0})
    log(1)
    size = sum(path.stat().st_size for path in logs.segments("rows"))
    log(1000)
    assert sum(path.stat().st_size for path in logs.segments("rows")) == size == 0
