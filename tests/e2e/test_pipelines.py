"""The example pipelines run as they stand, and the store says of them what a reader of their pages expects."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import watchglass as wg

EXAMPLES = Path(__file__).parents[2] / "examples"


def play(script, folder, *words):
    """Run a script as its page says; gives what it printed."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "WATCHGLASS_STORE": str(folder / "store")}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / script), *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    play("training/train.py", folder)
    with wg.open(folder / "store") as store:
        yield store


@pytest.fixture(scope="module")
def nights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nightly")
    bad = play("nightly/batch.py", folder)
    with wg.open(folder / "store") as store:
        yield store, bad


def test_a_report_leads_back_through_the_shell_step_to_the_load(trained):
    steps = [run.component for _, run in trained.trace("report").steps]
    assert steps[0] == "evaluate"
    assert set(steps) == {"evaluate", "train", "split", "clean", "load"}
    assert len(steps) == len(set(steps))


def test_the_shell_step_is_a_part_of_the_run_around_it(trained):
    query = "SELECT r.component, p.component AS parent FROM runs r LEFT JOIN runs p ON r.parent = p.id"
    parents = {row["component"]: row["parent"] for row in trained.sql(query).rows()}
    assert parents == {"training": None, **dict.fromkeys(("load", "clean", "split", "train", "evaluate"), "training")}


def test_what_the_load_brought_reaches_the_report(trained):
    reached = {run.component for _, run in trained.impact("raw.csv").steps}
    assert {"clean", "split", "train", "evaluate"} <= reached


def test_a_table_that_is_changed_in_place_leads_from_night_to_night(nights):
    store, _ = nights
    steps = [run.component for _, run in store.trace("report-9-west").steps]
    assert steps[0] == "score"
    assert steps.count("update") == 9  # all but the faulty night, whose table nobody went on from
    assert steps.count("ingest") == 1


def test_the_faulty_update_stands_first_in_a_review(nights):
    store, bad = nights
    for name in bad:
        store.flag(name, note="spent less than the night before")
    found = store.review()
    first = found.runs[0]
    assert (first.component, first.count, first.good, first.suspiciousness) == ("update", len(bad), 0, 1.0)
    everywhere = next(run for run in found.runs if run.component == "ingest")
    assert (everywhere.coverage, everywhere.good) == (1.0, 36)
    assert everywhere.suspiciousness < 0.4
