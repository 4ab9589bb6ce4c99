"""The sustained benchmark in short: every process ends, every answer is whole, the end is exact. No time is asserted."""

from __future__ import annotations

import json

from bench.record import Row, machine, read, say
from bench.sustained import rows_of, sustain


def test_writers_keeper_and_reader_for_a_few_seconds(tmp_path):
    run = sustain(tmp_path, seconds=4, rate=4000, writers=2)
    assert run.of("reader")[0]["wrong"] == []
    assert run.of("reader")[0]["took"]
    assert run.rows == run.ids == run.acknowledged > 1000
    told = {row.what: row for row in rows_of(run)}
    assert told["events in the store at the end"].ok
    assert told["answers that lack an acknowledged event or hold one too many"].measured == 0


def test_a_result_is_read_as_it_was_said(capsys):
    row = Row("parsing", "µs", 12.5, "≤ 2 × the limit", 10.0, "bare parsing", ok=True, detail="1,000 lines")
    say("some", [row])
    said = capsys.readouterr().out
    assert json.loads(said)["rows"][0]["ratio"] == 1.25
    result = read(said)
    assert result.rows == (row,)
    assert result.machine["cores"] == machine()["cores"]
