"""Rules of redaction are read strictly: what is wrong with one is said, with what would do, and nothing is hashed without a secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import watchglass as wg
from watchglass.capture.redaction import Redactor, hashed
from watchglass.capture.redaction_patterns import masking
from watchglass.capture.redaction_rules import document, rules
from watchglass.errors import BadInput

KEY = "a secret of more than sixteen characters"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("drop", "A list of rules would do"),
        (["drop"], "redaction rule 1 from a test cannot be 'drop'"),
        (
            [{"field": "features.a"}],
            "the action of redaction rule 1 from a test cannot be None: drop, hash, mask would do",
        ),
        ([{"field": "ssn", "action": "drop"}], "the field of redaction rule 1 from a test cannot be 'ssn'"),
        ([{"field": "features", "action": "drop"}], "features.NAME"),
        ([{"field": "*", "action": "drop"}], "with mask *"),
        ([{"field": "id", "action": "drop"}], "a row is found by its id; hash would do"),
        ([{"field": "score", "action": "hash"}], "a score is a number; drop would do"),
        ([{"field": "label", "action": "drop"}], "takes back what was known"),
        ([{"field": "features.a", "action": "hash", "keep": 4}], "it takes the whole value"),
        ([{"field": "features.a", "action": "mask", "pattern": "("}], "the pattern of redaction rule 1"),
        ([{"field": "features.a", "action": "mask", "pattern": "x*"}], "matches no empty text"),
        ([{"field": "features.a", "action": "mask", "keep": 9}], "0 to 8"),
        (
            [{"field": "features.a", "action": "drop", "why": "law"}],
            "a key of redaction rule 1 from a test cannot be 'why'",
        ),
        ([{"field": "features.a", "action": "drop", "model": ""}], "a glob such as"),
        ("[{", "is not JSON"),
    ],
)
def test_a_rule_that_cannot_be_says_what_would_do(rule, said):
    with pytest.raises(BadInput) as refused:
        rules(rule, "a test")
    assert said in str(refused.value)


def test_rules_are_written_as_they_are_read():
    given = [
        {"model": "fraud*", "field": "features.card_*", "action": "mask", "pattern": "card", "keep": 4},
        {"model": "*", "field": "id", "action": "hash"},
    ]
    assert [document(rule) for rule in rules(json.dumps(given), "a test")] == given


@pytest.mark.parametrize(
    ("pattern", "keep", "text", "masked"),
    [
        ("email", 0, "ana@mail.org, bo.li+x@a-b.co.uk!", "***, ***!"),
        ("email", 0, "no address @ all", "no address @ all"),
        ("card", 4, "4111111111111111", "***1111"),
        ("card", 4, "no.4111-1111-1111-1111.", "no.***1111."),
        ("card", 0, "12 4111 1111 1111 1111", "***"),
        ("card", 0, "4111111111111112 is no card", "4111111111111112 is no card"),
        ("card", 0, "0.4111111111111111", "0.4111111111111111"),
        ("iban", 0, "to DE89 3704 0044 0532 0130 00 now", "to *** now"),
        ("ip", 0, "from 10.0.0.254: version 1.2.3", "from ***: version 1.2.3"),
        (r"\d{3}-\d{2}-\d{4}", 4, "ssn 123-45-6789", "ssn ***6789"),
        (None, 2, "secret", "***et"),
        (None, 4, "pin", "***"),
    ],
)
def test_a_mask_covers_what_its_pattern_matches_and_nothing_else(pattern, keep, text, masked):
    mask = masking(pattern, keep)
    assert mask(text) == masked
    assert mask(masked) == masked


def test_the_address_pattern_takes_a_long_text_without_any():
    assert masking("email", 0)("a" * 200_000) == "a" * 200_000


def test_the_same_value_has_the_same_hash_whatever_type_it_came_in_and_another_key_another():
    assert hashed(17, KEY) == hashed("17", KEY) == hashed(17.0, KEY) != hashed(17.5, KEY)
    assert hashed("17", KEY) != hashed("17", KEY + "!")
    assert len(hashed("17", KEY)) == 32
    assert hashed(hashed("17", KEY), KEY) == hashed("17", KEY)
    assert hashed(hashed("17", KEY + "!"), KEY) != hashed("17", KEY + "!")


def test_hashing_without_a_secret_is_refused_when_recording_begins(tmp_path, monkeypatch):
    rule = [{"model": "*", "field": "features.ssn", "action": "hash"}]
    with pytest.raises(BadInput, match="WATCHGLASS_HASH_KEY is not set"):
        wg.init(tmp_path / "store", redaction=rule)
    monkeypatch.setenv("WATCHGLASS_HASH_KEY", "short")
    with pytest.raises(BadInput, match="has 5 characters"):
        wg.init(tmp_path / "store", redaction=rule)
    monkeypatch.setenv("WATCHGLASS_HASH_KEY", KEY)
    wg.init(tmp_path / "store", redaction=rule)


def test_rules_of_the_environment_hold_from_the_first_event(tmp_path):
    script = 'import watchglass as wg; wg.log_prediction("m", features={"ssn": "123-45-6789", "ink": 1})'
    environment = {
        **os.environ,
        "WATCHGLASS_STORE": str(tmp_path),
        "WATCHGLASS_REDACTION": '[{"field": "features.ssn", "action": "drop"}]',
    }
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, timeout=60)
    (segment,) = (tmp_path / "log" / "rows").glob("*.jsonl")
    assert json.loads(segment.read_bytes())["features"] == {"ink": 1}


def test_drop_goes_before_hash_and_hash_before_mask_in_whatever_order():
    made = Redactor(
        rules(
            [
                {"field": "features.*", "action": "mask"},
                {"field": "features.a", "action": "hash"},
                {"field": "features.b", "action": "drop"},
                {"field": "features.b", "action": "hash"},
            ],
            "a test",
        ),
        KEY,
    )
    event = {"kind": "prediction", "model": "m", "id": "1", "features": {"a": "x", "b": "y", "c": "z"}}
    assert made.event(event)["features"] == {"a": hashed("x", KEY), "c": "***"}
    assert event["features"] == {"a": "x", "b": "y", "c": "z"}
