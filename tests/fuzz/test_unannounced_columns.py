"""Features, tags and models that nobody announced: a line written by hand keeps what it says, wherever in a segment it stands."""

from __future__ import annotations

import json

import pytest

from tests.fuzz.ground import BEGIN, good, line, new_ground

AROUND = 9000  # lines on each side: more than a look at a segment's beginning, middle and end shows


def taken(event, around):
    """What the tables hold of a line that stands between so many others."""
    with new_ground() as ground:
        padding = b"".join(good(number) for number in range(around))
        ground.segment(padding + line(event) + padding)
        ground.compact()
        (row,) = ground.store.sql("SELECT features, tags FROM predictions WHERE id = 'alone'").rows()
        return {**json.loads(row["features"] or "{}"), **json.loads(row["tags"] or "{}")}


def event(model):
    about = {"kind": "prediction", "model": model, "id": "alone", "time": BEGIN}
    return {**about, "features": {"ink": 1.0, "fresh": 2.5}, "tags": {"a": "b"}}


@pytest.mark.parametrize("around", [1, AROUND])
def test_a_model_that_nobody_announced_keeps_its_features_and_tags(around):
    assert taken(event("new"), around) == {"ink": 1.0, "fresh": 2.5, "a": "b"}


def test_new_features_and_tags_of_a_known_model_are_kept():
    found = taken(event("digits"), 1)
    assert {name: found[name] for name in ("ink", "fresh", "a")} == {"ink": 1.0, "fresh": 2.5, "a": "b"}


def test_new_features_and_tags_of_a_known_model_are_kept_far_inside_a_segment():
    found = taken(event("digits"), AROUND)
    assert {name: found.get(name) for name in ("ink", "fresh", "a")} == {"ink": 1.0, "fresh": 2.5, "a": "b"}
