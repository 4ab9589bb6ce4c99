"""What a rule drops, hashes or masks never reaches the disk, whichever way it was recorded; and the rest is as it was."""

from __future__ import annotations

import json
import logging
import os
from fnmatch import fnmatchcase
from itertools import count
from typing import TYPE_CHECKING

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import watchglass as wg
from watchglass.capture import drops, recorder, tuning
from watchglass.capture.redaction import hashed
from watchglass.store.folder import prepare
from watchglass.store.tuning import replace_settings

if TYPE_CHECKING:
    from pathlib import Path

KEY = "a secret of more than sixteen characters"
SECRET = "s3cr3t"
BEGIN = 1_780_272_000_000_000
FRAMES = {
    "polars": pl.DataFrame,
    "pandas": pd.DataFrame,
    "pyarrow": pa.table,
    "dict": dict,
    "rows": lambda columns: [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)],
}


def on_disk(root: Path) -> bytes:
    """Give every byte of every file below a folder."""
    return b"\0".join(path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file())


def began(tmp_path, monkeypatch, rules, **more):
    monkeypatch.setenv("WATCHGLASS_HASH_KEY", KEY)
    wg.init(tmp_path / "store", redaction=rules, **more)
    return tmp_path / "store"


def answered(store, sql, model=None):
    wg.flush()
    with wg.open(store) as opened:
        return opened.sql(sql, model=model).rows()


def test_a_prediction_is_found_by_the_label_of_its_own_id_when_ids_are_hashed(tmp_path, monkeypatch):
    store = began(tmp_path, monkeypatch, [{"field": "id", "action": "hash"}])
    assert wg.log_prediction("m", features={"ink": 1.0}, prediction=1, id=SECRET) == SECRET
    wg.log_label("m", SECRET, 1)
    wg.log_labels("m", pl.DataFrame({"who": [SECRET], "y": [0]}), id="who", label="y")
    rows = answered(
        store, "select p.id, l.label from predictions p join label_history l using (model, environment, id)"
    )
    assert {row["id"] for row in rows} == {hashed(SECRET, KEY)}
    assert len(rows) == 2
    assert SECRET.encode() not in on_disk(tmp_path)


def test_a_hashed_number_is_a_text_column_and_the_others_stay_as_they_were(tmp_path, monkeypatch):
    store = began(tmp_path, monkeypatch, [{"model": "m", "field": "features.ssn", "action": "hash"}])
    wg.log_prediction("m", features={"ssn": 123456789, "ink": 0.5}, prediction=1)
    wg.log_prediction("n", features={"ssn": 5, "ink": 0.5}, prediction=1)
    (row,) = answered(store, "select features from predictions", "m")
    assert row["features"] == {"ink": 0.5, "ssn": hashed(123456789, KEY)}
    (row,) = answered(store, "select features from predictions", "n")
    assert row["features"] == {"ink": 0.5, "ssn": 5.0}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_a_frame_is_redacted_in_its_columns_whatever_library_holds_it(tmp_path, monkeypatch, frame):
    rules = [
        {"field": "features.ssn", "action": "hash"},
        {"field": "features.name", "action": "drop"},
        {"field": "tags.mail", "action": "mask", "pattern": "email"},
        {"field": "id", "action": "hash"},
    ]
    store = began(tmp_path, monkeypatch, rules)
    columns = {
        "id": [f"{SECRET}-{n}" for n in range(3)],
        "at": [1.7e9 + n for n in range(3)],
        "p": [0, 1, 0],
        "ssn": [123456789, 223456789, 323456789],
        "name": [SECRET, None, SECRET],
        "mail": ["from ana@mail.org", "none", None],
        "ink": [0.1, 0.2, 0.3],
    }
    wg.log_predictions("m", frame(columns), prediction="p", id="id", time="at", tags=["mail"])
    assert answered(store, "select id, features, tags from predictions order by time", "m") == [
        {
            "id": hashed(f"{SECRET}-{n}", KEY),
            "features": {"ink": columns["ink"][n], "ssn": hashed(columns["ssn"][n], KEY)},
            "tags": {"mail": ["from ***", "none", None][n]},
        }
        for n in range(3)
    ]
    with wg.open(store) as opened:
        recorder.close()
        opened.compact()
    held = on_disk(tmp_path)
    for gone in (SECRET, "123456789", "mail.org"):
        assert gone.encode() not in held


