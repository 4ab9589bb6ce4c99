"""What to do next → commands that a shell and the store's views take as they stand."""

import subprocess
from datetime import UTC, datetime

import duckdb
import pytest

from watchglass.explain.wording import next_steps
from watchglass.records import Cause, Estimate, Incident, SliceEvidence

NAMES = [("digits", "site", "harbour"), ("it's", "a tag", 'O\'Hare "$HOME" `id` \\'), ("m", "tag", "→ \u00e9")]
NONE = Estimate(0.9, 0.8, 0.95, 100)
TIME = datetime(2026, 6, 12, tzinfo=UTC)


@pytest.fixture
def views():
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE predictions (id TEXT, time TIMESTAMP, model TEXT, version TEXT, environment TEXT, prediction TEXT, tags JSON)"
        )
        connection.execute("CREATE TABLE labels (model TEXT, environment TEXT, id TEXT, label TEXT, time TIMESTAMP)")
        connection.execute("CREATE TABLE reads (run TEXT, name TEXT, version TEXT, rule TEXT, time TIMESTAMP)")
        connection.execute("CREATE TABLE runs (id TEXT, component TEXT, version TEXT, started TIMESTAMP, status TEXT)")
        yield connection


def _third_word(command):
    """Let a real shell take the command apart."""
    words = subprocess.run(["sh", "-c", f"printf '%s\\0' {command}"], capture_output=True, text=True, check=True).stdout
    return words.split("\0")[2]


def incident(model, tag, value):
    slices = (SliceEvidence(((tag, value),), NONE, NONE, NONE, "the slice", ""),)
    return Incident(
        7, model, "live", "performance", "page", "open", TIME, TIME, TIME, TIME, None, "", "", 2.0, slices=slices
    )


@pytest.mark.parametrize(("model", "tag", "value"), NAMES)
@pytest.mark.parametrize("known", [True, False])
def test_each_query_runs_and_the_wrong_rows_are_found(views, model, tag, value, known):
    views.execute(
        "INSERT INTO predictions VALUES ('a', '2026-06-13', ?, '1', 'live', '3', json_object(?, ?))",
        [model, tag, value],
    )
    views.execute("INSERT INTO labels VALUES (?, 'live', 'a', '5', '2026-06-14')", [model])
    cause = Cause(
        "clean, version 2", "component version", "clean", "2", TIME, "run'1", (("site_scales", "3f1c08"),), 0.9, ()
    )
    steps = next_steps(incident(model, tag, value), cause if known else None, ())
    queries = [
        _third_word(command) for step in steps for command in step.commands if command.startswith("watchglass sql")
    ]
    answers = [views.execute(query).fetchall() for query in queries]
    assert len(queries) == 2
    assert [row[0] for row in answers[1]] == ["a"]
