"""`watchglass tag`, `subjects`, `retract` and `retracted` as a user calls them."""

from __future__ import annotations

import json

import pytest

import watchglass as wg
from tests.cli.calling import called
from watchglass.capture import recorder


@pytest.fixture
def folder(tmp_path):
    wg.init(tmp_path / "store")
    with wg.run("ingest") as run:
        run.write({"a": 1}, "rows")
    with wg.run("clean") as run:
        run.read({"a": 1}, "rows")
        run.write({"b": 2}, "clean rows")
        run.write({"n": 1}, "totals")
    recorder.close()
    return tmp_path / "store"


def run(folder, *words):
    return called(*words, "--store", folder)


def told(folder, *words):
    done = run(folder, *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_tag_is_said_followed_retracted_and_its_uses_are_listed(folder):
    assert told(folder, "tag", "rows", "client-17", "client-9")["tags"] == ["client-17", "client-9"]
    assert "totals" in run(folder, "tag", "totals", "--clean").stdout
    found = told(folder, "subjects", "client-17")
    assert [(one["depth"], one["name"]) for one in found["artifacts"]] == [(0, "rows"), (1, "clean rows")]
    shown = run(folder, "subjects", "client-17").stdout
    assert "client-17: 2 artifact versions, 1 run, 0 model versions" in shown
    assert told(folder, "subjects", "client-17", "--limit", "1")["next"]
    assert [one["tag"] for one in told(folder, "subjects")["subjects"]] == ["client-17", "client-9"]
    assert "client-9" in run(folder, "subjects").stdout
    taken = told(folder, "retract", "client-17", "--grace", "0s", "--who", "ana")
    assert (taken["who"], taken["versions"], taken["uses"]) == ("ana", 2, 0)
    assert "never" in run(folder, "retract", "client-9", "--grace", "never").stdout
    wg.init(folder)
    with wg.run("again") as one:
        one.read("rows")
    recorder.close()
    assert [(one["tag"], one["uses"]) for one in told(folder, "retracted")["retractions"]] == [("client-9", 1), ("client-17", 1)]  # fmt: skip
    assert "client-17" in run(folder, "retracted").stdout
    used = told(folder, "retracted", "client-17", "--uses")["uses"]
    assert [(one["component"], one["overdue"], one["blocked"]) for one in used] == [("again", True, False)]
    assert "overdue" in run(folder, "retracted", "--uses").stdout
    assert told(folder, "audit", "--action", "retraction")["audits"][1]["record"]["used"] == 1


def test_a_dry_forget_says_what_carries_the_tag(folder):
    told(folder, "tag", "rows", "client-17")
    done = run(folder, "forget", "--subject", "client-17", "--dry-run")
    assert "3 artifact versions of it" in done.stdout, done.stderr
    assert "Outside the store there may be more, which only you can delete: artifact clean rows" in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("tag", "rows"), "name the subjects that it is of"),
        (("tag", "rows", "ana", "--clean"), "name the subjects that it is of"),
        (("tag", "rowz", "ana"), "Did you mean 'rows'"),
        (("subjects", "ana"), "no subject 'ana' is recorded"),
        (("retract", "ana", "--grace", "soon"), "grace cannot be 'soon'"),
        (("retracted", "ana"), "--uses"),
        (("retracted", "ana", "--uses"), "no retracted tag 'ana'"),
        (("retracted", "--after", "x"), "the `next` of the page before"),
    ],
)
def test_what_will_not_do_is_said_in_one_sentence(folder, words, says):
    done = run(folder, *words)
    assert (done.returncode, says in done.stderr) == (2, True), done.stderr