def test_sampling_decides_by_what_was_given_and_what_it_keeps_is_redacted(tmp_path, monkeypatch):
    sampling = [
        {"model": "m", "method": "head", "rate": 0.5},
        {"model": "r", "method": "reservoir", "rows": 5, "seconds": 60},
    ]
    rules = [{"field": "features.ssn", "action": "drop"}, {"field": "id", "action": "hash"}]
    ids = [f"{SECRET}{number}" for number in range(60)]
    kept = {}
    for name, redaction in (("plain", None), ("redacted", rules)):
        store = began(tmp_path / name, monkeypatch, redaction, sampling=sampling)
        for ident in ids:
            wg.log_prediction("m", features={"ssn": SECRET, "ink": 1}, prediction=1, id=ident)
            wg.log_prediction("r", features={"ssn": SECRET, "ink": 1}, prediction=1, id=ident)
        frame = pl.DataFrame({"id": ids, "at": [1.7e9] * 60, "p": [1] * 60, "ssn": [SECRET] * 60})
        wg.log_predictions("m", frame, prediction="p", id="id", time="at", environment="batch")
        recorder.close()
        kept[name] = answered(store, "select environment, id, weight from predictions where model = 'm'")
    assert 0 < len(kept["plain"]) < 120
    as_hashed = {(row["environment"], hashed(row["id"], KEY)) for row in kept["plain"]}
    assert as_hashed == {(row["environment"], row["id"]) for row in kept["redacted"]}
    assert SECRET.encode() in on_disk(tmp_path / "plain")
    assert SECRET.encode() not in on_disk(tmp_path / "redacted")


def test_runs_logs_and_errors_are_masked_in_params_notes_previews_and_messages(tmp_path, monkeypatch):
    store = began(
        tmp_path,
        monkeypatch,
        [{"field": "*", "action": "mask", "pattern": "email"}, {"field": "params.password", "action": "drop"}],
    )
    address = "ana@mail.org"
    with pytest.raises(ValueError), wg.run("load", params={"to": address, "password": SECRET, "lr": 0.1}) as run:  # noqa: PT011
        run.note(f"sent to {address}")
        run.read({"who": address}, name="people")
        run.write(["x" * 1990, address], name="cut short")
        raise ValueError(address)
    log = logging.getLogger("test of redaction")
    handler = wg.LogHandler()
    log.addHandler(handler)
    log.warning("mail to %s failed", address)
    log.removeHandler(handler)
    wg.log_prediction("m", features={"nested": {address: [address, 1]}}, prediction=address, error=KeyError(address))
    wg.log_metric("queue", 3, labels={"of": address})
    (found,) = answered(store, "select params, notes, error from runs")
    assert json.loads(found["params"]) == {"to": "***", "lr": 0.1}
    assert json.loads(found["notes"]) == ["sent to ***"]
    assert found["error"] == "ValueError: ***"
    (message,) = answered(store, "select message from logs")
    assert message["message"] == "mail to *** failed"
    held = on_disk(tmp_path)
    for gone in (address, "ana@", SECRET):
        assert gone.encode() not in held


class Odd:
    """A value that says something secret when it is looked at."""

    def __str__(self):
        raise ValueError(SECRET)

    __repr__ = __str__


def test_what_a_rule_cannot_do_to_a_value_drops_the_value_and_is_counted(tmp_path, monkeypatch, caplog):
    before = drops.dropped()
    store = began(tmp_path, monkeypatch, [{"field": "features.b", "action": "drop"}])
    settings_of = [{"field": "features.*", "action": "hash"}, {"field": "id", "action": "hash"}]
    replace_settings(prepare(store, create=True), {"redaction": settings_of})
    tuning.tick()
    assert hashed("x", KEY)
    wg.log_prediction("m", features={"a": Odd(), "b": SECRET}, prediction=1, id="1")
    (row,) = answered(store, "select id, features from predictions", "m")
    assert row["features"] == {"a": hashed("<Odd without text>", KEY)}
    monkeypatch.delenv("WATCHGLASS_HASH_KEY")
    replace_settings(prepare(store), {"redaction": [*settings_of, {"field": "tags.x", "action": "drop"}]})
    tuning.tick()
    wg.log_prediction(
        "m", features={"a": SECRET}, prediction=1, id=SECRET
    )  # no secret any more: the id cannot be hashed
    wg.log_predictions("m", {"p": [1], "at": [1.7e9], "who": [SECRET]}, prediction="p", time="at", id="who")
    assert len(answered(store, "select id from predictions")) == 1
    lost = {why: rows - before.get(why, 0) for why, rows in drops.dropped().items()}
    assert (lost["redaction"], lost["redaction value"]) == (
        2,
        2,
    )  # two rows, for each of which an id could not be hashed
    assert SECRET.encode() not in on_disk(tmp_path)
    assert SECRET not in caplog.text


def test_a_store_s_rules_are_added_to_those_of_a_running_process_and_taken_back(tmp_path, monkeypatch):
    store = began(tmp_path, monkeypatch, [{"field": "features.a", "action": "drop"}])
    features = {"a": "one", "b": "two", "c": "three"}

    def fields(number):
        tuning.tick()
        wg.log_prediction("m", features=features, prediction=1, id=str(number))
        (row,) = answered(store, f"select features from predictions where id = '{number}'")
        return {name for name, value in json.loads(row["features"]).items() if value is not None}

    assert fields(1) == {"b", "c"}
    replace_settings(prepare(store), {"redaction": [{"field": "features.b", "action": "drop"}]})
    assert fields(2) == {"c"}
    replace_settings(prepare(store), {"redaction": []})
    assert fields(3) == {"b", "c"}
    (store / "settings.json").unlink()
    assert fields(4) == {"b", "c"}


