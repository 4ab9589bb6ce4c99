"""What comes over HTTP is redacted by the rules of the store before it is kept, refused lines and frames too."""

from __future__ import annotations

import io
import json

import polars as pl

import watchglass as wg
from tests.web.served import serving
from watchglass.capture.redaction import hashed

KEY = "a secret of more than sixteen characters"
SECRET = "s3cr3t"
RULES = [
    {"model": "fraud", "field": "features.ssn", "action": "hash"},
    {"model": "fraud", "field": "features.name", "action": "drop"},
    {"field": "id", "action": "hash"},
    {"field": "*", "action": "mask", "pattern": "email"},
    {"field": "prediction", "action": "drop"},
]


def on_disk(root):
    return b"\0".join(path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file())


def frame(columns, about):
    data = io.BytesIO()
    pl.DataFrame(columns).write_parquet(data)
    return json.dumps(about).encode() + b"\n" + data.getvalue()


def test_lines_frames_and_refused_lines_are_redacted_by_the_rules_of_the_store(tmp_path, monkeypatch):
    monkeypatch.setenv("WATCHGLASS_HASH_KEY", KEY)
    root = tmp_path / "store"
    with serving(root) as server:
        with wg.open(root) as store:
            store.set("redaction", RULES)
        features = {"ssn": 123456789, "name": SECRET, "mail": "to ana@mail.org", "ink": 0.5}
        good = {
            "kind": "prediction",
            "model": "fraud",
            "id": SECRET,
            "features": features,
            "time": "2026-03-01T00:00:00Z",
        }
        bad = [
            {**good, "id": [SECRET]},
            {**good, "features": SECRET},
            {**good, "kind": SECRET},
            {"kind": "batch", "keys": SECRET},
        ]
        body = "".join(
            json.dumps(event) + "\n"
            for event in [good, {"kind": "label", "model": "fraud", "id": SECRET, "label": 1}, *bad]
        )
        told = server.post("events", body + f'{{"broken": "{SECRET}\n').json()
        assert (told["accepted"], told["rejected_count"]) == (2, 5)
        assert SECRET in told["rejected"][0]["reason"]  # who sent it is told what will not do
        about = {
            "kind": "predictions",
            "model": "fraud",
            "columns": {"id": "who", "time": "at", "prediction": "p"},
            "features": ["ssn", "name", "mail", "ink"],
            "types": {"ssn": "number", "name": "text", "mail": "text", "ink": "number"},
            "time_type": "epoch_s",
        }
        columns = {
            "who": ["a-" + SECRET],
            "at": [1772323201.0],
            "p": [1],
            **{name: [value] for name, value in features.items()},
        }
        assert server.post("frames?name=a-frame-of-ours", frame(columns, about)).json().get("accepted") == 1
        with wg.open(root) as store:
            rows = store.sql("SELECT id, features FROM predictions ORDER BY time", "fraud").rows()
        kept = {"ssn": hashed(123456789, KEY), "mail": "to ***", "ink": 0.5}
        assert rows == [{"id": hashed(each, KEY), "features": kept} for each in (SECRET, "a-" + SECRET)]
        joined = server.rows("SELECT l.label FROM predictions JOIN labels AS l USING (model, environment, id)")
        assert joined == [{"label": "1"}]
        refused = server.rejected()
        assert refused[0] == ("id cannot be what it was; rules of redaction withhold the line", None)
        assert [raw for _, raw in refused] == [None] * 5
    held = on_disk(root)
    for gone in (SECRET, "123456789", "mail.org"):
        assert gone.encode() not in held


def test_nothing_is_taken_while_the_rules_cannot_be_known(tmp_path):
    root = tmp_path / "store"
    event = {"kind": "prediction", "model": "fraud", "id": SECRET}
    with serving(root, WATCHGLASS_HASH_KEY="") as server:
        (root / "settings.json").write_text(json.dumps({"redaction": RULES}))
        told = server.post("events", json.dumps(event))
        assert (told.status_code, "WATCHGLASS_HASH_KEY is not set" in told.json()["error"]) == (503, True)
        (root / "settings.json").write_text('{"redaction": [')
        assert server.post("events", json.dumps(event)).status_code == 503
        (root / "settings.json").write_text("{}")
        assert server.post("events", json.dumps(event)).status_code == 200
