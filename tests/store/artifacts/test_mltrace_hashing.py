"""mltrace's defects of hashing (predecessors 1.2 and 1.5), each by its name: none of them is here."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import watchglass as wg
from watchglass.capture import recorder
from watchglass.capture.fingerprint import content_of


@pytest.fixture
def recording(tmp_path):
    wg.init(tmp_path / "store")
    yield tmp_path / "store"
    recorder.close()


def version(value):
    return content_of(value).version


def test_frames_that_differ_only_in_the_middle_hash_equal():
    one = pd.DataFrame({"a": range(10_000), "b": "x"})
    other = one.copy()
    other.loc[5000, "a"] = -1
    assert repr(one) == repr(other), "what mltrace hashed"
    assert version(one) != version(other)


def test_arrays_of_5000_that_differ_at_2500_hash_equal():
    one, other = np.zeros(5000), np.zeros(5000)
    other[2500] = 1
    assert repr(one) == repr(other)
    assert version(one) != version(other)


def test_two_differently_fitted_logistic_regressions_hash_equal():
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(50, 3)), np.arange(50) % 2
    one, other = LogisticRegression().fit(features, labels), LogisticRegression().fit(features, 1 - labels)
    assert repr(one) == repr(other)
    assert version(one) != version(other)


class Plain:
    def __init__(self, part):
        self.part = part


def test_an_object_with_the_default_repr_hashes_by_its_address():
    assert " at 0x" in repr(Plain(1)), "what mltrace hashed"
    assert version(Plain(1)) == version(Plain(1)) != version(Plain(2))


def test_an_empty_value_has_the_version_of_no_value(recording):
    with wg.run("train") as run:
        assert run.write("", "empty text") is not None
        assert run.write("only a name") is None
    assert len({version(""), version(b""), version([]), version(None)}) == 4


def test_every_text_pointer_is_stored_with_the_hash_of_its_type(recording):
    with wg.run("train") as run:
        assert run.write("one.csv that is no file") is None, "a name alone has no version at all"
        assert run.write("a", "text") != run.write("b", "text")


def test_a_new_pointer_cannot_be_read(recording):
    """get_io_pointer of a new pointer raised TypeError."""
    with wg.run("train") as run:
        made = run.write([1], "numbers")
        wg.flush()
        with wg.open(recording) as store:
            assert store.artifact("numbers").version == made


def test_what_a_pointer_is_follows_from_its_name(recording):
    """A name that contains "model" or "data" made a pointer a model or data."""
    with wg.run("train") as run:
        run.write([1], "the data model")
    wg.flush()
    with wg.open(recording) as store:
        assert store.artifact("the data model").kind == "json"