def test_without_rules_nothing_stands_in_the_way_of_an_event(tmp_path):
    wg.init(tmp_path / "store")
    here = recorder.current()
    wg.log_prediction("m", features={"ink": 1}, prediction=1)
    assert here.redactor is None
    assert here.sampler is None
    assert not here._hindered


names = st.sampled_from(["alpha", "beta", "gamma"])
held = st.recursive(
    st.none(),
    lambda inner: st.lists(inner, min_size=1, max_size=2) | st.dictionaries(names, inner, min_size=1, max_size=2),
    max_leaves=3,
)
rule = st.one_of(
    st.builds(
        lambda role, name, action: {"field": f"{role}.{name}", "action": action},
        st.sampled_from(["features", "tags"]),
        names | st.just("*") | st.just("?e*"),
        st.sampled_from(["drop", "hash", "mask"]),
    ),
    st.builds(
        lambda field, action: {"field": field, "action": action},
        st.sampled_from(["prediction", "error"]),
        st.sampled_from(["drop", "hash", "mask"]),
    ),
    st.sampled_from(
        [
            {"field": "id", "action": "hash"},
            {"field": "label", "action": "hash"},
            {"field": "message", "action": "drop"},
            {"field": "*", "action": "mask", "pattern": r"zq\d+z"},
        ]
    ),
)
shape = st.fixed_dictionaries(
    {"features": st.dictionaries(names, held, max_size=3), "tags": st.dictionaries(names, st.none(), max_size=2)}
)
PLAIN = ("prediction", "error", "id", "label", "message")


def secret(numbers):
    return f"zq{next(numbers)}z"


def filled(value, numbers):
    """Put a secret of its own into each place of a shape."""
    if isinstance(value, dict):
        return {name: filled(item, numbers) for name, item in value.items()}
    return [filled(item, numbers) for item in value] if isinstance(value, list) else secret(numbers)


def leaves(value):
    if isinstance(value, str):
        return [value]
    return [leaf for item in (value.values() if isinstance(value, dict) else value) for leaf in leaves(item)]


def covered(rules, role, name=""):
    """Say by the rules alone whether what a field holds must not be written."""
    for found in rules:
        wanted, dot, glob = found["field"].partition(".")
        if (found["field"] == "*" and role != "id") or (wanted == role and (not dot or fnmatchcase(name, glob))):
            return True
    return False


def parted(rules, event):
    """Part the secrets of an event into those that no file may hold and the others."""
    gone, kept = set(), set()
    for role in PLAIN:
        (gone if covered(rules, role) else kept).add(event[role])
    for role in ("features", "tags"):
        for name, value in event[role].items():
            (gone if covered(rules, role, name) else kept).update(leaves(value))
    return gone, kept


def record(events):
    log = logging.getLogger("hypothetical")
    log.propagate = False
    handler = wg.LogHandler()
    log.addHandler(handler)
    for each in events:
        parts = {name: each[name] for name in ("features", "tags", "prediction", "error", "id")}
        wg.log_prediction("m", **parts)
        wg.log_label("m", each["id"], each["label"])
        log.warning("%s", each["message"])
    log.removeHandler(handler)


def as_columns(events):
    texts = {name: [json.dumps(each["features"].get(name)) for each in events] for name in ("alpha", "beta", "gamma")}
    about = {"id": [each["id"] for each in events], "p": [each["prediction"] for each in events]}
    return {**about, "at": [1.7e9] * len(events), **texts}


@settings(
    max_examples=200 if os.environ.get("WATCHGLASS_TORTURE") else 8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.generate],  # each example makes a store: shrinking one would take minutes
)
@given(
    rules=st.lists(rule, min_size=1, max_size=4),
    shapes=st.lists(shape, min_size=1, max_size=4),
    frame=st.sampled_from([*FRAMES]),
)
def test_no_byte_of_what_must_not_be_written_is_on_the_disk_whatever_rules_and_events(
    tmp_path_factory, monkeypatch, rules, shapes, frame
):
    numbers = count(10**9)
    events = [filled(each, numbers) | {role: secret(numbers) for role in PLAIN} for each in shapes]
    root = tmp_path_factory.mktemp("redacted")
    store = began(root, monkeypatch, rules)
    record(events)
    wg.log_predictions("f", FRAMES[frame](as_columns(events)), prediction="p", id="id", time="at")
    recorder.close()
    held = on_disk(root)
    assert all(found.encode() in held for each in events for found in parted(rules, each)[1])
    with wg.open(store) as opened:
        opened.compact()
    held += on_disk(root)
    assert not [found for each in events for found in parted(rules, each)[0] if found.encode() in held]
